"""The layered model being optimised: static Gaussians, one group per moving actor, sky, colour per camera."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.gaussians import Gaussians, coefficients_for_degree
from avrec.gaussians.densification import Refinement, add_noise, grow, relocate
from avrec.gaussians.initial import gaussians_from_points
from avrec.reconstruction.config import ReconstructionConfig
from avrec.reconstruction.points import InitialPoints, nearest_neighbour_scales

__all__ = ["LayeredModel", "start_model"]

logger = logging.getLogger(__name__)

Float32 = NDArray[np.float32]

ACTOR_SHARE = 0.08
"""No actor grows beyond this share of the cap."""


@dataclass
class LayeredModel:
    """Everything that is optimised but the poses. Rows [0, count) of the arrays are in use, sorted by body.

    Attributes:
        packed: float32 [capacity, C] Gaussians as in `Gaussians.packed`.
        moments: Adam's running means, float32 [2, capacity, C].
        body: int32 [capacity], 0 for the static layer, b for actor b - 1.
        count: Gaussians in use.
        actors: ids of the tracks behind bodies 1, 2, ...
        sky: float32 [6, S, S, 3], with its moments float32 [2, 6, S, S, 3].
        sky_moments: see above.
        colors: per camera float64 [3, 4] colour correction, with moments float64 [2, 3, 4].
        color_moments: see above.
        demand: float32 [capacity], how much each Gaussian was pulled about since the last refinement.
    """

    packed: Float32
    moments: Float32
    body: NDArray[np.int32]
    count: int
    actors: tuple[str, ...]
    sky: Float32
    sky_moments: Float32
    colors: dict[str, NDArray[np.float64]]
    color_moments: dict[str, NDArray[np.float64]]
    demand: Float32

    @property
    def capacity(self) -> int:
        """Rows there is room for."""
        return len(self.packed)

    def layer(self, body: int) -> Gaussians:
        """A copy of the Gaussians of one body, without any that came to have values that are not finite."""
        packed = self.packed[np.flatnonzero(self.body[: self.count] == body)]
        finite = np.isfinite(packed).all(axis=1)
        if not finite.all():
            logger.warning("%d Gaussians are left out: their values are not finite.", int((~finite).sum()))
        return Gaussians(np.ascontiguousarray(packed[finite]))

    def refine(self, config: ReconstructionConfig, rng: np.random.Generator) -> int:
        """Relocate dead Gaussians, grow towards the cap, and keep rows of a body together. Returns how many moved."""
        demand = self.demand[: self.count] if config.by_demand else None
        moved = relocate(self.packed[: self.count], self.body[: self.count], rng, demand)
        self._restart(moved)
        shares = self._shares(config)
        grown = grow(self.packed, self.count, self.body[: self.count], shares, rng, demand)
        if len(grown.targets):
            self.body[grown.targets] = self.body[grown.sources]
            self.count += len(grown.targets)
            self._restart(grown)
            self.sort()
        self.demand[:] = 0
        return len(moved.targets) + len(grown.targets)

    def _shares(self, config: ReconstructionConfig) -> dict[int, int]:
        """New rows per body: the same relative growth for all, actors capped, the static layer taking what is left."""
        room = self.capacity - self.count
        sizes = np.bincount(self.body[: self.count], minlength=len(self.actors) + 1)
        wanted = {}
        for body, size in enumerate(sizes.tolist()):
            more = int(size * config.growth)
            if body:
                more = max(min(more, int(ACTOR_SHARE * self.capacity) - size), 0)
            wanted[body] = min(more, room)
            room -= wanted[body]
        return wanted

    def note_demand(self, ids: NDArray[np.uint32], gradients: Float32) -> None:
        """Add up how strongly a picture pulls at the means, in units of the Gaussians' sizes.

        Where one Gaussian is pulled hard, the picture wants more of them.
        """
        pull = np.sqrt(np.einsum("nc,nc->n", gradients[:, :3], gradients[:, :3]))
        self.demand[ids] += pull * np.exp(self.packed[ids, 7:10].max(axis=1))

    def thicken(self, least_m: float) -> None:
        """No axis shorter than this: what is thinner than any pixel only makes pictures depend on rounding."""
        axes = self.packed[: self.count, 7:10]
        np.maximum(axes, np.float32(np.log(least_m)), out=axes)

    def shake(self, strength: float, rng: np.random.Generator) -> None:
        """Noise on faint Gaussians: it lets them explore."""
        add_noise(self.packed[: self.count], strength, rng)

    def _restart(self, change: Refinement) -> None:
        rows = change.touched
        self.moments[:, rows] = 0

    def sort(self) -> None:
        """Order rows by body, then along a Morton curve, so that neighbours in space are neighbours in memory."""
        used = slice(0, self.count)
        order = np.lexsort((_morton(self.packed[used, :3]), self.body[used]))
        self.packed[used] = self.packed[used][order]
        self.body[used] = self.body[used][order]
        for moment in self.moments:
            moment[used] = moment[used][order]


def start_model(
    points: InitialPoints, tracks: Sequence[Track], cameras: Sequence[str], sky: Float32, config: ReconstructionConfig
) -> LayeredModel:
    """The model before the first step.

    Args:
        points: where to put Gaussians.
        tracks: the moving actors, in the order of their bodies.
        cameras: names.
        sky: float32 [6, S, S, 3] first guess.
        config: caps and harmonics.
    """
    clouds = [_cloud(points.xyz, points.rgb, config)]
    for track in tracks:
        actor = points.actors[track.id]
        clouds.append(_cloud(actor.xyz, actor.rgb, config))
    packed = np.concatenate([cloud.packed for cloud in clouds])
    columns = 11 + 3 * coefficients_for_degree(config.sh_degree)
    count, capacity = len(packed), max(config.most_gaussians, len(packed))
    model = LayeredModel(
        packed=np.zeros((capacity, columns), np.float32),
        moments=np.zeros((2, capacity, columns), np.float32),
        body=np.zeros(capacity, np.int32),
        count=count,
        actors=tuple(track.id for track in tracks),
        sky=np.ascontiguousarray(sky, np.float32),
        sky_moments=np.zeros((2, *sky.shape), np.float32),
        colors={name: np.eye(3, 4) for name in cameras},
        color_moments={name: np.zeros((2, 3, 4)) for name in cameras},
        demand=np.zeros(capacity, np.float32),
    )
    model.packed[:count] = packed
    model.body[:count] = np.repeat(np.arange(len(clouds)), [len(cloud) for cloud in clouds])
    model.sort()
    return model


def _cloud(xyz: NDArray[np.floating], rgb: NDArray[np.floating], config: ReconstructionConfig) -> Gaussians:
    if not len(xyz):
        return Gaussians.empty(config.sh_degree)
    return gaussians_from_points(xyz, rgb, 0.7 * nearest_neighbour_scales(xyz), sh_degree=config.sh_degree)


def _morton(xyz: Float32) -> NDArray[np.uint64]:
    """Interleaved bits of the position inside the cloud's bounds, 21 per axis."""
    low, high = np.percentile(xyz, [0.5, 99.5], axis=0) if len(xyz) else (np.zeros(3), np.ones(3))
    cells = np.clip((xyz - low) / np.maximum(high - low, 1e-6), 0, 1)
    codes = np.zeros(len(xyz), np.uint64)
    for axis in range(3):
        bits = (cells[:, axis] * ((1 << 21) - 1)).astype(np.uint64)
        for shift, mask in ((32, 0x1F00000000FFFF), (16, 0x1F0000FF0000FF), (8, 0x100F00F00F00F00F),
                            (4, 0x10C30C30C30C30C3), (2, 0x1249249249249249)):  # fmt: skip
            bits = (bits | (bits << np.uint64(shift))) & np.uint64(mask)
        codes |= bits << np.uint64(axis)
    return codes
