"""NuRec volumes: made by hand, written by avrec, of automotive scenes, and inside packages."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.errors import DataError
from avrec.scene.foreign import export_gaussians, import_gaussians, read_nurec_static
from avrec.scene.foreign.msgpack_view import MsgpackError, unpack_view
from avrec.scene.package_writer import PackageWriter
from tests.scene.scenes import random_cloud

WIDTHS = {"positions": 3, "rotations": 4, "scales": 3, "densities": 1, "features_albedo": 3, "features_specular": 45}


def layer(name: str, count: int = 2, **changed: np.ndarray | None) -> dict[str, Any]:
    """State entries of one layer: every half is its own column's number, unless changed; None leaves a tensor out."""
    state: dict[str, Any] = {}
    tensors: dict[str, np.ndarray | None] = {
        key: np.tile(np.arange(width, dtype="<f2"), (count, 1)) for key, width in WIDTHS.items()
    }
    for key, values in (tensors | changed).items():
        if values is not None:
            state[f".gaussians_nodes.{name}.{key}"] = values.tobytes()
            state[f".gaussians_nodes.{name}.{key}.shape"] = list(values.shape)
    return state


def volume(state: dict[str, Any], version: str = "0.2.576") -> bytes:
    return gzip.compress(msgpack.packb({"nre_data": {"version": version, "model": "nre", "state_dict": state}}))


def test_static_layer_by_hand() -> None:
    cloud = read_nurec_static(volume(layer("gaussians", n_active_features=np.array(3, "<i8"))))
    assert cloud.format == "NuRec"
    assert cloud.notes == ()
    assert cloud.metadata == {"version": "0.2.576", "model": "nre", "layers": ["gaussians"]}
    expected = [*range(3), *range(4), *range(3), 0, *range(3), *range(45)]
    np.testing.assert_array_equal(cloud.gaussians.packed, [expected, expected])
    np.testing.assert_array_equal(cloud.gaussians.sh[0, 1], [0, 1, 2])  # coefficient-major: its three colours together


def test_bands_not_in_use_and_bands_of_zeros_are_left_out() -> None:
    state = layer("gaussians", n_active_features=np.array(1, "<i8"))
    assert read_nurec_static(volume(state)).gaussians.sh_degree == 1
    state = layer("gaussians", features_specular=np.zeros((2, 45), "<f2"))
    assert read_nurec_static(volume(state)).gaussians.sh_degree == 0
    state = layer("gaussians", features_specular=np.zeros((2, 0), "<f2"))
    assert read_nurec_static(volume(state)).gaussians.sh_degree == 0


@pytest.mark.parametrize(
    ("suffix", "degree"), [(".nurec", 0), (".nurec", 1), (".nurec", 2), (".nurec", 3), (".usdz", 1), (".usdz", 3)]
)
def test_what_avrec_writes_comes_back_in_half_precision(tmp_path: Path, suffix: str, degree: int) -> None:
    cloud = random_cloud(np.random.default_rng(degree), 300, degree)
    export_gaussians(cloud, tmp_path / f"a{suffix}", "nurec")
    back = import_gaussians(tmp_path / f"a{suffix}")
    assert back.format == "NuRec"
    np.testing.assert_array_equal(back.gaussians.packed, cloud.packed.astype(np.float16))


