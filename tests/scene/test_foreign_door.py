"""One way in, by content; one way out, by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avrec.errors import DataError, OutputError
from avrec.gaussians import Gaussians
from avrec.scene.foreign import EXPORT_FORMATS, export_gaussians, import_gaussians
from tests.scene.scenes import make_scene, random_cloud

FILES = [(name, suffix) for name, suffixes in EXPORT_FORMATS.items() for suffix in suffixes]


@pytest.mark.parametrize(("format", "suffix"), FILES)
def test_what_goes_out_comes_in_whatever_it_is_called(tmp_path: Path, format: str, suffix: str) -> None:
    cloud = random_cloud(np.random.default_rng(0), 30, 1)
    cloud.packed[:, 11:] *= 0.2
    path = tmp_path / f"a{suffix}"
    export_gaussians(cloud, path, format)
    with pytest.raises(OutputError, match="exists already"):
        export_gaussians(cloud, path, format)
    export_gaussians(cloud, path, format, overwrite=True)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    path.rename(tmp_path / "anything")
    back = import_gaussians(tmp_path / "anything")
    assert len(back.gaussians) == 30
    assert back.gaussians.sh_degree == 1
    means = back.gaussians.means
    np.testing.assert_allclose(means[np.argsort(means[:, 0])], cloud.means[np.argsort(cloud.means[:, 0])], atol=0.04)


def test_format_follows_the_ending(tmp_path: Path) -> None:
    cloud = random_cloud(np.random.default_rng(0), 3, 0)
    export_gaussians(cloud, tmp_path / "a.ply")
    assert (tmp_path / "a.ply").read_bytes().startswith(b"ply\n")
    for name, format, said in (
        ("a.xyz", None, "names no format"),
        ("a.ply", "spz", "ends in .spz"),
        ("a.ply", "las", "choose one of"),
    ):
        with pytest.raises(OutputError, match=said):
            export_gaussians(cloud, tmp_path / name, format)
    bad = Gaussians(np.full((1, 14), np.nan, np.float32))
    with pytest.raises(DataError, match="not finite"):
        export_gaussians(bad, tmp_path / "b.ply")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.ply"]


def test_a_scene_of_ours(tmp_path: Path) -> None:
    scene = make_scene(3)
    scene.save(tmp_path / "a.usdz")
    cloud = import_gaussians(tmp_path / "a.usdz")
    assert cloud.format == "avrec scene"
    np.testing.assert_array_equal(cloud.gaussians.packed, scene.static.packed)
    assert list(cloud.actors) == list(scene.actors)


@pytest.mark.parametrize("data", [b"", b"hello", b"PK", b"\x1f\x8b", b"\x80\x02", b"#usdb", b"plyx", b"\x00" * 5000])
def test_unknown_files(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.ply").write_bytes(data)
    with pytest.raises(DataError):
        import_gaussians(tmp_path / "a.ply")


def test_volume_beside_its_stage(tmp_path: Path) -> None:
    """A stage on disk names its volume by a path; only its own folder is looked at."""
    from avrec.scene.usd_layers import volume_layer

    cloud = random_cloud(np.random.default_rng(0), 5, 0)
    export_gaussians(cloud, tmp_path / "volume.nurec")
    text = volume_layer("../../elsewhere/volume.nurec", np.zeros(3, np.float32), np.ones(3, np.float32))
    (tmp_path / "gauss.usda").write_text(text)
    back = import_gaussians(tmp_path / "gauss.usda")
    np.testing.assert_array_equal(back.gaussians.packed, cloud.packed.astype(np.float16))
    (tmp_path / "volume.nurec").unlink()
    with pytest.raises(DataError, match="Cannot read"):
        import_gaussians(tmp_path / "gauss.usda")
