"""Attributes and pictures for the tests of colour cameras."""

from __future__ import annotations

from typing import Any

import numpy as np

from carla_bridge.server.blueprints import catalogue

__all__ = ["RGB", "grey", "with_values"]

RGB = catalogue()["sensor.camera.rgb"].defaults
"""A colour camera's attributes as they come."""


def with_values(**values: Any) -> dict[str, str]:
    """A colour camera's attributes, some of them changed."""
    return {**RGB, **{name: str(value) for name, value in values.items()}}


def grey(value: int, side: int = 32) -> np.ndarray:
    """A grey picture, BGRA."""
    picture = np.full((side, side, 4), value, np.uint8)
    picture[..., 3] = 255
    return picture
