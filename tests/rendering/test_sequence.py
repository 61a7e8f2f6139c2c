"""Folders of pictures and videos: complete, documented, refused or absent."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from avrec.errors import AvrecError, DataError, OutputError
from avrec.rendering import files, render, render_sequence
from avrec.rendering.files import colourise, depth_to_png
from tests.rendering.scenes import tiny_scene


def test_folder_holds_what_it_says(tmp_path: Path) -> None:
    scene = tiny_scene()
    times = scene.frames["front"][:3].tolist()
    outputs = ("rgb", "depth", "alpha", "normal")
    result = render_sequence(scene, tmp_path / "out", "front", times_us=times, outputs=outputs)
    assert result.frames == 3
    assert [path.name for path in result.videos] == [f"{name}.mp4" for name in outputs]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    shot = render(scene, "front", times[1])
    rgb = cv2.imread(str(tmp_path / "out/rgb/000001.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    np.testing.assert_array_equal(rgb, shot.rgb_uint8)
    depth = cv2.imread(str(tmp_path / "out/depth/000001.png"), cv2.IMREAD_UNCHANGED)
    assert depth.dtype == np.uint16
    seen = np.isfinite(shot.depth)
    assert (depth[~seen] == 0).all()
    np.testing.assert_allclose(depth[seen] / 100, shot.depth[seen], atol=0.0051)
    assert (tmp_path / "out/depth_preview/000001.png").is_file()
    manifest = json.loads((tmp_path / "out/frames.json").read_text())
    assert [row["time_us"] for row in manifest["frames"]] == times
    assert manifest["frames_per_second"] == 5
    assert "centimetres" in manifest["outputs"]["depth"]
    for video in result.videos:
        reader = cv2.VideoCapture(str(video))
        assert int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) == 3
        assert reader.read()[0]


def test_depth_coding_by_hand() -> None:
    depth = np.array([[np.nan, 0.0, 1.234, 655.0, 700.0, np.inf]])
    np.testing.assert_array_equal(depth_to_png(depth), [[0, 0, 123, 65500, 65535, 65535]])
    colours = colourise(np.array([[np.nan, 3.0, 90.0]]))
    assert (colours[0, 0] == 0).all()
    assert colours[0, 1, 0] > colours[0, 1, 2]
    assert colours[0, 2, 2] > colours[0, 2, 0]


def test_existing_folders_are_respected(tmp_path: Path) -> None:
    scene = tiny_scene(static=tiny_scene().actors["7"])
    out = tmp_path / "out"
    time = scene.frames["front"][:1].tolist()
    render_sequence(scene, out, "front", times_us=time, video=False)
    with pytest.raises(OutputError, match="exists already"):
        render_sequence(scene, out, "front", times_us=time, video=False)
    assert render_sequence(scene, out, "front", times_us=time * 2, video=False, overwrite=True).frames == 2
    assert len(list((out / "rgb").iterdir())) == 2
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/thesis.tex").write_text("all my work")
    with pytest.raises(OutputError, match="not written by avrec"):
        render_sequence(scene, tmp_path / "precious", "front", times_us=time, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "precious"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OutputError, match="No space left"):
        render_sequence(tiny_scene(), tmp_path / "out", "front")
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_is_too_short_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = cv2.VideoWriter

    class Forgetful:  # cv2's own classes cannot be subclassed safely
        fourcc = staticmethod(real.fourcc)

        def __init__(self, *options: object) -> None:
            self.inner = real(*options)
            self.isOpened, self.release = self.inner.isOpened, self.inner.release

        def write(self, image: np.ndarray) -> None:
            return None

    monkeypatch.setattr(files.cv2, "VideoWriter", Forgetful)
    with pytest.raises(OutputError, match="holds 0 of 5 frames"):
        render_sequence(tiny_scene(static=tiny_scene().actors["7"]), tmp_path / "out", "front")
    assert list(tmp_path.iterdir()) == []


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'rear'"):
        render_sequence(tiny_scene(), tmp_path / "out", "rear")
    with pytest.raises(AvrecError, match="no time"):
        render_sequence(tiny_scene(), tmp_path / "out", "front", times_us=[])
    with pytest.raises(AvrecError, match="per second"):
        render_sequence(tiny_scene(), tmp_path / "out", "front", fps=0)
    assert list(tmp_path.iterdir()) == []
