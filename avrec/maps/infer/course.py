"""The driven path as a coordinate system: distance along it and to its left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

__all__ = ["Course", "courses_of", "smoothed"]

Float64 = NDArray[np.float64]

STEP_M = 0.5
"""Between the points of a course."""
_SMOOTH_M = 5.0
_JUMP_M = 30.0
_REVISIT_M = 4.0
_REVISIT_AFTER_M = 40.0
_SHORTEST_PIECE_M = 10.0
_END_M = 6.0


@dataclass(frozen=True)
class Course:
    """A smooth line on the ground, with points every `STEP_M` metres.

    Attributes:
        xyz: float64 [N, 3] world metres; the heights are those of the driven path.
        drive_m: distances along the course between which the recording drove; what lies outside is led on straight.
    """

    xyz: Float64
    drive_m: tuple[float, float]

    @property
    def stations(self) -> Float64:
        """Distance of each point along the course, float64 [N]."""
        return np.asarray(np.arange(len(self.xyz)) * STEP_M, np.float64)

    @property
    def length_m(self) -> float:
        """Distance from the first point to the last."""
        return (len(self.xyz) - 1) * STEP_M

    @cached_property
    def headings(self) -> Float64:
        """Direction at each point, radians, float64 [N], without jumps."""
        step = np.gradient(self.xyz[:, :2], axis=0)
        return np.unwrap(np.arctan2(step[:, 1], step[:, 0]))

    def place(self, s: Float64, d: Float64) -> Float64:
        """World points [..., 3] at stations and offsets to the left [...]; the height is the path's."""
        s, d = np.broadcast_arrays(np.asarray(s, np.float64), np.asarray(d, np.float64))
        x, y, z = (np.interp(s, self.stations, self.xyz[:, axis]) for axis in range(3))
        heading = np.interp(s, self.stations, self.headings)
        return np.stack([x - d * np.sin(heading), y + d * np.cos(heading), z], axis=-1)

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.xyz[:, :2])

    def locate(self, xy: Float64) -> tuple[Float64, Float64]:
        """Stations and offsets [N] of world points [N, 2]; beyond the ends the course is led on straight."""
        nearest = self._tree.query(xy)[1]
        heading = self.headings[nearest]
        rest = xy - self.xyz[nearest, :2]
        along = rest[:, 0] * np.cos(heading) + rest[:, 1] * np.sin(heading)
        across = rest[:, 1] * np.cos(heading) - rest[:, 0] * np.sin(heading)
        bend = np.gradient(self.headings, STEP_M)[nearest] if len(self.xyz) > 2 else np.zeros(len(xy))
        turned = along / np.maximum(1.0 - bend * across, 0.3)
        outside = ((nearest == 0) & (along < 0)) | ((nearest == len(self.xyz) - 1) & (along > 0))
        return nearest * STEP_M + np.where(outside, along, turned), across


def courses_of(poses: Float64, *, ahead_m: float, behind_m: float) -> Sequence[Course]:
    """Courses along a path, at least one.

    The path is cut where it jumps, and what comes back to a place passed before is left out.

    Args:
        poses: float64 [N, 4, 4] world_from_rig in time order.
        ahead_m, behind_m: how far a course leads on beyond the path's ends.
    """
    found = []
    for piece in _pieces(poses[:, :3, 3]):
        heading = poses[piece[0], :3, 0]
        found.append(_course(poses[piece, :3, 3], heading, ahead_m, behind_m))
    return found


def _pieces(points: Float64) -> list[NDArray[np.int64]]:
    """Indices of points that move on by a little each, one list per stretch of road."""
    kept, last = [0], points[0, :2]
    for index in range(1, len(points)):
        if np.hypot(*(points[index, :2] - last)) >= STEP_M / 2:
            kept.append(index)
            last = points[index, :2]
    picked = np.array(kept)
    path = points[picked, :2]
    gap = np.hypot(*np.diff(path, axis=0).T) if len(path) > 1 else np.zeros(0)
    along = np.concatenate([[0.0], np.cumsum(gap)])
    again = np.zeros(len(path), bool)
    tree = cKDTree(path)
    for index, near in enumerate(tree.query_ball_point(path, _REVISIT_M)):
        again[index] = any(along[index] - along[other] > _REVISIT_AFTER_M and not again[other] for other in near)
    cut = np.concatenate([[True], (gap > _JUMP_M) | again[1:] | again[:-1]])
    groups = [picked[group] for group in np.split(np.arange(len(path)), np.flatnonzero(cut)[1:]) if not again[group[0]]]
    long = [group for group in groups if np.hypot(*np.ptp(points[group, :2], axis=0)) > _SHORTEST_PIECE_M]
    return long or [max(groups, key=len)]


def _course(points: Float64, first_heading: Float64, ahead_m: float, behind_m: float) -> Course:
    gap = np.hypot(*np.diff(points[:, :2], axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(gap)])
    count = int(along[-1] / STEP_M) + 1
    line = np.stack([np.interp(np.arange(count) * STEP_M, along, points[:, axis]) for axis in range(3)], axis=1)
    line = smoothed(line, _SMOOTH_M / STEP_M)
    directions = []
    for inner, outer in ((min(int(_END_M / STEP_M), count - 1), 0), (-1 - min(int(_END_M / STEP_M), count - 1), -1)):
        step = (line[outer] - line[inner])[:2] * (1 if outer == -1 else -1)
        if np.hypot(*step) < STEP_M:
            step = first_heading[:2]
        directions.append(step / max(float(np.hypot(*step)), 1e-9))
    back, ahead = round(behind_m / STEP_M), round(ahead_m / STEP_M)
    start = line[0] - np.arange(back, 0, -1)[:, None] * STEP_M * np.array([*directions[0], 0.0])
    end = line[-1] + np.arange(1, ahead + 1)[:, None] * STEP_M * np.array([*directions[1], 0.0])
    whole = np.concatenate([start, line, end])
    return Course(_even(whole), (back * STEP_M, back * STEP_M + (count - 1) * STEP_M))


def smoothed(line: Float64, sigma: float) -> Float64:
    """A Gaussian mean along a line [N, ...], mirrored through its end points, so that those and its course stay."""
    pad = min(len(line) - 1, int(4 * sigma) + 1)
    if pad < 1:
        return line
    whole = np.concatenate([2 * line[0] - line[pad:0:-1], line, 2 * line[-1] - line[-2 : -2 - pad : -1]])
    return np.asarray(gaussian_filter1d(whole, sigma, axis=0)[pad : pad + len(line)])


def _even(line: Float64) -> Float64:
    """The same line with points equally far apart again."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line[:, :2], axis=0).T))])
    count = max(round(along[-1] / STEP_M), 2) + 1
    places = np.minimum(np.arange(count) * STEP_M, along[-1])
    return np.stack([np.interp(places, along, line[:, axis]) for axis in range(3)], axis=1)
