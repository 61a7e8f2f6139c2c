"""`metadata.yaml` and `data_info.json`, and whether all members mean the same scene."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from avrec.errors import DataError
from avrec.scene.validate.facts import Facts
from avrec.scene.validate.report import DRIVING, Finding, error, warning
from avrec.scene.validate.values import entry, floats, is_text

__all__ = ["check_data_info", "check_ids", "check_metadata", "parse_yaml"]

METADATA = "metadata.yaml"
DATA_INFO = "data_info.json"
_ALPASIM = ("alpasim",)
_CARLA = ("carla",)
_DEEPEST_YAML = 12
_STRICT = "AlpaSim's metadata is strict: a missing key or another type ends its search for scenes"
_TEXTS = ("scene_id", "version_string", "training_date", "dataset_hash", "uuid")
_KNOWN = {*_TEXTS, "is_resumable", "sensors", "logger", "time_range", "training_step_outputs"}


def parse_yaml(data: bytes) -> Any:
    """Plain YAML without aliases (which can make a small text enormous) and without tags that build objects.

    Raises:
        DataError: no such YAML.
    """
    import yaml

    try:
        text = data.decode("utf-8")
        depth = 0
        for event in yaml.parse(text, yaml.SafeLoader):  # one by one: deep nesting takes the parser ever longer
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > _DEEPEST_YAML:
                raise DataError("it uses aliases or is nested deeply, which plain metadata never is")
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, AttributeError, OverflowError) as reason:
        raise DataError(f"it is not valid YAML ({' '.join(str(reason).split())[:120]})") from reason


def check_metadata(document: Any, facts: Facts) -> Iterator[Finding]:
    """Findings about the parsed `metadata.yaml`."""
    if not isinstance(document, dict):
        yield error(_ALPASIM, METADATA, "it is no mapping", _STRICT, "Write it again")
        return
    for key in _TEXTS:
        if not is_text(document.get(key)):
            found = "it is missing" if key not in document else "it is no text (quote numbers and dates)"
            yield error(_ALPASIM, f"{METADATA}: {key}", found, _STRICT, f"Add {key}: a quoted text")
    if is_text(document.get("scene_id")):
        facts.sequence_ids[f"{METADATA}: scene_id"] = document["scene_id"]
    if not isinstance(document.get("is_resumable"), bool):
        yield error(_ALPASIM, f"{METADATA}: is_resumable", "it is missing or no boolean", _STRICT, "Write false")
    for key in ("sensors", "logger", "time_range"):
        if not isinstance(document.get(key), dict):
            yield error(_ALPASIM, f"{METADATA}: {key}", "it is missing or no mapping", _STRICT, "Add the mapping")
    for key in ("camera_ids", "lidar_ids"):
        ids = entry(document, "sensors", key)
        if ids is not None and (not isinstance(ids, list) or not all(is_text(name) for name in ids)):
            found = "it is no list of texts"
            yield error(_ALPASIM, f"{METADATA}: sensors.{key}", found, _STRICT, "List <camera>@<scene id>")
        elif key == "camera_ids" and ids is not None:
            facts.camera_ids = ids
    span = floats([entry(document, "time_range", end) for end in ("start", "end")], (2,))
    if isinstance(span, str) or span[0] >= span[1]:
        found = "start and end are not two numbers in this order"
        yield error(_ALPASIM, f"{METADATA}: time_range", found, _STRICT, "Write microseconds, as floats")
    elif facts.span_us is not None and (span[1] < facts.span_us[0] or span[0] > facts.span_us[1]):
        found = "it does not overlap the rig's path"
        yield warning(_ALPASIM, f"{METADATA}: time_range", found, "Both are microseconds", "Write the path's span")
    unknown = sorted(str(key) for key in set(document) - _KNOWN)
    if unknown:
        found = f"it has the unknown keys {', '.join(unknown[:5])}"
        yield error(_ALPASIM, METADATA, found, _STRICT, "Remove them")


def check_data_info(document: Any, facts: Facts) -> Iterator[Finding]:
    """Findings about the parsed `data_info.json`."""
    why = "CARLA asks the renderer for this scene id"
    if is_text(entry(document, "sequence_id")):
        facts.sequence_ids[f"{DATA_INFO}: sequence_id"] = document["sequence_id"]
    else:
        yield error(_CARLA, f"{DATA_INFO}: sequence_id", "it is missing", why, "Write the scene's id")
    ends = [entry(document, "pose-range", f"{end}-timestamp_us") for end in ("start", "end")]
    where = f"{DATA_INFO}: pose-range"
    why = "CARLA replays between these times"
    if any(type(end) is not int for end in ends) or ends[0] >= ends[1]:
        found = "start-timestamp_us and end-timestamp_us are not two JSON integers in this order"
        yield error(_CARLA, where, found, why, "Write the first and the last time, in microseconds")
    elif facts.span_us is not None and (ends[1] <= facts.span_us[0] or ends[0] > facts.span_us[1]):
        yield error(_CARLA, where, "it does not overlap the rig's path", why, "Write the path's span")


def check_ids(facts: Facts, stem: str) -> Iterator[Finding]:
    """One name for the scene in every member and as the file's base name."""
    ids = facts.sequence_ids
    scene = ids.get(f"{METADATA}: scene_id")
    info = ids.get(f"{DATA_INFO}: sequence_id")
    remedy = "Use one id: scene_id = sequence_id = the file's base name"
    if scene is not None and stem not in scene:
        found = f"it is {scene[:60]!r}, the file is called {stem[:60]!r}"
        why = "CARLA looks for the file's base name in the renderer's list of scene ids, and finds nothing"
        yield error(_CARLA, f"{METADATA}: scene_id", found, why, f"Rename the file to {scene[:60]}.usdz, or: {remedy}")
    if scene is not None and info is not None and scene != info:
        found = f"it is {info[:60]!r}, but scene_id is {scene[:60]!r}"
        why = "CARLA asks the renderer for a scene that it serves under another name"
        yield error(_CARLA, f"{DATA_INFO}: sequence_id", found, why, remedy)
    if scene is None and info is not None and stem not in info:
        found = f"it is {info[:60]!r}, the file is called {stem[:60]!r}"
        yield warning(_CARLA, f"{DATA_INFO}: sequence_id", found, "CARLA uses both to find the scene", remedy)
    main = scene or info
    if main is not None:
        for where, name in ids.items():
            if where.startswith("rig_trajectories") and name != main:
                found = f"it is {name[:60]!r}, the scene is {main[:60]!r}"
                why = "Renderers look cameras up as <camera>@<scene id>"
                yield error(DRIVING, where, found, why, remedy)
    if facts.camera_ids is not None and facts.camera_keys is not None:
        missing = sorted(set(facts.camera_ids) - facts.camera_keys)
        if missing:
            found = f"{', '.join(missing[:4])} has no calibration"
            why = "AlpaSim says 'Missing camera ... in camera calibration'"
            yield error(_ALPASIM, f"{METADATA}: sensors.camera_ids", found, why, "List the keys of the calibrations")
