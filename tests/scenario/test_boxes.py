"""Boxes: hand-computed distances and times, and OpenCV as a judge of overlaps."""

from __future__ import annotations

from dataclasses import replace
from math import inf, pi, sqrt

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from avrec.scenario import Box, distance, gap_ahead, overlap, time_to_collision

EGO = Box(0.0, 0.0, 0.0, 4.8, 1.9, 10.0, 0.0)

places = st.floats(-8.0, 8.0)
boxes = st.builds(
    Box,
    places,
    places,
    st.floats(-pi, pi),
    st.floats(0.4, 6.0),
    st.floats(0.4, 2.5),
    st.floats(-9, 9),
    st.floats(-9, 9),
)


def test_gaps_by_hand() -> None:
    ahead = Box(20.0, 0.0, 0.0, 4.4, 1.8, 5.0, 0.0)
    assert gap_ahead(EGO, ahead) == pytest.approx(20.0 - 2.4 - 2.2)
    assert distance(EGO, ahead) == pytest.approx(15.4)
    assert distance(EGO, Box(20.0, 10.0, 0.0, 4.4, 1.8)) == pytest.approx(sqrt(15.4**2 + (10.0 - 0.95 - 0.9) ** 2))
    # A square turned by 45 degrees reaches sqrt(2) of its half side ahead.
    assert distance(EGO, Box(5.0, 0.0, pi / 4, 2.0, 2.0)) == pytest.approx(5.0 - 2.4 - sqrt(2.0))


def test_times_by_hand() -> None:
    assert time_to_collision(EGO, Box(20.0, 0.0, 0.0, 4.4, 1.8, 5.0, 0.0)) == pytest.approx(15.4 / 5.0)
    assert time_to_collision(EGO, Box(20.0, 0.0, 0.0, 4.4, 1.8, 12.0, 0.0)) == inf  # it draws away
    assert time_to_collision(EGO, Box(20.0, 3.0, 0.0, 4.4, 1.8, 5.0, 0.0)) == inf  # it is in another lane
    # From the side: level with the ego's flank after (6 - .95 - .25) / 2 s, when the ego's box is at x = 24.
    person = Box(22.5, -6.0, pi / 2, 0.5, 0.6, 0.0, 2.0)
    assert time_to_collision(EGO, person) == pytest.approx(4.8 / 2.0)
    assert time_to_collision(EGO, EGO) == 0.0


@settings(max_examples=80, deadline=None)
@given(boxes, boxes)
def test_overlaps_are_opencvs(a: Box, b: Box) -> None:
    shapes = [((box.x, box.y), (box.length_m, box.width_m), np.degrees(box.yaw)) for box in (a, b)]
    kind, corners = cv2.rotatedRectangleIntersection(*shapes)
    area = 0.0 if kind == cv2.INTERSECT_NONE or corners is None else cv2.contourArea(cv2.convexHull(corners))
    assume(area == 0.0 or area > 1e-2)  # OpenCV counts in single precision
    assume(area > 0.0 or not 0.0 <= distance(a, b) < 1e-3)
    assert overlap(a, b) == (area > 0.0)
    assert (distance(a, b) == 0.0) == overlap(a, b)


@settings(max_examples=40, deadline=None)
@given(boxes, boxes)
def test_boxes_touch_when_time_is_up(a: Box, b: Box) -> None:
    # One runs at the other's middle, so that they do meet.
    b = replace(b, vx=a.vx + (a.x - b.x) / 3.0, vy=a.vy + (a.y - b.y) / 3.0)
    soon = time_to_collision(a, b)
    assume(soon > 0.05)
    assert soon < 3.0

    def later(box: Box, t: float) -> Box:
        return Box(box.x + t * box.vx, box.y + t * box.vy, box.yaw, box.length_m, box.width_m)

    assert distance(later(a, soon), later(b, soon)) < 1e-6
    assert not overlap(later(a, soon - 0.02), later(b, soon - 0.02))


@settings(max_examples=50, deadline=None)
@given(boxes, boxes, places, places, st.floats(-pi, pi))
def test_a_moved_world_changes_nothing(a: Box, b: Box, dx: float, dy: float, turn: float) -> None:
    c, s = np.cos(turn), np.sin(turn)

    def moved(box: Box) -> Box:
        x, y = c * box.x - s * box.y + dx, s * box.x + c * box.y + dy
        vx, vy = c * box.vx - s * box.vy, s * box.vx + c * box.vy
        return Box(x, y, box.yaw + turn, box.length_m, box.width_m, vx, vy)

    assert distance(moved(a), moved(b)) == pytest.approx(distance(a, b), abs=1e-6)
    assert gap_ahead(moved(a), moved(b)) == pytest.approx(gap_ahead(a, b), abs=1e-6)
