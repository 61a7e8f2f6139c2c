"""Piecewise cubics: values, and fits that keep their tolerance and do not swing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.maps.cubics import Cubics, fit_cubics


def test_records_hold_until_the_next() -> None:
    cubics = Cubics.of([(10.0, 5.0, 1.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.5, 0.0)])
    assert cubics.at([-1.0, 0.0, 2.0, 10.0, 12.0]) == pytest.approx([0.0, 1.0, 3.0, 5.0, 7.0])
    assert cubics.at([10.0], before=True) == pytest.approx([51.0])
    assert Cubics.constant(2.0).at([0.0, 9.0]) == pytest.approx([2.0, 2.0])


def test_a_cubic_is_found_again() -> None:
    s = np.linspace(0.0, 30.0, 61)
    true = Cubics.of([(0.0, 3.0, -0.1, 0.02, -0.0004)])
    fitted = fit_cubics(s, true.at(s), 0.005)
    assert len(fitted.starts) == 1
    assert fitted.at(s) == pytest.approx(true.at(s), abs=1e-3)


def test_a_step_does_not_make_the_fit_swing() -> None:
    """Few samples far apart with a jump between: no value outside the samples' range."""
    s = np.array([0.0, 40.0, 40.001, 100.0])
    values = np.array([3.0, 3.0, 0.0, 0.0])
    fitted = fit_cubics(s, values, 0.005).at(np.linspace(0, 100, 20001))
    assert fitted.min() > -0.02
    assert fitted.max() < 3.02


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.floats(-5, 5), min_size=2, max_size=30),
    gaps=st.lists(st.floats(0.02, 20.0), min_size=30, max_size=30),
    tolerance=st.floats(1e-3, 0.5),
)
def test_every_sample_is_met(values: list[float], gaps: list[float], tolerance: float) -> None:
    s = np.concatenate([[0.0], np.cumsum(gaps[: len(values) - 1])])
    fitted = fit_cubics(s, np.array(values), tolerance)
    assert np.abs(fitted.at(s) - values).max() <= tolerance * 1.001 + 1e-9
    joints = fitted.starts[1:]
    assert fitted.at(joints) == pytest.approx(fitted.at(joints, before=True), abs=1e-6)
