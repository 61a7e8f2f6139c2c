"""The road as data: lanes with their borders, how they connect, and what controls them.

Everything is in the drive's world, metres, z up. A lane runs in its driving direction; its ``left`` and ``right`` are
those of somebody driving along it. Words for lane and mark types are OpenDRIVE's (``driving``, ``shoulder``,
``solid``, ``broken`` ...), which cover the other map formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.geometry import Anchor, geo_reference

__all__ = [
    "DRIVABLE",
    "Controller",
    "Crosswalk",
    "Junction",
    "Lane",
    "LaneGraph",
    "LaneMark",
    "Neighbor",
    "Road",
    "Signal",
    "StopLine",
]

Float64 = NDArray[np.float64]

DRIVABLE = frozenset(
    {
        "driving",
        "bidirectional",
        "entry",
        "exit",
        "onRamp",
        "offRamp",
        "connectingRamp",
        "bus",
        "taxi",
        "HOV",
        "slipLane",
    }
)
"""Lane types that cars drive on."""


@dataclass(frozen=True)
class LaneMark:
    """Paint or kerb along one side of a lane, from ``start_m`` along the lane to the next mark or the lane's end."""

    kind: str = "none"
    color: str = "standard"
    width_m: float | None = None
    start_m: float = 0.0


@dataclass(frozen=True)
class Neighbor:
    """The lane beside another one."""

    lane: str
    same_direction: bool = True


@dataclass(frozen=True)
class Lane:
    """One lane between two places where the number or meaning of lanes changes.

    Attributes:
        id: unique in the graph.
        kind: OpenDRIVE lane type.
        center, left, right: float64 [N, 3] world metres in driving direction, N >= 2. Row i of the three is one cross
            section of the lane.
        left_marks, right_marks: paint along the sides, by ``start_m``.
        successors, predecessors: lane ids.
        left_neighbor, right_neighbor: the lanes beside this one.
        speed_limit_mps: where known.
        road: id of the road this lane is a part of, ``None`` where lanes are not sorted into roads.
        section: number of the stretch of that road with constant lanes, from its start.
        slot: place across the road: 1, 2, ... to the left of the road's reference line, -1, -2, ... to the right.
        junction: id of the junction the lane crosses.
        confidence: 0..1; 1 for a surveyed map.
        inferred: derived from a recording rather than read from a map.

    Raises:
        DataError: polylines of different or wrong shapes, or values that are not finite.
    """

    id: str
    center: Float64
    left: Float64
    right: Float64
    kind: str = "driving"
    left_marks: tuple[LaneMark, ...] = ()
    right_marks: tuple[LaneMark, ...] = ()
    successors: tuple[str, ...] = ()
    predecessors: tuple[str, ...] = ()
    left_neighbor: Neighbor | None = None
    right_neighbor: Neighbor | None = None
    speed_limit_mps: float | None = None
    road: str | None = None
    section: int = 0
    slot: int = -1
    junction: str | None = None
    confidence: float = 1.0
    inferred: bool = False

    def __post_init__(self) -> None:
        for name in ("center", "left", "right"):
            object.__setattr__(self, name, _polyline(getattr(self, name), f"The {name} line of lane {self.id}"))
        if not len(self.center) == len(self.left) == len(self.right):
            raise DataError(
                f"Lane {self.id} has {len(self.center)} centre, {len(self.left)} left and {len(self.right)} right "
                "points. Give the three lines at the same cross sections."
            )

    @property
    def drivable(self) -> bool:
        """Whether cars drive on it."""
        return self.kind in DRIVABLE

    @cached_property
    def length_m(self) -> float:
        """Length of the centre line."""
        return float(np.linalg.norm(np.diff(self.center, axis=0), axis=1).sum())

    @property
    def widths_m(self) -> Float64:
        """Distance between the borders at each cross section, float64 [N]."""
        return np.asarray(np.linalg.norm(self.left - self.right, axis=1))


@dataclass(frozen=True)
class Road:
    """Lanes that share a reference line.

    Attributes:
        id: unique among roads.
        reference: float64 [N, 3]; lanes of slot -1 lie to its right, of slot 1 to its left.
        name: for people.
        junction: id of the junction it crosses.
        kind: OpenDRIVE road type, e.g. ``"town"``; empty where unknown.
        left_hand: traffic keeps left: lanes of positive slot drive along the reference line.
        headings: float64 [N] radians, of the reference line at its points, where known better than from the points.
    """

    id: str
    reference: Float64
    name: str = ""
    junction: str | None = None
    kind: str = ""
    left_hand: bool = False
    headings: Float64 | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "reference", _polyline(self.reference, f"The reference line of road {self.id}"))
        if self.headings is not None and np.shape(self.headings) != (len(self.reference),):
            raise DataError(f"Road {self.id} has {np.shape(self.headings)} headings for {len(self.reference)} points.")

    def along(self, slot: int) -> bool:
        """Whether the lane of a slot drives along the reference line."""
        return (slot > 0) == self.left_hand