def test_automotive_layers() -> None:
    """Static layers merge, rigid actors stand alone in their boxes, and everything else is named."""
    moving = {
        "features_albedo": np.arange(12, dtype="<f2").reshape(2, 2, 3),
        "gaussian_cuboid_ids": np.array([1, 0], "<i4"),
        "positions": np.array([[1, 2, 3], [4, 5, 6]], "<f2"),
    }
    state = {"._extra_state": {"obj_track_ids": {"dynamic_rigids": ["7@a", "9@a", "unseen"], "background": []}}}
    state |= layer("background", features_albedo=np.ones((2, 5, 3), "<f2"))
    state |= layer("road", 1, camera_extra_signal=np.zeros((1, 20), "<f2"))
    state |= layer("dynamic_rigids", **moving)
    state |= {".background.textures": np.full((1, 6, 2, 2, 3), 0.25, "<f2").tobytes()}
    state |= {".background.textures.shape": [1, 6, 2, 2, 3]}
    state |= {".tracks_calib.tracks_delta_q": bytes(16), ".tracks_calib.tracks_delta_q.shape": [1, 4]}
    cloud = read_nurec_static(volume(state, "26.4.96"))
    np.testing.assert_array_equal(cloud.gaussians.sh[:, 0], [[5, 5, 5], [5, 5, 5]])
    np.testing.assert_array_equal(cloud.world_gaussians().sh[:, 0], [[5, 5, 5], [5, 5, 5], [0, 1, 2]])
    assert list(cloud.actors) == ["7@a", "9@a"]
    np.testing.assert_array_equal(cloud.actors["9@a"].means, [[1, 2, 3]])
    np.testing.assert_array_equal(cloud.actors["9@a"].sh[0, 0], [0, 1, 2])
    assert cloud.sky is not None
    assert cloud.sky.shape == (6, 2, 2, 3)
    assert (cloud.sky == 0.25).all()
    text = " ".join(cloud.notes)
    for said in ("background changes colour over time; the sum of its 5", "road.camera_extra_signal", "tracks_calib"):
        assert said in text


def test_actors_drop_bad_values_with_their_cuboids() -> None:
    positions = np.array([[np.nan, 0, 0], [1, 2, 3], [4, 5, 6]], "<f2")
    state = {"._extra_state": {"obj_track_ids": {"rigid": ["a", "b"]}}}
    state |= layer("rigid", 3, positions=positions, gaussian_cuboid_ids=np.array([0, 1, 0], "<i4"))
    state |= layer("background")
    cloud = read_nurec_static(volume(state))
    np.testing.assert_array_equal(cloud.actors["a"].means, [[4, 5, 6]])
    np.testing.assert_array_equal(cloud.actors["b"].means, [[1, 2, 3]])
    assert any("1 of 3 Gaussians" in note for note in cloud.notes)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({}, "no layer"),
        (layer("g", positions=None), "no layer"),
        (layer("g", scales=None), "scales or its shape is missing"),
        (layer("g", positions=np.zeros((2, 4), "<f2")), "positions of shape"),
        (layer("g", positions=np.zeros((3, 3), "<f2")), "of shape"),
        (layer("g", features_albedo=np.zeros((2, 4), "<f2")), "colours of shape"),
        (layer("g", features_specular=np.zeros((2, 10), "<f2")), "10 columns"),
        (layer("g", features_specular=np.zeros((5, 45), "<f2")), "another number"),
        (layer("g", n_active_features=np.array(9, "<i8")), "degree from 0 to 3"),
        (layer("g", positions=np.full((2, 3), np.nan, "<f2")), "finite"),
        (layer("g") | {".gaussians_nodes.g.positions.shape": [1 << 39, 3]}, "do not fill its shape"),
        (layer("g") | {".gaussians_nodes.g.positions.shape": [-2, 3]}, "impossible shape"),
        (layer("g") | {".gaussians_nodes.g.positions.shape": [2.0, 3]}, "impossible shape"),
        (layer("g") | {".gaussians_nodes.g.positions": "text"}, "is missing"),
        (layer("g", gaussian_cuboid_ids=np.zeros(2, "<i4")), "which track"),
        (
            layer("g", gaussian_cuboid_ids=np.full(2, 7, "<i4")) | {"._extra_state": {"obj_track_ids": {"g": ["a"]}}},
            "a cuboid that has no track",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused(state: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_nurec_static(volume(state))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x1f\x8b",
        gzip.compress(b""),
        gzip.compress(b"\x80"),
        gzip.compress(b"\x91" * 100_000),
        gzip.compress(b"\xdd\xff\xff\xff\xff" + b"\x80" * 3_000_000),
        gzip.compress(b"\xc6\xff\xff\xff\xff"),
        gzip.compress(bytes(300 << 20), 1),
        gzip.compress(msgpack.packb({"nre_data": []})),
        gzip.compress(msgpack.packb({"nre_data": {"state_dict": 1}})),
    ],
    ids=range(10),
)
def test_not_a_volume(data: bytes) -> None:
    with pytest.raises(DataError):
        read_nurec_static(data)


