"""What makes pictures soft: motion while the shutter is open, and points out of focus.

With the usual settings a picture is sharp and taken in an instant. It is not where a program asks for something else:

- ``motion_blur_intensity``, ``motion_blur_max_distortion``: where either differs from its usual value (0.45, 0.35), the
  shutter is open for a share ``motion_blur_intensity`` of the world's step, around the picture's moment; no way is
  longer than ``motion_blur_max_distortion`` per cent of the width. Zero leaves the picture sharp.
- ``motion_blur_min_object_screen_size``: actors that take up less than that share of the width, in per cent, are
  blurred by the camera's motion only.
- ``focal_distance``: where it differs from the usual 10 m, depth of field is drawn (`carla_bridge.sensors.focus`). With
  the usual 10 m, 90 degrees and f/1.4 what is out of focus beyond 5 m is less than a pixel of 800 across.
- ``blur_radius``: where it is above 0, far things are blurred by haze.

All of it is computed in linear light.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from carla_bridge.sensors.development import GAMMA, processed
from carla_bridge.sensors.encoding import decode_depth, encode_flow
from carla_bridge.sensors.focus import disc_radius, haze_radius, unfocused
from carla_bridge.sensors.rendering import CameraRequest, SensorRenderer, WorldView, focal_px
from carla_bridge.sensors.smear import smeared
from carla_bridge.world.pose import rows

__all__ = ["USUAL_FOCUS_CM", "USUAL_MOTION", "soften", "softened_by"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Uint8 = NDArray[np.uint8]

USUAL_MOTION = {"motion_blur_intensity": 0.45, "motion_blur_max_distortion": 0.35}
USUAL_FOCUS_CM = 1000.0
_LEVELS = ((np.arange(256) / 255.0) ** GAMMA).astype(np.float32)


def softened_by(attributes: Mapping[str, str]) -> frozenset[str]:
    """What softens a camera's pictures: ``motion``, ``focus``, ``haze``."""
    if not processed(attributes):
        return frozenset()
    motion = {name: float(attributes.get(name, usual)) for name, usual in USUAL_MOTION.items()}
    found = {
        "motion": motion != USUAL_MOTION and all(motion.values()),
        "focus": float(attributes.get("focal_distance", USUAL_FOCUS_CM)) != USUAL_FOCUS_CM,
        "haze": float(attributes.get("blur_radius", "0")) > 0.0,
    }
    return frozenset(name for name, there in found.items() if there)


def soften(renderer: SensorRenderer, view: WorldView, request: CameraRequest, picture: Uint8, step_s: float) -> Uint8:
    """A sharp picture as a shutter and a lens of those attributes give it; the same array where they leave it sharp.

    Args:
        renderer: asked for depth and motion, only where they are needed.
        view: the world.
        request: of the picture.
        picture: uint8 [H, W, 4] BGRA.
        step_s: of the world.
    """
    wanted = softened_by(request.attributes)
    if not wanted:
        return picture
    ahead = _ahead(renderer, view, request)
    light = before = _LEVELS[picture[..., :3]]
    if wanted & {"focus", "haze"}:
        light = _out_of_focus(light, ahead, request, wanted)
    if "motion" in wanted:
        light = smeared(light, _way(renderer, view, request, ahead, step_s), ahead.astype(np.float32))
    if light is before:
        return picture
    out = picture.copy()
    out[..., :3] = np.rint(np.clip(light, 0.0, 1.0) ** np.float32(1.0 / GAMMA) * 255.0)
    return out


def _out_of_focus(light: Float32, ahead: Float64, request: CameraRequest, wanted: frozenset[str]) -> Float32:
    number = _numbers(request)
    radius, focus, blades, roundness = np.zeros(ahead.shape), 0.0, 5, 1.0
    if "haze" in wanted:
        radius = haze_radius(ahead, request.width, number("blur_radius", 0.0), number("blur_amount", 1.0))
    if "focus" in wanted:
        fstop, focus = number("fstop", 1.4), number("focal_distance", USUAL_FOCUS_CM) / 100.0
        radius = np.hypot(radius, disc_radius(ahead, request.width, request.fov_deg, focus, fstop))
        blades, roundness = int(number("blade_count", 5.0)), min(number("min_fstop", 1.2) / fstop, 1.0)
    return unfocused(light, radius, ahead < focus, blades, roundness)


def _way(renderer: SensorRenderer, view: WorldView, request: CameraRequest, ahead: Float64, step_s: float) -> Float32:
    """Pixels that things move right and down while the shutter is open, [H, W, 2]."""
    number = _numbers(request)
    flow = np.asarray(renderer.camera(view, replace(request, kind="optical_flow")), np.float32).copy()
    least_px = number("motion_blur_min_object_screen_size", 0.1) / 100.0 * request.width
    if least_px > 1.0:
        small = _small_actors(renderer, view, request, least_px)
        flow[small] = encode_flow(request, view.world, _points(request, ahead), np.zeros(ahead.shape, np.int64))[small]
    share = number("motion_blur_intensity", 0.45) * min(step_s / max(request.step_s, 1e-9), 1.0)
    way = flow * np.array([request.width / 2, -request.height / 2], np.float32) * np.float32(share)
    most = number("motion_blur_max_distortion", 0.35) / 100.0 * request.width
    length = np.linalg.norm(way, axis=-1, keepdims=True)
    return np.asarray(way * np.minimum(most / np.maximum(length, 1e-6), 1.0), np.float32)


def _small_actors(
    renderer: SensorRenderer, view: WorldView, request: CameraRequest, least_px: float
) -> NDArray[np.bool_]:
    """Pixels [H, W] of actors that are less than so many pixels wide."""
    seen = np.asarray(renderer.camera(view, replace(request, kind="instance_segmentation")), np.int64)
    owner = seen[..., 1] + 256 * seen[..., 0]
    found = np.zeros(owner.shape, np.bool_)
    for actor in np.unique(owner[owner > 0]).tolist():
        mine = owner == actor
        columns = np.flatnonzero(mine.any(0))
        if columns[-1] + 1 - columns[0] < least_px:
            found |= mine
    return found


def _ahead(renderer: SensorRenderer, view: WorldView, request: CameraRequest) -> Float64:
    """Metres along the camera's axis [H, W]."""
    return decode_depth(renderer.camera(view, replace(request, kind="depth")))


def _points(request: CameraRequest, ahead: Float64) -> Float64:
    """What the pixels show, in the world [H, W, 3]."""
    focal = focal_px(request.width, request.fov_deg)
    v, u = np.mgrid[0 : request.height, 0 : request.width] + 0.5
    local = np.stack([np.ones_like(u), (request.width / 2 - u) / focal, (request.height / 2 - v) / focal], axis=-1)
    return np.asarray(local * ahead[..., None] @ np.array(rows(request.pose)).T + np.array(request.pose.position))


def _numbers(request: CameraRequest) -> Callable[[str, float], float]:
    return lambda name, usual: float(request.attributes.get(name, usual))
