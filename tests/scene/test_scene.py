"""The scene itself: what comes back from a file, and editing."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from avrec.errors import AvrecError, DataError
from avrec.gaussians import Gaussians
from avrec.geometry import Trajectory
from avrec.scene import Scene, read_manifest
from tests.scene.scenes import START_US, assert_same, make_scene, random_cloud, scenes


@given(scenes)
@settings(max_examples=30, deadline=None)
def test_any_scene_comes_back_bit_for_bit(scene: Scene) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.usdz"
        scene.save(path)
        assert_same(scene, Scene.open(path))
        assert [entry.name for entry in Path(folder).iterdir()] == ["scene.usdz"]


def test_awkward_floats_keep_their_bits(tmp_path: Path) -> None:
    cloud = random_cloud(np.random.default_rng(0), 3, 1)
    cloud.packed[0, :4] = [-0.0, np.finfo(np.float32).max, np.finfo(np.float32).smallest_subnormal, 1 / 3]
    pose = np.eye(4)
    pose[:3, 3] = [0.1 + 0.2, 5e-324, -0.0]
    ego = Trajectory(np.array([2**62]), pose[None])
    scene = replace(make_scene(), static=cloud, ego=ego)
    scene.save(tmp_path / "a.usdz")
    assert_same(scene, Scene.open(tmp_path / "a.usdz"))


def test_same_scene_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        make_scene(3, degree=1).save(tmp_path / folder / "scene.usdz")
    opened = Scene.open(tmp_path / "one" / "scene.usdz")
    opened.save(tmp_path / "one" / "scene.usdz", overwrite=True)
    assert (tmp_path / "one/scene.usdz").read_bytes() == (tmp_path / "two/scene.usdz").read_bytes()


def test_all_gaussians_numbers_the_bodies() -> None:
    rng = np.random.default_rng(1)
    scene = make_scene(actors=("a", "b"))
    scene = replace(
        scene,
        static=random_cloud(rng, 2, 0),
        actors={"b": random_cloud(rng, 1, 1), "a": random_cloud(rng, 3, 0)},
    )
    cloud, body, ids = scene.all_gaussians()
    assert ids == ("b", "a")
    assert body.dtype == np.int32
    np.testing.assert_array_equal(body, [0, 0, 1, 2, 2, 2])
    np.testing.assert_array_equal(cloud.means[2], scene.actors["b"].means[0])
    assert cloud.sh_degree == 1
    assert scene.gaussian_count == 6


def test_without_actors_nothing_is_copied() -> None:
    scene = make_scene(actors=())
    cloud, body, ids = scene.all_gaussians()
    assert cloud is scene.static
    assert not body.any()
    assert ids == ()


def test_edits_share_tensors_and_leave_the_old_scene_alone() -> None:
    scene = make_scene(actors=("7", "8"))
    less = scene.without_actor("7")
    assert list(less.actors) == ["8"]
    assert [track.id for track in less.tracks] == ["8", "parked"]
    assert less.static is scene.static
    assert list(scene.actors) == ["7", "8"]
    path = Trajectory(np.array([START_US]), np.eye(4)[None])
    moved = scene.with_actor_path("8", path)
    assert moved.track("8").world_from_box is path
    assert moved.track("8").label == scene.track("8").label
    assert scene.track("8").world_from_box is not path
    assert moved.actors["8"] is scene.actors["8"]


@pytest.mark.parametrize("edit", [lambda s: s.without_actor("9"), lambda s: s.with_actor_path("9", s.ego)])
def test_unknown_actor(edit) -> None:
    with pytest.raises(DataError, match=r"No actor '9'.*it has 7, parked"):
        edit(make_scene())


def test_span_and_names() -> None:
    scene = make_scene()
    times = np.array([5, 90, 20])
    frames = replace(scene, frames={"front": times, "left": times[:0]}, held_out={})
    assert frames.span_us == (5, 90)
    assert replace(scene, frames={}, held_out={}).span_us == scene.ego.span_us
    assert scene.camera_names == ("front", "left")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"actors": {"ghost": Gaussians.empty()}}, "ghost"),
        ({"appearance": {"rear": np.eye(3, 4)}}, "rear"),
        ({"appearance": {"front": np.eye(4)}}, "appearance of front"),
        ({"frames": {"front": np.array([1.0])}, "held_out": {}}, "frame times of front"),
        ({"held_out": {"front": np.zeros(99, bool)}}, "hold-out of front"),
        ({"sky": np.zeros((6, 4, 5, 3), np.float32)}, "sky"),
        ({"sky": np.zeros((6, 0, 0, 3), np.float32)}, "sky"),
        ({"cameras_recorded": {"rear": make_scene().cameras["front"]}}, "rear"),
    ],
)
def test_parts_that_do_not_fit(change, said: str) -> None:
    with pytest.raises(DataError, match=said):
        replace(make_scene(), **change)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_not_saved(tmp_path: Path, value: float) -> None:
    scene = make_scene(degree=0)
    scene.static.packed[[3, 5], 2] = value
    with pytest.raises(DataError, match="static has 2 Gaussians"):
        scene.save(tmp_path / "a.usdz")
    assert not list(tmp_path.iterdir())


def test_provenance_that_json_cannot_hold(tmp_path: Path) -> None:
    for source in ({"a": np.nan}, {"a": object()}):
        with pytest.raises(AvrecError, match="cannot be saved"):
            make_scene(source=source).save(tmp_path / "a.usdz")
    assert not list(tmp_path.iterdir())


def test_manifest_says_what_is_a_stand_in(tmp_path: Path) -> None:
    make_scene(2).save(tmp_path / "street.usdz")
    manifest = read_manifest(tmp_path / "street.usdz")
    assert manifest["sequence_id"] == "street"
    assert manifest["seed"] == 2
    assert manifest["config"] == {"budget_s": 0.1 + 0.2}
    assert set(manifest["assumed"]) >= {"rig_bbox", "T_world_base"}
    make_scene(3).save(tmp_path / "anchored.usdz")
    assert "T_world_base" not in read_manifest(tmp_path / "anchored.usdz")["assumed"]
