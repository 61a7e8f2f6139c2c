import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.errors import DataError
from avrec.geometry import FThetaCamera, OpenCVFisheyeCamera, OpenCVPinholeCamera, camera_from_dict
from tests.geometry.lenses import ALL, FISHEYE, FTHETA_BACKWARD, FTHETA_FORWARD, PLAIN, RATIONAL, grid

EVERY = pytest.mark.parametrize("camera", ALL.values(), ids=ALL.keys())


@EVERY
def test_pixels_there_and_back(camera):
    pixels = grid(camera.width, camera.height)
    rays, valid = camera.unproject(pixels)
    assert valid.all()
    assert np.abs(np.linalg.norm(rays, axis=-1) - 1).max() < 1e-14
    back, inside = camera.project(rays * np.linspace(0.1, 90, len(rays))[:, None])
    assert np.abs(back - pixels).max() < 1e-9
    # rounding may push a pixel on the very edge out of the image
    inner = (pixels > 1e-9).all(axis=-1)
    assert inside[inner].all()


@EVERY
def test_pixel_rays_are_those_of_the_pixel_centres(camera):
    small = camera.resized(48, 30)
    rays, valid = small.pixel_rays()
    assert rays.shape == (30, 48, 3)
    assert valid.shape == (30, 48)
    assert valid.all()
    pixels, _ = small.project(rays)
    assert np.abs(pixels[7, 13] - (13.5, 7.5)).max() < 1e-9
    assert small.pixel_rays()[0] is rays
    assert not rays.flags.writeable


@EVERY
@settings(max_examples=25, deadline=None)
@given(st.integers(20, 4000), st.integers(20, 4000), st.integers(0, 1000))
def test_resized_scales_the_picture(camera, width, height, seed):
    points = np.random.default_rng(seed).normal(size=(50, 3)) * (0.6, 0.4, 0.1) + (0, 0, 1)
    pixels, valid = camera.project(points)
    scaled, scaled_valid = camera.resized(width, height).project(points)
    assert np.array_equal(valid, scaled_valid)
    assert np.allclose(scaled[valid] / (width, height), pixels[valid] / (camera.width, camera.height), atol=1e-9)
    assert type(camera.resized(width, height)) is type(camera)


@EVERY
def test_dictionaries_there_and_back(camera):
    again = camera_from_dict(json.loads(json.dumps(camera.to_dict())))
    assert again == camera
    assert hash(again) == hash(camera)
    assert dataclasses.replace(camera, width=camera.width) == camera


@EVERY
def test_nothing_behind_the_camera_is_seen(camera):
    points = np.array([[0.0, 0.0, -1.0], [0.1, 0.2, -5.0], [0.0, 0.0, 0.0], [np.nan, 0.0, 1.0], [0.0, 0.0, 2.0]])
    for project in (camera.project, camera.project_unbounded):
        pixels, valid = project(points)
        assert valid.tolist() == [False, False, False, False, True]
        assert np.isnan(pixels[:4]).all()
        assert np.allclose(pixels[4], camera.principal_point)
    rays, valid = camera.unproject([[np.nan, 1.0], camera.principal_point])
    assert valid.tolist() == [False, True]
    assert np.isnan(rays[0]).all()
    assert np.allclose(rays[1], (0, 0, 1))


@EVERY
@pytest.mark.filterwarnings("error")
def test_numbers_at_the_end_of_floating_point_do_no_harm(camera):
    points = [[np.inf, 0, 1], [1e300, 1e300, -1e300], [1e-320, 0, 1e-320], [0, 0, 1e300], [1e-300, 0, 1.0]]
    pixels, valid = camera.project(points)
    assert valid.tolist()[:2] == [False, False]
    assert valid.tolist()[3:] == [True, True]
    assert np.isfinite(pixels[valid]).all()
    rays, valid = camera.unproject([[1e300, 0.0], [np.inf, 1.0], [-np.inf, np.nan]])
    assert not valid.any()
    assert np.isnan(rays).all()


