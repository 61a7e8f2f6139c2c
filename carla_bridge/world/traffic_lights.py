"""Traffic lights of a map and how they switch.

Lights that a controller names show the same state. The controllers of a junction take turns: green, yellow, red for
all of them, then the next. A light without a controller forms a group of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from avrec.drive.lane_graph import Lane, LaneGraph, Signal
from carla_bridge.world.pose import Pose, Vector

__all__ = ["LightGroup", "LightState", "TrafficLight", "is_light", "lights_of_map", "zone_of"]

GREEN_S, YELLOW_S, RED_S = 10.0, 3.0, 2.0
TYPE_LIGHT = "1000001"
"""Number of a traffic light in OpenDRIVE's own catalogue, as clients look for it."""
NOT_FOR_CARS = frozenset({"1000002", "1000007", "1000013"})
"""Lights for people and bicycles in that catalogue; maps often say for all lanes of their road."""
NOWHERE = (0.0, 0.0, 0.0)
STOP_ZONE_M = 3.0
"""Length of the stretch before a light in which a vehicle is at that light."""


class LightState(IntEnum):
    """What a light shows; the numbers are CARLA's."""

    RED = 0
    YELLOW = 1
    GREEN = 2
    OFF = 3
    UNKNOWN = 4


@dataclass(slots=True)
class TrafficLight:
    """A light and its times in seconds.

    Attributes:
        signal: its id in the map.
        pose: foot of the panel, x to the right of the traffic it speaks to, y along it: so CARLA's own are turned, and
            so clients look for lanes across the box of a light.
        zone_center, zone_half: where vehicles wait for it, in the light's own frame, metres; no size for a light that
            speaks to no lane, as those of pedestrians.
        group: number of its group.
        pole: number of the controller within the group.
    """

    signal: str
    pose: Pose
    zone_center: Vector
    zone_half: Vector
    group: int
    pole: int
    state: LightState = LightState.RED
    elapsed_s: float = 0.0
    green_s: float = GREEN_S
    yellow_s: float = YELLOW_S
    red_s: float = RED_S
    frozen: bool = False
    actor: int = 0


@dataclass(slots=True)
class LightGroup:
    """Controllers that take turns; ``phases`` holds the indices of the lights of each."""

    phases: list[list[int]]
    active: int = 0
    state: LightState = LightState.GREEN
    elapsed_s: float = 0.0
    frozen: bool = False

    def restart(self, lights: list[TrafficLight]) -> None:
        """Begin with the first controller's green."""
        self.active, self.state, self.elapsed_s = 0, LightState.GREEN, 0.0
        self._show(lights)

    def step(self, lights: list[TrafficLight], dt: float) -> None:
        """Let time pass."""
        if self.frozen or not self.phases:
            return
        self.elapsed_s += dt
        lead = lights[self.phases[self.active][0]]
        limit = {LightState.GREEN: lead.green_s, LightState.YELLOW: lead.yellow_s}.get(self.state, lead.red_s)
        if self.elapsed_s >= limit - 1e-9:
            self.elapsed_s = 0.0
            if self.state == LightState.RED:
                self.active = (self.active + 1) % len(self.phases)
                self.state = LightState.GREEN
            else:
                self.state = LightState.YELLOW if self.state == LightState.GREEN else LightState.RED
            self._show(lights)
            return
        for phase in self.phases:
            for index in phase:
                lights[index].elapsed_s += dt

    def _show(self, lights: list[TrafficLight]) -> None:
        for number, phase in enumerate(self.phases):
            shown = self.state if number == self.active else LightState.RED
            for index in phase:
                if not lights[index].frozen:
                    if lights[index].state != shown:
                        lights[index].elapsed_s = 0.0
                    lights[index].state = shown


def is_light(signal: Signal) -> bool:
    """Whether a signal is a traffic light."""
    return signal.traffic_light or signal.type == TYPE_LIGHT


def lights_of_map(graph: LaneGraph) -> tuple[list[TrafficLight], list[LightGroup]]:
    """The lights of a map in the order of its signals, and their groups."""
    junction_of = {name: junction.id for junction in graph.junctions.values() for name in junction.controllers}
    controller_of: dict[str, str] = {}
    for controller in graph.controllers:
        for name in controller.signals:
            controller_of.setdefault(name, controller.id)
    lights: list[TrafficLight] = []
    groups: list[LightGroup] = []
    group_of: dict[str, int] = {}
    phase_of: dict[str, int] = {}
    for signal in graph.signals:
        if not is_light(signal):
            continue
        switch = controller_of.get(signal.id, f"signal {signal.id}")
        key = f"junction {junction_of[switch]}" if switch in junction_of else switch
        group = group_of.setdefault(key, len(groups))
        if group == len(groups):
            groups.append(LightGroup([]))
        phases = groups[group].phases
        if switch not in phase_of:
            phase_of[switch] = len(phases)
            phases.append([])
        phases[phase_of[switch]].append(len(lights))
        lights.append(_light(signal, graph, group, phase_of[switch]))
    for each in groups:
        each.restart(lights)
    return lights, groups


def _light(signal: Signal, graph: LaneGraph, group: int, pole: int) -> TrafficLight:
    x, y, z = (float(value) for value in signal.position)
    names = () if signal.type in NOT_FOR_CARS else signal.lanes
    lanes = [graph.lanes[name] for name in names if name in graph.lanes]
    center, (along, across, up), heading = zone_of(signal, lanes)
    c, s = np.cos(heading), np.sin(heading)
    dx, dy = center[0] - x, center[1] - y
    local = (float(s * dx - c * dy), float(c * dx + s * dy), center[2] - z)
    pose = Pose(x, y, z, 0.0, 0.0, heading - np.pi / 2)
    return TrafficLight(signal.id, pose, local, (across, along, up) if lanes else NOWHERE, group, pole)


def zone_of(signal: Signal, lanes: Iterable[Lane]) -> tuple[Vector, Vector, float]:
    """The box over the lanes where they pass the signal, in the world: centre, half sizes and heading."""
    edges = []
    heading = signal.heading_rad
    for lane in lanes:
        index = int(np.argmin(((lane.center[:, :2] - signal.position[:2]) ** 2).sum(1)))
        edges += [lane.left[index], lane.right[index]]
        a, b = lane.center[max(index - 1, 0)], lane.center[min(index + 1, len(lane.center) - 1)]
        heading = float(np.arctan2(b[1] - a[1], b[0] - a[0]))
    if not edges:
        x, y, z = (float(value) for value in signal.position)
        return (x, y, z), (STOP_ZONE_M / 2, 1.5, 1.0), heading
    points = np.array(edges)
    c, s = np.cos(heading), np.sin(heading)
    along, across = points[:, 0] * c + points[:, 1] * s, points[:, 1] * c - points[:, 0] * s
    u, v = float(along.mean()) - STOP_ZONE_M / 2, float(across.max() + across.min()) / 2
    center = (float(u * c - v * s), float(u * s + v * c), float(points[:, 2].mean()) + 1.0)
    return center, (STOP_ZONE_M / 2, max(float(np.ptp(across)) / 2 * 0.9, 0.5), 2.0), heading
