"""Ids as CARLA wants them in a file: whole numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from avrec.drive.lane_graph import LaneGraph

__all__ = ["Numbers", "file_numbers"]

_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Numbers:
    """Ids in the file by ids in the graph."""

    roads: Mapping[str, str]
    junctions: Mapping[str, str]


def file_numbers(graph: LaneGraph) -> Numbers:
    """Keep ids that are whole numbers; give new ones to the rest."""
    junctions = dict.fromkeys([*graph.junctions, *(r.junction for r in graph.roads.values() if r.junction is not None)])
    return Numbers(roads=_numbered(graph.roads), junctions=_numbered(junctions))


def _numbered(names: Iterable[str]) -> dict[str, str]:
    names = list(names)
    plain = {name for name in names if name.isascii() and name.isdigit() and len(name) <= 10 and str(int(name)) == name}
    plain = {name for name in plain if int(name) <= _LARGEST}
    free = (str(number) for number in range(1, _LARGEST) if str(number) not in plain)
    return {name: name if name in plain else next(free) for name in names}
