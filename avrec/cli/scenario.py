"""``avrec scenario``: edge cases made from a recorded drive."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any

import tyro

from avrec.cli.arguments import Flag, OptionalNames, ScenePath, parse_names
from avrec.cli.console import print_json, say

__all__ = ["check", "list_"]

CaseName = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CASE")]


def list_(*, json: Flag = False) -> None:
    """The catalogue of edge cases, with their parameters.

    Example:
        avrec scenario list

    Args:
        json: print the catalogue as JSON.
    """
    from scenarios import CATALOGUE
    from scenarios.by_name import parameters_of, summary_of

    if json:
        print_json({name: _defaults(parameters_of(make)) for name, make in CATALOGUE.items()})
        return
    for name, make in CATALOGUE.items():
        say(f"{name}: {summary_of(make)}")
        say("    " + ", ".join(f"{key}={_typed(value)}" for key, value in _defaults(parameters_of(make)).items()))
    say("\nTry one:  avrec scenario check SCENE cut_in,gap_m=8")
    say("Play it:  avrec carla replay SCENE --case cut_in,gap_m=8 --take-over path --camera front --save out/")


def check(scene: ScenePath, case: CaseName, *, without: OptionalNames = None, json: Flag = False) -> None:
    """Say whether an edge case can happen in a scene, and what it would do to a car that keeps to the recording.

    Example:
        avrec scenario check street.usdz pedestrian_dart_out,side=left

    Args:
        scene: the scene file.
        case: a case with its parameters: cut_in,gap_m=8,side=left; or FILE.py:FUNCTION of your own, which is run.
        without: ids of recorded actors to leave out, with commas between.
        json: print what was found as JSON.
    """
    from avrec.scenario import rehearse, replay
    from avrec.scene import Scene
    from scenarios import CATALOGUE
    from scenarios.by_name import case_named

    make = case_named(case, CATALOGUE)
    recorded = replay(Scene.open(scene))
    for track in parse_names(without, "--without") or []:
        recorded = recorded.without_actor(track)
    made = make(recorded)
    found = rehearse(made)
    hit = None if found.ego_hit is None else {"actor": found.ego_hit.actor, "time_s": found.ego_hit.time_s}
    if json:
        least = {"least_m": found.least_m, "least_s": found.least_s} if isfinite(found.least_m) else {}
        events = [
            {"actor": event.actor, "actions": [type(action).__name__ for action in event.actions], "time_s": time_s}
            for event, time_s in zip(made.events, found.fired_s, strict=True)
        ]
        facts = {"parameters": dict(made.parameters), "added": made.added, "notes": made.notes, "events": events}
        print_json({"case": made.name, **facts, "hit": hit, **least})
        return
    say(f"{made.name} can happen in {made.scene.name}.")
    for event, time_s in zip(made.events, found.fired_s, strict=True):
        say(f"  {time_s:5.2f} s  {event.actor}: {', '.join(type(action).__name__ for action in event.actions)}")
    for note in made.notes:
        say(f"  {note}")
    if not isfinite(found.least_m):
        say("None of its actors is there.")
    elif hit is None:
        say(f"A car that keeps to the recording comes within {found.least_m:.1f} m, after {found.least_s:.1f} s.")
    else:
        say(f"A car that keeps to the recording hits {hit['actor']} after {hit['time_s']:.1f} s.")


def _defaults(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value.default is value.empty else value.default for name, value in parameters.items()}


def _typed(value: Any) -> str:
    """As one types it after ``--case``."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
