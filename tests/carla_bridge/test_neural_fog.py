"""Fog in pictures of a scene, and the weather that clients send."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import carla_bridge
from carla_bridge.neural import SceneRenderer
from carla_bridge.neural.fog import Fog, air_colour, fog_of, foggy, transmittance
from carla_bridge.sensors.rendering import CameraRequest, WorldView
from carla_bridge.world import World, read_road_map
from carla_bridge.world.pose import Pose
from tests.carla_bridge.conftest import client_version
from tests.carla_bridge.support import WAIT_S, loop_map, synchronous
from tests.rendering.scenes import straight_path, tiny_scene

FRESH = [-1.0] * 10 + [1.0, 0.03, 0.0331, 0.0]


def weather(density: float, start: float = 0.0, falloff: float = 0.0) -> tuple[float, ...]:
    return tuple([*FRESH[:6], density, start, falloff, *FRESH[9:]])


def through(fog: Fog, distance: float, up: float = 0.0, height: float = 0.0) -> float:
    return float(transmittance(fog, np.array(distance), np.array(up), height))


def test_transmittance_by_hand() -> None:
    thick = fog_of(weather(100.0, 5.0))
    assert thick == Fog(1 / 28, 5.0, 0.0)
    assert through(thick, 5.0) == 1.0
    assert through(thick, 33.0) == pytest.approx(np.exp(-1))
    assert through(thick, 61.0) == pytest.approx(np.exp(-2))
    quarter = fog_of(weather(25.0))  # 0.25 ** 1.5 = 1 / 8
    assert through(quarter, 8 * 28.0, height=50.0) == pytest.approx(np.exp(-1))
    low = fog_of(weather(100.0, 0.0, 1.0))  # half as thick 10 m up
    assert through(low, 28.0, height=10.0) == pytest.approx(np.exp(-0.5))
    assert through(low, 1e9, up=1.0) == pytest.approx(np.exp(-10 / np.log(2) / 28), rel=1e-6)
    for none in (-1.0, 0.0, float("nan")):
        assert fog_of(weather(none)) is None


@settings(deadline=None, max_examples=80)
@given(
    st.floats(1.0, 100.0),
    st.floats(0.0, 50.0),
    st.floats(0.0, 5.0),
    st.floats(0.0, 300.0),
    st.floats(-0.9, 0.9),
    st.floats(0.0, 20.0),
)
def test_transmittance_is_the_integral(
    density: float, start: float, falloff: float, distance: float, up: float, height: float
) -> None:
    fog = fog_of(weather(density, start, falloff))
    assert fog is not None
    if up < 0.0:
        distance = min(distance, height / -up)  # the ground ends the way
    steps = np.linspace(min(start, distance), distance, 4001)
    thickness = fog.per_m * 2.0 ** (-(height + up * steps) * falloff / 10.0)
    depth = float(np.trapezoid(thickness, steps))
    found = through(fog, distance, up, height)
    assert found == pytest.approx(np.exp(-depth), rel=1e-4, abs=1e-12)
    assert through(fog, distance + 1.0, up, height) <= found <= 1.0


def test_colours_are_mixed_as_light_is() -> None:
    picture = np.array([[[1.0, 0.0, 0.5]]])
    air = np.array([0.6, 0.6, 0.6])
    np.testing.assert_allclose(foggy(picture, np.array([[1.0]]), air), picture, atol=1e-6)
    np.testing.assert_allclose(foggy(picture, np.array([[0.0]]), air), [[air]], atol=1e-6)
    half = foggy(picture, np.array([[0.5]]), air)[0, 0]
    assert half[0] == pytest.approx((0.5 + 0.5 * 0.6**2.2) ** (1 / 2.2), abs=1e-5)
    blue = np.tile(np.array([0.2, 0.4, 0.9], np.float32), (6, 4, 4, 1))
    grey = air_colour(blue)
    assert grey[0] < grey[1] < grey[2]
    assert grey[2] - grey[0] < 0.35
    assert air_colour(None).shape == (3,)


def test_far_things_go_first_and_no_fog_changes_no_bit() -> None:
    scene = tiny_scene(actors={}, tracks=(), ego=straight_path(4.0, 0.0))
    world = World(read_road_map(loop_map()))
    drawn = SceneRenderer(scene)

    def shot(numbers: tuple[float, ...], x: float = 0.0) -> Any:
        pose = Pose(x, 0.0, 1.5)
        return drawn.camera(WorldView(world, numbers), CameraRequest("rgb", 0, pose, pose, 64, 48, 60.0, {}))

    clear = shot(tuple(FRESH))
    assert shot(weather(0.0)).tobytes() == clear.tobytes()
    assert shot((0.0,) * 14).tobytes() == clear.tobytes()
    thick = shot(weather(100.0))
    assert thick.tobytes() == shot(weather(100.0)).tobytes()
    air = np.rint(air_colour(scene.sky)[::-1] * 255)

    def off(picture: Any) -> float:
        return float(np.abs(picture[24:34, 22:42, :3].astype(float) - air).mean())

    kept = [off(shot(weather(100.0), x)) / off(shot(tuple(FRESH), x)) for x in (10.0, 0.0, -30.0)]
    assert kept[0] > kept[1] > kept[2]
    assert kept[2] < 0.35  # 44 m: a fifth of the light is left
    assert off(shot(weather(100.0, 30.0))) > 1.5 * off(thick)  # it begins behind the wall, through which sky is seen
    assert off(shot(weather(100.0, 2000.0))) == pytest.approx(off(clear), abs=0.5)


@pytest.fixture(scope="module")
def foggy_street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The official client in a scene's world."""
    carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")
    path = tmp_path_factory.mktemp("scene") / "tiny.usdz"
    tiny_scene(map_xodr=loop_map(), ego=straight_path(4.0, 0.0)).save(path)
    with carla_bridge.serve(path, port=0, version=client_version()) as server:
        client = carla.Client(server.host, server.port)
        client.set_timeout(WAIT_S)
        yield client


