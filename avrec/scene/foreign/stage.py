"""Gaussians of a USD stage: particle fields and NuRec volumes, read in a child process."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.files import open_to_read
from avrec.gaussians import Gaussians, degree_for_coefficients
from avrec.scene.foreign.child import load_array, run_child
from avrec.scene.foreign.cleaning import MAX_GAUSSIANS, Notes, cleaned, logit, report
from avrec.scene.foreign.files import problem
from avrec.scene.foreign.imported import ImportedCloud
from avrec.scene.foreign.similarity import transformed

__all__ = ["VolumeReader", "read_particlefield", "read_stage"]

Float64 = NDArray[np.float64]

VolumeReader = Callable[[str], ImportedCloud]
"""Reads the volume that a stage names by a path."""

_WORKER = Path(__file__).with_name("usd_worker.py")
_ENDINGS = {b"#usda": (".usda", ".usd"), b"PXR-USDC": (".usdc", ".usd"), b"PK": (".usdz",)}
_FREE_BYTES = 256 << 20
_BYTES_PER_BYTE = 64
_WIDTHS = {"positions": 3, "orientations": 4, "scales": 3, "opacities": 1, "harmonics": 3}


def read_particlefield(path: str | Path, notes: Notes | None = None) -> Gaussians:
    """Read all ParticleField3DGaussianSplat prims of a USD stage (usd, usda, usdc or usdz) as one cloud.

    Prims are placed by their transforms; where the stage names its up axis and unit, the result is z up in metres.
    Attributes that change over time are taken at their first time.

    Args:
        path: the file.
        notes: receives what was repaired, assumed or left out; without it that is logged.

    Raises:
        DataError: no such file, not a stage, without Gaussians, damaged, or more than the child process may hold.
    """
    cloud = read_stage(Path(path), None)
    report(list(cloud.notes), notes, path)
    return cloud.gaussians


def read_stage(path: Path, volumes: VolumeReader | None) -> ImportedCloud:
    """Read a stage's particle fields, or its NuRec volumes when it has no particle field.

    Args:
        path: a USD file.
        volumes: reads the volumes; None to read particle fields only.

    Raises:
        DataError: as :func:`read_particlefield`.
    """
    notes: Notes = []
    with tempfile.TemporaryDirectory(prefix="avrec-") as folder:
        answer = run_child(_WORKER, path, Path(folder), opened=_openable(path, Path(folder)))
        fields, found, skipped = (_list(answer, key, path) for key in ("fields", "volumes", "skipped"))
        notes += [f"{_printable(what)} and was left out." for what in skipped[:20]]
        stage = _stage_matrix(answer, notes, path)
        if fields:
            most = _FREE_BYTES + _BYTES_PER_BYTE * path.stat().st_size
            clouds = [_field(field, number, Path(folder), path, most, notes) for number, field in enumerate(fields)]
            placed = [_placed(cloud, field, stage, notes, path) for cloud, field in zip(clouds, fields, strict=True)]
            if found:
                notes.append("Its NuRec volumes were left out: the particle fields hold the same at least as exactly.")
            whole = Gaussians.concatenate(placed)
            return ImportedCloud(gaussians=whole, format="ParticleField", notes=tuple(notes))
    if volumes is None or not found:
        raise problem(path, "the stage holds no Gaussians (neither a particle field nor a NuRec volume)")
    parts = [(volumes(_volume_file(volume, path)), volume) for volume in found]
    clouds = [_placed(part.gaussians, volume, stage, notes, path) for part, volume in parts]
    roads = [_placed(part.road, volume, stage, [], path) for part, volume in parts if part.road is not None]
    notes += [note for part, _ in parts for note in part.notes]
    actors: dict[str, Gaussians] = {}
    for part, _ in parts:
        for name, cloud in part.actors.items():
            actors[name] = Gaussians.concatenate([actors[name], cloud]) if name in actors else cloud
    skies = [part.sky for part, _ in parts if part.sky is not None]
    return ImportedCloud(
        gaussians=Gaussians.concatenate(clouds),
        format="NuRec",
        actors=actors,
        road=Gaussians.concatenate(roads) if roads else None,
        sky=skies[0] if skies else None,
        notes=tuple(dict.fromkeys(notes)),
        metadata={"volumes": [dict(part.metadata) for part, _ in parts]},
    )


def _openable(path: Path, folder: Path) -> Path:
    """The file under a name whose ending OpenUSD understands: its own, or a link's when the ending says otherwise."""
    with open_to_read(path) as (file, _):
        head = file.read(8)
    for magic, endings in _ENDINGS.items():
        if head.startswith(magic) and path.suffix not in endings:
            link = folder / f"stage{endings[0]}"
            link.symlink_to(path.absolute())
            return link
    return path


