"""PLY: round trips, independent readers, other encodings and hostile bytes."""

import contextlib
import os
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from avrec.errors import DataError, OutputError
from avrec.mesh import Mesh, parse_ply, ply_bytes, read_ply, write_ply

MESH = Mesh(
    np.array([[0, 0, 0], [1, 0, 0.25], [1, 1, -2], [0, 1, 1e3]]),
    np.array([[0, 1, 2], [0, 2, 3]]),
    np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [1, 2, 3]], np.uint8),
    np.tile([0.0, 0.0, 1.0], (4, 1)),
)
HEADER = "ply\nformat {} 1.0\nelement vertex 4\nproperty {} x\nproperty {} y\nproperty {} z\n"


@settings(deadline=None, max_examples=40)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 30), st.just(3)), elements=st.floats(-1e6, 1e6, width=32)),
    st.booleans(),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_round_trip_is_exact(points, coloured, with_normals, random) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(random.randrange(2**32))
    faces = rng.integers(0, len(points), (rng.integers(0, 40), 3))
    colours = rng.integers(0, 256, points.shape, dtype=np.uint8) if coloured else None
    normals = rng.standard_normal(points.shape).astype(np.float32) if with_normals else None
    mesh = Mesh(points, faces, colours, normals)
    again = parse_ply(ply_bytes(mesh))
    assert np.array_equal(again.vertices, mesh.vertices)
    assert np.array_equal(again.faces, mesh.faces)
    for name in ("colours", "normals"):
        before, after = getattr(mesh, name), getattr(again, name)
        assert (before is None) == (after is None)
        assert before is None or np.array_equal(before, after)


def test_bytes_by_hand() -> None:
    data = ply_bytes(Mesh(np.eye(3), np.array([[0, 1, 2]])), comment="made\nby hand")
    head, body = data.split(b"end_header\n")
    assert head.decode().splitlines() == [
        "ply",
        "format binary_little_endian 1.0",
        "comment made?by hand",
        "element vertex 3",
        "property float x",
        "property float y",
        "property float z",
        "element face 1",
        "property list uchar int vertex_indices",
    ]
    assert body == struct.pack("<9fB3i", 1, 0, 0, 0, 1, 0, 0, 0, 1, 3, 0, 1, 2)


def test_an_independent_reader_agrees(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    data = trimesh.load(write_ply(tmp_path / "mesh.ply", MESH), process=False)
    points, faces, colours = data.vertices, data.faces, data.visual.vertex_colors[:, :3]
    assert np.asarray(data.vertex_normals) == pytest.approx(MESH.normals)
    assert np.array_equal(points, MESH.vertices.astype(np.float32))
    assert np.array_equal(faces, MESH.faces)
    assert np.array_equal(colours, MESH.colours)


def test_reads_text_with_polygons_and_strange_elements() -> None:
    text = HEADER.format("ascii", *["double"] * 3) + (
        "property uchar red\nproperty uchar green\nproperty uchar blue\n"
        "element edge 2\nproperty list uchar int things\nproperty float weight\n"
        "element face 2\nproperty list uint uint vertex_index\nproperty int group\nend_header\n"
        "0 0 0 9 8 7\n1 0 0 9 8 7\n1 1 0 9 8 7\n0 1 0.5 300 8 -7\n2 5 6 0.5\n0 0.25\n4 0 1 2 3 7\n3 0 1 2 7\n"
    )
    mesh = parse_ply(text.encode())
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 1, 2]]
    assert mesh.vertices[3].tolist() == [0, 1, 0.5]
    assert mesh.colours is not None
    assert mesh.colours[3].tolist() == [255, 8, 0]


def test_reads_big_endian() -> None:
    head = HEADER.format("binary_big_endian", *["float"] * 3)
    head += "element face 3\nproperty list uchar ushort vertex_indices\nend_header\n"
    corners = struct.pack(">B3HB4HB3H", 3, 0, 1, 2, 4, 0, 1, 2, 3, 3, 3, 2, 1)
    mesh = parse_ply(head.encode() + MESH.vertices.astype(">f4").tobytes() + corners)
    assert mesh.vertices == pytest.approx(MESH.vertices)
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 1, 2], [0, 2, 3], [3, 2, 1]]


def test_reads_colours_as_parts_of_one() -> None:
    head = HEADER.format("ascii", *["float"] * 3) + "property float red\nproperty float green\nproperty float blue\n"
    head += "element face 0\nproperty list uchar int vertex_indices\nend_header\n"
    mesh = parse_ply((head + "0 0 0 0 0.5 1\n" * 4).encode())
    assert mesh.colours is not None
    assert mesh.colours[0].tolist() == [0, 128, 255]


