"""What each consumer finds in a complete package, read here with its own tools and by its own rules."""

from __future__ import annotations

import io
import json
import math
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from scipy.spatial.transform import Rotation

from avrec.drive import Track
from avrec.geometry import Anchor, Trajectory, ecef_from_world, invert, matrix_from_rpy, transform_from
from avrec.mesh import parse_ply
from avrec.scene import Scene, read_manifest
from tests.scene.complete import ANCHOR, complete_scene, road_map
from tests.scene.scenes import START_US, assert_same, make_scene


@pytest.fixture(scope="module")
def scene() -> Scene:
    return complete_scene()


@pytest.fixture(scope="module")
def package(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("complete") / "street-7.usdz"
    scene.save(path)
    return path


@pytest.fixture(scope="module")
def members(package: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(package) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def document(members: dict[str, bytes], name: str) -> Any:
    return json.loads(members[name])


def test_all_members_are_there_and_come_back(members: dict[str, bytes], package: Path, scene: Scene) -> None:
    expected = """default.usda volume.nurec gauss.usda particlefield.usdc mesh.usd mesh.ply mesh_ground.usd
        mesh_ground.ply map.xodr rig_trajectories.json sequence_tracks.json data_info.json datasource_summary.json
        pose_record.json metadata.yaml checkpoint.ckpt manifest.json"""
    assert set(expected.split()) <= set(members)
    opened = Scene.open(package)
    assert_same(scene, opened)
    opened.save(package.with_name("again.usdz"))
    assert_same(scene, Scene.open(package.with_name("again.usdz")))


def test_one_name_for_the_scene(members: dict[str, bytes], package: Path) -> None:
    rig = document(members, "rig_trajectories.json")
    names = {
        yaml.safe_load(members["metadata.yaml"])["scene_id"],
        document(members, "data_info.json")["sequence_id"],
        rig["rig_trajectories"][0]["sequence_id"],
        *(key.split("@")[1] for key in rig["camera_calibrations"]),
        *(key.split("@")[1] for key in rig["rig_trajectories"][0]["cameras_frame_timestamps_us"]),
        document(members, "manifest.json")["sequence_id"],
    }
    assert names == {package.stem}


def test_metadata_is_what_a_strict_reader_takes(members: dict[str, bytes]) -> None:
    """The exact set of keys and types of AlpaSim's metadata."""
    metadata = yaml.safe_load(members["metadata.yaml"])
    assert {key: type(value) for key, value in metadata.items()} == {
        "scene_id": str,
        "version_string": str,
        "training_date": str,
        "dataset_hash": str,
        "uuid": str,
        "is_resumable": bool,
        "sensors": dict,
        "logger": dict,
        "time_range": dict,
        "training_step_outputs": dict,
    }
    assert metadata["sensors"] == {"camera_ids": ["front@street-7", "side@street-7"], "lidar_ids": []}
    assert set(metadata["logger"]) <= {"name", "run_id", "run_url"}
    assert metadata["time_range"] == {"start": float(START_US), "end": float(START_US + 10_000_000)}


@pytest.mark.parametrize("name", ['quote "x" \\ y', "naïve @ 街 \U0001f600", "a: b #c", "- [x]", "\t"])
def test_metadata_of_odd_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.usdz"
    make_scene(1, cameras=("é front",), n=5).save(path)
    with zipfile.ZipFile(path) as archive:
        metadata = yaml.safe_load(archive.read("metadata.yaml"))
        rig = json.loads(archive.read("rig_trajectories.json"))
    assert metadata["scene_id"] == name
    assert metadata["sensors"]["camera_ids"] == list(rig["camera_calibrations"])


def test_tracks_by_hand(tmp_path: Path) -> None:
    """A car turned left by 90 degrees: scalar last, centre of the box, CARLA's names."""
    turn = transform_from(matrix_from_rpy(0, 0, np.array([0, math.pi / 2])), np.array([[1, 2, 3], [4.0, 5, 6]]))
    path = Trajectory(START_US + np.array([0, 1000]), turn)
    still = Trajectory(START_US + np.array([0, 1000]), np.tile(np.eye(4), (2, 1, 1)))
    tracks = (Track("a", "car", np.array([4, 2, 1.5]), path), Track("b", "person (sitting)", np.ones(3), still))
    replace(make_scene(actors=()), actors={}, tracks=tracks).save(tmp_path / "t.usdz")
    with zipfile.ZipFile(tmp_path / "t.usdz") as archive:
        found = json.loads(archive.read("sequence_tracks.json"))
    assert list(found) == ["dummy_chunk_id"]
    data = found["dummy_chunk_id"]["tracks_data"]
    assert data["tracks_id"] == ["a", "b"]
    assert data["tracks_label_class"] == ["automobile", "person"]
    assert data["tracks_flags"] == [["CONTROLLABLE", "DYNAMIC"], []]
    assert data["tracks_timestamps_us"] == [[START_US, START_US + 1000]] * 2
    half = math.sqrt(0.5)
    np.testing.assert_allclose(
        data["tracks_poses"][0], [[1, 2, 3, 0, 0, 0, 1], [4, 5, 6, 0, 0, half, half]], atol=1e-12
    )
    assert found["dummy_chunk_id"]["cuboidtracks_data"]["cuboids_dims"] == [[4, 2, 1.5], [1, 1, 1]]


def test_tracks_of_turned_boxes_read_back(tmp_path: Path) -> None:
    """scipy, whose quaternions have the scalar last too, finds the same rotations."""
    scene = make_scene(11)
    scene.save(tmp_path / "t.usdz")
    with zipfile.ZipFile(tmp_path / "t.usdz") as archive:
        data = json.loads(archive.read("sequence_tracks.json"))["dummy_chunk_id"]["tracks_data"]
    for track, rows in zip(scene.tracks, data["tracks_poses"], strict=True):
        poses = track.world_from_box.poses
        np.testing.assert_allclose(Rotation.from_quat(np.array(rows)[:, 3:]).as_matrix(), poses[:, :3, :3], atol=1e-12)
        np.testing.assert_array_equal(np.array(rows)[:, :3], poses[:, :3, 3])


def test_data_info_and_summary(members: dict[str, bytes]) -> None:
    info = document(members, "data_info.json")
    assert info["pose-range"] == {"start-timestamp_us": START_US, "end-timestamp_us": START_US + 10_000_001}
    summary = document(members, "datasource_summary.json")
    rig, tracks = document(members, "rig_trajectories.json"), document(members, "sequence_tracks.json")
    assert next(iter(summary["sequence_tracks_dynamic"].values())) == tracks["dummy_chunk_id"]
    for key in ("rig_trajectories", "world_to_nre", "camera_calibrations"):
        assert summary["rig_trajectories"][key] == rig[key]


def test_pose_record_is_the_drive_on_earth(members: dict[str, bytes]) -> None:
    record = document(members, "pose_record.json")["record"]
    assert len(record) == 101
    np.testing.assert_allclose(record[0]["lat_lng_alt"], [49.0112, 8.4228, 116.4], atol=1e-9)
    assert record[10]["lat_lng_alt"][1] > 8.4228  # eastward
    assert record[10]["axis_angle"] == [0, 0, 0]
    assert record[10]["timestamp_us"] == START_US + 1_000_000


def test_checkpoint_loads_without_trust(members: dict[str, bytes], package: Path, scene: Scene) -> None:
    loaded = torch.load(io.BytesIO(members["checkpoint.ckpt"]), weights_only=True)
    state = loaded["state_dict"]
    center = -np.array(read_manifest(package)["nurec"]["world_to_nre_translation"])
    for layer, cloud, shift in (
        ("background", scene.static, center),
        ("road", scene.road, center),
        ("dynamic_rigids", None, np.zeros(3)),
    ):
        prefix = f"model.gaussians_nodes.{layer}."
        packed = (np.concatenate([c.packed for c in scene.actors.values()]) if cloud is None else cloud.packed).copy()
        packed[:, :3] = packed[:, :3].astype(np.float64) - shift
        columns = [state[prefix + key].numpy() for key in ("positions", "rotations", "scales", "densities")]
        columns += [state[prefix + "features_albedo"].numpy()[:, 0]]
        np.testing.assert_array_equal(np.concatenate(columns, axis=1), packed[:, :14])
        specular = state[prefix + "features_specular"]
        assert specular.dtype == torch.float16
        np.testing.assert_array_equal(specular.numpy(), packed[:, 14:].astype(np.float16))
        joined = torch.cat([state[prefix + "features_albedo"], specular.reshape(-1, 15, 3)], dim=1)
        assert joined.dtype == torch.float32  # what a viewer's rasteriser takes
        assert state[prefix + "n_active_features"].shape == ()
        assert state[prefix + "n_active_features"].dtype == torch.int64
        assert state[prefix + "extra_signal"].shape == (len(packed), 0)
    ids = state["model._extra_state"]["obj_track_ids"]
    assert ids == {"background": [], "road": [], "dynamic_rigids": ["7", "8"]}
    cuboids = state["model.gaussians_nodes.dynamic_rigids.gaussian_cuboid_ids"]
    assert cuboids.dtype == torch.int32
    assert cuboids.tolist() == [0] * 20 + [1] * 10
    np.testing.assert_array_equal(state["model.background.textures"].numpy()[0], scene.sky.astype(np.float16))


@pytest.mark.parametrize(("degree", "columns"), [(0, 0), (1, 9), (2, 24)])
def test_checkpoint_of_lower_degrees_is_filled_up(tmp_path: Path, degree: int, columns: int) -> None:
    scene = make_scene(2, degree=degree, actors=(), sky_side=0)
    scene.save(tmp_path / "a.usdz")
    with zipfile.ZipFile(tmp_path / "a.usdz") as archive:
        state = torch.load(io.BytesIO(archive.read("checkpoint.ckpt")), weights_only=True)["state_dict"]
    specular = state["model.gaussians_nodes.background.features_specular"].numpy()
    assert specular.shape[1] == 45
    np.testing.assert_array_equal(specular[:, :columns], scene.static.packed[:, 14:].astype(np.float16))
    assert not specular[:, columns:].any()
    assert int(state["model.gaussians_nodes.background.n_active_features"]) == (3 if degree else 0)
    assert not any("dynamic" in key or "textures" in key for key in state)
    values = 14 * 4 + (45 * 2 if degree else 0)
    with zipfile.ZipFile(tmp_path / "a.usdz") as archive:
        assert archive.getinfo("checkpoint.ckpt").file_size < values * len(scene.static) + 8000


def test_checkpoint_can_be_left_out(tmp_path: Path, scene: Scene) -> None:
    scene.save(tmp_path / "a.usdz", checkpoint=False)
    with zipfile.ZipFile(tmp_path / "a.usdz") as archive:
        assert "checkpoint.ckpt" not in archive.namelist()
    assert_same(scene, Scene.open(tmp_path / "a.usdz"))


def test_meshes_are_in_the_world_frame(members: dict[str, bytes], scene: Scene) -> None:
    for name, mesh in (("mesh.ply", scene.mesh), ("mesh_ground.ply", scene.ground)):
        found = parse_ply(members[name])
        np.testing.assert_allclose(found.vertices, mesh.vertices, atol=1e-5)
        np.testing.assert_array_equal(found.faces, mesh.faces)


def test_map_is_carried_unchanged_and_lies_in_the_world(members: dict[str, bytes]) -> None:
    assert members["map.xodr"] == road_map()
    rig = document(members, "rig_trajectories.json")
    ground = Anchor(ANCHOR.latitude_deg, ANCHOR.longitude_deg, 0.0)
    np.testing.assert_allclose(invert(ecef_from_world(ground)) @ np.array(rig["T_world_base"]), np.eye(4), atol=1e-8)


def test_manifest_tells_the_whole_story(package: Path, tmp_path: Path) -> None:
    manifest = read_manifest(package)
    assert manifest["gaussians"] == {"static": 300, "road": 40, "actors": {"7": 20, "8": 10}, "sh_degree": 3}
    assert manifest["meshes"]["ground"] == {"vertices": 2121, "faces": 4000}
    assert "no licence of its own" in manifest["licence"]
    georeference = manifest["georeference"]
    assert georeference["placeholder"] is False
    assert georeference["altitude_m"] == 116.4
    assert georeference["T_world_base_altitude_m"] == 0
    assert 0 < georeference["T_world_base_flatness_m"] < 0.01  # 80 m: the Earth falls away by half a millimetre
    assert georeference["refined_from_recorded"]["max_m"] == pytest.approx(0.02)
    assert georeference["refined_from_recorded"]["height_max_m"] == 0
    assert len(manifest["flavours"]) == 2
    assert manifest["cameras"]["front"]["ftheta_max_px"] < 0.02
    make_scene(2, source={"licence": "CC BY 4.0"}).save(tmp_path / "b.usdz")
    other = read_manifest(tmp_path / "b.usdz")
    assert other["licence"] == "CC BY 4.0"
    assert other["georeference"]["placeholder"] is True
    assert other["georeference"]["latitude_deg"] == 0


def test_scenes_from_before_are_opened(members: dict[str, bytes], package: Path, tmp_path: Path) -> None:
    """The first scene files had no road, no meshes and no map, and no keys for them."""
    from tests.scene.test_hostile import packed

    record = json.loads(members["avrec/scene.json"])
    for key in ("road", "mesh", "ground", "map_xodr"):
        del record[key]
    kept = {name: members[name] for name in ("avrec/static.npy", "avrec/sky.npy", "manifest.json")}
    kept |= {name: data for name, data in members.items() if name.startswith("avrec/actors/")}
    old = Scene.open(packed(tmp_path / "old.usdz", {**kept, "avrec/scene.json": json.dumps(record).encode()}))
    assert (old.road, old.mesh, old.ground, old.map_xodr) == (None, None, None, None)
    assert len(old.static) == 300
