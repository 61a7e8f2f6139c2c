"""Recorded vehicles made whole: what the recording never saw of one is that of a plain body in its colour.

A recording sees most vehicles from one or two sides; their Gaussians are a shell that is open at the back, with smears
where it ends. Pictures from all around tell where: there one looks past the place where a body of that size has its
surface. In these places the smears go, and blobs of the body come.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from avrec.drive import Track
from avrec.gaussians import Gaussians, with_both_sides
from avrec.geometry import Camera, OpenCVPinholeCamera, apply, invert, matrix_from_quaternion
from avrec.raster import SCENE_SETTINGS, View, rasterize
from avrec.scene import Scene
from carla_bridge.looks.bodies import DEFAULT_PAINT
from carla_bridge.looks.vehicles import vehicle_shape
from carla_bridge.neural.shells import Shell, coloured, shade, shell_of
from carla_bridge.sensors.development import GAMMA
from carla_bridge.world.labels import Label

__all__ = ["Look", "completed", "looks_at", "within_box"]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]
Look = tuple[Camera, Float64]
"""A camera model, and box_from_camera [4, 4]."""

MARGIN_M, REACH_M = 0.1, 0.25
"""Gaussians whose middles, or two deviations, are further out of their box belong to what stood around."""
FINE_M = 0.2
"""Blobs smaller than this draw what was seen; larger ones only fill."""
SOLID = 0.85
"""Less of the light is absorbed where one looks through."""
DEEP_M = 0.3
"""What is seen that far behind the body's surface is its inside, or the other side."""
AZIMUTHS, HEIGHTS = 8, (0.0, 0.6)
"""Directions from which one looks: so many around, at these angles above the horizon (radians), and from above."""
AWAY_M = 6.0
"""Distance of the looker over the body's length."""
PIXEL_M = 0.035
NEIGHBOURS_M = 0.3
"""Within this the places of a body are seen or unseen together."""
FAR_M = 30.0
"""From further off a recording shows too little of a vehicle."""
MOST_LOOKS = 40
LEFT = np.array([0.0, 1.0, 0.0])
GLANCING = 0.2
"""Least cosine of the angle at which a face was seen."""
LEAST_VIEWS = 1e-6
LEAST_PAINTED = 30
"""Places of paint that have to be seen before a colour is believed."""


def within_box(cloud: Gaussians, half: Float64) -> Gaussians:
    """The Gaussians that lie in a box around the origin and reach out of it a little at most."""
    axes = matrix_from_quaternion(cloud.quaternions.astype(np.float64))
    reach = np.sqrt((axes**2 * np.exp(2.0 * cloud.log_scales[:, None, :])).sum(2))
    far = np.abs(cloud.means) > half + MARGIN_M
    far |= np.abs(cloud.means) + 2.0 * reach > half + REACH_M
    return cloud.take(np.asarray(~far.any(axis=1)))


def completed(cloud: Gaussians, half: Float64, looks: Sequence[Look] = ()) -> tuple[Gaussians, float]:
    """A vehicle that is closed on all sides, and the share of its surface that was seen.

    Args:
        cloud: Gaussians in the frame of the vehicle's box.
        half: half sizes of the box, float64 [3] metres.
        looks: cameras that may have seen it; none for not known.
    """
    whole = with_both_sides(cloud)
    mirrored = whole is not cloud
    cloud = within_box(whole, half)
    size = float(half[0]), float(half[1]), float(half[2])
    shell = shell_of(vehicle_shape("car", size, Label.CAR), size[2])
    bare, colour = _look_at(cloud, shell, half)
    missing = bare > 0.5
    if looks:
        missing |= ~_seen(shell, looks, mirrored=mirrored)
    if not missing.any():
        return cloud, 1.0
    paint = _paint(shell, ~missing & np.isfinite(colour).all(1), colour, half)
    _, nearest = cKDTree(shell.places).query(cloud.means)
    whole = Gaussians.concatenate([cloud.take(~missing[nearest]), coloured(shell.take(missing), paint)])
    return whole, 1.0 - float(missing.mean())


def _paint(shell: Shell, seen: Bool, colour: Float64, half: Float64) -> tuple[float, float, float]:
    """Linear colour of a vehicle's paint: the median of its doors, or else of all that is painted."""
    painted = (shell.paint == 1.0) & seen
    x, _, z = (shell.places / half).T
    doors = painted & (np.abs(x) < 0.6) & (z > -0.45) & (z < 0.0) & (np.abs(shell.normals[:, 1]) > 0.7)
    for places in (doors, painted):
        if places.sum() >= LEAST_PAINTED:
            shown = np.median(colour[places] / shade(shell.normals[places])[:, None], axis=0)
            red, green, blue = (np.clip(shown, 0.0, 1.0) ** GAMMA).tolist()
            return red, green, blue
    return DEFAULT_PAINT


