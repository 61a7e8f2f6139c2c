"""What a reconstruction ends with: layers of Gaussians, the calibrated rig, its path and the actors' tracks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor, RigBox, Track
from avrec.errors import DataError
from avrec.gaussians import Gaussians
from avrec.geometry import Anchor, Trajectory
from avrec.mesh.mesh import Mesh

__all__ = ["Scene"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

_LONGEST_SHUTTER_US = 60_000_000


@dataclass(frozen=True, eq=False, kw_only=True)
class Scene:
    """A reconstructed drive. Editing gives a new scene and shares the tensors with the old one.

    Attributes:
        name: short name, usually the drive's.
        static: Gaussians of everything that does not move, world frame.
        actors: Gaussians of each moving actor by track id, in the frame of its box.
        tracks: all actors' boxes through time, with or without Gaussians.
        sky: float32 [6, S, S, 3] cubemap (+X, -X, +Y, -Y, +Z, -Z of OpenGL), or None.
        ego: refined world_from_rig.
        ego_recorded: world_from_rig as recorded.
        cameras: by name, with refined extrinsics.
        cameras_recorded: the same cameras as recorded.
        appearance: per camera, float64 [3, 4]: rgb' = A[:, :3] rgb + A[:, 3].
        frames: per camera, int64 [F] start of each recorded frame's first exposed line, microseconds.
        held_out: per camera, bool [F], True where the frame was kept out of the reconstruction.
        anchor: geodetic position of the world's origin, where known.
        road: Gaussians of the road surface where they are a layer of their own, world frame; a part of what does not
            move, so everything that draws `static` draws them too.
        mesh: surface of everything that does not move, world frame.
        ground: surface to drive on, world frame.
        map_xodr: OpenDRIVE file whose coordinates are the world's; see :func:`avrec.geometry.geo_reference`.
        rig_box: the recording car's body in the rig's frame, where known; simulators are told of an ordinary car else.
        source: where the scene comes from (layout, notes, config, seed, versions, ...); anything JSON can hold.

    Raises:
        DataError: parts that do not fit each other, named in the text.
    """

    name: str
    static: Gaussians
    actors: Mapping[str, Gaussians] = field(default_factory=dict)
    tracks: tuple[Track, ...] = ()
    sky: Float32 | None = None
    ego: Trajectory
    ego_recorded: Trajectory
    cameras: Mapping[str, CameraSensor]
    cameras_recorded: Mapping[str, CameraSensor]
    appearance: Mapping[str, Float64] = field(default_factory=dict)
    frames: Mapping[str, Int64] = field(default_factory=dict)
    held_out: Mapping[str, Bool] = field(default_factory=dict)
    anchor: Anchor | None = None
    road: Gaussians | None = None
    mesh: Mesh | None = None
    ground: Mesh | None = None
    map_xodr: bytes | None = None
    rig_box: RigBox | None = None
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ids = [track.id for track in self.tracks]
        if len(set(ids)) != len(ids):
            raise DataError("A scene has two tracks with the same id; give every actor its own id.")
        _only_known("Gaussians for the actor", self.actors, ids, "a track")
        _only_known("a recorded calibration of the camera", self.cameras_recorded, self.cameras, "a calibration")
        _only_known("a colour correction for the camera", self.appearance, self.cameras, "a calibration")
        _only_known("frames of the camera", self.frames, self.cameras, "a calibration")
        _only_known("a hold-out for the camera", self.held_out, self.frames, "frames")
        for key, sensor in [*self.cameras.items(), *self.cameras_recorded.items()]:
            if sensor.name != key:
                raise DataError(f"A scene lists the camera {sensor.name!r} under the name {key!r}; use the same name.")
            if max(sensor.shutter.readout_us, sensor.shutter.exposure_us) > _LONGEST_SHUTTER_US:
                raise DataError(
                    f"The shutter of camera {key!r} takes more than a minute; give its times in microseconds."
                )
        for camera, matrix in self.appearance.items():
            _check(f"appearance of {camera}", matrix, np.float64, (3, 4))
        for camera, times in self.frames.items():
            _check(f"frame times of {camera}", times, np.int64, (len(times),))
        for camera, mask in self.held_out.items():
            _check(f"hold-out of {camera}", mask, np.bool_, (len(self.frames[camera]),))
        if self.map_xodr is not None and not isinstance(self.map_xodr, bytes):
            raise DataError(
                f"The map of a scene is the bytes of an OpenDRIVE file, found {type(self.map_xodr).__name__}."
            )
        if self.sky is not None:
            side = self.sky.shape[1] if self.sky.ndim == 4 else 0
            _check("sky", self.sky, np.float32, (6, side, side, 3))
            if side == 0:
                raise DataError("A scene's sky is an empty cubemap; leave it out or give faces of at least one pixel.")

    @staticmethod
    def open(path: str | Path) -> Scene:
        """Read a scene file; the Gaussians come back bit for bit as they were saved.

        Raises:
            DataError: no such file, not a scene saved by avrec, damaged, or with values that cannot be.
        """
        from avrec.scene.read_scene import read_scene

        return read_scene(Path(path))

    def save(self, path: str | Path, overwrite: bool = False, *, checkpoint: bool = True) -> None:
        """Write the scene as a USDZ package that NuRec's readers open too.

        The file appears under its name only when it is complete. Same scene and same file name, same bytes.

        Args:
            path: must end in ``.usdz``; its base name becomes the scene id that simulators see.
            overwrite: replace an existing file.
            checkpoint: also write `checkpoint.ckpt`, which only web viewers of NuRec checkpoints read and which takes a
                quarter to nearly a half of the file.

        Raises:
            OutputError: the file exists, cannot be written, or would exceed 4 GiB.
            DataError: the scene holds values that are not finite, or a ``source`` that JSON cannot hold.
        """
        from avrec.scene.write_scene import write_scene

        write_scene(self, Path(path), overwrite=overwrite, checkpoint=checkpoint)

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Names of the cameras, in the order of the rig."""
        return tuple(self.cameras)

    @property
    def span_us(self) -> tuple[int, int]:
        """Start of the first and of the last recorded frame; without frames the span of the ego's path."""
        times = [int(time) for frames in self.frames.values() if len(frames) for time in (frames.min(), frames.max())]
        return (min(times), max(times)) if times else self.ego.span_us

    @property
    def gaussian_count(self) -> int:
        """Gaussians in all layers together."""
        return len(self.static) + len(self.road or ()) + sum(len(cloud) for cloud in self.actors.values())

    def track(self, track_id: str) -> Track:
        """The actor of that id.

        Raises:
            DataError: there is none.
        """
        for track in self.tracks:
            if track.id == track_id:
                return track
        known = ", ".join(track.id for track in self.tracks[:20]) or "none"
        raise DataError(f"No actor {track_id!r} in scene {self.name}; it has {known}.")

    def without_actor(self, track_id: str) -> Scene:
        """The scene without one actor: neither its Gaussians nor its track.

        Raises:
            DataError: there is no such actor.
        """
        self.track(track_id)
        actors = {key: cloud for key, cloud in self.actors.items() if key != track_id}
        return replace(self, actors=actors, tracks=tuple(track for track in self.tracks if track.id != track_id))

    def with_actor_path(self, track_id: str, world_from_box: Trajectory) -> Scene:
        """The scene with one actor on another path.

        Args:
            track_id: which actor.
            world_from_box: pose of its box centre through time.

        Raises:
            DataError: there is no such actor.
        """
        moved = replace(self.track(track_id), world_from_box=world_from_box)
        return replace(self, tracks=tuple(moved if track.id == track_id else track for track in self.tracks))

    def with_actor(self, track: Track, gaussians: Gaussians | None = None) -> Scene:
        """The scene with one more actor.

        Args:
            track: its box through time; its id must be new.
            gaussians: what it looks like, in the frame of its box; None leaves it out of pictures.

        Raises:
            DataError: there is an actor with that id.
        """
        actors = dict(self.actors) if gaussians is None else {**self.actors, track.id: gaussians}
        return replace(self, actors=actors, tracks=(*self.tracks, track))

    @property
    def world_layers(self) -> tuple[Gaussians, ...]:
        """Everything that does not move: the static layer, and the road where it is a layer of its own."""
        return (self.static,) if self.road is None else (self.static, self.road)

    def world_gaussians(self) -> Gaussians:
        """`world_layers` as one cloud. Without a road it is `static` itself."""
        return self.static if self.road is None else Gaussians.concatenate([self.static, self.road])

    def all_gaussians(self) -> tuple[Gaussians, Int32, tuple[str, ...]]:
        """All layers in one cloud, as the rasteriser takes them.

        Returns:
            The cloud (static and road first, then each actor), int32 [N] body of each Gaussian (0 is the world, b > 0
            is the actor ``ids[b - 1]``), and the actors' track ids. Without actors and road the cloud is `static`
            itself, not a copy.
        """
        world = self.world_gaussians()
        if not self.actors:
            return world, np.zeros(len(world), np.int32), ()
        clouds = [world, *self.actors.values()]
        body = np.repeat(np.arange(len(clouds), dtype=np.int32), [len(cloud) for cloud in clouds])
        return Gaussians.concatenate(clouds), body, tuple(self.actors)


def _only_known(what: str, given: Mapping[str, Any], known: Any, missing: str) -> None:
    for key in given:
        if key not in known:
            raise DataError(f"A scene has {what} {key!r} but not {missing} of that name; add one or leave it out.")


def _check(what: str, array: NDArray[Any], dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        expected = f"{np.dtype(dtype).name} {list(shape)}"
        raise DataError(f"The {what} of a scene must be {expected}, found {array.dtype.name} {list(array.shape)}.")
