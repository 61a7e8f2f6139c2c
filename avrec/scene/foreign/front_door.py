"""One way in for every kind of Gaussian file, told apart by what it holds, and one way out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError, OutputError
from avrec.files import open_to_read, partial_folder, replacing
from avrec.gaussians import Gaussians
from avrec.scene.foreign.cleaning import Notes
from avrec.scene.foreign.compact import COMPACT_MAGIC, read_compact, write_compact
from avrec.scene.foreign.files import gunzip_head, problem
from avrec.scene.foreign.imported import ImportedCloud
from avrec.scene.foreign.nurec_volume import decode_volume, read_nurec_static
from avrec.scene.foreign.ply import read_ply, write_ply
from avrec.scene.foreign.similarity import transformed
from avrec.scene.foreign.spz import SPZ_MAGIC, read_spz, write_spz
from avrec.scene.foreign.stage import read_stage
from avrec.scene.json_text import MAX_JSON_BYTES, load_json
from avrec.scene.nurec import write_nurec
from avrec.scene.package_reader import PackageReader
from avrec.scene.package_writer import PackageWriter
from avrec.scene.particlefield import build_particlefield, write_particlefield
from avrec.scene.usd_layers import PARTICLE_FIELD_LAYER, ROOT_LAYER, VOLUME_LAYER, root_layer, volume_layer

__all__ = ["EXPORT_FORMATS", "export_format", "export_gaussians", "import_gaussians"]

EXPORT_FORMATS = {
    "ply": (".ply",),
    "spz": (".spz",),
    "particlefield": (".usda", ".usdc", ".usd"),
    "nurec": (".nurec", ".usdz"),
    "compact": (".avgc",),
}
"""Names of the formats that Gaussians can be written in, and the suffixes of their files."""

_FORMATS = {**EXPORT_FORMATS, "obj": (".obj",)}

_HEAD = 4096
_VOLUME = "volume.nurec"


def import_gaussians(path: str | Path) -> ImportedCloud:
    """Read Gaussians from a file of any known format, whatever its name ends in.

    PLY (3DGS layout), SPZ 1 to 3, `.nurec` volumes, USD stages and USDZ packages with particle fields or NuRec volumes,
    avrec's compact files and avrec's own scenes.

    Raises:
        DataError: no such file, of no known format, damaged, or with values that cannot be.
    """
    source = Path(path)
    with open_to_read(source) as (file, _):
        head = file.read(_HEAD)
    notes: Notes = []
    if head[:3] == b"ply" and head[3:4] in (b"\n", b"\r"):
        return ImportedCloud(gaussians=read_ply(source, notes), format="PLY", notes=tuple(notes))
    if head.startswith(COMPACT_MAGIC):
        return ImportedCloud(gaussians=read_compact(source), format="avrec compact")
    if head.startswith((b"#usda", b"PXR-USDC")):
        return read_stage(source, lambda name: read_nurec_static(source.parent / PurePosixPath(name).name))
    if head.startswith(b"PK"):
        return _package(source)
    if head.startswith(b"\x1f\x8b") or head.startswith(SPZ_MAGIC):
        if head.startswith(SPZ_MAGIC) or gunzip_head(head, 4) == SPZ_MAGIC:
            return ImportedCloud(gaussians=read_spz(source, notes), format="SPZ", notes=tuple(notes))
        return read_nurec_static(source)
    raise DataError(
        f"{source} is of no known format; Gaussians are read from PLY, SPZ, .nurec, USD, USDZ and avrec's own scenes. "
        "Convert it to PLY first."
    )


def export_format(asked: str | None, path: Path) -> str:
    """The format to write ``path`` in: one of :data:`EXPORT_FORMATS`, or "obj" for the mesh.

    Args:
        asked: its name in capitals or not; None to go by the file's ending.
        path: of the file.

    Raises:
        OutputError: no such format, or the file's ending is of another one.
    """
    suffix = path.suffix.lower()
    if asked is None:
        for name, endings in _FORMATS.items():
            if suffix in endings:
                return name
        known = ", ".join(ending for endings in _FORMATS.values() for ending in endings)
        raise OutputError(f"The ending of {path.name!r} names no format; use one of {known}.")
    name = asked.strip().lower()
    if name not in _FORMATS:
        raise OutputError(f"There is no format {asked!r}; choose one of {', '.join(_FORMATS)}.")
    if suffix not in _FORMATS[name]:
        known = " or ".join(_FORMATS[name])
        raise OutputError(f"A file of the format {name} ends in {known}, found {path.name!r}; rename it.")
    return name


def export_gaussians(
    gaussians: Gaussians, path: str | Path, format: str | None = None, *, overwrite: bool = False
) -> None:
    """Write Gaussians for other programs.

    Args:
        gaussians: in the world frame, z up, metres.
        path: the file; ``.usdz`` with the format "nurec" makes a package that Kit opens.
        format: one of :data:`EXPORT_FORMATS`; by default the suffix decides.
        overwrite: replace an existing file.

    Raises:
        OutputError: unknown format, a suffix of another one, the file exists, or it cannot be written.
        DataError: values that are not finite.
    """
    target = Path(path)
    name = export_format(format, target)
    if name not in EXPORT_FORMATS:
        raise OutputError(f"OBJ holds meshes, no Gaussians; choose one of {', '.join(EXPORT_FORMATS)}.")
    if not np.isfinite(gaussians.packed).all():
        raise DataError("The Gaussians hold values that are not finite; drop them before writing.")
    writers: dict[str, Callable[[], Any]] = {
        "ply": lambda: write_ply(gaussians, target, overwrite=overwrite),
        "spz": lambda: write_spz(gaussians, target, overwrite=overwrite),
        "particlefield": lambda: write_particlefield(target, gaussians, overwrite=overwrite),
        "nurec": lambda: _write_nurec(gaussians, target, overwrite),
        "compact": lambda: write_compact(gaussians, target, overwrite=overwrite),
    }
    writers[name]()


def _write_nurec(gaussians: Gaussians, target: Path, overwrite: bool) -> None:
    """A package of both USD flavours, or the bare volume out of it.

    Positions stay where they are, in half precision: only a scene package has a place to say how it was moved.
    """
    center = np.zeros(3)
    if target.suffix.lower() == ".usdz":
        _write_nurec_package(gaussians, target, center, overwrite)
        return
    with replacing(target, overwrite=overwrite) as file, partial_folder(target) as folder:
        package = folder / "volume.usdz"
        _write_nurec_package(gaussians, package, center, False)
        with PackageReader(package) as reader:
            member = reader.find(_VOLUME)
            buffer = bytearray(1 << 20)
            for start in range(0, member.size, len(buffer)):
                piece = memoryview(buffer)[: min(len(buffer), member.size - start)]
                reader.read_into(member, start, piece)
                file.write(piece)


def _write_nurec_package(gaussians: Gaussians, target: Path, center: Any, overwrite: bool) -> None:
    with PackageWriter(target, overwrite=overwrite) as package:
        package.add(ROOT_LAYER, root_layer().encode("ascii"))
        low, high = write_nurec(package, _VOLUME, gaussians, center)
        package.add(VOLUME_LAYER, volume_layer(_VOLUME, low, high).encode("ascii"))
        package.add_built(PARTICLE_FIELD_LAYER, lambda path: build_particlefield(path, gaussians, half=True))


def _package(source: Path) -> ImportedCloud:
    """A USDZ: an avrec scene, particle fields, or NuRec volumes with the offset of their scene."""
    with PackageReader(source) as package:
        if "manifest.json" in package.members and any(name.startswith("avrec/") for name in package.members):
            return _own_scene(source)

        def volume(name: str) -> ImportedCloud:
            member = PurePosixPath(name).name
            known = [key for key in package.members if key == name.removeprefix("./")]
            known += [key for key in package.members if PurePosixPath(key).name == member]
            if not known:
                raise problem(source, f"its stage names a volume {member[:80]!r} that it does not hold")
            data = package.read(known[0], limit=package.find(known[0]).size)
            return decode_volume(data, f"{source}: {known[0]}")

        cloud = read_stage(source, volume)
        offset = _world_from_volume(package)
    if offset is None:
        return cloud
    note = f"Moved by {[round(float(value), 3) for value in offset[:3, 3]]} m, from its volume's frame to the world's."
    return replace(
        cloud,
        gaussians=transformed(cloud.gaussians, offset),
        road=None if cloud.road is None else transformed(cloud.road, offset),
        notes=(*cloud.notes, note),
    )


def _own_scene(source: Path) -> ImportedCloud:
    from avrec.scene.scene import Scene

    scene = Scene.open(source)
    return ImportedCloud(
        gaussians=scene.static,
        road=scene.road,
        format="avrec scene",
        actors=scene.actors,
        sky=scene.sky,
        metadata={"name": scene.name},
    )


def _world_from_volume(package: PackageReader) -> NDArray[np.float64] | None:
    """Where a scene's rig file says the volume lies; None where it says nothing or nothing else than here."""
    name = "rig_trajectories.json"
    if name not in package.members:
        return None
    rig = load_json(package.read(name, limit=MAX_JSON_BYTES), what=f"{package.path}: {name}")
    try:
        matrix = np.array(rig["world_to_nre"]["matrix"], np.float64)
    except (ValueError, KeyError, TypeError) as error:
        raise package.problem(f"its {name} does not say where the volume lies (world_to_nre)") from error
    if (
        matrix.shape != (4, 4)
        or not np.isfinite(matrix).all()
        or not math.isclose(np.linalg.det(matrix), 1, abs_tol=1e-3)
    ):
        raise package.problem(f"its {name} holds a world_to_nre that is no rigid transform")
    return None if np.array_equal(matrix, np.eye(4)) else np.asarray(np.linalg.inv(matrix), np.float64)