def looks_at(scene: Scene, track: Track) -> list[Look]:
    """The recorded pictures that may show an actor, as cameras in the frame of its box."""
    first, last = track.world_from_box.span_us
    found: list[Look] = []
    for name, camera in scene.cameras.items():
        times = scene.frames.get(name, np.zeros(0, np.int64))
        low, high = scene.ego.span_us
        times = times[(times >= max(first, low)) & (times <= min(last, high))]
        for time in times[:: max(len(times) // MOST_LOOKS, 1)].tolist():
            box_from_camera = invert(track.world_from_box.at(time)) @ scene.ego.at(time) @ camera.rig_from_camera
            if float(np.linalg.norm(box_from_camera[:3, 3])) < FAR_M:
                found.append((camera.model, box_from_camera))
    return found


def _seen(shell: Shell, looks: Sequence[Look], *, mirrored: bool) -> Bool:
    """Places that some camera saw from the front; or, of what is mirrored, saw on either side."""
    seen = np.zeros(len(shell.places), np.bool_)
    for camera, box_from_camera in looks:
        away = box_from_camera[:3, 3] - shell.places
        facing = (away * shell.normals).sum(1) > GLANCING * np.linalg.norm(away, axis=1)
        seen[facing] |= camera.project(apply(invert(box_from_camera), shell.places[facing]))[1]
    if mirrored:
        _, twin = cKDTree(shell.places).query(shell.places - 2.0 * shell.places * LEFT)
        seen |= seen[twin]
    return seen


def _look_at(cloud: Gaussians, shell: Shell, half: Float64) -> tuple[Float64, Float64]:
    """For each place of a shell: the share [S] of looks that went through it, and the colour [S, 3] seen there.

    Places are smoothed with their neighbours; the colour is NaN where nothing was seen.
    """
    fine = cloud.take(cloud.log_scales.max(axis=1, initial=-np.inf) < np.log(FINE_M))
    looks, through = np.zeros(len(shell.places)), np.zeros(len(shell.places))
    colour = np.zeros((len(shell.places), 3))
    reach = float(np.linalg.norm(half)) + MARGIN_M
    ways = [
        (np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height))
        for azimuth in np.arange(AZIMUTHS) * (2 * np.pi / AZIMUTHS)
        for height in HEIGHTS
    ]
    for way in [*ways, (0.0, 0.0, 1.0)]:
        view, turn = _view_from(np.array(way), reach)
        width, height = view.camera.width, view.camera.height
        raster = rasterize(fine, view, background=np.zeros(3, np.float32), settings=SCENE_SETTINGS)
        local = (shell.places - view.origin[0]) @ turn
        away = np.linalg.norm(local, axis=1)
        column, row = view.camera.project(local)[0].astype(np.int64).clip(0, width - 1).T
        facing = -((shell.places - view.origin[0]) * shell.normals).sum(1) / away
        first = np.full((height, width), np.inf)
        np.minimum.at(first, (row, column), away)
        weight = np.where(away < first[row, column] + DEEP_M, np.maximum(facing - 0.2, 0.0), 0.0)
        alpha, depth = raster.alpha[row, column], raster.median_depth[row, column]
        behind = np.nan_to_num((depth - away) * facing, nan=np.inf)
        hole = (alpha < SOLID) | (behind > DEEP_M)
        looks += weight
        through += weight * hole
        colour += (weight * ~hole)[:, None] * raster.rgb[row, column] / np.maximum(alpha, SOLID)[:, None]
    around = cKDTree(shell.places).query_ball_point(shell.places, NEIGHBOURS_M)
    count = np.array([len(each) for each in around])
    flat, ends = np.concatenate(around).astype(np.int64), np.cumsum(count)
    seen, bare = (np.add.reduceat(each[flat], ends - count) for each in (looks, through))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(seen > LEAST_VIEWS, bare / seen, 1.0), colour / (looks - through)[:, None]


def _view_from(way: Float64, reach: float) -> tuple[View, Float64]:
    """From far away towards the origin: a picture that shows a ball of radius ``reach``; and its axes [3, 3]."""
    away = AWAY_M * reach
    side = np.cross(-way, (0.0, 0.0, 1.0) if abs(way[2]) < 0.9 else (1.0, 0.0, 0.0))
    side /= np.linalg.norm(side)
    turn = np.stack([side, np.cross(-way, side), -way], axis=1)
    pixels = int(2.2 * reach / PIXEL_M)
    focal = away / PIXEL_M
    camera = OpenCVPinholeCamera(pixels, pixels, (focal, focal), (pixels / 2, pixels / 2))
    origin = np.ascontiguousarray((way * away)[None])
    return View(camera, np.ascontiguousarray(turn[None]), origin, "none", np.zeros((0, 1, 4, 4))), turn
