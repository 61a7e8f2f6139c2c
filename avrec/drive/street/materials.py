"""Colours of the street's parts: procedural, matte, and free of detail finer than the beam."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.car_look import cabin, car, wheel
from avrec.drive.street.facade import facade
from avrec.drive.street.plain import fence, hedge, leaves, plain, roof
from avrec.drive.street.surface import Hit

__all__ = ["albedo"]

Float32 = NDArray[np.float32]

_SHADERS: dict[str, Callable[[Hit], Float32]] = {
    "cabin": cabin,
    "car": car,
    "facade": facade,
    "fence": fence,
    "hedge": hedge,
    "leaves": leaves,
    "plain": plain,
    "roof": roof,
    "wheel": wheel,
}


def albedo(hit: Hit) -> Float32:
    """Colour before light, float32 [N, 3]."""
    color = _SHADERS[hit.part.material](hit)
    return np.broadcast_to(color, (hit.point.shape[1], 3))
