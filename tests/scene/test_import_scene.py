"""A scene out of somebody else's files: what is taken, where it lies, and what stands in for what is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avrec.errors import DataError
from avrec.gaussians import Gaussians
from avrec.geometry import Anchor, Shutter, ecef_from_world, invert, matrix_from_rpy, transform_from
from avrec.mesh.ply import write_ply as write_mesh
from avrec.rendering import render
from avrec.scene import Scene, fit_ftheta, import_scene
from avrec.scene.foreign import export_gaussians, import_gaussians, write_ply
from avrec.scene.importing.placement import UPS, world_from_file
from avrec.scene.package_reader import PackageReader
from avrec.scene.validate import validate
from tests.scene.complete import ANCHOR, complete_scene, road_map
from tests.scene.scenes import START_US, assert_same
from tests.scene.strangers import edited, stripped
from tests.scene.test_foreign_nurec import layer, volume


def visible_scene(n: int = 4000) -> Scene:
    """A complete scene whose Gaussians are a street to look at: ground, two walls, and cameras that are f-theta."""
    rng = np.random.default_rng(1)
    xyz = rng.uniform((5, -8, 0), (80, 8, 6), (n, 3))
    xyz[: n // 2, 2] = 0
    xyz[n // 2 :, 1] = np.sign(xyz[n // 2 :, 1]) * 8
    quaternions = rng.normal(size=(n, 4))
    scales = np.log(rng.uniform(0.1, 0.4, (n, 3)))
    sh = 0.2 * rng.normal(size=(n, 4, 3))
    cloud = Gaussians.from_parts(xyz, quaternions, scales, np.full(n, 2.0), sh)
    scene = complete_scene()
    cameras = {name: replace(sensor, model=fit_ftheta(sensor.model).camera) for name, sensor in scene.cameras.items()}
    small = {name: replace(sensor, model=sensor.model.resized(160, 90)) for name, sensor in cameras.items()}
    sky = rng.random((6, 8, 8, 3), np.float32)
    return replace(scene, static=cloud, road=None, actors={}, cameras=small, sky=sky, appearance={})


def test_our_package_as_a_stranger_has_it(tmp_path: Path) -> None:
    """Everything but avrec's own members comes back, and the picture is that of the half-precision volume."""
    scene = visible_scene()
    path = stripped(scene, tmp_path / "street.usdz")
    back = import_scene(path)
    in_half = replace(scene, static=import_gaussians(path).gaussians, sky=None)
    np.testing.assert_array_equal(back.static.packed, in_half.static.packed)
    for camera in scene.cameras:
        for number in (10, 60):
            before, after = (render(one, camera, int(one.frames[camera][number])).rgb for one in (in_half, back))
            assert np.abs(before - after).max() < 1e-4
            assert before.std() > 0.05
    assert list(back.cameras) == list(scene.cameras)
    for name, sensor in scene.cameras.items():
        assert back.cameras[name].model == sensor.model
        np.testing.assert_allclose(back.cameras[name].rig_from_camera, sensor.rig_from_camera, atol=1e-12)
        size = sensor.model.width, sensor.model.height
        times = back.frames[name][:, None] + back.cameras[name].shutter.line_times_us(*size)
        np.testing.assert_allclose(times, scene.frames[name][:, None] + sensor.shutter.line_times_us(*size), atol=0.5)
    np.testing.assert_allclose(back.ego.at(scene.ego.timestamps_us), scene.ego.poses, atol=1e-9)
    assert [track.id for track in back.tracks] == ["7", "8", "parked"]
    for mine, theirs in zip(scene.tracks, back.tracks, strict=True):
        np.testing.assert_allclose(theirs.world_from_box.poses, mine.world_from_box.poses, atol=1e-9)
        np.testing.assert_array_equal(theirs.size_m, mine.size_m)
    assert back.anchor is not None
    assert back.anchor.latitude_deg == pytest.approx(ANCHOR.latitude_deg, abs=1e-12)
    assert back.anchor.longitude_deg == pytest.approx(ANCHOR.longitude_deg, abs=1e-12)
    assert back.map_xodr == scene.map_xodr
    assert back.mesh is not None
    assert scene.mesh is not None
    np.testing.assert_allclose(back.mesh.vertices, scene.mesh.vertices, atol=1e-5)
    assert back.ground is not None
    assert back.source["assumed"] == {}
    assert back.source["origin"]["scene_id"] == "whole"
    back.save(tmp_path / "again.usdz")
    report = validate(tmp_path / "again.usdz")
    assert report.failing == ()
    assert_same(Scene.open(tmp_path / "again.usdz"), back)


