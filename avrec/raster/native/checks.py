"""What must hold before the kernel gets to see an array: it reads memory by shapes and asks no questions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from avrec.errors import DataError
from avrec.raster.view import RasterSettings, View

__all__ = ["check_array", "check_body", "check_packed", "check_settings", "check_view"]

_SH_COLUMNS = (14, 23, 38, 59)
_INDEX_LIMIT = 2**31


def check_array(name: str, array: NDArray[Any], dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    """Refuse an array of another type, shape or memory order.

    Raises:
        DataError: what was expected and found.
    """
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
        found = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
        raise DataError(f"{name} must be {np.dtype(dtype)} {list(shape)}, found {found}.")
    if not array.flags.c_contiguous:
        raise DataError(f"{name} must be contiguous in memory; pass np.ascontiguousarray of it.")


def check_packed(packed: NDArray[np.float32]) -> None:
    """Refuse anything but contiguous float32 [N, 11 + 3K] with K = 1, 4, 9 or 16.

    Raises:
        DataError: what was found.
    """
    if not isinstance(packed, np.ndarray) or packed.ndim != 2 or packed.shape[1] not in _SH_COLUMNS:
        found = f"{packed.dtype} {list(packed.shape)}" if isinstance(packed, np.ndarray) else type(packed).__name__
        raise DataError(f"Gaussians must be float32 [N, 11 + 3K] with K = 1, 4, 9 or 16, found {found}.")
    check_array("Gaussians", packed, np.float32, packed.shape)
    if len(packed) >= _INDEX_LIMIT:
        raise DataError(f"The kernel counts Gaussians in 31 bits, found {len(packed)}. Split the cloud.")


def check_body(body: NDArray[np.int32] | None, count: int, view: View) -> None:
    """Refuse body indices that do not belong to ``count`` Gaussians and the view's bodies.

    Raises:
        DataError: what was found.
    """
    if body is None:
        return
    check_array("Body indices", body, np.int32, (count,))
    if count and not 0 <= int(body.min()) <= int(body.max()) <= len(view.bodies):
        worst = int(body.min()) if body.min() < 0 else int(body.max())
        raise DataError(f"Body index {worst} has no pose: the view has {len(view.bodies)} bodies (0 is the world).")


def check_view(view: View) -> None:
    """Refuse poses that do not fit the camera and the shutter axis, or are not finite.

    Raises:
        DataError: what was found.
    """
    camera = view.camera
    lines = {"none": 1, "rows": camera.height, "columns": camera.width}.get(view.axis)
    if lines is None:
        raise DataError(f"Unknown shutter axis '{view.axis}'. Use rows, columns or none.")
    expected = {"origin": (lines, 3), "rotation": (lines, 3, 3), "bodies": (len(view.bodies), lines, 4, 4)}
    for name, shape in expected.items():
        array = np.asarray(getattr(view, name))
        if array.shape != shape:
            raise DataError(
                f"A view of {camera.width} x {camera.height} pixels with shutter axis '{view.axis}' needs {name} of "
                f"shape {list(shape)}, found {list(array.shape)}."
            )
        if not np.isfinite(array).all():
            raise DataError(f"The view's {name} has a number that is not finite. Check the poses.")


def check_settings(settings: RasterSettings) -> None:
    """Refuse thresholds that mean nothing.

    Raises:
        DataError: which one, and its range.
    """
    s = settings
    rules = {
        "0 <= near_m < far_m": 0 <= s.near_m < s.far_m,
        "ut_alpha > 0 and ut_kappa > -3": s.ut_alpha > 0 and -3 < s.ut_kappa < np.inf,
        "finite ut_alpha and ut_beta": bool(np.isfinite([s.ut_alpha, s.ut_beta]).all()),
        "bound_sigma > 0 and inflate_bounds > 0": s.bound_sigma > 0 and s.inflate_bounds > 0,
        "blur_px2 >= 0 and margin >= 0": s.blur_px2 >= 0 and s.margin >= 0,
        "1e-30 <= min_alpha < max_alpha < 1": 1e-30 <= s.min_alpha < s.max_alpha < 1,
        "0 <= min_transmittance < 1": 0 <= s.min_transmittance < 1,
    }
    for rule, holds in rules.items():
        if not holds:
            raise DataError(f"Raster settings must keep {rule}, found {settings}.")
