"""Clouds as files, and where they lie at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from avrec.curation.solid import _angles_xyz, boxes_at, chase_view, nodes_at, write_clouds
from avrec.gaussians import Gaussians
from avrec.geometry import matrix_from_rpy
from avrec.scene.foreign import import_gaussians
from tests.rendering.scenes import START_US, tiny_scene


def test_clouds_come_back_bit_for_bit(tmp_path: Path) -> None:
    scene = tiny_scene(road=tiny_scene().static)
    files = write_clouds(scene, tmp_path)
    assert files == {None: "static.ply", "7": "actor-0001.ply"}
    back = import_gaussians(tmp_path / files[None]).gaussians
    np.testing.assert_array_equal(back.packed, scene.world_gaussians().packed)
    np.testing.assert_array_equal(import_gaussians(tmp_path / files["7"]).gaussians.packed, scene.actors["7"].packed)


def test_empty_layers_have_no_file(tmp_path: Path) -> None:
    files = write_clouds(tiny_scene(actors={"7": Gaussians.empty()}), tmp_path)
    assert list(files) == [None]
    assert [node.name for node in nodes_at(tiny_scene(), files, START_US)] == ["static"]


def test_an_actor_lies_where_its_track_is() -> None:
    files = {None: "static.ply", "7": "actor.ply"}
    static, actor = nodes_at(tiny_scene(), files, START_US + 300_000)
    assert (static.position, static.quaternion_xyzw) == ((0, 0, 0), (0, 0, 0, 1))
    assert (actor.name, actor.file) == ("actor 7", "actor.ply")
    assert actor.position == pytest.approx((9.0, 0.0, 1.0))  # half way from y = -2 to y = 2
    assert actor.quaternion_xyzw == pytest.approx((0, 0, 0, 1))
    assert [node.name for node in nodes_at(tiny_scene(), files, START_US + 900_000)] == ["static"]
    (box,) = boxes_at(tiny_scene(), START_US + 300_000)
    assert (box.track, box.label, box.size_m) == ("7", "car", (1.0, 1.0, 1.0))
    assert box.center_world == actor.position


def test_the_view_is_from_behind_the_car() -> None:
    look_from, look_at = chase_view(tiny_scene(), START_US)
    assert look_from == (-9.0, 0.0, 4.5)
    assert look_at == (15.0, 0.0, 1.0)


angle = st.floats(-np.pi, np.pi)


@given(angle, angle, angle)
def test_box_angles_turn_back_into_the_same_rotation(roll: float, pitch: float, yaw: float) -> None:
    rotation = matrix_from_rpy(np.array(roll), np.array(pitch), np.array(yaw))
    again = Rotation.from_euler("XYZ", _angles_xyz(rotation)).as_matrix()
    np.testing.assert_allclose(again, rotation, atol=1e-6)


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_box_angles_at_a_right_angle(side: float) -> None:
    rotation = Rotation.from_euler("XYZ", [0.3, side * np.pi / 2, 0.4]).as_matrix()
    again = Rotation.from_euler("XYZ", _angles_xyz(rotation)).as_matrix()
    np.testing.assert_allclose(again, rotation, atol=1e-6)
