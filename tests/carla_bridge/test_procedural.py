"""Maps without pictures: what rays meet and pictures show."""

from __future__ import annotations

import os
from math import pi, radians, tan
from pathlib import Path

import numpy as np
import pytest

from carla_bridge.looks.paint import DASH_M, GAP_M
from carla_bridge.looks.people import person_shape, prop_shape
from carla_bridge.looks.vehicles import vehicle_shape
from carla_bridge.looks.weather import sky_numbers
from carla_bridge.sensors.caster import cast
from carla_bridge.sensors.plain import PlainRenderer
from carla_bridge.sensors.rendering import CameraRequest, WorldView
from carla_bridge.server.blueprints import catalogue, spec_of
from carla_bridge.server.blueprints.others import TRAFFIC_LIGHT
from carla_bridge.server.wire.settings import FRESH_WEATHER, WEATHER_FIELDS
from carla_bridge.world import RoadMap, World, read_road_map
from carla_bridge.world.actor import Actor
from carla_bridge.world.labels import Label
from carla_bridge.world.pose import Pose
from carla_bridge.world.traffic_lights import LightState
from tests.carla_bridge.support import LANE_M, WALK_M, loop_map
from tests.scene.complete import complete_scene

DATA = os.environ.get("AVREC_DEV_DATA")
NOON = (0.0,) * 5 + (70.0,) + (0.0,) * 8
NIGHT = (0.0,) * 5 + (-40.0,) + (0.0,) * 8
DOWN = np.array([[0.0, 0.0, -1.0]])
CAR, TRUCK = "vehicle.audi.a2", "vehicle.carlamotors.carlacola"


@pytest.fixture(scope="module")
def loop() -> RoadMap:
    return read_road_map(loop_map())


def put(world: World, name: str, pose: Pose, **attributes: str) -> Actor:
    return world.spawn(spec_of(catalogue()[name], attributes), pose, check=False)


