"""One picture of a scene: `render`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from avrec.errors import AvrecError
from avrec.gaussians import Gaussians
from avrec.gaussians.sky import sample_sky
from avrec.geometry import Camera, Offset
from avrec.raster import SCENE_SETTINGS, Backend, RasterSettings, View, rasterize
from avrec.raster.native.rasterizer import NativeRasterizer
from avrec.rendering.view import middle_us, present_actors, sensor_named, view_for
from avrec.scene.scene import Scene

__all__ = [
    "OUTPUTS",
    "Output",
    "Shot",
    "check_outputs",
    "modelled_shutter",
    "present_bodies",
    "render",
    "render_view",
    "sky_background",
]

Float32 = NDArray[np.float32]
Output = Literal["rgb", "alpha", "depth", "median_depth", "normal"]
OUTPUTS: tuple[Output, ...] = get_args(Output)

_PRESENT: WeakKeyDictionary[Scene, tuple[Gaussians, NDArray[np.int32], tuple[str, ...]]] = WeakKeyDictionary()
"""The cloud of the last picture of each scene: frame after frame shows the same actors, and joining clouds copies."""


@dataclass(frozen=True)
class Shot:
    """A rendered picture.

    Attributes:
        camera: name of the camera.
        time_us: start of the first line's exposure.
        view: camera model and poses it was taken with.
        rgb: float32 [H, W, 3] in 0..1, with the camera's colour applied; black where ``valid`` is False.
        alpha: float32 [H, W], how much of the pixel the Gaussians cover; the rest is sky.
        depth: float32 [H, W] metres along the pixel's unit ray, expected value; NaN where there is nothing.
        median_depth: float32 [H, W] metres, where half of the light is absorbed; NaN where that never happens.
        normal: float32 [H, W, 3], world frame, unit length; NaN where there is nothing. None unless asked for.
        valid: bool [H, W], False outside the part of the image that the camera model describes.
    """

    camera: str
    time_us: int
    view: View
    rgb: Float32
    alpha: Float32
    depth: Float32
    median_depth: Float32
    normal: Float32 | None
    valid: NDArray[np.bool_]

    @property
    def rgb_uint8(self) -> NDArray[np.uint8]:
        """The picture rounded to uint8 [H, W, 3]."""
        return np.asarray(np.rint(self.rgb * 255.0), np.uint8)


def render(
    scene: Scene,
    camera: str,
    time_us: int,
    *,
    offset: Offset | None = None,
    rolling_shutter: bool = True,
    width: int | None = None,
    height: int | None = None,
    outputs: Sequence[str] = ("rgb",),
    model: Camera | None = None,
    settings: RasterSettings = SCENE_SETTINGS,
    backend: Backend = "auto",
) -> Shot:
    """Take a picture of a scene from a camera of its rig, on the recorded path or beside it.

    Args:
        scene: a reconstructed scene.
        camera: name of one of its cameras.
        time_us: start of the first line's exposure, microseconds.
        offset: rig pose relative to the recorded one (left, up, forward metres; yaw, pitch, roll degrees).
        rolling_shutter: False exposes the whole picture at the middle of the readout.
        width: pixels; None for the recorded size.
        height: likewise.
        outputs: any of :data:`OUTPUTS`; ``"normal"`` costs extra and is only computed when named.
        model: intrinsics at the recorded size, where a frame's differ from its camera's.
        settings: thresholds of the rasteriser.
        backend: which rasteriser.

    Raises:
        DataError: unknown camera, a time outside the recorded path, a size below one pixel.
        AvrecError: an unknown output.
    """
    check_outputs(outputs)
    sensor = sensor_named(scene.cameras, camera)
    bodies = present_bodies(scene, middle_us(sensor, time_us))
    gaussians, body = _joined(scene, bodies)
    view = view_for(
        scene,
        camera,
        time_us,
        offset=offset,
        rolling_shutter=rolling_shutter,
        width=width,
        height=height,
        model=model,
        bodies=bodies,
    )
    return _shoot(scene, view, camera, int(time_us), gaussians, body, "normal" in outputs, settings, backend)


def render_view(
    scene: Scene,
    view: View,
    camera: str,
    time_us: int,
    *,
    bodies: Sequence[str] | None = None,
    settings: RasterSettings = SCENE_SETTINGS,
    backend: Backend = "auto",
) -> Shot:
    """Take a picture with poses of one's own.

    Args:
        scene: a reconstructed scene.
        view: camera model and poses, e.g. the ``view`` of a shot, moved.
        camera: whose colour to apply.
        time_us: the time the shot was taken at.
        bodies: ids of the actors that ``view.bodies`` places, in that order; None for those that :func:`render` shows
            at this time.
        settings: thresholds of the rasteriser.
        backend: which rasteriser.

    Raises:
        DataError: unknown camera.
        AvrecError: an actor without Gaussians, or another number of them than the view places.
    """
    sensor = sensor_named(scene.cameras, camera)
    shown = present_bodies(scene, middle_us(sensor, time_us)) if bodies is None else tuple(bodies)
    if len(shown) != len(view.bodies):
        raise AvrecError(
            f"The view places {len(view.bodies)} actors, but {len(shown)} are to be shown at {time_us} us. "
            "Use the view of a shot of the same scene and time, or name the actors that the view places."
        )
    unknown = [each for each in shown if each not in scene.actors]
    if unknown:
        raise AvrecError(f"The scene has no Gaussians for the actor {', '.join(unknown)}. Leave it out.")
    gaussians, body = _joined(scene, shown)
    return _shoot(scene, view, camera, int(time_us), gaussians, body, False, settings, backend)


def sky_background(scene: Scene, view: View, *, backend: Backend = "auto") -> Float32 | None:
    """Sky colour behind each pixel, float32 [H, W, 3], or None for a scene without sky."""
    if scene.sky is None:
        return None
    if backend in ("auto", "cpu"):
        kernel = NativeRasterizer()  # thirty times as fast as the same lookup in numpy
        kernel.look(view)
        return kernel.sky(np.ascontiguousarray(scene.sky))
    rays, valid = view.camera.pixel_rays()
    if view.axis == "rows":
        world = np.einsum("hij,hwj->hwi", view.rotation, rays)
    elif view.axis == "columns":
        world = np.einsum("wij,hwj->hwi", view.rotation, rays)
    else:
        world = rays @ view.rotation[0].T
    return np.where(valid[..., None], sample_sky(scene.sky, world), np.float32(0))


def modelled_shutter(scene: Scene) -> bool:
    """False for a scene that was made with the shutter ignored, and is to be shown in the same way."""
    config = scene.source.get("config")
    return bool(config.get("model_shutter", True)) if isinstance(config, Mapping) else True


def check_outputs(outputs: Sequence[str]) -> None:
    """Raise AvrecError unless every name is one of :data:`OUTPUTS`."""
    unknown = [name for name in outputs if name not in OUTPUTS]
    if unknown or not outputs:
        found = ", ".join(unknown) or "nothing"
        raise AvrecError(f"Unknown output: {found}. Choose from {', '.join(OUTPUTS)}.")


def present_bodies(scene: Scene, time_us: float) -> tuple[str, ...]:
    """Ids of the actors that have Gaussians and are there at a time, in the order of the tracks."""
    return tuple(track for track in present_actors(scene.tracks, time_us) if track in scene.actors)


def _joined(scene: Scene, bodies: tuple[str, ...]) -> tuple[Gaussians, NDArray[np.int32]]:
    """Gaussians in the picture, and the body of each; actors that are not named are left out."""
    if scene not in _PRESENT or _PRESENT[scene][2] != bodies:
        _PRESENT[scene] = replace(scene, actors={track: scene.actors[track] for track in bodies}).all_gaussians()
    return _PRESENT[scene][:2]


def _shoot(
    scene: Scene,
    view: View,
    camera: str,
    time_us: int,
    gaussians: Gaussians,
    body: NDArray[np.int32],
    normals: bool,
    settings: RasterSettings,
    backend: Backend,
) -> Shot:
    raster = rasterize(
        gaussians,
        view,
        body=body if len(view.bodies) else None,
        background=sky_background(scene, view, backend=backend),
        settings=settings,
        backend=backend,
        normals=normals,
    )
    _, valid = view.camera.pixel_rays()
    inside = valid[..., None]
    colour = raster.rgb
    affine = scene.appearance.get(camera)
    if affine is not None:
        colour = colour @ np.asarray(affine[:, :3], np.float32).T + np.asarray(affine[:, 3], np.float32)
    nothing = np.float32(np.nan)
    return Shot(
        camera=camera,
        time_us=time_us,
        view=view,
        rgb=np.where(inside, np.clip(colour, 0.0, 1.0), 0.0).astype(np.float32),
        alpha=np.where(valid, raster.alpha, np.float32(0)),
        depth=np.where(valid, raster.depth, nothing),
        median_depth=np.where(valid, raster.median_depth, nothing),
        normal=None if raster.normal is None else np.where(inside, raster.normal, nothing),
        valid=valid,
    )
