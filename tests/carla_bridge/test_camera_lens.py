"""What a camera does to the picture in front of it: lens, fringes, exposure, colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carla_bridge.sensors.attributes import check, unused
from carla_bridge.sensors.development import develop, ev100
from carla_bridge.sensors.lens import bend, fringe
from carla_bridge.server.blueprints import catalogue
from tests.carla_bridge.cameras import RGB, grey, with_values


def noise_picture(height: int = 40, width: int = 60) -> np.ndarray:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 4)).astype(np.uint8)
    picture[..., 3] = 255
    return picture


def test_the_usual_settings_give_the_very_same_array() -> None:
    picture, memory = noise_picture(), {}
    assert develop(picture, RGB, memory, 0.05) is picture
    assert fringe(picture, RGB) is picture
    assert bend("rgb", picture, RGB) is picture
    assert not memory


def test_the_lens_by_hand() -> None:
    """At the right edge's middle (u = 0.5) with k = -0.44 and ten elevenths of it."""
    width, height = 200, 100
    picture = np.zeros((height, width, 4), np.uint8)
    picture[..., 2] = np.arange(width)  # red counts the columns
    lens = with_values(lens_circle_multiplier=10, lens_circle_falloff=0, lens_k=-0.44)
    bent = bend("semantic_segmentation", picture, lens)
    u = (width - 0.5) / width - 0.5
    v = 0.5 / height
    straight = u * (1 - 0.4 * (u * u + v * v))
    assert bent[height // 2, width - 1, 2] == round((straight + 0.5) * width - 0.5)
    assert bent[height // 2, width // 2, 2] == width // 2  # the middle stays


def test_more_than_the_picture_is_black_far_and_nothing() -> None:
    lens = with_values(lens_circle_multiplier=10, lens_circle_falloff=0, lens_k=2)
    for kind, outside in (("rgb", (0, 0, 0, 255)), ("depth", (255,) * 4), ("semantic_segmentation", (0, 0, 0, 255))):
        bent = bend(kind, np.full((40, 60, 4), 77, np.uint8), lens)
        assert tuple(bent[0, 0].tolist()) == outside
        assert tuple(bent[20, 30].tolist()) == (77,) * 4
    flow = bend("optical_flow", np.ones((40, 60, 2), np.float32), lens)
    assert flow.dtype == np.float32
    assert flow[0, 0].tolist() == [0, 0]


def test_the_circle_keeps_the_middle() -> None:
    picture = noise_picture(200, 200)
    lens = with_values(lens_circle_multiplier=3, lens_circle_falloff=10)
    changed = (bend("semantic_segmentation", picture, lens) != picture).any(-1)
    assert not changed[90:110, 90:110].any()
    assert changed[:, :10].mean() > 0.9


def test_fringes_by_hand() -> None:
    """A white disc: with intensity 4 red reaches 2 % further out than green at the corner, blue 2 % less."""
    width = 400
    v, u = np.mgrid[0:width, 0:width] + 0.5 - width / 2
    radius = 190.0
    picture = np.zeros((width, width, 4), np.uint8)
    picture[np.hypot(u, v) < radius, :3] = 255
    seen = fringe(picture, with_values(chromatic_aberration_intensity=4))[width // 2]
    reach = [float((seen[width // 2 :, channel] > 127).sum()) for channel in (2, 1, 0)]
    share = 0.02 * radius / (width / 2 * np.sqrt(2))
    assert reach == pytest.approx([radius / (1 - share), radius, radius / (1 + share)], abs=1.01)
    assert reach[0] > reach[1] > reach[2]


def test_exposure_value_by_hand() -> None:
    assert ev100({"fstop": 16, "shutter_speed": 100, "iso": 100}) == pytest.approx(14.644, abs=1e-3)  # sunny sixteen
    picture = grey(100)
    for values in ({"iso": 200}, {"shutter_speed": 100}, {"fstop": 1.4 / 2**0.5}, {"exposure_compensation": 1}):
        seen = develop(picture, with_values(exposure_mode="manual", **values), {}, 0.05)
        assert int(seen[0, 0, 0]) == round(100 * 2 ** (1 / 2.2))
        assert int(seen[0, 0, 3]) == 255
    dark = develop(picture, with_values(exposure_compensation=-2), {}, 0.05)
    assert int(dark[0, 0, 1]) == round(100 * 0.25 ** (1 / 2.2))


def test_the_eye_adapts_at_its_speed() -> None:
    """A dark picture, seen with an eye that may go down to 0 EV100 by half a stop a second."""
    settings = with_values(exposure_min_bright=0, exposure_speed_down=0.5)
    memory: dict[str, object] = {}
    bright, dark = grey(118), grey(10)
    develop(bright, settings, memory, 0.1)
    first = memory["adapted"]
    assert first == pytest.approx((11.0, 11.0), abs=0.05)  # 118 is middle grey
    develop(dark, settings, memory, 0.1)
    assert memory["adapted"] == pytest.approx((first[0] - 0.1, first[1] - 0.05))
    for _ in range(400):
        seen = develop(dark, settings, memory, 0.1)
    wanted = 11 + np.log2((10 / 255) ** 2.2 / 0.18)
    assert memory["adapted"] == pytest.approx((10.0, wanted))
    assert int(seen[0, 0, 0]) == round(10 * 2 ** ((10.0 - wanted) / 2.2))


def test_white_balance_is_warm_above_and_cool_below() -> None:
    picture = grey(128)
    warm, cool = (develop(picture, with_values(temp=kelvin), {}, 0.05)[0, 0].astype(int) for kelvin in (9000, 4000))
    assert warm[2] > 128 > warm[0]
    assert cool[0] > 128 > cool[2]
    tinted = [develop(picture, with_values(tint=tint), {}, 0.05)[0, 0].astype(int) for tint in (-0.5, 0.5)]
    assert (tinted[0][1] > 128) != (tinted[1][1] > 128)  # green one way, magenta the other


def test_gamma_brightens() -> None:
    assert int(develop(grey(100), with_values(gamma=4.4), {}, 0.05)[0, 0, 0]) == round(255 * (100 / 255) ** 0.5)


def test_without_effects_nothing_is_developed() -> None:
    picture = grey(100)
    off = with_values(enable_postprocess_effects="false", gamma=4.4, slope=1, chromatic_aberration_intensity=3)
    assert develop(picture, off, {}, 0.05) is picture
    assert fringe(picture, off) is picture


@given(st.integers(0, 255), st.floats(-3, 3), st.floats(0.5, 5), st.floats(1500, 15000), st.floats(-1, 1))
def test_any_development_keeps_order(level: int, stops: float, gamma: float, temp: float, tint: float) -> None:
    settings = with_values(exposure_compensation=stops, gamma=gamma, temp=temp, tint=tint)
    dark, light = (develop(grey(value), settings, {}, 0.05)[0, 0].astype(int) for value in (level // 2, level))
    assert (dark <= light).all()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"fov": 200}, "fov is 200, out of range"),
        ({"image_size_x": 0}, "image_size_x is 0"),
        ({"sensor_tick": -1}, "sensor_tick is -1, out of range .0 or more"),
        ({"exposure_mode": "auto"}, "exposure_mode is 'auto'"),
        ({"exposure_min_bright": 13}, "above exposure_max_bright"),
        ({"iso": 0}, "iso is 0, out of range .above 0"),
        ({"lens_x_size": 2}, "lens_x_size is 2"),
    ],
)
def test_impossible_cameras_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check(with_values(**values))


def test_every_blueprint_passes_as_it_is() -> None:
    for name, blueprint in catalogue().items():
        if name.startswith("sensor."):
            check(blueprint.defaults)
            assert not list(unused(blueprint.defaults, blueprint.defaults))


def test_what_does_nothing_is_told() -> None:
    told = dict(unused(with_values(bloom_intensity=0.1, iso=400, lens_k=2, fov=70, slope="0.880"), RGB))
    assert set(told) == {"bloom_intensity", "iso", "lens_k"}
    assert "manual" in told["iso"]
    assert not dict(unused(with_values(exposure_mode="manual", iso=400), RGB))
