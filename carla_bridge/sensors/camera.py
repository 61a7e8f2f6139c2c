"""Cameras: asks the renderer for a picture, develops it, and puts it into CARLA's bytes."""

from __future__ import annotations

from struct import pack

import numpy as np
from numpy.typing import NDArray

from carla_bridge.sensors.development import develop
from carla_bridge.sensors.drawings import draw_shapes
from carla_bridge.sensors.dvs import EventModel, brightness, find_events
from carla_bridge.sensors.lens import bend, fringe
from carla_bridge.sensors.plain import PlainRenderer
from carla_bridge.sensors.rack import Sensor, SensorRack
from carla_bridge.sensors.rendering import CameraRequest
from carla_bridge.sensors.softness import soften

__all__ = ["events", "picture"]

PLAIN = PlainRenderer()


def _taken(rack: SensorRack, sensor: Sensor, kind: str) -> NDArray[np.uint8] | NDArray[np.float32]:
    """What the camera sees, through its lens and with its exposure."""
    number = sensor.number_of
    attributes = sensor.actor.spec.attributes
    pose = rack.pose(sensor)
    before = sensor.memory.get("pose", pose) if sensor.in_a_row else pose
    sensor.memory["pose"] = pose
    request = CameraRequest(
        kind=kind,
        actor=sensor.actor.id,
        pose=pose,
        before=before,
        width=int(number("image_size_x")),
        height=int(number("image_size_y")),
        fov_deg=number("fov"),
        attributes=attributes,
        step_s=sensor.elapsed_s,
    )
    renderer = rack.renderer or PLAIN
    pixels = renderer.camera(rack.view(), request)
    if kind == "rgb":
        seen = soften(renderer, rack.view(), request, np.asarray(pixels, np.uint8), rack.step_s)
        seen = develop(seen, attributes, sensor.memory, sensor.elapsed_s)
        pixels = draw_shapes(renderer, rack.view(), request, fringe(seen, attributes))
    return bend(kind, pixels, attributes)


def _head(sensor: Sensor) -> bytes:
    number = sensor.number_of
    return pack("<IIf", int(number("image_size_x")), int(number("image_size_y")), number("fov"))


def picture(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """One picture: head, then rows of pixels."""
    pixels = _taken(rack, sensor, sensor.actor.spec.type_id.removeprefix("sensor.camera."))
    return [_head(sensor) + pixels.tobytes()]


def events(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """Events of an event camera since its last picture; no message without any."""
    number = sensor.number_of
    bgra = np.asarray(_taken(rack, sensor, "rgb"), np.uint8)
    use_log = sensor.actor.spec.attributes["use_log"].lower() in ("true", "1")
    model = EventModel(
        number("positive_threshold"),
        number("negative_threshold"),
        number("sigma_positive_threshold"),
        number("sigma_negative_threshold"),
        int(number("refractory_period_ns")),
    )
    now = brightness(bgra, use_log=use_log, log_eps=number("log_eps"))
    before = sensor.memory.get("events") if sensor.in_a_row else None
    time_ns = round(rack.world.time_s * 1e9)
    sensor.memory["events"], found = find_events(before, now, time_ns, model, rack.noise(sensor))
    return [_head(sensor) + found.tobytes()] if len(found) else []
