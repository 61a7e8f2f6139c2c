"""`rig_trajectories.json` and the f-theta fits in it, judged by NVIDIA's own sensor models where they are installed."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.cli.scene_text import info_lines
from avrec.drive import CameraSensor, RigBox
from avrec.errors import DataError
from avrec.geometry import (
    ANGLE_TO_PIXELDIST,
    Anchor,
    Camera,
    FThetaCamera,
    OpenCVFisheyeCamera,
    OpenCVPinholeCamera,
    Shutter,
    Trajectory,
)
from avrec.scene import Scene, fit_ftheta, import_scene, read_manifest, scene_info
from avrec.scene.foreign import export_gaussians
from tests.scene.complete import complete_scene
from tests.scene.scenes import START_US, make_scene

CAMERAS: dict[str, Camera] = {
    "pinhole": OpenCVPinholeCamera(1280, 720, (900.0, 910.0), (644.5, 352.0)),
    "distorted": OpenCVPinholeCamera(1392, 512, (960, 957), (696.0, 225.0), (-0.37, 0.2, 0, 0, 0, 0), (1e-3, 1.3e-3)),
    "fisheye": OpenCVFisheyeCamera(1400, 1400, (700.0, 700.5), (699.0, 703.0), (0.02, 0.01, -0.01, 0.001), 1.62),
}
# What an f-theta camera cannot express of each: a radial curve, tangential distortion, ninth powers.
RESIDUAL_PX = {"pinhole": 0.01, "distorted": 1.0, "fisheye": 0.1}


def written(folder: Path, scene: Scene) -> dict[str, Any]:
    path = folder / "street-1.usdz"
    scene.save(path, overwrite=True)
    with zipfile.ZipFile(path) as archive:
        document: dict[str, Any] = json.loads(archive.read("rig_trajectories.json"))
    return document


def two_second_scene(sensor: CameraSensor) -> Scene:
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, 0, 3] = [0, 10, 20]
    ego = Trajectory(START_US + np.array([0, 1_000_000, 2_000_000]), poses)
    frames = {"front": START_US + np.array([500_000, 1_990_000])}
    scene = make_scene(cameras=("front",))
    cameras = {"front": replace(sensor, name="front")}
    return replace(scene, ego=ego, cameras=cameras, cameras_recorded={}, frames=frames, held_out={})


def test_layout_and_hand_computed_values(tmp_path: Path) -> None:
    sensor = CameraSensor("front", CAMERAS["pinhole"], np.eye(4), Shutter("bottom_to_top", 30_000, 8_000))
    scene = replace(two_second_scene(sensor), anchor=Anchor(0.0, 90.0, 100.0))
    document = written(tmp_path, scene)
    center = -np.array(read_manifest(tmp_path / "street-1.usdz")["nurec"]["world_to_nre_translation"])
    world_to_nre = np.array(document["world_to_nre"]["matrix"])
    np.testing.assert_array_equal(world_to_nre @ [*center, 1], [0, 0, 0, 1])
    # On the equator at 90 degrees east: east is -X, north is Z, up is Y of the Earth.
    expected = [[-1, 0, 0, 0], [0, 0, 1, 6378137], [0, 1, 0, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(document["T_world_base"], expected, atol=1e-8)
    assert list(document["camera_calibrations"]) == ["front@street-1"]
    calibration = document["camera_calibrations"]["front@street-1"]
    assert calibration["sequence_id"] == "street-1"
    assert calibration["logical_sensor_name"] == "front"
    assert calibration["unique_sensor_idx"] == 0
    assert calibration["T_sensor_rig"] == np.eye(4).tolist()
    parameters = calibration["camera_model"]["parameters"]
    assert calibration["camera_model"]["type"] == "ftheta"
    assert parameters["resolution"] == [1280, 720]
    assert parameters["shutter_type"] == "ROLLING_BOTTOM_TO_TOP"
    assert parameters["external_distortion_parameters"] is None
    np.testing.assert_allclose(parameters["principal_point"], [644.0, 351.5], atol=0.02)  # centres at integers there
    (path,) = document["rig_trajectories"]
    assert path["sequence_id"] == "street-1"
    # Middle of the first line's exposure to middle of the last line's.
    intervals = path["cameras_frame_timestamps_us"]["front@street-1"]
    assert intervals == [[START_US + 504_000, START_US + 534_000], [START_US + 1_994_000, START_US + 2_024_000]]
    poses = np.array(path["cameras_frame_T_rig_worlds"]["front@street-1"])
    np.testing.assert_allclose(poses[..., 0, 3], [[5.04, 5.34], [19.94, 20.24]], atol=1e-9)
    # The last frame outlasts the recorded path, so the written one is carried on to it.
    assert path["T_rig_world_timestamps_us"] == [START_US + t for t in (0, 1_000_000, 2_000_000, 2_024_000)]
    np.testing.assert_allclose(np.array(path["T_rig_worlds"])[:, 0, 3], [0, 10, 20, 20.24], atol=1e-9)
    assert path["rig_bbox"]["rot"] == [0, 0, 0]


@pytest.mark.parametrize(("direction", "readout"), [("global", 30_000), ("left_to_right", 0)])
def test_frame_intervals_are_never_empty(tmp_path: Path, direction: Any, readout: int) -> None:
    sensor = CameraSensor("front", CAMERAS["fisheye"], np.eye(4), Shutter(direction, readout, 0))
    document = written(tmp_path, two_second_scene(sensor))
    (first, _) = document["rig_trajectories"][0]["cameras_frame_timestamps_us"]["front@street-1"]
    assert first == [START_US + 500_000, START_US + 500_001]
    assert all(type(time) is int for time in first)


def test_f_theta_camera_is_written_as_it_is(tmp_path: Path) -> None:
    model = FThetaCamera(
        1920, 1080, (960.5, 540.25), ANGLE_TO_PIXELDIST, (0, 1e-3, 1e-9), (0, 1e3, 0.5), 1.2, (1.01, 1e-4, -2e-4)
    )
    sensor = CameraSensor("front", model, np.eye(4), Shutter())
    document = written(tmp_path, two_second_scene(sensor))
    parameters = document["camera_calibrations"]["front@street-1"]["camera_model"]["parameters"]
    assert parameters["principal_point"] == [960.0, 539.75]
    assert parameters["angle_to_pixeldist_poly"] == [0, 1e3, 0.5, 0, 0, 0]
    assert parameters["linear_cde"] == [1.01, 1e-4, -2e-4]
    assert read_manifest(tmp_path / "street-1.usdz")["cameras"]["front"]["ftheta_max_px"] == 0
    assert Scene.open(tmp_path / "street-1.usdz").cameras["front"].model == model


@pytest.mark.parametrize("name", CAMERAS)
def test_residual_is_what_the_pixels_say(name: str) -> None:
    camera = CAMERAS[name]
    fit = fit_ftheta(camera)
    assert 0 < fit.rms_px < RESIDUAL_PX[name]
    assert fit.rms_px <= fit.max_px
    rays, valid = camera.pixel_rays()
    rays, valid = rays[::7, ::7], valid[::7, ::7]
    pixels, reached = fit.camera.project_unbounded(rays[valid])
    assert reached.all()
    truth, _ = camera.project_unbounded(rays[valid])
    miss = np.linalg.norm(pixels - truth, axis=-1)
    assert miss.max() <= fit.max_px * 1.05 + 1e-9
    assert abs(np.sqrt(np.mean(miss**2)) - fit.rms_px) < 0.3 * fit.rms_px


@pytest.mark.parametrize("name", CAMERAS)
def test_both_polynomials_are_inverse_to_each_other(name: str) -> None:
    camera = fit_ftheta(CAMERAS[name]).camera
    angle = np.linspace(0, camera.max_angle, 200)
    distance = np.polynomial.polynomial.polyval(angle, camera.angle_to_pixeldist_poly)
    back = np.polynomial.polynomial.polyval(distance, camera.pixeldist_to_angle_poly)
    assert np.abs(back - angle).max() < 0.003 * camera.max_angle
    assert (np.diff(distance) > 0).all()


@given(
    st.floats(0.4, 1.5),
    st.tuples(*[st.floats(-0.02, 0.02)] * 2),
    st.tuples(st.floats(0.95, 1.05), st.floats(-0.01, 0.01), st.floats(-0.01, 0.01)),
)
@settings(max_examples=15, deadline=None)
def test_f_theta_lens_is_found_again(
    widest: float, bend: tuple[float, float], linear: tuple[float, float, float]
) -> None:
    """What an f-theta camera can express is fitted to rounding, whatever model the rays come from."""
    scale = 500 / widest
    forward = (0.0, scale, 0.0, scale * bend[0], 0.0, scale * bend[1])
    truth = FThetaCamera(800, 600, (402.0, 297.0), ANGLE_TO_PIXELDIST, (), forward, 3.0, linear)

    class Stranger(OpenCVPinholeCamera):
        """Another class with the same rays, so that it is fitted."""

        def unproject(self, pixels: Any) -> Any:
            return truth.unproject(pixels)

    fit = fit_ftheta(Stranger(800, 600, (500.0, 500.0), (400.0, 300.0)))
    assert fit.camera.reference_poly == ANGLE_TO_PIXELDIST
    assert fit.max_px < 1e-6
    np.testing.assert_allclose(fit.camera.principal_point, truth.principal_point, atol=1e-5)
    np.testing.assert_allclose(fit.camera.linear_cde, truth.linear_cde, atol=1e-6)
    completed = fit_ftheta(truth).camera
    assert completed.angle_to_pixeldist_poly == truth.angle_to_pixeldist_poly
    assert completed.pixeldist_to_angle_poly[1] == pytest.approx(1 / scale, rel=0.1)


@pytest.mark.parametrize("name", CAMERAS)
def test_peer_reads_the_written_calibration(tmp_path: Path, name: str) -> None:
    """NVIDIA's own f-theta model, fed with the file's numbers, sees points where our exact camera sees them."""
    data = pytest.importorskip("ncore.data", reason="nvidia-ncore is not installed")
    sensors = pytest.importorskip("ncore.sensors", reason="nvidia-ncore is not installed")
    import torch

    sensor = CameraSensor("front", CAMERAS[name], np.eye(4), Shutter("top_to_bottom", 10_000))
    document = written(tmp_path, two_second_scene(sensor))
    written_model = document["camera_calibrations"]["front@street-1"]["camera_model"]["parameters"]
    kinds = data.FThetaCameraModelParameters.PolynomialType
    parameters = data.FThetaCameraModelParameters(
        resolution=np.array(written_model["resolution"], np.uint64),
        shutter_type=data.ShutterType[written_model["shutter_type"]],
        principal_point=np.array(written_model["principal_point"], np.float32),
        reference_poly=kinds[written_model["reference_poly"]],
        pixeldist_to_angle_poly=np.array(written_model["pixeldist_to_angle_poly"], np.float32),
        angle_to_pixeldist_poly=np.array(written_model["angle_to_pixeldist_poly"], np.float32),
        max_angle=written_model["max_angle"],
        linear_cde=np.array(written_model["linear_cde"], np.float32),
    )
    peer = sensors.CameraModel.from_parameters(parameters, device="cpu", dtype=torch.float64)
    rays, valid = CAMERAS[name].pixel_rays()
    rays, valid = rays[5::31, 5::31], valid[5::31, 5::31]
    truth, _ = CAMERAS[name].project_unbounded(rays[valid])
    points = peer.camera_rays_to_image_points(torch.from_numpy(rays[valid].copy()))
    miss = np.linalg.norm(points.image_points.numpy() - truth, axis=-1)
    assert points.valid_flag.numpy().mean() > 0.99
    residual = read_manifest(tmp_path / "street-1.usdz")["cameras"]["front"]["ftheta_max_px"]
    assert miss[points.valid_flag.numpy()].max() <= residual * 1.05 + 0.01


def test_a_camera_without_rays_is_refused() -> None:
    blind = OpenCVFisheyeCamera(640, 480, (300.0, 300.0), (90_000.0, 240.0), max_angle=0.5)
    with pytest.raises(DataError, match="hardly any"):
        fit_ftheta(blind)


def test_an_odd_lens_does_not_keep_a_scene_from_being_saved(tmp_path: Path) -> None:
    blind = OpenCVFisheyeCamera(640, 480, (300.0, 300.0), (90_000.0, 240.0), max_angle=0.5)
    document = written(tmp_path, two_second_scene(CameraSensor("front", blind, np.eye(4), Shutter())))
    assert document["camera_calibrations"] == {}
    assert document["rig_trajectories"][0]["cameras_frame_timestamps_us"] == {}
    assert read_manifest(tmp_path / "street-1.usdz")["cameras"] == {"front": None}
    assert Scene.open(tmp_path / "street-1.usdz").cameras["front"].model == blind


def test_the_car_s_box_comes_back_exactly_and_reaches_the_rig_file(tmp_path: Path) -> None:
    box = RigBox((1.285, 0.1 + 0.2, 0.95), (4.77, 1.82, 1.9))
    path = tmp_path / "street.usdz"
    replace(complete_scene(), rig_box=box).save(path)
    assert Scene.open(path).rig_box == box
    with zipfile.ZipFile(path) as archive:
        rig = json.loads(archive.read("rig_trajectories.json"))
        manifest = json.loads(archive.read("manifest.json"))
    assert rig["rig_trajectories"][0]["rig_bbox"] == {
        "centroid": list(box.center_m),
        "dim": list(box.size_m),
        "rot": [0.0, 0.0, 0.0],
    }
    assert "rig_bbox" not in manifest["assumed"]
    assert any("4.77 x 1.82 x 1.90 m" in line for line in info_lines(scene_info(path)))
    # Of a package by others, and beside a scene of ours.
    (tmp_path / "rig_trajectories.json").write_text(json.dumps(rig))
    cloud = tmp_path / "street.ply"
    export_gaussians(complete_scene().static, cloud)
    assert import_scene(cloud, rig=tmp_path / "rig_trajectories.json").rig_box == box
    assert import_scene(path).rig_box == box


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ({"centroid": [1, 0, 1], "dim": [4, 2, 1], "rot": [0, 0, 0.5]}, "turned"),
        ({"centroid": [1, 0, 1], "dim": [4, -2, 1], "rot": [0, 0, 0]}, "no size"),
        ({"centroid": [1, 0], "dim": [4, 2, 1], "rot": [0, 0, 0]}, "left out"),
        ([1, 2], "left out"),
    ],
)
def test_a_box_that_no_car_has_is_left_out_aloud(tmp_path: Path, box: object, said: str) -> None:
    complete_scene().save(tmp_path / "street.usdz")
    with zipfile.ZipFile(tmp_path / "street.usdz") as archive:
        rig = json.loads(archive.read("rig_trajectories.json"))
    rig["rig_trajectories"][0]["rig_bbox"] = box
    (tmp_path / "rig.json").write_text(json.dumps(rig))
    cloud = tmp_path / "street.ply"
    export_gaussians(complete_scene().static, cloud)
    scene = import_scene(cloud, rig=tmp_path / "rig.json")
    assert scene.rig_box is None
    assert any("rig_bbox" in note and said in note for note in scene.source["notes"])
