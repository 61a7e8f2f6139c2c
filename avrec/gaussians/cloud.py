"""A cloud of 3D Gaussians in one packed float32 array, pre-activation, as the trainer and the files keep it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError

__all__ = ["SH_C0", "Gaussians", "coefficients_for_degree", "degree_for_coefficients"]

Float32 = NDArray[np.float32]

SH_C0 = 0.28209479177387814
"""Constant spherical harmonic: colour = max(0, 0.5 + SH_C0 * sh[0] + ...)."""

_GEOMETRY_COLUMNS = 11


def coefficients_for_degree(degree: int) -> int:
    """Number of spherical-harmonic coefficients per colour channel for a degree 0..3."""
    if degree not in (0, 1, 2, 3):
        raise DataError(f"Spherical-harmonic degree must be 0, 1, 2 or 3, found {degree}.")
    return (degree + 1) ** 2


def degree_for_coefficients(coefficients: int) -> int:
    """Inverse of :func:`coefficients_for_degree`."""
    degrees = {1: 0, 4: 1, 9: 2, 16: 3}
    if coefficients not in degrees:
        raise DataError(f"Expected 1, 4, 9 or 16 spherical-harmonic coefficients, found {coefficients}.")
    return degrees[coefficients]


@dataclass(frozen=True)
class Gaussians:
    """N Gaussians, one row each: mean 3, quaternion wxyz 4, log scale 3, logit opacity 1, SH 3K (coefficient-major).

    Attributes:
        packed: float32 [N, 11 + 3K], C-contiguous. The named views below share its memory.
        Means are metres in the frame of the layer the cloud belongs to (world, or an actor's box).
        Quaternions need not be normalised.
    """

    packed: Float32

    def __post_init__(self) -> None:
        packed = self.packed
        if packed.ndim != 2 or packed.dtype != np.float32 or not packed.flags.c_contiguous:
            raise DataError(
                f"Gaussians need a contiguous float32 [N, 11 + 3K] array, found {packed.dtype} {packed.shape}."
            )
        if (packed.shape[1] - _GEOMETRY_COLUMNS) % 3:
            raise DataError(f"Gaussians need 11 + 3K columns, found {packed.shape[1]}.")
        degree_for_coefficients((packed.shape[1] - _GEOMETRY_COLUMNS) // 3)

    @classmethod
    def from_parts(
        cls,
        means: NDArray[np.floating],
        quaternions: NDArray[np.floating],
        log_scales: NDArray[np.floating],
        logit_opacities: NDArray[np.floating],
        sh: NDArray[np.floating],
    ) -> Gaussians:
        """Pack separate arrays: [N, 3], [N, 4] wxyz, [N, 3], [N], [N, K, 3]."""
        n = len(means)
        columns = (means, quaternions, log_scales, np.reshape(logit_opacities, (n, 1)), np.reshape(sh, (n, -1)))
        return cls(np.ascontiguousarray(np.concatenate(columns, axis=1), dtype=np.float32))

    @classmethod
    def empty(cls, sh_degree: int = 1) -> Gaussians:
        """A cloud without Gaussians."""
        return cls(np.zeros((0, _GEOMETRY_COLUMNS + 3 * coefficients_for_degree(sh_degree)), np.float32))

    def __len__(self) -> int:
        return len(self.packed)

    @property
    def means(self) -> Float32:
        """[N, 3] metres."""
        return self.packed[:, 0:3]

    @property
    def quaternions(self) -> Float32:
        """[N, 4] wxyz, not necessarily normalised."""
        return self.packed[:, 3:7]

    @property
    def log_scales(self) -> Float32:
        """[N, 3] natural logarithm of the standard deviations in metres."""
        return self.packed[:, 7:10]

    @property
    def logit_opacities(self) -> Float32:
        """[N]."""
        return self.packed[:, 10]

    @property
    def sh(self) -> Float32:
        """[N, K, 3] spherical-harmonic coefficients, constant term first."""
        return self.packed[:, _GEOMETRY_COLUMNS:].reshape(len(self), (self.packed.shape[1] - _GEOMETRY_COLUMNS) // 3, 3)

    @property
    def sh_degree(self) -> int:
        """0, 1, 2 or 3."""
        return degree_for_coefficients((self.packed.shape[1] - _GEOMETRY_COLUMNS) // 3)

    @property
    def nbytes(self) -> int:
        """Size of the parameters in bytes."""
        return self.packed.nbytes

    def take(self, keep: NDArray[np.generic]) -> Gaussians:
        """The Gaussians selected by a mask or an index array, copied."""
        return Gaussians(np.ascontiguousarray(self.packed[keep]))

    def with_sh_degree(self, degree: int) -> Gaussians:
        """The same cloud with more (zero) or fewer SH bands."""
        columns = _GEOMETRY_COLUMNS + 3 * coefficients_for_degree(degree)
        packed = np.zeros((len(self), columns), np.float32)
        shared = min(columns, self.packed.shape[1])
        packed[:, :shared] = self.packed[:, :shared]
        return Gaussians(packed)

    @staticmethod
    def concatenate(clouds: list[Gaussians]) -> Gaussians:
        """One cloud after another, all raised to the highest SH degree among them."""
        degree = max((cloud.sh_degree for cloud in clouds), default=0)
        columns = _GEOMETRY_COLUMNS + 3 * coefficients_for_degree(degree)
        packed = np.zeros((sum(len(cloud) for cloud in clouds), columns), np.float32)
        start = 0
        for cloud in clouds:
            packed[start : start + len(cloud), : cloud.packed.shape[1]] = cloud.packed
            start += len(cloud)
        return Gaussians(packed)
