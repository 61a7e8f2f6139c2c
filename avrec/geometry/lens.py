"""What all camera models share: the image plane, cached pixel rays, checks of parameters, inversion of radial maps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec.errors import DataError

__all__ = ["Lens", "first_positive_root", "float_tuple", "in_blocks", "invert_increasing", "on_axis_safe", "rays_at"]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

_ROUNDING = 1e-14


@dataclass(frozen=True)
class Lens(ABC):
    """Base of the camera models: OpenCV axes (x right, y down, z forward), pixel centres at .5.

    Attributes:
        width, height: image size in pixels. The image covers [0, width) x [0, height).
    """

    MODEL: ClassVar[str]

    width: int
    height: int

    @abstractmethod
    def project_unbounded(self, points_camera: ArrayLike) -> tuple[Float64, Bool]:
        """Project points, inside the image or not.

        Args:
            points_camera: [..., 3] metres in camera axes; only the direction matters.

        Returns:
            Pixels float64 [..., 2] (u right, v down) and valid [...]: the point lies where the lens model is
            defined and one-to-one. Pixels that are not valid are NaN.
        """

    @abstractmethod
    def unproject(self, pixels: ArrayLike) -> tuple[Float64, Bool]:
        """Rays of pixels.

        Args:
            pixels: [..., 2], inside the image or not.

        Returns:
            Unit rays float64 [..., 3] in camera axes and valid [...]: some ray of the model's domain hits this pixel.
            Rays that are not valid are NaN.
        """

    @abstractmethod
    def resized(self, width: int, height: int) -> Self:
        """The same lens before an image scaled to another size; x and y are scaled separately."""

    def project(self, points_camera: ArrayLike) -> tuple[Float64, Bool]:
        """Like `project_unbounded`, with valid only where the pixel also lies inside the image."""
        pixels, valid = self.project_unbounded(points_camera)
        u, v = pixels[..., 0], pixels[..., 1]
        return pixels, valid & (u >= 0.0) & (u < self.width) & (v >= 0.0) & (v < self.height)

    def pixel_rays(self) -> tuple[Float64, Bool]:
        """Unit rays float64 [H, W, 3] through all pixel centres, NaN where not valid, and valid [H, W].

        Both are read-only and kept for the last few cameras.
        """
        return _pixel_rays(self)

    def to_dict(self) -> dict[str, Any]:
        """Parameters as plain JSON values; `avrec.geometry.camera_from_dict` reads them back exactly."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {"model": self.MODEL} | {
            name: list(value) if isinstance(value, tuple) else value for name, value in values.items()
        }

    def _check_size(self) -> None:
        for name in ("width", "height"):
            value = getattr(self, name)
            if not (np.isfinite(value) and int(value) == value and value >= 1):
                raise DataError(f"A camera's {name} is {value}. Give a whole number of pixels of at least 1.")
            object.__setattr__(self, name, int(value))

    def _set_floats(self, name: str, count: int, *, pad: bool = False) -> None:
        object.__setattr__(self, name, float_tuple(getattr(self, name), count, f"{self.MODEL} {name}", pad=pad))

    def _set_positive(self, name: str, count: int) -> None:
        self._set_floats(name, count)
        values = getattr(self, name)
        if min(values) <= 0.0:
            raise DataError(f"The camera's {self.MODEL} {name} is {values}. Give {count} numbers above 0.")

    def _check_angle(self, angle: float) -> float:
        if not (np.isfinite(angle) and angle > 0.0):
            raise DataError(f"A camera's max_angle is {angle}. Give the half angle of its view in radians, above 0.")
        return min(float(angle), float(np.pi))


@lru_cache(maxsize=8)
def _pixel_rays(camera: Lens) -> tuple[Float64, Bool]:
    u, v = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rays, valid = camera.unproject(np.stack([u, v], axis=-1))
    rays.setflags(write=False)
    valid.setflags(write=False)
    return rays, valid