BODY = "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
POINTS = "0 0 0\n" * 4
ASCII = HEADER.format("ascii", *["float"] * 3)
LITTLE = HEADER.format("binary_little_endian", *["float"] * 3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ply",
        "ply\n",
        "plywood\nend_header\n",
        "ply\nend_header\n",
        "ply\nformat ascii 1.0\nend_header\n",
        "ply\nformat ascii 2.0\nend_header\n",
        ASCII + "end_header\n" + POINTS,
        ASCII + BODY + POINTS,
        ASCII + BODY + POINTS + "3 0 1 9\n",
        ASCII + BODY + POINTS + "3 0 1 -1\n",
        ASCII + BODY + POINTS + "2 0 1\n",
        ASCII + BODY + POINTS + "3 0 1 nan\n",
        ASCII + BODY + POINTS + "nan 0 1 2\n",
        ASCII + BODY + POINTS + "1e300 0 1 2\n",
        ASCII + BODY + POINTS + "3 0 1 two\n",
        ASCII + BODY + POINTS.replace("0", "inf") + "3 0 1 2\n",
        ASCII + BODY + POINTS.replace("0", "é") + "3 0 1 2\n",
        ASCII.replace("vertex 4", "vertex 99999999999") + BODY + POINTS,
        ASCII.replace("vertex 4", "vertex 999999999999999999999") + BODY + POINTS,
        ASCII.replace("vertex 4", "vertex -4") + BODY + POINTS,
        ASCII.replace("float x", "list uchar float x") + BODY + POINTS,
        ASCII.replace("float x", "float w") + BODY + POINTS,
        ASCII.replace("float x", "quad x") + BODY + POINTS,
        ASCII + BODY.replace("uchar int", "float int") + POINTS + "3 0 1 2\n",
        ASCII + BODY.replace("vertex_indices", "corners") + POINTS + "3 0 1 2\n",
        ASCII + ASCII[len("ply\nformat ascii 1.0\n") :] + BODY + POINTS * 2 + "3 0 1 2\n",
        LITTLE.replace("vertex 4", "vertex 4000000000") + BODY + "x" * 60,
        LITTLE + BODY.replace("face 1", "face 99999999999") + "\0" * 48 + "\3" + "\0" * 12,
        LITTLE + BODY.replace("uchar int", "int int") + "\0" * 48 + "\xff\xff\xff\x7f" + "\0" * 12,
        LITTLE + BODY.replace("uchar int", "int int") + "\0" * 48 + "\xff\xff\xff\xff" + "\0" * 12,
        LITTLE + BODY.replace("element face", "element odd 9999999999\nelement face") + "\0" * 60,
    ],
)
def test_hostile_files_are_refused_in_a_sentence(text: str) -> None:
    start = time.monotonic()
    with pytest.raises(DataError, match="not a usable PLY mesh"):
        parse_ply(text.encode("latin-1"))
    assert time.monotonic() - start < 30


def test_rows_that_keep_changing_are_refused_before_they_take_long() -> None:
    rows = struct.pack("<B3iB4i", 3, 0, 1, 2, 4, 0, 1, 2, 3) * 30_000
    data = (LITTLE + BODY.replace("face 1", "face 60000")).encode() + bytes(48) + rows
    with pytest.raises(DataError, match="triangulate"):
        parse_ply(data)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_damaged_bytes_raise_only_data_errors(data: st.DataObject) -> None:
    whole = bytearray(ply_bytes(MESH))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for damaged in (bytes(whole), bytes(whole[:cut])):
        with contextlib.suppress(DataError):
            parse_ply(damaged)


def test_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Cannot read"):
        read_ply(tmp_path / "none.ply")
    with pytest.raises(DataError, match="Cannot read"):
        read_ply(tmp_path)
    big = tmp_path / "big.ply"
    with open(big, "wb") as stream:
        stream.truncate(1 << 33)
    with pytest.raises(DataError, match="at most 256"):
        read_ply(big)
    with pytest.raises(OutputError, match="Cannot write"):
        write_ply(tmp_path / "no" / "mesh.ply", MESH)
    path = write_ply(tmp_path / "mesh.ply", MESH)
    write_ply(path, MESH)
    assert sorted(os.listdir(tmp_path)) == ["big.ply", "mesh.ply"]
    assert np.array_equal(read_ply(path).faces, MESH.faces)
