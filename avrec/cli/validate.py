"""``avrec validate``: who can open a scene file."""

from __future__ import annotations

from avrec.cli.arguments import ConsumerNames, Flag, ScenePath, parse_names
from avrec.cli.console import print_json, reporting, say

__all__ = ["validate"]


def validate(
    scene: ScenePath,
    *,
    consumers: ConsumerNames = None,
    json: Flag = False,
) -> None:
    """Say what a scene file lacks, for whom, why it matters and how to get it.

    The exit code is 1 where one of the consumers named (by default all of them) would fail.

    Example:
        avrec validate street.usdz --for isaac,carla

    Args:
        scene: the scene file, ours or somebody else's.
        consumers: who is going to open it: isaac, carla, alpasim.
        json: print the findings as JSON.
    """
    from avrec.scene.validate import CONSUMERS
    from avrec.scene.validate import validate as run

    with reporting():
        report = run(scene, parse_names(consumers and consumers.lower(), "--for") or CONSUMERS)
    if json:
        print_json(report.to_dict())
    else:
        for finding in report.findings:
            say(str(finding))
        for name in report.consumers:
            say(f"{name:<8} {'fails' if report.fails(name) else 'opens it'}")
    if report.failing:
        raise SystemExit(1)