def package(path: Path, **members: bytes) -> Path:
    from avrec.scene.usd_layers import volume_layer

    with PackageWriter(path) as writer:
        bounds = np.zeros(3, np.float32), np.ones(3, np.float32)
        text = volume_layer("volume.nurec", *bounds)
        writer.add("default.usda", members.pop("layer", text.encode()))
        for name, data in members.items():
            writer.add({"volume": "volume.nurec", "rig": "rig_trajectories.json"}.get(name, name), data)
    return path


def test_package_knows_where_its_volume_lies(tmp_path: Path) -> None:
    matrix = np.eye(4)
    matrix[:3, 3] = [-10, 20, -30]
    rig = json.dumps({"world_to_nre": {"matrix": matrix.tolist()}}).encode()
    cloud = import_gaussians(package(tmp_path / "a.usdz", volume=volume(layer("g")), rig=rig))
    np.testing.assert_array_equal(cloud.gaussians.means[0], [10, -19, 32])
    assert any("Moved by" in note for note in cloud.notes)
    for bad in (b"[", b'{"world_to_nre": {"matrix": [[1]]}}', b'{"world_to_nre": {"matrix": "x"}}'):
        path = package(tmp_path / f"{len(bad)}.usdz", volume=volume(layer("g")), rig=bad)
        with pytest.raises(DataError, match="rig_trajectories"):
            import_gaussians(path)


@pytest.mark.parametrize("column", [False, True])
def test_transforms_of_both_conventions(tmp_path: Path, column: bool) -> None:
    """USD's own, with the offset in the last row, and 3DGRUT's, with the offset in the last column."""
    from avrec.scene.usd_layers import volume_layer

    identity = "((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))"
    moved = "((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (10, 20, 30, 1))"
    if column:
        moved = "((1, 0, 0, 10), (0, 1, 0, 20), (0, 0, 1, 30), (0, 0, 0, 1))"
    text = volume_layer("volume.nurec", np.zeros(3, np.float32), np.ones(3, np.float32))
    assert identity in text
    data = text.replace(identity, moved).encode()
    cloud = import_gaussians(package(tmp_path / "a.usdz", volume=volume(layer("g")), layer=data))
    np.testing.assert_array_equal(cloud.gaussians.means[0], [10, 21, 32])
    assert any("last column" in note for note in cloud.notes) == column


def test_package_without_the_volume_it_names(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not hold"):
        import_gaussians(package(tmp_path / "a.usdz"))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, width=32)
    | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5), inner, max_size=20),
    max_leaves=60,
)


@settings(max_examples=100, deadline=None)
@given(JSON, st.booleans())
def test_msgpack_as_the_usual_decoder_reads_it(value: Any, single: bool) -> None:
    assert unpack_view(msgpack.packb(value)) == value
    if single:
        packed = msgpack.packb(value, use_single_float=True)
        assert unpack_view(packed) == msgpack.unpackb(packed)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_535, 65_536])
def test_msgpack_bytes_are_views(size: int) -> None:
    data = msgpack.packb({"a": bytes(size), "b": "x" * size})
    value = unpack_view(data)
    assert isinstance(value["a"], memoryview)
    assert bytes(value["a"]) == bytes(size)
    assert value["b"] == "x" * size


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "early"),
        (b"\x00\x00", "behind its end"),
        (b"\xc1", "0xc1"),
        (b"\xd4\x00\x00", "0xd4"),
        (b"\x81\x00\x00", "key"),
        (b"\x82\xa1a\x00\xa1a\x00", "twice"),
        (b"\xa1\xff", "UTF-8"),
        (b"\xdb\x7f\xff\xff\xff", "megabyte"),
        (b"\xc6" + struct.pack(">I", 5) + b"1234", "early"),
        (b"\x91" * 40 + b"\x00", "deeply"),
        (b"\xdd" + struct.pack(">I", 500_000) + bytes(500_000), "too many"),
    ],
)
def test_msgpack_refused(data: bytes, said: str) -> None:
    with pytest.raises(MsgpackError, match=said):
        unpack_view(data)
