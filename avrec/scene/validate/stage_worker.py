"""The child process that composes a foreign stage: ``stage_worker.py SOURCE FOLDER MEMORY_BYTES SECONDS``.

Answers in FOLDER/answer.json what OpenUSD and its validators complain about, in every variant of the default prim, and
which Gaussians it found. Imports nothing of avrec. Exit code 0: done; 3: no stage, and the answer's "error" says why.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

_MOST = 40
_MOST_VARIANTS = 8
_MOST_PRIMS = 200_000
_EXPECTED = {"UnsupportedFileExtensionInPackage"}


def main(source: str, folder: str, memory: str, seconds: str) -> int:
    """Limit this process, look, answer."""
    for kind, limit in (
        (resource.RLIMIT_AS, int(memory)),
        (resource.RLIMIT_FSIZE, 16 << 20),
        (resource.RLIMIT_CPU, int(seconds)),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, limit))
    try:
        answer, code = look(source), 0
    except Exception as error:
        answer, code = {"error": _said(error)}, 3
    (Path(folder) / "answer.json").write_text(json.dumps(answer), encoding="utf-8")
    return code


def look(source: str) -> dict[str, Any]:
    """Open the stage, select each variant in turn, and gather complaints, each once."""
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


def _said(error: Exception) -> str:
    """The first thing that OpenUSD says, without where in its own source it says it."""
    line = next((line for line in str(error).splitlines() if line.strip()), "unknown")
    return line.split(" : '")[-1].strip(" '")[:250]


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


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
