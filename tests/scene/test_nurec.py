"""The NuRec volume, decoded here from gzip and msgpack alone, by the published layout."""

from __future__ import annotations

import gzip
import math
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from pxr import Usd

from avrec.gaussians import Gaussians
from avrec.scene import Scene, read_manifest
from tests.scene.scenes import make_scene, random_cloud

PREFIX = ".gaussians_nodes.gaussians."
WIDTHS = {
    "positions": 3,
    "rotations": 4,
    "scales": 3,
    "densities": 1,
    "extra_signal": 0,
    "features_albedo": 3,
    "features_specular": 45,
}


def saved(folder: Path, cloud: Gaussians) -> tuple[Path, dict[str, Any]]:
    path = folder / "scene.usdz"
    replace(make_scene(), static=cloud).save(path)
    with zipfile.ZipFile(path) as archive:
        return path, msgpack.unpackb(gzip.decompress(archive.read("volume.nurec")))


def tensor(state: dict[str, Any], key: str) -> np.ndarray:
    return np.frombuffer(state[PREFIX + key], "<f2").reshape(state[f"{PREFIX}{key}.shape"])


def rounded(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float16)


@pytest.mark.parametrize(("degree", "n"), [(0, 5), (1, 300), (2, 7), (3, 70_000), (3, 0)])
def test_volume_equals_the_static_layer_to_half_precision(tmp_path: Path, degree: int, n: int) -> None:
    cloud = random_cloud(np.random.default_rng(n), n, degree)
    cloud.packed[:, :2] += 1234.5
    path, document = saved(tmp_path, cloud)
    data = document["nre_data"]
    state = data["state_dict"]
    keys = [*WIDTHS, "n_active_features"]
    expected = ["._extra_state", *(PREFIX + key for key in keys), *(f"{PREFIX}{key}.shape" for key in keys)]
    assert list(state) == expected
    assert (data["version"], data["model"]) == ("0.2.576", "nre")
    assert state["._extra_state"] == {"obj_track_ids": {"gaussians": []}}
    for key, width in WIDTHS.items():
        assert state[f"{PREFIX}{key}.shape"] == [n, width]
    assert state[PREFIX + "n_active_features"] == (0 if degree == 0 else 3).to_bytes(8, "little")
    assert state[PREFIX + "n_active_features.shape"] == []
    center = -np.array(read_manifest(path)["nurec"]["world_to_nre_translation"])
    assert not n or np.abs(center - np.median(cloud.means, axis=0)).max() <= 0.5
    np.testing.assert_array_equal(tensor(state, "positions"), rounded(cloud.means - center))
    usual = np.linalg.norm(cloud.quaternions, axis=1) > 0.02
    np.testing.assert_array_equal(tensor(state, "rotations")[usual], rounded(cloud.quaternions[usual]))
    np.testing.assert_array_equal(tensor(state, "scales"), rounded(cloud.log_scales))
    np.testing.assert_array_equal(tensor(state, "densities")[:, 0], rounded(cloud.logit_opacities))
    np.testing.assert_array_equal(tensor(state, "features_albedo"), rounded(cloud.sh[:, 0]))
    specular = tensor(state, "features_specular").reshape(n, 15, 3)
    known = (degree + 1) ** 2 - 1
    np.testing.assert_array_equal(specular[:, :known], rounded(cloud.sh[:, 1:]))
    assert not specular[:, known:].any()
    stage = Usd.Stage.Open(str(path))
    low, high = stage.GetPrimAtPath("/World/gauss/gauss").GetAttribute("extent").Get()
    positions = tensor(state, "positions").astype(np.float32)
    np.testing.assert_array_equal(np.float32(low), positions.min(axis=0, initial=np.inf) if n else 0)
    np.testing.assert_array_equal(np.float32(high), positions.max(axis=0, initial=-np.inf) if n else 0)


def test_one_gaussian_by_hand(tmp_path: Path) -> None:
    """A white, opaque 10 cm ball at (5.25, 0, 0); half precision of 1 is 3c00, stored low byte first."""
    cloud = Gaussians.from_parts(
        np.array([[5.25, 0, 0]]),
        np.array([[1.0, 0, 0, 0]]),
        np.full((1, 3), math.log(0.1)),
        np.array([0.0]),
        np.full((1, 1, 3), 0.5 / 0.28209479),
    )
    path, document = saved(tmp_path, cloud)
    state = document["nre_data"]["state_dict"]
    assert read_manifest(path)["nurec"]["world_to_nre_translation"] == [-5, 0, 0]
    assert state[PREFIX + "positions"].hex() == "0034" + "0000" * 2  # 0.25
    assert state[PREFIX + "rotations"].hex() == "003c" + "0000" * 3
    assert state[PREFIX + "scales"].hex() == "9bc0" * 3  # ln 0.1 = -2.302585, nearest half -2.302734
    assert state[PREFIX + "densities"].hex() == "0000"
    assert state[PREFIX + "extra_signal"] == b""
    assert state[PREFIX + "features_albedo"].hex() == "173f" * 3  # 1.772454, nearest half 1.772461


def test_settings_that_readers_look_up(tmp_path: Path) -> None:
    config = saved(tmp_path, random_cloud(np.random.default_rng(0), 2, 3))[1]["nre_data"]["config"]
    layer = config["layers"]["gaussians"]
    assert layer["name"] == "sh-gaussians"
    assert layer["density_activation"] == "sigmoid"
    assert layer["scale_activation"] == "exp"
    assert layer["rotation_activation"] == "normalize"
    assert layer["precision"] == 16
    assert layer["particle"]["radiance_sph_degree"] == 3
    assert config["renderer"]["name"] == "3dgut-nrend"
    assert config["renderer"]["culling"]["near_clip_distance"] == 1e-8
    assert config["background"]["name"] == "skip-background"


def test_nothing_overflows_half_precision(tmp_path: Path) -> None:
    cloud = random_cloud(np.random.default_rng(0), 100, 0)
    cloud.packed[0, 0] = 1e30
    cloud.packed[1, 3:7] = [3e-20, 0, 4e-20, 0]
    cloud.packed[2, 3:7] = [0, 1e10, 0, 0]
    path, document = saved(tmp_path, cloud)
    state = document["nre_data"]["state_dict"]
    for key in WIDTHS:
        assert np.isfinite(tensor(state, key)).all()
    assert tensor(state, "positions")[0, 0] == 65504
    np.testing.assert_allclose(tensor(state, "rotations")[1], [0.6, 0, 0.8, 0], atol=5e-4)
    np.testing.assert_array_equal(tensor(state, "rotations")[2], [0, 1, 0, 0])
    np.testing.assert_array_equal(Scene.open(path).static.packed, cloud.packed)
