"""The USD layers as text, where they are text: what a NuRec reader looks for. OpenUSD's own view is `check_stage`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from avrec.errors import DataError
from avrec.scene.validate.archive import Archive
from avrec.scene.validate.report import Finding, error, note, warning

__all__ = ["check_layers"]

_ISAAC = ("isaac",)
_MAX_TEXT = 16 << 20
_MAX_LAYERS = 200
_ASSET = re.compile(r"@@@([^\n]{1,400}?)@@@|@([^@\n]{1,400})@")
_BINARY = b"PXR-USDC"
_NUMBER = r"([-+0-9.eEinfa]+)"
_MATRIX = re.compile(r"xformOp:transform\s*=\s*\(([^\n]{1,600})\)")


def check_layers(archive: Archive) -> Iterator[Finding]:
    """Findings about all layers of the package."""
    names = [name for name in archive.members if PurePosixPath(name).suffix in (".usda", ".usdc", ".usd")]
    if not names:
        why = "Isaac Sim opens a package through its USD layer"
        yield error(_ISAAC, "default.usda", "the package holds no USD layer", why, "Write default.usda first")
        return
    for name in names[:_MAX_LAYERS]:
        try:
            data = archive.read(name, limit=_MAX_TEXT)
        except DataError as reason:
            data = b"".join(_head(archive, name))
            if not data.startswith(_BINARY):
                yield note(_ISAAC, name, str(reason)[:200], "The layer was not looked into", "Check it with usdchecker")
                continue
        if data.startswith(_BINARY):
            continue
        if not data.startswith(b"#usda 1."):
            found = "it is neither a USD text nor a USD crate file"
            yield error(_ISAAC, name, found, "OpenUSD refuses the layer", "Export it again")
            continue
        text = data.decode("utf-8", "replace")
        yield from _assets(archive, name, text)
        if "omni:nurec:isNuRecVolume" in text:
            yield from _volume(archive, name, text)
        if name == names[0]:
            yield from _root(name, text)


def _head(archive: Archive, name: str) -> Iterator[bytes]:
    try:
        for piece in archive.pieces(name):
            yield piece
            return
    except DataError:
        return


def _root(name: str, text: str) -> Iterator[Finding]:
    head = text[: text.find("\ndef ") if "\ndef " in text else 20_000]
    if "defaultPrim" not in head:
        why = "A stage that references this package finds no prim in it"
        yield warning(_ISAAC, name, "there is no defaultPrim", why, 'Write defaultPrim = "World"')
    axis = re.search(r'upAxis\s*=\s*"(\w)"', head)
    if axis is None or axis[1] != "Z":
        found = "the up axis is not said" if axis is None else f"the up axis is {axis[1]}"
        yield warning(_ISAAC, name, found, "NuRec scenes have z up; this one lies on its side", 'Write upAxis = "Z"')
    unit = re.search(rf"metersPerUnit\s*=\s*{_NUMBER}", head)
    if unit is None or unit[1] not in ("1", "1.0"):
        found = "the unit is not said (centimetres then)" if unit is None else f"the unit is {unit[1][:20]} m"
        yield warning(_ISAAC, name, found, "Poses and meshes are in metres", "Write metersPerUnit = 1")


def _assets(archive: Archive, name: str, text: str) -> Iterator[Finding]:
    folder = PurePosixPath(name).parent
    for match in list(_ASSET.finditer(text))[:1000]:
        asset = (match[1] or match[2]).split(":SDF_FORMAT_ARGS:")[0]
        if "://" in asset or asset.startswith("/"):
            found = f"it refers to {asset[:80]!r} outside the package"
            yield warning(_ISAAC, name, found, "A package should hold all that it needs", "Put the file into it")
        elif _resolved(folder, asset) not in archive.members and asset not in archive.members:
            found = f"it refers to {asset[:80]!r}, which the package does not hold"
            yield error(_ISAAC, name, found, "The stage opens without that part", "Add the member or mend the path")


def _resolved(folder: PurePosixPath, asset: str) -> str:
    parts: list[str] = []
    for part in (folder / asset.split("[")[0]).parts:
        if part == "..":
            if not parts:
                return ""
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _volume(archive: Archive, name: str, text: str) -> Iterator[Finding]:
    where = f"{name}: Volume"
    remedy = "Save the scene with avrec, or see 3DGRUT's exporter"
    files = [asset for asset in re.findall(r"filePath\s*=\s*@([^@\n]+)@", text) if asset.endswith(".nurec")]
    if "OmniNuRecFieldAsset" not in text or not files:
        why = "Kit finds the Gaussians through a field asset"
        yield error(_ISAAC, where, "there is no OmniNuRecFieldAsset with a .nurec filePath", why, remedy)
    for role in ("density", "emissiveColor"):
        if f"field:{role}" not in text:
            yield error(_ISAAC, f"{where}.field:{role}", "it is missing", "The volume is not drawn without it", remedy)
    for matrix in _MATRIX.findall(text)[:100]:
        numbers = re.findall(r"[-+0-9.eE]+", matrix)
        if numbers and [_float(number) for number in numbers] != [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]:
            why = (
                "Readers disagree on the convention of any other transform; 3DGRUT writes offsets into the last column"
            )
            fix = "Move the Gaussians themselves and say so in world_to_nre"
            yield warning(_ISAAC, f"{where}.xformOp:transform", "it is not the identity", why, fix)
            break


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
