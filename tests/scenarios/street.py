"""A scene of the synthetic street's truth: exact tracks, ego and lanes; Gaussians only as far as they are looked at."""

from __future__ import annotations

import json
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from avrec.drive import CameraSensor, Track
from avrec.drive.street.build import build_street
from avrec.drive.street.lane_map import describe_map
from avrec.gaussians import Gaussians
from avrec.geometry import OpenCVPinholeCamera, Shutter, Trajectory, transform_from
from avrec.maps import read_street_map, write_opendrive
from avrec.mesh.mesh import Mesh
from avrec.scenario.looks import plain_look
from avrec.scene import Scene

START_US = 1_700_000_000_000_000
FORWARD = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


@lru_cache(maxsize=2)
def street_scene(seconds: float = 6.0, seed: int = 0) -> Scene:
    """See the module."""
    street = build_street(seed=seed, seconds=seconds, yaw_rate_max_dps=8.0, moving=True, shadows=False)
    offsets = np.arange(-100_000, int(seconds * 1e6) + 200_000, 20_000, dtype=np.int64)
    tracks = []
    for actor in street.actors:
        poses = np.array(actor.motion.poses(offsets / 1e6))
        tracks.append(Track(actor.id, actor.label, np.array(actor.size_m), Trajectory(START_US + offsets, poses)))
    ego = Trajectory(START_US + offsets, street.ego.poses(offsets / 1e6))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.json"
        path.write_text(json.dumps(describe_map(street)), encoding="utf-8")
        text = write_opendrive(read_street_map(path))
    model = OpenCVPinholeCamera(64, 48, (50.0, 50.0), (32.0, 24.0))
    front = CameraSensor("front", model, transform_from(FORWARD, np.array([1.5, 0.0, 1.4])), Shutter())
    moving = {
        track.id: plain_look(track.size_m, person=track.label == "pedestrian") for track in tracks if track.moving
    }
    return Scene(
        name="street",
        static=Gaussians.empty(0),
        actors=moving,
        tracks=tuple(tracks),
        ego=ego,
        ego_recorded=ego,
        cameras={"front": front},
        cameras_recorded={"front": front},
        frames={"front": START_US + np.arange(0, int(seconds * 1e6), 100_000, dtype=np.int64)},
        ground=flat_ground(),
        map_xodr=text,
    )


def flat_ground() -> Mesh:
    """The plane that the street's road lies on, without kerbs."""
    corners = np.array([[-100.0, -100.0, 0.0], [300.0, -100.0, 0.0], [300.0, 100.0, 0.0], [-100.0, 100.0, 0.0]])
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32))
