"""Signals, stop lines and crosswalks of a lane graph as OpenDRIVE objects of their roads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from avrec.drive.lane_graph import DRIVABLE, Crosswalk, LaneGraph, Signal, StopLine
from avrec.maps.lay_out import RoadLayout, SectionLayout, Stations
from avrec.maps.read_signals import STOP_LINE
from avrec.maps.xml_text import Element
from avrec.maps.xml_write import add

__all__ = ["Placed", "add_objects", "add_signals", "place_signals"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Spot:
    """A place on a road: station, lateral position, height above the surface, and heading of the reference line."""

    s: float
    t: float
    height: float
    heading: float


@dataclass
class Placed:
    """What stands at each road."""

    signals: dict[str, list[tuple[Signal, Spot]]] = field(default_factory=dict)
    references: dict[str, list[tuple[Signal, Spot, tuple[int, ...]]]] = field(default_factory=dict)
    stop_lines: dict[str, list[tuple[StopLine, Spot]]] = field(default_factory=dict)
    crosswalks: dict[str, list[tuple[Crosswalk, Spot]]] = field(default_factory=dict)


def place_signals(graph: LaneGraph, layouts: Mapping[str, RoadLayout]) -> Placed:
    """Find the road and the place on it of everything that stands at roads."""
    placed = Placed()
    if not (graph.signals or graph.stop_lines or graph.crosswalks):
        return placed
    places = _Places(layouts)

    def road_of(wanted: str | None, lanes: tuple[str, ...], point: Float64) -> str:
        if wanted in layouts:
            return str(wanted)
        roads = {str(graph.lanes[lane].road) for lane in lanes if lane in graph.lanes} & set(layouts)
        return min(sorted(roads), key=lambda name: places[name].distance(point[:2])) if roads else places.nearest(point)

    for signal in graph.signals:
        road = road_of(signal.road, signal.lanes, signal.position)
        spot = _spot(layouts[road], places[road], signal.position)
        placed.signals.setdefault(road, []).append((signal, spot))
        others: dict[str, list[int]] = {}
        for name in signal.lanes:
            lane = graph.lanes.get(name)
            if lane is not None and lane.road in layouts and lane.road != road:
                others.setdefault(str(lane.road), []).append(lane.slot)
        for other, slots in others.items():
            spot = _spot(layouts[other], places[other], signal.position)
            placed.references.setdefault(other, []).append((signal, spot, tuple(sorted(slots))))
    for line in graph.stop_lines:
        road = road_of(line.road, line.lanes, line.line.mean(axis=0))
        spot = _spot(layouts[road], places[road], (line.line[0] + line.line[-1]) / 2)
        placed.stop_lines.setdefault(road, []).append((line, spot))
    for walk in graph.crosswalks:
        road = road_of(walk.road, (), walk.polygon.mean(axis=0))
        placed.crosswalks.setdefault(road, []).append(
            (walk, _spot(layouts[road], places[road], walk.polygon.mean(axis=0)))
        )
    return placed


class _Places(dict[str, Stations]):
    """Stations by road, for those roads that are asked for."""

    def __init__(self, layouts: Mapping[str, RoadLayout]) -> None:
        super().__init__()
        self._layouts = layouts

    def __missing__(self, name: str) -> Stations:
        self[name] = Stations(self._layouts[name].reference)
        return self[name]

    def nearest(self, point: Float64) -> str:
        """The road nearest to a point [3] by its lanes' centre lines."""
        names, tree = self._centers
        return names[int(np.searchsorted(self._ends, tree.query(point[:2])[1], side="right"))]

    @cached_property
    def _centers(self) -> tuple[list[str], cKDTree]:
        lines = {
            name: np.concatenate([item.lane.center for section in layout.sections for item in section.lanes])
            for name, layout in self._layouts.items()
        }
        return list(lines), cKDTree(np.concatenate([line[:, :2] for line in lines.values()]))

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        lanes = [[item.lane for part in layout.sections for item in part.lanes] for layout in self._layouts.values()]
        return np.cumsum([sum(len(lane.center) for lane in members) for members in lanes])


def add_objects(element: Element, layout: RoadLayout, placed: Placed) -> None:
    """The road's crosswalks, with their outline."""
    walks = placed.crosswalks.get(layout.road.id, [])
    if not walks:
        return
    objects = add(element, "objects")
    for walk, spot in walks:
        entry = add(
            objects, "object", type="crosswalk", name="crosswalk", id=walk.id, s=spot.s, t=spot.t, zOffset=0.0,
            orientation="none", hdg=0.0, pitch=0.0, roll=0.0, height=0.0,
        )  # fmt: skip
        outline = add(add(entry, "outlines"), "outline", id="0", closed="true", outer="true")
        origin = _surface_point(layout, spot)
        cos, sin = np.cos(spot.heading), np.sin(spot.heading)
        for index, (x, y, z) in enumerate(walk.polygon - origin):
            add(outline, "cornerLocal", id=str(index), u=x * cos + y * sin, v=y * cos - x * sin, z=z, height=0.0)


