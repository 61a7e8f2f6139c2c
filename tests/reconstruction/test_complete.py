from __future__ import annotations

import logging
import sys
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avrec.drive import Drive, RigBox
from avrec.errors import DataError
from avrec.gaussians import Gaussians
from avrec.geometry import Trajectory
from avrec.mesh import DepthPicture, GroundMesh, ground_mesh
from avrec.reconstruction import complete, reconstruct, surfaces
from avrec.reconstruction.complete import completed, split_road
from avrec.reconstruction.ground_points import spread_over
from avrec.reconstruction.surfaces import _chosen_frames, depth_pictures, surfaces_of
from avrec.rendering import render
from avrec.scene import Scene
from avrec.scene.validate import validate
from tests.reconstruction.small import SMALL, quick


@pytest.fixture(scope="module")
def recording(tiny_street: Path) -> Drive:
    return Drive.open(tiny_street)


@pytest.fixture(scope="module")
def bare(recording: Drive) -> Scene:
    return quick(recording, iterations=150)


@pytest.fixture(scope="module")
def whole(bare: Scene, recording: Drive) -> Scene:
    return completed(bare, recording)


def flat(count: int, z: float, *, log_scales: tuple[float, float, float]) -> Gaussians:
    """Gaussians on a grid at one height, unturned."""
    side = round(count**0.5)
    x, y = np.meshgrid(np.linspace(-4, 4, side), np.linspace(-4, 4, side))
    means = np.stack([x.ravel(), y.ravel(), np.full(side * side, z)], axis=1)
    turned = np.tile([1.0, 0, 0, 0], (side * side, 1))
    scales = np.tile(log_scales, (side * side, 1))
    return Gaussians.from_parts(means, turned, scales, np.zeros(side * side), np.zeros((side * side, 4, 3)))


def test_the_road_is_what_lies_flat_on_the_ground() -> None:
    ground = ground_mesh(
        flat(10_000, 0.0, log_scales=(0, 0, 0)).means.astype(float), np.array([[-3.0, 0, 0], [3, 0, 0]])
    )
    plate, pole = (-2.0, -2.0, -5.0), (-5.0, -5.0, 0.0)
    layers = [flat(100, 0.02, log_scales=plate), flat(100, 0.5, log_scales=plate), flat(100, 0.02, log_scales=pole)]
    rest, road = split_road(Gaussians.concatenate(layers), ground)
    assert np.array_equal(road.packed, layers[0].packed)
    assert np.array_equal(rest.packed, np.concatenate([layers[1].packed, layers[2].packed]))


def test_a_pole_turned_on_its_side_is_road() -> None:
    ground = ground_mesh(
        flat(10_000, 0.0, log_scales=(0, 0, 0)).means.astype(float), np.array([[-3.0, 0, 0], [3, 0, 0]])
    )
    pole = flat(100, 0.02, log_scales=(-5.0, -5.0, 0.0))
    lying = pole.packed.copy()
    lying[:, 3:7] = [np.sqrt(0.5), np.sqrt(0.5), 0, 0]  # a quarter turn about x
    assert len(split_road(Gaussians(lying), ground)[1]) == 100


def test_the_picture_stays_the_same(bare: Scene, whole: Scene) -> None:
    assert whole.road is not None
    assert len(whole.static) + len(whole.road) == len(bare.static)
    assert len(whole.road) > 0
    time_us = int(bare.frames["front"][3])
    before, after = (render(scene, "front", time_us).rgb for scene in (bare, whole))
    assert np.abs(before - after).max() < 2e-3


def test_the_ground_is_that_of_the_street(whole: Scene, recording: Drive) -> None:
    assert whole.ground is not None
    assert whole.mesh is not None
    assert len(whole.mesh.faces) > len(whole.ground.faces)
    assert (whole.ground.face_normals[:, 2] > 0.5).all()
    path = recording.ego.at(np.linspace(*whole.span_us, 20))[:, :3, 3]
    near = np.linalg.norm(whole.ground.vertices[:, None, :2] - path[:, :2], axis=2)
    below = whole.ground.vertices[near.argmin(axis=0), 2]
    assert np.abs(below - path[:, 2]).max() < 0.1


def test_every_simulator_opens_it(whole: Scene, tmp_path: Path) -> None:
    path = tmp_path / "street.usdz"
    whole.save(path)
    report = validate(path)
    assert report.failing == ()
    assert not [str(finding) for finding in report.findings if finding.where.startswith(("mesh", "map"))]
    opened = Scene.open(path)
    assert opened.map_xodr == whole.map_xodr
    assert opened.road is not None
    assert whole.road is not None
    assert np.array_equal(opened.road.packed, whole.road.packed)