def shots(world: Any, weathers: list[Any]) -> list[Any]:
    """A picture in each weather, from the world's origin."""
    import carla

    synchronous(world)
    blueprint = world.get_blueprint_library().find("sensor.camera.rgb")
    for name, value in {"image_size_x": 64, "image_size_y": 48, "enable_postprocess_effects": "false"}.items():
        blueprint.set_attribute(name, str(value))
    camera = world.spawn_actor(blueprint, carla.Transform(carla.Location(20.0, 1.75, 2.0)))
    images: queue.Queue[Any] = queue.Queue()
    camera.listen(images.put)
    found = []
    for each in weathers:
        world.set_weather(each)
        frame = world.tick()
        while (image := images.get(timeout=WAIT_S)).frame != frame:
            pass
        found.append(np.frombuffer(image.raw_data, np.uint8).astype(int))
    camera.stop()
    world.tick()
    camera.destroy()
    return found


def test_clients_make_fog_in_a_scene(foggy_street: Any) -> None:
    import carla

    world = foggy_street.get_world()
    fresh = world.get_weather()
    thick, sunset = carla.WeatherParameters(fog_density=90.0), carla.WeatherParameters(sun_altitude_angle=-20.0)
    before, fog, after, dark = shots(world, [fresh, thick, fresh, sunset])
    assert np.abs(fog - before).max() > 20
    assert (after == before).all()
    assert (dark == before).all()  # the sun of the recording does not set


def test_clients_wet_the_road_of_a_bare_map(world: Any) -> None:
    """Which number of a weather is which."""
    import carla

    sun = {"sun_altitude_angle": 45.0}
    names = (
        {},
        {"wetness": 100.0},
        {"precipitation_deposits": 100.0},
        {"wind_intensity": 100.0},
        {"fog_density": 60.0},
    )
    dry, wet, deposits, wind, fog = shots(world, [carla.WeatherParameters(**sun, **each) for each in names])
    assert np.abs(wet - dry).mean() > 2
    assert (wet == deposits).all()
    assert (wind == dry).all()
    assert np.abs(fog - dry).mean() > 2
