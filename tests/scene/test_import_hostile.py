"""Rigs, tracks, maps and meshes from anybody: read, mended with a word about it, or refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avrec.errors import AvrecError, DataError
from avrec.scene import Scene, import_scene
from bench.foreign_cases import make_seeds
from bench.fuzz_foreign import part_outcome
from bench.import_cases import IMPORT_KINDS, import_seeds, mutated_part
from tests.scene.strangers import edited, stripped
from tests.scene.test_import_scene import visible_scene


@pytest.fixture(scope="module")
def seeds() -> dict[str, bytes]:
    return import_seeds()


@pytest.fixture
def points(tmp_path: Path) -> Path:
    path = tmp_path / "a.ply"
    path.write_bytes(make_seeds()["ply"])
    return path


@pytest.mark.parametrize("kind", IMPORT_KINDS)
def test_broken_parts(kind: str, seeds: dict[str, bytes], points: Path, tmp_path: Path) -> None:
    """A short version of ``python -m bench.fuzz_foreign``: never anything but a scene or one sentence."""
    path = tmp_path / "part"
    path.write_bytes(seeds[kind])
    assert part_outcome(path, kind, points) == "read"
    said = []
    for number in range(24):
        path.write_bytes(mutated_part(seeds, kind, number))
        said.append(part_outcome(path, kind, points))
    assert set(said) <= {"read", "refused"}, said
    assert {"read", "refused"} <= set(said)


def _rig(points: Path, seeds: dict[str, bytes], change: Callable[[Any], Any]) -> Scene:
    path = points.with_name("rig.json")
    path.write_bytes(edited(change)(seeds["rig"]))
    return import_scene(points, rig=path)


def test_one_bad_camera_costs_only_itself(points: Path, seeds: dict[str, bytes]) -> None:
    def change(document: dict) -> None:
        cameras = document["camera_calibrations"]
        cameras["front@a"]["camera_model"]["parameters"]["resolution"] = [0, 48]
        cameras["back@a"]["logical_sensor_name"] = "side"

    scene = _rig(points, seeds, change)
    assert list(scene.cameras) == ["side"]
    text = " ".join(scene.source["notes"])
    assert "Camera front@a was left out: its resolution" in text
    assert "Camera side@a was left out: another one has the same name" in text

    def no_cameras(document: dict) -> None:
        document["camera_calibrations"] = {"a": 1}

    with pytest.raises(DataError, match="no camera that can be used"):
        _rig(points, seeds, no_cameras)


def test_a_path_out_of_order_is_sorted(points: Path, seeds: dict[str, bytes]) -> None:
    def change(document: dict) -> None:
        path = document["rig_trajectories"][0]
        for key in ("T_rig_world_timestamps_us", "T_rig_worlds"):
            path[key] = path[key][::-1] + path[key][:1]

    scene = _rig(points, seeds, change)
    assert (np.diff(scene.ego.timestamps_us) > 0).all()
    np.testing.assert_allclose(scene.ego.poses[:6, 0, 3], np.arange(6) * scene.ego.poses[1, 0, 3], atol=1e-6)
    assert any("sorted" in note for note in scene.source["notes"])


def test_frames_beyond_the_path_and_rigs_without_frames(points: Path, seeds: dict[str, bytes]) -> None:
    def beyond(document: dict) -> None:
        frames = document["rig_trajectories"][0]["cameras_frame_timestamps_us"]
        frames["front@a"].append([10**16, 10**16 + 1])

    scene = _rig(points, seeds, beyond)
    assert len(scene.frames["front"]) == 6
    assert any("1 frames of camera front@a lie beyond" in note for note in scene.source["notes"])

    def none(document: dict) -> None:
        document["rig_trajectories"][0]["cameras_frame_timestamps_us"] = {}

    scene = _rig(points, seeds, none)
    assert set(scene.frames) == {"front", "back", "side"}
    assert (np.diff(scene.frames["front"]) == 100_000).all()


def test_no_place_on_earth(points: Path, seeds: dict[str, bytes]) -> None:
    def change(document: dict) -> None:
        document["T_world_base"] = np.eye(4).tolist()

    scene = _rig(points, seeds, change)
    assert scene.anchor is None
    assert any("not on the Earth's surface" in note for note in scene.source["notes"])


def test_tracks_that_cannot_be(points: Path, seeds: dict[str, bytes]) -> None:
    def change(document: dict) -> None:
        data = document["dummy_chunk_id"]["tracks_data"]
        data["tracks_poses"][0][0][3:] = [0, 0, 0, 0]
        data["tracks_timestamps_us"][1] = data["tracks_timestamps_us"][1][:-1]

    path = points.with_name("tracks.json")
    path.write_bytes(edited(change)(seeds["tracks"]))
    scene = import_scene(points, tracks=path)
    assert [(track.id, len(track.world_from_box)) for track in scene.tracks] == [("1", 5)]
    assert any("1 of 2 tracks were left out: their times and poses" in note for note in scene.source["notes"])


@pytest.mark.parametrize("kind", [*IMPORT_KINDS, "mesh", "ground"])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"rig_trajectories": [{}]}', b"ply\n", b"PK\x05\x06"]
)
def test_no_such_part(kind: str, content: bytes, points: Path, tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.write_bytes(content)
    with pytest.raises(AvrecError) as error:
        import_scene(points, **{kind: path})  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    with pytest.raises(AvrecError):
        import_scene(points, **{kind: tmp_path / "none"})  # type: ignore[arg-type]


def test_entities_are_not_followed(points: Path, seeds: dict[str, bytes], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("48.5")
    text = seeds["map"].decode().replace("?>", f'?><!DOCTYPE a [<!ENTITY x SYSTEM "file://{secret}">]>')
    (tmp_path / "a.xodr").write_text(text.replace("+lat_0=48", "+lat_0=&x;"))
    with pytest.raises(DataError, match="document type"):
        import_scene(points, map=tmp_path / "a.xodr")


def test_bad_members_of_a_package(tmp_path: Path) -> None:
    """Maps and meshes that cannot be read are left out with a word; a rig or tracks that cannot be are not."""
    scene = visible_scene(20)
    for name in ("map.xodr", "mesh.ply", "mesh_ground.ply"):
        back = import_scene(stripped(scene, tmp_path / "a.usdz", {name: b"nonsense"}))
        assert any(f"Its {name} was left out" in note for note in back.source["notes"])
    for name in ("rig_trajectories.json", "sequence_tracks.json"):
        stripped(scene, tmp_path / "a.usdz", {name: b"nonsense"})
        with pytest.raises(DataError, match=name):
            import_scene(tmp_path / "a.usdz")
    json.dumps(dict(back.source), allow_nan=False)
