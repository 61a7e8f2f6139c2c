"""Depth of field, haze and motion blur: by hand, as properties, and what they ask a renderer for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carla_bridge.sensors.attributes import LIMITS, check, unused
from carla_bridge.sensors.development import develop
from carla_bridge.sensors.encoding import encode_depth
from carla_bridge.sensors.focus import disc_radius, haze_radius, iris, unfocused
from carla_bridge.sensors.lens import bend, fringe
from carla_bridge.sensors.rendering import CameraRequest, WorldView
from carla_bridge.sensors.smear import smeared
from carla_bridge.sensors.softness import soften, softened_by
from carla_bridge.world import World, read_road_map
from carla_bridge.world.pose import Pose
from tests.carla_bridge.cameras import RGB, with_values
from tests.carla_bridge.support import loop_map

WIDTH, HEIGHT = 80, 60


def test_a_disc_by_hand() -> None:
    """90 degrees: f = 12.288 mm. Focused at 1 m with f/1.4 a star is 0.109 mm of 24.576 mm across."""
    far = disc_radius(np.array([1e9]), 800, 90.0, 1.0, 1.4)
    assert far[0] == pytest.approx(0.012288**2 / 1.4 / (1 - 0.012288) / 0.024576 * 400, rel=1e-6)
    assert far[0] == pytest.approx(1.777, abs=1e-3)
    assert disc_radius(np.array([1.0]), 800, 90.0, 1.0, 1.4)[0] == 0.0
    assert disc_radius(np.array([2.0]), 800, 90.0, 1.0, 1.4)[0] == pytest.approx(far[0] / 2)
    assert disc_radius(np.array([0.5]), 800, 90.0, 1.0, 1.4)[0] == pytest.approx(far[0])
    assert disc_radius(np.array([1e9]), 800, 90.0, 1.0, 2.8)[0] == pytest.approx(far[0] / 2)
    assert disc_radius(np.array([1e9]), 800, 90.0, 0.001, 0.1)[0] == pytest.approx(800 / 48)


def test_the_usual_focus_would_hardly_be_seen() -> None:
    ahead = np.linspace(5.0, 1000.0, 500)
    assert 2 * disc_radius(ahead, 800, 90.0, 10.0, 1.4).max() < 1.0


def test_haze_by_hand() -> None:
    np.testing.assert_allclose(haze_radius(np.array([0.0, 500.0, 1e9]), 960, 8.0, 0.5), [0.0, 2.0, 4.0])


@pytest.mark.parametrize(("blades", "roundness", "area"), [(5, 1.0, np.pi), (4, 0.0, 2.0), (6, 0.0, 1.5 * 3**0.5)])
def test_the_opening_has_its_shape(blades: int, roundness: float, area: float) -> None:
    kernel = iris(10.0, blades, roundness)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-5)
    assert 1.0 / kernel[10, 10] == pytest.approx(area * 100, rel=0.02)


@pytest.mark.parametrize("radius", [0.4, 0.9, 1.4, 3.0, 6.0])
def test_openings_spread_light_as_discs_do(radius: float) -> None:
    """A disc's standard deviation is half of its radius along each axis."""
    kernel = iris(radius, 5, 1.0)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-6)
    off = np.arange(len(kernel)) - len(kernel) // 2
    assert (kernel.sum(0) * off**2).sum() == pytest.approx(radius**2 / 4, rel=0.15)


def test_a_point_of_light_shows_the_opening() -> None:
    picture = np.zeros((41, 41, 3), np.float32)
    picture[20, 20] = 1.0
    seen = unfocused(picture, np.full((41, 41), 4.8), np.zeros((41, 41), bool), 3, 0.0)
    np.testing.assert_allclose(seen[15:26, 15:26, 0], iris(4.8, 3, 0.0), atol=1e-5)
    assert seen[16, 20, 0] > 0.3 * seen[20, 20, 0]  # a corner up
    assert seen[24, 20, 0] < 1e-6  # a side down


