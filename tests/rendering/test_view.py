"""Poses of the shutter lines, offsets, sizes, actors in time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from avrec.errors import DataError
from avrec.geometry import Offset, Shutter, ShutterDirection
from avrec.rendering.view import present_actors, view_for
from tests.rendering.scenes import FRONT_FROM_CAMERA, START_US, tiny_scene


def test_each_row_is_placed_at_its_own_time() -> None:
    scene = tiny_scene()
    view = view_for(scene, "front", START_US + 100_000, bodies=["7"])
    assert view.axis == "rows"
    assert view.lines == 32
    assert view.bodies.shape == (1, 32, 4, 4)
    for row in (0, 13, 31):
        t = 0.1 + (row / 31 * 30_000 + 1_000) / 1e6
        yaw = Rotation.from_euler("z", 20 * t, degrees=True).as_matrix()
        np.testing.assert_allclose(view.rotation[row], yaw @ FRONT_FROM_CAMERA, atol=1e-6)
        np.testing.assert_allclose(view.origin[row], np.array([4 * t, 0, 0]) + yaw @ [1, 0, 1.5], atol=1e-6)
        np.testing.assert_allclose(view.bodies[0, row, :3, 3], [9, -2 + 4 * t / 0.6, 1], atol=1e-6)


def test_shutter_off_is_the_middle_of_the_readout() -> None:
    view = view_for(tiny_scene(), "front", START_US, rolling_shutter=False)
    assert view.axis == "none"
    assert view.lines == 1
    assert view.origin[0, 0] == pytest.approx(4 * 0.016 + np.cos(np.radians(20 * 0.016)), abs=1e-6)


@pytest.mark.parametrize("direction", list(ShutterDirection))
def test_directions(direction: ShutterDirection) -> None:
    scene = tiny_scene()
    sensor = replace(scene.cameras["front"], shutter=Shutter(direction, 30_000))
    view = view_for(replace(scene, cameras={"front": sensor}), "front", START_US)
    lines = {"rows": 32, "columns": 48, "none": 1}[sensor.shutter.axis]
    assert view.axis == sensor.shutter.axis
    assert view.lines == lines
    forwards = direction in (ShutterDirection.TOP_TO_BOTTOM, ShutterDirection.LEFT_TO_RIGHT, ShutterDirection.GLOBAL)
    assert (view.origin[-1, 0] >= view.origin[0, 0]) == forwards


def test_offset_applies_in_the_frame_of_the_rig() -> None:
    plain = view_for(tiny_scene(), "front", START_US + 500_000, rolling_shutter=False)
    moved = view_for(
        tiny_scene(), "front", START_US + 500_000, rolling_shutter=False, offset=Offset(left_m=2, yaw_deg=90)
    )
    heading = 20 * (0.5 + 0.016)
    left = Rotation.from_euler("z", heading + 90, degrees=True).as_matrix()[:, 0]
    rig_before = plain.origin[0] - Rotation.from_euler("z", heading, degrees=True).apply([1, 0, 1.5])
    rig_after = moved.origin[0] - Rotation.from_euler("z", heading + 90, degrees=True).apply([1, 0, 1.5])
    np.testing.assert_allclose(rig_after - rig_before, 2 * left, atol=1e-5)
    np.testing.assert_allclose(moved.rotation[0][:, 2], left, atol=1e-6)  # the camera now looks left


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 90), st.integers(2, 70))
def test_resizing_keeps_the_time_of_a_place_in_the_picture(width: int, height: int) -> None:
    scene = tiny_scene()
    view = view_for(scene, "front", START_US, width=width, height=height)
    assert (view.camera.width, view.camera.height, view.lines) == (width, height, height)
    recorded_rows = (np.arange(height) + 0.5) * 32 / height - 0.5
    seconds = (recorded_rows / 31 * 30_000 + 1_000) / 1e6
    rig = view.origin[:, 2]
    np.testing.assert_allclose(rig, 1.5, atol=1e-9)
    yaw = np.degrees(np.arctan2(view.rotation[:, 1, 2], view.rotation[:, 0, 2]))
    np.testing.assert_allclose(yaw, 20 * seconds, atol=1e-5)  # quarter microseconds


def test_actors_come_and_go_with_their_tracks() -> None:
    tracks = tiny_scene().tracks
    assert present_actors(tracks, START_US - 49_000) == ("7",)
    assert present_actors(tracks, START_US + 700_000) == ()


def test_mistakes_are_named() -> None:
    scene = tiny_scene()
    with pytest.raises(DataError, match=r"'back'.*front"):
        view_for(scene, "back", START_US)
    with pytest.raises(DataError, match="outside the recorded path"):
        view_for(scene, "front", START_US + 5_000_000)
    with pytest.raises(DataError, match="one pixel"):
        view_for(scene, "front", START_US, width=0, height=4)
    with pytest.raises(DataError, match="id 9"):
        view_for(scene, "front", START_US, bodies=["9"])