def test_without_a_recorded_map_one_is_inferred(bare: Scene, recording: Drive) -> None:
    scene = completed(bare, replace(recording, map_path=None))
    assert scene.source["map"]["inferred"] is True
    assert b"OpenDRIVE" in (scene.map_xodr or b"")


def test_held_out_pictures_take_no_part(bare: Scene, recording: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Drive] = []

    def spy(drive: Drive, *_: object, **__: object) -> None:
        seen.append(drive)
        raise DataError("Enough.")

    monkeypatch.setattr(complete, "infer_map", spy)
    completed(bare, replace(recording, map_path=None))
    for name, frames in seen[0].frames.items():
        kept = bare.frames[name][~bare.held_out[name]]
        assert [frame.timestamp_us for frame in frames] == kept.tolist()
        assert len(kept) < len(bare.frames[name])


@pytest.mark.parametrize("driven_m", [0.0, 30.0, 300.0, 5000.0])
@pytest.mark.parametrize(("cameras", "frames"), [(1, 500), (2, 120), (3, 40), (5, 1000), (6, 1000), (8, 60)])
def test_every_camera_is_meshed_alike(bare: Scene, cameras: int, frames: int, driven_m: float) -> None:
    names = [f"c{index}" for index in range(cameras)]
    sensor = bare.cameras["front"]
    many = replace(
        bare,
        cameras={name: replace(sensor, name=name) for name in names},
        cameras_recorded={},
        appearance={},
        held_out={},
        frames={name: np.arange(frames, dtype=np.int64) * 100_000 for name in names},
    )
    times = np.arange(frames, dtype=np.int64) * 100_000
    poses = np.tile(np.eye(4), (frames, 1, 1))
    poses[:, 0, 3] = np.linspace(0.0, driven_m, frames)
    many = replace(many, ego=Trajectory(times, poses))
    chosen = _chosen_frames(many, driven_m)
    counts = [sum(camera == name for camera, _ in chosen) for name in names]
    assert max(counts) - min(counts) <= 1
    wanted = np.clip(cameras * driven_m / 0.75, 120, 2000) / cameras
    assert min(frames, 0.8 * wanted) <= min(counts) <= wanted + 1
    assert [time for _, time in chosen] == sorted(time for _, time in chosen)


def test_a_car_that_stands_is_meshed_where_it_moves() -> None:
    """Half of the time is spent standing; the places chosen are spread over the way, and some over the time."""
    times = np.arange(1000, dtype=np.int64) * 100_000
    poses = np.tile(np.eye(4), (1000, 1, 1))
    poses[:, 0, 3] = np.clip(np.arange(1000) - 500, 0, None) * 0.5
    chosen = spread_over(Trajectory(times, poses), times, 100)
    assert len(chosen) == 100
    assert 2 <= (chosen < 500).sum() <= 10
    assert np.diff(poses[chosen[chosen > 500], 0, 3]).max() < 4.0
    still = spread_over(Trajectory(times, np.tile(np.eye(4), (1000, 1, 1))), times, 100)
    assert np.ptp(np.diff(still)) <= 1


def test_the_source_says_how_well_the_ground_is_known(whole: Scene) -> None:
    meshes = whole.source["meshes"]
    assert meshes["voxel_m"] == 0.12
    assert meshes["ground_from"] == "lidar"
    assert 0.5 < meshes["ground_measured"] < meshes["lane_measured"] <= 1.0
    assert meshes["missed_m"] == 0
    assert whole.source["warnings"] == []