@EVERY
def test_shapes(camera):
    assert camera.project(np.array([0.0, 0.0, 1.0]))[0].shape == (2,)
    assert camera.project(np.ones((3, 5, 3)))[0].shape == (3, 5, 2)
    assert camera.project(np.ones((0, 3)))[1].shape == (0,)
    assert camera.unproject(np.zeros((0, 2)))[0].shape == (0, 3)
    assert camera.unproject((10.0, 10.0))[0].shape == (3,)
    assert camera.unproject(np.full((2, 7, 2), 50.0))[1].shape == (2, 7)


@EVERY
def test_unbounded_goes_on_outside_the_image(camera):
    outside = np.array([[-20.0, 100.0], [camera.width + 20.0, 100.0], [100.0, -15.0], [100.0, camera.height + 15.0]])
    rays, valid = camera.unproject(outside)
    assert valid.all()
    pixels, inside = camera.project(rays)
    assert not inside.any()
    assert camera.project_unbounded(rays)[1].all()
    assert np.abs(pixels - outside).max() < 1e-9


def test_pinhole_by_hand():
    pixel, valid = PLAIN.project([0.2, -0.1, 2.0])
    assert valid
    assert np.allclose(pixel, (500 * 0.1 + 322.5, 510 * -0.05 + 195.25))
    # x = 0.5, y = 0: s = 0.25, c = 1.025 / 1.005; p2 (s + 2 x^2) = 0.0075; s1 s = 0.0025; p1 s = 0.005; s3 s = 0.001
    bent = OpenCVPinholeCamera(1000, 800, (100, 100), (0, 0), (0.1, 0, 0, 0.02), (0.02, 0.01), (0.01, 0, 0.004, 0))
    assert np.allclose(bent.project([0.5, 0.0, 1.0])[0], (100 * (0.5 * 1.025 / 1.005 + 0.0075 + 0.0025), 100 * 0.006))


def test_fisheye_by_hand():
    lens = OpenCVFisheyeCamera(400, 400, (100, 110), (200, 200), (0.1, 0, 0, 0))
    angle = np.pi / 4
    assert np.allclose(lens.project([1.0, 0.0, 1.0])[0], (200 + 100 * angle * (1 + 0.1 * angle**2), 200))
    # at right angles to the axis and behind it
    assert np.allclose(lens.project([0.0, -1.0, 0.0])[0], (200, 200 - 110 * (np.pi / 2) * (1 + 0.1 * np.pi**2 / 4)))
    assert OpenCVFisheyeCamera(900, 900, (100, 100), (450, 450)).project([1.0, 0.0, -1.0])[0][0] == pytest.approx(
        450 + 75 * np.pi
    )


def test_ftheta_by_hand():
    lens = FThetaCamera(
        800, 800, (400, 400), "ANGLE_TO_PIXELDIST", (0, 0.01), (0, 100, 10), max_angle=2.0, linear_cde=(1.5, 0.1, 0.2)
    )
    # angle pi/4 to the right: rho = 100 t + 10 t^2
    rho = 100 * np.pi / 4 + 10 * (np.pi / 4) ** 2
    assert np.allclose(lens.project([1.0, 0.0, 1.0])[0], (400 + 1.5 * rho, 400 + 0.2 * rho))
    assert np.allclose(lens.project([0.0, 1.0, 1.0])[0], (400 + 0.1 * rho, 400 + rho))
    back = dataclasses.replace(lens, reference_poly="PIXELDIST_TO_ANGLE", linear_cde=(0, 0, 0))
    assert back.linear_cde == (1, 0, 0)
    assert np.allclose(back.project([1.0, 0.0, 1.0])[0], (400 + 25 * np.pi, 400))


