"""The camera models against OpenCV and the NCore sensor models."""

import cv2
import numpy as np
import pytest

from tests.geometry.lenses import ALL, FISHEYE, FTHETA_BACKWARD, FTHETA_FORWARD, PLAIN, RADIAL, RATIONAL, grid

PINHOLES = pytest.mark.parametrize("camera", [PLAIN, RADIAL, RATIONAL], ids=["plain", "radial", "rational"])


def matrix(camera) -> np.ndarray:
    (fx, fy), (cx, cy) = camera.focal, camera.principal_point
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])


def opencv_coefficients(camera) -> np.ndarray:
    """OpenCV's order: k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4."""
    k, p, s = camera.radial, camera.tangential, camera.thin_prism
    return np.array([k[0], k[1], p[0], p[1], k[2], k[3], k[4], k[5], *s])


@PINHOLES
def test_pinhole_agrees_with_opencv(camera):
    pixels = grid(camera.width, camera.height)
    rays, valid = camera.unproject(pixels)
    assert valid.all()
    points = rays * np.random.default_rng(0).uniform(0.5, 50, (len(rays), 1))
    judge, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix(camera), opencv_coefficients(camera))
    assert np.abs(camera.project(points)[0] - judge[:, 0]).max() < 1e-8
    assert np.abs(pixels - judge[:, 0]).max() < 1e-8
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-12)
    flat = cv2.undistortPoints(pixels[:, None], matrix(camera), opencv_coefficients(camera), criteria=criteria)
    assert np.abs((rays[:, :2] / rays[:, 2:] - flat[:, 0]) * camera.focal).max() < 0.01


def test_fisheye_agrees_with_opencv():
    pixels = grid(FISHEYE.width, FISHEYE.height)
    rays, valid = FISHEYE.unproject(pixels)
    assert valid.all()
    front = rays[:, 2] > 0.02  # OpenCV's fisheye works on the plane z = 1
    points = rays[front] * 7.0
    judge, _ = cv2.fisheye.projectPoints(
        points[:, None], np.zeros(3), np.zeros(3), matrix(FISHEYE), np.array(FISHEYE.radial)
    )
    assert front.mean() > 0.5
    assert np.abs(pixels[front] - judge[:, 0]).max() < 1e-8


def ncore_model(camera):
    """The same camera as an NCore model in float64 on the CPU."""
    data = pytest.importorskip("ncore.data", reason="nvidia-ncore is not installed")
    sensors = pytest.importorskip("ncore.sensors", reason="nvidia-ncore is not installed")
    import torch

    def array(values):
        return np.array(values, dtype=np.float32)

    common = {
        "resolution": np.array([camera.width, camera.height], dtype=np.uint64),
        "shutter_type": data.ShutterType.GLOBAL,
        "external_distortion_parameters": None,
    }
    values = camera.to_dict()
    if values["model"] == "ftheta":
        kind = data.FThetaCameraModelParameters
        parameters = kind(
            **common,
            # NCore counts f-theta principal points from the centre of the first pixel
            principal_point=array(camera.principal_point) - np.float32(0.5),
            reference_poly=kind.PolynomialType[camera.reference_poly],
            pixeldist_to_angle_poly=array(camera.pixeldist_to_angle_poly),
            angle_to_pixeldist_poly=array(camera.angle_to_pixeldist_poly),
            max_angle=camera.max_angle,
            linear_cde=array(camera.linear_cde),
        )
    elif values["model"] == "opencv-fisheye":
        parameters = data.OpenCVFisheyeCameraModelParameters(
            **common,
            principal_point=array(camera.principal_point),
            focal_length=array(camera.focal),
            radial_coeffs=array(camera.radial),
            max_angle=camera.max_angle,
        )
    else:
        parameters = data.OpenCVPinholeCameraModelParameters(
            **common,
            principal_point=array(camera.principal_point),
            focal_length=array(camera.focal),
            radial_coeffs=array(camera.radial),
            tangential_coeffs=array(camera.tangential),
            thin_prism_coeffs=array(camera.thin_prism),
        )
    return sensors.camera_model_from_parameters(parameters, device="cpu", dtype=torch.float64)


@pytest.mark.parametrize("name", ALL)
def test_agrees_with_ncore(name):
    camera = ALL[name]
    model = ncore_model(camera)
    pixels = grid(camera.width, camera.height, 41)
    rays, valid = camera.unproject(pixels)
    assert valid.all()

    answer = model.camera_rays_to_image_points(rays)
    seen = answer.valid_flag.numpy()
    assert seen.mean() > 0.95  # NCore also refuses strong radial distortion, and the image's very edge
    assert np.abs(answer.image_points.numpy() - pixels)[seen].max() < 1e-6

    # Its rays, brought back to the image by our model, where its own few steps of inversion came to an end.
    judged = model.image_points_to_camera_rays(pixels)
    own_error = np.abs(model.camera_rays_to_image_points(judged).image_points.numpy() - pixels).max(axis=-1)
    settled = seen & (own_error < 0.009)
    assert settled.mean() > 0.9
    assert np.abs(camera.project_unbounded(judged.numpy())[0] - pixels)[settled].max() < 0.01


@pytest.mark.parametrize("camera", [FTHETA_BACKWARD, FTHETA_FORWARD], ids=["backward", "forward"])
def test_resized_ftheta_agrees_with_ncore(camera):
    model = ncore_model(camera)
    data = pytest.importorskip("ncore.data")
    scaled = model.get_parameters().transform((0.5, 0.75), new_resolution=(960, 810))
    small = camera.resized(960, 810)
    assert np.allclose(scaled.principal_point + 0.5, small.principal_point, atol=1e-4)
    assert np.allclose(scaled.linear_cde, small.linear_cde, rtol=1e-6)
    assert np.allclose(scaled.angle_to_pixeldist_poly, small.angle_to_pixeldist_poly, rtol=1e-6)
    assert np.allclose(scaled.pixeldist_to_angle_poly, small.pixeldist_to_angle_poly, rtol=1e-6)
    assert scaled.shutter_type == data.ShutterType.GLOBAL