def test_ground_off_the_path_is_warned_of(
    bare: Scene, recording: Drive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def sunk(points: np.ndarray, path: np.ndarray, **options: Any) -> GroundMesh:
        return ground_mesh(points - [0, 0, 0.7], path - [0, 0, 0.7], **options)

    monkeypatch.setattr(surfaces, "ground_mesh", sunk)
    with caplog.at_level(logging.WARNING):
        scene = completed(bare, recording)
    (sentence,) = scene.source["warnings"]
    assert "misses the driven path" in sentence
    assert "worst by 0.7 m" in sentence
    assert sentence in caplog.text
    assert scene.source["meshes"]["missed_m"] > 1


def test_cells_of_the_ground_grow_with_a_long_way() -> None:
    short, longer, longest = (
        surfaces._cell_m(np.array([[0.0, 0, 0], [length, 0, 0]])) for length in (1600, 5000, 20_000)
    )
    assert short == 0.2
    assert longer == pytest.approx((24 * 5000 / 1e6) ** 0.5, rel=0.01)
    assert 24 * 20_000 / longest**2 < 1.01e6


def test_the_driven_space_is_that_of_the_recording_car() -> None:
    assert surfaces._driven_space(None) == {}
    lorry = RigBox.between([-4.0, -1.25, 0.0], [7.0, 1.3, 3.5])
    assert surfaces._driven_space(lorry) == {"half_width_m": 1.25, "height_m": 3.5}
    assert surfaces._driven_space(RigBox.between([-4.0, 0.5, 0.0], [7.0, 1.3, 3.5])) == {}


def test_ground_that_is_mostly_guessed_is_warned_of() -> None:
    path = np.column_stack([np.linspace(0, 40, 81), np.zeros((81, 2))])
    at = np.stack(np.meshgrid(np.arange(0, 10, 0.1), np.arange(-5, 5, 0.1)), axis=-1).reshape(-1, 2)
    seen = ground_mesh(np.column_stack([at, np.zeros(len(at))]), path)
    about, (sentence,) = surfaces._judged(seen, path)
    assert 0.1 < about["lane_measured"] < 0.4
    assert f"Only {100 * about['lane_measured']:.0f} % of the ground within 4 m" in sentence


def test_pictures_are_fused_one_at_a_time(bare: Scene, recording: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[weakref.ref[DepthPicture]] = []
    most = 0

    def watched(*args: Any, **options: Any) -> Iterator[DepthPicture]:
        nonlocal most
        for picture in depth_pictures(*args, **options):
            alive.append(weakref.ref(picture))
            most = max(most, sum(each() is not None for each in alive))
            yield picture

    monkeypatch.setattr(surfaces, "depth_pictures", watched)
    surfaces_of(bare, recording)
    assert len(alive) > 10
    assert most <= 3


def test_traffic_on_the_left(bare: Scene, recording: Drive) -> None:
    without = replace(recording, map_path=None)
    side = {
        told: completed(bare, replace(without, traffic=known), traffic=told).source["map"]["traffic"]
        for told, known in (("left", "right"), (None, "left"))
    }
    assert side == {"left": "left", None: "left"}


def test_a_bug_in_the_meshing_loses_nothing(bare: Scene, recording: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("singular")

    monkeypatch.setattr(complete, "surfaces_of", broken)
    scene = completed(bare, recording)
    assert scene.map_xodr is not None
    assert "RuntimeError: singular" in scene.source["missing"][0]


def test_what_cannot_be_made_is_said(
    bare: Scene, recording: Drive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_ground(*_: object, **__: object) -> None:
        raise DataError("There is no ground here.")

    monkeypatch.setattr(complete, "surfaces_of", no_ground)
    with caplog.at_level(logging.WARNING):
        scene = completed(bare, recording)
    assert scene.mesh is None
    assert scene.road is None
    assert scene.map_xodr is not None
    assert scene.source["missing"] == ["The scene has no meshes: There is no ground here."]
    assert "no ground here" in caplog.text


def test_ctrl_c_while_meshing_keeps_the_scene(
    recording: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    # The function of that name hides its module.
    monkeypatch.setattr(sys.modules["avrec.reconstruction.reconstruct"], "completed", interrupted)
    target = tmp_path / "scene.usdz"
    given = {"output": target, "iterations": 20, "holdout": 4, "config": SMALL}
    reconstruct(recording, **given)
    assert Scene.open(target).mesh is None
    assert target.with_name(target.name + ".checkpoint").exists()
    monkeypatch.undo()
    assert reconstruct(recording, **given, resume=True).mesh is not None
    assert not target.with_name(target.name + ".checkpoint").exists()


def test_the_optimiser_is_gone_while_meshes_are_made(recording: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    here = sys.modules["avrec.reconstruction.reconstruct"]
    held: list[weakref.ref[Any]] = []

    class Watched(here.Trainer):  # type: ignore[name-defined, misc]
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            held.extend(map(weakref.ref, (self, self.model, self.pictures[0])))

    def meshed(scene: Scene, *_: object, **__: object) -> Scene:
        alive.extend(each() for each in held)
        return scene

    alive: list[object] = []
    monkeypatch.setattr(here, "Trainer", Watched)
    monkeypatch.setattr(here, "completed", meshed)
    quick(recording, iterations=3, complete=True)
    assert alive == [None, None, None]
