"""Debug shapes on colour pictures.

A shape is seen through whatever stands before it. Sizes and thicknesses are metres in the world, and at least a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, log

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_bridge.sensors.rendering import CameraRequest
from carla_bridge.world.drawings import Label, Shape
from carla_bridge.world.pose import rows

__all__ = ["draw_shapes"]

Uint8 = NDArray[np.uint8]
Float64 = NDArray[np.float64]

NEAR_M = 0.05
FIXED_POINT = 4
"""Bits behind the point in coordinates of the drawing functions."""
FARTHEST_PX = 2**20
MOST_THICK_PX = 255
PIECE_RATIO, MOST_PIECES = 1.3, 40
"""A stroke is drawn in pieces whose ends are at most so many times farther than their beginnings."""


def draw_shapes(bgra: Uint8, shapes: Sequence[Shape], request: CameraRequest) -> Uint8:
    """A picture uint8 [height, width, 4] with shapes on it; the same one if there are none."""
    if not shapes:
        return bgra
    out = np.ascontiguousarray(bgra).copy()
    turn, origin = np.array(rows(request.pose)), np.array(request.pose.position)
    for shape in shapes:
        for part in shape.parts:
            if isinstance(part, Label):
                _write(out, (np.array(part.place) - origin) @ turn, request.focal_px, part, shape.bgr)
            else:
                ends = (np.array([part.start, part.end]) - origin) @ turn
                _stroke(out, ends, request.focal_px, part.width_m, shape.bgr)
    return out


def _stroke(out: Uint8, ends: Float64, focal: float, width_m: float, bgr: tuple[int, int, int]) -> None:
    """Ends float64 [2, 3] in the camera's frame: x ahead, y left, z up."""
    ahead = ends[:, 0]
    if ahead.max() <= NEAR_M:
        return
    if ahead.min() < NEAR_M:  # cut off what lies behind
        back, front = (0, 1) if ahead[0] < ahead[1] else (1, 0)
        share = (NEAR_M - ahead[back]) / (ahead[front] - ahead[back])
        ends[back] += share * (ends[front] - ends[back])
    colour = (*bgr, 255)
    pieces = _pieces(ends)
    for start, end in pairwise(pieces):
        pixels = _project(np.stack([start, end]), focal, out)
        thick = max(min(round(width_m * focal / float(start[0] + end[0]) * 2), MOST_THICK_PX), 1)
        a, b = ((round(float(u) * 2**FIXED_POINT), round(float(v) * 2**FIXED_POINT)) for u, v in pixels)
        if a == b and len(pieces) == 2:
            radius = max(thick * 2 ** (FIXED_POINT - 1), 2 ** (FIXED_POINT - 1))
            cv2.circle(out, a, radius, colour, -1, cv2.LINE_AA, FIXED_POINT)
        else:
            cv2.line(out, a, b, colour, thick, cv2.LINE_AA, FIXED_POINT)


def _pieces(ends: Float64) -> Float64:
    """Points [P, 3] on a stroke, nearer to each other where it is near, for strokes get thinner with distance."""
    near, far = sorted(ends[:, 0].tolist())
    count = min(max(ceil(log(far / near) / log(PIECE_RATIO)), 1), MOST_PIECES)
    ahead = ends[0, 0] * (ends[1, 0] / ends[0, 0]) ** (np.arange(count + 1) / count)
    share = (ahead - ends[0, 0]) / (ends[1, 0] - ends[0, 0]) if count > 1 else np.array([0.0, 1.0])
    return np.asarray(ends[0] + share[:, None] * (ends[1] - ends[0]))


def _write(out: Uint8, place: Float64, focal: float, word: Label, bgr: tuple[int, int, int]) -> None:
    if place[0] <= NEAR_M:
        return
    u, v = (round(float(value)) for value in _project(place[None], focal, out)[0])
    font = cv2.FONT_HERSHEY_SIMPLEX
    if word.shadow:
        cv2.putText(out, word.text, (u + 1, v + 1), font, 0.45, (0, 0, 0, 255), 1, cv2.LINE_AA)
    cv2.putText(out, word.text, (u, v), font, 0.45, (*bgr, 255), 1, cv2.LINE_AA)


def _project(points: Float64, focal: float, out: Uint8) -> Float64:
    """Pixels [N, 2] with centres at whole numbers, as the drawing functions have them."""
    u = out.shape[1] / 2 - points[:, 1] / points[:, 0] * focal - 0.5
    v = out.shape[0] / 2 - points[:, 2] / points[:, 0] * focal - 0.5
    return np.asarray(np.clip(np.stack([u, v], axis=1), -FARTHEST_PX, FARTHEST_PX))
