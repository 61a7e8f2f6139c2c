"""Lanes inferred from pictures of roads whose paint is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avrec.drive import Drive, Track
from avrec.drive.lane_graph import Lane, LaneGraph, Neighbor
from avrec.errors import DataError
from avrec.geometry import Trajectory, transform_from
from avrec.maps import check_map, read_opendrive, write_opendrive
from avrec.maps.infer import LANE_WIDTH_M, infer_map
from tests.maps.painted_road import YELLOW, PaintedRoad, Stripe
from tests.maps.support import apart
from tests.maps.test_write_opendrive import carla_deviation

Float64 = NDArray[np.float64]

TWO_LANES = (Stripe(-3.5), Stripe(0.0, broken=True), Stripe(3.5))
THREE_LANES = (Stripe(-3.4), Stripe(0.0, broken=True), Stripe(3.3, color=YELLOW), Stripe(6.6))


def flat(xy: Float64) -> Float64:
    return np.zeros(len(xy))


def driving(graph: LaneGraph) -> list[Lane]:
    return [lane for lane in graph.lanes.values() if lane.drivable]


def deviations(line: Float64, road: PaintedRoad, wanted: float) -> Float64:
    return np.asarray(np.abs(road.locate(line[:, 0], line[:, 1])[1] - wanted))


@pytest.fixture(scope="module")
def three_lanes() -> tuple[PaintedRoad, LaneGraph]:
    road = PaintedRoad(THREE_LANES, radius=90.0)
    return road, infer_map(road.drive(), flat)


def test_lanes_lie_between_the_painted_lines(three_lanes: tuple[PaintedRoad, LaneGraph]) -> None:
    road, graph = three_lanes
    assert len(graph.roads) == 1
    assert len(driving(graph)) == len(graph.lanes) == 3
    middles = {-1: 1.65, -2: -1.7, 1: 4.95}
    for lane in graph.lanes.values():
        assert np.median(deviations(lane.center, road, middles[lane.slot])) < 0.04
        # Before that the camera looks over the road, beyond it the road is seen from afar only.
        seen = lane.center[(lane.center[:, 0] > 4.0) & (lane.center[:, 0] < 30.0)]
        assert deviations(seen, road, middles[lane.slot]).max() < 0.15
        assert lane.inferred
        assert lane.confidence > 0.5
    assert graph.lanes["1.0.-2"].confidence > 0.8


def test_marks_and_directions_follow_the_paint(three_lanes: tuple[PaintedRoad, LaneGraph]) -> None:
    """The road splits at its yellow line although that is not its middle."""
    _, graph = three_lanes
    own, beside, oncoming = (graph.lanes[f"1.0.{slot}"] for slot in (-2, -1, 1))
    kinds = [(lane.left_marks[0].kind, lane.left_marks[0].color) for lane in (own, beside, oncoming)]
    assert kinds == [("broken", "white"), ("solid", "yellow"), ("solid", "yellow")]
    assert own.right_marks[0].kind == oncoming.right_marks[0].kind == "solid"
    ahead = [lane.center[-1, 0] > lane.center[0, 0] for lane in (own, beside, oncoming)]
    assert ahead == [True, True, False]
    assert own.left_neighbor == Neighbor(beside.id, True)
    assert beside.left_neighbor == Neighbor(oncoming.id, False)


def test_simulators_read_the_map(three_lanes: tuple[PaintedRoad, LaneGraph]) -> None:
    """OpenDRIVE keeps the lanes, and CARLA drives where they are."""
    _, graph = three_lanes
    content = write_opendrive(graph)
    found = read_opendrive(content)
    assert apart(graph, found) < 0.03
    assert {lane.id: (lane.inferred, lane.confidence) for lane in graph.lanes.values()} == {
        lane.id: (lane.inferred, lane.confidence) for lane in found.lanes.values()
    }
    assert [finding for finding in check_map(graph) if finding.severity != "note"] == []
    count, worst = carla_deviation(graph, content)
    assert count > 30
    assert worst < 0.05


@settings(max_examples=3, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(right=st.floats(-4.2, -3.0), left=st.floats(3.0, 4.2), radius=st.sampled_from([float("inf"), 70.0, -70.0]))
def test_a_mirrored_drive_has_mirrored_lanes(right: float, left: float, radius: float) -> None:
    """With traffic on the other side, everything is the same but for left and right."""
    stripes = (Stripe(right), Stripe(0.0, broken=True), Stripe(left))
    graphs = [
        infer_map(PaintedRoad(stripes, radius, mirror).drive(length=12.0), flat, traffic=side)
        for mirror, side in ((False, "right"), (True, "left"))
    ]
    assert len(graphs[0].lanes) == len(graphs[1].lanes) == 2
    for lane in graphs[0].lanes.values():
        other = graphs[1].lanes[f"1.0.{-lane.slot}"]
        driven = lane.center[:, 0] < 12.0  # what is seen from afar only is less sure
        assert (other.center * (1, -1, 1))[driven] == pytest.approx(lane.center[driven], abs=0.05)
        assert (other.right * (1, -1, 1))[driven] == pytest.approx(lane.left[driven], abs=0.05)
        assert [mark.kind for mark in other.right_marks] == [mark.kind for mark in lane.left_marks]
        assert other.confidence == pytest.approx(lane.confidence, abs=0.03)


def test_the_map_moves_with_the_world() -> None:
    drive = PaintedRoad(TWO_LANES).drive(length=14.0)
    turn = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    moved = transform_from(turn, np.array([800.0, -300.0, 45.0]))
    there = infer_map(replace(drive, ego=drive.ego.transformed(moved)), lambda xy: np.full(len(xy), 45.0))
    here = infer_map(drive, flat)
    assert set(here.lanes) == set(there.lanes)
    for name, lane in here.lanes.items():
        assert lane.center @ turn.T + moved[:3, 3] == pytest.approx(there.lanes[name].center, abs=0.02)


@pytest.mark.parametrize("side", ["right", "left"])
def test_an_unpainted_road_is_one_unsure_lane_around_the_path(side: str) -> None:
    drive = PaintedRoad().drive(length=14.0, swerve=0.0)
    graph = infer_map(drive, flat, traffic="left" if side == "left" else "right")
    (lane,) = graph.lanes.values()
    assert lane.confidence < 0.4
    assert lane.inferred
    assert lane.widths_m == pytest.approx(LANE_WIDTH_M, abs=0.01)
    assert np.abs(lane.center[:, 1] + 1.75).max() < 0.1
    assert lane.center[-1, 0] > lane.center[0, 0]
    assert any("guessed" in note for note in graph.notes)
    assert [finding for finding in check_map(graph) if finding.severity != "note"] == []


def test_oncoming_traffic_turns_a_lane_around() -> None:
    """Of three lanes with broken lines between them, the one where a car comes towards us is not ours."""
    stripes = (Stripe(-3.4), Stripe(0.0, broken=True), Stripe(3.4, broken=True), Stripe(6.8))
    drive = PaintedRoad(stripes).drive(length=16.0)

    def seen_driving(d: float, back: bool) -> Drive:
        x = np.linspace(25.0, 2.0, 12) if back else np.linspace(2.0, 25.0, 12)
        poses = np.tile(np.eye(4), (12, 1, 1))
        poses[:, 0, 3], poses[:, 1, 3], poses[:, 2, 3] = x, d, 30.0  # out of the pictures
        times = np.linspace(*drive.ego.span_us, 12).astype(np.int64)
        car = Track("1", "car", np.array([4.5, 1.8, 1.5]), Trajectory(times, poses))
        return replace(drive, tracks=(car,))

    oncoming, ours = (infer_map(seen_driving(1.7, back), flat) for back in (True, False))
    assert {lane.slot for lane in oncoming.lanes.values()} == {-1, 1, 2}
    assert -2 in {lane.slot for lane in ours.lanes.values()}


def test_a_recording_without_pictures_or_motion_still_gives_a_lane() -> None:
    drive = PaintedRoad(TWO_LANES).drive(length=3.0)
    empty = replace(drive, frames={"front": ()})
    standing = replace(drive, frames={"front": drive.frames["front"][:1]})
    still = replace(standing, ego=Trajectory(drive.ego.timestamps_us[:1], drive.ego.poses[:1]))
    for each in (empty, standing, still):
        graph = infer_map(each)
        assert driving(graph)
        assert write_opendrive(graph)
        assert max(lane.confidence for lane in graph.lanes.values()) < 0.9


def test_unknown_heights_fall_back_to_the_path() -> None:
    drive = PaintedRoad(TWO_LANES).drive(length=12.0)
    graph = infer_map(drive, lambda xy: np.full(len(xy), np.nan))
    assert len(driving(graph)) == 2
    assert all(np.abs(lane.center[:, 2]).max() < 1e-6 for lane in graph.lanes.values())


def test_a_path_that_comes_back_is_mapped_once() -> None:
    angle = np.linspace(0.0, 3.6 * np.pi, 180)
    poses = np.tile(np.eye(4), (len(angle), 1, 1))
    poses[:, 0, 0] = poses[:, 1, 1] = np.cos(angle)
    poses[:, 1, 0], poses[:, 0, 1] = np.sin(angle), -np.sin(angle)
    poses[:, 0, 3], poses[:, 1, 3] = 40.0 * np.sin(angle), 40.0 - 40.0 * np.cos(angle)
    ego = Trajectory(np.arange(180, dtype=np.int64) * 100_000, poses)
    drive = PaintedRoad(TWO_LANES).drive(length=3.0)
    graph = infer_map(replace(drive, ego=ego, frames={}))
    (lane,) = graph.lanes.values()
    assert 225.0 < lane.length_m < 275.0  # once around is 251 m
    assert write_opendrive(graph)


def test_impossible_arguments_are_refused() -> None:
    drive = PaintedRoad().drive(length=3.0)
    with pytest.raises(DataError, match="not possible"):
        infer_map(drive, lane_width_m=9.0)
    with pytest.raises(DataError, match="not possible"):
        infer_map(drive, traffic="middle")  # type: ignore[arg-type]
