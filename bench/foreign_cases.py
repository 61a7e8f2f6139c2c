"""Files that Gaussians are read from, and ways to break them: what `bench.fuzz_foreign` and the tests feed to readers.

A case is a number: the same number gives the same bytes. Kinds that OpenUSD has to open cost a child process each.
"""

from __future__ import annotations

import gzip
import io
import random
import re
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from avrec.gaussians import Gaussians
from avrec.scene.foreign import export_gaussians

__all__ = ["FAST_KINDS", "STAGE_KINDS", "Seeds", "make_seeds", "mutated"]

Seeds = dict[str, bytes]
"""An intact file of each kind."""

FAST_KINDS = ("ply", "ascii.ply", "spz", "nurec", "composite.nurec", "avgc")
STAGE_KINDS = ("usda", "usdc", "usdz")

_ODD = (0, 1, 0x7F, 0xFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0x7FC0_0000, 0x7F80_0000, 0xFF80_0000, 0x4000_0000)
_NUMBERS = (
    b"0", b"-1", b"1e999", b"nan", b"inf", b"99999999999", b"4294967296", b"1000000", b"", b"x", b"0.5", b"1" * 400,
)  # fmt: skip
_WORDS = (
    b"list uchar int",
    b"float",
    b"uchar",
    b"double",
    b"vertex",
    b"end_header",
    b"format ascii 1.0",
    b"\x00",
    b"[",
    b"(",
)


def make_seeds(degree: int = 1, count: int = 60, seed: int = 0) -> Seeds:
    """One intact file of each kind, from the same random cloud."""
    rng = np.random.default_rng(seed)
    packed = rng.standard_normal((count, 11 + 3 * (degree + 1) ** 2)).astype(np.float32)
    packed[:, 11:] *= 0.2
    cloud = Gaussians(packed)
    seeds: Seeds = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, name in {"ply": "a.ply", "spz": "a.spz", "nurec": "a.nurec", "avgc": "a.avgc"}.items():
            export_gaussians(cloud, Path(folder) / name)
            seeds[kind] = (Path(folder) / name).read_bytes()
        for name in ("a.usda", "a.usdc", "a.usdz"):
            export_gaussians(cloud, Path(folder) / name, "nurec" if name == "a.usdz" else None)
            seeds[name[2:]] = (Path(folder) / name).read_bytes()
    seeds["ascii.ply"] = _ascii_ply(seeds["ply"], cloud)
    seeds["composite.nurec"] = _composite(cloud)
    return seeds


def mutated(seeds: Seeds, kind: str, number: int) -> bytes:
    """Case ``number`` of a kind: its intact file, broken in one of many ways."""
    rng = random.Random(f"{kind} {number}")
    data = seeds[kind]
    ways: list[Callable[[bytes, random.Random], bytes]] = [_bits, _cut, _words, _shuffled]
    if kind in ("spz", "nurec", "composite.nurec", "avgc"):
        ways += [_inner(way, kind) for way in (_bits, _cut, _words, _words)] + [_inner(_bomb, kind)]
    if kind.endswith("nurec"):
        ways += [_document] * 8
    if kind.endswith("ply"):
        ways += [_header_text] * 6
    if kind == "usda":
        ways = [_bits, _cut, *[_text] * 6]
    if kind == "usdz":
        ways += [_member] * 5
    return rng.choice(ways)(data, rng)


def _bits(data: bytes, rng: random.Random) -> bytes:
    broken = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64)) if broken else 0):
        broken[rng.randrange(len(broken)) if rng.random() < 0.5 else rng.randrange(min(len(broken), 200))] ^= (
            1 << rng.randrange(8)
        )
    return bytes(broken)


def _cut(data: bytes, rng: random.Random) -> bytes:
    place = rng.choice((rng.randrange(len(data) + 1), rng.randrange(min(len(data), 64) + 1), len(data) - 1))
    return data[:place] + rng.choice((b"", b"", b"\x00" * 300, rng.randbytes(300)))


