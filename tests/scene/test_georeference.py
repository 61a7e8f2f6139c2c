"""A drive with GPS becomes a scene at its true place: the fixes come back, and what refining moved is reported."""

from __future__ import annotations

import json
import math
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyproj
import pytest

from avrec.drive import Drive
from avrec.gaussians import Gaussians
from avrec.geometry import Anchor, Trajectory, geo_reference, geodetic_from_local, transform_from
from avrec.ingest import open_drive
from avrec.ingest.recipes import load_recipe
from avrec.scene import Scene, scene_info
from avrec.scene.manifest import ego_deviation
from avrec.scene.validate.georeference import READERS, proj_accepts
from tests.ingest.writers import write_kitti
from tests.scene.complete import complete_scene

CART = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)


def ecef(latitude: np.ndarray, longitude: np.ndarray, altitude: np.ndarray) -> np.ndarray:
    return np.stack(CART.transform(longitude, latitude, altitude), axis=-1)


def scene_of(drive: Drive, ego: Trajectory) -> Scene:
    """As a reconstruction hands it over, without Gaussians."""
    return Scene(
        name=drive.name,
        static=Gaussians.empty(),
        ego=ego,
        ego_recorded=drive.ego,
        cameras=drive.cameras,
        cameras_recorded=drive.cameras,
        frames={name: np.array([f.timestamp_us for f in frames], np.int64) for name, frames in drive.frames.items()},
        anchor=drive.anchor,
    )


def refined(ego: Trajectory, by: list[float]) -> Trajectory:
    return Trajectory(ego.timestamps_us, ego.poses + np.pad(np.array(by)[:, None], ((0, 1), (3, 0))))


def check(folder: Path, drive: Drive) -> None:
    """From the file alone: anchor and recorded path give the fixes; the manifest says how far refining went."""
    path = folder / "drive.usdz"
    scene_of(drive, refined(drive.ego, [0.3, -0.4, 0.1])).save(path)
    opened = Scene.open(path)
    assert opened.anchor is not None
    rig_from_imu = transform_from(np.eye(3), np.array(load_recipe("kitti_raw")["rig"]["imu_position_m"], float))
    imu = (opened.ego_recorded.poses @ rig_from_imu)[:, :3, 3]
    found = ecef(*geodetic_from_local(opened.anchor, imu).T)
    files = sorted(drive.source.glob("oxts/data/*.txt"))
    fixes = np.array([[float(word) for word in file.read_text().split()[:3]] for file in files])
    assert len(fixes) == len(imu) > 3
    assert np.linalg.norm(found - ecef(*fixes.T), axis=1).max() < 1e-3
    georeference = scene_info(path)["georeference"]
    assert georeference["placeholder"] is False
    moved = georeference["refined_from_recorded"]
    assert moved["median_m"] == pytest.approx(np.sqrt(0.26), abs=1e-6)
    assert moved["height_max_m"] == pytest.approx(0.1, abs=1e-6)
    # The flat T_world_base against the curved Earth, below the rig's first pose.
    with zipfile.ZipFile(path) as archive:
        matrix = np.array(json.loads(archive.read("rig_trajectories.json"))["T_world_base"])
    ground = geodetic_from_local(replace(opened.anchor, altitude_m=0.0), opened.ego.poses[:, :3, 3])
    miss = np.linalg.norm(opened.ego.poses[:, :3, 3] @ matrix[:3, :3].T + matrix[:3, 3] - ecef(*ground.T), axis=1)
    assert miss.max() <= georeference["T_world_base_flatness_m"] + 1e-6
    assert georeference["T_world_base_flatness_m"] < 0.01


def test_fixes_of_a_made_up_drive_come_back(tmp_path: Path) -> None:
    def weaving(index: int) -> tuple[float, float, float, float]:
        return 49.0 + 1e-5 * index, 8.4 + 4e-6 * math.sin(index), 116.0 + 0.2 * index, 1.5 + 0.1 * math.cos(index)

    check(tmp_path, open_drive(write_kitti(tmp_path, weaving, frames=20)))


@pytest.mark.skipif("AVREC_DEV_DATA" not in os.environ, reason="AVREC_DEV_DATA does not name the development data")
def test_fixes_of_kitti_come_back(tmp_path: Path) -> None:
    check(tmp_path, open_drive(Path(os.environ["AVREC_DEV_DATA"]) / "kitti_raw_0001"))


def test_deviation_by_hand() -> None:
    """Only the recorded times within both paths count."""
    poses = np.tile(np.eye(4), (4, 1, 1))
    poses[:, 0, 3] = [0, 1, 2, 3]
    recorded = Trajectory(np.array([0, 10, 20, 30]), poses)
    moved = poses[1:3].copy()
    moved[:, 1, 3], moved[:, 2, 3] = [3, 0], [4, 0]
    scene = replace(complete_scene(), ego=Trajectory(np.array([10, 20]), moved), ego_recorded=recorded)
    assert ego_deviation(scene) == {"median_m": 2.5, "max_m": 5.0, "height_median_m": 2.0, "height_max_m": 4.0}
    apart = replace(scene, ego=Trajectory(np.array([100]), moved[:1]))
    assert ego_deviation(apart) is None


NVIDIA = "+proj=tmerc +lon_0=8.5 +lat_0=49.25 +=alt_0=0 +ellps=WGS84 +units=m +geoidgrids=egm96_15.gtx"


def test_readers_agree_on_ours_and_split_where_the_field_says() -> None:
    ours = geo_reference(Anchor(49.25, 8.5, 100.0))
    assert {read(ours) for read in READERS.values()} == {Anchor(49.25, 8.5, 0.0)}
    assert proj_accepts(ours)
    assert not proj_accepts(NVIDIA)
    assert {read(NVIDIA) for read in READERS.values()} == {Anchor(49.25, 8.5, 0.0)}
    high = NVIDIA.replace("+=alt_0=0", "+=alt_0=500")
    assert READERS["carla"](high).altitude_m == 500
    assert READERS["alpasim"](high).altitude_m == 0
    proper = NVIDIA.replace("+=alt_0=0", "+alt_0=500")
    assert READERS["alpasim"](proper).altitude_m == 500
    assert READERS["NVIDIA's recipe"](proper).altitude_m == 500
    for reader, text in (
        ("carla", proper),
        ("carla", ours.replace(" ", "\t")),
        ("carla", ours.replace(" +k", " +lat_0=1 +k")),
        ("alpasim", ours.replace("+lat_0", "+lat")),
        ("ROS readers", high + " +alt_0=3"),
        ("carla", ours.replace("49.25", "95.0")),
        ("carla", ours.replace("49.25", "nan")),
    ):
        with pytest.raises(ValueError):  # noqa: PT011  each reader has its own words
            READERS[reader](text)