def float_tuple(values: Iterable[float], count: int, what: str, *, pad: bool = False) -> tuple[float, ...]:
    """``count`` finite floats, zeros appended to a shorter list if ``pad``.

    Raises:
        DataError: another count, or a value that is not finite.
    """
    try:
        given = tuple(float(value) for value in values)
    except (TypeError, ValueError) as error:
        raise DataError(f"The camera's {what} is not a list of numbers. Give {count} numbers.") from error
    if len(given) > count or (len(given) < count and not pad):
        raise DataError(f"The camera's {what} has {len(given)} numbers. Give {count}.")
    if not np.isfinite(given).all():
        raise DataError(f"The camera's {what} holds NaN or infinity: {given}. Repair the calibration.")
    return given + (0.0,) * (count - len(given))


def on_axis_safe(norm: Float64) -> Float64:
    """The norm with zeros replaced by one, for dividing vectors that are zero there anyway."""
    return np.where(norm > 0.0, norm, 1.0)


def rays_at(angle: Float64, flat: Float64, radius: Float64, valid: Bool) -> Float64:
    """Unit rays [..., 3] at an angle from the optical axis towards ``flat`` [..., 2] of length ``radius``; else NaN."""
    ray = np.empty((*angle.shape, 3))
    with np.errstate(invalid="ignore"):
        ray[..., :2] = flat * (np.sin(angle) / on_axis_safe(radius))[..., None]
    ray[..., 2] = np.cos(angle)
    ray[~valid] = np.nan
    return ray


def first_positive_root(coefficients: Iterable[float]) -> float:
    """Smallest real root above zero of a polynomial (ascending powers), or infinity."""
    ascending = np.asarray(tuple(coefficients), dtype=np.float64)
    # A vanishing highest coefficient only adds roots beyond any use, and would overflow the companion matrix.
    ascending = np.trim_zeros(np.where(np.abs(ascending) < 1e-250 * np.abs(ascending).max(), 0.0, ascending), "b")
    if len(ascending) < 2:
        return float("inf")
    roots = np.roots(ascending[::-1])
    real = roots.real[(np.abs(roots.imag) <= 1e-9 * np.abs(roots)) & (roots.real > 0.0)]
    return float(real.min()) if len(real) else float("inf")


def in_blocks(
    function: Callable[[Float64], tuple[Float64, Bool]], values: Float64, size: int = 16384
) -> tuple[Float64, Bool]:
    """Call a function of [N, ...] on blocks that fit the processor's cache, so that a hard block holds up no other."""
    parts = [function(values[start : start + size]) for start in range(0, max(len(values), 1), size)]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def invert_increasing(
    function: Callable[[Float64], tuple[Float64, Float64]], values: Float64, end: float
) -> tuple[Float64, Bool]:
    """Solve ``function(x) = value`` on [0, end], where the function increases, to float64 precision.

    A table seeds Newton's method, and steps stay inside [0, end].

    Args:
        function: takes float64 [M], gives the function and its derivative.
        values: [N] what the function shall give.
        end: upper end of the interval.

    Returns:
        x float64 [N] and whether the value is taken on the interval; where it is not, x is the nearer end.
    """
    grid = np.linspace(0.0, end, 1025)
    table = np.maximum.accumulate(function(grid)[0])
    slack = _ROUNDING * max(abs(table[0]), abs(table[-1]))

    def solve(wanted: Float64) -> tuple[Float64, Bool]:
        taken = (wanted >= table[0] - slack) & (wanted <= table[-1] + slack)
        aim = np.where(taken, wanted, table[0])
        x = np.interp(aim, table, grid)
        # Near a fold the slope vanishes and Newton only halves the error, hence the many steps for such blocks.
        for _ in range(40):
            value, slope = function(x)
            moved = np.clip(x - (value - aim) / np.where(slope > 0.0, slope, np.inf), 0.0, end)
            settled = bool(np.all(np.abs(moved - x) <= _ROUNDING * end))
            x = moved
            if settled:
                break
        return np.where(taken, x, np.where(wanted > table[-1], end, 0.0)), taken

    return in_blocks(solve, values)
