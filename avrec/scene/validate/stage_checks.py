"""The stage as OpenUSD composes it, in a child process: damaged layers can end the process that opens them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from avrec.errors import DataError
from avrec.scene.foreign.child import run_child
from avrec.scene.validate.report import Finding, error, note, warning
from avrec.scene.validate.values import entry

__all__ = ["check_stage"]

_ISAAC = ("isaac",)
_WORKER = Path(__file__).with_name("stage_worker.py")
_SECONDS = 60.0


def check_stage(path: Path) -> Iterator[Finding]:
    """What OpenUSD and all its validators say about the package, in every variant of the default prim."""
    try:
        with tempfile.TemporaryDirectory(prefix="avrec-") as folder:
            answer = run_child(_WORKER, path, Path(folder), seconds=_SECONDS)
    except DataError as reason:
        found = str(reason).removeprefix(f"{path} cannot be used: ")
        yield error(_ISAAC, "stage", found[:250], "Isaac Sim opens packages with OpenUSD", "Export the layers again")
        return
    why = "The stage lacks what did not compose"
    for said in _texts(entry(answer, "complaints")):
        yield error(_ISAAC, "stage", " ".join(said.split()), why, "Mend the layer that it names")
    findings = entry(answer, "findings")
    for name, said in findings.items() if isinstance(findings, dict) else ():
        found = f"{name}: {' '.join(str(said).split())}"
        yield warning(_ISAAC, "stage", found, "A validator of OpenUSD complains", "Mend the layer that it names")
    prims = _texts(entry(answer, "prims"))
    if not prims:
        why = (
            "A stage shows Gaussians through a NuRec volume (Kit 107.3 to 110.1) or a particle field (110.1 and later)"
        )
        yield error(_ISAAC, "stage", "it shows no Gaussians", why, "Save the scene with avrec to have both")
    elif "ParticleField" not in prims:
        why = "Kit drops NuRec volumes after 110.1 and shows nothing then"
        yield note(_ISAAC, "stage", "there is no particle field", why, "Save the scene with avrec to have both")
    elif "NuRec" not in prims:
        why = "Kit before 110.1 (Isaac Sim 5) shows a black box or nothing for a particle field"
        yield warning(_ISAAC, "stage", "there is no NuRec volume", why, "Save the scene with avrec to have both")


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
