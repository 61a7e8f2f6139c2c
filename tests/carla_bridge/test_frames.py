from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import carla_bridge
from avrec.geometry import matrix_from_rpy
from carla_bridge.frames import (
    flip_axial,
    flip_points,
    matrix_from_carla,
    matrix_to_carla,
    motion_to_carla,
    plain_axial,
    plain_point,
    plain_rotation_to_carla,
    plain_rpy_from_carla,
    rotation_to_carla,
    rpy_from_carla,
)
from carla_bridge.world.pose import Pose, compose, rotate, unrotate

coordinates = st.tuples(*[st.floats(-1e4, 1e4)] * 3)
rotations = st.tuples(st.floats(-89.0, 89.0), st.floats(-180.0, 180.0), st.floats(-180.0, 180.0))


def carla_matrix(rotation: tuple[float, float, float]) -> np.ndarray:
    """CARLA's rotation matrix as the protocol's description writes it."""
    (sp, sy, sr), (cp, cy, cr) = np.sin(np.radians(rotation)), np.cos(np.radians(rotation))
    return np.array(
        [
            [cp * cy, cy * sp * sr - sy * cr, -cy * sp * cr - sy * sr],
            [cp * sy, sy * sp * sr + cy * cr, -sy * sp * cr + cy * sr],
            [sp, -cp * sr, cp * cr],
        ]
    )


@given(coordinates, rotations, coordinates)
def test_a_point_on_a_body_is_the_same_place_in_both_frames(
    location: tuple[float, float, float], rotation: tuple[float, float, float], point: tuple[float, float, float]
) -> None:
    in_carla = carla_matrix(rotation) @ point + location
    matrix = matrix_from_carla(location, rotation)
    ours = matrix[:3, :3] @ flip_points(point) + matrix[:3, 3]
    np.testing.assert_allclose(flip_points(ours), in_carla, atol=1e-6)


@given(coordinates, rotations)
def test_transforms_come_back(location: tuple[float, float, float], rotation: tuple[float, float, float]) -> None:
    back_location, back_rotation = matrix_to_carla(matrix_from_carla(location, rotation))
    np.testing.assert_allclose(back_location, location, atol=1e-9)
    np.testing.assert_allclose(carla_matrix(tuple(back_rotation)), carla_matrix(rotation), atol=1e-9)
    np.testing.assert_allclose(rotation_to_carla(rpy_from_carla(rotation)), rotation, atol=1e-9)


@given(coordinates, coordinates)
def test_turning_is_the_same_in_both_frames(spin: tuple[float, float, float], arm: tuple[float, float, float]) -> None:
    """The speed of a point on a turning body, ``spin x arm``, does not depend on the frame it is worked out in."""
    np.testing.assert_allclose(
        flip_points(np.cross(flip_axial(spin), flip_points(arm))), np.cross(spin, arm), rtol=1e-12, atol=1e-9
    )


def test_yaw_to_the_right_pitch_up_and_roll_to_the_right() -> None:
    roll, pitch, yaw = rpy_from_carla((10.0, 20.0, 30.0))
    assert np.degrees([roll, pitch, yaw]).tolist() == pytest.approx([30.0, -10.0, -20.0])
    nose = matrix_from_rpy(roll, pitch, yaw)[:, 0]
    assert nose[1] < 0.0 < nose[2]  # to the right of x, and up


@given(coordinates, rotations, coordinates, rotations)
def test_plain_poses_agree_with_matrices(
    p: tuple[float, float, float],
    p_turn: tuple[float, float, float],
    c: tuple[float, float, float],
    c_turn: tuple[float, float, float],
) -> None:
    parent, child = Pose(*p, *np.radians(p_turn)[[1, 0, 2]]), Pose(*c, *np.radians(c_turn)[[1, 0, 2]])
    turn = matrix_from_rpy(*parent[3:])
    found = compose(parent, child)
    np.testing.assert_allclose(found.position, turn @ child.position + parent.position, atol=1e-7)
    np.testing.assert_allclose(matrix_from_rpy(*found[3:]), turn @ matrix_from_rpy(*child[3:]), atol=1e-7)
    np.testing.assert_allclose(unrotate(parent, rotate(parent, child.position)), child.position, atol=1e-7)


@given(coordinates, rotations)
def test_single_numbers_are_turned_as_arrays_are(
    vector: tuple[float, float, float], rotation: tuple[float, float, float]
) -> None:
    assert plain_point(vector) == tuple(flip_points(vector))
    assert plain_axial(vector) == tuple(flip_axial(vector))
    assert plain_rpy_from_carla(rotation) == pytest.approx(rpy_from_carla(rotation), abs=1e-12)
    assert plain_rotation_to_carla(vector) == pytest.approx(rotation_to_carla(vector), rel=1e-12)


@given(coordinates, rotations, coordinates)
def test_motion_is_its_parts(
    place: tuple[float, float, float], rotation: tuple[float, float, float], vector: tuple[float, float, float]
) -> None:
    row = np.concatenate([flip_points(place), rpy_from_carla(rotation), vector, np.radians(vector), vector])
    found = motion_to_carla(row[None])[0]
    wanted = [place, rotation, flip_points(vector), flip_axial(vector), flip_points(vector)]
    np.testing.assert_allclose(found, np.concatenate(wanted), rtol=1e-12, atol=1e-9)


def test_only_one_module_knows_the_left_handed_frame() -> None:
    """Signs of y are changed in `carla_bridge.frames`; everybody else calls it."""
    mirrors = re.compile(r"\bx, -y, z\b|-\w+\.y\b|\[1\.0, -1\.0, 1\.0\]|\[1, -1, 1\]|, 1\] \*= -1")
    for path in Path(carla_bridge.__file__).parent.rglob("*.py"):
        if path.name != "frames.py":
            found = mirrors.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{path.name} mirrors y: {found and found[0]}"
