"""Hand-made OpenDRIVE roads as lane graphs."""

from __future__ import annotations

import numpy as np
import pytest

from avrec.drive.lane_graph import Neighbor
from avrec.maps import read_opendrive
from tests.maps.support import lane, road, section, xodr

WIDTH = '<width sOffset="0" a="3.5" b="0" c="0" d="0"/>'


def test_lanes_of_a_two_way_road_run_both_ways() -> None:
    graph = read_opendrive(xodr(road(section(lane(1), lane(-1) + lane(-2, kind="shoulder")))))
    right, left = graph.lanes["1.0.-1"], graph.lanes["1.0.1"]
    assert right.center[[0, -1]] == pytest.approx(np.array([[0, -1.75, 0], [100, -1.75, 0]]))
    assert left.center[[0, -1]] == pytest.approx(np.array([[100, 1.75, 0], [0, 1.75, 0]]))
    assert left.left[0] == pytest.approx([100, 0, 0])
    assert left.right[0] == pytest.approx([100, 3.5, 0])
    assert right.left_neighbor == Neighbor("1.0.1", same_direction=False)
    assert right.right_neighbor == Neighbor("1.0.-2", same_direction=True)
    assert left.right_neighbor is None
    assert left.left_neighbor == Neighbor("1.0.-1", same_direction=False)
    assert right.drivable
    assert not graph.lanes["1.0.-2"].drivable


def test_left_hand_traffic_turns_the_lanes() -> None:
    graph = read_opendrive(xodr(road(section(lane(1), lane(-1)), rule="LHT")))
    assert graph.lanes["1.0.1"].center[0] == pytest.approx([0, 1.75, 0])
    assert graph.lanes["1.0.-1"].center[0] == pytest.approx([100, -1.75, 0])
    assert graph.lanes["1.0.1"].right_neighbor == Neighbor("1.0.-1", same_direction=False)


def test_a_lane_on_an_arc_has_the_arcs_radius() -> None:
    length = 50 * np.pi
    geometry = f'<geometry s="0" x="0" y="0" hdg="0" length="{length}"><arc curvature="0.02"/></geometry>'
    graph = read_opendrive(xodr(road(section(right=lane(-1)), length=length, geometry=geometry)))
    center = graph.lanes["1.0.-1"].center
    assert np.hypot(center[:, 0], center[:, 1] - 50.0) == pytest.approx(np.full(len(center), 51.75), abs=1e-9)
    assert graph.lanes["1.0.-1"].length_m == pytest.approx(51.75 * np.pi, rel=1e-4)


def test_widths_offsets_elevation_and_banking_add_up() -> None:
    profile = (
        '<elevationProfile><elevation s="0" a="10" b="0.01" c="0" d="0"/></elevationProfile>'
        '<lateralProfile><superelevation s="0" a="0.1" b="0" c="0" d="0"/></lateralProfile>'
    )
    offset = '<laneOffset s="0" a="1" b="0.02" c="0" d="0"/>'
    wide = '<width sOffset="0" a="3" b="0" c="0" d="0"/><width sOffset="50" a="3" b="0.02" c="0" d="0"/>'
    graph = read_opendrive(xodr(road(section(right=lane(-1, wide)), extra=profile, offsets=offset)))
    found = graph.lanes["1.0.-1"]
    last_t = 3.0 - 4.0
    assert found.right[-1] == pytest.approx([100.0, last_t * np.cos(0.1), 11.0 + last_t * np.sin(0.1)])
    assert found.left[0] == pytest.approx([0.0, np.cos(0.1), 10.0 + np.sin(0.1)])
    assert found.widths_m[-1] == pytest.approx(4.0)


def test_heights_raise_a_kerb() -> None:
    body = WIDTH + '<height sOffset="0" inner="0.12" outer="0.15"/>'
    graph = read_opendrive(xodr(road(section(right=lane(-1) + lane(-2, body, kind="sidewalk")))))
    assert graph.lanes["1.0.-2"].left[0, 2] == pytest.approx(0.12)
    assert graph.lanes["1.0.-2"].right[-1, 2] == pytest.approx(0.15)
    assert graph.lanes["1.0.-1"].right[0, 2] == 0.0


def test_marks_and_speed_follow_the_driving_direction() -> None:
    marks = (
        '<roadMark sOffset="0" type="solid" color="yellow" width="0.12"/><roadMark sOffset="30" type="broken"'
        ' color="white"/>'
    )
    fast = WIDTH + '<roadMark sOffset="0" type="curb" color="standard"/><speed sOffset="0" max="36" unit="km/h"/>'
    graph = read_opendrive(xodr(road(section(lane(1), lane(-1, fast), center=marks))))
    right, left = graph.lanes["1.0.-1"], graph.lanes["1.0.1"]
    assert [(mark.kind, mark.start_m) for mark in right.left_marks] == [("solid", 0.0), ("broken", 30.0)]
    assert [(mark.kind, mark.start_m) for mark in left.left_marks] == [("broken", 0.0), ("solid", 70.0)]
    assert right.right_marks[0].kind == "curb"
    assert right.speed_limit_mps == pytest.approx(10.0)
    assert left.speed_limit_mps is None