def _words(data: bytes, rng: random.Random) -> bytes:
    """Numbers that readers trip over, in place of four bytes."""
    broken = bytearray(data)
    for _ in range(rng.choice((1, 2, 6))):
        place = rng.choice((rng.randrange(max(len(data) - 4, 1)), 4 * rng.randrange(max(min(len(data), 128) // 4, 1))))
        broken[place : place + 4] = struct.pack(rng.choice("<>") + "I", rng.choice(_ODD))
    return bytes(broken)


def _shuffled(data: bytes, rng: random.Random) -> bytes:
    """A piece of the file twice, or moved."""
    start, end, place = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return data[:place] + data[start:end] + data[place if rng.random() < 0.5 else end :]


def _bomb(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))] + bytes(rng.choice((1 << 20, 64 << 20)))


def _inner(way: Callable[[bytes, random.Random], bytes], kind: str) -> Callable[[bytes, random.Random], bytes]:
    """The same to what is compressed."""

    def broken(data: bytes, rng: random.Random) -> bytes:
        head = 40 if kind == "avgc" else 0
        return data[:head] + gzip.compress(way(gzip.decompress(data[head:]), rng), 1)

    return broken


def _document(data: bytes, rng: random.Random) -> bytes:
    """A volume whose msgpack is sound and whose content is not."""
    document = msgpack.unpackb(gzip.decompress(data))
    state = document["nre_data"]["state_dict"]
    for _ in range(rng.choice((1, 1, 3))):
        key = rng.choice(list(state))
        odd: list[Any] = [
            None, -1, 2**63 - 1, 1.5, "text", b"", [], {}, [0], [1 << 40, 1 << 40], [-1, 3], [3, 0], [[1]], [1.0, 2],
            rng.randbytes(rng.randrange(400)), [2] * 40, [0, 1 << 39], float("nan"), {"obj_track_ids": {"rigid": [1]}},
        ]  # fmt: skip
        action = rng.randrange(4)
        if action == 0:
            del state[key]
        elif action == 1:
            state[f"{key}{rng.choice(('.shape', 'x', ''))}"] = rng.choice(odd)
        elif action == 2:
            state[key] = rng.choice(odd)
        else:
            nested: Any = 0
            for _ in range(rng.choice((40, 1000))):
                nested = [nested] if rng.random() < 0.5 else {"a": nested}
            try:
                packed = msgpack.packb({"nre_data": {"state_dict": nested}})
            except ValueError:  # too deep even for the packer
                packed = b"\x91" * 100_000
            return gzip.compress(packed + rng.choice((b"", b"\xdd\xff\xff\xff\xff" + b"\x80" * 2_000_000)), 1)
    return gzip.compress(msgpack.packb(document), 1)


def _header_text(data: bytes, rng: random.Random) -> bytes:
    end = data.index(b"end_header")
    return _text(data[:end], rng) + data[end:]


def _text(data: bytes, rng: random.Random) -> bytes:
    """Numbers and words of a text replaced, lines lost, twice or swapped."""
    for _ in range(rng.choice((1, 1, 2, 5))):
        action = rng.randrange(4)
        if action == 0:
            found = list(re.finditer(rb"-?\d[\d.e+-]*", data))
            data = _replaced(data, rng.choice(found).span(), rng.choice(_NUMBERS)) if found else data
        elif action == 1:
            found = list(re.finditer(rb"[a-z_]\w+", data))
            data = _replaced(data, rng.choice(found).span(), rng.choice(_WORDS)) if found else data
        else:
            lines = data.split(b"\n")
            first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[first] = lines[second] if action == 2 else lines[first] * rng.choice((0, 2, 50))
            data = b"\n".join(lines)
    return data


def _replaced(data: bytes, span: tuple[int, int], new: bytes) -> bytes:
    return data[: span[0]] + new + data[span[1] :]


def _member(data: bytes, rng: random.Random) -> bytes:
    """A sound archive with a broken member, a missing one, or one more."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    action = rng.randrange(4)
    if action == 0:
        del members[name]
    elif action == 1:
        members[rng.choice(("../a.nurec", "/etc/a.usda", "a\\b", "x" * 600, "rig_trajectories.json"))] = members[name]
    else:
        members[name] = (_text if name.endswith("usda") else rng.choice((_bits, _cut, _words)))(members[name], rng)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED if rng.random() < 0.05 else zipfile.ZIP_STORED) as archive:
        for key, value in members.items():
            archive.writestr(key, value)
    return packed.getvalue()


def _ascii_ply(binary: bytes, cloud: Gaussians) -> bytes:
    header = binary[: binary.index(b"end_header\n") + 11].replace(b"binary_little_endian", b"ascii")
    columns = header.count(b"property")
    rows = np.frombuffer(binary, "<f4", offset=len(header) - len(b"ascii") + len(b"binary_little_endian"))
    table = rows.reshape(len(cloud), columns)
    return header + b"".join(b" ".join(b"%r" % float(value) for value in row) + b"\n" for row in table)


def _composite(cloud: Gaussians) -> bytes:
    """A volume with the layers of an automotive scene, small."""
    half = cloud.packed.astype("<f2")
    count = len(cloud)
    state: dict[str, Any] = {"._extra_state": {"obj_track_ids": {"rigid": ["7@a", "9@a"], "background": []}}}

    def add(key: str, values: np.ndarray[Any, Any]) -> None:
        state[key], state[f"{key}.shape"] = values.tobytes(), list(values.shape)

    for layer in ("background", "road", "rigid"):
        prefix = f".gaussians_nodes.{layer}."
        for name, columns in {
            "positions": (0, 3),
            "rotations": (3, 7),
            "scales": (7, 10),
            "densities": (10, 11),
        }.items():
            add(prefix + name, np.ascontiguousarray(half[:, slice(*columns)]))
        albedo = np.ascontiguousarray(half[:, 11:14])
        add(f"{prefix}features_albedo", albedo if layer == "road" else np.stack([albedo, albedo * 0], axis=1))
        add(f"{prefix}features_specular", np.zeros((count, 45), "<f2"))
        add(f"{prefix}n_active_features", np.array(3, "<i8"))
        add(f"{prefix}camera_extra_signal", np.zeros((count, 20), "<f2"))
    add(".gaussians_nodes.rigid.gaussian_cuboid_ids", (np.arange(count) % 2).astype("<i4"))
    add(".background.textures", np.full((1, 6, 2, 2, 3), 0.5, "<f2"))
    add(".tracks_calib.tracks_delta_q", np.zeros((2, 4), "<f4"))
    config = {"name": "gaussians-composite"}
    document = {"nre_data": {"version": "26.4.96", "model": "nre", "config": config, "state_dict": state}}
    return gzip.compress(msgpack.packb(document), 1)
