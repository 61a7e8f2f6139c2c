"""Files from anybody: each mistake and each attack is one DataError, and nothing else happens."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avrec.errors import DataError
from avrec.scene import Scene, scene_info
from avrec.scene.foreign import import_gaussians
from avrec.scene.package_writer import PackageWriter
from avrec.scene.validate import validate
from tests.scene.scenes import make_scene

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Members:
    path = tmp_path_factory.mktemp("good") / "good.usdz"
    make_scene(1, n=20, degree=0).save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def good_bytes(good: Members, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("bytes") / "good.usdz"
    make_scene(1, n=20, degree=0).save(path)
    return path.read_bytes()


def packed(path: Path, members: Members, *, honest: bool = True) -> Path:
    """Write members as a package; ``honest`` brings the manifest's hashes up to date, as an attacker would."""
    members = dict(members)
    if honest and "manifest.json" in members:
        manifest = json.loads(members["manifest.json"])
        for name, data in members.items():
            manifest["members"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        members["manifest.json"] = json.dumps(manifest).encode()
    with PackageWriter(path, overwrite=True) as package:
        for name, data in members.items():
            package.add(name, data)
    return path


def refuses(path: Path, said: str | None = None) -> None:
    with pytest.raises(DataError, match=said) as caught:
        Scene.open(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_the_helper_makes_good_packages(tmp_path: Path, good: Members) -> None:
    Scene.open(packed(tmp_path / "a.usdz", good))


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06", b"#usda 1.0\n", bytes(100), b"PK\x05\x06" + b"\xff" * 18])
def test_no_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.usdz").write_bytes(data)
    refuses(tmp_path / "a.usdz")


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    refuses(tmp_path / "a.usdz", "check the path")
    refuses(tmp_path, "not an ordinary file")


@pytest.mark.parametrize("read", [Scene.open, import_gaussians, scene_info, validate])
def test_a_pipe_and_a_device_are_no_files(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    """Opening a pipe would wait for somebody to write into it; a device has no end."""
    os.mkfifo(tmp_path / "pipe.usdz")
    (tmp_path / "zero.usdz").symlink_to("/dev/zero")
    for name in ("pipe.usdz", "zero.usdz"):
        with pytest.raises(DataError, match="ordinary file"):
            read(tmp_path / name)


@pytest.mark.parametrize("name", ["manifest.json", "avrec/scene.json", "avrec/static.npy", "avrec/sky.npy"])
def test_missing_members(tmp_path: Path, good: Members, name: str) -> None:
    less = {key: data for key, data in good.items() if key != name}
    refuses(packed(tmp_path / "a.usdz", less, honest=False), name)


@pytest.mark.parametrize("name", ["avrec/scene.json", "avrec/static.npy", "avrec/sky.npy", "avrec/actors/00000.npy"])
def test_a_changed_bit_is_noticed(tmp_path: Path, good: Members, name: str) -> None:
    data = bytearray(good[name])
    data[-2] ^= 1
    refuses(packed(tmp_path / "a.usdz", {**good, name: bytes(data)}, honest=False), "damaged")


def test_every_truncation(tmp_path: Path, good_bytes: bytes) -> None:
    path = tmp_path / "a.usdz"
    for size in range(0, len(good_bytes), 997):
        path.write_bytes(good_bytes[:size])
        refuses(path)


def test_random_damage(tmp_path: Path, good_bytes: bytes) -> None:
    """Either the damage lies in what avrec does not read, or it is one clear error."""
    rng = random.Random(0)
    path = tmp_path / "a.usdz"
    refused = 0
    for _ in range(400):
        data = bytearray(good_bytes)
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.3:  # aim at the directory and the end record
            data[-rng.randint(1, 900)] = rng.randrange(256)
        path.write_bytes(data)
        try:
            Scene.open(path)
        except DataError:
            refused += 1
    assert refused > 200
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.usdz"]


def test_random_damage_with_honest_hashes(tmp_path: Path, good: Members) -> None:
    rng = random.Random(1)
    names = ["avrec/scene.json", "avrec/static.npy", "manifest.json"]
    for _ in range(400):
        name = rng.choice(names)
        data = bytearray(good[name])
        head = len(data) if name.endswith("json") else 140
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(head)] = rng.choice(b'0123456789-.eE[]{},:"abn \x00\xff')
        honest = name != "manifest.json"
        try:
            Scene.open(packed(tmp_path / "a.usdz", {**good, name: bytes(data)}, honest=honest))
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_compressed_and_encrypted_and_double(tmp_path: Path, good: Members) -> None:
    path = tmp_path / "a.usdz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in good.items():
            archive.writestr(name, data)
    refuses(path, "compressed")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("default.usda", b"x" * (64 << 20), zipfile.ZIP_DEFLATED)  # a bomb that stays packed
    refuses(path, "compressed")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")
    refuses(path, "twice")
    data = bytearray(packed(path, good).read_bytes())
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    refuses(path, "encrypted")


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/passwd", "C:evil", "a\\..\\evil", "nul\x00", "line\nbreak", "x" * 600]
)
def test_names_that_leave_the_package(tmp_path: Path, name: str) -> None:
    stand_in = "N" * len(name)
    with zipfile.ZipFile(tmp_path / "a.usdz", "w") as archive:
        archive.writestr(stand_in, b"1")
    data = (tmp_path / "a.usdz").read_bytes().replace(stand_in.encode(), name.encode())
    (tmp_path / "a.usdz").write_bytes(data)
    refuses(tmp_path / "a.usdz", "not a plain path")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.usdz"]


def test_two_names_for_one_member(tmp_path: Path, good: Members) -> None:
    path = packed(tmp_path / "a.usdz", good)
    data = path.read_bytes()
    central = data.rfind(b"avrec/sky.npy")
    path.write_bytes(data[:central] + b"avrec/ska.npy" + data[central + 13 :])
    refuses(path, "two different names")


def test_directory_that_promises_too_much(tmp_path: Path, good_bytes: bytes) -> None:
    end = len(good_bytes) - 22
    for offset, form, value in [
        (10, "<H", 65_000),
        (12, "<I", 2**31),
        (16, "<I", 2**32 - 2),
        (16, "<I", 0),
        (4, "<H", 1),
    ]:
        data = bytearray(good_bytes)
        struct.pack_into(form, data, end + offset, value)
        if offset == 10:
            struct.pack_into(form, data, end + 8, value)
        (tmp_path / "a.usdz").write_bytes(data)
        refuses(tmp_path / "a.usdz")


def npy(header: str, payload: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + payload


def with_header(shape: Any, descr: str = "'<f4'", order: bool = False) -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


@pytest.mark.parametrize(
    "member",
    [
        b"",
        b"\x93NUMPY",
        npy(with_header("(2, 14)"), bytes(55)),
        npy(with_header("(2, 14)"), bytes(2 * 14 * 4 + 4)),
        npy(with_header("(10**9, 14)")),
        npy(with_header("(1000000000, 1000000000)")),
        npy(with_header("(-1, -14)"), bytes(56)),
        npy(with_header("(2.0, 14)"), bytes(112)),
        npy(with_header("(True, 14)"), bytes(56)),
        npy(with_header("(0, 9999999999999999999999)")),
        npy(with_header("(14,)"), bytes(56)),
        npy(with_header("(2, 13)"), bytes(104)),
        npy(with_header("()"), bytes(4)),
        npy(with_header("(1, 14)", order=True), bytes(56)),
        npy(with_header("(1, 14)", "'|O'"), bytes(56)),
        npy(with_header("(1, 14)", "'>f4'"), bytes(56)),
        npy(with_header("(1, 14)", "[('a', '<f4')]"), bytes(56)),
        npy(with_header("(1, 14)", "__import__('os').system('true')"), bytes(56)),
        npy("[" * 100 + "]" * 18),
        npy("{'shape': (1, 14)}", bytes(56)),
        npy(with_header("(1, 14)"), bytes(56), b"\x02\x00"),
        npy(with_header("(1, 14)"), bytes(56), b"\x09\x00"),
        npy(with_header("(1, 14)"), np.full(14, np.nan, "<f4").tobytes()),
        npy(with_header("(1, 14)"), np.full(14, -np.inf, "<f4").tobytes()),
    ],
)
def test_arrays_that_lie(tmp_path: Path, good: Members, member: bytes) -> None:
    path = packed(tmp_path / "a.usdz", {**good, "avrec/static.npy": member})
    tracemalloc.start()
    refuses(path, "static.npy")
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


def test_pickles_are_never_loaded(tmp_path: Path, good: Members) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], object), allow_pickle=True)
    refuses(packed(tmp_path / "a.usdz", {**good, "avrec/static.npy": buffer.getvalue()}))


