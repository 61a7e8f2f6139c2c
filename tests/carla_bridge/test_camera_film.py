"""The film curve, glow and light meter of colour cameras: by hand, and against slow judges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carla_bridge.sensors.development import develop
from carla_bridge.sensors.film import USUAL_FILM, light_of, retoned, shown
from carla_bridge.sensors.glow import USUAL_GLOW, glow
from tests.carla_bridge.cameras import RGB, grey, with_values

FILMS = st.fixed_dictionaries({name: st.floats(0.0, 1.0) for name in USUAL_FILM})
STRAIGHT = {"slope": 1.0, "toe": 1.0, "shoulder": 1.0, "black_clip": 0.0, "white_clip": 0.0}


def film(**values: float) -> dict[str, float]:
    return {**USUAL_FILM, **values}


def test_a_straight_film_by_hand() -> None:
    """Without toe and shoulder it is a line of the slope through middle grey, cut off at black and white."""
    x = np.array([-1.0, -0.1, 0.0, 0.3, 0.7, 2.0])
    np.testing.assert_allclose(shown(x, STRAIGHT), [0.0, 0.08, 0.18, 0.48, 0.88, 1.0], atol=1e-5)


def test_the_usual_film_by_hand() -> None:
    """Toe 0.45 and shoulder 0.78 long meet at o = 0.45 * 1.04 / 1.23, 0.383 decades above middle grey."""
    meet = 0.45 * 1.04 / 1.23
    there = 0.45 / 0.88 * np.log(meet / 0.18)
    high = 1.04 - (1.04 - meet) * np.exp(-(1.0 - there) * 0.88 / 0.78)
    wanted = [0.18 * np.exp(-0.88 / 0.45), 0.18, meet, high]
    np.testing.assert_allclose(shown(np.array([-1.0, 0.0, there, 1.0]), USUAL_FILM), wanted, atol=1e-12)
    assert high == pytest.approx(0.711, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(FILMS)
def test_every_film_obeys_its_equation(values: dict[str, float]) -> None:
    """A walk in small steps along the steepness that the documentation gives."""
    values["slope"] = max(values["slope"], 0.01)
    black, white = values["black_clip"], values["white_clip"]
    foot, head = max(1 - values["toe"] + black, 1e-6), max(1 + white - values["shoulder"], 1e-6)
    for way in (1.0, -1.0):
        out, h = 0.18, 0.001 * way
        for step in range(1, 1001):
            steep = min(1.0, max(out + black, 0.0) / foot, max(1 + white - out, 0.0) / head)
            middle = out + h / 2 * values["slope"] * steep
            steep = min(1.0, max(middle + black, 0.0) / foot, max(1 + white - middle, 0.0) / head)
            out += h * values["slope"] * steep
            if step % 250 == 0:
                assert float(shown(np.array(h * step), values)) == pytest.approx(min(max(out, 0), 1), abs=2e-3)


@given(FILMS)
def test_films_keep_order_and_range(values: dict[str, float]) -> None:
    out = retoned(np.linspace(0.0, 1.0, 256), values)
    assert (np.diff(out) >= -1e-12).all()
    assert out.min() >= 0.0
    assert out.max() <= 1.0
    assert float(retoned(np.array(0.18), values)) == pytest.approx(0.18, abs=1e-9)


def test_the_usual_film_undone_and_done_again_is_nothing() -> None:
    levels = np.linspace(0.0, 1.0, 1001)
    np.testing.assert_allclose(retoned(levels, USUAL_FILM), levels, atol=1e-12)
    np.testing.assert_allclose(shown(light_of(levels, USUAL_FILM), USUAL_FILM), levels, atol=1e-12)


@pytest.mark.parametrize(
    ("values", "dark", "bright"),
    [
        ({"slope": 1.0}, -1, 1),
        ({"slope": 0.5}, 1, -1),
        ({"toe": 0.7}, -1, 0),
        ({"toe": 0.3}, 1, 0),
        ({"shoulder": 0.5}, 0, 1),
        ({"black_clip": 0.1}, -1, 0),
        ({"white_clip": 0.3}, 0, 1),
    ],
)
def test_each_part_of_the_film_acts_where_it_should(values: dict[str, float], dark: int, bright: int) -> None:
    low, high = retoned(np.array([0.04, 0.8]), film(**values)) - [0.04, 0.8]
    for change, wanted in ((low, dark), (high, bright)):
        assert wanted * change >= (0.003 if wanted else 0.0)


@pytest.mark.parametrize("name", ["bloom_intensity", "lens_flare_intensity", "calibration_constant", *USUAL_FILM])
def test_usual_values_give_the_very_same_array(name: str) -> None:
    picture = grey(200)
    assert develop(picture, with_values(**{name: f"{float(RGB[name]):.6f}"}), {}, 0.05) is picture


def test_films_are_the_same_with_and_without_a_table() -> None:
    """A tint too small to see takes the way without a table of 256 levels."""
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 4)).astype(np.uint8)
    values = {"slope": 1.0, "toe": 0.4, "black_clip": 0.05}
    table, direct = (develop(picture, with_values(**values, tint=tint), {}, 0.05) for tint in (0.0, 1e-9))
    assert np.abs(table.astype(int) - direct.astype(int)).max() <= 1
    wanted = np.rint(255 * retoned((picture[..., 0] / 255) ** 2.2, film(**values)) ** (1 / 2.2))
    np.testing.assert_array_equal(table[..., 0], wanted)


def test_the_light_meter_by_hand() -> None:
    """Twice the constant is a stop more; with manual exposure nothing is metered."""
    seen = develop(grey(100), with_values(calibration_constant=32), {}, 0.05)
    assert int(seen[0, 0, 0]) == round(100 * 2 ** (1 / 2.2))
    picture = grey(100)
    assert develop(picture, with_values(calibration_constant=32, exposure_mode="manual"), {}, 0.05) is picture


def test_bloom_by_hand() -> None:
    """In a picture of one light each point gets from its surroundings what it gives: 0.5 times what is above 0.7."""
    light = (235 / 255) ** 2.2
    seen = develop(grey(235, 64), with_values(bloom_intensity=0.675 + 0.5), {}, 0.05)
    assert np.unique(seen[..., :3]).tolist() == [round(255 * (light + 0.5 * (light - 0.7)) ** (1 / 2.2))]
    dark = grey(200, 64)  # below 0.7
    np.testing.assert_array_equal(develop(dark, with_values(bloom_intensity=9), {}, 0.05), dark)


def test_bloom_spreads_light_and_loses_none() -> None:
    linear = np.zeros((400, 400, 3), np.float32)
    linear[196:204, 196:204] = 5.0
    added = glow(linear, 1.0, 0.0) - linear
    assert added.sum() == pytest.approx(64 * 3 * 4.3, rel=0.02)
    line = added[200, 204:300, 1]
    assert (np.diff(line) <= 1e-6).all()
    assert line[0] > 20 * line[-1] > 0.0
    np.testing.assert_allclose(glow(linear, 2.0, 0.0) - linear, 2 * added, atol=1e-4)


def test_ghosts_are_on_the_other_side_of_the_middle() -> None:
    linear = np.zeros((300, 400, 3), np.float32)
    linear[196:204, 276:284] = 1.0  # 80 right of the middle and 50 below it
    added = glow(linear, 0.0, 1.0)
    added[196:204, 276:284] -= 1.0
    assert added.min() > -1e-5
    for reach, channel in ((0.3, 0), (0.6, 2), (1.2, 1)):
        row, column = round(149.5 - 50 * reach), round(199.5 - 80 * reach)
        window = added[row - 8 : row + 9, column - 8 : column + 9]
        assert window[8, 8].argmax() == channel
        assert window[8, 8].max() > 0.8 * window.max() > 0.003
    assert added[:150, :200].sum() > 0.95 * added.sum()
    almost = np.full((40, 40, 3), 0.94, np.float32)
    np.testing.assert_array_equal(glow(almost, 0.0, 5.0), almost)


@given(st.floats(0.0, USUAL_GLOW["bloom_intensity"]), st.floats(0.0, USUAL_GLOW["lens_flare_intensity"]))
def test_no_glow_below_the_usual_intensity(bloom: float, flare: float) -> None:
    picture: Any = grey(255)
    assert develop(picture, with_values(bloom_intensity=bloom, lens_flare_intensity=flare), {}, 0.05) is picture
