"""3DGS PLY: bytes made by hand, random clouds there and back, and every way to be wrong."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.errors import DataError, OutputError
from avrec.gaussians import Gaussians
from avrec.scene.foreign import read_ply, write_ply
from tests.scene.scenes import random_cloud

NAMES = ["x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2"]
NAMES += ["rot_0", "rot_1", "rot_2", "rot_3"]


def header(names: list[str], count: int, form: str = "binary_little_endian", kind: str = "float") -> bytes:
    lines = ["ply", f"format {form} 1.0", "comment by hand", f"element vertex {count}"]
    lines += [f"property {kind} {name}" for name in names]
    return "\n".join([*lines, "end_header\n"]).encode()


def refused(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "a.ply").write_bytes(data)
    with pytest.raises(DataError, match=said) as caught:
        read_ply(tmp_path / "a.ply")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("form", "order"), [("binary_little_endian", "<"), ("binary_big_endian", ">"), ("ascii", "")])
@pytest.mark.parametrize("kind", ["float", "double"])
def test_one_gaussian_by_hand(tmp_path: Path, form: str, order: str, kind: str) -> None:
    """Properties in a strange order, with strangers among them, of degree 1: red's three coefficients come first."""
    names = [*reversed(NAMES), *(f"f_rest_{i}" for i in range(9))]
    values = [*range(14, 0, -1), *range(100, 109)]
    if order:
        body = struct.pack(f"{order}{len(values)}{'f' if kind == 'float' else 'd'}", *values) + struct.pack("BB", 7, 8)
    else:
        body = " ".join(f"{value}.0" for value in [*values, 7, 8]).encode() + b"\n"
    head = header(names, 1, form, kind).replace(b"end_header", b"property uchar label\nproperty uchar mask\nend_header")
    (tmp_path / "a.ply").write_bytes(head + body)
    cloud = read_ply(tmp_path / "a.ply")
    np.testing.assert_array_equal(cloud.means, [[1, 2, 3]])
    np.testing.assert_array_equal(cloud.sh[0], [[4, 5, 6], [100, 103, 106], [101, 104, 107], [102, 105, 108]])
    np.testing.assert_array_equal(cloud.logit_opacities, [7])
    np.testing.assert_array_equal(cloud.log_scales, [[8, 9, 10]])
    np.testing.assert_array_equal(cloud.quaternions, [[11, 12, 13, 14]])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 50), degree=st.integers(0, 3))
def test_there_and_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, seed: int, n: int, degree: int) -> None:
    cloud = random_cloud(np.random.default_rng(seed), n, degree)
    path = tmp_path_factory.mktemp("ply") / "a.ply"
    write_ply(cloud, path)
    np.testing.assert_array_equal(read_ply(path).packed, cloud.packed)


def test_more_than_one_block(tmp_path: Path) -> None:
    cloud = random_cloud(np.random.default_rng(0), 40_000, 1)
    write_ply(cloud, tmp_path / "a.ply")
    np.testing.assert_array_equal(read_ply(tmp_path / "a.ply").packed, cloud.packed)


