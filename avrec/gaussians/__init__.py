"""Gaussian clouds, the layered scene model, its initialisation and densification."""

from avrec.gaussians.cloud import SH_C0, Gaussians, coefficients_for_degree, degree_for_coefficients

__all__ = ["SH_C0", "Gaussians", "coefficients_for_degree", "degree_for_coefficients"]
