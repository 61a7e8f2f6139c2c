"""What `scene_info` found, in lines for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["info_lines"]

_LENSES = {"opencv-pinhole": "pinhole", "opencv-fisheye": "fisheye", "ftheta": "f-theta"}
_MOST_CAMERAS = 12
_MOST_MEMBERS = 12
_MOST_MISSING = 5


def info_lines(info: Mapping[str, Any]) -> Iterator[str]:
    """Lines of text, the most telling first.

    Args:
        info: from :func:`avrec.scene.scene_info`.
    """
    versions = _mapping(info["provenance"].get("versions"))
    maker = f"avrec {_text(versions['avrec'])}" if versions.get("avrec") else info["written_by"]
    yield f"{info['path']}: {_size(info['bytes'])}, scene id {_text(info['scene_id'])}, written by {maker}"
    yield from _section("time", [_time(info)])
    yield from _section("Gaussians", [_layers(info["layers"])])
    sky = info["sky"]
    yield from _section("sky", [f"cubemap of {sky['side_px']} px a face" if sky else "none"])
    yield from _section("cameras", list(_cameras(info["cameras"])) or ["none"])
    yield from _section("actors", list(_actors(info["actors"])))
    yield from _section("car", list(_car(info["car"])))
    yield from _section("meshes", [_meshes(info["meshes"]), *_meshing(info["meshing"])])
    yield from _section("map", list(_map(info["map"])))
    yield from _section("place", list(_place(info["georeference"])))
    yield from _section("made", list(_provenance(info["provenance"])))
    yield from _section("files", list(_members(info["members"], info["bytes"])))


def _section(name: str, lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"{name if not number else '':<11}{_text(line, 300)}"


def _text(value: object, most: int = 100) -> str:
    """One printable line of something that may come from anybody."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))[:most]


