"""The archive itself: what OpenUSD's reader and the other consumers take, and what no honest package has."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import PurePosixPath

from avrec.errors import DataError
from avrec.scene.validate.archive import Archive, Entry
from avrec.scene.validate.report import CONSUMERS, Finding, error, note, warning

__all__ = ["check_archive"]

_MAX_BYTES = 0xFFFF_FFFF
_USD = (".usda", ".usdc", ".usd")
_KNOWN = {
    "volume.nurec",
    "mesh.ply",
    "mesh_ground.ply",
    "rig_trajectories.json",
    "sequence_tracks.json",
    "checkpoint.ckpt",
    "metadata.yaml",
    "data_info.json",
    "pose_record.json",
    "parsed_config.yaml",
    "datasource_summary.json",
    "map.xodr",
    "manifest.json",
    "labels.json",
}
_KNOWN_FOLDERS = {"avrec", "clipgt", "map_data", "fastmap", "external_assets", "textures"}
_KNOWN_SUFFIXES = (*_USD, ".nurec", ".png", ".jpg", ".jpeg", ".exr", ".avif", ".m4a", ".mp3", ".wav")
_REPACK = "Write the package again with stored, 64-byte aligned members (`Scene.save`, or `usdzip`)"
_USD_READER = "OpenUSD's reader, and so Isaac Sim, opens stored members below 4 GiB only"


def check_archive(archive: Archive) -> Iterator[Finding]:
    """Findings about names, order, storage and integrity."""
    entries = archive.entries
    yield from _names(entries)
    yield from _storage(archive, entries)
    yield from _order(entries)
    damaged = [entry.name for entry in entries if entry.payload is None]
    if damaged:
        yield error(
            CONSUMERS,
            _listed(damaged),
            "the member's local header is missing, says another name or points outside the file",
            "Readers take one or the other header and see different packages, or none",
            "Fetch the file once more, or write it again",
        )
    yield from _overlaps(entries)
    yield from _checksums(archive)
    unknown = [entry.name for entry in entries if not _known(entry.name)]
    if unknown:
        yield note(
            CONSUMERS,
            _listed(unknown),
            f"{_count(len(unknown), 'member')} that no consumer of scene files looks for",
            "It is carried along unread",
            "Leave it out if it is not meant",
        )


def _names(entries: Sequence[Entry]) -> Iterator[Finding]:
    leaving = [entry.name for entry in entries if _leaves(entry.name)]
    if leaving:
        yield error(
            CONSUMERS,
            _listed(leaving),
            "the name leads out of the package, or is no plain path",
            "Extracting such a package overwrites files elsewhere; careful readers refuse it",
            "Do not extract this file; ask where it comes from",
        )
    twice = [name for name, count in Counter(entry.name for entry in entries).items() if count > 1]
    if twice:
        yield error(
            CONSUMERS,
            _listed(twice),
            "the package holds this name more than once",
            "Some readers take the first one, others the last one",
            _REPACK,
        )


def _leaves(name: str) -> bool:
    parts = PurePosixPath(name).parts
    odd = any(char in name for char in "\\:\ufffd") or not name.isprintable() or len(name) > 512
    return odd or not parts or any(part in ("..", "/", "//") for part in parts)


def _storage(archive: Archive, entries: Sequence[Entry]) -> Iterator[Finding]:
    isaac = ("isaac",)
    packed = [entry.name for entry in entries if entry.method != 0]
    if packed:
        yield error(isaac, _listed(packed), "the member is compressed", _USD_READER, _REPACK)
    locked = [entry.name for entry in entries if entry.flags & 1]
    if locked:
        yield error(CONSUMERS, _listed(locked), "the member is encrypted", "No consumer knows a password", _REPACK)
    described = [entry.name for entry in entries if entry.flags & 8]
    if described:
        why = "OpenUSD's reader takes sizes from the local headers, where such members have none"
        yield error(isaac, _listed(described), "the member has a data descriptor", why, _REPACK)
    large = [entry.name for entry in entries if entry.zip64 or entry.size >= _MAX_BYTES]
    if large or archive.zip64 or archive.total >= _MAX_BYTES:
        where = _listed(large) if large else "package"
        yield error(
            isaac, where, "the package is ZIP64 or larger than 4 GiB", _USD_READER, "Reconstruct with fewer Gaussians"
        )
    stray = [entry.name for entry in entries if entry.payload is not None and entry.payload % 64]
    if stray:
        yield warning(
            isaac,
            _listed(stray),
            f"{_count(len(stray), 'member')} not aligned to 64 bytes",
            "The USDZ rules ask for it; readers that map the file into memory need it",
            _REPACK,
        )


def _order(entries: Sequence[Entry]) -> Iterator[Finding]:
    if not entries:
        yield error(CONSUMERS, "package", "the package is empty", "There is nothing to open", "Write it again")
        return
    first = min(entries, key=lambda entry: entry.header).name
    if entries[0].name != first:
        first_listed = f"{entries[0].name} is listed first, but {first} comes first in the file"
        yield warning(("isaac",), "package", first_listed, "Readers disagree on the root layer", _REPACK)
    if not entries[0].name.endswith(_USD):
        yield error(
            ("isaac",),
            entries[0].name,
            "the first member is no USD layer",
            "OpenUSD opens the first member as the stage, whatever else the package holds",
            "Write default.usda first",
        )
    elif entries[0].name != "default.usda":
        yield warning(
            ("isaac",),
            entries[0].name,
            "the first member is not default.usda",
            "NuRec tools look for the root layer under this name",
            "Name the root layer default.usda",
        )


def _overlaps(entries: Sequence[Entry]) -> Iterator[Finding]:
    spans = sorted((entry.header, entry.payload + entry.packed, entry.name) for entry in entries if entry.payload)
    shared = [two[2] for one, two in pairwise(spans) if one[1] > two[0]]
    if shared:
        yield error(
            CONSUMERS,
            _listed(shared),
            "the member shares its bytes with another one",
            "This is how archives are made that unpack to far more than their size",
            "Do not use this file; ask where it comes from",
        )


def _checksums(archive: Archive) -> Iterator[Finding]:
    wrong = []
    stored = {name: entry for name, entry in archive.members.items() if entry.method == 0}
    if sum(entry.packed for entry in stored.values()) > archive.total:
        return  # members that share their bytes, which is said already: reading each could take for ever
    for name, entry in stored.items():
        crc, size = 0, 0
        try:
            for piece in archive.pieces(name):
                crc, size = zlib.crc32(piece, crc), size + len(piece)
        except DataError:
            crc = ~entry.crc
        if (crc, size) != (entry.crc, entry.size):
            wrong.append(name)
    if wrong:
        yield error(
            CONSUMERS,
            _listed(wrong),
            "the content does not match its checksum or its size",
            "The member is damaged",
            "Fetch the file once more",
        )


def _known(name: str) -> bool:
    top = PurePosixPath(name).parts[:1]
    return name in _KNOWN or bool({*top} & _KNOWN_FOLDERS) or name.endswith((*_KNOWN_SUFFIXES, "/"))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + (" is" if number == 1 else "s are")


def _listed(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    text = ", ".join(name[:60] for name in names[:4])
    return text if len(names) <= 4 else f"{text} and {len(names) - 4} more"
