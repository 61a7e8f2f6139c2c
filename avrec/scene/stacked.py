"""Several clouds read as one, block by block: a scene's layers are written without a copy of all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avrec.gaussians import Gaussians, coefficients_for_degree

__all__ = ["Stacked", "stacked"]

_GEOMETRY_COLUMNS = 11


class Stacked:
    """Clouds one after another, as `Gaussians.concatenate` would give them, in the memory they have.

    Attributes:
        sh_degree: the highest of theirs.
    """

    def __init__(self, clouds: Sequence[Gaussians]) -> None:
        self._clouds = tuple(clouds)
        self.sh_degree = max((cloud.sh_degree for cloud in self._clouds), default=0)

    def __len__(self) -> int:
        return sum(len(cloud) for cloud in self._clouds)

    @property
    def columns(self) -> int:
        """Values of one Gaussian: 11 + 3K."""
        return _GEOMETRY_COLUMNS + 3 * coefficients_for_degree(self.sh_degree)

    def block(self, rows: slice) -> NDArray[np.float32]:
        """Packed rows, float32 [R, 11 + 3K]; a view where they lie in one cloud of the highest degree.

        Args:
            rows: with a positive step or none, within the clouds.
        """
        start, stop, step = rows.indices(len(self))
        parts = []
        for cloud in self._clouds:
            if start < min(stop, len(cloud)):
                parts.append(self._raised(cloud.packed[start : min(stop, len(cloud)) : step]))
                start += step * len(parts[-1])
            start, stop = start - len(cloud), stop - len(cloud)
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.zeros((0, self.columns), np.float32)

    def _raised(self, packed: NDArray[np.float32]) -> NDArray[np.float32]:
        missing = self.columns - packed.shape[1]
        return np.pad(packed, ((0, 0), (0, missing))) if missing else packed


def stacked(clouds: Gaussians | Stacked) -> Stacked:
    """One cloud, or some that are stacked already, to be read in blocks."""
    return clouds if isinstance(clouds, Stacked) else Stacked([clouds])
