"""`manifest.json` and avrec's own members, in packages that avrec wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from avrec.errors import DataError
from avrec.scene.manifest import FORMAT, FORMAT_VERSION
from avrec.scene.validate.archive import Archive
from avrec.scene.validate.report import AVREC, CONSUMERS, Finding, error, note, warning
from avrec.scene.validate.values import entry

__all__ = ["check_manifest"]

MANIFEST = "manifest.json"
_MAX_LISTED = 100_000


def check_manifest(document: Any, archive: Archive) -> Iterator[Finding]:
    """Findings about the parsed manifest, and about members that are not what it says."""
    if entry(document, "format") != FORMAT:
        yield note(AVREC, MANIFEST, "it is not avrec's", "Its hashes were not checked", "Nothing to do")
        return
    if document.get("format_version") != FORMAT_VERSION:
        found = f"the format version is {str(document.get('format_version'))[:20]}, not {FORMAT_VERSION}"
        yield error(AVREC, f"{MANIFEST}: format_version", found, "This avrec cannot open the scene", "Update avrec")
    members = document.get("members")
    if not isinstance(members, dict):
        yield error(
            AVREC, f"{MANIFEST}: members", "they are missing", "Nothing can be verified", "Save the scene again"
        )
        return
    changed, lost = [], []
    # Members that share their bytes would be read again and again.
    honest = sum(member.packed for member in archive.members.values()) <= archive.total
    for name, listed in list(members.items())[:_MAX_LISTED] if honest else ():
        if name not in archive.members:
            lost.append(name)
        elif _sha256(archive, name) != entry(listed, "sha256"):
            changed.append(name)
    if lost:
        found = f"{', '.join(lost[:5])} is gone since the scene was saved"
        yield error(AVREC, f"{MANIFEST}: members", found, "The scene cannot be opened as it was", "Save it again")
    own = [name for name in changed if name.startswith("avrec/") or name == "map.xodr"]
    if own:
        why = "avrec refuses members that are not what was saved"
        yield error(AVREC, ", ".join(own[:5]), "it was changed since the scene was saved", why, "Save the scene again")
    foreign = [name for name in changed if name not in own]
    if foreign:
        found = "it was changed since the scene was saved"
        why = "Simulators see something else than avrec does"
        yield warning((*CONSUMERS, *AVREC), ", ".join(foreign[:5]), found, why, "Save the scene again")
    added = [name for name in archive.members if name not in members and name != MANIFEST]
    if added:
        found = "it was added since the scene was saved"
        yield note(AVREC, ", ".join(added[:5]), found, "`Scene.save` will not write it again", "Keep a copy")
    if entry(document, "georeference", "placeholder") is True:
        where = f"{MANIFEST}: georeference"
        why = "T_world_base and the map lie in the Gulf of Guinea; relative positions are right"
        yield note(CONSUMERS, where, "the place on Earth is a placeholder", why, "Give the recording a GPS position")


def _sha256(archive: Archive, name: str) -> str:
    digest = hashlib.sha256()
    try:
        for piece in archive.pieces(name):
            digest.update(piece)
    except DataError:
        return ""
    return digest.hexdigest()