def below(world: World, points: np.ndarray, height: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Height and class of what lies under points [N, 3]."""
    view = WorldView(world, NOON)
    found = [cast(view, point + np.array([0, 0, height]), DOWN, 50.0) for point in np.atleast_2d(points)]
    return np.array([p[2] + height - d[0] for p, (d, *_) in zip(points, found, strict=True)]), np.array(
        [label[0] for _, label, _, _ in found]
    )


def shoot(world: World, pose: Pose, kind: str = "rgb", weather: tuple[float, ...] = NOON, size: int = 64) -> np.ndarray:
    request = CameraRequest(kind, 0, pose, pose, size, size, 60.0, {})
    return PlainRenderer().camera(WorldView(world, weather), request)


def test_classes_across_the_road_by_hand(loop: RoadMap) -> None:
    """The loop's straight: two lanes of 3.5 m, walks of 2 m, a broken line between, solid ones beside, land beyond."""
    sides = np.array([-7.0, -LANE_M - 1.0, -LANE_M, -LANE_M / 2, LANE_M / 2, LANE_M, LANE_M + WALK_M / 2, 7.0])
    heights, labels = below(World(loop), np.stack([np.full(8, 33.0), sides, np.zeros(8)], axis=1))
    land, walk, line, road = Label.TERRAIN, Label.SIDEWALK, Label.ROAD_LINE, Label.ROAD
    assert labels.tolist() == [land, walk, line, road, road, line, walk, land]
    assert heights[1:-1] == pytest.approx(np.zeros(6), abs=0.01)
    assert (heights[[0, -1]] < 0.0).all()
    along = np.stack([np.linspace(0.0, 120.0, 800), np.zeros(800), np.zeros(800)], axis=1)
    along = along[(along[:, 0] < 84.0) | (along[:, 0] > 96.0)]  # not the crossing
    painted = below(World(loop), along)[1] == line
    assert painted.mean() == pytest.approx(DASH_M / (DASH_M + GAP_M), abs=0.03)
    across = np.stack([np.full(60, 90.0), np.linspace(-3.4, 3.4, 60), np.zeros(60)], axis=1)
    stripes = below(World(loop), across)[1] == line
    assert 0.4 < stripes.mean() < 0.65
    assert np.abs(np.diff(stripes.astype(int))).sum() >= 12


def test_depth_classes_and_instances_are_those_of_rays(loop: RoadMap) -> None:
    world = World(loop)
    for number, pose in enumerate(loop.spawn_points[:12]):
        put(world, (CAR, TRUCK, "vehicle.gazelle.omafiets")[number % 3], pose)
    put(world, "walker.pedestrian.0015", Pose(12.0, -4.0, 0.93))
    world.step(0.05)
    pose = Pose(-4.0, -1.0, 2.2, 0.0, 0.05, 0.02)
    size = 64
    depth = shoot(world, pose, "depth").astype(np.float64)
    metres = (depth[..., 2] + 256 * depth[..., 1] + 65536 * depth[..., 0]) / (2**24 - 1) * 1000
    labels, owners = shoot(world, pose, "semantic_segmentation"), shoot(world, pose, "instance_segmentation")
    focal = size / (2 * tan(radians(30.0)))
    cos_p, sin_p, cos_y, sin_y = np.cos(0.05), np.sin(0.05), np.cos(0.02), np.sin(0.02)
    turn = np.array([[cos_y, -sin_y, 0], [sin_y, cos_y, 0], [0, 0, 1]]) @ [
        [cos_p, 0, sin_p],
        [0, 1, 0],
        [-sin_p, 0, cos_p],
    ]
    seen = set()
    for v in range(0, size, 5):
        for u in range(0, size, 5):
            ray = turn @ [1.0, (size / 2 - u - 0.5) / focal, (size / 2 - v - 0.5) / focal]
            length = float(np.linalg.norm(ray))
            far, label, owner, _ = cast(WorldView(world, NOON), np.array(pose.position), ray[None] / length, 1000.0)
            assert metres[v, u] == pytest.approx(min(far[0] / length, 1000.0), abs=2e-3 + 1e-5 * metres[v, u])
            assert labels[v, u, 2] == label[0] == owners[v, u, 2]
            assert int(owners[v, u, 1]) + 256 * int(owners[v, u, 0]) == owner[0]
            seen.add(int(label[0]))
    assert {Label.ROAD, Label.SKY, Label.TERRAIN} <= seen
    assert set(labels[..., 2].reshape(-1).tolist()) >= {14, 24, Label.SIDEWALK}


@pytest.mark.parametrize(
    "name", sorted(n for n in catalogue() if n.startswith(("vehicle.", "walker.", "static.prop.")))
)
def test_shapes_fill_their_boxes(name: str) -> None:
    spec = spec_of(catalogue()[name], {})
    if name.startswith("walker."):
        surface = person_shape(name, spec.half)
    elif name.startswith("static."):
        surface = prop_shape(name, spec.half, 20)
    else:
        surface = vehicle_shape(
            spec.attributes["base_type"], spec.half, spec.labels[0], spec.attributes["special_type"]
        )
    two = spec.attributes.get("number_of_wheels") == "2"
    body = surface.faces[surface.labels != Label.RIDER]
    used = surface.vertices[np.unique(body)]
    low, high = used.min(0), used.max(0)
    assert (used[:, :2] <= np.array(spec.half[:2]) + 0.03).all() or two
    assert (used[:, :2] >= -np.array(spec.half[:2]) - 0.03).all() or two
    assert high[2] <= 2 * spec.half[2] + (0.6 if two else 0.03)
    assert -0.01 <= low[2] < 0.06
    if name.startswith("vehicle."):
        assert (high - low)[0] == pytest.approx(2 * spec.half[0], abs=0.08)
        assert two == (Label.RIDER in surface.labels)
        if not two:
            assert high[2] == pytest.approx(2 * spec.half[2], abs=0.02)
    elif not name.startswith("static."):
        assert high[2] == pytest.approx(2 * spec.half[2])


def test_one_sees_out_of_what_one_sits_in(loop: RoadMap) -> None:
    world = World(loop)
    car = put(world, CAR, Pose(20.0, -1.75, 0.0))
    ahead = np.array([[1.0, 0.0, 0.0]])
    inside, outside = np.array([20.0, -1.75, 1.0]), np.array([10.0, -1.75, 0.7])
    assert np.isinf(cast(WorldView(world, NOON), inside, ahead, 50.0)[0][0])
    distance, label, owner, _ = cast(WorldView(world, NOON), outside, ahead, 50.0)
    assert distance[0] == pytest.approx(10.0 - 1.853, abs=0.1)
    assert (label[0], owner[0]) == (14, car.id)
    assert np.isinf(cast(WorldView(world, NOON), outside, ahead, 50.0, frozenset({car.id}))[0][0])


def test_cars_have_their_colours_and_pictures_are_the_same_twice(loop: RoadMap) -> None:
    world = World(loop)
    put(world, CAR, Pose(20.0, -1.75, 0.0), color="180,0,0")
    put(world, CAR, Pose(30.0, 1.75, 0.0), color="0,0,180")
    pose = Pose(13.0, -3.0, 2.0, 0.0, 0.1, 0.1)
    picture = shoot(world, pose, size=200)
    assert picture.tobytes() == shoot(world, pose, size=200).tobytes()
    owner = shoot(world, pose, "instance_segmentation", size=200)
    for actor, channel in zip(world.actors, (2, 0), strict=True):
        mine = picture[owner[..., 1] == actor][:, :3].astype(int)
        strong = mine[mine.max(1) - mine.min(1) > 60]
        assert len(strong) > 50
        assert (strong.argmax(1) == channel).mean() > 0.9


def test_lights_show_their_state_towards_the_traffic(loop: RoadMap) -> None:
    world = World(loop)
    light = world.signals.lights[0]
    light.actor = world.spawn(spec_of(TRAFFIC_LIGHT, {}), light.pose, check=False).id
    x, y, z = light.pose.position
    eye = Pose(x - 6.0, y, z + 0.5)

    def lit(state: LightState) -> list[bool]:
        light.state = state
        picture = shoot(world, eye, size=240)[..., :3].astype(int)
        column = picture[:, 110:130].mean(1)
        label = shoot(world, eye, "semantic_segmentation", size=240)[:, 120, 2]
        rows = np.flatnonzero(label == Label.TRAFFIC_LIGHT)
        parts = [column[part].max() > 170 for part in np.array_split(rows, 3)]
        return parts

    assert lit(LightState.RED) == [True, False, False]
    assert lit(LightState.YELLOW) == [False, True, False]
    assert lit(LightState.GREEN) == [False, False, True]
    assert lit(LightState.OFF) == [False, False, False]
    labels = shoot(world, eye._replace(z=z), "semantic_segmentation", size=240)[..., 2]
    assert {Label.TRAFFIC_LIGHT, Label.POLE} <= set(labels[:, 120].tolist())
    owners = shoot(world, eye, "instance_segmentation", size=240)
    assert owners[120, 120, 1] == light.actor


def test_night_is_dark_but_for_headlights(loop: RoadMap) -> None:
    world = World(loop)
    car = put(world, CAR, Pose(20.0, -1.75, 0.0))
    eye = Pose(14.0, -1.75, 2.5, 0.0, 0.15, 0.0)
    day, night = (shoot(world, eye, weather=weather)[..., :3].mean() for weather in (NOON, NIGHT))
    assert night < 0.35 * day
    car.lights = 0x1 | 0x2
    lit = shoot(world, eye, weather=NIGHT)[..., :3].mean()
    assert lit > night + 1.0
    foggy = (50.0, 0.0, 0.0, 0.0, 0.0, 40.0, 80.0) + (0.0,) * 7
    far, clear = (shoot(world, Pose(0, 0, 2.0), weather=w)[30, :, :3].std() for w in (foggy, NOON))
    assert far < clear
    assert np.isfinite(sky_numbers((-1.0,) * 10 + (1.0, 0.03, 0.0331, 0.0), 0.001)).all()


def hill_map(height: str = "") -> bytes:
    """Two straight roads that cross at the origin, 6 m apart, the upper one over a hill, with raised sidewalks."""

    def road(number: int, x: float, y: float, heading: float, elevation: str) -> str:
        lanes = "".join(
            f'<lane id="{lane}" type="{kind}" level="false">{up}<width sOffset="0" a="{width}" b="0" c="0" d="0"/>'
            '<roadMark sOffset="0" type="solid" color="white" width="0.15"/></lane>'
            for lane, kind, width, up in (
                (-1, "driving", 3.5, ""),
                (-2, "sidewalk", 2.0, '<height sOffset="0" inner="0.12" outer="0.12"/>'),
            )
        )
        return (
            f'<road name="" length="200" id="{number}" junction="-1"><planView>'
            f'<geometry s="0" x="{x}" y="{y}" hdg="{heading!r}" length="200"><line/></geometry></planView>'
            f'<elevationProfile>{elevation}</elevationProfile><lanes><laneSection s="0"><center><lane id="0" '
            f'type="none" level="false"/></center><right>{lanes}</right></laneSection></lanes></road>'
        )

    hill = '<elevation s="0" a="0" b="0" c="0.0018" d="-0.000012"/>'  # 6 m at 100 m, level there
    low = '<elevation s="0" a="0" b="0" c="0" d="0"/>'
    text = '<?xml version="1.0"?><OpenDRIVE><header revMajor="1" revMinor="4" name="hill"/>'
    return (text + road(1, -100, 0, 0.0, hill) + road(2, 0, -100, pi / 2, low) + "</OpenDRIVE>").encode()


def test_roads_over_one_another_and_kerbs() -> None:
    hill = read_road_map(hill_map())
    world = World(hill)
    view = WorldView(world, NOON)
    top = np.array([1.0, -1.0, 9.0])
    upper = cast(view, top, DOWN, 50.0)
    lower = cast(view, top - [0, 0, 5.0], DOWN, 50.0)
    up = cast(view, top - [0, 0, 5.0], -DOWN, 50.0)
    s = 101.0
    assert 9.0 - upper[0][0] == pytest.approx(0.0018 * s**2 - 0.000012 * s**3, abs=0.01)
    assert (upper[1][0], lower[1][0]) == (Label.ROAD, Label.ROAD)
    assert 4.0 - lower[0][0] == pytest.approx(0.0, abs=0.01)
    assert up[0][0] == pytest.approx(2.0, abs=0.05)  # the bridge from below
    # A kerb of 12 cm: its edge from the side.
    heights, labels = below(world, np.array([[3.0, -60.0, 0.0], [4.0, -60.0, 0.0]]))
    assert heights[0] == pytest.approx(0.0, abs=0.01)
    assert heights[1] == pytest.approx(0.12, abs=0.01)
    assert labels.tolist() == [Label.ROAD, Label.SIDEWALK]
    far, label, _, normal = cast(view, np.array([2.0, -60.0, 0.06]), np.array([[1.0, 0.0, 0.0]]), 5.0)
    assert far[0] == pytest.approx(1.5, abs=1e-3)
    assert label[0] == Label.SIDEWALK
    assert normal[0] == pytest.approx([-1, 0, 0], abs=1e-6)


def test_land_is_never_above_a_road() -> None:
    for source in (hill_map(), loop_map()):
        found = read_road_map(source)
        random = np.random.default_rng(0)
        points = []
        for lane in found.lanes:
            share = random.random((200, 1))
            index = random.integers(0, len(lane.center) - 1, 200)
            along = random.random((200, 1))
            side = lane.left * 0.9 + lane.right * 0.1, lane.left * 0.1 + lane.right * 0.9
            a, b = (edge[index] * (1 - along) + edge[index + 1] * along for edge in side)
            points.append(a * share + b * (1 - share))
        _, labels = below(World(found), np.concatenate(points), height=1.0)
        assert Label.TERRAIN not in labels


@pytest.mark.skipif(DATA is None, reason="needs AVREC_DEV_DATA")
@pytest.mark.parametrize("town", ["Town01", "Town03", "Town07"])
def test_towns_against_carla_map(town: str) -> None:
    """Heights, classes and paint where CARLA's own reader of the same map has lanes and marks."""
    carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")
    path = Path(str(DATA)) / "maps" / "carla_towns" / "OpenDrive" / f"{town}.xodr"
    judge = carla.Map(town, path.read_text())
    world = World(read_road_map(path))
    waypoints = [w for w in judge.generate_waypoints(11.0) if w.lane_width > 2.5][::4]
    places = np.array([[w.transform.location.x, -w.transform.location.y, w.transform.location.z] for w in waypoints])
    heights, labels = below(world, places, height=1.0)
    off = np.abs(heights - places[:, 2])
    assert np.median(off) < 1e-3
    alone = np.array([not way.is_junction for way in waypoints])  # in junctions the map's roads overlap
    assert np.percentile(off[alone], 97) < 0.01
    assert np.isin(labels[alone], (Label.ROAD, Label.ROAD_LINE)).mean() > 0.99
    edges, solid = [], []
    for way, place in zip(waypoints, places, strict=True):
        right = way.transform.get_right_vector()
        edges.append(place + np.array([right.x, -right.y, right.z]) * way.lane_width / 2)
        solid.append(str(way.right_lane_marking.type) == "Solid")
    if any(solid):
        _, paint = below(world, np.array(edges)[solid], height=1.0)
        assert (paint == Label.ROAD_LINE).mean() > 0.95
    pose = world.road_map.spawn_points[7]
    eye = Pose(pose.x, pose.y, pose.z + 2.0, 0.0, 0.15, pose.yaw)
    picture = shoot(world, eye, "semantic_segmentation", size=48)[..., 2]
    depth = shoot(world, eye, "depth", size=48).astype(np.float64)
    metres = (depth[..., 2] + 256 * depth[..., 1] + 65536 * depth[..., 0]) / (2**24 - 1) * 1000
    from carla_bridge.world.pose import rows

    focal = 24 / tan(radians(30.0))
    agree = []
    for v in range(26, 48):
        for u in range(48):
            ray = np.array(rows(eye)) @ [1.0, (23.5 - u) / focal, (23.5 - v) / focal]
            x, y, z = np.array(eye.position) + ray * metres[v, u]
            way = judge.get_waypoint(carla.Location(x, -y, z), project_to_road=False, lane_type=carla.LaneType.Any)
            kind = "" if way is None else str(way.lane_type)
            road = picture[v, u] in (Label.ROAD, Label.ROAD_LINE)
            if kind in ("Driving", "Sidewalk"):  # on others, and between lanes, it is not always sure
                agree.append(road == (kind == "Driving"))
    assert len(agree) > 100
    assert np.mean(agree) > 0.98


def test_rays_in_a_scene_meet_its_mesh() -> None:
    from dataclasses import replace

    scene = complete_scene(3)
    assert scene.mesh is not None
    found = read_road_map(loop_map())
    world = World(replace(found, scene=scene))
    faces = scene.mesh.vertices[scene.mesh.faces]
    middle = faces.mean(axis=1)
    normal = scene.mesh.face_normals
    kept = np.flatnonzero(scene.mesh.face_areas > 1e-4)[:200]
    for index in kept:
        start = middle[index] + 0.05 * normal[index]
        distance, _, owner, _ = cast(WorldView(world, NOON), start, -normal[index][None], 1.0)
        assert distance[0] <= 0.05 + 1e-3
        assert owner[0] == 0


def test_a_map_without_lanes_is_land() -> None:
    text = (
        '<?xml version="1.0"?><OpenDRIVE><header revMajor="1" revMinor="4"/><road name="" length="50" id="1" '
        'junction="-1"><planView><geometry s="0" x="0" y="0" hdg="0" length="50"><line/></geometry></planView><lanes>'
        '<laneSection s="0"><center><lane id="0" type="none" level="false"/></center></laneSection></lanes></road>'
        "</OpenDRIVE>"
    )
    world = World(read_road_map(text.encode()))
    heights, labels = below(world, np.array([[3.0, 1.0, 0.0], [900.0, -700.0, 0.0]]))
    assert labels.tolist() == [Label.TERRAIN] * 2
    assert np.abs(heights).max() < 0.2
    assert shoot(world, Pose(0.0, 0.0, 2.0)).shape == (64, 64, 4)


def test_worlds_on_one_map_do_not_see_each_other(loop: RoadMap) -> None:
    here, there = World(loop), World(loop)
    car = put(here, CAR, Pose(20.0, -1.75, 0.0))
    put(there, "vehicle.mitsubishi.fusorosa", Pose(20.0, -1.75, 0.0), special_type="anything")
    origin, ahead = np.array([10.0, -1.75, 1.2]), np.array([[1.0, 0.0, 0.0]])
    near = [cast(WorldView(world, NOON), origin, ahead, 50.0)[1][0] for world in (here, there, here)]
    assert near == [14, 16, 14]
    here.destroy(car.id)
    assert np.isinf(cast(WorldView(here, NOON), origin, ahead, 50.0)[0][0])


def test_a_fresh_weather_says_what_is_shown() -> None:
    """The client's preset ``Default`` leaves all open; a fresh world looks the same and says how."""
    assert len(FRESH_WEATHER) == WEATHER_FIELDS
    unsaid = (*(-1.0,) * 10, *FRESH_WEATHER[10:])
    np.testing.assert_array_equal(sky_numbers(FRESH_WEATHER, 0.001), sky_numbers(unsaid, 0.001))
    rain = (FRESH_WEATHER[0], 80.0, *FRESH_WEATHER[2:])
    assert np.abs(sky_numbers(rain, 0.001) - sky_numbers(FRESH_WEATHER, 0.001)).max() > 0.1
