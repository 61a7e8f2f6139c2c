from __future__ import annotations

import re
from dataclasses import replace
from math import hypot, pi, radians, tan
from pathlib import Path

import numpy as np
import pytest

from avrec.drive.lane_graph import Lane
from avrec.errors import DataError
from avrec.geometry import transform_from
from avrec.mesh import Mesh
from avrec.scene import Scene
from carla_bridge.server.host import Host
from carla_bridge.server.profiles import profile_of
from carla_bridge.world import RoadMap, World, read_road_map
from carla_bridge.world import road_map as road_map_module
from carla_bridge.world.actor import Actor, ActorSpec, Kind, SpawnError
from carla_bridge.world.client_map import text_for_clients
from carla_bridge.world.contacts import Pairs
from carla_bridge.world.ground import ground_of_lanes
from carla_bridge.world.ground_mesh import ground_of_mesh
from carla_bridge.world.physics import VehicleControl, default_physics
from carla_bridge.world.pose import Pose
from carla_bridge.world.traffic_lights import LightState
from carla_bridge.world.walking import Gait
from tests.carla_bridge.support import LANE_M, LIMIT_KMH, RADIUS_M, loop_map
from tests.rendering.scenes import straight_path, tiny_scene
from tests.scene.complete import complete_scene

HALF = (2.4, 1.0, 0.75)
CAR = ActorSpec(
    "vehicle.test", Kind.VEHICLE, HALF, (0.0, 0.0, HALF[2]), (14,), 1500.0, default_physics(HALF, 1500.0, 4)
)
PERSON = ActorSpec("walker.test", Kind.WALKER, (0.3, 0.3, 0.9), labels=(12,), mass_kg=75.0)
LANE_Y = -LANE_M / 2
STEP_S = 0.05


@pytest.fixture(scope="module")
def loop() -> RoadMap:
    return read_road_map(loop_map())


def speed(world: World, actor: Actor) -> float:
    vx, vy, _ = world.velocity(actor)
    return hypot(vx, vy)


def run(world: World, seconds: float) -> None:
    for _ in range(round(seconds / STEP_S)):
        world.step(STEP_S)


def test_spawn_points_stand_on_lanes_and_look_along_them(loop: RoadMap) -> None:
    assert len(loop.spawn_points) > 20
    for pose in loop.spawn_points:
        index = loop.ground.at(np.array([pose.x]), np.array([pose.y]), np.array([pose.z])).lane[0]
        lane = loop.lanes[index]
        assert lane.kind == "driving"
        near = int(np.argmin(np.linalg.norm(lane.center[:, :2] - (pose.x, pose.y), axis=1)))
        ahead = lane.center[min(near + 1, len(lane.center) - 1)] - lane.center[max(near - 1, 0)]
        assert np.cos(np.arctan2(ahead[1], ahead[0]) - pose.yaw) > 0.99


def test_a_car_falls_onto_the_road_and_stays(loop: RoadMap) -> None:
    world = World(loop)
    car = world.spawn(CAR, Pose(20.0, LANE_Y, 2.0))
    world.step(STEP_S)
    assert world.velocity(car)[2] == pytest.approx(-9.81 * STEP_S)
    run(world, 2.0)
    assert world.pose(car)[:3] == pytest.approx((20.0, LANE_Y, 0.0), abs=1e-6)
    assert world.velocity(car) == (0.0, 0.0, 0.0)


def test_same_calls_give_the_same_bits(loop: RoadMap) -> None:
    def history() -> bytes:
        world = World(loop)
        cars = [world.spawn(CAR, pose) for pose in loop.spawn_points[:8]]
        person = world.spawn(PERSON, Pose(45.0, 0.0, 0.9))
        world.gaits[person.id] = Gait((-1.0, 0.0, 0.0), 1.0)
        for number, car in enumerate(cars):
            world.control(car, VehicleControl(throttle=0.3 + number / 20, steer=0.05 * number))
        run(world, 10.0)
        return world.motion.tobytes()

    assert history() == history()


def test_full_throttle_and_full_brake_are_those_of_a_car(loop: RoadMap) -> None:
    world = World(loop)
    car = world.spawn(CAR, Pose(0.0, LANE_Y, 0.0))
    world.control(car, VehicleControl(throttle=1.0))
    run(world, 5.0)
    fast = speed(world, car)
    assert 12.0 < fast < 35.0
    world.control(car, VehicleControl(brake=1.0))
    start = world.pose(car).x
    run(world, 6.0)
    assert speed(world, car) == 0.0
    assert 0.3 < fast**2 / (2 * (world.pose(car).x - start)) / 9.81 < 1.75  # mean deceleration over g
    world.control(car, VehicleControl(throttle=0.5, reverse=True))
    run(world, 2.0)
    assert world.velocity(car)[0] < -0.5