def test_links_hold_whichever_side_tells_them() -> None:
    """Section to section, road to road told by one lane only, and road to junction."""
    one = '<link><successor id="-1"/></link>' + WIDTH
    two = WIDTH
    first = road(
        section(right=lane(-1, one)) + section(right=lane(-1, one) + lane(-2), s=60),
        link='<successor elementType="road" elementId="2" contactPoint="start"/>',
    )
    geometry = '<geometry s="0" x="100" y="0" hdg="0" length="20"><line/></geometry>'
    second = road(
        section(right=lane(-1, two)),
        number="2",
        length=20,
        geometry=geometry,
        link='<successor elementType="junction" elementId="9"/>',
    )
    geometry = '<geometry s="0" x="150" y="0" hdg="3.141592653589793" length="30"><line/></geometry>'
    third = road(section(lane(1)), number="3", length=30, geometry=geometry, junction="9")
    junction = (
        '<junction id="9" name="j"><connection id="0" incomingRoad="2" connectingRoad="3" contactPoint="end">'
        '<laneLink from="-1" to="1"/><laneLink from="-7" to="1"/></connection></junction>'
    )
    graph = read_opendrive(xodr(first, second, third, junction))
    assert graph.lanes["1.0.-1"].successors == ("1.1.-1",)
    assert graph.lanes["1.1.-1"].successors == ("2.0.-1",)
    assert graph.lanes["2.0.-1"].successors == ("3.0.1",)
    assert graph.lanes["3.0.1"].predecessors == ("2.0.-1",)
    assert graph.lanes["3.0.1"].junction == "9"
    assert graph.lanes["3.0.1"].center[0] == pytest.approx([120.0, -1.75, 0.0])


def test_sections_too_short_are_passed_through() -> None:
    one = '<link><successor id="-1"/></link>' + WIDTH
    sections = "".join(section(right=lane(-1, one), s=s) for s in (0.0, 50.0, 50.001, 50.002))
    graph = read_opendrive(xodr(road(sections)))
    assert list(graph.lanes) == ["1.0.-1", "1.1.-1"]
    assert graph.lanes["1.0.-1"].successors == ("1.1.-1",)
    assert graph.lanes["1.1.-1"].section == 1


def test_signals_stop_lines_and_crosswalks_are_placed() -> None:
    after = (
        '<objects><object id="7" type="crosswalk" s="20" t="0" zOffset="0" hdg="0"><outline>'
        '<cornerLocal u="-2" v="-5" z="0" height="0"/><cornerLocal u="2" v="-5" z="0" height="0"/>'
        '<cornerLocal u="2" v="5" z="0" height="0"/></outline></object></objects>'
        '<signals><signal id="a" s="90" t="-5" zOffset="4" dynamic="yes" orientation="+" type="1000001" subtype="-1"/>'
        '<signal id="b" s="10" t="5" zOffset="2" dynamic="no" orientation="-" type="274" country="DE" value="50"'
        ' unit="km/h" subtype="-1"/>'
        '<signal id="c" s="88" t="-1.75" zOffset="0" dynamic="no" orientation="+" type="294" subtype="-1">'
        '<validity fromLane="-1" toLane="-1"/></signal></signals>'
    )
    controller = '<controller id="1" name="lights"><control signalId="a" type="0"/></controller>'
    graph = read_opendrive(xodr(road(section(lane(1), lane(-1)), after=after), controller))
    light, sign = graph.signals
    assert light.position == pytest.approx([90, -5, 4])
    assert light.lanes == ("1.0.-1",)
    assert light.dynamic
    assert sign.lanes == ("1.0.1",)
    assert sign.value == 50
    assert abs(sign.heading_rad) == pytest.approx(np.pi)
    assert graph.stop_lines[0].lanes == ("1.0.-1",)
    assert np.sort(graph.stop_lines[0].line[:, 1]) == pytest.approx([-3.5, 0.0])
    assert graph.crosswalks[0].polygon[:, :2] == pytest.approx(np.array([[18, -5], [22, -5], [22, 5]]))
    assert graph.controllers[0].signals == ("a",)


def test_a_header_offset_moves_the_map() -> None:
    header = '<offset x="1000" y="10" z="5" hdg="1.5707963267948966"/>'
    graph = read_opendrive(xodr(road(section(right=lane(-1))), header=header))
    assert graph.lanes["1.0.-1"].center[-1] == pytest.approx([1001.75, 110.0, 5.0])
    assert graph.roads["1"].headings == pytest.approx(np.full(len(graph.roads["1"].reference), np.pi / 2))
