"""A plain point cloud becomes Gaussians: something to look at, or to start from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.gaussians import Gaussians
from avrec.gaussians.initial import gaussians_from_points
from avrec.scene.foreign.cleaning import Notes, report

__all__ = ["cloud_from_points"]

_NEIGHBOURS = 3
_WIDTHS_M = (0.002, 0.5)
_OPACITY = 0.9
_FULL = {"u1": 255.0, "i1": 127.0, "u2": 65535.0, "i2": 32767.0}


def cloud_from_points(points: NDArray[np.float32], color_type: str, notes: Notes | None, source: object) -> Gaussians:
    """Round Gaussians, half as wide as the mean distance to the three nearest points, 2 mm to 50 cm.

    Args:
        points: float32 [N, 3] metres, or [N, 6] with red, green and blue behind them.
        color_type: numpy type of the colours in the file ("u1": 0..255, "f4": 0..1), "" for none.
        notes: receives what was done; without it that is logged.
        source: the file, for the log.

    Raises:
        DataError: no point is finite.
    """
    from scipy.spatial import cKDTree  # late: few files are plain points

    finite = np.isfinite(points).all(axis=1)
    kept = points[finite].astype(np.float64)
    if len(points) and not len(kept):
        raise DataError(f"None of its {len(points)} points is finite; export the file again.")
    # A tree over many equal points would take hours.
    kept = kept[np.sort(np.unique(kept[:, :3], axis=0, return_index=True)[1])]
    colors = np.full((len(kept), 3), 0.5)
    if kept.shape[1] == 6:
        colors = np.clip(kept[:, 3:] / _FULL.get(color_type, 1.0), 0.0, 1.0)
    width = np.full(len(kept), _WIDTHS_M[1])
    if len(kept) > _NEIGHBOURS:
        distances = cKDTree(kept[:, :3]).query(kept[:, :3], k=_NEIGHBOURS + 1)[0]
        width = np.clip(0.5 * distances[:, 1:].mean(axis=1), *_WIDTHS_M)
    mine = [f"It is a plain point cloud; its {len(kept)} points became round Gaussians."]
    if len(kept) < len(points):
        mine.append(
            f"{len(points) - len(kept)} of {len(points)} points were not finite, or repeated, and were dropped."
        )
    report(mine, notes, source)
    return gaussians_from_points(kept[:, :3], colors, width, opacity=_OPACITY, sh_degree=0)
