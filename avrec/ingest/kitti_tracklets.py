"""KITTI raw ``tracklet_labels.xml``: labelled boxes, given per frame in the Velodyne frame."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.errors import DataError
from avrec.geometry import Trajectory, matrix_from_rpy, transform_from
from avrec.ingest.checks import finite_array

__all__ = ["read_kitti_tracklets"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


def read_kitti_tracklets(
    path: Path, stamps_us: Int64 | None, ego: Trajectory, rig_from_velodyne: Float64, notes: list[str]
) -> tuple[Track, ...]:
    """Tracks in the world, one per tracklet; none where the file does not exist.

    Args:
        path: the XML file.
        stamps_us: int64 [F] time of each frame, which the tracklets count by.
        ego: world_from_rig.
        rig_from_velodyne: float64 [4, 4].
        notes: receives a sentence when there are no labels.

    Raises:
        DataError: the file is not XML, or a tracklet is incomplete or outside the recording.
    """
    if not path.is_file() or stamps_us is None:
        notes.append("No tracklet_labels.xml: other road users are not tracked.")
        return ()
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise DataError(f"{path} is not valid XML ({error}). Restore the file or move it away.") from error
    items = root.findall("./tracklets/item")
    return tuple(_track(item, index, path, stamps_us, ego, rig_from_velodyne) for index, item in enumerate(items))


def _track(
    item: ElementTree.Element, index: int, path: Path, stamps_us: Int64, ego: Trajectory, rig_from_velodyne: Float64
) -> Track:
    what = f"Tracklet {index} in {path}"

    def values(parent: ElementTree.Element, names: str) -> Float64:
        return finite_array([parent.findtext(name) for name in names.split()], (len(names.split()),), what)

    height, width, length, first = values(item, "h w l first_frame")
    poses = item.findall("./poses/item")
    frames = int(first) + np.arange(len(poses))
    if len(poses) == 0 or frames[0] < 0 or frames[-1] >= len(stamps_us):
        raise DataError(f"{what} covers frames that the recording does not have. Use the labels of this drive.")
    table = np.stack([values(pose, "tx ty tz rx ry rz") for pose in poses])
    # KITTI places a box by the middle of its bottom face.
    center = table[:, :3] + np.array([0.0, 0.0, height / 2])
    velodyne_from_box = transform_from(matrix_from_rpy(table[:, 3], table[:, 4], table[:, 5]), center)
    times_us = stamps_us[frames]
    world_from_box = ego.at(times_us, outside="extrapolate") @ rig_from_velodyne @ velodyne_from_box
    return Track(
        id=str(index),
        label=(item.findtext("objectType") or "unknown").strip().lower(),
        size_m=np.array([length, width, height]),
        world_from_box=Trajectory(times_us, world_from_box),
    )