def test_slow_cars_drive_the_circle_of_the_kinematic_bicycle(loop: RoadMap) -> None:
    """Radius = wheelbase / tan(wheel angle), for the middle of the rear axle."""
    world = World(loop)
    car = world.spawn(CAR, Pose(0.0, LANE_Y, 0.0))
    world.control(car, VehicleControl(throttle=0.12, steer=-0.5))
    run(world, 2.0)
    base = 2 * HALF[0] * 0.6
    places = []
    for _ in range(400):
        world.step(STEP_S)
        x, y, _, _, _, yaw = world.pose(car)
        places.append((x - base / 2 * np.cos(yaw), y - base / 2 * np.sin(yaw)))
        world.motion[car.row, 6:8] *= 1.5 / max(speed(world, car), 1e-6)  # keep it slow
    xy = np.array(places)
    fit = np.linalg.lstsq(np.column_stack([2 * xy, np.ones(len(xy))]), (xy**2).sum(1), rcond=None)[0]
    radius = float(np.sqrt(fit[2] + fit[0] ** 2 + fit[1] ** 2))
    angle = float(world.fleet.s["angle"][car.slot])
    assert angle > 0.0  # steer < 0 is to the left
    assert radius == pytest.approx(base / tan(angle), rel=0.02)


def test_two_cars_stop_each_other(loop: RoadMap) -> None:
    world = World(loop)
    left, right = world.spawn(CAR, Pose(0.0, LANE_Y, 0.0)), world.spawn(CAR, Pose(12.0, LANE_Y, 0.0, 0.0, 0.0, pi))
    world.motion[left.row, 6] = 10.0
    world.motion[right.row, 6] = -10.0
    hits = []
    for _ in range(40):
        world.step(STEP_S)
        hits += world.collisions
        assert world.pose(right).x - world.pose(left).x > 2 * HALF[0] - 0.05
    assert {(hit.actor, hit.other) for hit in hits} == {(left.id, right.id), (right.id, left.id)}
    first = hits[0]
    assert abs(first.impulse[0]) == pytest.approx(1500.0 * 10.0 * 1.1, rel=0.05)  # m v (1 + e), each car
    assert speed(world, left) < 2.0


def test_cars_stop_at_things_and_push_people(loop: RoadMap) -> None:
    world = World(loop)
    car = world.spawn(CAR, Pose(0.0, LANE_Y, 0.0))
    wall = world.spawn(ActorSpec("static.prop.test", Kind.PROP, (0.5, 3.0, 1.0), (0, 0, 1.0)), Pose(20.0, LANE_Y, 0.0))
    world.control(car, VehicleControl(throttle=1.0))
    run(world, 6.0)
    assert world.pose(car).x + HALF[0] <= 19.6
    assert world.pose(wall).x == 20.0
    person = world.spawn(PERSON, Pose(world.pose(car).x - 4.0, LANE_Y, 0.9))
    world.control(car, VehicleControl(throttle=0.5, reverse=True))
    run(world, 2.0)
    assert world.pose(person).x < world.pose(car).x - HALF[0]


def test_nothing_is_spawned_into_another_body(loop: RoadMap) -> None:
    world = World(loop)
    world.spawn(CAR, Pose(0.0, LANE_Y, 0.0))
    with pytest.raises(SpawnError, match="collision"):
        world.spawn(CAR, Pose(3.0, LANE_Y, 0.0))
    world.spawn(CAR, Pose(6.0, LANE_Y, 0.0))
    world.spawn(CAR, Pose(0.0, LANE_Y, 5.0))  # above it


