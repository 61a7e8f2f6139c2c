"""The embedded world's cameras over a scene, and the walls that its surface becomes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from avrec.drive import Track
from avrec.geometry import GLOBAL_SHUTTER, Trajectory, transform_from
from avrec.mesh.mesh import Mesh
from avrec.rendering import render
from avrec.scene import Scene
from carla_bridge.neural import SceneRenderer
from carla_bridge.neural.rays import read_along
from carla_bridge.sensors.rendering import CameraRequest, WorldView
from carla_bridge.server.blueprints import catalogue, spec_of
from carla_bridge.world import RoadMap, World, read_road_map
from carla_bridge.world.pose import Pose, rows
from carla_bridge.world.walls import NOBODY, WallBumper, walls_of_mesh
from tests.carla_bridge.support import loop_map
from tests.rendering.scenes import START_US, straight_path, tiny_scene

SPOT = Pose(1.0, 0.0, 1.5)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return tiny_scene(map_xodr=loop_map(), ego=straight_path(4.0, 0.0))


@pytest.fixture(scope="module")
def road_map() -> RoadMap:
    return read_road_map(loop_map())


@pytest.fixture
def world(road_map: RoadMap) -> World:
    return World(road_map)


def request(kind: str, **changes: Any) -> CameraRequest:
    values = {"kind": kind, "actor": 0, "pose": SPOT, "before": SPOT, "width": 48, "height": 32, "attributes": {}}
    return CameraRequest(**{**values, "fov_deg": float(2 * np.degrees(np.arctan(24 / 40))), **changes})


def view(world: World) -> WorldView:
    return WorldView(world, (0.0,) * 14)


def put(world: World, name: str, pose: Pose, role: str = "") -> Any:
    return world.spawn(spec_of(catalogue()[name], {"role_name": role}), pose, check=False)


def without_actor(scene: Scene) -> Scene:
    sensor = scene.cameras["front"]
    still = type(sensor)("front", sensor.model, sensor.rig_from_camera, GLOBAL_SHUTTER)
    return tiny_scene(ego=scene.ego, actors={}, tracks=(), cameras={"front": still}, cameras_recorded={"front": still})


def test_rgb_is_what_render_gives(scene: Scene, world: World) -> None:
    bgra = SceneRenderer(scene).camera(view(world), request("rgb"))
    wanted = render(without_actor(scene), "front", START_US).rgb_uint8
    np.testing.assert_array_equal(bgra[..., 2::-1], wanted)
    assert (bgra[..., 3] == 255).all()


def test_an_actor_of_a_track_looks_like_it_where_it_is(scene: Scene, world: World) -> None:
    drawn = SceneRenderer(scene)
    before = drawn.camera(view(world), request("rgb")).astype(int)
    put(world, "vehicle.micro.microlino", Pose(9.0, 0.0, 1.0), "track 7")
    after = drawn.camera(view(world), request("rgb")).astype(int)
    rows, columns = np.nonzero(np.abs(after - before).max(-1) > 60)
    assert len(rows) > 10
    assert 20 <= columns.mean() <= 28  # straight ahead
    middle = after[round(rows.mean()), 24]
    assert middle[2] > 200  # red, as the track's Gaussians are
    assert middle[1] < 60


def test_what_the_scene_has_nothing_like_is_a_box(scene: Scene, world: World) -> None:
    put(world, "static.prop.container", Pose(9.0, 0.0, 0.0))
    drawn = SceneRenderer(scene)
    depth = drawn.camera(view(world), request("depth")).astype(int)
    metres = (depth[..., 2] + depth[..., 1] * 256 + depth[..., 0] * 65536) / (2**24 - 1) * 1000
    assert metres[20, 24] == pytest.approx(8.0 - 3.0, abs=0.01)  # the container's near face
    label = drawn.camera(view(world), request("semantic_segmentation"))[..., 2]
    assert label[20, 24] == 20
    instance = drawn.camera(view(world), request("instance_segmentation"))
    assert instance[20, 24, 1] == world.next_id - 1


def test_a_camera_sees_what_it_is_mounted_on_from_further_off(scene: Scene, world: World) -> None:
    box = put(world, "static.prop.container", Pose(9.0, 0.0, 0.0))
    reach = box.spec.half[0]
    drawn = SceneRenderer(scene)
    for away, seen in ((-reach - 0.8, False), (-reach - 1.2, True)):
        camera = world.spawn(spec_of(catalogue()["sensor.camera.rgb"], {}), Pose(away, 0.0, 1.5), box.id)
        asked = request("instance_segmentation", actor=camera.id, pose=world.pose(camera))
        assert (drawn.camera(view(world), asked)[20, 24, 1] == box.id) == seen
    put(world, "vehicle.micro.microlino", Pose(9.0, 0.0, 1.0), "track 7")
    for _ in range(2):  # both clouds are kept
        for looker in (0, world.next_id - 1):
            drawn.camera(view(world), request("rgb", actor=looker, pose=Pose(8.9, 0.0, 1.0)))
    assert len(drawn._joined) == 2


def test_depth_and_sky(scene: Scene, world: World) -> None:
    drawn = SceneRenderer(scene)
    depth = drawn.camera(view(world), request("depth")).astype(int)
    metres = (depth[..., 2] + depth[..., 1] * 256 + depth[..., 0] * 65536) / (2**24 - 1) * 1000
    assert metres[16, 24] == pytest.approx(13.0, abs=0.7)
    up = Pose(1.0, 0.0, 1.5, 0.0, -1.4, 0.0)
    label = drawn.camera(view(world), request("semantic_segmentation", pose=up))[..., 2]
    assert (label == 11).all()
    assert drawn.camera(view(world), request("normals")).shape == (32, 48, 4)


def test_flow_of_a_turning_camera(scene: Scene, world: World) -> None:
    before = Pose(1.0, 0.0, 1.5, 0.0, 0.0, -0.02)
    flow = SceneRenderer(scene).camera(view(world), request("optical_flow", before=before))
    assert flow.dtype == np.float32
    # The camera turned left by 0.02 rad: everything moves right by about 40 px * 0.02 of 48.
    assert flow[16, 24, 0] == pytest.approx(2 * 40 * 0.02 / 48, rel=0.05)
    assert abs(flow[16, 24, 1]) < 0.002


def test_rays_of_a_sensor_meet_the_gaussians(scene: Scene, world: World) -> None:
    """Without a mesh: the same distances as the depth picture, whichever way the sensor is turned."""
    assert scene.mesh is None
    drawn = SceneRenderer(scene)
    depth = drawn.camera(view(world), request("depth")).astype(int)
    metres = (depth[..., 2] + depth[..., 1] * 256 + depth[..., 0] * 65536) / (2**24 - 1) * 1000
    focal = 24 / np.tan(np.radians(request("depth").fov_deg / 2))
    v, u = np.mgrid[10:22:3, 18:30:3]
    ahead = np.stack([np.ones_like(u, float), (24 - u - 0.5) / focal, (16 - v - 0.5) / focal], axis=-1).reshape(-1, 3)
    length = np.linalg.norm(ahead, axis=1)
    pose = Pose(SPOT.x, SPOT.y, SPOT.z, 0.1, -0.2, 2.0)  # the rays are turned back into its axes
    ways = ahead / length[:, None] @ np.array(rows(pose))
    found, label, owner, normal = drawn.cast(view(world), pose, ways, 100.0, frozenset())
    wanted = metres[v, u].reshape(-1) * length
    far = wanted >= 100.0
    assert (~far).sum() >= 8
    np.testing.assert_allclose(found[~far], wanted[~far], rtol=0.03)
    np.testing.assert_allclose(np.linalg.norm(normal[~far], axis=1), 1.0, atol=1e-5)
    assert not owner.any()
    assert (label[np.isinf(found)] == 11).all()
    near = drawn.cast(view(world), pose, ways, float(wanted.min()) - 1.0, frozenset())
    assert np.isinf(near[0]).all()


def test_rays_meet_actors_before_the_scene(scene: Scene, world: World) -> None:
    truck = put(world, "static.prop.container", Pose(9.0, 0.0, 0.0))
    distance, label, owner, normal = SceneRenderer(scene).cast(
        view(world), SPOT, np.array([[1.0, 0.0, 0.0]]), 100.0, frozenset()
    )
    assert distance[0] == pytest.approx(8.0 - 3.0, abs=0.01)
    assert (int(owner[0]), int(label[0])) == (truck.id, 20)
    assert normal[0] == pytest.approx((-1.0, 0.0, 0.0), abs=1e-6)


def test_rays_are_read_between_pixels_but_not_across_edges() -> None:
    """A plane 5 m ahead that ends at y = 1 m, and another at 20 m behind it: the distances are exact on both."""

    def draw(shot: Any) -> Any:
        local, _ = shot.camera.pixel_rays()
        along = local @ shot.rotation[0].T
        with np.errstate(divide="ignore", invalid="ignore"):
            near, far = 5.0 / along[..., 0], 20.0 / along[..., 0]
            depth = np.where(near * along[..., 1] < 1.0, near, far)
        depth[along[..., 0] <= 0.0] = np.nan
        normal = np.broadcast_to([-1.0, 0.0, 0.0], (*depth.shape, 3))
        return SimpleNamespace(median_depth=depth, depth=depth, normal=normal)

    random = np.random.default_rng(0)
    ways = random.normal(size=(400, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    found, normal = read_along(draw, np.zeros(3), np.eye(3), ways)
    forward = ways[:, 0] > 0.2
    assert np.isinf(found[ways[:, 0] < -0.2]).all()
    near = 5.0 / ways[forward, 0]
    edge = np.abs(near * ways[forward, 1] - 1.0) < 0.1 * near
    wanted = np.where(near * ways[forward, 1] < 1.0, near, 4 * near)
    np.testing.assert_allclose(found[forward][~edge], wanted[~edge], rtol=2e-3)
    ratio = found[forward][edge] / near[edge]
    assert (np.isclose(ratio, 1.0, rtol=0.02) | np.isclose(ratio, 4.0, rtol=0.02)).all()
    assert (normal[forward][:, 0] == -1.0).all()


def wall_mesh(x: float, height: float = 3.0) -> Mesh:
    corners = np.array([[x, -20.0, 0.0], [x, 20.0, 0.0], [x, 20.0, height], [x, -20.0, height]])
    return Mesh(corners, np.array([[0, 2, 1], [0, 3, 2]], np.int32))


def test_a_wall_stops_a_car_and_tells(world: World) -> None:
    ground = world.road_map.ground
    path = straight_path(4.0, 0.0)
    walls = walls_of_mesh(wall_mesh(40.0), ground, path)
    assert len(walls.keys) == pytest.approx(160, abs=2)
    assert len(walls_of_mesh(wall_mesh(40.0, 0.2), ground, path).keys) == 0  # a kerb
    car = put(world, "vehicle.tesla.model3", Pose(30.0, 0.0, 0.0))
    bumper = WallBumper(walls, world.actors)
    world.motion[car.row, 6] = 10.0
    hits = []
    for _ in range(40):
        before = world.motion.copy()
        world.motion[car.row, 0] += world.motion[car.row, 6] * 0.05
        hits += bumper.resolve(world.motion, before)
    assert world.motion[car.row, 0] + car.spec.half[0] <= 40.26
    assert world.motion[car.row, 0] > 30.5
    assert hits[0].actor == car.id
    assert hits[0].other == NOBODY
    assert hits[0].impulse[0] == pytest.approx(-1.1 * 10.0 * car.spec.mass_kg, rel=0.05)


def test_a_car_slides_along_a_wall(world: World) -> None:
    walls = walls_of_mesh(wall_mesh(40.0), world.road_map.ground, straight_path(4.0, 0.0))
    car = put(world, "vehicle.tesla.model3", Pose(37.0, -5.0, 0.0))
    bumper = WallBumper(walls, world.actors)
    for _ in range(20):
        world.motion[car.row, 6:8] = 3.0, 4.0
        before = world.motion.copy()
        world.motion[car.row, :2] += world.motion[car.row, 6:8] * 0.05
        bumper.resolve(world.motion, before)
    assert world.motion[car.row, 0] + car.spec.half[0] < 40.3
    assert world.motion[car.row, 1] > -3.0


def test_nothing_stands_where_somebody_drove(world: World) -> None:
    ground = world.road_map.ground
    through = straight_path(60.0, 0.0)
    walls = walls_of_mesh(wall_mesh(40.0), ground, through)
    cells = walls.keys & 0xFFFFFFFF
    rows = np.where(cells >= 2**31, cells - 2**32, cells) * 0.25
    assert not ((rows > -0.9) & (rows < 0.8)).any()
    assert len(rows) > 130
    poses = transform_from(np.tile(np.eye(3), (2, 1, 1)), np.array([[30.0, 10.0, 0.8], [50.0, 10.0, 0.8]]))
    track = Track("1", "car", np.array([4.0, 2.0, 1.5]), Trajectory(np.array([0, 1_000_000]) + START_US, poses))
    assert len(walls_of_mesh(wall_mesh(40.0), ground, through, (track,)).keys) < len(rows)