def test_pinhole_cameras_come_back_as_their_copies(tmp_path: Path) -> None:
    scene = replace(visible_scene(), cameras=complete_scene().cameras, sky=None)
    back = import_scene(stripped(scene, tmp_path / "street.usdz"))
    in_half = replace(scene, static=back.static)
    time_us = int(back.frames["side"][30])
    before, after = (render(one, "side", time_us, width=320).rgb for one in (in_half, back))
    psnr = -10 * np.log10(np.mean((before - after) ** 2))
    assert psnr > 40  # the copy is within hundredths of a pixel, and orders Gaussians by distance


def test_a_foreign_world_is_turned_to_the_map(tmp_path: Path) -> None:
    """A world that begins at the first rig pose, tilted, 30 m up and 500 m from the map's origin."""
    scene = visible_scene(300)
    map_from_world = transform_from(matrix_from_rpy(0.02, -0.03, 2.1), (400.0, -300.0, 30.0))

    def moved(document: dict) -> None:
        base = ecef_from_world(Anchor(ANCHOR.latitude_deg, ANCHOR.longitude_deg, 0.0)) @ map_from_world
        document["T_world_base"] = base.tolist()

    back = import_scene(stripped(scene, tmp_path / "street.usdz", {"rig_trajectories.json": edited(moved)}))
    assert back.map_xodr == scene.map_xodr
    assert any("so that the map's coordinates are the world's" in note for note in back.source["notes"])
    np.testing.assert_allclose(
        back.ego.at(START_US + 1_000_000), map_from_world @ scene.ego.at(START_US + 1_000_000), atol=1e-6
    )
    track = back.track("7").world_from_box.poses[0]
    np.testing.assert_allclose(track, map_from_world @ scene.track("7").world_from_box.poses[0], atol=1e-6)
    assert back.mesh is not None
    assert scene.mesh is not None
    expected = scene.mesh.vertices @ map_from_world[:3, :3].T + map_from_world[:3, 3]
    np.testing.assert_allclose(back.mesh.vertices, expected, atol=1e-4)
    # The same picture from the same camera: everything moved together.
    time_us = int(back.frames["side"][0])
    before = render(
        replace(scene, static=import_gaussians(tmp_path / "street.usdz").gaussians, sky=None), "side", time_us
    )
    assert np.abs(before.rgb - render(back, "side", time_us).rgb).mean() < 2e-3


def test_without_a_map_the_world_keeps_its_origin(tmp_path: Path) -> None:
    scene = visible_scene(50)
    place = Anchor(35.6, 139.7, 44.0)
    turn = transform_from(matrix_from_rpy(0.0, 0.0, 1.0), (0.0, 0.0, 0.0))

    def elsewhere(document: dict) -> None:
        document["T_world_base"] = (ecef_from_world(place) @ turn).tolist()

    changes = {"rig_trajectories.json": edited(elsewhere), "map.xodr": None}
    back = import_scene(stripped(scene, tmp_path / "street.usdz", changes))
    assert back.anchor is not None
    assert back.anchor.latitude_deg == pytest.approx(35.6, abs=1e-9)
    assert back.anchor.altitude_m == pytest.approx(44.0, abs=1e-4)
    np.testing.assert_allclose(back.ego.poses[5], turn @ scene.ego.poses[5], atol=1e-6)


def test_a_map_too_far_away(tmp_path: Path) -> None:
    scene = visible_scene(50)
    far = {"map.xodr": road_map("+proj=tmerc +lat_0=50 +lon_0=8.4228 +k=1 +x_0=0 +y_0=0 +datum=WGS84")}
    back = import_scene(stripped(scene, tmp_path / "street.usdz", far))
    assert back.map_xodr is None
    assert any("map was left out" in note for note in back.source["notes"])
    (tmp_path / "far.xodr").write_bytes(far["map.xodr"])
    with pytest.raises(DataError, match="km from where the scene is"):
        import_scene(tmp_path / "street.usdz", map=tmp_path / "far.xodr")