def edit(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(record: Any) -> None:
        *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
        for step in steps:
            record = record[step]
        if value is ...:
            del record[last]
        else:
            record[last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        *(edit(key, ...) for key in ("name", "static", "ego", "tracks", "cameras", "format", "source", "sky")),
        *(edit(key, 5) for key in ("name", "static", "ego", "tracks", "cameras", "actors", "frames", "source", "sky")),
        edit("format", 99),
        edit("static", "avrec/none.npy"),
        edit("static", "../../etc/passwd"),
        edit("static", "avrec/sky.npy"),
        edit("sky", "avrec/static.npy"),
        edit("actors", {"ghost": "avrec/static.npy"}),
        edit("ego.timestamps_us", [3, 2, 1]),
        edit("ego.timestamps_us", [2**80]),
        edit("ego.timestamps_us", [1.5]),
        edit("ego.timestamps_us", [True]),
        edit("ego.timestamps_us", []),
        edit("ego.poses", [[0.0] * 16]),
        edit("ego.poses", [[1.0] * 3]),
        edit("ego.poses", [["a"] * 16]),
        edit("ego.poses", [[None] * 16]),
        edit("ego.poses", "text"),
        edit("tracks.0.size_m", [1, 2]),
        edit("tracks.0.id", 7),
        edit("tracks.0.id", "parked"),
        edit("tracks.0.world_from_box", {}),
        edit("tracks.0", None),
        edit("cameras.front.model", {"model": "no such lens"}),
        edit("cameras.front.model", {"model": ["list"]}),
        edit("cameras.front.model", []),
        edit("cameras.front.model.width", 10**9),
        edit("cameras.front.model.width", "wide"),
        edit("cameras.front.model.width", -1),
        edit("cameras.front.model.focal", None),
        edit("cameras.front.model.focal", [1e308, 1e-308]),
        edit("cameras.front.model.extra", 1),
        edit("cameras.front.rig_from_camera", [[1, 0], [0, 1]]),
        edit("cameras.front.rig_from_camera", [[1], [0, 1]]),
        edit("cameras.front.shutter", None),
        edit("cameras.front.shutter.direction", "sideways"),
        edit("cameras.front.shutter.readout_us", -1),
        edit("cameras.front.shutter.exposure_us", "long"),
        edit("cameras.front", ...),
        edit("appearance.front", [[1, 0, 0, 0]] * 4),
        edit("appearance.rear", [[1, 0, 0, 0]] * 3),
        edit("frames.front", [1, "2"]),
        edit("frames.front", 3),
        edit("held_out.front", [1]),
        edit("held_out.front", [True] * 99),
        edit("anchor", [1, 2, 3]),
        edit("anchor.latitude_deg", 1000),
        edit("anchor.latitude_deg", 10**400),
    ],
)
def test_records_that_lie(tmp_path: Path, good: Members, change: Callable[[dict[str, Any]], None]) -> None:
    record = json.loads(good["avrec/scene.json"])
    change(record)
    try:
        scene = Scene.open(packed(tmp_path / "a.usdz", {**good, "avrec/scene.json": json.dumps(record).encode()}))
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:  # only a lens may be odd and still a lens
        assert scene.cameras["front"].model.to_dict() == record["cameras"]["front"]["model"]


