"""Damaged and hostile scene files, one for each number: for the fuzz test and its long version."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack

__all__ = ["MUTATIONS", "good_members", "mutate"]

Members = dict[str, bytes]
Mutation = Callable[[random.Random, Members], bytes]

_JSON = (
    "rig_trajectories.json",
    "sequence_tracks.json",
    "data_info.json",
    "datasource_summary.json",
    "avrec/scene.json",
    "manifest.json",
)
_TEXT = (*_JSON, "metadata.yaml", "map.xodr", "default.usda", "gauss.usda")
_ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, float("nan"), float("inf"), -float("inf"), 2**63, 10**400, "", "x" * 300, "\ud800", [],
    {}, [[]], [None], "../../etc/passwd", "avrec/static.npy", 1.5, "7", [1] * 3, [[0.0] * 4] * 4, {"a": {"b": 1}},
    -2**63,
)  # fmt: skip
_NAMES = (
    "../../evil",
    "/etc/passwd",
    "a\\..\\b",
    "C:evil",
    "nul\x00",
    "x" * 70_000,
    "",
    "default.usda",
    "\u202e",
    "a/../../b",
)


def good_members(path: Path) -> Members:
    """Content of a package by member."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def mutate(number: int, members: Members) -> bytes:
    """The archive of a number, always the same for the same members."""
    rng = random.Random(number)
    return MUTATIONS[number % len(MUTATIONS)](rng, dict(members))


def packed(members: Members, *, honest: bool = True) -> bytes:
    """Stored members; ``honest`` brings the manifest's hashes up to date, as an attacker would."""
    if honest and "manifest.json" in members:
        import hashlib

        try:
            manifest = json.loads(members["manifest.json"])
            manifest["members"] = {
                name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
                for name, data in members.items()
                if name != "manifest.json"
            }
            members["manifest.json"] = json.dumps(manifest).encode()
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return stream.getvalue()