def test_what_is_sharp_does_not_leak_into_what_is_behind() -> None:
    picture = np.zeros((40, 40, 3), np.float32)
    picture[:, :20, 2] = 1.0
    radius = np.where(np.arange(40) < 20, 0.0, 6.0) * np.ones((40, 1))
    seen = unfocused(picture, radius, np.zeros((40, 40), bool), 5, 1.0)
    np.testing.assert_allclose(seen[:, :20, 2], 1.0, atol=1e-6)
    assert seen[:, 20:, 2].max() < 0.03


def test_what_is_near_spreads_over_what_is_sharp() -> None:
    picture = np.zeros((40, 40, 3), np.float32)
    picture[:, :20] = 1.0
    near = np.broadcast_to(np.arange(40) < 20, (40, 40))
    line = unfocused(picture, np.where(near, 4.8, 0.0), near, 5, 1.0)[20, :, 0]
    assert (np.diff(line) <= 1e-6).all()
    assert line[19] + line[20] == pytest.approx(1.0, abs=0.05)
    assert 0.3 < line[20] < 0.5
    assert line[[14, 25]].tolist() == pytest.approx([1.0, 0.0], abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 20.0))
def test_one_colour_stays_that_colour(seed: int, most: float) -> None:
    random = np.random.default_rng(seed)
    colour = np.full((24, 32, 3), 0.4, np.float32)
    radius = random.uniform(0.0, most, (24, 32))
    np.testing.assert_allclose(unfocused(colour, radius, radius > most / 2, 5, 0.5), colour, atol=1e-4)
    way = random.uniform(-most, most, (24, 32, 2)).astype(np.float32)
    np.testing.assert_allclose(smeared(colour, way, radius.astype(np.float32) + 1.0), colour, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_nothing_gets_brighter_than_the_brightest(seed: int) -> None:
    random = np.random.default_rng(seed)
    picture = random.uniform(0.2, 0.9, (24, 32, 3)).astype(np.float32)
    radius, near = random.uniform(0.0, 8.0, (24, 32)), random.random((24, 32)) < 0.5
    way = random.uniform(-9.0, 9.0, (24, 32, 2)).astype(np.float32)
    for seen in (unfocused(picture, radius, near, 6, 0.3), smeared(picture, way, radius.astype(np.float32) + 1.0)):
        assert picture.min() - 1e-4 <= seen.min()
        assert seen.max() <= picture.max() + 1e-4


def test_sharp_pictures_are_the_very_same_array() -> None:
    picture = np.ones((8, 8, 3), np.float32)
    assert unfocused(picture, np.full((8, 8), 0.2), np.ones((8, 8), bool), 5, 1.0) is picture
    assert smeared(picture, np.full((8, 8, 2), 0.3, np.float32), np.ones((8, 8), np.float32)) is picture


def test_an_edge_that_moves_becomes_a_ramp() -> None:
    """Over 8 pixels, from 9 moments."""
    picture = np.zeros((10, 40, 3), np.float32)
    picture[:, 20:] = 1.0
    way = np.zeros((10, 40, 2), np.float32)
    way[..., 0] = 8.0
    line = smeared(picture, way, np.ones((10, 40), np.float32))[5, :, 1]
    np.testing.assert_allclose(line[[15, 24]], [0.0, 1.0], atol=1e-6)
    ideal = np.clip((np.arange(40) + 0.5 - 16.0) / 8.0, 0.0, 1.0)
    assert np.abs(line - ideal).max() < 0.07
    assert (np.diff(line) >= -1e-6).all()


def test_a_near_thing_fades_over_a_still_background() -> None:
    """A bar of 12 columns that moves by 8: its edges are ramps around where they were, inside and outside."""
    picture, ahead, way = np.zeros((10, 60, 3), np.float32), np.full((10, 60), 50.0, np.float32), np.zeros((10, 60, 2))
    bar = slice(24, 36)
    picture[:, bar], ahead[:, bar], way[:, bar, 0] = 1.0, 5.0, 8.0
    line = smeared(picture, way.astype(np.float32), ahead)[5, :, 0]
    ideal = np.clip((np.minimum(np.arange(60) + 0.5 - 20, 40 - np.arange(60) - 0.5)) / 8.0, 0.0, 1.0)
    assert np.abs(line - ideal).max() < 0.12
    assert line.sum() == pytest.approx(12.0, abs=0.5)


def test_what_passes_behind_stays_behind() -> None:
    picture, ahead = (
        np.random.default_rng(0).random((10, 60, 3)).astype(np.float32),
        np.full((10, 60), 50.0, np.float32),
    )
    way = np.zeros((10, 60, 2), np.float32)
    way[..., 0] = 10.0
    pole = slice(28, 32)
    picture[:, pole], ahead[:, pole], way[:, pole] = 0.0, 5.0, 0.0
    seen = smeared(picture, way, ahead)
    np.testing.assert_allclose(seen[:, pole], 0.0, atol=1e-7)
    assert np.abs(seen[:, :28] - picture[:, :28]).mean() > 0.1


class Fake:
    """A wall 20 m away; a thing of 6 pixels and actor 7 before it, at 5 m; the wall moves right by ``px``, it by 12."""

    def __init__(self, px: float = 4.0) -> None:
        self.asked: list[str] = []
        self.thing = np.s_[20:40, 37:43]
        self.px = px

    def camera(self, view: Any, request: CameraRequest) -> Any:
        self.asked.append(request.kind)
        if request.kind == "depth":
            ahead = np.full((HEIGHT, WIDTH), 20.0)
            ahead[self.thing] = 5.0
            return encode_depth(ahead)
        if request.kind == "optical_flow":
            flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
            flow[..., 0] = self.px * 2 / WIDTH
            flow[self.thing] = (12.0 * 2 / WIDTH, 0.0)
            return flow
        owner = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
        owner[(*self.thing, 1)] = 7
        return owner


@pytest.fixture(scope="module")
def view() -> WorldView:
    return WorldView(World(read_road_map(loop_map())), (0.0,) * 14)


def request(step_s: float = 0.05, **values: Any) -> CameraRequest:
    pose = Pose(0.0, 0.0, 2.0)
    return CameraRequest("rgb", 0, pose, pose, WIDTH, HEIGHT, 90.0, with_values(**values), step_s)


def stripes() -> np.ndarray:
    picture = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)
    picture[:, ::4, :3] = 30
    return picture


