"""The official client against the server: what programs call most, and what they spawn most.

One check for each of the 60 calls and the 15 blueprints (and wildcards) that public CARLA programs use most, ordered by
how often they do. The checks are in the folder ``conformance``, each under the name it is about.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

import carla_bridge

carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")

pytest.register_assert_rewrite("tests.carla_bridge.conformance")

from tests.carla_bridge.conformance import actor_calls, blueprint_checks, session_calls  # noqa: E402
from tests.carla_bridge.conformance.stage import BLUEPRINTS, CALLS, Stage  # noqa: E402

USED_CALLS = (
    "get_location", "get_waypoint", "get_map", "get_transform", "set_attribute", "get_world", "destroy",
    "get_blueprint_library", "get_velocity", "tick", "spawn_actor", "get_forward_vector", "listen", "apply_control",
    "get_left_lane", "get_right_lane", "get_actors", "get_settings", "set_autopilot", "get_attribute",
    "apply_settings", "has_attribute", "set_timeout", "set_simulate_physics", "set_target_velocity", "draw_point",
    "get_spawn_points", "apply_batch_sync", "get_junction", "get_control", "set_transform", "wait_for_tick",
    "set_light_state", "set_location", "draw_string", "get_right_vector", "convert", "get_snapshot", "load_world",
    "get_waypoint_xodr", "get_trafficmanager", "try_spawn_actor", "get_light_state", "get_spectator", "stop_recorder",
    "set_synchronous_mode", "save_to_disk", "set_weather", "get_physics_control", "set_target_angular_velocity",
    "get_actor", "get_speed_limit", "disable_constant_velocity", "reload_world", "on_tick", "get_inverse_matrix",
    "get_angular_velocity", "transform_to_geolocation", "load_map_layer", "start_recorder",
)  # fmt: skip
USED_BLUEPRINTS = (
    "vehicle.*", "sensor.camera.rgb", "sensor.lidar.ray_cast", "sensor.other.gnss", "sensor.camera.depth",
    "sensor.other.radar", "sensor.camera.semantic_segmentation", "sensor.other.imu", "walker.*",
    "sensor.other.collision", "sensor.camera.instance_segmentation", "sensor.camera.dvs",
    "sensor.other.lane_invasion", "sensor.lidar.ray_cast_semantic", "controller.ai.walker",
)  # fmt: skip
PARTS = (session_calls, actor_calls, blueprint_checks)


@pytest.fixture
def stage(client: Any, world: Any, server: carla_bridge.Server, tmp_path: Path) -> Stage:
    return Stage(carla, client, world, tmp_path, (server.host, server.port))


def test_the_tables_are_complete() -> None:
    """60 calls and 15 blueprints; each has a check, and the check makes the call, or spawns the blueprint."""
    assert len(set(USED_CALLS)) == 60
    assert len(set(USED_BLUEPRINTS)) == 15
    assert set(CALLS) == set(USED_CALLS)
    assert set(USED_BLUEPRINTS) <= set(BLUEPRINTS)
    for name, check in CALLS.items():
        body = inspect.getsource(check).split("\n", 2)[2]
        assert f".{name}(" in body, f"the check of {name} does not call it"
        assert "assert" in body, name


@pytest.mark.parametrize("name", USED_CALLS)
def test_call(name: str, stage: Stage) -> None:
    CALLS[name](stage)


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_blueprint(name: str, stage: Stage) -> None:
    BLUEPRINTS[name](stage)
