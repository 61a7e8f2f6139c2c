"""Gaussian clouds, the layered scene model, its initialisation and densification."""

from avrec.gaussians.cloud import SH_C0, Gaussians, coefficients_for_degree, degree_for_coefficients
from avrec.gaussians.mirror import mirrored_in_y, with_both_sides

__all__ = [
    "SH_C0",
    "Gaussians",
    "coefficients_for_degree",
    "degree_for_coefficients",
    "mirrored_in_y",
    "with_both_sides",
]
