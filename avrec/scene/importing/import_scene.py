"""A scene out of somebody else's Gaussians, with whatever else there is of the drive: `import_scene`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from avrec.drive import Track
from avrec.errors import AvrecError, DataError
from avrec.gaussians import Gaussians
from avrec.geometry import Anchor, anchor_on_ellipsoid, ecef_from_world, invert
from avrec.maps.read_opendrive import read_opendrive
from avrec.mesh.mesh import Mesh
from avrec.mesh.ply import parse_ply
from avrec.scene.foreign.front_door import import_gaussians
from avrec.scene.foreign.imported import ImportedCloud
from avrec.scene.foreign.similarity import transformed
from avrec.scene.importing.left_out import left_out, origin
from avrec.scene.importing.members import Source
from avrec.scene.importing.placeholder import PLACEHOLDER_CAMERA, placeholder_rig
from avrec.scene.importing.placement import moved_mesh, placed_on_earth, world_from_file
from avrec.scene.importing.rig import RigPart, printable, read_rig
from avrec.scene.importing.tracks import read_tracks
from avrec.scene.rig_json import PLACEHOLDER_ANCHOR
from avrec.scene.scene import Scene

__all__ = ["import_scene"]

_MAP = "map.xodr"
_MESHES = {"mesh": "mesh.ply", "ground": "mesh_ground.ply"}


def import_scene(
    path: str | Path,
    *,
    rig: str | Path | None = None,
    tracks: str | Path | None = None,
    map: str | Path | None = None,
    mesh: str | Path | None = None,
    ground: str | Path | None = None,
    anchor: Anchor | None = None,
    up: str = "z",
    scale: float = 1.0,
) -> Scene:
    """Make a scene from Gaussians by others, or from a plain cloud of points.

    What a NuRec package holds is taken from it: rig, actors' tracks, map, meshes, the layers of its volume. Files named
    here replace those. Without any rig a camera is made up that looks at the cloud; ``source["assumed"]`` of the scene
    names all such stand-ins, ``source["notes"]`` what was mended, moved or left out.

    Args:
        path: Gaussians as PLY, SPZ, `.nurec`, USD or USDZ, or points as PLY.
        rig: cameras and path: `rig_trajectories.json`, avrec's `avrec/scene.json`, or a package with one of them.
        tracks: actors: `sequence_tracks.json`, or a package with one.
        map: OpenDRIVE file, or a package with one. Where both the map and the scene know their place on Earth, the
            scene is moved into the map's coordinates; otherwise these are taken for the world's.
        mesh: surface as PLY.
        ground: surface to drive on as PLY, in the world.
        anchor: where on Earth the world's origin is, x pointing east and y north. Overrides the rig's.
        up: which axis of Gaussians and mesh points up: z, y or x, with a minus in front where it points down.
        scale: metres per unit of Gaussians and mesh.

    Raises:
        DataError: a file that is missing, damaged, of another kind, or too large.
    """
    source = Path(path)
    axes = world_from_file(up, scale)
    package = Source(source)
    base = Scene.open(source) if _is_ours(package) else None
    cloud = import_gaussians(source) if base is None else _cloud_of(base)
    notes = list(cloud.notes)
    found = _rig(rig, package, base, notes)
    if found is not None and base is None and cloud.format == "NuRec" and "rig_trajectories.json" not in package.names:
        axes = invert(found.world_to_nre) @ axes
    surfaces = {
        "mesh": _mesh("mesh", mesh, package, base, notes),
        "ground": _mesh("ground", ground, package, base, notes),
    }
    if mesh is not None and surfaces["mesh"] is not None:
        surfaces["mesh"] = moved_mesh(surfaces["mesh"], axes)
    static = transformed(cloud.gaussians, axes)
    road = None if cloud.road is None else transformed(cloud.road, axes)
    still = static if road is None else Gaussians.concatenate([static, road])
    seen = found or placeholder_rig(still)
    known = _tracks(tracks, package, seen, base, notes)
    parts: dict[str, Any] = {
        "name": source.stem,
        "static": static,
        "road": road,
        "sky": cloud.sky,
        "actors": _actors(cloud, known, notes),
        "tracks": known,
        "ego": seen.ego,
        "ego_recorded": seen.more.get("ego_recorded", seen.ego),
        "cameras": seen.cameras,
        "cameras_recorded": seen.more.get("cameras_recorded", seen.cameras),
        "appearance": seen.more.get("appearance", {}),
        "frames": seen.frames,
        "held_out": seen.more.get("held_out", {}),
        "rig_box": seen.more.get("rig_box") or (base.rig_box if base is not None else None),
        "anchor": anchor or seen.anchor,
        **surfaces,
    }
    if base is not None and rig is None:
        own = ("name", "appearance", "held_out", "ego_recorded", "cameras_recorded")
        parts |= {key: getattr(base, key) for key in own}
    scene = _with_map(Scene(**parts), map, package, base, seen, anchor, notes)
    if base is None:
        notes += left_out(package.names)
    assumed = {"rig": f"the camera {PLACEHOLDER_CAMERA!r} and its path: no rig was given"} if found is None else {}
    record = {
        "layout": "imported",
        "imported": {"file": source.name, "format": cloud.format, **dict(cloud.metadata)},
        "notes": list(dict.fromkeys(notes)),
        "assumed": assumed,
        "licence": f"This scene was imported from {source.name}: the terms of that file apply.",
        **origin(package),
    }
    return replace(scene, source={**dict(base.source), "imported": record} if base is not None else record)


def _is_ours(package: Source) -> bool:
    return "manifest.json" in package.names and any(name.startswith("avrec/") for name in package.names)


def _cloud_of(scene: Scene) -> ImportedCloud:
    return ImportedCloud(
        gaussians=scene.static, road=scene.road, actors=scene.actors, sky=scene.sky, format="avrec scene"
    )


def _rig(given: str | Path | None, package: Source, base: Scene | None, notes: list[str]) -> RigPart | None:
    if given is not None:
        found = read_rig(Source(given), notes)
        if found is None:
            raise DataError(f"{given} holds no rig (rig_trajectories.json); give a file or a package with one.")
        return found
    if base is not None:
        return RigPart(ego=base.ego, cameras=base.cameras, frames=base.frames, anchor=base.anchor, tracks=base.tracks)
    return read_rig(package, notes) if package.names else None


def _tracks(
    given: str | Path | None, package: Source, rig: RigPart, base: Scene | None, notes: list[str]
) -> tuple[Track, ...]:
    if given is not None:
        found = read_tracks(Source(given), notes)
        if found is None:
            raise DataError(f"{given} holds no tracks (sequence_tracks.json); give a file or a package with some.")
        return found
    if base is not None:
        return base.tracks
    return (read_tracks(package, notes) if package.names else None) or rig.tracks


def _actors(cloud: ImportedCloud, tracks: tuple[Track, ...], notes: list[str]) -> Mapping[str, Gaussians]:
    """Gaussians by track id. NuRec's layers name tracks ``<id>@<scene>``, its tracks with or without the scene."""
    names = {track.id: track.id for track in tracks}
    names |= {track.id.split("@")[0]: track.id for track in reversed(tracks)} | names
    actors: dict[str, Gaussians] = {}
    lost = 0
    for name, gaussians in cloud.actors.items():
        key = names.get(name, names.get(name.split("@")[0]))
        if key is None or key in actors:
            lost += 1
        else:
            actors[key] = gaussians
    if lost:
        notes.append(f"The Gaussians of {lost} actors were left out: no track says where they are (--tracks).")
    return actors


