import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrec.errors import AvrecError, DataError
from avrec.geometry import GLOBAL_SHUTTER, Offset, Shutter, ShutterDirection, invert


@pytest.mark.parametrize(
    ("direction", "axis", "times"),
    [
        ("top_to_bottom", "rows", [1500, 11500, 21500, 31500]),
        ("bottom_to_top", "rows", [31500, 21500, 11500, 1500]),
        ("left_to_right", "columns", [1500, 16500, 31500]),
        ("right_to_left", "columns", [31500, 16500, 1500]),
        ("global", "none", [1500]),
    ],
)
def test_five_directions_by_hand(direction, axis, times):
    # 3 columns, 4 rows, 30 ms readout, 3 ms exposure
    readout = 30_000 if direction != "global" else 0
    shutter = Shutter(direction, readout, 3_000)
    assert shutter.axis == axis
    assert shutter.direction is ShutterDirection(direction)
    assert shutter.line_times_us(3, 4).tolist() == times


@given(
    st.sampled_from(list(ShutterDirection)),
    st.integers(1, 50),
    st.integers(1, 50),
    st.integers(0, 100_000),
    st.integers(0, 100_000),
)
def test_first_and_last_line(direction, width, height, readout, exposure):
    shutter = Shutter(direction, readout, exposure)
    times = shutter.line_times_us(width, height)
    assert len(times) == {"rows": height, "columns": width, "none": 1}[shutter.axis] == shutter.lines(width, height)
    assert times.min() == exposure / 2
    assert times.max() == pytest.approx(exposure / 2 + (readout if len(times) > 1 else 0))
    mirrored = {"top": "bottom_to_top", "left": "right_to_left"}.get(direction.split("_")[0])
    if mirrored:
        assert np.array_equal(Shutter(mirrored, readout, exposure).line_times_us(width, height), times[::-1])


def test_line_times_of_a_resized_picture():
    shutter = Shutter("top_to_bottom", 30_000, 2_000)
    times, axis = shutter.resized_line_times_us((5, 4), (5, 4))
    assert (axis, times.tolist()) == ("rows", [1000, 11000, 21000, 31000])
    # two rows, each over two recorded ones; eight rows, the outer ones a quarter of a line beyond
    assert np.allclose(shutter.resized_line_times_us((5, 4), (9, 2))[0], [6000, 26000])
    assert np.allclose(shutter.resized_line_times_us((5, 4), (5, 8))[0][[0, 1, 7]], [-1500, 3500, 33500])
    backwards = Shutter("bottom_to_top", 30_000, 2_000)
    assert np.allclose(backwards.resized_line_times_us((5, 4), (9, 2))[0], [26000, 6000])
    times, axis = shutter.resized_line_times_us((5, 4), (9, 2), rolling=False)
    assert (axis, times.tolist()) == ("none", [16000])
    assert GLOBAL_SHUTTER.resized_line_times_us((5, 4), (9, 2))[1] == "none"


def test_default_is_global_and_bad_shutters_are_refused():
    assert Shutter() == GLOBAL_SHUTTER
    assert GLOBAL_SHUTTER.line_times_us(8, 6).tolist() == [0.0]
    assert Shutter("global", readout_us=5, exposure_us=8).line_times_us(8, 6).tolist() == [4.0]
    with pytest.raises(DataError, match="sideways"):
        Shutter("sideways")
    with pytest.raises(DataError, match="readout_us is -1"):
        Shutter("top_to_bottom", -1)
    with pytest.raises(DataError, match="exposure_us is nan"):
        Shutter("top_to_bottom", 0, float("nan"))


def test_offset_by_hand():
    assert np.array_equal(Offset().rig_from_offset, np.eye(4))
    pose = Offset(left_m=1.5, up_m=0.2, forward_m=-3, yaw_deg=90).rig_from_offset
    assert np.allclose(pose, [[0, -1, 0, -3], [1, 0, 0, 1.5], [0, 0, 1, 0.2], [0, 0, 0, 1]])
    nose = Offset(pitch_deg=30).rig_from_offset[:3, 0]
    assert nose[2] == pytest.approx(-0.5)
    left = Offset(roll_deg=30).rig_from_offset[:3, 1]
    assert left[2] == pytest.approx(0.5)
    both = Offset(yaw_deg=10, pitch_deg=20, roll_deg=30).rig_from_offset
    steps = [Offset(**{name: angle}) for name, angle in (("yaw_deg", 10), ("pitch_deg", 20), ("roll_deg", 30))]
    assert np.allclose(both, steps[0].rig_from_offset @ steps[1].rig_from_offset @ steps[2].rig_from_offset)
    assert np.allclose(invert(both) @ both, np.eye(4))


def test_an_offset_must_be_finite():
    with pytest.raises(AvrecError, match="up_m is inf"):
        Offset(up_m=float("inf"))