@dataclass(frozen=True)
class Junction:
    """Roads that cross or fork; ``controllers`` are ids."""

    id: str
    name: str = ""
    controllers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Signal:
    """A traffic light, sign or road marking with a meaning.

    Attributes:
        id: unique among signals.
        position: float64 [3].
        heading_rad: direction of the traffic it speaks to.
        facing_rad: heading of the panel.
        lanes: ids of the lanes it governs.
        dynamic: it changes its state, as traffic lights do.
        type, subtype, country: what it is in that country's catalogue (``country="OpenDRIVE"`` for its own numbers).
        value, unit: e.g. 50 and ``"km/h"``.
        both_directions: speaks to traffic against ``heading_rad`` as well.
        road: the road it stands at, where known.
    """

    id: str
    position: Float64
    heading_rad: float = 0.0
    facing_rad: float = 0.0
    lanes: tuple[str, ...] = ()
    dynamic: bool = False
    type: str = ""
    subtype: str = ""
    country: str = ""
    value: float | None = None
    unit: str = ""
    text: str = ""
    name: str = ""
    height_m: float = 0.0
    width_m: float = 0.0
    both_directions: bool = False
    road: str | None = None

    @property
    def traffic_light(self) -> bool:
        """Whether it shows changing lights."""
        return self.dynamic


@dataclass(frozen=True)
class Controller:
    """Signals that switch together; ``signals`` are ids."""

    id: str
    name: str = ""
    signals: tuple[str, ...] = ()


@dataclass(frozen=True)
class StopLine:
    """Where the traffic of some lanes waits: float64 [N, 3] across the lanes."""

    id: str
    line: Float64
    lanes: tuple[str, ...] = ()
    road: str | None = None


@dataclass(frozen=True)
class Crosswalk:
    """Where people cross: ``polygon`` float64 [N, 3], not closed."""

    id: str
    polygon: Float64
    road: str | None = None


@dataclass(frozen=True)
class LaneGraph:
    """A map.

    Attributes:
        lanes, roads, junctions: by id. ``roads`` is empty where lanes are not sorted into roads.
        signals, controllers, stop_lines, crosswalks: what governs the lanes.
        anchor: geodetic position of the world's origin, where known.
        geo_reference: projection of a map whose origin is not an anchor (UTM, for example), as PROJ writes it.
        name: of the map.
        notes: what a user should know about the reading.
    """

    lanes: Mapping[str, Lane]
    roads: Mapping[str, Road] = field(default_factory=dict)
    junctions: Mapping[str, Junction] = field(default_factory=dict)
    signals: tuple[Signal, ...] = ()
    controllers: tuple[Controller, ...] = ()
    stop_lines: tuple[StopLine, ...] = ()
    crosswalks: tuple[Crosswalk, ...] = ()
    anchor: Anchor | None = None
    geo_reference: str = ""
    name: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("lanes", "roads", "junctions"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def lanes_of(self, road: str) -> tuple[Lane, ...]:
        """Lanes of one road, by section and then from left to right."""
        return self._by_road.get(road, ())

    @property
    def projection(self) -> str:
        """The projection line for an OpenDRIVE header: the anchor's, else the one the map was read with, else empty."""
        return geo_reference(self.anchor) if self.anchor is not None else self.geo_reference

    @cached_property
    def _by_road(self) -> dict[str, tuple[Lane, ...]]:
        found: dict[str, list[Lane]] = {}
        for lane in sorted(self.lanes.values(), key=lambda lane: (lane.section, -lane.slot)):
            found.setdefault(lane.road or "", []).append(lane)
        return {road: tuple(lanes) for road, lanes in found.items()}

    def with_changes(self, **changes: Any) -> LaneGraph:
        """A copy with other values of some attributes."""
        return replace(self, **changes)


def _polyline(points: NDArray[np.generic], name: str) -> Float64:
    line = np.array(points, dtype=np.float64)
    if line.ndim != 2 or line.shape[1] != 3 or len(line) < 2:
        raise DataError(f"{name} has shape {list(line.shape)}. Give at least two points of x, y and z.")
    if not np.isfinite(line).all():
        raise DataError(f"{name} holds values that are not finite. Check where they come from.")
    line.flags.writeable = False
    return line
