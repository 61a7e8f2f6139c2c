"""What the embedded world cannot do is refused, or said once in the log: never taken in silence."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from carla_bridge.server.host import Host
from carla_bridge.server.profiles import profile_of
from carla_bridge.server.rpc.registry import RpcError
from carla_bridge.world import read_road_map
from carla_bridge.world.pose import Pose
from tests.carla_bridge.support import loop_map

DOCS = Path(__file__).parents[2] / "docs" / "carla_calls.md"
CAR, PERSON, IMU = "vehicle.lincoln.mkz_2020", "walker.pedestrian.0001", "sensor.other.imu"
OLD_CAR = "vehicle.audi.tt"
UP = [0.0, 0.0, 1.0]
TILTED = [5.0, 0.0, 0.0]
HUD = [[5, [[0.0, 0.0, 0.0], 0.1]], [255, 0, 0], 1.0, True]

WARNED: list[tuple[str, str, list[Any]]] = [
    ("add_actor_impulse", PERSON, [UP]),
    ("add_actor_force", PERSON, [UP]),
    ("set_actor_target_velocity", PERSON, [UP]),
    ("add_actor_angular_impulse", CAR, [TILTED]),
    ("add_actor_torque", CAR, [TILTED]),
    ("enable_actor_constant_velocity", CAR, [UP]),
    ("set_actor_simulate_physics", IMU, [True]),
    ("set_actor_enable_gravity", IMU, [False]),
    ("open_vehicle_door", CAR, [4]),
    ("open_vehicle_door", OLD_CAR, [0]),
    ("set_wheel_steer_direction", CAR, [0, 10.0]),
    ("show_vehicle_debug_telemetry", CAR, [True]),
    ("set_bones_transform", PERSON, [[[["crl_arm__R", [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]]]]),
    ("set_bones_transform", PERSON, [[[["no such bone", [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]]]]),
    ("load_map_layer", "", [1]),
    ("unload_map_layer", "", [1]),
    ("update_lights_state", "", ["127.0.0.1:1", [], False]),
    ("set_annotations_traverse_translucency", "", [True]),
]
REFUSED: list[tuple[str, str, list[Any]]] = [
    ("enable_carsim", CAR, ["file"]),
    ("use_carsim_road", CAR, [True]),
    ("enable_chrono_physics", CAR, [1, 0.01, "", "", "", ""]),
    ("set_wheel_pitch_angle", CAR, [0, 10.0]),
    ("draw_debug_shape", "", [HUD]),
    ("enable_environment_objects", "", [[1], False]),
]
ANSWERED: list[tuple[str, str, list[Any]]] = [
    ("get_wheel_pitch_angle", CAR, [0]),
    ("get_wheel_steer_angle", CAR, [7]),
    ("apply_color_texture_to_objects", "", [["Pole"], 2, []]),
    ("get_actor_component_world_transform", CAR, ["VehicleMesh"]),
    ("get_bones_transform", CAR, []),
    ("open_vehicle_door", CAR, [9]),
]
"""Their errors reach the caller, or are mistakes of the caller's."""


@pytest.fixture
def host() -> Host:
    return Host(read_road_map(loop_map()), profile_of("0.9.16"))


def call(host: Host, name: str, actor: str, arguments: list[Any]) -> None:
    """Call a method, about a new actor where it is about one."""
    if actor:
        actors = len(host.world.actors)
        born = host.spawn(host.blueprints[actor], {}, Pose(5.0 + 3 * actors, -1.75 - 20 * (actors % 3), 1.0))
        arguments = [born.id, *arguments]
    host.methods[name].call(host, *arguments)


@pytest.mark.parametrize(("name", "actor", "arguments"), WARNED)
def test_the_log_says_once_what_has_no_effect(
    host: Host, caplog: pytest.LogCaptureFixture, name: str, actor: str, arguments: list[Any]
) -> None:
    with caplog.at_level(logging.WARNING):
        call(host, name, actor, arguments)
        assert len(caplog.records) >= 1
        assert all(record.getMessage().endswith(".") for record in caplog.records)
        said = len(caplog.records)
        call(host, name, actor, arguments)
    assert len(caplog.records) == said


@pytest.mark.parametrize(("name", "actor", "arguments"), REFUSED)
def test_refusals_that_clients_do_not_read_are_logged(
    host: Host, caplog: pytest.LogCaptureFixture, name: str, actor: str, arguments: list[Any]
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with pytest.raises(RpcError):
                call(host, name, actor, arguments)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("name", "actor", "arguments"), ANSWERED)
def test_refusals_that_clients_read_are_errors(host: Host, name: str, actor: str, arguments: list[Any]) -> None:
    with pytest.raises((RpcError, ValueError)):
        call(host, name, actor, arguments)


def test_ordinary_calls_log_nothing(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for name, arguments in (
            ("add_actor_impulse", [UP]),
            ("add_actor_torque", [[0.0, 0.0, 5.0]]),
            ("open_vehicle_door", [0]),
            ("set_actor_simulate_physics", [False]),
            ("show_vehicle_debug_telemetry", [False]),
        ):
            call(host, name, CAR, arguments)
        host.tick()
    assert not caplog.records


@pytest.mark.parametrize(
    "word",
    ["open_door", "set_bones", "load_map_layer", "enable_carsim", "enable_chrono_physics", "set_wheel_pitch_angle",
     "draw_hud_", "enable_environment_objects", "_texture_", "show_debug_telemetry", "get_lightmanager",
     "set_wheel_steer_direction", "set_annotations_traverse_translucency", "add_impulse", "use_wheelchair"],
)  # fmt: skip
def test_the_documentation_lists_them(word: str) -> None:
    assert word in DOCS.read_text(encoding="utf-8")
