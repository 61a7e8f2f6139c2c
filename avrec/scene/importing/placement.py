"""Where an imported scene lies: which axis is up, where on Earth it is, and the frame its map is drawn in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.errors import DataError
from avrec.gaussians.sky import sample_sky, sky_directions
from avrec.geometry import Anchor, ecef_from_world, invert
from avrec.mesh.mesh import Mesh
from avrec.scene.foreign.similarity import transformed
from avrec.scene.scene import Scene

__all__ = ["UPS", "anchor_at", "moved", "moved_mesh", "placed_on_earth", "world_from_file"]

Float64 = NDArray[np.float64]

_ROWS: Mapping[str, list[list[int]]] = {
    "z": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "-z": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    "y": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
    "-y": [[0, 0, 1], [-1, 0, 0], [0, -1, 0]],
    "x": [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
    "-x": [[0, 1, 0], [0, 0, -1], [-1, 0, 0]],
}
UPS = tuple(_ROWS)
"""Axes of a file that may point up. With -y up (photogrammetry), z becomes forward; with y up, x stays."""

_SAME_TURN = 1e-9
_SAME_PLACE_M = 1e-5
_FAR_M = 10_000.0


def world_from_file(up: str, scale: float) -> Float64:
    """World (z up, metres) from a file's axes and unit, float64 [4, 4].

    Raises:
        DataError: no such axis, or a scale that is not positive.
    """
    if up not in _ROWS:
        raise DataError(f"Which axis points up is one of {', '.join(UPS)}, found {up!r}.")
    if not 1e-6 < scale < 1e6:
        raise DataError(f"The scale is metres per unit of the file, a positive number, found {scale}.")
    matrix = np.eye(4)
    matrix[:3, :3] = scale * np.array(_ROWS[up], np.float64)
    return matrix


def placed_on_earth(scene: Scene, ecef_from_old: Float64, map_anchor: Anchor | None, notes: list[str]) -> Scene:
    """The scene in a frame whose x points east and y north at its anchor, as avrec's scenes have it.

    With a map, that frame is the map's: consumers place the world in it by `T_world_base` and the `geoReference`.
    Without one it has the world's old origin.

    Args:
        scene: in the frame of its file.
        ecef_from_old: pose of that frame in the Earth-centred frame, float64 [4, 4].
        map_anchor: origin of the map's coordinates.
        notes: receives what was done.

    Raises:
        DataError: the map is more than 10 km away.
    """
    anchor = anchor_at(ecef_from_old[:3, 3]) if map_anchor is None else map_anchor
    new_from_old = invert(ecef_from_world(anchor)) @ ecef_from_old
    if map_anchor is None:
        new_from_old[:3, 3] = 0.0
    distance = float(np.linalg.norm(new_from_old[:3, 3]))
    if distance > _FAR_M:
        raise DataError(
            f"The map lies {distance / 1000:.0f} km from where the scene is on Earth; give the map of this place, or "
            "correct the anchor."
        )
    turned = float(np.abs(new_from_old[:3, :3] - np.eye(3)).max())
    if turned < _SAME_TURN and distance < _SAME_PLACE_M:
        return replace(scene, anchor=anchor)
    angle = np.degrees(np.arccos(np.clip((np.trace(new_from_old[:3, :3]) - 1) / 2, -1, 1)))
    frame = "the map's coordinates are the world's" if map_anchor is not None else "x points east and y north"
    notes.append(f"The world was turned by {angle:.3f} degrees and moved by {distance:.3f} m, so that {frame}.")
    return replace(moved(scene, new_from_old), anchor=anchor)


def anchor_at(ecef_m: Float64) -> Anchor:
    """The geodetic position (WGS84) of a point near the Earth's surface in the Earth-centred frame, float64 [3]."""
    from pyproj import Transformer

    cart = Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=cart +ellps=WGS84"
    )
    x, y, z = (float(value) for value in ecef_m)
    longitude, latitude, altitude = cart.transform(x, y, z, direction="INVERSE")
    # What a matrix of float64 loses is below a micrometre: heights of 1e-9 m would be noise.
    return Anchor(latitude, longitude, round(altitude, 6) + 0.0)


def moved(scene: Scene, new_from_old: Float64) -> Scene:
    """The whole scene but its map in another frame of the world; actors stay in their boxes.

    Args:
        scene: in the old frame.
        new_from_old: rigid transform, float64 [4, 4].
    """

    def moved_track(track: Track) -> Track:
        return replace(track, world_from_box=track.world_from_box.transformed(new_from_old))

    sky = scene.sky
    if sky is not None:
        sky = sample_sky(sky, sky_directions(sky.shape[1]) @ new_from_old[:3, :3])
    return replace(
        scene,
        static=transformed(scene.static, new_from_old),
        road=None if scene.road is None else transformed(scene.road, new_from_old),
        sky=sky,
        ego=scene.ego.transformed(new_from_old),
        ego_recorded=scene.ego_recorded.transformed(new_from_old),
        tracks=tuple(moved_track(track) for track in scene.tracks),
        mesh=None if scene.mesh is None else moved_mesh(scene.mesh, new_from_old),
        ground=None if scene.ground is None else moved_mesh(scene.ground, new_from_old),
    )


def moved_mesh(mesh: Mesh, new_from_old: Float64) -> Mesh:
    """A mesh in another frame; a scale is allowed."""
    if np.array_equal(new_from_old, np.eye(4)):
        return mesh
    linear = new_from_old[:3, :3]
    turn = linear / np.cbrt(np.linalg.det(linear))
    normals = None if mesh.normals is None else mesh.normals @ turn.T
    return Mesh(mesh.vertices @ linear.T + new_from_old[:3, 3], mesh.faces, mesh.colours, normals)
