"""What a package holds that a scene has no place for, said in a sentence each, and what it says about itself."""

from __future__ import annotations

from typing import Any

from avrec.errors import DataError
from avrec.scene.importing.members import Source
from avrec.scene.validate.record_checks import parse_yaml
from avrec.scene.validate.values import entry

__all__ = ["left_out", "origin"]

# Read by import_scene, or written anew from what was read.
_KNOWN = {
    "rig_trajectories.json", "sequence_tracks.json", "map.xodr", "mesh.ply", "mesh_ground.ply", "metadata.yaml",
    "data_info.json", "datasource_summary.json", "pose_record.json", "manifest.json",
}  # fmt: skip
_KNOWN_ENDINGS = (".nurec", ".usda", ".usdc", ".usd")
_REASONS = {
    "checkpoint.ckpt": "checkpoint.ckpt was left out, since pickles can run code; actors or sky only in it are lost.",
    "parsed_config.yaml": "parsed_config.yaml was left out: it is the configuration of the tool that made the scene.",
    "clipgt": "The map tables in clipgt/ were left out: their layout is not public; give an OpenDRIVE map with --map.",
    "map_data": "The map tables in map_data/ were left out: their layout is not public; use --map.",
    "fastmap": "The map tables in fastmap/ were left out: their layout is not public; use --map.",
    "external_assets": "external_assets/ was left out: a scene has no place for actors that are not in the drive.",
    "avrec": "avrec's own members were left out: the package has no manifest of avrec's to check them against.",
}
_SHOWN = 8
_ORIGIN = ("version_string", "training_date", "uuid", "dataset_hash", "scene_id")


def left_out(names: tuple[str, ...]) -> list[str]:
    """A sentence for everything in a package that a scene does not take over."""
    tops = list(dict.fromkeys(name.split("/")[0] for name in names))
    notes = [reason for top, reason in _REASONS.items() if top in tops]
    rest = [top for top in tops if top not in _KNOWN and top not in _REASONS and not top.endswith(_KNOWN_ENDINGS)]
    if rest:
        more = f" and {len(rest) - _SHOWN} more" if len(rest) > _SHOWN else ""
        notes.append(f"Left out, as avrec does not know them: {', '.join(rest[:_SHOWN])}{more}.")
    return notes


def origin(package: Source) -> dict[str, Any]:
    """What a package's `metadata.yaml` says about where it comes from, for a scene's provenance."""
    found = package.read("metadata.yaml") if "metadata.yaml" in package.names else None
    if found is None:
        return {}
    try:
        document = parse_yaml(found[0])
    except DataError:
        return {}
    facts = {key: str(entry(document, key))[:200] for key in _ORIGIN if entry(document, key) is not None}
    date = {"date": facts["training_date"]} if facts.get("training_date", "unknown") != "unknown" else {}
    return {"origin": facts, **date} if facts else {}
