"""What `scene_info` says of packages of ours and of others."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from avrec.cli.scene_text import info_lines
from avrec.errors import DataError
from avrec.scene import scene_info
from avrec.scene.package_writer import PackageWriter
from avrec.scene.particlefield import write_particlefield
from tests.scene.complete import complete_scene
from tests.scene.scenes import START_US
from tests.scene.strangers import stripped


def test_of_a_complete_scene(tmp_path: Path) -> None:
    path = tmp_path / "street.usdz"
    complete_scene().save(path)
    info = scene_info(path)
    json.dumps(info, allow_nan=False)
    assert info["written_by"] == "avrec"
    assert info["scene_id"] == "street"
    assert info["bytes"] == path.stat().st_size
    assert sum(member["bytes"] for member in info["members"]) < info["bytes"]
    assert info["layers"] == {
        "static": 300,
        "road": 40,
        "actors": {"count": 2, "gaussians": 30},
        "sky": True,
        "sh_degree": 3,
    }
    assert info["span_us"] == [START_US, START_US + 10_000_000]
    assert info["seconds"] == 10
    assert list(info["cameras"]) == ["front@street", "side@street"]
    front = info["cameras"]["front@street"]
    assert front["frames"] == 99
    assert front["resolution"] == [640, 360]
    assert front["shutter"] == "ROLLING_TOP_TO_BOTTOM"
    assert 0 < front["ftheta_residual_px"] < 0.02
    assert info["actors"]["labels"] == {"automobile": 2, "person": 1}
    assert info["actors"]["tracks"][0] == {"id": "7", "label": "automobile", "seconds": 10, "gaussians": 20}
    assert info["map"]["roads"] == 1
    assert info["map"]["geoReference"].startswith("+proj=tmerc +lat_0=49.0112 ")
    assert info["meshes"]["ground"]["faces"] == 4000
    assert info["provenance"]["seed"] == 5
    assert info["georeference"]["placeholder"] is False


def test_of_a_package_by_others(tmp_path: Path) -> None:
    complete_scene().save(tmp_path / "street.usdz")
    other = tmp_path / "other.usdz"
    with zipfile.ZipFile(tmp_path / "street.usdz") as ours, zipfile.ZipFile(other, "w") as theirs:
        for name in ("default.usda", "volume.nurec", "rig_trajectories.json", "metadata.yaml"):
            theirs.writestr(name, ours.read(name))
    info = scene_info(other)
    assert info["written_by"] == "another tool"
    assert info["scene_id"] == "street"
    assert info["layers"] == {"volume.nurec": {"gaussians": 340}}
    assert info["map"] is None
    assert info["actors"]["count"] == 0
    assert info["provenance"]["version_string"].startswith("avrec-")


@pytest.mark.parametrize("content", [None, b"", b"nonsense" * 10])
def test_of_nothing(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.usdz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.usdz"):
        scene_info(tmp_path / "a.usdz")


def test_of_a_package_of_particle_fields(tmp_path: Path) -> None:
    write_particlefield(tmp_path / "a.usdc", complete_scene(50).static)
    with PackageWriter(tmp_path / "a.usdz") as package:
        package.add("a.usdc", (tmp_path / "a.usdc").read_bytes())
    info = scene_info(tmp_path / "a.usdz")
    assert info["layers"] == {"stage": {"ParticleField": 50}}
    assert info["georeference"] is None
    assert info["sky"] is None


def test_place_and_sky_of_others(tmp_path: Path) -> None:
    info = scene_info(stripped(complete_scene(), tmp_path / "a.usdz"))
    assert info["georeference"]["latitude_deg"] == pytest.approx(49.0112)
    assert info["georeference"]["placeholder"] is False
    assert info["cameras"]["front@whole"]["readout_us"] == 20_000
    assert info["map"]["driving_lanes"] == 2


def test_of_what_could_not_be_made(tmp_path: Path) -> None:
    path = tmp_path / "street.usdz"
    scene = complete_scene(20, 0)
    why = "The scene has no map: the road is not seen."
    replace(scene, map_xodr=None, source={**scene.source, "missing": [why]}).save(path)
    assert any(line.endswith(why) for line in info_lines(scene_info(path)))


@pytest.mark.parametrize("value", [None, 5, 1e300, 10**400, "x", [], {}, [[1]], {"a": 1}])
def test_of_a_manifest_that_lies(tmp_path: Path, value: Any) -> None:
    """Anybody may write a manifest like ours; what it says wrongly is left out."""
    complete_scene(20, 0).save(tmp_path / "street.usdz")
    with zipfile.ZipFile(tmp_path / "street.usdz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for keys in _LIES:
        manifest = json.loads(members["manifest.json"])
        place = manifest
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        with PackageWriter(tmp_path / "lie.usdz", overwrite=True) as package:
            for name, data in members.items():
                package.add(name, json.dumps(manifest).encode() if name == "manifest.json" else data)
        assert list(info_lines(scene_info(tmp_path / "lie.usdz")))


_LIES = (
    ("versions",),
    ("georeference",),
    ("georeference", "altitude_m"),
    ("cameras",),
    ("cameras", "front", "ftheta_max_px"),
    ("gaussians",),
    ("gaussians", "actors"),
    ("source",),
    ("source", "missing"),
    ("meshes",),
    ("assumed",),
)