def _field(field: dict[str, Any], number: int, folder: Path, path: Path, most: int, notes: Notes) -> Gaussians:
    """One particle field in its own frame, pre-activation."""
    where = _printable(field.get("path"))
    counts = {name: field.get(name) for name in _WIDTHS}
    count = counts["positions"]
    if any(value is not None and (type(value) is not int or value < 0) for value in counts.values()):
        raise problem(path, f"its prim {where} did not arrive")
    if count is None or not 0 <= count <= MAX_GAUSSIANS:
        raise problem(path, f"its prim {where} has no positions, or far too many")

    def array(name: str, fallback: list[float]) -> NDArray[np.float32]:
        if counts[name] is None:
            notes.append(f"{where} has no {name}; the schema's plain value was taken.")
            return np.tile(np.array(fallback, np.float32), (count, 1))
        if counts[name] != count:
            raise problem(path, f"its prim {where} has {counts[name]} {name} for {count} Gaussians")
        return load_array(folder / f"{number}_{name}.npy", path, columns=_WIDTHS[name], most_bytes=most)

    means = array("positions", [0.0, 0.0, 0.0])
    quaternions = array("orientations", [1.0, 0.0, 0.0, 0.0])
    scales = array("scales", [1.0, 1.0, 1.0])
    opacities = array("opacities", [1.0])
    harmonics = _harmonics(field, number, folder, path, most, notes)
    with np.errstate(all="ignore"):  # what is not finite is dropped below
        cloud = Gaussians.from_parts(means, quaternions, np.log(np.abs(scales)), logit(opacities), harmonics)
    try:
        return cleaned(cloud, notes)
    except DataError as error:
        raise problem(path, f"none of the {count} Gaussians of its prim {where} has finite values") from error


def _harmonics(
    field: dict[str, Any], number: int, folder: Path, path: Path, most: int, notes: Notes
) -> NDArray[np.float32]:
    """[N, K, 3] of a field; grey without any."""
    count, total, degree = field["positions"], field.get("harmonics"), field.get("degree")
    where = _printable(field.get("path"))
    if total is None:
        notes.append(f"{where} has no spherical harmonics and became grey.")
        return np.zeros((count, 1, 3), np.float32)
    each = total // count if count else 0
    if each * count != total or each not in (1, 4, 9, 16):
        raise problem(path, f"its prim {where} has {total} colour coefficients for {count} Gaussians of degree 0 to 3")
    values = load_array(folder / f"{number}_harmonics.npy", path, columns=3, most_bytes=most).reshape(count, each, 3)
    if degree != degree_for_coefficients(each):
        notes.append(f"{where} says degree {degree} but holds degree {degree_for_coefficients(each)}, which was taken.")
    return values


def _placed(cloud: Gaussians, prim: dict[str, Any], stage: Float64, notes: Notes, path: Path) -> Gaussians:
    """The cloud in the stage's frame, z up, metres."""
    try:
        rows = np.array(prim.get("matrix"), np.float64)
    except (TypeError, ValueError) as error:
        raise problem(path, "a transform did not arrive") from error
    if rows.shape != (4, 4):
        raise problem(path, "a transform did not arrive")
    matrix = rows.T  # USD multiplies row vectors
    if rows[:3, 3].any() and not rows[3, :3].any() and rows[3, 3] == 1:
        notes.append(f"{_printable(prim.get('path'))} has its offset in the last column, as 3DGRUT writes it.")
        matrix = rows
    try:
        with np.errstate(all="ignore"):
            return transformed(cloud, stage @ matrix)
    except DataError as error:
        raise problem(path, f"the transform of {_printable(prim.get('path'))} is not one of Gaussians") from error


def _stage_matrix(answer: dict[str, Any], notes: Notes, path: Path) -> Float64:
    """World (z up, metres) from the stage's frame."""
    matrix, axis, unit = np.eye(4), answer.get("up_axis"), answer.get("meters_per_unit")
    if unit is not None and unit != 1:
        if not isinstance(unit, int | float) or not 1e-6 < unit < 1e6:
            raise problem(path, f"its unit of {str(unit)[:20]} metres cannot be")
        notes.append(f"Its unit of {unit:g} m was turned into metres.")
        matrix[:3, :3] *= unit
    if axis == "Y":
        notes.append("Its y axis points up, as its stage says; it was turned to z up.")
        matrix = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]) @ matrix
    elif axis is None:
        notes.append("Its stage does not say which axis points up; z was assumed.")
    return matrix


def _volume_file(volume: dict[str, Any], path: Path) -> str:
    name = volume.get("file")
    if not isinstance(name, str):
        raise problem(path, f"its volume {_printable(volume.get('path'))} names no .nurec file")
    return name


def _list(answer: dict[str, Any], key: str, path: Path) -> list[Any]:
    value = answer.get(key)
    if not isinstance(value, list) or (key != "skipped" and not all(isinstance(item, dict) for item in value)):
        raise problem(path, "what the stage holds did not arrive")
    return value


def _printable(value: object) -> str:
    return "".join(character if character.isprintable() else "?" for character in str(value))[:120]
