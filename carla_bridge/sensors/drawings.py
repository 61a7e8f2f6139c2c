"""Debug shapes on colour pictures.

Strokes are hidden by what stands before them, words by nothing, as in CARLA. Sizes and thicknesses are metres in the
world, and at least a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import ceil, log

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_bridge.sensors.encoding import FAR_M, decode_depth
from carla_bridge.sensors.rendering import CameraRequest, SensorRenderer, WorldView
from carla_bridge.world.drawings import Label, Stroke
from carla_bridge.world.pose import rows

__all__ = ["draw_shapes"]

Uint8 = NDArray[np.uint8]
Float64 = NDArray[np.float64]

NEAR_M = 0.05
FIXED_POINT = 4
"""Bits behind the point in coordinates of the drawing functions."""
FARTHEST_PX = 2**20
MOST_THICK_PX = 255
SAME, SAME_M = 0.02, 0.05
"""A stroke that lies on a surface is seen, although the surface's depth is not exact."""
PIECE_RATIO, MOST_PIECES = 1.3, 40
"""A stroke is drawn in pieces whose ends are at most so many times farther than their beginnings."""


def draw_shapes(renderer: SensorRenderer, view: WorldView, request: CameraRequest, bgra: Uint8) -> Uint8:
    """A picture with the world's shapes on it; the same array if there are none.

    Args:
        renderer: asked for the depth of the picture, where a stroke is in it.
        view: the world.
        request: of the picture.
        bgra: uint8 [height, width, 4].
    """
    shapes = view.world.drawings.shapes
    if not shapes:
        return bgra
    canvas = _Canvas(np.ascontiguousarray(bgra).copy(), renderer, view, request)
    turn, origin = np.array(rows(request.pose)), np.array(request.pose.position)
    for shape in shapes:
        for part in shape.parts:
            if isinstance(part, Stroke):
                ends = (np.array([part.start, part.end]) - origin) @ turn
                _stroke(canvas, ends, request.focal_px, part.width_m, shape.bgr)
    for shape in shapes:
        for part in shape.parts:
            if isinstance(part, Label):
                _write(canvas.bgra, (np.array(part.place) - origin) @ turn, request.focal_px, part, shape.bgr)
    return canvas.bgra


@dataclass
class _Canvas:
    """A picture that is drawn on, and how far away what it shows is."""

    bgra: Uint8
    renderer: SensorRenderer
    view: WorldView
    request: CameraRequest

    @cached_property
    def ahead(self) -> Float64:
        """Metres along the axis, [H, W]; what is out of reach hides nothing."""
        depth = decode_depth(self.renderer.camera(self.view, replace(self.request, kind="depth")))
        return np.where(depth < FAR_M * 0.999, depth, np.inf)


def _stroke(canvas: _Canvas, ends: Float64, focal: float, width_m: float, bgr: tuple[int, int, int]) -> None:
    """Ends float64 [2, 3] in the camera's frame: x ahead, y left, z up."""
    ahead = ends[:, 0]
    if ahead.max() <= NEAR_M:
        return
    if ahead.min() < NEAR_M:  # cut off what lies behind
        back, front = (0, 1) if ahead[0] < ahead[1] else (1, 0)
        share = (NEAR_M - ahead[back]) / (ahead[front] - ahead[back])
        ends[back] += share * (ends[front] - ends[back])
    pieces = _pieces(ends)
    for start, end in pairwise(pieces):
        pixels = _project(np.stack([start, end]), focal, canvas.bgra)
        thick = max(min(round(width_m * focal / float(start[0] + end[0]) * 2), MOST_THICK_PX), 1)
        _piece(canvas, pixels, 1.0 / np.array([start[0], end[0]]), thick, width_m / 2, bgr, single=len(pieces) == 2)


def _piece(
    canvas: _Canvas,
    pixels: Float64,
    nearness: Float64,
    thick: int,
    radius_m: float,
    bgr: tuple[int, int, int],
    *,
    single: bool,
) -> None:
    """A stroke between two pixels [2, 2], where nothing stands before it; nearness is 1 / metres at both ends."""
    height, width = canvas.bgra.shape[:2]
    low = np.maximum(np.floor(pixels.min(0) - thick / 2 - 2), 0).astype(int)
    high = np.minimum(np.ceil(pixels.max(0) + thick / 2 + 3), (width, height)).astype(int)
    if (high <= low).any():
        return
    mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    a, b = ((round(float(u) * 2**FIXED_POINT), round(float(v) * 2**FIXED_POINT)) for u, v in pixels - low)
    if a == b and single:
        radius = max(thick * 2 ** (FIXED_POINT - 1), 2 ** (FIXED_POINT - 1))
        cv2.circle(mask, a, radius, 255, -1, cv2.LINE_AA, FIXED_POINT)
    else:
        cv2.line(mask, a, b, 255, thick, cv2.LINE_AA, FIXED_POINT)
    row, column = np.nonzero(mask)
    cover = mask[row, column, None] / 255.0
    row, column = row + low[1], column + low[0]
    way = pixels[1] - pixels[0]
    along = ((column - pixels[0, 0]) * way[0] + (row - pixels[0, 1]) * way[1]) / max(float(way @ way), 1e-9)
    ahead = 1.0 / (nearness[0] + (nearness[1] - nearness[0]) * np.clip(along, 0.0, 1.0))
    seen = ahead - radius_m <= canvas.ahead[row, column] * (1.0 + SAME) + SAME_M
    row, column, cover = row[seen], column[seen], cover[seen]
    before = canvas.bgra[row, column]
    canvas.bgra[row, column] = np.rint(before + (np.array([*bgr, 255]) - before) * cover)


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