def contrast(picture: np.ndarray, part: Any = np.s_[:]) -> float:
    return float(np.abs(np.diff(picture[..., 1].astype(float), axis=1))[part].mean())


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"motion_blur_intensity": 0, "motion_blur_max_distortion": 0, "motion_blur_min_object_screen_size": 0},
        {"motion_blur_intensity": 0},
        {"motion_blur_min_object_screen_size": 5},
        {"fstop": 8, "shutter_speed": 60, "min_fstop": 2, "blade_count": 7, "blur_amount": 3},
        {"focal_distance": "1000.00"},
        {"focal_distance": 100, "blur_radius": 5, "motion_blur_intensity": 1, "enable_postprocess_effects": "false"},
    ],
)
def test_sharp_cameras_cost_nothing(view: WorldView, values: dict[str, Any]) -> None:
    renderer, picture = Fake(), stripes()
    assert soften(renderer, view, request(**values), picture, 0.05) is picture
    assert not renderer.asked


def test_only_what_is_needed_is_asked_for(view: WorldView) -> None:
    for values, wanted in (
        ({"focal_distance": 200}, ["depth"]),
        ({"blur_radius": 20, "blur_amount": 0.01}, ["depth"]),
        ({"motion_blur_intensity": 1}, ["depth", "optical_flow"]),
        (
            {"motion_blur_intensity": 1, "motion_blur_min_object_screen_size": 9},
            ["depth", "optical_flow", "instance_segmentation"],
        ),
    ):
        renderer = Fake()
        soften(renderer, view, request(**values), stripes(), 0.05)
        assert renderer.asked == wanted


