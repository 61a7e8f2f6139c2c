"""Make a street from a seed."""

from __future__ import annotations

import numpy as np

from avrec.drive.street.bake import bake_shadows
from avrec.drive.street.furniture import build_furniture
from avrec.drive.street.ground import Ground
from avrec.drive.street.houses import build_houses
from avrec.drive.street.light import Light
from avrec.drive.street.motion import plan_ego
from avrec.drive.street.people import crossing_stations, people_the_street
from avrec.drive.street.road import build_road
from avrec.drive.street.world import Street

__all__ = ["build_street"]


def build_street(*, seed: int, seconds: float, yaw_rate_max_dps: float, moving: bool, shadows: bool = True) -> Street:
    """The street of a seed, long enough for a drive of ``seconds``; the same on every machine.

    Args:
        seed: of everything random.
        seconds: length of the drive.
        yaw_rate_max_dps: bound of the ego's yaw rate, degrees per second.
        moving: whether cars and pedestrians move through it.
        shadows: bake ground shadows (a second of work).
    """
    # one generator per kind of thing: adding a car must not move a house
    houses, trees, people, drive = (np.random.default_rng([seed, stream]) for stream in range(4))
    first_s, last_s = -34.0, 8.0 * seconds + 52.0
    road = build_road(last_s)
    actors, bodies = people_the_street(road, people, first_s, last_s, moving)
    static = build_houses(road, houses, first_s, last_s) + build_furniture(road, trees, first_s, last_s)
    sun = np.array([0.42, 0.4, 0.8])
    street = Street(
        road=road,
        ground=Ground(road, crossing_stations(last_s)),
        parts=(*static, *bodies),
        actors=tuple(actors),
        ego=plan_ego(road, drive, yaw_rate_max_dps),
        light=Light(sun / np.linalg.norm(sun)),
        extent_s=(first_s, last_s),
    )
    return bake_shadows(street) if shadows else street