def add_signals(element: Element, layout: RoadLayout, graph: LaneGraph, placed: Placed) -> None:
    """The road's signals and stop lines, and references to signals at other roads."""
    name = layout.road.id
    mine = placed.signals.get(name, [])
    lines, references = placed.stop_lines.get(name, []), placed.references.get(name, [])
    if not (mine or lines or references):
        return
    signals = add(element, "signals")
    for signal, spot in mine:
        against = np.cos(signal.heading_rad - spot.heading) < 0
        orientation = "none" if signal.both_directions else "-" if against else "+"
        turn = signal.facing_rad - spot.heading - (np.pi if orientation == "-" else 0.0)
        values: dict[str, str | float] = {
            "s": spot.s, "t": spot.t, "id": signal.id, "name": signal.name,
            "dynamic": "yes" if signal.dynamic else "no", "orientation": orientation, "zOffset": spot.height,
            "type": signal.type or "-1", "subtype": signal.subtype or "-1",
            "hOffset": float(np.arctan2(np.sin(turn), np.cos(turn))), "pitch": 0.0, "roll": 0.0,
            "height": max(signal.height_m, 0.0), "width": max(signal.width_m, 0.0),
        }  # fmt: skip
        optional = {"country": _country(signal.country), "text": signal.text}
        values |= {key: value for key, value in optional.items() if value}
        if signal.value is not None:
            values["value"] = signal.value
            if signal.unit:
                values["unit"] = signal.unit
        entry = add(signals, "signal", **values)
        _validity(entry, layout, graph, signal.lanes, spot.s, orientation)
    for line, spot in lines:
        lanes = [graph.lanes[lane] for lane in line.lanes if lane in graph.lanes]
        forward = not lanes or layout.road.along(lanes[0].slot)
        orientation = "+" if forward else "-"
        entry = add(
            signals, "signal", s=spot.s, t=spot.t, id=line.id, name="StopLine", dynamic="no", orientation=orientation,
            zOffset=0.0, country="DE", type=STOP_LINE, subtype="-1", hOffset=0.0, pitch=0.0, roll=0.0, height=0.0,
            width=float(np.linalg.norm(line.line[0] - line.line[-1])),
        )  # fmt: skip
        _validity(entry, layout, graph, line.lanes, spot.s, orientation)
    for signal, spot, slots in references:
        orientation = "+" if layout.road.along(slots[0]) else "-"
        entry = add(signals, "signalReference", s=spot.s, t=spot.t, id=signal.id, orientation=orientation)
        _ranges(entry, set(slots))


def _country(code: str) -> str:
    """Two capital letters, as OpenDRIVE wants them, or its own name."""
    return code.upper() if len(code) in (2, 3) else code


def _validity(
    entry: Element, layout: RoadLayout, graph: LaneGraph, lanes: tuple[str, ...], s: float, orientation: str
) -> None:
    """Name the lanes a signal speaks to, unless they are those a reader assumes."""
    here = [graph.lanes[lane] for lane in lanes if lane in graph.lanes and graph.lanes[lane].road == layout.road.id]
    slots = {lane.slot for lane in here}
    section = _section_at(layout, s)
    assumed = {
        item.lane.slot
        for item in section.lanes
        if item.lane.kind in DRIVABLE and orientation != ("-" if layout.road.along(item.lane.slot) else "+")
    }
    if slots != assumed:
        _ranges(entry, slots)


def _ranges(entry: Element, slots: set[int]) -> None:
    if not slots:
        add(entry, "validity", fromLane="0", toLane="0")
    for slot in sorted(slots):
        if slot - 1 in slots:
            continue
        last = slot
        while last + 1 in slots:
            last += 1
        add(entry, "validity", fromLane=str(slot), toLane=str(last))


def _section_at(layout: RoadLayout, s: float) -> SectionLayout:
    return next((section for section in layout.sections if s <= section.end), layout.sections[-1])


def _spot(layout: RoadLayout, stations: Stations, point: Float64) -> Spot:
    s = float(np.clip(stations.of(point[None, :2])[0][0], 0.0, layout.reference.length))
    at, heading, _ = layout.reference.at([s])
    x, y = point[:2] - at[0]
    across = float(y * np.cos(heading[0]) - x * np.sin(heading[0]))
    up = float(point[2] - layout.elevation.at([s])[0])
    bank = float(layout.banking.at([s])[0])
    cos, sin = np.cos(bank), np.sin(bank)
    return Spot(s, across * cos + up * sin, up * cos - across * sin, float(heading[0]))


def _surface_point(layout: RoadLayout, spot: Spot) -> Float64:
    at, heading, _ = layout.reference.at([spot.s])
    bank = float(layout.banking.at([spot.s])[0])
    across = spot.t * np.cos(bank)
    z = float(layout.elevation.at([spot.s])[0]) + spot.t * np.sin(bank)
    return np.array([at[0, 0] - across * np.sin(heading[0]), at[0, 1] + across * np.cos(heading[0]), z])
