"""Motion blur and depth of field against what they stand for: many sharp pictures, added up in linear light."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from carla_bridge.sensors.development import GAMMA
from carla_bridge.sensors.focus import SENSOR_M
from carla_bridge.sensors.plain import PlainRenderer
from carla_bridge.sensors.rendering import CameraRequest, WorldView
from carla_bridge.sensors.softness import soften
from carla_bridge.server.blueprints import catalogue, spec_of
from carla_bridge.world import World, read_road_map
from carla_bridge.world.motion import VELOCITY
from carla_bridge.world.pose import Pose
from tests.carla_bridge.cameras import with_values
from tests.carla_bridge.support import loop_map

WIDTH, HEIGHT, STEP_S, FINER = 160, 120, 0.05, 2
EYE = Pose(20.0, -1.75, 1.5)


@pytest.fixture
def world() -> World:
    """A car ahead in the next lane, a person at the roadside, a van far off."""
    found = World(read_road_map(loop_map()))
    for name, pose in (
        ("vehicle.audi.a2", Pose(27.0, 1.75, 0.0)),
        ("walker.pedestrian.0001", Pose(26.0, -4.2, 0.93, yaw=1.0)),
        ("vehicle.carlamotors.carlacola", Pose(45.0, -1.75, 0.0)),
    ):
        found.spawn(spec_of(catalogue()[name], {}), pose, check=False)
    return found


class Fine:
    """Pictures without jagged edges, for sums of many have none either."""

    def __init__(self) -> None:
        self.plain = PlainRenderer()

    def camera(self, view: WorldView, request: CameraRequest) -> Any:
        if request.kind != "rgb":
            return self.plain.camera(view, request)
        small = reduced(self.large(view, request))
        picture = np.full((request.height, request.width, 4), 255, np.uint8)
        picture[..., :3] = np.rint(small ** (1 / GAMMA) * 255)
        return picture

    def large(self, view: WorldView, request: CameraRequest) -> np.ndarray:
        return light(self.plain.camera(view, replace(request, width=FINER * WIDTH, height=FINER * HEIGHT)))


def reduced(large: np.ndarray) -> np.ndarray:
    return cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def view(world: World) -> WorldView:
    return WorldView(world, (0.0,) * 14)


def request(pose: Pose = EYE, before: Pose = EYE, **values: Any) -> CameraRequest:
    return CameraRequest("rgb", 0, pose, before, WIDTH, HEIGHT, 90.0, with_values(**values), STEP_S)


def light(picture: np.ndarray) -> np.ndarray:
    return np.asarray((picture[..., :3] / 255.0) ** GAMMA)


def away(one: np.ndarray, other: np.ndarray) -> float:
    """Root mean square difference of pictures of light."""
    return float(np.sqrt(np.mean((one - other) ** 2)))


@pytest.mark.parametrize("driving", ["camera", "others", "both", "turning"])
def test_motion_blur_is_near_the_sum_of_many_moments(world: World, driving: str) -> None:
    renderer = Fine()
    before = EYE
    if driving in ("camera", "both"):
        before = EYE._replace(x=EYE.x - 1.5)
    if driving == "turning":
        before = EYE._replace(yaw=-0.06)
    actors = list(world.actors.values())
    if driving in ("others", "both"):
        for actor, speed in zip(actors, [(-16.0, 0.0, 0.0), (0.0, 8.0, 0.0), (6.0, 0.0, 0.0)], strict=True):
            world.motion[actor.row, VELOCITY] = speed
    asked = request(EYE, before, motion_blur_intensity=0.8, motion_blur_max_distortion=100)
    sharp = renderer.camera(view(world), asked)
    soft = soften(renderer, view(world), asked, sharp, STEP_S)
    start, truth, moments = world.motion.copy(), np.zeros((HEIGHT, WIDTH, 3)), 21
    for moment in range(moments):
        share = 0.8 * ((moment + 0.5) / moments - 0.5)
        world.motion[:, :3] = start[:, :3] + start[:, VELOCITY] * STEP_S * share
        there = EYE._replace(x=EYE.x + (EYE.x - before.x) * share, yaw=EYE.yaw + (EYE.yaw - before.yaw) * share)
        truth += light(renderer.camera(view(world), request(there))) / moments
    assert away(light(sharp), truth) > 0.004
    assert away(light(soft), truth) < 0.6 * away(light(sharp), truth)


@pytest.mark.parametrize(("focus_m", "fstop"), [(5.0, 0.05), (25.0, 0.06), (2.0, 0.1)])
def test_depth_of_field_is_near_a_lens_of_many_points(world: World, focus_m: float, fstop: float) -> None:
    """A picture from each point of the lens, moved so that what is in focus stays where it is."""
    renderer = Fine()
    asked = request(focal_distance=focus_m * 100, fstop=fstop, min_fstop=fstop)
    sharp = renderer.camera(view(world), asked)
    soft = soften(renderer, view(world), asked, sharp, STEP_S)
    focal = SENSOR_M / 2  # 90 degrees
    radius = focal / fstop / 2 * focus_m / (focus_m - focal)  # of the opening, with the sensor focused at focus_m
    grid = (np.arange(7) + 0.5) / 7 * 2 - 1
    points = [(left, up) for left in grid for up in grid if left**2 + up**2 <= 1.0]
    truth = np.zeros((HEIGHT, WIDTH, 3))
    for left, up in points:
        there = EYE._replace(y=EYE.y + left * radius, z=EYE.z + up * radius)
        seen = renderer.large(view(world), request(there))
        shift = FINER * asked.focal_px * radius / focus_m
        move = np.array([[1.0, 0.0, -left * shift], [0.0, 1.0, -up * shift]])
        size = (FINER * WIDTH, FINER * HEIGHT)
        truth += reduced(cv2.warpAffine(seen, move, size, borderMode=cv2.BORDER_REPLICATE)) / len(points)
    inner = np.s_[8:-8, 8:-8]  # pictures end where the sharp one does
    assert away(light(sharp)[inner], truth[inner]) > 0.004
    assert away(light(soft)[inner], truth[inner]) < 0.5 * away(light(sharp)[inner], truth[inner])
