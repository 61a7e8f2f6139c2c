"""What avrec writes for NuRec's readers, read back as a stranger's: rig and tracks of random scenes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.errors import DataError
from avrec.geometry import Anchor, OpenCVFisheyeCamera, OpenCVPinholeCamera, ecef_from_world
from avrec.scene.ftheta_fit import fit_ftheta
from avrec.scene.importing.calibrations import camera_of
from avrec.scene.importing.members import Source
from avrec.scene.importing.placement import anchor_at
from avrec.scene.importing.rig import read_rig
from avrec.scene.importing.tracks import read_tracks
from avrec.scene.rig_json import rig_trajectories
from avrec.scene.tracks_json import sequence_tracks
from tests.scene.scenes import make_scene


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), center=st.tuples(*[st.integers(-5000, 5000)] * 3))
def test_rig_and_tracks_of_any_scene(seed: int, center: tuple[int, int, int]) -> None:
    scene = make_scene(seed, n=1, degree=0, sky_side=0)
    fits = {}
    for name, sensor in scene.cameras.items():
        try:
            fits[name] = fit_ftheta(sensor.model).camera
        except DataError:  # a random lens may be none
            continue
    if not fits:
        return
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rig.json"
        path.write_text(json.dumps(rig_trajectories(scene, "a", fits, np.array(center, np.float64))))
        rig = read_rig(Source(path), notes)
        path.write_text(json.dumps(sequence_tracks(scene.tracks)))
        tracks = read_tracks(Source(path), notes)
    assert rig is not None
    np.testing.assert_allclose(rig.ego.at(scene.ego.timestamps_us), scene.ego.poses, atol=1e-9)
    np.testing.assert_array_equal(rig.world_to_nre[:3, 3], -np.array(center) + 0.0)
    assert set(rig.cameras) == set(fits)
    for name, sensor in rig.cameras.items():
        mine = scene.cameras[name]
        assert sensor.model == fits[name]
        np.testing.assert_allclose(sensor.rig_from_camera, mine.rig_from_camera, atol=1e-9)
        if any(len(times) for times in scene.frames.values()):
            size = mine.model.width, mine.model.height
            before = scene.frames[name][:, None] + mine.shutter.line_times_us(*size)
            after = rig.frames[name][:, None] + sensor.shutter.line_times_us(*size)
            if len(before):
                np.testing.assert_allclose(after, before, atol=1.01)
    assert tracks is not None
    assert [(track.id, track.label) for track in tracks] == [
        (track.id, "automobile" if track.label == "car" else track.label) for track in scene.tracks
    ]
    for one, two in zip(scene.tracks, tracks, strict=True):
        np.testing.assert_allclose(two.world_from_box.poses, one.world_from_box.poses, atol=1e-6)


def _calibration(kind: str, **parameters: object) -> dict[str, object]:
    common = {"resolution": [1920, 1080], "principal_point": [960.5, 541.0], "shutter_type": "GLOBAL"}
    return {
        "logical_sensor_name": "front",
        "T_sensor_rig": np.eye(4).tolist(),
        "camera_model": {"type": kind, "parameters": {**common, **parameters}},
    }


def test_models_by_hand() -> None:
    """F-theta files count from the centre of the first pixel, OpenCV's from its corner."""
    notes: list[str] = []
    pinhole = camera_of("front@a", _calibration("opencv-pinhole", focal_length=[1000, 1001]), None, notes).model
    assert pinhole == OpenCVPinholeCamera(1920, 1080, (1000.0, 1001.0), (960.5, 541.0))
    fisheye = camera_of(
        "front@a",
        _calibration("opencv-fisheye", focal_length=[500, 500], radial_coeffs=[0.01, 0, 0, 0], max_angle=1.5),
        None,
        notes,
    ).model
    assert fisheye == OpenCVFisheyeCamera(1920, 1080, (500.0, 500.0), (960.5, 541.0), (0.01, 0.0, 0.0, 0.0), 1.5)
    ftheta = camera_of(
        "front@a",
        _calibration(
            "ftheta",
            reference_poly="ANGLE_TO_PIXELDIST",
            pixeldist_to_angle_poly=[0, 0.001],
            angle_to_pixeldist_poly=[0, 1000],
            max_angle=1.2,
        ),
        None,
        notes,
    ).model
    assert ftheta.principal_point == (961.0, 541.5)
    pixel, valid = ftheta.project(np.array([np.sin(0.1), 0.0, np.cos(0.1)]))
    np.testing.assert_allclose(pixel, [961.0 + 100.0, 541.5])
    assert valid
    assert notes == []
    windshield = _calibration("opencv-pinhole", focal_length=[1000, 1001], external_distortion_parameters={"a": 1})
    camera_of("front@a", windshield, None, notes)
    assert "windshield" in notes[0]
    with pytest.raises(DataError, match="its model is 'bivariate'"):
        camera_of("front@a", _calibration("bivariate"), None, notes)


@given(
    latitude=st.floats(-89, 89),
    longitude=st.floats(-179.9, 179.9),
    altitude=st.floats(-400, 8000, allow_subnormal=False),
)
def test_places_on_earth(latitude: float, longitude: float, altitude: float) -> None:
    """The inverse of `ecef_from_world`, which other tests hold against PROJ and by hand."""
    place = anchor_at(ecef_from_world(Anchor(latitude, longitude, altitude))[:3, 3])
    assert place.latitude_deg == pytest.approx(latitude, abs=1e-10)
    assert place.longitude_deg == pytest.approx(longitude, abs=1e-10)
    assert place.altitude_m == pytest.approx(altitude, abs=2e-6)
