"""Composes a foreign stage in a child process: what OpenUSD and its validators complain about, and which Gaussians.

Imports nothing of avrec.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_MOST = 40
_MOST_VARIANTS = 8
_MOST_PRIMS = 200_000
_EXPECTED = {"UnsupportedFileExtensionInPackage"}


def look(source: str, folder: Path) -> dict[str, Any]:
    """Open the stage, select each variant of its default prim in turn, and gather complaints, each once."""
    from pxr import Usd, UsdUtils, UsdValidation

    delegate = UsdUtils.CoalescingDiagnosticDelegate()
    stage = Usd.Stage.Open(source)
    if not stage:
        raise RuntimeError("it is not a USD stage")
    context = UsdValidation.ValidationContext(UsdValidation.ValidationRegistry().GetOrLoadAllValidators())
    complaints: dict[str, None] = {}
    findings: dict[str, str] = {}
    prims: dict[str, None] = {}
    for select in _variants(stage):
        select()
        complaints.update(dict.fromkeys(str(error)[:250] for error in stage.GetCompositionErrors()))
        complaints.update(dict.fromkeys(said.commentary[:250] for said in delegate.TakeUncoalescedDiagnostics()))
        complaints.update(dict.fromkeys(said.commentary[:250] for said in delegate.TakeUncoalescedDiagnostics()))
        for finding in context.Validate(stage):
            if finding.GetName() not in _EXPECTED:
                findings.setdefault(finding.GetName(), finding.GetMessage()[:250])
        # What the validators themselves stumble over, such as a hyphen in the file's path, is no fault of the file.
        delegate.TakeUncoalescedDiagnostics()
        for number, prim in enumerate(stage.TraverseAll()):
            if number > _MOST_PRIMS:
                break
            if prim.GetTypeName() == "ParticleField3DGaussianSplat":
                prims["ParticleField"] = None
            attribute = prim.GetAttribute("omni:nurec:isNuRecVolume")
            if attribute and attribute.Get():
                prims["NuRec"] = None
        delegate.TakeUncoalescedDiagnostics()  # validators stumble over the file's own path
    return {"complaints": list(complaints)[:_MOST], "findings": dict(list(findings.items())[:_MOST]), "prims": [*prims]}


def _variants(stage: Any) -> list[Any]:
    """A way to select each variant of each set of the default prim, the authored one first."""
    ways: list[Any] = [lambda: None]
    prim = stage.GetDefaultPrim()
    if prim:
        sets = prim.GetVariantSets()
        for name in list(sets.GetNames())[:_MOST_VARIANTS]:
            variants = sets.GetVariantSet(name)
            ways += [
                lambda variants=variants, variant=variant: variants.SetVariantSelection(variant)
                for variant in list(variants.GetVariantNames())[:_MOST_VARIANTS]
            ]
    return ways