def test_barrel_distortion_ends_where_it_folds():
    # r (1 - r^2) grows up to r = 1 / sqrt(3), where it is 2 / (3 sqrt(3)) = 0.3849
    lens = OpenCVPinholeCamera(1000, 1000, (1000, 1000), (500, 500), (-1.0,))
    assert lens.max_radius2 == pytest.approx(1 / 3)
    edge = 1 / np.sqrt(3)
    radii = np.array([edge - 1e-6, edge + 1e-6, 0.9, 1.0, 5.0])
    _, valid = lens.project_unbounded(np.stack([radii, 0 * radii, 0 * radii + 1], axis=-1))
    assert valid.tolist() == [True, False, False, False, False]
    rays, valid = lens.unproject([[500 + 384.8, 500], [500 + 385.0, 500]])
    assert valid.tolist() == [True, False]
    assert rays[0, 0] / rays[0, 2] < edge
    # the same fold under a little tangential distortion
    tilted = dataclasses.replace(lens, tangential=(1e-3, 1e-3))
    pixels = grid(1000, 1000)
    rays, valid = tilted.unproject(pixels)
    assert 0.4 < valid.mean() < 0.5
    assert np.isnan(rays[~valid]).all()
    back, seen = tilted.project_unbounded(rays[valid])
    assert seen.all()
    assert np.abs(back - pixels[valid]).max() < 1e-9


def test_a_pole_of_the_rational_model_ends_it():
    lens = OpenCVPinholeCamera(1000, 1000, (300, 300), (500, 500), (0, 0, 0, -0.5))
    assert lens.max_radius2 == pytest.approx(2.0)
    assert not lens.project_unbounded([2.0, 0.0, 1.0])[1]
    rays, valid = lens.unproject(grid(1000, 1000))
    assert valid.all()
    assert np.abs(lens.project_unbounded(rays)[0] - grid(1000, 1000)).max() < 1e-9


def test_fisheye_angle_is_derived_and_kept():
    # rho = t - t^3 / 12 stops growing at t = 2
    lens = OpenCVFisheyeCamera(500, 500, (100, 100), (250, 250), (-1 / 12,))
    assert lens.max_angle == pytest.approx(2.0)
    assert lens.limit_angle == lens.max_angle
    assert OpenCVFisheyeCamera(500, 500, (100, 100), (250, 250), (0.1,)).max_angle == np.pi
    narrow = OpenCVFisheyeCamera(500, 500, (100, 100), (250, 250), (-1 / 12,), max_angle=1.0)
    angles = np.array([0.999, 1.001, 1.999, 2.001, 3.0])
    points = np.stack([np.sin(angles), 0 * angles, np.cos(angles)], axis=-1)
    assert narrow.project_unbounded(points)[1].tolist() == [True, False, False, False, False]
    assert lens.project_unbounded(points)[1].tolist() == [True, True, True, False, False]
    assert lens.unproject([[250 + 133.3, 250], [250 + 133.4, 250]])[1].tolist() == [True, False]
    assert narrow.unproject([[250 + 91.5, 250], [250 + 91.8, 250]])[1].tolist() == [True, False]


@pytest.mark.parametrize("camera", [FTHETA_BACKWARD, FTHETA_FORWARD])
def test_ftheta_ends_at_its_angle(camera):
    narrow = dataclasses.replace(camera, max_angle=0.5)
    angles = np.array([0.499, 0.501, 1.0])
    points = np.stack([np.sin(angles), 0 * angles, np.cos(angles)], axis=-1)
    _, valid = narrow.project_unbounded(points)
    assert valid.tolist() == [True, False, False]
    assert narrow.unproject(camera.project(points)[0])[1].tolist() == [True, False, False]
    assert not narrow.resized(96, 54).pixel_rays()[1].all()