@pytest.mark.parametrize("name", ["avrec/scene.json", "manifest.json"])
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"format": NaN}',
        b'{"format": 1e999}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"[" + b"9" * 10_000 + b"]",
        b"[" + b"[]," * 2_000_000 + b"[]]",
    ],
    ids=lambda text: text[:12].decode("latin1"),
)
def test_json_from_anybody(tmp_path: Path, good: Members, name: str, text: bytes) -> None:
    honest = name != "manifest.json"
    path = packed(tmp_path / "a.usdz", {**good, name: text}, honest=honest)
    tracemalloc.start()
    refuses(path)
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


def test_json_larger_than_any_scene(tmp_path: Path, good: Members) -> None:
    huge = good["avrec/scene.json"] + b" " * (65 << 20)
    refuses(packed(tmp_path / "a.usdz", {**good, "avrec/scene.json": huge}), "more than")


@pytest.mark.parametrize("version", [2, "1", None, [1] * 1000])
def test_another_format_version(tmp_path: Path, good: Members, version: Any) -> None:
    manifest = {**json.loads(good["manifest.json"]), "format_version": version}
    refuses(packed(tmp_path / "a.usdz", {**good, "manifest.json": json.dumps(manifest).encode()}), "format version")


@pytest.mark.parametrize("members", [None, [], {}, {"avrec/scene.json": 3}, {"avrec/scene.json": {"sha256": None}}])
def test_manifest_without_hashes(tmp_path: Path, good: Members, members: Any) -> None:
    manifest = {**json.loads(good["manifest.json"]), "members": members}
    path = packed(tmp_path / "a.usdz", {**good, "manifest.json": json.dumps(manifest).encode()}, honest=False)
    refuses(path, "manifest")


def test_foreign_package(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.usdz", "w") as archive:
        archive.writestr("default.usda", b"#usda 1.0\n")
    refuses(tmp_path / "a.usdz", "not a scene saved by avrec")