def test_motion_blur_follows_its_attributes(view: WorldView) -> None:
    wide = {"motion_blur_max_distortion": 100}

    def seen(step_s: float = 0.05, **values: Any) -> float:
        return contrast(soften(Fake(), view, request(step_s, **wide, **values), stripes(), 0.05), np.s_[:15])

    sharp = contrast(stripes(), np.s_[:15])
    quarter, half, full = (seen(motion_blur_intensity=share) for share in (0.25, 0.5, 1.0))
    assert sharp > quarter > half > full
    assert full < 0.05 * sharp  # stripes of 4 pixels that move by 4 are gone
    assert seen(0.1, motion_blur_intensity=1.0) == pytest.approx(half)  # a step is half of the time between pictures
    capped = soften(
        Fake(), view, request(motion_blur_intensity=1.0, motion_blur_max_distortion=100 / WIDTH), stripes(), 0.05
    )
    assert contrast(capped, np.s_[:15]) == pytest.approx(quarter, rel=0.01)  # one pixel


def test_small_actors_are_blurred_by_the_camera_only(view: WorldView) -> None:
    """The fake camera stands still, so its own motion is none."""
    values = {"motion_blur_intensity": 1.0, "motion_blur_max_distortion": 100}
    inside = np.s_[22:38, 38:41]
    for percent, sharp in ((7.0, False), (8.0, True)):  # 6 of 80 pixels are 7.5 %
        asked = request(**values, motion_blur_min_object_screen_size=percent)
        seen = soften(Fake(0.0), view, asked, stripes(), 0.05)
        assert (contrast(seen, inside) == contrast(stripes(), inside)) == sharp


def test_depth_of_field_blurs_what_is_out_of_focus(view: WorldView) -> None:
    wall, thing = np.s_[:15], np.s_[22:38, 38:41]
    for focus_cm, sharp, soft in ((500, thing, wall), (2000, wall, thing)):
        seen = soften(Fake(), view, request(focal_distance=focus_cm, fstop=0.02), stripes(), 0.05)
        assert contrast(seen, sharp) > 0.9 * contrast(stripes(), sharp)
        assert contrast(seen, soft) < 0.8 * contrast(stripes(), soft)
        assert (seen[..., 3] == 255).all()


