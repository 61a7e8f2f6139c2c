"""How vehicles look in a served scene: plain bodies as Gaussians, and recorded ones that were seen from one side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.gaussians import Gaussians
from avrec.geometry import OpenCVPinholeCamera, Trajectory, transform_from
from avrec.mesh.painted import Kind, Surface
from avrec.raster import View, rasterize
from avrec.scene import Scene
from carla_bridge.looks.bodies import paint_of, shape_of
from carla_bridge.looks.vehicles import vehicle_shape
from carla_bridge.neural import SceneRenderer
from carla_bridge.neural.completion import completed
from carla_bridge.neural.shells import WIDE, coloured, shade, shadow, shell_of
from carla_bridge.sensors.rendering import CameraRequest, WorldView
from carla_bridge.server.blueprints import catalogue, spec_of
from carla_bridge.world import RoadMap, World, read_road_map
from carla_bridge.world.pose import Pose
from tests.carla_bridge.support import loop_map
from tests.rendering.scenes import START_US, straight_path, tiny_scene

HALF = np.array([2.2, 0.95, 0.75])
GREEN = (0.05, 0.35, 0.08)
SIDES = {"front": (1, 0, 0), "rear": (-1, 0, 0), "left": (0, 1, 0), "right": (0, -1, 0), "above": (0.01, 0, 1)}


@pytest.fixture(scope="module")
def road_map() -> RoadMap:
    return read_road_map(loop_map())


def car_cloud() -> Gaussians:
    return coloured(shell_of(vehicle_shape("car", tuple(HALF), 14), HALF[2]), GREEN)


def seen_from(cloud: Gaussians, side: str) -> Any:
    """A picture [60, 60] of something at the origin, from 12 m away."""
    way = np.array(SIDES[side], float)
    way /= np.linalg.norm(way)
    right = np.cross(-way, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(-way, right), -way], axis=1)
    camera = OpenCVPinholeCamera(60, 60, (130.0, 130.0), (30.0, 30.0))
    view = View(camera, np.ascontiguousarray(turn[None]), (way * 12.0)[None], "none", np.zeros((0, 1, 4, 4)))
    return rasterize(cloud, view, background=np.zeros(3, np.float32))


def picture(scene: Scene, world: World, kind: str = "rgb", pose: Pose = Pose(0.0, 0.0, 1.5)) -> NDArray[np.uint8]:  # noqa: B008
    request = CameraRequest(kind, 0, pose, pose, 96, 64, 60.0, {})
    return np.asarray(SceneRenderer(scene).camera(WorldView(world, (-1.0,) * 14), request))


def put(world: World, name: str, pose: Pose, **attributes: str) -> Any:
    return world.spawn(spec_of(catalogue()[name], attributes), pose, check=False)


@settings(deadline=None, max_examples=40)
@given(corners=st.lists(st.floats(-2.0, 2.0), min_size=9, max_size=9))
def test_blobs_share_a_triangle_s_area_among_them(corners: list[float]) -> None:
    points = np.array(corners).reshape(3, 3)
    area = float(np.linalg.norm(np.cross(points[1] - points[0], points[2] - points[0]))) / 2
    surface = Surface.of(points, [[0, 1, 2]], (0.5, 0.5, 0.5), 0)
    if area < 1e-3:
        return
    shell = shell_of(surface, 0.0)
    assert (shell.widths.prod(1) / WIDE**2).sum() == pytest.approx(area, rel=1e-6)
    inside = np.linalg.lstsq(np.c_[points[1] - points[0], points[2] - points[0]], (shell.places - points[0]).T)[0]
    assert (inside > -1e-6).all()
    assert (inside.sum(0) < 1 + 1e-6).all()
    np.testing.assert_allclose(
        shell.turns @ shell.turns.transpose(0, 2, 1), np.eye(3)[None].repeat(len(shell.places), 0), atol=1e-9
    )


def test_colours_by_hand() -> None:
    np.testing.assert_allclose(shade(np.array([[0, 0, 1.0], [1, 0, 0], [0, 0, -1]])), [1.18, 1.0, 0.55])
    square = [[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]]
    faces = [[0, 1, 2], [0, 2, 3]]
    painted = shell_of(Surface.of(square, faces, (1, 1, 1), 0, Kind.GLOSS, 1.0), 0.0)
    shown = 0.5 + 0.28209479177387814 * coloured(painted, (0.25, 0.5, 1.0)).sh[:, 0]
    np.testing.assert_allclose(shown, np.tile(np.array([0.25, 0.5, 1.0]) ** (1 / 2.2), (len(shown), 1)), atol=1e-5)
    lamp = shell_of(Surface.of(square, faces, (1, 0.1, 0), 0, Kind.LAMP + 2, 0.3), 0.0)
    dark, lit = (0.5 + 0.28209479177387814 * coloured(lamp, (0, 0, 0), bits).sh[:, 0] for bits in (0b11, 0b100))
    np.testing.assert_allclose(dark[:, 0], 0.3 ** (1 / 2.2), atol=1e-5)
    np.testing.assert_allclose(lit[:, 0], 1.0, atol=1e-5)


@pytest.mark.parametrize("kind", ["vehicle.", "walker.", "static."])
def test_every_blueprint_has_a_body_in_its_box(kind: str) -> None:
    """Riders, mirrors and the like reach out of it a little."""
    some = [name for name in sorted(catalogue()) if name.startswith(kind)][::3]
    for name in some:
        spec = spec_of(catalogue()[name], {})
        if spec.half[0] <= 0.0:
            continue
        shell = shell_of(shape_of(spec)[1](), spec.half[2])
        cloud = coloured(shell, paint_of(spec))
        assert np.isfinite(cloud.packed).all(), name
        assert 20 < len(cloud) < 20_000, (name, len(cloud))
        over = np.abs(cloud.means[:, :2]).max(0) - np.array(spec.half[:2])
        assert (over < 0.3).all(), (name, over)


def test_plain_bodies_let_no_light_through() -> None:
    cloud = car_cloud()
    for side in SIDES:
        raster = seen_from(cloud, side)
        inside = raster.alpha[25:34, 25:34]
        assert inside.min() > 0.95, side


def test_a_shadow_is_dark_and_thin() -> None:
    raster = seen_from(shadow(HALF), "above")
    assert 0.6 < raster.alpha[30, 30] < 0.95
    assert raster.rgb[30, 30].max() < 0.05
    assert raster.alpha[3, 3] == 0.0


@pytest.mark.parametrize("missing", ["front", "rear", "right"])
def test_what_was_not_seen_is_completed_in_the_car_s_colour(missing: str) -> None:
    """Of a whole car one side is cut off: it comes back, opaque and green, and the rest stays as it was."""
    whole = car_cloud()
    away = whole.means @ np.array(SIDES[missing], np.float32)
    cut = whole.take(np.asarray(away < 0.25 * away.max()))
    hollow, full = seen_from(cut, missing), seen_from(whole, missing)
    middle = full.alpha > 0.95
    found, share = completed(cut, HALF)
    mended = seen_from(found, missing)
    if missing != "right":  # the mirror has mended that one before
        assert 0.3 < share < 0.95
        assert (hollow.median_depth[middle] > full.median_depth[middle] + 0.5).mean() > 0.3
    assert (mended.alpha[middle] > 0.9).mean() > 0.98
    assert (np.abs(mended.median_depth - full.median_depth)[middle] < 0.4).mean() > 0.98
    painted = np.abs(full.rgb - np.array(GREEN) ** (1 / 2.2)).max(-1) < 0.1
    assert painted.sum() > 50
    assert np.abs(mended.rgb - full.rgb)[painted].mean() < 0.06


def test_a_car_seen_from_all_sides_stays_as_it_is() -> None:
    whole = car_cloud()
    found, share = completed(whole, HALF)
    assert share > 0.9
    for side in SIDES:
        assert np.abs(seen_from(found, side).rgb - seen_from(whole, side).rgb).mean() < 0.01


def test_pictures_tell_which_side_was_never_looked_at() -> None:
    """Smears may close a car: what no camera ever faced is not believed."""
    whole = car_cloud()
    behind = transform_from(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.array([-12.0, 0.0, 1.0]))
    camera = OpenCVPinholeCamera(200, 150, (150.0, 150.0), (100.0, 75.0))
    _, share = completed(whole, HALF, [(camera, behind)])
    assert 0.05 < share < 0.6


def test_who_looks_like_whom(road_map: RoadMap) -> None:
    path = Trajectory(np.array([START_US]), transform_from(np.eye(3), np.array([20.0, 8.0, 0.75]))[None])
    tracks = tuple(Track(name, "car", 2 * HALF, path) for name in ("a", "b"))
    unknown = {"frames": {"front": np.zeros(0, np.int64)}, "held_out": {"front": np.zeros(0, np.bool_)}}
    scene = tiny_scene(actors={"a": car_cloud(), "b": Gaussians.empty()}, tracks=tracks, **unknown)
    looks = SceneRenderer(scene).looks
    world = World(road_map)
    sedan = put(world, "vehicle.tesla.model3", Pose(10.0, 0.0, 0.0))
    lorry = put(world, "vehicle.carlamotors.firetruck", Pose(20.0, 0.0, 0.0))
    replayed = put(world, "vehicle.tesla.model3", Pose(30.0, 0.0, 0.0), role_name="track a")
    assert looks.of(sedan)[0].startswith("a as")
    assert not looks.is_plain(sedan)
    assert looks.is_plain(lorry)  # no lorry was recorded, and a car is not stretched to one
    assert looks.of(replayed)[1] is scene.actors["a"]
    assert looks.of(sedan)[1] is looks.of(sedan)[1]
    dark = looks.of(sedan)[1]
    sedan.lights = 0x10 | 0x8  # right indicator, which blinks, and brakes
    on, off = (looks.of(sedan, time_s)[1] for time_s in (0.1, 0.5))
    assert len(on) > len(off) > len(dark)
    np.testing.assert_array_equal(on.packed[: len(dark), :3], dark.packed[:, :3])
    for number in range(200):
        looks.of(put(world, "vehicle.carlamotors.firetruck", Pose(0.0, 0.0, 0.0), color=f"{number},0,0"))
    assert len(looks._made) <= 64


def test_vehicles_have_their_colours_and_lamps_in_a_scene(road_map: RoadMap) -> None:
    scene = tiny_scene(actors={}, tracks=(), ego=straight_path(4.0, 0.0))
    world = World(road_map)
    cars = [
        put(world, "vehicle.tesla.model3", Pose(8.0, y, 0.0), color=c) for y, c in ((1.6, "180,0,0"), (-1.6, "0,0,180"))
    ]
    dark = picture(scene, world)
    assert dark.tobytes() == picture(scene, world).tobytes()
    owner = picture(scene, world, "instance_segmentation")
    for car, channel in zip(cars, (2, 0), strict=True):
        mine = dark[owner[..., 1] == car.id][:, :3].astype(int)
        strong = mine[mine.max(1) - mine.min(1) > 60]
        assert len(strong) > 30
        assert (strong.argmax(1) == channel).mean() > 0.8
    cars[1].lights = 0x8
    lit = picture(scene, world).astype(int) - dark
    assert (lit[..., 2] > 40).sum() > 5
    assert not lit[:, :40].any()  # the other one is as it was


def test_depth_of_plain_bodies_is_that_of_their_shapes(road_map: RoadMap) -> None:
    scene = tiny_scene(actors={}, tracks=(), ego=straight_path(4.0, 0.0))
    world = World(road_map)
    van = put(world, "vehicle.mercedes.sprinter", Pose(10.0, 0.0, 0.0))
    seen = picture(scene, world, "depth").astype(int)
    metres = (seen[..., 2] + 256 * seen[..., 1] + 65536 * seen[..., 0]) / (2**24 - 1) * 1000
    assert metres[32, 48] == pytest.approx(10.0 + van.spec.box_center[0] - van.spec.half[0], abs=0.03)
