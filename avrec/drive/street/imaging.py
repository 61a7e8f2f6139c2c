"""One picture of the street: centre rays for truth, corner rays to find edges, many rays per edge pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.caster import SKY_SURFACE, Caster, Rays, Selection, move
from avrec.drive.street.rig import RigCamera, center_rays, corner_rays, pixel_samples
from avrec.drive.street.shapes import intersect
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
    return _View(street, camera, world_from_rig, times_s, hidden).render()


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
    grown = np.logical_or.reduce([np.roll(rows, k, 1) for k in range(-margin, margin + 1)])
    mask = grown[margin:-margin, margin:-margin]
    if not mask.any():
        return full
    return _View(street, camera, world_from_rig, times_s, hidden).render_listed(mask, full)


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
        self._boxes = self._find_boxes()

    def _find_boxes(self) -> dict[int, tuple[slice, slice]]:
        """Rows and columns of pixels each part may touch at any row's moment; parts out of view are missing."""
        picked = [0, self.lines // 2, self.lines - 1]
        parts = self.street.parts
        camera_from_body = {body: np.linalg.inv(poses[picked]) for body, poses in self.caster.bodies.items()}
        numbers = self.caster.visible
        placed = np.stack([camera_from_body[parts[number].body] for number in numbers])
        unit = self.street.body_from_unit[numbers]
        cube = np.array([[x, y, z, 1.0] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        corners = (cube @ (placed @ unit[:, None]).swapaxes(-1, -2))[..., :3]
        front = corners[..., 2] > _NEAR_M
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = corners[..., :2] / corners[..., 2:]
        low, high = slopes.min((1, 2)), slopes.max((1, 2))
        clear, seen = np.asarray(front.all((1, 2))), np.asarray(front.any((1, 2)))
        boxes = {}
        for index, number in enumerate(numbers):
            if not seen[index]:
                continue
            ends = (low[index], high[index]) if clear[index] else _cut_ends(corners[index], front[index])
            columns = _reach(self._columns, float(ends[0][0]), float(ends[1][0]))
            rows = _reach(self._rows, float(ends[0][1]), float(ends[1][1]))
            if columns is not None and rows is not None:
                boxes[number] = (rows, columns)
        return boxes

    def box(self, number: int) -> tuple[slice, slice] | None:
        """Rows and columns of pixels a part may touch, None where it is out of view."""
        return self._boxes.get(number)

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

    def _select_listed(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Callable[[int], list[Selection]]:
        """Selection in a table with one row per listed pixel."""
        slot = np.full((self.camera.model.height, self.camera.model.width), -1, np.int32)
        slot[rows, columns] = np.arange(rows.size)

        def select(number: int) -> list[Selection]:
            box = self.box(number)
            if box is None:
                return []
            listed = slot[box]
            return [(listed[listed >= 0].astype(np.intp), slice(None))]

        return select

    def render(self) -> Picture:
        """The whole picture."""
        model = self.camera.model
        height, width = model.height, model.width
        every = np.arange(height, dtype=np.intp)
        centers = Rays(center_rays(model), every, self.select_pixels)
        seen = self.caster.cast(centers)
        rgb = self.caster.shade(centers, seen)
        corners = corner_rays(model)
        doubled = np.stack([corners[:, :-1], corners[:, 1:]], 2).reshape(3, 2 * height, width + 1)
        around = self.caster.cast(Rays(doubled, np.repeat(every, 2), self._select_corners)).surface
        around = around.reshape(height, 2, width + 1)
        shared = np.stack([around[:, 0, :-1], around[:, 0, 1:], around[:, 1, :-1], around[:, 1, 1:]], -1)
        edges = (shared != seen.surface[..., None]).any(-1) | self._thin()
        rgb[edges] = self._refine(*np.nonzero(edges))
        semantic, instance = self._labels(seen.surface)
        return Picture(_bytes(rgb), seen.distance, semantic, instance)

    def render_listed(self, mask: NDArray[np.bool_], base: Picture) -> Picture:
        """The pixels of ``mask``, the others from ``base``; the same numbers as ``render`` gives."""
        rows, columns = np.nonzero(mask)
        select = self._select_listed(rows, columns)
        centers = Rays(center_rays(self.camera.model)[:, rows, columns, None], rows, select)
        seen = self.caster.cast(centers)
        rgb = self.caster.shade(centers, seen)[:, 0]
        corners = corner_rays(self.camera.model)
        around = np.stack([corners[:, rows + i, columns + j] for i in (0, 1) for j in (0, 1)], -1)
        shared = self.caster.cast(Rays(around, rows, select)).surface
        edges = (shared != seen.surface).any(-1) | self._thin()[rows, columns]
        rgb[edges] = self._refine(rows[edges], columns[edges])
        picture = Picture(base.rgb.copy(), base.depth.copy(), base.semantic.copy(), base.instance.copy())
        semantic, instance = self._labels(seen.surface[:, 0])
        picture.rgb[rows, columns], picture.depth[rows, columns] = _bytes(rgb), seen.distance[:, 0]
        picture.semantic[rows, columns], picture.instance[rows, columns] = semantic, instance
        return picture

    def _thin(self) -> NDArray[np.bool_]:
        """Pixels where something narrower than a pixel may hide between the rays.

        Found by casting at thin parts fattened by a pixel, each row at its own moment.
        """
        centers = center_rays(self.camera.model)
        thin = np.zeros(centers.shape[1:], bool)
        for number, (rows, columns) in self._boxes.items():
            part = self.street.parts[number]
            if part.thin:
                matrices = self.caster.unit_from_sensor(number)[rows]
                half = part.half.astype(np.float32)
                away = np.linalg.norm(matrices[:, :, 3] * half, axis=1, keepdims=True)
                fat = matrices * (half / (half + self.caster.beam_angle * away))[:, :, None]
                lines = np.arange(len(fat), dtype=np.intp)[:, None]
                t, _ = intersect(part, *move(fat, lines, centers[:, rows, columns]))
                thin[rows, columns] |= np.isfinite(t)
        return thin

    def _refine(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Float32:
        """Mean colour [N, 3] over a grid of rays in each listed pixel; rays of a row share its moment."""
        if not rows.size:
            return np.zeros((0, 3), np.float32)
        directions = pixel_samples(self.camera.model, rows, columns, _SUBSAMPLES)
        rays = Rays(directions, rows, self._select_listed(rows, columns))
        colors = self.caster.shade(rays, self.caster.cast(rays))
        result: Float32 = colors.mean(1)
        return result

    def _labels(self, surface: NDArray[np.uint16]) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        semantic, instance = self.caster.label_tables()
        known = np.where(surface == SKY_SURFACE, len(semantic) - 1, surface)
        return semantic[known], instance[known]


def _bytes(rgb: Float32) -> NDArray[np.uint8]:
    return np.asarray(np.floor(rgb * 255 + 0.5), np.uint8)


def _cut_ends(corners: Float64, front: NDArray[np.bool_]) -> tuple[Float64, Float64]:
    """Least and greatest ray slopes of the part of a cube before the near plane; corners [K, 8, 3]."""
    points = [corners[front]]
    for a, b in _EDGES:
        cut = front[:, a] != front[:, b]
        if cut.any():
            start, end = corners[cut, a], corners[cut, b]
            share = (_NEAR_M - start[:, 2:]) / (end[:, 2:] - start[:, 2:])
            points.append(start + share * (end - start))
    flat = np.concatenate(points)
    slopes = flat[:, :2] / flat[:, 2:]
    return slopes.min(0), slopes.max(0)


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
