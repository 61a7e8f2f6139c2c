"""Opens foreign USD in a child process: lists the Gaussians of a stage and writes their arrays as .npy files.

Imports nothing of avrec.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

_MAX_PRIMS = 1_000_000
_MAX_FIELDS = 4096
_ATTRIBUTES = {"positions": 3, "orientations": 4, "scales": 3, "opacities": 1}
_HARMONICS = "radiance:sphericalHarmonicsCoefficients"
_DEGREE = "radiance:sphericalHarmonicsDegree"


class Refused(Exception):
    """The file cannot be used."""


def look(source: str, folder: Path) -> dict[str, Any]:
    """What the stage holds; arrays go to ``folder``."""
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.Open(source)
    if not stage:
        raise Refused("it is not a USD stage")
    answer: dict[str, Any] = {"fields": [], "volumes": [], "skipped": []}
    answer["up_axis"] = str(UsdGeom.GetStageUpAxis(stage)) if stage.HasAuthoredMetadata("upAxis") else None
    units = stage.HasAuthoredMetadata("metersPerUnit")
    answer["meters_per_unit"] = float(UsdGeom.GetStageMetersPerUnit(stage)) if units else None
    cache = UsdGeom.XformCache(Usd.TimeCode.EarliestTime())
    for number, prim in enumerate(Usd.PrimRange.Stage(stage, Usd.TraverseInstanceProxies())):
        if number > _MAX_PRIMS or len(answer["fields"]) + len(answer["volumes"]) > _MAX_FIELDS:
            raise Refused("it holds far too many prims")
        kind = str(prim.GetTypeName())
        if kind.startswith("ParticleField"):
            schemas = [str(name) for name in prim.GetAppliedSchemas()]
            if _value(prim, "positions") is None:
                answer["skipped"].append(f"{prim.GetPath()} has no positions")
            elif any("Surflet" in name for name in schemas):
                answer["skipped"].append(f"{prim.GetPath()} is made of flat surfels")
            else:
                answer["fields"].append(_field(prim, cache, folder, len(answer["fields"])))
        elif kind == "Volume" and prim.GetAttribute("omni:nurec:isNuRecVolume").Get():
            answer["volumes"].append(_volume(prim, cache))
    return answer


def _field(prim: Any, cache: Any, folder: Path, number: int) -> dict[str, Any]:
    field: dict[str, Any] = {"path": str(prim.GetPath())[:200], "matrix": _matrix(prim, cache)}
    for name, columns in _ATTRIBUTES.items():
        field[name] = _save(_value(prim, name), columns, folder / f"{number}_{name}.npy", name == "orientations")
    value = _value(prim, _HARMONICS)
    field["harmonics"] = _save(value, 3, folder / f"{number}_harmonics.npy", False)
    degree = prim.GetAttribute(_DEGREE)
    field["degree"] = int(degree.Get()) if degree.IsDefined() and degree.Get() is not None else None
    return field


def _value(prim: Any, name: str) -> Any:
    """Value of an attribute or of its half-precision twin, the earliest where it changes over time."""
    from pxr import Usd

    for spelling in (name, f"{name}h"):
        attribute = prim.GetAttribute(spelling)
        if attribute.IsDefined():
            value = attribute.Get(Usd.TimeCode.Default())
            value = attribute.Get(Usd.TimeCode.EarliestTime()) if value is None else value
            if value is not None and len(value):
                return value
    return None


def _save(value: Any, columns: int, path: Path, quaternions: bool) -> int | None:
    """Write [N, columns] float32 and say N; None for an attribute without a value."""
    if value is None:
        return None
    array = np.asarray(value)
    if array.dtype.kind != "f" or array.size % columns:
        raise Refused(f"its attribute for {path.stem.split('_')[1]} is of another type than the schema's")
    rows = array.reshape(-1, columns).astype(np.float32)
    if quaternions:  # memory holds x, y, z, w
        rows = rows[:, [3, 0, 1, 2]]
    np.save(path, np.ascontiguousarray(rows, "<f4"), allow_pickle=False)
    return len(rows)


def _volume(prim: Any, cache: Any) -> dict[str, Any]:
    for child in prim.GetChildren():
        attribute = child.GetAttribute("filePath")
        value = attribute.Get() if attribute.IsDefined() else None
        path = getattr(value, "path", "")
        if path.endswith(".nurec"):
            return {"path": str(prim.GetPath())[:200], "file": path[:500], "matrix": _matrix(prim, cache)}
    return {"path": str(prim.GetPath())[:200], "file": None, "matrix": _matrix(prim, cache)}


def _matrix(prim: Any, cache: Any) -> list[list[float]]:
    return np.array(cache.GetLocalToWorldTransform(prim)).tolist()  # type: ignore[no-any-return]