@pytest.mark.parametrize("up", UPS)
def test_up_axes_are_rotations_that_lift_the_named_axis(up: str) -> None:
    matrix = world_from_file(up, 2.0)
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(8)
    axis = np.zeros(3)
    axis["xyz".index(up[-1])] = -1.0 if up.startswith("-") else 1.0
    np.testing.assert_array_equal(matrix[:3, :3] @ axis, [0, 0, 2])


def test_photogrammetry_axes_by_hand(tmp_path: Path) -> None:
    """Right, down and ahead become -y, -z and x, in metres."""
    cloud = Gaussians.from_parts(
        np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]), np.tile([1.0, 0, 0, 0], (3, 1)), np.zeros((3, 3)),
        np.zeros(3), np.zeros((3, 1, 3)),
    )  # fmt: skip
    write_ply(cloud, tmp_path / "a.ply")
    scene = import_scene(tmp_path / "a.ply", up="-y", scale=3.0)
    np.testing.assert_allclose(scene.static.means, [[0, -3, 0], [0, 0, -3], [3, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(scene.static.log_scales, np.log(3), atol=1e-6)
    for wrong in ({"up": "w"}, {"scale": 0.0}, {"scale": float("nan")}):
        with pytest.raises(DataError):
            import_scene(tmp_path / "a.ply", **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", [".ply", ".spz", ".nurec", ".usda", ".avgc"])
def test_any_file_of_gaussians_becomes_a_scene_with_every_verb(tmp_path: Path, suffix: str) -> None:
    cloud = visible_scene(800).static
    export_gaussians(cloud, tmp_path / f"a{suffix}")
    scene = import_scene(tmp_path / f"a{suffix}")
    assert list(scene.cameras) == ["placeholder"]
    assert "no rig was given" in scene.source["assumed"]["rig"]
    for time_us in scene.frames["placeholder"][[0, -1]]:
        shot = render(scene, "placeholder", int(time_us), width=192)
        covered = shot.alpha > 0.5
        assert covered.mean() > 0.04
        assert covered[:, :30].mean() < covered.mean()  # it looks at the cloud, not past it
    scene.save(tmp_path / "a.usdz")
    again = Scene.open(tmp_path / "a.usdz")
    assert again.source["assumed"] == scene.source["assumed"]
    assert "isaac" not in validate(tmp_path / "a.usdz").failing
    export_gaussians(again.world_gaussians(), tmp_path / "b.spz")


def test_points_become_gaussians_as_wide_as_they_are_apart(tmp_path: Path) -> None:
    grid = np.stack(np.meshgrid(np.arange(5), np.arange(4), np.arange(3), indexing="ij"), -1).reshape(-1, 3) * 0.2
    rows = "\n".join(f"{x} {y} {z} 255 0 51" for x, y, z in grid)
    header = "ply\nformat ascii 1.0\nelement vertex 60\n" + "".join(f"property float {axis}\n" for axis in "xyz")
    header += "".join(f"property uchar {name}\n" for name in ("red", "green", "blue")) + "end_header\n"
    (tmp_path / "points.ply").write_text(header + rows + "\n")
    scene = import_scene(tmp_path / "points.ply")
    assert len(scene.static) == 60
    np.testing.assert_allclose(np.exp(scene.static.log_scales), 0.1, rtol=1e-5)
    np.testing.assert_allclose(0.5 + 0.28209479 * scene.static.sh[0, 0], [1.0, 0.0, 0.2], atol=1e-5)
    assert any("plain point cloud" in note for note in scene.source["notes"])


def test_parts_from_other_files(tmp_path: Path) -> None:
    """Rig, tracks and mesh may be files, or packages that hold them; ours gives its exact calibration."""
    street = visible_scene(200)
    street.save(tmp_path / "street.usdz")
    write_ply(street.static, tmp_path / "a.ply")
    assert street.mesh is not None
    write_mesh(tmp_path / "mesh.ply", street.mesh)
    (tmp_path / "map.xodr").write_bytes(road_map())
    scene = import_scene(
        tmp_path / "a.ply",
        rig=tmp_path / "street.usdz",
        tracks=tmp_path / "street.usdz",
        mesh=tmp_path / "mesh.ply",
        map=tmp_path / "map.xodr",
    )
    assert {name: sensor.model for name, sensor in scene.cameras.items()} == {
        name: sensor.model for name, sensor in street.cameras.items()
    }
    np.testing.assert_array_equal(scene.ego.poses, street.ego.poses)
    assert scene.anchor == street.anchor
    assert [track.label for track in scene.tracks] == [track.label for track in street.tracks]
    assert scene.mesh is not None
    loose = stripped(street, tmp_path / "loose.usdz")
    rig = tmp_path / "rig_trajectories.json"
    with PackageReader(loose) as package:
        rig.write_bytes(package.read(rig.name, limit=1 << 30))
    export_gaussians(street.static, tmp_path / "a.nurec")
    nre = import_scene(tmp_path / "a.nurec", rig=rig)
    offset = np.array(json.loads(rig.read_bytes())["world_to_nre"]["matrix"])
    half = import_gaussians(tmp_path / "a.nurec").gaussians.means
    np.testing.assert_allclose(nre.static.means, half + invert(offset)[:3, 3], atol=1e-4)
    export_gaussians(street.static, tmp_path / "bare.usdz", "nurec")
    with pytest.raises(DataError, match="holds no rig"):
        import_scene(tmp_path / "a.ply", rig=tmp_path / "bare.usdz")


def test_our_own_scene_takes_new_parts_and_keeps_the_rest(tmp_path: Path) -> None:
    scene = visible_scene(100)
    scene.save(tmp_path / "a.usdz")
    (tmp_path / "new.xodr").write_bytes(road_map(height_m=0.5))
    back = import_scene(tmp_path / "a.usdz", map=tmp_path / "new.xodr")
    assert back.map_xodr == road_map(height_m=0.5)
    assert_same(replace(back, map_xodr=scene.map_xodr, source=scene.source), scene)
    assert back.source["seed"] == 5
    assert back.anchor == ANCHOR


def test_layers_of_an_automotive_volume(tmp_path: Path) -> None:
    """Background, road and rigid actors of a composite volume find their places in the scene."""
    state = {"._extra_state": {"obj_track_ids": {"dynamic_rigids": ["7@whole", "gone@whole"]}}}
    state |= layer("background", 3) | layer("road", 2)
    state |= layer("dynamic_rigids", 2, gaussian_cuboid_ids=np.array([0, 1], "<i4"))
    changes = {"volume.nurec": volume(state), "clipgt/lane.parquet": b"x", "notes.txt": b"x"}
    scene = import_scene(stripped(visible_scene(10), tmp_path / "a.usdz", changes))
    assert (len(scene.static), len(scene.road or ()), {key: len(cloud) for key, cloud in scene.actors.items()}) == (
        3,
        2,
        {"7": 1},
    )
    text = " ".join(scene.source["notes"])
    for said in ("of 1 actors were left out", "clipgt/ were left out", "does not know them: notes.txt"):
        assert said in text


def test_shutters_of_others(tmp_path: Path) -> None:
    def changed(document: dict) -> None:
        front = document["camera_calibrations"]["front@whole"]["camera_model"]["parameters"]
        front["shutter_type"] = "ROLLING_LEFT_TO_RIGHT"
        document["camera_calibrations"]["side@whole"]["camera_model"]["parameters"]["shutter_type"] = "GLOBAL"
        frames = document["rig_trajectories"][0]["cameras_frame_timestamps_us"]
        frames["side@whole"] = [[start, start + 8000] for start, _ in frames["side@whole"]]

    back = import_scene(stripped(visible_scene(10), tmp_path / "a.usdz", {"rig_trajectories.json": edited(changed)}))
    assert back.cameras["front"].shutter == Shutter("left_to_right", 20_000, 0)
    assert back.cameras["side"].shutter == Shutter("global", 0, 8000)