def _bit_flips(rng: random.Random, members: Members) -> bytes:
    data = bytearray(packed(members))
    start = rng.choice([0, 0, max(0, len(data) - 3000)])  # the directory is at the end
    for _ in range(rng.choice([1, 2, 8, 64])):
        data[rng.randrange(start, len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _truncation(rng: random.Random, members: Members) -> bytes:
    data = packed(members)
    return rng.choice([data[: rng.randrange(len(data))], data[rng.randrange(len(data)) :], data + rng.randbytes(50)])


def _splice(rng: random.Random, members: Members) -> bytes:
    data = bytearray(packed(members))
    a, b, c = sorted(rng.randrange(len(data)) for _ in range(3))
    return bytes(rng.choice([data[:a] + data[b:], data[:b] + data[a:], data[:a] + data[b:c] + data[a:b] + data[c:]]))


def _json_values(rng: random.Random, members: Members) -> bytes:
    name = rng.choice(_JSON)
    record = json.loads(members[name])
    for _ in range(rng.choice([1, 1, 3])):
        place, steps = record, 0
        while isinstance(place, dict | list) and place and (steps < 1 or rng.random() < 0.85):
            key: Any = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
            steps += 1
            parent, place = place, place[key]
        if steps:
            parent[key] = rng.choice(_ODD)
            if isinstance(parent, dict) and rng.random() < 0.3:
                del parent[key]
    members[name] = json.dumps(record).encode("ascii", "replace")
    return packed(members)


def _json_depth(rng: random.Random, members: Members) -> bytes:
    depth = rng.choice([50, 1000, 100_000])
    members[rng.choice(_JSON)] = rng.choice(
        [
            b"[" * depth,
            b'{"a":' * depth,
            b"[" * depth + b"]" * depth,
            b'{"rig_trajectories":' + b"[" * depth + b"]" * depth + b"}",
            b"[" + b"9" * 5000 + b"]",
            b"\xff\xfe\x00",
            b"[" + b"[]," * 300_000 + b"[]]",
        ]
    )
    return packed(members)


def _text_noise(rng: random.Random, members: Members) -> bytes:
    name = rng.choice(_TEXT)
    data = bytearray(members[name])
    for _ in range(rng.choice([1, 3, 20])):
        data[rng.randrange(len(data))] = rng.choice(b'0123456789-.eE[]{},:"@()=<>&!* abn\x00\xff\n')
    members[name] = bytes(data)
    return packed(members)


def _arrays(rng: random.Random, members: Members) -> bytes:
    name = rng.choice([name for name in members if name.endswith(".npy")])
    data = bytearray(members[name])
    choice = rng.randrange(3)
    if choice == 0:
        shape = rng.choice(
            ["(1000000000, 59)", "(-1, -1)", "(0, 9999999999999)", "(1e3,)", "()", "(2,)*9", "(True, 14)"]
        )
        header = f"{{'descr': '{rng.choice(['<f4', '<f8', '|O', '<i4'])}', 'fortran_order': False, 'shape': {shape}, }}"
        data[10:128] = header.encode().ljust(117)[:117] + b"\n"
    elif choice == 1:
        data[128:] = struct.pack("<f", rng.choice([float("nan"), float("inf"), 3e38, 1e-40])) * ((len(data) - 128) // 4)
    else:
        for _ in range(5):
            data[rng.randrange(min(len(data), 140))] = rng.randrange(256)
    members[name] = bytes(data)
    return packed(members)


def _volume(rng: random.Random, members: Members) -> bytes:
    document = gzip.decompress(members["volume.nurec"])
    choice = rng.randrange(5)
    if choice == 0:
        state = msgpack.unpackb(document)
        tensors = state["nre_data"]["state_dict"]
        key = rng.choice(list(tensors))
        tensors[key] = rng.choice([b"", b"x" * 7, [10**9, 10**9], [-1], [2**63], [True], "text", None, [[1]], 5])
        document = msgpack.packb(state)
    elif choice == 1:
        data = bytearray(document)
        for _ in range(rng.choice([1, 5, 30])):
            data[rng.randrange(min(len(data), rng.choice([200, 3000, len(data)])))] = rng.randrange(256)
        document = bytes(data)
    elif choice == 2:
        document = rng.choice(
            [b"\x91" * 100_000 + b"\xc0", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdd" * 99]
        )
    elif choice == 3:
        document = bytes(200 << 20) if rng.random() < 0.05 else bytes(8 << 20)
    packed_volume = gzip.compress(document, rng.choice([0, 1]) if choice != 3 else 9)
    if choice == 4:
        packed_volume = packed_volume[: rng.randrange(len(packed_volume))]
    members["volume.nurec"] = packed_volume
    return packed(members)


def _names(rng: random.Random, members: Members) -> bytes:
    stand_in = "N" * len(name.encode()) if (name := rng.choice(_NAMES)) else "N"
    if len(stand_in) > 60_000:
        stand_in = stand_in[:60_000]
    members = {**members, stand_in: b"1"}
    data = packed(members)
    encoded = name.encode("utf-8", "replace")[: len(stand_in)].ljust(len(stand_in), b"\x00")
    return (
        data.replace(stand_in.encode(), encoded) if rng.random() < 0.8 else data.replace(stand_in.encode(), encoded, 1)
    )


def _directory(rng: random.Random, members: Members) -> bytes:
    """Lies in the central directory and the end record."""
    data = bytearray(packed(members))
    end = data.rfind(b"PK\x05\x06")
    for _ in range(rng.choice([1, 2, 4])):
        if rng.random() < 0.3:
            offset, form = rng.choice([(8, "<H"), (10, "<H"), (12, "<I"), (16, "<I"), (20, "<H")])
            struct.pack_into(
                form, data, end + offset, rng.choice([0, 1, 0xFFFF, 0x7FFF]) if form == "<H" else _u32(rng)
            )
            continue
        entries = [place for place in range(len(data)) if data[place : place + 4] == b"PK\x01\x02"]
        if not entries:
            break
        entry = rng.choice(entries)
        offset, form = rng.choice(
            [(8, "<H"), (10, "<H"), (16, "<I"), (20, "<I"), (24, "<I"), (28, "<H"), (30, "<H"), (42, "<I")]
        )
        struct.pack_into(form, data, entry + offset, rng.choice([0, 1, 8, 9, 0xFFFF]) if form == "<H" else _u32(rng))
    return bytes(data)


def _u32(rng: random.Random) -> int:
    return rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF, rng.randrange(2**32), rng.randrange(100_000)])


def _bombs(rng: random.Random, members: Members) -> bytes:
    """Members that inflate to far more than the file, or share their bytes with others."""
    if rng.random() < 0.5:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            target = rng.choice(list(members))
            for name, data in members.items():
                archive.writestr(name, data if name != target else bytes(rng.choice([1, 40]) << 20))
        lie = bytearray(stream.getvalue())
        if rng.random() < 0.5:
            struct.pack_into("<I", lie, lie.find(b"PK\x01\x02") + 24, _u32(rng))
        return bytes(lie)
    payload = bytes(200_000)
    local = struct.pack(
        "<4sHHHHHIIIHH", b"PK\x03\x04", 10, 0, 0, 0, 33, zlib.crc32(payload), len(payload), len(payload), 1, 0
    )
    body, central = local + b"a" + payload, b""
    count = rng.choice([3, 2000])
    for number in range(count):
        label = b"a" if number % 2 else f"n{number}".encode()
        central += struct.pack(
            "<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 10, 10, 0, 0, 0, 33, zlib.crc32(payload), len(payload), len(payload),
            len(label), 0, 0, 0, 0, 0, 0,
        ) + label  # fmt: skip
    return body + central + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(central), len(body), 0)


def _meshes(rng: random.Random, members: Members) -> bytes:
    name = rng.choice(["mesh.ply", "mesh_ground.ply"])
    data = members[name]
    count = rng.choice([b"0", b"1", b"4000000000", b"99999999999", b"-1", b"nan"])
    members[name] = rng.choice(
        [
            data.replace(b"element vertex ", b"element vertex " + count + b"\ncomment ", 1),
            data.replace(b"element face ", b"element face " + count + b"\ncomment ", 1),
            data.replace(b"property float x", b"property list uchar float x", 1),
            data.replace(b"binary_little_endian", b"ascii", 1),
            data[: rng.randrange(len(data))],
            data[:400] + struct.pack("<f", float("nan")) * (len(data[400:]) // 4),
            data[: len(data) // 2] + rng.randbytes(len(data) // 2),
        ]
    )
    return packed(members)


def _maps(rng: random.Random, members: Members) -> bytes:
    data = members["map.xodr"]
    value = rng.choice([b"nan", b"inf", b"1e308", b"-1", b"9999999", b"", b"1e-300", b"0"])
    members["map.xodr"] = rng.choice(
        [
            b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><OpenDRIVE>&b;</OpenDRIVE>',
            b'<!DOCTYPE a [<!ENTITY b "'
            + b"x" * 1000
            + b'"><!ENTITY c "'
            + b"&b;" * 1000
            + b'">]><OpenDRIVE>&c;</OpenDRIVE>',
            b"<OpenDRIVE>" + b"<a>" * rng.choice([200, 100_000]),
            b"<OpenDRIVE>" * 5000 + b"</OpenDRIVE>" * 5000,
            data.replace(b'length="200"', b'length="' + value + b'"'),
            data.replace(b'x="-50"', b'x="' + value + b'"'),
            data.replace(b'a="3.5"', b'a="' + value + b'"'),
            data.replace(b"+lat_0=49", rng.choice([b"+lat_0=4e9", b"+lat_0=nan", b"+lat_0=", b"+lat_0=+lat_0="])),
            data.replace(b"<line/>", rng.choice([b'<arc curvature="1e9"/>', b"<spiral/>", b"<poly3/>", b""])),
        ]
    )
    return packed(members)


def _yaml(rng: random.Random, members: Members) -> bytes:
    members["metadata.yaml"] = rng.choice(
        [
            b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n",
            b"!!python/object/apply:os.system ['touch /tmp/evil']\n",
            b"scene_id: !!binary aGk=\nuuid: 2026-01-01\n",
            b"[" * 5000,
            b"? " * 3000 + b"a",
            b"a: b: c",
            b"\x00\x01",
            b"scene_id: [1]\nsensors: 3\ntime_range: [a]\nlogger: x\n",
            b"- " * 2000 + b"x",
            members["metadata.yaml"].replace(b"start: ", b"start: .nan # "),
        ]
    )
    return packed(members)


def _shuffle(rng: random.Random, members: Members) -> bytes:
    """Members missing, swapped or under another's name."""
    names = list(members)
    for _ in range(rng.choice([1, 3])):
        one, two = rng.choice(names), rng.choice(names)
        if rng.random() < 0.4:
            members.pop(one, None)
        elif one in members and two in members:
            members[one], members[two] = members[two], members[one]
    return packed(members, honest=rng.random() < 0.8)


MUTATIONS: tuple[Mutation, ...] = (
    _bit_flips,
    _json_values,
    _truncation,
    _volume,
    _directory,
    _arrays,
    _json_values,
    _text_noise,
    _names,
    _maps,
    _bombs,
    _meshes,
    _yaml,
    _shuffle,
    _splice,
    _json_depth,
)
"""Numbers take them in turn."""
