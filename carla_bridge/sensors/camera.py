"""Cameras: asks the renderer for a picture and puts it into CARLA's bytes."""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack

import numpy as np

from carla_bridge.sensors.plain import PlainRenderer
from carla_bridge.sensors.rack import Sensor, SensorRack
from carla_bridge.sensors.rendering import CameraRequest

__all__ = ["check", "events", "picture"]

MAX_SIDE = 8192
PLAIN = PlainRenderer()
EVENT = np.dtype([("x", "<u2"), ("y", "<u2"), ("t", "<i8"), ("polarity", "u1")])


def check(attributes: Mapping[str, str]) -> None:
    """Refuse pictures that no machine could draw.

    Raises:
        ValueError: a size or a field of view out of range.
    """
    width, height = (int(float(attributes[f"image_size_{axis}"])) for axis in "xy")
    fov = float(attributes["fov"])
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise ValueError(f"a picture of {width} x {height} pixels is out of range (1 to {MAX_SIDE})")
    if not 0.1 <= fov <= 179.0:
        raise ValueError(f"a field of view of {fov:g} degrees is out of range (0.1 to 179)")


def _request(rack: SensorRack, sensor: Sensor, kind: str) -> CameraRequest:
    number = sensor.number_of
    pose = rack.pose(sensor)
    before = sensor.memory.get("pose", pose)
    sensor.memory["pose"] = pose
    return CameraRequest(
        kind=kind,
        actor=sensor.actor.id,
        pose=pose,
        before=before,
        width=int(number("image_size_x")),
        height=int(number("image_size_y")),
        fov_deg=number("fov"),
        attributes=sensor.actor.spec.attributes,
        step_s=rack.step_s,
    )


def picture(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """One picture: head, then rows of pixels."""
    request = _request(rack, sensor, sensor.actor.spec.type_id.removeprefix("sensor.camera."))
    pixels = (rack.renderer or PLAIN).camera(rack.view(), request)
    return [pack("<IIf", request.width, request.height, request.fov_deg) + pixels.tobytes()]


def events(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """Events where the logarithm of brightness changed by more than the thresholds since the last event there."""
    request = _request(rack, sensor, "rgb")
    bgra = (rack.renderer or PLAIN).camera(rack.view(), request).astype(np.float64)
    grey = bgra[..., :3] @ [0.114, 0.587, 0.299] / 255.0
    now = np.log(grey + sensor.number_of("log_eps"))
    last = sensor.memory.get("brightness")
    if last is None or last.shape != now.shape:
        sensor.memory["brightness"] = now
        return []
    change = now - last
    up, down = sensor.number_of("positive_threshold"), sensor.number_of("negative_threshold")
    v, u = np.nonzero((change >= up) | (change <= -down))
    found = np.zeros(len(v), dtype=EVENT)
    found["x"], found["y"], found["polarity"] = u, v, change[v, u] > 0
    found["t"] = int(rack.world.time_s * 1e9)
    last[v, u] = now[v, u]
    head = pack("<IIf", request.width, request.height, request.fov_deg)
    return [head + found.tobytes()] if len(found) else []
