"""What stands in a scene and stops things: the surface mesh between bumper and roof, as cells seen from above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.geometry import Trajectory
from avrec.mesh.mesh import Mesh
from carla_bridge.world.actor import Actor
from carla_bridge.world.bumping import Collision
from carla_bridge.world.cells import cells_of, keys_at, points_on_faces
from carla_bridge.world.ground import Ground
from carla_bridge.world.motion import Float64

__all__ = ["NOBODY", "WallBumper", "Walls", "walls_of_mesh"]

Int64 = NDArray[np.int64]

NOBODY = 0
"""Id of what stands there, in collisions."""
CELL_M = 0.25
SAMPLE_M = 0.12
LOW_M, HIGH_M = 0.35, 1.8
"""Heights above the ground between which surfaces stop a car or a person."""
LEAST_AREA_M2 = 0.03
"""Of surface in a cell; less is noise."""
MAX_SAMPLES = 20_000_000
MARGIN_M = 0.15
"""Beside what drove through; there is nothing in the way."""
EGO_BOX = (-1.1, 3.9, 0.95)
"""Of the rig: back, front, half width in metres; an ordinary car."""
GRID_M = 0.3
RESTITUTION = 0.1
RUB = 0.9
"""Share of the speed along a wall that is left after a step at it."""


@dataclass(frozen=True)
class Walls:
    """Cells that cannot be entered.

    Attributes:
        keys: int64 [K] cells, rising.
        normals: float64 [K, 2] mean direction that the surface faces, up to unit length.
        low, high: float64 [K] heights of its surface, metres in the world.
    """

    keys: Int64
    normals: Float64
    low: Float64
    high: Float64

    @property
    def cells(self) -> Int64:
        """Columns and rows of the cells, int64 [K, 2]."""
        return cells_of(self.keys)

    def at(self, points: Float64, low: Float64, high: Float64) -> Int64:
        """Index of the cell that points [N, 2] of bodies between two heights [N] are in, -1 for none."""
        if not len(self.keys):
            return np.full(len(points), -1)
        wanted = keys_at(points, CELL_M)
        place = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        hit = (self.keys[place] == wanted) & (self.low[place] < high) & (self.high[place] > low)
        return np.where(hit, place, -1)


def walls_of_mesh(mesh: Mesh, ground: Ground, ego: Trajectory, tracks: Sequence[Track] = ()) -> Walls:
    """The walls of a scene.

    Args:
        mesh: surface of what does not move.
        ground: to drive on.
        ego: world_from_rig of the recorded drive; where it went, nothing stands.
        tracks: the same goes for actors that moved.
    """
    points, normals, area = _samples(mesh)
    above = points[:, 2] - ground.at(points[:, 0], points[:, 1], points[:, 2]).z if len(points) else np.zeros(0)
    kept = (above > LOW_M) & (above < HIGH_M)
    points, normals, area = points[kept], normals[kept], area[kept]
    if not len(points):
        nothing = np.zeros(0)
        return Walls(nothing.astype(np.int64), np.zeros((0, 2)), nothing, nothing)
    keys, owner = np.unique(keys_at(points, CELL_M), return_inverse=True)
    surface = np.bincount(owner, area)
    facing = np.stack([np.bincount(owner, area * normals[:, axis]) / surface for axis in (0, 1)], axis=1)
    low, high = np.full(len(keys), np.inf), np.full(len(keys), -np.inf)
    np.minimum.at(low, owner, points[:, 2])
    np.maximum.at(high, owner, points[:, 2])
    back, front, side = EGO_BOX
    free = [_swept(ego, (back + front) / 2, (front - back) / 2, side)]
    free += [_swept(t.world_from_box, 0.0, t.size_m[0] / 2, t.size_m[1] / 2) for t in tracks if t.moving]
    stands = (surface >= LEAST_AREA_M2) & ~np.isin(keys, np.concatenate(free))
    return Walls(keys[stands], facing[stands], low[stands], high[stands])


def _swept(path: Trajectory, ahead_m: float, half_x: float, half_y: float) -> Int64:
    """Cells that a box ever covered."""
    first, last = path.span_us
    poses = path.at(np.arange(first, last + 1, 20_000))
    x, y = (np.arange(-half - MARGIN_M, half + MARGIN_M + CELL_M / 2, CELL_M / 2) for half in (half_x, half_y))
    grid = np.stack(np.meshgrid(x + ahead_m, y), axis=-1).reshape(-1, 2)
    found = [np.unique(keys_at(grid @ p[:2, :2].T + p[:2, 3], CELL_M)) for p in poses]
    return np.unique(np.concatenate(found))


def _samples(mesh: Mesh) -> tuple[Float64, Float64, Float64]:
    """Points [S, 3] all over the faces, the level part of the normal [S, 2], and the area that each stands for [S]."""
    corners = mesh.vertices[mesh.faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = np.cross(first, second)
    double = np.linalg.norm(normal, axis=1)
    real = double > 1e-9
    corners, normal, double = corners[real], normal[real], double[real]
    longest = np.maximum(np.linalg.norm(first[real], axis=1), np.linalg.norm(second[real], axis=1))
    side = np.clip(np.ceil(longest / SAMPLE_M), 1, 400).astype(np.int64)
    while (side * side).sum() > MAX_SAMPLES:
        side = np.maximum(side // 2, 1)
        if side.max(initial=1) == 1:
            break
    points, face = points_on_faces(corners, side)
    return points, (normal[:, :2] / double[:, None])[face], (double / 2 / side**2)[face]


class WallBumper:
    """Keeps the bodies out of the walls; made anew when the bodies change."""

    def __init__(self, walls: Walls, actors: Mapping[int, Actor]) -> None:
        self.walls = walls
        self.movers = [a for a in actors.values() if a.solid and a.physics_on and a.mass_kg > 0.0]
        self.rows = np.array([actor.row for actor in self.movers], dtype=np.int64)
        grids = [_grid(actor) for actor in self.movers]
        self.points = np.concatenate(grids) if grids else np.zeros((0, 2))
        self.owner = np.repeat(np.arange(len(grids)), [len(grid) for grid in grids])
        bottoms = [actor.spec.box_center[2] - actor.spec.half[2] for actor in self.movers]
        self.bottom = np.array(bottoms) + 0.2
        self.top = np.array([b + 2 * actor.spec.half[2] for b, actor in zip(bottoms, self.movers, strict=True)])

    def resolve(self, motion: Float64, before: Float64) -> list[Collision]:
        """Undo what led into a wall since ``before`` and take the speed towards it; both float64 [N, 15]."""
        if not len(self.rows) or not len(self.walls.keys):
            return []
        now = self._cells(motion[self.rows], self.points, self.owner)
        found = []
        for index in np.unique(self.owner[now >= 0]).tolist():
            mine = self.owner == index
            row = int(self.rows[index])
            hit = now[mine]
            spot = _placed(motion[row], self.points[mine])[hit >= 0].mean(0)
            normal = self._normal(hit[hit >= 0], motion[row, :2] - spot)
            speed = float(motion[row, 6:8] @ normal)
            if speed >= 0.0:
                continue
            if (self._count(before[row], index, mine)) >= (hit >= 0).sum():
                continue  # it was put there, and may get out
            moved = motion[row, :2] - before[row, :2]
            motion[row, :6] = before[row, :6]
            motion[row, 6:8] -= (1.0 + RESTITUTION) * speed * normal
            along = motion[row, 6:8] - (motion[row, 6:8] @ normal) * normal
            motion[row, 6:8] -= (1.0 - RUB) * along
            motion[row, 11] *= 0.5
            self._slide(motion[row], normal, moved, index, mine)
            mass = self.movers[index].mass_kg
            x, y = (-(1.0 + RESTITUTION) * speed * mass * normal).tolist()
            found.append(Collision(self.movers[index].id, NOBODY, (x, y, 0.0)))
        return found

    def _slide(self, row: Float64, normal: Float64, moved: Float64, index: int, mine: NDArray[np.bool_]) -> None:
        """Let a body go along the wall by as much as it would have gone, where there is room."""
        step = moved - (moved @ normal) * normal
        row[:2] += step
        if self._count(row, index, mine):
            row[:2] -= step

    def _count(self, row: Float64, index: int, mine: NDArray[np.bool_]) -> int:
        cells = self._cells(row[None], self.points[mine], np.zeros(int(mine.sum()), dtype=np.int64), index)
        return int((cells >= 0).sum())

    def _cells(self, rows: Float64, points: Float64, owner: Int64, index: int | None = None) -> Int64:
        of = owner if index is None else np.full(len(owner), index)
        cos, sin = np.cos(rows[:, 5])[owner], np.sin(rows[:, 5])[owner]
        x, y, z = rows[owner, 0], rows[owner, 1], rows[owner, 2]
        world = np.stack([x + cos * points[:, 0] - sin * points[:, 1], y + sin * points[:, 0] + cos * points[:, 1]], 1)
        return self.walls.at(world, z + self.bottom[of], z + self.top[of])

    def _normal(self, cells: Int64, inward: Float64) -> Float64:
        """Which way the wall pushes: as its surface faces, or straight to the body where that says little."""
        facing = self.walls.normals[cells].sum(0)
        inward = inward / max(float(np.linalg.norm(inward)), 1e-9)
        length = float(np.linalg.norm(facing))
        if length < 0.3 * len(cells) or facing @ inward <= 0.2 * length:
            return np.asarray(inward)
        return np.asarray(facing / length)


def _grid(actor: Actor) -> Float64:
    """Points [P, 2] all over a body seen from above, in its own frame."""
    half_x, half_y, _ = actor.spec.half
    x, y = (np.linspace(-half, half, max(int(np.ceil(2 * half / GRID_M)) + 1, 2)) for half in (half_x, half_y))
    grid: Float64 = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return np.asarray(grid + np.array(actor.spec.box_center[:2]))


def _placed(row: Float64, points: Float64) -> Float64:
    cos, sin = np.cos(row[5]), np.sin(row[5])
    return np.asarray(points @ np.array([[cos, sin], [-sin, cos]]) + row[:2])