def _size(count: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"


def _time(info: Mapping[str, Any]) -> str:
    if info["seconds"] is None:
        return "unknown: there is no rig with a path"
    return f"{info['seconds']:.1f} s, from {info['span_us'][0]} to {info['span_us'][1]} us"


def _layers(layers: Mapping[str, Any]) -> str:
    if "static" in layers:
        actors = layers["actors"]
        parts = [f"{layers['static']} static"]
        parts += [f"{layers['road']} road"] if layers["road"] is not None else []
        parts += [f"{actors['gaussians']} in {actors['count']} actors"] if actors["count"] else []
        return f"{', '.join(parts)}; spherical harmonics of degree {layers['sh_degree']}"
    told = []
    for name, counts in layers.items():
        inner = ", ".join(f"{count} {layer}" for layer, count in counts.items()) if counts else "cannot be read"
        told.append(f"{name}: {inner}")
    return "; ".join(told) or "none that avrec can read"


def _cameras(cameras: Mapping[str, Any]) -> Iterator[str]:
    width = max((len(_text(key).split("@")[0]) for key in cameras), default=0)
    for key, camera in list(cameras.items())[:_MOST_CAMERAS]:
        size = camera["resolution"]
        pixels = f"{size[0]}x{size[1]}" if isinstance(size, list) and len(size) == 2 else "size unknown"
        kind = camera.get("exact") or camera["model"]
        lens = _LENSES.get(kind, _text(kind)) if isinstance(kind, str) else "lens unknown"
        if camera.get("exact") not in (None, "ftheta") and camera.get("ftheta_residual_px") is not None:
            lens += f" (f-theta copy within {camera['ftheta_residual_px']:.2g} px)"
        elif camera["model"] is None:
            lens += " (no f-theta copy: simulators do not see it)"
        frames = f"{camera['frames']} frames"
        if camera.get("held_out"):
            frames += f", {camera['held_out']} held out"
        yield f"{_text(key).split('@')[0]:<{width}}  {pixels}  {lens}  {_shutter(camera)}  {frames}"
    if len(cameras) > _MOST_CAMERAS:
        yield f"and {len(cameras) - _MOST_CAMERAS} more"


def _shutter(camera: Mapping[str, Any]) -> str:
    spelled = camera.get("shutter")
    if not isinstance(spelled, str):
        return "shutter unknown"
    if camera.get("shutter_known") is False:
        return "shutter not recorded, taken as global"
    if not spelled.startswith("ROLLING_"):
        return f"{spelled.lower()} shutter"
    readout = camera.get("readout_us")
    lasting = f" in {readout / 1000:.1f} ms" if isinstance(readout, int | float) else ""
    return f"rolling {spelled.removeprefix('ROLLING_').lower().replace('_', ' ')}{lasting}"


def _actors(actors: Mapping[str, Any]) -> Iterator[str]:
    if not actors["count"]:
        yield "none"
        return
    labels = ", ".join(f"{count} {_text(label)}" for label, count in actors["labels"].items())
    own = sum(1 for track in actors["tracks"] if track["gaussians"])
    yield f"{actors['count']}: {labels}" + (f"; {own} with Gaussians of their own" if own else "")
    ids = [_text(track["id"], 40) for track in actors["tracks"] if track["gaussians"]]
    if ids:
        yield f"--actor takes {', '.join(ids[:12])}" + (f" and {len(ids) - 12} more" if len(ids) > 12 else "")


def _meshes(meshes: Mapping[str, Any]) -> str:
    names = {"mesh": "surface (mesh.ply)", "ground": "ground (mesh_ground.ply)"}
    told = []
    for key, mesh in meshes.items():
        triangles = f"{mesh['faces']} triangles, " if mesh["faces"] is not None else ""
        told.append(f"{names[key]} {triangles}{_size(mesh['bytes'])}")
    return "; ".join(told) or "none"


def _car(car: Mapping[str, Any] | None) -> Iterator[str]:
    if car is None:
        yield "size unknown"
        return
    size = " x ".join(f"{side:.2f}" for side in car["size_m"])
    stands = "; the recording does not know its own size" if car["assumed"] else ""
    yield f"{size} m, its middle {car['center_m'][0]:.2f} m ahead of the rig's origin{stands}"


def _meshing(made: Mapping[str, Any] | None) -> Iterator[str]:
    if made is None:
        return
    known = made["ground_measured"], made["lane_measured"]
    if known[0] is not None and known[1] is not None:
        shares = f"{100 * known[0]:.0f} % of the ground was measured, {100 * known[1]:.0f} % within 4 m of the path"
        source = f" (by {_text(made['ground_from'])})" if made["ground_from"] else ""
        yield f"{shares}{source}; the rest is filled in from around it"
    if made["voxel_m"] is not None:
        pictures = f" from {made['pictures']:.0f} pictures of depth" if made["pictures"] is not None else ""
        yield f"surface{pictures} in voxels of {100 * made['voxel_m']:.0f} cm"
    if made["levels"] is not None and made["levels"] > 1:
        yield f"ground on {made['levels']:.0f} levels, one over another"
    for sentence in made["warnings"]:
        yield _text(sentence, 290)


def _map(found: Mapping[str, Any] | None) -> Iterator[str]:
    if found is None:
        yield "none"
        return
    if "damaged" in found:
        yield f"map.xodr cannot be read: {found['damaged']}"
        return
    length = found["driving_lanes_m"] / 1000
    roads = f"{found['roads']} road{'s' * (found['roads'] != 1)}"
    yield f"{roads}, {found['driving_lanes']} driving lanes, {length:.2f} km of them"
    if found["inferred_lanes"]:
        share = f"{found['inferred_lanes']} of {found['driving_lanes']} driving lanes"
        yield f"{share} are inferred from the recording, confidence from {found['least_confidence']:.2f}"


def _place(place: Mapping[str, Any] | None) -> Iterator[str]:
    if not place:
        yield "not known on Earth"
        return
    if place.get("placeholder"):
        yield "not known on Earth; latitude 0, longitude 0 stands in for it"
    else:
        degrees = f"{place['latitude_deg']:.6f}, {place['longitude_deg']:.6f}"
        yield f"latitude, longitude {degrees}, {place['altitude_m']:.1f} m above the ellipsoid"
    moved = _mapping(place.get("refined_from_recorded"))
    if isinstance(moved.get("median_m"), float) and isinstance(moved.get("max_m"), float) and moved["max_m"] > 0:
        centimetres = f"{100 * moved['median_m']:.1f} cm (median), at most {100 * moved['max_m']:.1f} cm"
        yield f"the refined path lies {centimetres} from the recorded one"


def _provenance(made: Mapping[str, Any]) -> Iterator[str]:
    source, imported = _mapping(made.get("source")), _mapping(_mapping(made.get("source")).get("imported"))
    if imported:
        version = _mapping(source.get("origin")).get("version_string")
        by = f", written by {_text(version)}" if version else ""
        yield f"imported from {_text(imported.get('file'))} ({_text(imported.get('format'))}{by})"
    elif source.get("drive") or made.get("name"):
        layout = f" ({_text(source['layout'])})" if source.get("layout") else ""
        yield f"from the recording {_text(source.get('drive') or made.get('name'))}{layout}"
    facts = [f"{key} {_text(made[key])}" for key in ("version_string", "training_date", "uuid") if made.get(key)]
    facts += [f"{key} {_text(source[key])}" for key in ("iterations", "date") if source.get(key) is not None]
    facts += [f"seed {_text(made['seed'])}"] if made.get("seed") is not None else []
    if facts:
        yield ", ".join(facts)
    missing = source.get("missing")
    for sentence in missing[:_MOST_MISSING] if isinstance(missing, list) else []:
        yield _text(sentence, 290)
    for part, what in _mapping(made.get("assumed")).items():
        yield f"assumed {_text(part)}: {_text(what, 200)}"
    if made.get("licence"):
        yield f"terms: {_text(made['licence'], 290)}"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _members(members: list[Mapping[str, Any]], total: int) -> Iterator[str]:
    largest = sorted(members, key=lambda member: -member["bytes"])
    for member in largest[:_MOST_MEMBERS]:
        share = 100 * member["bytes"] / max(total, 1)
        yield f"{_size(member['bytes']):>10} {share:3.0f} %  {_text(member['name'])}"
    if len(largest) > _MOST_MEMBERS:
        rest = sum(member["bytes"] for member in largest[_MOST_MEMBERS:])
        yield f"{_size(rest):>10}        {len(largest) - _MOST_MEMBERS} more"
