"""A small closed map of our own, and a server with a client."""

from __future__ import annotations

import queue
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from math import pi
from typing import Any

from carla_bridge.tick_guard import watched
from carla_bridge.traffic import manager_on

WAIT_S = 60.0
"""For what should come at once: it ends a hang, and measures nothing."""

STRAIGHT_M = 120.0
RADIUS_M = 25.0
LANE_M = 3.5
WALK_M = 2.0
LIMIT_KMH = 40
LATITUDE, LONGITUDE = 48.0, 11.0


def loop_map() -> bytes:
    """A stadium: two straights and two half circles, a lane each way, sidewalks, a crossing and a pair of lights.

    Road 0 runs from (0, 0) east, road 2 back west at y = 50; lanes -1 drive counter-clockwise.
    """
    turn = pi * RADIUS_M
    roads = [
        _road(0, STRAIGHT_M, (0.0, 0.0, 0.0), None),
        _road(1, turn, (STRAIGHT_M, 0.0, 0.0), 1 / RADIUS_M),
        _road(2, STRAIGHT_M, (STRAIGHT_M, 2 * RADIUS_M, pi), None),
        _road(3, turn, (0.0, 2 * RADIUS_M, pi), 1 / RADIUS_M),
    ]
    text = (
        '<?xml version="1.0"?><OpenDRIVE>'
        '<header revMajor="1" revMinor="4" name="loop" north="100" south="-100" east="200" west="-100">'
        f"<geoReference><![CDATA[+proj=tmerc +lat_0={LATITUDE} +lon_0={LONGITUDE} +k=1 +x_0=0 +y_0=0 +datum=WGS84]]>"
        "</geoReference></header>"
        + "".join(roads)
        + '<controller id="90" name="lights"><control signalId="50" type="0"/></controller>'
        '<controller id="91" name="others"><control signalId="51" type="0"/></controller>'
        "</OpenDRIVE>"
    )
    return text.encode()


def _road(number: int, length: float, start: tuple[float, float, float], curvature: float | None) -> str:
    before, after = (number - 1) % 4, (number + 1) % 4
    shape = "<line/>" if curvature is None else f'<arc curvature="{curvature!r}"/>'
    x, y, heading = start
    extras = ""
    if number == 0:
        extras = (
            '<objects><object id="7" type="crosswalk" name="crossing" s="90" t="0" zOffset="0" hdg="0" pitch="0" '
            'roll="0" orientation="none" length="4" width="7"><outline>'
            + "".join(
                f'<cornerLocal u="{u}" v="{v}" z="0"/>'
                for u, v in ((-2, -3.5), (2, -3.5), (2, 3.5), (-2, 3.5), (-2, -3.5))
            )
            + "</outline></object></objects><signals>"
            + _signal(50, 80.0, -5.0, "+")
            + _signal(51, 100.0, 5.0, "-")
            + "</signals>"
        )
    return (
        f'<road name="r{number}" length="{length!r}" id="{number}" junction="-1" rule="RHT">'
        f'<link><predecessor elementType="road" elementId="{before}" contactPoint="end"/>'
        f'<successor elementType="road" elementId="{after}" contactPoint="start"/></link>'
        f'<type s="0" type="town"><speed max="{LIMIT_KMH}" unit="km/h"/></type>'
        f'<planView><geometry s="0" x="{x!r}" y="{y!r}" hdg="{heading!r}" length="{length!r}">{shape}</geometry>'
        "</planView><elevationProfile/><lateralProfile/>"
        '<lanes><laneSection s="0">'
        f"<left>{_lane(2, 'sidewalk', WALK_M)}{_lane(1, 'driving', LANE_M)}</left>"
        '<center><lane id="0" type="none" level="false"><roadMark sOffset="0" type="broken" weight="standard" '
        'color="standard" width="0.12" laneChange="both"/></lane></center>'
        f"<right>{_lane(-1, 'driving', LANE_M)}{_lane(-2, 'sidewalk', WALK_M)}</right>"
        f"</laneSection></lanes>{extras}</road>"
    )


def _lane(number: int, kind: str, width: float) -> str:
    return (
        f'<lane id="{number}" type="{kind}" level="false"><link><predecessor id="{number}"/><successor id="{number}"/>'
        f'</link><width sOffset="0" a="{width}" b="0" c="0" d="0"/>'
        '<roadMark sOffset="0" type="solid" weight="standard" color="standard" width="0.12" laneChange="none"/></lane>'
    )


def _signal(number: int, s: float, t: float, orientation: str) -> str:
    return (
        f'<signal id="{number}" name="light{number}" s="{s}" t="{t}" zOffset="3.0" hOffset="0" dynamic="yes" '
        f'orientation="{orientation}" type="1000001" subtype="-1" country="OpenDRIVE" value="-1" width="0.4" '
        'height="1.0"/>'
    )


def synchronous(world: Any, step_s: float = 0.05) -> None:
    """Let a client's world wait for ticks."""
    settings = world.get_settings()
    settings.synchronous_mode = True
    settings.fixed_delta_seconds = step_s
    world.apply_settings(settings)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def traffic_manager(client: Any) -> Iterator[Any]:
    """One that is watched. It ends before the world is loaded again, or it would crash the client."""
    manager = manager_on(client, 0)
    with watched(manager.get_port()):
        try:
            yield manager
        finally:
            for car in client.get_world().get_actors().filter("vehicle.*"):
                car.set_autopilot(False, manager.get_port())
            manager.shut_down()


def message_of(frame: int, messages: queue.Queue[Any]) -> Any:
    """The message of a frame: a tick comes back before its messages have come."""
    while True:
        found = messages.get(timeout=WAIT_S)
        if found.frame >= frame:
            assert found.frame == frame
            return found