def test_rows_and_slots_follow_when_actors_go(loop: RoadMap) -> None:
    world = World(loop)
    cars = [world.spawn(CAR, pose) for pose in loop.spawn_points[:6]]
    sensor = world.spawn(ActorSpec("sensor.test", Kind.SENSOR), Pose(1.0, 0.0, 2.0), cars[3].id)
    before = {car.id: world.pose(car) for car in cars}
    assert world.destroy(cars[1].id) == [cars[1].id]
    assert world.destroy(cars[3].id) == [cars[3].id, sensor.id]
    assert world.destroy(cars[3].id) == []
    left = [cars[0], cars[2], cars[4], cars[5]]
    assert [world.pose(car) for car in left] == [before[car.id] for car in left]
    for number, car in enumerate(left):
        world.control(car, VehicleControl(throttle=0.2 * (number + 1)))
        assert world.fleet.row[car.slot] == car.row
        assert world.fleet.s["throttle"][car.slot] == pytest.approx(0.2 * (number + 1))
    run(world, 1.0)
    assert world.fleet.count == len(left) == len(world.motion)


def test_attached_bodies_ride_along(loop: RoadMap) -> None:
    world = World(loop)
    car = world.spawn(CAR, Pose(0.0, LANE_Y, 0.0, 0.0, 0.0, pi / 2))
    camera = world.spawn(ActorSpec("sensor.test", Kind.SENSOR), Pose(1.0, 0.5, 2.0, 0.0, 0.1, 0.2), car.id)
    world.control(car, VehicleControl(throttle=0.5))
    run(world, 2.0)
    at = world.pose(car)
    assert world.pose(camera)[:3] == pytest.approx((at.x - 0.5, at.y + 1.0, at.z + 2.0), abs=1e-6)
    assert world.pose(camera).yaw == pytest.approx(pi / 2 + 0.2, abs=1e-6)


def test_a_destroyed_body_takes_all_that_is_attached_with_it(loop: RoadMap) -> None:
    world = World(loop)
    cars = [world.spawn(CAR, Pose(12.0 * number, LANE_Y, 0.0)) for number in range(2)]
    for car in cars:
        for _ in range(3):
            world.spawn(ActorSpec("sensor.test", Kind.SENSOR), Pose(1.0, 0.0, 2.0), car.id)
    on_top = world.spawn(ActorSpec("sensor.test", Kind.SENSOR), Pose(0.0, 0.0, 1.0), cars[0].children[1])
    assert world.destroy(cars[0].children[0])
    assert sorted(world.destroy(cars[0].id)) == sorted([cars[0].id, *cars[0].children, on_top.id])
    assert sorted(world.actors) == sorted([cars[1].id, *cars[1].children])
    assert [actor.row for actor in world.by_row()] == list(range(4))
    world.step(STEP_S)
    for child in cars[1].children:
        assert world.pose(world.actors[child]).x == pytest.approx(13.0, abs=0.01)


def test_people_walk_jump_and_stand_on_the_ground(loop: RoadMap) -> None:
    world = World(loop)
    person = world.spawn(PERSON, Pose(10.0, LANE_Y, 3.0))
    run(world, 2.0)
    assert world.pose(person).z == pytest.approx(0.9)
    world.gaits[person.id] = Gait((0.0, 1.0, 0.0), 1.4)
    run(world, 1.0)
    assert world.pose(person).y == pytest.approx(LANE_Y + 1.4)
    assert world.pose(person).yaw == pytest.approx(pi / 2)
    world.gaits[person.id] = Gait(jump=True)
    world.step(STEP_S)
    world.gaits[person.id] = Gait()
    heights = []
    for _ in range(40):
        world.step(STEP_S)
        heights.append(world.pose(person).z - 0.9)
    assert 0.5 < max(heights) < 1.2
    assert heights[-1] == pytest.approx(0.0)


def test_lights_take_turns_and_know_who_waits(loop: RoadMap) -> None:
    world = World(loop)
    first, second = world.signals.lights
    assert first.group != second.group  # two controllers without a junction
    car = world.spawn(CAR, Pose(80.0 - HALF[0], LANE_Y, 0.0))
    shown = []
    for _ in range(round(16.0 / STEP_S)):
        world.step(STEP_S)
        shown.append(first.state)
    assert [state for number, state in enumerate(shown) if number == 0 or shown[number - 1] != state] == [
        LightState.GREEN,
        LightState.YELLOW,
        LightState.RED,
        LightState.GREEN,
    ]
    assert shown.count(LightState.YELLOW) == round(3.0 / STEP_S)
    assert world.signals.at[car.slot] == 0
    world.set_pose(car, Pose(60.0, LANE_Y, 0.0))
    world.step(STEP_S)
    assert world.signals.at[car.slot] == -1


def test_the_map_gives_the_speed_limit(loop: RoadMap) -> None:
    world = World(loop)
    car = world.spawn(CAR, Pose(20.0, LANE_Y, 0.0))
    world.step(STEP_S)
    assert loop.limits_kmh[world.fleet.lane[car.slot]] == pytest.approx(LIMIT_KMH)


