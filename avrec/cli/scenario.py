"""``avrec scenario``: edge cases made from a recorded drive."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from avrec.cli.arguments import Flag, OptionalNames, ScenePath, parse_names
from avrec.cli.console import print_json, say
from avrec.errors import AvrecError

if TYPE_CHECKING:
    from avrec.scenario import Measures, Scenario
    from avrec.scene import Scene
    from scenarios.parameters import Parameter

__all__ = ["check", "list_", "measures_of", "recorded_from", "say_measures"]

CaseName = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="CASE")]


def list_(*, json: Flag = False) -> None:
    """The catalogue of edge cases, with their parameters.

    Example:
        avrec scenario list

    Args:
        json: print the catalogue as JSON.
    """
    from scenarios import CATALOGUE
    from scenarios.parameters import parameters_of, summary_of

    if json:
        catalogue = {name: parameters_of(make) for name, make in CATALOGUE.items()}
        print_json({name: {key: _facts(each) for key, each in found.items()} for name, found in catalogue.items()})
        return
    for name, make in CATALOGUE.items():
        say(f"{name}: {summary_of(make)}")
        for each in parameters_of(make).values():
            say(f"    {f'{each.name}={_typed(each.default)}':<22} {_bounds(each):<22} {each.about}")
    say("\nTry one:  avrec scenario check SCENE cut_in,gap_m=8")
    say("Play it:  avrec carla replay SCENE --case cut_in,gap_m=8 --take-over path --camera front --save out/")


def check(
    scene: ScenePath, case: CaseName, *, without: OptionalNames = None, start: float = 0.0, json: Flag = False
) -> None:
    """Say whether an edge case can happen in a scene, and what it would do to a car that keeps to the recording.

    Example:
        avrec scenario check street.usdz pedestrian_dart_out,side=left

    Args:
        scene: the scene file.
        case: a case with its parameters: cut_in,gap_m=8,side=left; or FILE.py:FUNCTION of your own, which is run.
        without: ids of recorded actors to leave out, with commas between.
        start: seconds of the recording to leave out at its beginning.
        json: print what was found as JSON.
    """
    from avrec.scenario import rehearse
    from avrec.scene import Scene
    from scenarios import CATALOGUE
    from scenarios.by_name import case_named

    make = case_named(case, CATALOGUE)
    made = make(recorded_from(Scene.open(scene), start, parse_names(without, "--without") or []))
    found = rehearse(made)
    hit = None if found.ego_hit is None else {"actor": found.ego_hit.actor, "time_s": found.ego_hit.time_s}
    if json:
        least: dict[str, Any] = {"least_m": found.least_m, "least_s": found.least_s} if isfinite(found.least_m) else {}
        least |= {"measures": measures_of(found.measures), "playable": made.scene.map_xodr is not None}
        events = [
            {"actor": event.actor, "actions": [type(action).__name__ for action in event.actions], "time_s": time_s}
            for event, time_s in zip(made.events, found.fired_s, strict=True)
        ]
        facts = {"parameters": dict(made.parameters), "added": made.added, "notes": made.notes, "events": events}
        print_json({"case": made.name, **facts, "hit": hit, **least})
        _refuse_without_map(made.scene)
        return
    say(f"{made.name} can happen in {made.scene.name}.")
    for event, time_s in zip(made.events, found.fired_s, strict=True):
        say(f"  {time_s:5.2f} s  {event.actor}: {' and '.join(map(str, event.actions))}")
    for note in made.notes:
        say(f"  {note}")
    if not isfinite(found.least_m):
        say("None of its actors is there.")
    elif hit is None:
        say(f"A car that keeps to the recording comes within {found.least_m:.1f} m, after {found.least_s:.1f} s.")
    else:
        say(f"A car that keeps to the recording hits {hit['actor']} after {hit['time_s']:.1f} s.")
    say_measures(found.measures)
    _refuse_without_map(made.scene)


def recorded_from(scene: Scene, start_s: float, without: Sequence[str]) -> Scenario:
    """The recording from some seconds on, without some of its actors."""
    from avrec.scenario import replay

    start_us = None if start_s == 0.0 or not isfinite(start_s) else scene.span_us[0] + round(start_s * 1e6)
    if not 0.0 <= start_s < (scene.span_us[1] - scene.span_us[0]) / 1e6:
        lasts = (scene.span_us[1] - scene.span_us[0]) / 1e6
        raise AvrecError(f"--start {start_s:g} is not within the recording. Choose 0 to less than {lasts:.1f} s.")
    recorded = replay(scene, start_us=start_us)
    for track in without:
        recorded = recorded.without_actor(track)
    return recorded


def measures_of(found: Measures) -> dict[str, Any]:
    """As JSON: each worst value with its time and actor; null where there was nothing to measure."""
    told = {name: getattr(found, name) for name in ("distance_m", "ttc_s", "headway_s", "drac_mps2")}
    worst = {name: None if value is None else value._asdict() for name, value in told.items()}
    return {**worst, "btn": found.btn, "tet_s": found.tet_s, "tit_s2": found.tit_s2}


def say_measures(found: Measures) -> None:
    """The worst values, where there are any."""
    words = (
        ("distance", found.distance_m, "m"),
        ("time to collision", found.ttc_s, "s"),
        ("time headway", found.headway_s, "s"),
        ("deceleration required", found.drac_mps2, "m/s²"),
    )
    for name, worst, unit in words:
        if worst is not None:
            say(f"  {name:>21}: {worst.value:.2f} {unit} to {worst.actor} after {worst.time_s:.2f} s")


def _refuse_without_map(scene: Scene) -> None:
    """Say that a replay would refuse the scene.

    Raises:
        AvrecError: it has no map.
    """
    if scene.map_xodr is None:
        raise AvrecError(
            "The case can happen, but 'avrec carla replay' cannot play it: the scene has no map, which CARLA needs to "
            "drive on. Reconstruct it with one, or use ReplaySession(load_map=False) in a simulator's own map."
        )


def _facts(each: Parameter) -> dict[str, Any]:
    bounds = {} if each.bounds is None else {"low": each.bounds.low, "high": each.bounds.high, "unit": each.bounds.unit}
    choices = {"choices": each.choices} if each.choices else {}
    return {"default": each.default, **bounds, **choices, "about": each.about}


def _bounds(each: Parameter) -> str:
    if each.bounds is not None:
        return f"{each.bounds.low:g} to {each.bounds.high:g} {each.bounds.unit}"
    if isinstance(each.default, bool):
        return "true or false"
    return " or ".join(map(str, each.choices)) or "id of an actor" * (each.name == "actor")


def _typed(value: Any) -> str:
    """As one types it after ``--case``."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
