"""One picture of the street: centre rays for truth, corner rays to find edges, many rays per edge pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.caster import SKY_SURFACE, Caster, Rays, Seen, Selection
from avrec.drive.street.rig import RigCamera, corner_rays, sample_rays
from avrec.drive.street.world import Street

__all__ = ["Picture", "picture", "picture_without", "row_times_s"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_NEAR_M = 0.05
_SUBSAMPLES = 4
_EDGES = [(a, a | bit) for a in range(8) for bit in (1, 2, 4) if not a & bit]


@dataclass(frozen=True)
class Picture:
    """A picture and its truth at pixel centres.

    Attributes:
        rgb: uint8 [H, W, 3].
        depth: float32 [H, W] metres along the pixel's unit ray, infinite for sky.
        semantic: uint8 [H, W], see ``Semantic``.
        instance: uint16 [H, W] number of the actor (its place in the track list, from 1), 0 elsewhere.
    """

    rgb: NDArray[np.uint8]
    depth: Float32
    semantic: NDArray[np.uint8]
    instance: NDArray[np.uint16]


def row_times_s(height: int, readout_us: int) -> Float64:
    """Seconds from the first row's exposure to each row's."""
    return np.arange(height) / max(height - 1, 1) * (readout_us * 1e-6)


def picture(
    street: Street, camera: RigCamera, world_from_rig: Float64, times_s: Float64, hidden: frozenset[int] = frozenset()
) -> Picture:
    """Render one exposure.

    Args:
        street: the scene.
        camera: which camera of the rig.
        world_from_rig: float64 [H, 4, 4], the rig at each row's moment.
        times_s: float64 [H] those moments, seconds since the drive's start.
        hidden: bodies left out.
    """
    view = _View(street, camera, world_from_rig, times_s, hidden)
    everywhere = np.ones((camera.model.height, camera.model.width), bool)
    return view.render(everywhere, None)


def picture_without(
    street: Street,
    camera: RigCamera,
    world_from_rig: Float64,
    times_s: Float64,
    hidden: frozenset[int],
    full: Picture,
) -> Picture:
    """The picture ``full`` with some bodies gone; renders only where they or their shadows can be."""
    there = _View(street, camera, world_from_rig, times_s, frozenset())
    mask = np.zeros(full.depth.shape, bool)
    for number, part in enumerate(street.parts):
        if part.body in hidden:
            for rows, columns in there.select_pixels(number):
                mask[rows, columns] = True
    margin = max(4, round(0.05 * camera.model.width))  # the contact shadow reaches a little beyond the body
    grown = np.pad(mask, margin)
    rows = np.logical_or.reduce([np.roll(grown, k, 0) for k in range(-margin, margin + 1)])
    mask = np.logical_or.reduce([np.roll(rows, k, 1) for k in range(-margin, margin + 1)])[margin:-margin, margin:-margin]
    if not mask.any():
        return full
    return _View(street, camera, world_from_rig, times_s, hidden).render(mask, full)


class _View:
    def __init__(
        self, street: Street, camera: RigCamera, world_from_rig: Float64, times_s: Float64, hidden: frozenset[int]
    ) -> None:
        self.street, self.camera = street, camera
        self.caster = Caster(street, world_from_rig @ camera.rig_from_camera, times_s, camera.pixel_angle, hidden)
        self.lines = len(times_s)
        corners = corner_rays(camera.model)
        with np.errstate(divide="ignore"):
            self._columns = _spread(corners[0] / corners[2], 0)
            self._rows = _spread(corners[1] / corners[2], 1)
        self._boxes: dict[int, tuple[slice, slice] | None] = {}

    def box(self, number: int) -> tuple[slice, slice] | None:
        """Rows and columns of pixels a part may touch at any row's moment, None where it is out of view."""
        if number not in self._boxes:
            self._boxes[number] = self._find_box(number)
        return self._boxes[number]

    def _find_box(self, number: int) -> tuple[slice, slice] | None:
        part = self.street.parts[number]
        if part.body not in self.caster.bodies:
            return None
        picked = [0, self.lines // 2, self.lines - 1]
        camera_from_unit = np.linalg.inv(self.caster.bodies[part.body][picked]) @ part.body_from_unit
        cube = np.array([[x, y, z, 1.0] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        corners = (cube @ camera_from_unit.swapaxes(1, 2))[..., :3]
        front = corners[..., 2] > _NEAR_M
        if not front.any():
            return None
        points = [corners[front]]
        for a, b in _EDGES:  # edges that cross the near plane are cut there
            cut = front[:, a] != front[:, b]
            if cut.any():
                start, end = corners[cut, a], corners[cut, b]
                share = (_NEAR_M - start[:, 2:]) / (end[:, 2:] - start[:, 2:])
                points.append(start + share * (end - start))
        flat = np.concatenate(points)
        x, y = flat[:, 0] / flat[:, 2], flat[:, 1] / flat[:, 2]
        columns = _reach(self._columns, float(x.min()), float(x.max()))
        rows = _reach(self._rows, float(y.min()), float(y.max()))
        return None if columns is None or rows is None else (rows, columns)

    def select_pixels(self, number: int) -> list[Selection]:
        """The part's box as a selection of pixels."""
        box = self.box(number)
        return [] if box is None else [box]

    def _select_corners(self, number: int) -> list[Selection]:
        """The part's box in a table whose rows 2 v and 2 v + 1 are the upper and lower corners of pixel row v."""
        box = self.box(number)
        if box is None:
            return []
        rows, columns = box
        return [(slice(2 * rows.start, 2 * rows.stop), slice(columns.start, columns.stop + 1))]

    def _select_listed(self, slot: NDArray[np.int32]) -> Callable[[int], list[Selection]]:
        def select(number: int) -> list[Selection]:
            box = self.box(number)
            if box is None:
                return []
            listed = slot[box]
            return [(listed[listed >= 0].astype(np.intp), slice(None))]

        return select

    def render(self, mask: NDArray[np.bool_], base: Picture | None) -> Picture:
        """Render the pixels of ``mask``; the others come from ``base``."""
        model = self.camera.model
        height, width = model.height, model.width
        every = np.arange(height, dtype=np.intp)
        centers = Rays(sample_rays(model, 1)[..., 0], every, self.select_pixels)
        seen = self.caster.cast(centers)
        rgb = self.caster.shade(centers, seen)
        corners = corner_rays(model)
        doubled = np.stack([corners[:, :-1], corners[:, 1:]], 2).reshape(3, 2 * height, width + 1)
        around = self.caster.cast(Rays(doubled, np.repeat(every, 2), self._select_corners)).surface
        edges = self._edges(seen, around.reshape(height, 2, width + 1)) & mask
        rgb[edges] = self._refine(edges)
        pixels = np.floor(rgb * 255 + 0.5).astype(np.uint8)
        semantic, instance = self._labels(seen.surface)
        if base is None:
            return Picture(pixels, seen.distance, semantic, instance)
        return Picture(
            np.where(mask[..., None], pixels, base.rgb),
            np.where(mask, seen.distance, base.depth),
            np.where(mask, semantic, base.semantic),
            np.where(mask, instance, base.instance),
        )

    def _edges(self, seen: Seen, around: NDArray[np.uint16]) -> NDArray[np.bool_]:
        """Pixels that more than one surface may share."""
        top, bottom = around[:, 0], around[:, 1]
        edges = np.zeros(seen.surface.shape, bool)
        for corner in (top[:, :-1], top[:, 1:], bottom[:, :-1], bottom[:, 1:]):
            edges |= corner != seen.surface
        for number in self.caster.visible:
            if self.street.parts[number].thin:
                box = self.box(number)
                if box is not None:
                    edges[box] = True
        return edges

    def _refine(self, edges: NDArray[np.bool_]) -> Float32:
        """Mean colour [N, 3] over a grid of rays in each edge pixel; rays of a row share its moment."""
        rows, columns = np.nonzero(edges)
        if not rows.size:
            return np.zeros((0, 3), np.float32)
        slot = np.full(edges.shape, -1, np.int32)
        slot[rows, columns] = np.arange(rows.size)
        directions = sample_rays(self.camera.model, _SUBSAMPLES)[:, rows, columns]
        rays = Rays(np.ascontiguousarray(directions), rows, self._select_listed(slot))
        colors = self.caster.shade(rays, self.caster.cast(rays))
        result: Float32 = colors.mean(1)
        return result

    def _labels(self, surface: NDArray[np.uint16]) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        semantic, instance = self.caster.label_tables()
        known = np.where(surface == SKY_SURFACE, len(semantic) - 1, surface)
        return semantic[known], instance[known]


def _spread(values: Float32, axis: int) -> tuple[Float32, Float32]:
    """Smallest and largest ray slope of each pixel column (axis 0) or row (axis 1), from its corners."""
    low, high = values.min(axis), values.max(axis)
    return np.minimum(low[:-1], low[1:]), np.maximum(high[:-1], high[1:])


def _reach(spread: tuple[Float32, Float32], low: float, high: float) -> slice | None:
    inside = np.flatnonzero((spread[1] >= low) & (spread[0] <= high))
    if not inside.size:
        return None
    margin = 2  # between the three sampled rows the edge may bulge by a fraction of a pixel
    return slice(max(0, int(inside[0]) - margin), min(len(spread[0]), int(inside[-1]) + 1 + margin))