@pytest.mark.parametrize(
    ("comfort_mps2", "outer", "inner"), [(100.0, 70.0, 70.0), (8.0, 52.664, 49.098), (2.0, 30.0, 30.0)]
)
def test_a_speed_limit_holds_until_the_next_one(
    comfort_mps2: float, outer: float, inner: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the two bends those of the straights before hold, 40 and 70 km/h, or what their radius of 25 +- 1.75 m allows.

    That is 3.6 sqrt(8 * 26.75) km/h, and never less than 30.
    """
    monkeypatch.setattr(road_map_module, "BEND_MPS2", comfort_mps2)
    bare, said = re.compile(rb'<type s="0" type="town">.*?</type>'), loop_map().split(b"<road ")
    said[2], said[4] = bare.sub(b"", said[2]), bare.sub(b"", said[4])
    said[3] = said[3].replace(b'max="40"', b'max="70"')
    road_map = read_road_map(b"<road ".join(said))
    limits = {(lane.road, lane.slot): kmh for lane, kmh in zip(road_map.lanes, road_map.limits_kmh[:-1], strict=True)}
    driven = {key: kmh for key, kmh in limits.items() if abs(key[1]) == 1}
    slow = min(40.0, inner)
    assert [driven[road, -1] for road in "0123"] == pytest.approx([40, slow, 70, outer], abs=0.5)
    assert [driven[road, 1] for road in "0123"] == pytest.approx([40, inner, 70, slow], abs=0.5)
    unsaid = read_road_map(bare.sub(b"", loop_map()))
    assert set(unsaid.limits_kmh) == {30.0}


def test_spawn_points_of_a_scene_begin_where_it_was_recorded(tmp_path: Path) -> None:
    """The recorded car drove east from (60, 0) to (100, 0), so in lane -1, at y = -1.75."""
    way = straight_path(40.0, 0.0).transformed(transform_from(np.eye(3), [60.0, LANE_Y, 0.0]))
    tiny_scene(map_xodr=loop_map(), ego=way).save(tmp_path / "part.usdz")
    spots = read_road_map(tmp_path / "part.usdz").spawn_points
    assert {(round(each.x, 6), round(each.y, 6)) for each in spots} == {
        (round(each.x, 6), round(each.y, 6)) for each in read_road_map(loop_map()).spawn_points
    }
    first, second = spots[:2]
    assert first.y == second.y == pytest.approx(LANE_Y)
    assert 58.0 < first.x < second.x < 102.0
    assert first.yaw == pytest.approx(0.0)
    away = [hypot(max(60.0 - each.x, 0.0, each.x - 100.0), each.y - LANE_Y) for each in spots[4:]]
    assert away == pytest.approx(sorted(away), abs=2.0)  # knots of the way lie 4 m apart


def test_cars_fit_on_all_spawn_points_at_once() -> None:
    """A second road on the same ground, as careless maps have it, adds no places."""
    single, double = loop_map(), loop_map().replace(b"<road ", b"<road  ", 1)
    again = re.search(rb"<road  .*?</road>", double, re.DOTALL)
    assert again is not None
    copy = again.group().replace(b'id="0"', b'id="9"', 1).replace(b'id="5', b'id="6')
    copy = re.sub(rb"<link><predecessor element.*?</link>|<signals>.*?</signals>|<objects>.*?</objects>", b"", copy)
    road_map = read_road_map(single.replace(b"</OpenDRIVE>", copy + b"</OpenDRIVE>"))
    assert len(road_map.graph.lanes) > len(read_road_map(single).graph.lanes)
    assert len(road_map.spawn_points) == len(read_road_map(single).spawn_points)
    world = World(road_map)
    for pose in road_map.spawn_points:
        world.spawn(CAR, pose)


@pytest.fixture(scope="module")
def slope() -> RoadMap:
    """The loop with its far straight, at y = 50, six metres above the near one, and land between them."""
    turn = pi * RADIUS_M
    profiles = (0.0, 0.0), (0.0, 6.0 / turn), (6.0, 0.0), (6.0, -6.0 / turn)
    start, *roads = loop_map().split(b"<elevationProfile/>")
    for (a, b), rest in zip(profiles, roads, strict=True):
        start += f'<elevationProfile><elevation s="0" a="{a}" b="{b}" c="0" d="0"/></elevationProfile>'.encode() + rest
    return read_road_map(start)


def test_off_the_roads_one_stands_on_the_land_that_one_sees(slope: RoadMap) -> None:
    """Rays straight down are the judge; beside roads the land is shown 8 cm lower, so that roads are not hidden."""
    world, random = World(slope), np.random.default_rng(2)
    x, y = random.uniform([-60.0, -60.0], [180.0, 110.0], (400, 2)).T
    ground = slope.ground.at(x, y, np.full(400, 3.0))
    away = np.array([np.hypot(*(slope.ground.surfaces()[0] - spot).T).min() for spot in np.column_stack([x, y])])
    far = np.flatnonzero(away > 10.0)
    assert len(far) > 100
    down = np.array([[0.0, 0.0, -1.0]])
    for index in far[:120]:
        spot = np.array([x[index], y[index], 30.0])
        seen = 30.0 - slope.stage.trace(world, spot, down, 60.0, frozenset()).distance[0]
        assert ground.z[index] - 0.081 < seen < ground.z[index] + 1e-3
    step = 1e-4
    for dx, dy, slopes in ((step, 0.0, ground.slope_x), (0.0, step, ground.slope_y)):
        rise = (slope.ground.at(x + dx, y + dy, np.full(400, 3.0)).z - ground.z) / step
        assert np.median(np.abs(rise - slopes)[far]) < 1e-6
        assert np.quantile(np.abs(rise - slopes), 0.95) < 0.02  # but for edges of the grid, and of pieces of road


def test_who_drives_off_the_road_climbs_the_land(slope: RoadMap) -> None:
    world = World(slope)
    car = world.spawn(CAR, Pose(60.0, 0.0, 0.0, 0.0, 0.0, pi / 2))
    world.step(STEP_S)
    world.motion[car.row, 7] = 14.0
    heights = []
    for _ in range(50):
        world.step(STEP_S)
        heights.append(world.pose(car).z)
    assert world.pose(car).y > 15.0
    assert max(heights) > 1.0
    assert np.abs(np.diff(heights)).max() < 0.4
    # Energy: what it climbed it no longer has, and friction takes more.
    vx, vy, vz = world.velocity(car)
    assert (vx * vx + vy * vy + vz * vz) / 2 < 14.0**2 / 2 - 9.8 * heights[-1]


@pytest.mark.parametrize("degrees", [0.0, 4.0, -7.0])
def test_the_ground_of_a_ramp_is_its_plane(degrees: float) -> None:
    """Heights by hand: z = tan(slope) x, for a lane that climbs along x."""
    x = np.linspace(0.0, 60.0, 7)
    z = x * tan(radians(degrees))
    lines = [np.stack([x, np.full(7, y), z], axis=1) for y in (0.0, 2.0, -2.0)]
    ground = ground_of_lanes([Lane("a", *lines)])
    rng = np.random.default_rng(0)
    px, py = rng.uniform(0.5, 59.5, 500), rng.uniform(-1.9, 1.9, 500)
    found = ground.at(px, py, px * tan(radians(degrees)))
    np.testing.assert_allclose(found.z, px * tan(radians(degrees)), atol=1e-9)
    np.testing.assert_allclose(found.slope_x, tan(radians(degrees)), atol=1e-9)
    assert set(found.lane) == {0}


def test_bridges_have_a_storey_of_their_own() -> None:
    x = np.linspace(-20.0, 20.0, 5)
    low = [np.stack([x, np.full(5, y), np.zeros(5)], axis=1) for y in (0.0, 2.0, -2.0)]
    high = [np.stack([np.full(5, y), x, np.full(5, 6.0)], axis=1) for y in (0.0, -2.0, 2.0)]
    ground = ground_of_lanes([Lane("low", *low), Lane("high", *high)])
    assert ground.height(0.2, 0.3, 0.5) == pytest.approx(0.0)
    assert ground.height(0.2, 0.3, 6.5) == pytest.approx(6.0)
    assert ground.height(15.0, 0.3, 6.5) == pytest.approx(0.0)
    assert ground.height(200.0, 0.3, 6.5) in (0.0, 6.0)  # off the map the nearest road goes on


def test_the_ground_of_a_scene_is_its_mesh_and_goes_on_along_the_lanes() -> None:
    """A ramp of mesh over the first half of a level lane: heights by hand."""
    x = np.linspace(0.0, 40.0, 5)
    lane = Lane("a", *(np.stack([x, np.full(5, y), np.zeros(5)], axis=1) for y in (0.0, 2.0, -2.0)))
    corners = np.array([[0.0, -3.0, 1.0], [20.0, -3.0, 3.0], [20.0, 3.0, 3.0], [0.0, 3.0, 1.0]])
    wall = np.array([[5.0, -3.0, 1.5], [5.0, 3.0, 1.5], [5.0, 0.0, 9.0]])
    mesh = Mesh(np.concatenate([corners, wall]), np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6]]))
    ground = ground_of_mesh(mesh, [lane])
    xs = np.array([0.7, 9.3, 19.2, 30.0, 39.0])
    found = ground.at(xs, np.full(5, 0.4), np.array([1.0, 2.0, 3.0, 0.0, 0.0]))
    np.testing.assert_allclose(found.z, [1.07, 1.93, 2.92, 0.0, 0.0], atol=1e-9)
    assert found.lane.tolist() == [0] * 5
    assert ground.at(np.array([10.0]), np.array([2.7]), np.array([2.0])).lane[0] == -1  # mesh beside the lane


def test_two_hosts_tell_the_same_bits(loop: RoadMap) -> None:
    def told() -> list[bytes]:
        host = Host(loop, profile_of("0.9.16"), seed=4)
        blueprints = host.blueprints
        for pose in loop.spawn_points[:5]:
            car = host.spawn(blueprints["vehicle.tesla.model3"], {}, pose)
            host.world.control(car, VehicleControl(throttle=0.7, steer=0.05))
        camera = host.spawn(
            blueprints["sensor.camera.rgb"], {"image_size_x": "40", "image_size_y": "30"}, Pose(), car.id
        )
        imu = host.spawn(blueprints["sensor.other.imu"], {"noise_accel_stddev_x": "1"}, Pose(), car.id)
        found: list[bytes] = []
        host.streams.wanted = lambda stream: True  # type: ignore[method-assign]
        host.streams.publish = lambda stream, message: found.append(bytes(message))  # type: ignore[method-assign]
        for _ in range(40):
            host.tick()
        assert {camera.id, imu.id} <= host.world.actors.keys()
        return [message[:56] + message[64:] if len(message) > 500 else message for message in found]

    first, second = told(), told()
    assert len(first) == 3 * 40
    assert first == second


def test_a_scene_file_is_a_world(tmp_path: Path) -> None:
    scene = complete_scene()
    path = tmp_path / "scene.usdz"
    scene.save(path)
    found = read_road_map(path)
    assert found.name == scene.name
    assert scene.map_xodr is not None
    assert found.opendrive == text_for_clients(scene.map_xodr)
    assert scene.ground is not None
    middle = scene.ground.vertices[scene.ground.faces].mean(axis=1)
    heights = found.ground.at(*middle.T.copy()).z
    assert float(np.median(np.abs(heights - middle[:, 2]))) < 0.05
    with pytest.raises(DataError, match="no map"):
        read_road_map(_saved(replace(scene, map_xodr=None), tmp_path / "bare.usdz"))


def _saved(scene: Scene, path: Path) -> Path:
    scene.save(path)
    return path


def test_crowds_bump_into_each_other_like_a_few(loop: RoadMap) -> None:
    """200 people in a row of cars' width: the search by place finds what looking at all pairs finds."""
    world = World(loop)
    rng = np.random.default_rng(3)
    for number in range(200):
        world.spawn(PERSON, Pose(float(number % 20), float(number // 20) - 5.0, 0.9))
    car = world.spawn(CAR, Pose(-12.0, 0.0, 0.0))
    world.motion[car.row, 6] = 12.0
    world.motion[:200, :2] += rng.uniform(-0.25, 0.25, (200, 2))
    hits = set()
    for _ in range(20):
        world.step(STEP_S)
        hits |= {(hit.actor, hit.other) for hit in world.collisions}
    assert any(first == car.id for first, _ in hits)
    rows = [(actor.row, actor.spec.half) for actor in world.by_row()]
    many = Pairs([row for row, _ in rows], [True] * 201, [hypot(*half[:2]) for _, half in rows], [0.9] * 201)
    found = many.near(world.motion)
    places = world.motion[:, :2]
    reach = np.array([hypot(*half[:2]) for _, half in rows])
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2) < reach[:, None] + reach[None]
    assert sorted(found) == [(int(a), int(b)) for a, b in np.argwhere(np.triu(gaps, 1))]
