"""OpenDRIVE's plan-view shapes against closed forms, and the fit of lines and cubics to polylines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import fresnel

from avrec.maps.fit_reference import fit_reference
from avrec.maps.reference_line import Arc, Line, ParamPoly3, ReferenceLine, Spiral, poly3


def single(curve: object, length: float, pose: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> ReferenceLine:
    return ReferenceLine(np.zeros(1), np.array([pose]), (curve,), length)  # type: ignore[arg-type]


def test_a_quarter_circle_ends_beside_its_centre() -> None:
    points, headings, curvatures = single(Arc(0.1), 5 * np.pi, (1.0, 2.0, np.pi / 2)).at([0.0, 5 * np.pi])
    assert points[1] == pytest.approx([1.0 - 10.0, 2.0 + 10.0])
    assert headings[1] == pytest.approx(np.pi)
    assert curvatures == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize("end", [0.05, -0.02, 1e-5])
def test_a_clothoid_meets_the_fresnel_integrals(end: float) -> None:
    length = 80.0
    s = np.linspace(0.0, length, 33)
    points, headings, _ = single(Spiral(0.0, end), length).at(s)
    scale = np.sqrt(np.pi * length / abs(end))
    sine, cosine = fresnel(s / scale)
    assert points[:, 0] == pytest.approx(scale * cosine, abs=1e-9)
    assert points[:, 1] == pytest.approx(np.sign(end) * scale * sine, abs=1e-9)
    assert headings == pytest.approx(end * s**2 / (2 * length))


def test_a_spiral_that_starts_curved_continues_the_arc_before_it() -> None:
    line = ReferenceLine(
        np.array([0.0, 20.0]),
        np.array([[0.0, 0.0, 0.0], [*single(Arc(0.05), 20.0).at([20.0])[0][0], 1.0]]),
        (Arc(0.05), Spiral(0.05, 0.0)),
        50.0,
    )
    _, headings, curvatures = line.at([20.0 - 1e-9, 20.0, 50.0])
    assert headings[0] == pytest.approx(headings[1])
    assert curvatures == pytest.approx([0.05, 0.05, 0.0])
    assert headings[2] == pytest.approx(1.0 + 30.0 * 0.025)


def test_cubics_are_run_along_by_arc_length() -> None:
    """The parameter runs 0..1 over a curve whose speed changes: stations are metres all the same."""
    curve = ParamPoly3((0.0, 10.0, 5.0, 0.0), (0.0, 0.0, 4.0, 1.0), 1.0)
    length = curve.arc_length
    points = single(curve, length).at(np.linspace(0.0, length, 2001))[0]
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert steps == pytest.approx(np.full(2000, length / 2000), rel=2e-3)
    assert points[-1] == pytest.approx([15.0, 5.0])


def test_poly3_ends_after_its_length() -> None:
    points = single(poly3((0.0, 0.0, 0.01, 0.0), 50.0), 50.0).at(np.linspace(0, 50, 5001))[0]
    assert np.linalg.norm(np.diff(points, axis=0), axis=1).sum() == pytest.approx(50.0, abs=1e-3)
    assert points[-1, 1] == pytest.approx(0.01 * points[-1, 0] ** 2)


def test_a_straight_polyline_becomes_one_line() -> None:
    line = fit_reference(np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0], [60.0, 80.0]]), 0.01)
    assert [type(curve) for curve in line.curves] == [Line]
    assert line.length == pytest.approx(100.0)


@settings(max_examples=25, deadline=None)
@given(
    turns=st.lists(st.floats(-0.08, 0.08), min_size=2, max_size=6),
    lengths=st.lists(st.floats(5.0, 40.0), min_size=6, max_size=6),
    step=st.floats(0.3, 0.8),
)
def test_the_fit_stays_near_and_never_breaks_its_heading(turns: list[float], lengths: list[float], step: float) -> None:
    """Chains of arcs, sampled: the fit is near every sample, continuous in place and heading, and of unit speed."""
    s = np.arange(0.0, sum(lengths[: len(turns)]), step)
    edges = np.concatenate([[0.0], np.cumsum(lengths[: len(turns)])])
    curvature = np.array(turns)[np.clip(np.searchsorted(edges, s, side="right") - 1, 0, len(turns) - 1)]
    heading = np.concatenate([[0.0], np.cumsum(curvature[:-1] * step)])
    middle = heading[:-1] + np.diff(heading) / 2
    points = np.concatenate([[[0.0, 0.0]], np.cumsum(step * np.stack([np.cos(middle), np.sin(middle)], 1), axis=0)])
    line = fit_reference(points, 0.01)
    dense = line.at(np.arange(0.0, line.length, 0.02))[0]
    nearest = np.array([np.linalg.norm(dense - point, axis=1).min() for point in points])
    assert nearest.max() < 0.025
    for start in line.starts[1:]:
        before, after = line.at([start - 1e-9])[:2], line.at([start])[:2]
        assert before[0][0] == pytest.approx(after[0][0], abs=1e-6)
        assert np.cos(before[1][0] - after[1][0]) == pytest.approx(1.0, abs=1e-9)
    assert np.linalg.norm(np.diff(dense, axis=0), axis=1) == pytest.approx(np.full(len(dense) - 1, 0.02), rel=0.02)