def _mesh(what: str, given: str | Path | None, package: Source, base: Scene | None, notes: list[str]) -> Mesh | None:
    if given is None and base is not None:
        own: Mesh | None = getattr(base, what)
        return own
    if given is None and not package.names:
        return None
    found = (Source(given) if given is not None else package).read(_MESHES[what])
    if found is None:
        if given is not None:
            raise DataError(f"{given} holds no {_MESHES[what]}; give a mesh as PLY.")
        return None
    try:
        return parse_ply(*found)
    except DataError as error:
        if given is not None:
            raise
        notes.append(f"Its {_MESHES[what]} was left out: {printable(error, 300).rstrip('.')}.")
        return None


def _with_map(
    scene: Scene,
    given: str | Path | None,
    package: Source,
    base: Scene | None,
    rig: RigPart,
    anchor: Anchor | None,
    notes: list[str],
) -> Scene:
    """The scene with its map, in the map's coordinates, and with its place on Earth."""
    place = scene.anchor
    if given is None and base is not None:
        return replace(scene, map_xodr=base.map_xodr, anchor=place)
    data, map_anchor = _map(given, package, notes)
    ecef = rig.ecef_from_world
    if place is not None:
        ecef = ecef_from_world(anchor_on_ellipsoid(place))
    elif ecef is not None and np.array_equal(ecef, ecef_from_world(PLACEHOLDER_ANCHOR)):
        ecef = None
    if ecef is None:
        if data is not None:
            notes.append("The map's coordinates were taken for the world's: nothing says where the scene is on Earth.")
        return replace(scene, map_xodr=data, anchor=map_anchor)
    if place is not None and map_anchor is None:
        return replace(scene, map_xodr=data)
    try:
        placed = placed_on_earth(scene, ecef, map_anchor, notes)
    except DataError as error:
        if given is not None:
            raise
        notes.append(f"Its map was left out: {str(error).split(';')[0]}.")
        return placed_on_earth(scene, ecef, None, notes)
    if place is not None and placed.anchor is not None:  # the map's heights are the world's
        placed = replace(placed, anchor=replace(placed.anchor, altitude_m=place.altitude_m))
    return replace(placed, map_xodr=data)


def _map(given: str | Path | None, package: Source, notes: list[str]) -> tuple[bytes | None, Anchor | None]:
    """The map's bytes and the origin of its coordinates."""
    if given is None and not package.names:
        return None, None
    found = (Source(given) if given is not None else package).read(_MAP)
    if found is None:
        if given is not None:
            raise DataError(f"{given} holds no {_MAP}; give an OpenDRIVE file.")
        return None, None
    data, name = found
    try:
        graph = read_opendrive(data)
    except AvrecError as error:
        if given is not None:
            raise DataError(f"{name}: {printable(error, 400)}") from error
        notes.append(f"Its {_MAP} was left out: {printable(error, 300).rstrip('.')}.")
        return None, None
    where = graph.anchor
    if where is None:
        notes.append("The map's geoReference names no origin that avrec knows; its coordinates count as the world's.")
    elif (where.latitude_deg, where.longitude_deg) == (0.0, 0.0):
        where = None
    return data, where