def test_ftheta_ends_where_its_polynomial_folds():
    # angle = r / 100 - (r / 300)^2 grows up to r = 450, angle 2.25
    backward = FThetaCamera(1400, 1400, (700, 700), "PIXELDIST_TO_ANGLE", (0, 0.01, -1 / 9e4), (0, 100), 3.0)
    assert backward.limit_angle == pytest.approx(2.25)
    assert backward.unproject([[700 + 449, 700], [700 + 451, 700]])[1].tolist() == [True, False]
    forward = FThetaCamera(1400, 1400, (700, 700), "ANGLE_TO_PIXELDIST", (0, 0.01), (0, 300, -100), 3.0)
    assert forward.limit_angle == pytest.approx(1.5)
    assert forward.unproject([[700 + 224.9, 700], [700 + 225.1, 700]])[1].tolist() == [True, False]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.floats(-0.6, 0.6), min_size=6, max_size=6),
    st.lists(st.floats(-0.01, 0.01), min_size=6, max_size=6),
    st.floats(100, 3000),
)
def test_a_valid_pinhole_pixel_always_comes_back(radial, rest, focal):
    lens = OpenCVPinholeCamera(1000, 700, (focal, focal), (480, 360), tuple(radial), tuple(rest[:2]), tuple(rest[2:]))
    pixels = grid(1000, 700, 15)
    rays, valid = lens.unproject(pixels)
    back, seen = lens.project_unbounded(rays[valid])
    assert seen.all()
    assert np.abs(back - pixels[valid]).max(initial=0) < 1e-7
    assert lens.unproject(lens.principal_point)[1]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-0.2, 0.2), min_size=4, max_size=4), st.floats(50, 800))
def test_a_valid_fisheye_pixel_always_comes_back(radial, focal):
    lens = OpenCVFisheyeCamera(1000, 700, (focal, focal), (480, 360), tuple(radial))
    pixels = grid(1000, 700, 15)
    rays, valid = lens.unproject(pixels)
    back, seen = lens.project_unbounded(rays[valid])
    near_fold = np.arccos(rays[valid][:, 2]) > lens.limit_angle - 1e-6
    assert (seen | near_fold).all()
    assert np.abs(back - pixels[valid])[seen].max(initial=0) < 1e-8


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OpenCVPinholeCamera(0, 10, (1, 1), (1, 1)), "width is 0"),
        (lambda: OpenCVPinholeCamera(10, 10.5, (1, 1), (1, 1)), "height is 10.5"),
        (lambda: OpenCVPinholeCamera(10, float("nan"), (1, 1), (1, 1)), "height is nan"),
        (lambda: OpenCVPinholeCamera(10, 10, (1, 0), (1, 1)), "focal"),
        (lambda: OpenCVPinholeCamera(10, 10, (1, np.nan), (1, 1)), "NaN"),
        (lambda: OpenCVPinholeCamera(10, 10, (1, 1), (1, 1), (0,) * 7), "radial has 7"),
        (lambda: OpenCVPinholeCamera(10, 10, (1, 1), (1,)), "principal_point has 1"),
        (lambda: OpenCVPinholeCamera(10, 10, 5.0, (1, 1)), "not a list"),
        (lambda: OpenCVFisheyeCamera(10, 10, (1, 1), (1, 1), max_angle=-1.0), "max_angle is -1"),
        (lambda: FThetaCamera(10, 10, (1, 1), "BOTH", (0, 1), (0, 1), 1.0), "BOTH"),
        (lambda: FThetaCamera(10, 10, (1, 1), "ANGLE_TO_PIXELDIST", (0, 1), (0, 0), 1.0), "does not grow"),
        (lambda: FThetaCamera(10, 10, (1, 1), "ANGLE_TO_PIXELDIST", (0, 1), (0, 1), 1.0, (1, 1, 1)), "no inverse"),
        (lambda: FThetaCamera(10, 10, (1, 1), "ANGLE_TO_PIXELDIST", (0, 1), (0, 1), float("inf")), "max_angle is inf"),
        (lambda: camera_from_dict({"model": "orthographic"}), "orthographic"),
        (lambda: camera_from_dict({"model": "ftheta", "width": 3}), "missing"),
        (lambda: camera_from_dict({**RATIONAL.to_dict(), "k7": 1.0}), "k7"),
    ],
)
def test_bad_parameters_are_named(make, message):
    with pytest.raises(DataError, match=message):
        make()


def test_numbers_of_any_kind_are_taken():
    lens = OpenCVPinholeCamera(np.int64(10), 10, np.array([5, 6], np.float32), [1, 2], np.zeros(4))
    assert lens == OpenCVPinholeCamera(10, 10, (5.0, 6.0), (1.0, 2.0))
    assert isinstance(lens.width, int)
    assert json.dumps(FISHEYE.to_dict())