def test_layout_that_other_tools_expect(tmp_path: Path) -> None:
    write_ply(random_cloud(np.random.default_rng(0), 2, 1), tmp_path / "a.ply")
    head = (tmp_path / "a.ply").read_bytes().split(b"end_header\n")[0].decode().split("\n")
    assert head[:3] == ["ply", "format binary_little_endian 1.0", "element vertex 2"]
    names = [line.removeprefix("property float ") for line in head[3:-1]]
    rest = [f"f_rest_{i}" for i in range(9)]
    order = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", *rest, "opacity"]
    assert names == [*order, "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    """An opacity of exactly 1 and a scale of exactly 0 mean something; the rest is dropped and counted."""
    packed = np.zeros((6, 14), np.float32)
    packed[:, 3] = 1
    packed[0, 10] = np.inf
    packed[1, 7] = -np.inf
    packed[2, 0] = np.nan
    packed[3, 12] = np.inf
    packed[4, 3] = 0
    write_ply(Gaussians(packed), tmp_path / "a.ply")
    notes: list[str] = []
    cloud = read_ply(tmp_path / "a.ply", notes)
    assert len(cloud) == 4
    assert np.isfinite(cloud.packed).all()
    assert cloud.logit_opacities[0] == 16
    assert cloud.log_scales[1, 0] == -20
    np.testing.assert_array_equal(cloud.quaternions[2], [1, 0, 0, 0])
    assert any("2 of 6 Gaussians" in note for note in notes)
    assert any("no rotation" in note for note in notes)
    packed[:] = np.nan
    write_ply(Gaussians(packed), tmp_path / "b.ply")
    with pytest.raises(DataError, match="finite"):
        read_ply(tmp_path / "b.ply")


BODY = struct.pack("<14f", *range(14))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "header does not end"),
        (b"solid\n", "first line"),
        (b"ply\n" + b"comment x\n" * 20_000, "does not end"),
        (b"ply\n" + b"x" * 5000, "does not end"),
        (b"ply\nend_header\n", "names no format"),
        (header(NAMES, 2) + BODY, "2 Gaussians, but 56 bytes"),
        (header(NAMES, 1) + BODY[:-1], "1 Gaussians, but 55 bytes"),
        (header(NAMES, 10**10) + BODY, "10000000000 Gaussians"),
        (header(NAMES, 10**11) + BODY, "element vertex 100000000000"),
        (header(NAMES, -1) + BODY, "element vertex -1"),
        (header([*NAMES, "f_rest_0"], 1) + BODY * 2, "1 properties f_rest"),
        (header([*NAMES, *(f"f_rest_{i + 1}" for i in range(9))], 1) + BODY * 2, "whole degree"),
        (header([*NAMES, "x"], 1) + BODY * 2, "twice"),
        (header(NAMES[:3], 1) + struct.pack("<3f", 0, 0, float("nan")), "finite"),
        (header(NAMES[:8], 1) + BODY, "not a 3DGS file"),
        (header(NAMES, 1, kind="int") + BODY, "holds integers"),
        (header(NAMES, 1, kind="quad") + BODY, "property quad x"),
        (header(NAMES, 1, "ascii") + b"1 2 3\n", "but 7 bytes"),
        (header(NAMES, 1, "ascii") + b"1 2 3" + b" " * 40 + b"\n", "3 values instead of 14"),
        (header(NAMES, 1, "ascii") + b"1 2 3 x" + b" 5" * 20 + b"\n", "not a number"),
        (header(NAMES, 1).replace(b"property float x", b"property list uchar float x") + BODY, "lists"),
        (header(NAMES, 1).replace(b"float x", b"uint packed_position") + BODY, "compressed PLY"),
        (header(NAMES, 1).replace(b"vertex", b"splat") + BODY, "no element 'vertex'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused(tmp_path: Path, data: bytes, said: str) -> None:
    refused(tmp_path, data, said)


def test_element_in_front_of_the_vertices(tmp_path: Path) -> None:
    head = header(NAMES, 1).replace(b"element vertex", b"element camera 2\nproperty short id\nelement vertex")
    (tmp_path / "a.ply").write_bytes(head + b"\x01\x00\x02\x00" + BODY)
    np.testing.assert_array_equal(read_ply(tmp_path / "a.ply").means, [[0, 1, 2]])


def test_plain_points(tmp_path: Path) -> None:
    """A line of points a tenth of a metre apart, red ones in bytes."""
    head = header(NAMES[:3], 20).replace(b"end_header", b"".join(
        b"property uchar %s\n" % name for name in (b"red", b"green", b"blue")) + b"end_header")  # fmt: skip
    rows = [struct.pack("<3f3B", 0.1 * i, 0, 0, 255, 51, 0) for i in range(20)]
    (tmp_path / "a.ply").write_bytes(head + b"".join(rows))
    notes: list[str] = []
    cloud = read_ply(tmp_path / "a.ply", notes)
    assert (len(cloud), cloud.sh_degree) == (20, 0)
    np.testing.assert_allclose(0.5 + 0.28209479 * cloud.sh[:, 0], [[1, 0.2, 0]] * 20, atol=1e-6)
    np.testing.assert_allclose(np.exp(cloud.log_scales[10]), 0.5 * (0.1 + 0.1 + 0.2) / 3, rtol=1e-4)
    assert "plain point cloud" in notes[0]
    head = header(NAMES[:3], 50_000)
    (tmp_path / "b.ply").write_bytes(head + bytes(12 * 50_000))  # one point over and over must not take forever
    assert len(read_ply(tmp_path / "b.ply")) == 1


def test_files_that_are_none(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.ply", Path("/dev/null")):
        with pytest.raises(DataError, match="Cannot read"):
            read_ply(path)


def test_output_is_whole_or_not_there(tmp_path: Path) -> None:
    cloud = random_cloud(np.random.default_rng(0), 3, 0)
    write_ply(cloud, tmp_path / "a.ply")
    with pytest.raises(OutputError, match="exists already"):
        write_ply(cloud, tmp_path / "a.ply")
    write_ply(cloud, tmp_path / "a.ply", overwrite=True)
    with pytest.raises(OutputError, match="Cannot write"):
        write_ply(cloud, tmp_path / "no folder" / "a.ply")
    with pytest.raises(OutputError, match="folder"):
        write_ply(cloud, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.ply"]


def test_points_in_national_coordinates_keep_their_millimetres(tmp_path: Path) -> None:
    near = np.random.default_rng(0).uniform(-40, 40, (500, 3)).round(3)
    far = near + np.array([448_262.25, 5_428_651.5, 112.0])
    header = "ply\nformat binary_little_endian 1.0\nelement vertex 500\n"
    header += "".join(f"property double {axis}\n" for axis in "xyz") + "end_header\n"
    (tmp_path / "a.ply").write_bytes(header.encode() + far.astype("<f8").tobytes())
    notes: list[str] = []
    cloud = read_ply(tmp_path / "a.ply", notes)
    assert "-448300 m along x, -5428600 m along y" in notes[0] or "-5428700 m along y" in notes[0]
    np.testing.assert_allclose(cloud.means - cloud.means[0], near - near[0], atol=1e-4)
    assert np.abs(cloud.means).max() < 200
