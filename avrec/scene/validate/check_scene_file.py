"""One pass over a scene file: everything that is wrong with it, for whom, why it matters and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avrec.errors import AvrecError, DataError
from avrec.scene.validate.archive import Archive
from avrec.scene.validate.archive_checks import check_archive
from avrec.scene.validate.facts import Facts
from avrec.scene.validate.manifest_checks import check_manifest
from avrec.scene.validate.map_checks import check_map
from avrec.scene.validate.mesh_checks import check_mesh
from avrec.scene.validate.nurec_checks import check_volumes
from avrec.scene.validate.record_checks import check_data_info, check_ids, check_metadata, parse_yaml
from avrec.scene.validate.report import AVREC, CONSUMERS, DRIVING, Finding, Report, error, note, warning
from avrec.scene.validate.rig_checks import check_rig
from avrec.scene.validate.stage_checks import check_stage
from avrec.scene.validate.track_checks import check_tracks
from avrec.scene.validate.usd_checks import check_layers
from avrec.scene.validate.values import parse_json

__all__ = ["validate"]

_MAX_JSON = 256 << 20
_MAX_YAML = 256 << 10
_MAX_MAP = 192 << 20
_MAX_MESH = 256 << 20
_ALPASIM = ("alpasim",)
_CARLA = ("carla",)


def validate(path: str | Path, consumers: Sequence[str] = CONSUMERS, *, compose: bool = True) -> Report:
    """Check a scene file by anybody. Reads it only; nothing is extracted, unpickled or run.

    Args:
        path: the package.
        consumers: whom it is meant for, of :data:`~avrec.scene.validate.CONSUMERS`.
        compose: also open the stage with OpenUSD, for Isaac Sim, in a process of its own with limited memory and
            time. It takes about a second.

    Returns:
        All findings; ``report.fails("carla")`` says whether CARLA cannot use it.

    Raises:
        DataError: there is no such file.
        AvrecError: an unknown consumer.
    """
    consumers = tuple(dict.fromkeys(consumers))
    unknown = [name for name in consumers if name not in CONSUMERS]
    if unknown:
        raise AvrecError(f"No consumer is called {unknown[0]!r}; choose of {', '.join(CONSUMERS)}.")
    path = Path(path)
    if not path.is_file():
        why = "it is not an ordinary file" if path.exists() else "there is no such file"
        raise DataError(f"Cannot read {path}: {why}; check the path.")
    findings: list[Finding] = []
    named = path.suffix == ".usdz"
    try:
        with np.errstate(all="ignore"), Archive(path) as archive:
            findings.extend(_check(archive))
            layers = any(name.endswith((".usda", ".usdc", ".usd")) for name in archive.members)
        if compose and layers and "isaac" in consumers and named:
            findings.extend(check_stage(path))
        if not named:
            why = "Tools recognise packages by it"
            findings.append(warning(CONSUMERS, "package", "its name does not end in .usdz", why, "Rename the file"))
    except DataError as reason:
        remedy = "Fetch the file once more, or save the scene again"
        if not named:
            remedy = "Validate takes scene files; of Gaussians `avrec scene import` makes one"
        what = str(reason).partition(". ")[0]  # the rest is its own remedy
        findings.append(error((*CONSUMERS, *AVREC), "package", what, "Nobody can open it", remedy))
    return Report.of_findings(path, consumers, findings)


def _check(archive: Archive) -> Iterator[Finding]:
    facts = Facts(has_map="map.xodr" in archive.members)
    yield from check_archive(archive)
    yield from check_layers(archive)
    yield from check_volumes(archive)
    why = "It holds the cameras and the ego's path"
    yield from _member(archive, "rig_trajectories.json", DRIVING, why, _json(check_rig, facts), _MAX_JSON)
    why = "It holds the actors"
    yield from _member(archive, "sequence_tracks.json", DRIVING, why, _json(check_tracks, facts), _MAX_JSON)
    why = "CARLA finds the scene's id and time span in it"
    yield from _member(archive, "data_info.json", _CARLA, why, _json(check_data_info, facts), _MAX_JSON)
    why = "AlpaSim finds scenes by it"
    yield from _member(archive, "metadata.yaml", _ALPASIM, why, _yaml(facts), _MAX_YAML)
    yield from check_ids(facts, archive.path.stem)
    yield from _surroundings(archive, facts)
    if "manifest.json" in archive.members:
        yield from _member(archive, "manifest.json", AVREC, "", _manifest(archive), _MAX_JSON)
    yield from _others(archive)


def _surroundings(archive: Archive, facts: Facts) -> Iterator[Finding]:
    """The map and the meshes."""
    if facts.has_map:
        yield from _member(archive, "map.xodr", DRIVING, "", lambda data: check_map(data, facts), _MAX_MAP)
    else:
        remedy = "Infer one from the drive (avrec map infer), then avrec scene import --map"
        yield error(_CARLA, "map.xodr", "the member is missing", "CARLA builds its world from the map", remedy)
        if not any(name.startswith(("map_data/", "clipgt/", "fastmap/")) for name in archive.members):
            why = "AlpaSim's MAP routes fail without a map; RECORDED and NONE work"
            yield warning(_ALPASIM, "map.xodr", "the member is missing", why, remedy)
    for name in ("mesh.ply", "mesh_ground.ply"):
        if name in archive.members:
            yield from _member(archive, name, _ALPASIM, "", _mesh(name, facts), _MAX_MESH)
    remedy = "Reconstruct with avrec, which meshes it, or avrec scene import --ground --mesh"
    if "mesh_ground.ply" not in archive.members:
        why = "AlpaSim's physics, as its wizard sets it up, puts actors on this ground"
        yield error(_ALPASIM, "mesh_ground.ply", "the member is missing", why, remedy)
    if "mesh.ply" not in archive.members:
        why = "AlpaSim's physics uses it where the ground mesh is not asked for"
        yield warning(_ALPASIM, "mesh.ply", "the member is missing", why, remedy)


def _others(archive: Archive) -> Iterator[Finding]:
    """Members that only some viewers and tools look for."""
    if "datasource_summary.json" not in archive.members or "checkpoint.ckpt" not in archive.members:
        why = "Web viewers of NuRec checkpoints need datasource_summary.json and checkpoint.ckpt"
        remedy = "Save the scene with avrec to have both"
        yield note(CONSUMERS, "datasource_summary.json, checkpoint.ckpt", "one of them is missing", why, remedy)


def _member(
    archive: Archive,
    name: str,
    consumers: tuple[str, ...],
    why: str,
    check: Callable[[bytes], Iterator[Finding]],
    limit: int,
) -> Iterator[Finding]:
    if name not in archive.members:
        yield error(consumers, name, "the member is missing", why, "Save the scene with avrec, or add it")
        return
    if archive.members[name].size > limit:
        found = f"it has {archive.members[name].size} bytes, more than the {limit} that are read"
        yield error(consumers, name, found, "No scene needs that much", "Write it again")
        return
    try:
        yield from check(archive.read(name, limit=limit))
    except DataError as reason:
        yield error(consumers, name, str(reason), "Readers cannot parse the member", "Write it again")


def _json(check: Callable[[Any, Facts], Iterator[Finding]], facts: Facts) -> Callable[[bytes], Iterator[Finding]]:
    return lambda data: check(parse_json(data), facts)


def _yaml(facts: Facts) -> Callable[[bytes], Iterator[Finding]]:
    return lambda data: check_metadata(parse_yaml(data), facts)


def _manifest(archive: Archive) -> Callable[[bytes], Iterator[Finding]]:
    return lambda data: check_manifest(parse_json(data), archive)


def _mesh(name: str, facts: Facts) -> Callable[[bytes], Iterator[Finding]]:
    return lambda data: check_mesh(name, data, facts)
