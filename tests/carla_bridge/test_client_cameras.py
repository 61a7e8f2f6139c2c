"""The official client against the server: what colour cameras' attributes do to pictures."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.carla_bridge.support import WAIT_S

carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")

WIDTH, HEIGHT = 160, 120
MOUNT = carla.Transform(carla.Location(x=2.5, z=1.5))


@pytest.fixture
def cameras(world: Any) -> Iterator[dict[str, tuple[Any, Any]]]:
    """Sensors and their messages by name; destroyed in the end."""
    found: dict[str, tuple[Any, Any]] = {}
    yield found
    for sensor, _ in found.values():
        sensor.stop()
        sensor.destroy()
    world.tick()


def add(cameras: dict[str, Any], world: Any, car: Any, name: str, sensor: str = "camera.rgb", **values: Any) -> None:
    blueprint = world.get_blueprint_library().find(f"sensor.{sensor}")
    if "camera" in sensor:
        values = {"image_size_x": WIDTH, "image_size_y": HEIGHT, **values}
    for key, value in values.items():
        blueprint.set_attribute(key, str(value))
    actor = world.spawn_actor(blueprint, MOUNT, attach_to=car)
    messages: queue.Queue[Any] = queue.Queue()
    actor.listen(messages.put)
    cameras[name] = actor, messages


def look(cameras: dict[str, Any]) -> dict[str, np.ndarray]:
    """The next picture of each camera, BGR."""
    found = {}
    for name, (_, messages) in cameras.items():
        image = messages.get(timeout=WAIT_S)
        found[name] = np.frombuffer(image.raw_data, np.uint8).reshape(HEIGHT, WIDTH, 4)[..., :3].astype(int)
    return found


def edges(picture: np.ndarray, part: Any = np.s_[:]) -> float:
    """How sharp a picture is."""
    return float(np.abs(np.diff(picture, axis=1))[part].mean())


def car_at(world: Any, x: float) -> Any:
    library = world.get_blueprint_library()
    return world.spawn_actor(library.find("vehicle.lincoln.mkz_2017"), carla.Transform(carla.Location(x, 1.75, 0.0)))


def test_tones_and_glow_reach_the_client(world: Any, cameras: dict[str, Any]) -> None:
    car = car_at(world, 20.0)
    for name, values in {
        "usual": {},
        "the same": {"slope": "0.880", "bloom_intensity": 0.675, "motion_blur_intensity": 0.45, "focal_distance": 1000},
        "off": {"bloom_intensity": 0, "lens_flare_intensity": 0, "motion_blur_intensity": 0},
        "steep": {"slope": 1.0},
        "dark": {"toe": 0.8},
        "bright": {"shoulder": 0.6},
        "black": {"black_clip": 0.2},
        "metered": {"calibration_constant": 32},
        "glowing": {"bloom_intensity": 8.0, "exposure_compensation": 1},
        "glowless": {"exposure_compensation": 1},
    }.items():
        add(cameras, world, car, name, **values)
    world.tick()
    seen = look(cameras)
    usual = seen["usual"]
    for name in ("the same", "off"):
        np.testing.assert_array_equal(seen[name], usual)
    low, high = usual < 90, usual > 150  # middle grey is 117
    assert low.any()
    assert high.any()
    assert seen["steep"][low].mean() < usual[low].mean()
    assert seen["steep"][high].mean() > usual[high].mean()
    assert seen["dark"][low].mean() < usual[low].mean() - 2
    assert seen["bright"][high].mean() > usual[high].mean() + 2
    assert seen["black"][low].mean() < usual[low].mean() - 5
    np.testing.assert_array_equal(seen["metered"], seen["glowless"])
    assert seen["metered"].mean() > usual.mean() + 10
    assert (seen["glowing"] >= seen["glowless"]).all()
    assert seen["glowing"].mean() > seen["glowless"].mean() + 2


def test_soft_pictures_reach_the_client(world: Any, cameras: dict[str, Any]) -> None:
    """A car that drives past a parked one at 20 m/s; the sky and what is far ahead do not move."""
    car = car_at(world, 20.0)
    world.spawn_actor(
        world.get_blueprint_library().find("vehicle.audi.a2"), carla.Transform(carla.Location(30, -1.75, 0.0))
    )
    for name, values in {
        "usual": {},
        "moving": {"motion_blur_intensity": 1.0, "motion_blur_max_distortion": 20},
        "hardly": {"motion_blur_intensity": 1.0, "motion_blur_max_distortion": 1.5},
        "near": {"focal_distance": 200, "fstop": 0.1},
        "hazy": {"blur_radius": 1000, "blur_amount": 0.01},
    }.items():
        add(cameras, world, car, name, **values)
    car.set_target_velocity(carla.Vector3D(20, 0, 0))
    for _ in range(3):
        world.tick()
        seen = look(cameras)
    # The road ahead comes down the picture.
    ground = {name: edges(np.swapaxes(picture, 0, 1), np.s_[60:100, 75:]) for name, picture in seen.items()}
    assert ground["moving"] < 0.6 * ground["usual"]
    assert ground["moving"] < ground["hardly"] < ground["usual"]
    sky = np.s_[: HEIGHT // 4]
    assert np.abs(seen["moving"][sky] - seen["usual"][sky]).max() <= 1
    for name in ("near", "hazy"):
        ahead = np.s_[HEIGHT // 3 : HEIGHT // 2 + 6]
        assert edges(seen[name], ahead) < 0.9 * edges(seen["usual"], ahead)


def test_the_obstacle_detector_shows_its_way(world: Any, cameras: dict[str, Any]) -> None:
    """Seen from 1 m beside it, green in the open and red when something is in the way; gone in the next step."""
    car = car_at(world, 20.0)
    library = world.get_blueprint_library()
    blueprint = library.find("sensor.other.obstacle")
    for key, value in (("debug_linetrace", "true"), ("distance", "15"), ("sensor_tick", "0.1")):
        blueprint.set_attribute(key, value)
    add(cameras, world, car, "camera")
    beside = carla.Transform(carla.Location(x=2.5, y=1.0, z=1.0))
    detector = world.spawn_actor(blueprint, beside, attach_to=car)
    colours = []
    for step in range(4):
        world.tick()
        picture = look(cameras)["camera"]
        green, red = ((picture == colour).all(-1).any() for colour in ((0, 255, 0), (0, 0, 255)))
        colours.append("green" if green else "red" if red else "")
        if step == 1:
            world.spawn_actor(library.find("static.prop.container"), carla.Transform(carla.Location(32, 2.75, 0)))
    assert colours == ["green", "", "red", ""]
    detector.destroy()


def test_values_that_no_camera_has_are_refused(world: Any) -> None:
    blueprint = world.get_blueprint_library().find("sensor.camera.rgb")
    blueprint.set_attribute("motion_blur_intensity", "2")
    with pytest.raises(RuntimeError, match=r"motion_blur_intensity is 2.*, out of range \(0 to 1\)"):
        world.spawn_actor(blueprint, MOUNT)