def test_haze_blurs_what_is_far(view: WorldView) -> None:
    seen = soften(Fake(), view, request(blur_radius=1000, blur_amount=0.02), stripes(), 0.05)
    near, far = (contrast(seen, part) / contrast(stripes(), part) for part in (np.s_[22:38, 38:41], np.s_[:15]))
    assert far < 0.9 * near


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"motion_blur_intensity": 1.5}, "motion_blur_intensity is 1.5, out of range .0 to 1"),
        ({"motion_blur_max_distortion": -1}, "motion_blur_max_distortion is -1"),
        ({"focal_distance": 0}, "focal_distance is 0, out of range"),
        ({"blade_count": 2}, "blade_count is 2, out of range .3 to 64"),
        ({"slope": 1.5}, "slope is 1.5, out of range .0 to 1"),
        ({"bloom_intensity": -1}, "bloom_intensity is -1"),
        ({"blur_amount": 0}, "blur_amount is 0, out of range .above 0"),
        ({"calibration_constant": "nan"}, "calibration_constant is nan"),
    ],
)
def test_impossible_values_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check(with_values(**values))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"slope": 1, "toe": 0.2, "bloom_intensity": 1, "lens_flare_intensity": 2, "focal_distance": 50}, set()),
        ({"bloom_intensity": 0, "lens_flare_intensity": 0, "motion_blur_intensity": 0}, set()),
        ({"motion_blur_intensity": 0, "motion_blur_max_distortion": 0, "motion_blur_min_object_screen_size": 0}, set()),
        ({"bloom_intensity": 0.3}, {"bloom_intensity"}),
        ({"min_fstop": 2, "blade_count": 7, "blur_amount": 2}, {"min_fstop", "blade_count", "blur_amount"}),
        ({"min_fstop": 2, "blade_count": 7, "focal_distance": 300, "fstop": 2}, set()),
        ({"fstop": 2}, {"fstop"}),
        ({"blur_radius": 2, "blur_amount": 2}, set()),
        ({"motion_blur_min_object_screen_size": 3}, {"motion_blur_min_object_screen_size"}),
        ({"motion_blur_min_object_screen_size": 3, "motion_blur_max_distortion": 5}, set()),
        ({"calibration_constant": 18, "exposure_mode": "manual"}, {"calibration_constant"}),
        ({"chromatic_aberration_offset": 0.5}, {"chromatic_aberration_offset"}),
        ({"slope": 1, "bloom_intensity": 0, "enable_postprocess_effects": "false"}, {"slope"}),
    ],
)
def test_only_what_does_nothing_is_told(values: dict[str, Any], told: set[str]) -> None:
    assert set(dict(unused(with_values(**values), RGB))) == told


NUMBERS = {
    name: st.floats(max(low, -1e3), min(high, 1e9))
    for name, (low, high) in LIMITS.items()
    if name in RGB and name not in ("image_size_x", "image_size_y", "fov", "blade_count", "sensor_tick")
}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(NUMBERS)), max_size=6, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: NUMBERS[name] for name in names})
    ),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.floats(0.1, 179)),
    st.sampled_from(["manual", "histogram"]),
)
@pytest.mark.filterwarnings("error")
def test_no_values_that_pass_break_a_picture(
    view: WorldView, values: dict[str, float], shape: tuple[int, int, float], mode: str
) -> None:
    width, height, fov = shape
    attributes = with_values(exposure_mode=mode, **values)
    try:
        check(attributes)
    except ValueError:  # a least above a most
        return
    random = np.random.default_rng(width + 10 * height)

    class Wild:
        def camera(self, view: Any, request: CameraRequest) -> Any:
            if request.kind == "optical_flow":
                return random.normal(0.0, 10.0 ** random.uniform(-3, 3), (height, width, 2)).astype(np.float32)
            return random.integers(0, 256, (height, width, 4)).astype(np.uint8)

    pose = Pose(0.0, 0.0, 2.0)
    asked = CameraRequest("rgb", 0, pose, pose, width, height, fov, attributes)
    sharp = random.integers(0, 256, (height, width, 4)).astype(np.uint8)
    sharp[..., 3] = 255
    soft = soften(Wild(), view, asked, sharp, 0.05)
    for seen in (soft, bend("rgb", fringe(develop(soft, attributes, {}, 0.05), attributes), attributes)):
        assert seen.dtype == np.uint8
        assert seen.shape == (height, width, 4)
        assert (seen[..., 3] == 255).all()


def test_what_softens_is_known_by_name() -> None:
    assert softened_by(RGB) == frozenset()
    assert softened_by(with_values(focal_distance=300, blur_radius=1, motion_blur_max_distortion=9)) == {
        *("motion", "focus", "haze")
    }


def test_the_border_stays_as_bright_as_it_is() -> None:
    """Where something comes from outside of the picture nobody knows it."""
    colour = np.full((20, 20, 3), 0.5, np.float32)
    way = np.full((20, 20, 2), 7.3, np.float32)
    np.testing.assert_allclose(smeared(colour, way, np.ones((20, 20), np.float32)), colour, atol=1e-6)
