"""Scores against truth, on a street made of the scene's own pictures, so that every figure is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from avrec.errors import DataError
from avrec.evaluation import evaluate, evaluate_street, pose_errors
from avrec.geometry import Offset, Trajectory, exp_se3
from avrec.rendering import Shot, render
from avrec.scene.scene import Scene
from tests.rendering.scenes import drive_of, tiny_scene


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)


def write_street(root: Path, scene: Scene) -> None:
    """What `synthesise_street` would write, had the world been this scene."""
    frames = []
    for index, time in enumerate(scene.frames["front"].tolist()):
        pose = scene.ego.at(time) @ scene.cameras["front"].rig_from_camera @ np.diag([1.0, -1, -1, 1])
        frames.append(
            {
                "file_path": f"images/front/{index:04d}.png",
                "camera": "front",
                "timestamp_us": time,
                "transform_matrix": pose.tolist(),
            }
        )
        plain, place = render(scene, "front", time), f"front/{index:04d}.png"
        car = render(replace(scene, static=scene.static.take(np.zeros(0, int)), sky=None), "front", time).alpha > 0.3
        write(root / "images" / place, plain.rgb_uint8)
        write(root / "truth/shift_+1.00/images" / place, shifted(scene, time).rgb_uint8)
        write(root / "truth/empty/images" / place, render(scene.without_actor("7"), "front", time).rgb_uint8)
        write(root / "truth/instance" / place, np.where(car, 1, 0).astype(np.uint16))
        write(root / "truth/semantic" / place, np.where(car, 13, 0).astype(np.uint8))
        (root / "truth/depth/front").mkdir(parents=True, exist_ok=True)
        np.save(root / f"truth/depth/front/{index:04d}.npy", np.nan_to_num(plain.depth, nan=np.inf))
    content = {"frames": frames, "instances": {"1": "7"}, "shifts": {"shift_+1.00": {"left_m": 1.0}}}
    (root / "truth/truth.json").write_text(json.dumps(content))


def shifted(scene: Scene, time: int) -> Shot:
    return render(scene, "front", time, offset=Offset(left_m=1.0))


@pytest.fixture
def few_frames() -> Scene:
    scene = tiny_scene()
    return replace(
        scene, frames={"front": scene.frames["front"][:3]}, held_out={"front": np.array([False, True, False])}
    )


def test_the_scene_itself_scores_almost_perfectly_and_its_faults_show(tmp_path: Path, few_frames: Scene) -> None:
    write_street(tmp_path, few_frames)
    good = evaluate_street(few_frames, tmp_path)
    assert good["frames"] == 1  # the held-out one
    assert good["shifts"]["+1.00"]["psnr"] > 50  # rounding to 8 bits
    assert good["cars"]["psnr"] > 50
    assert good["removed"]["psnr"] > 50
    assert "people" not in good
    assert good["depth"]["expected_relative"] < 1e-6
    assert good["poses"]["refined"]["translation_m"] < 1e-6

    recoloured = few_frames.actors["7"].packed.copy()
    recoloured[:, 11:] = 0.0  # the car turns grey
    grey = replace(few_frames, actors={"7": type(few_frames.static)(recoloured)})
    bad = evaluate_street(grey, tmp_path)
    assert bad["cars"]["psnr"] < 12
    assert bad["removed"]["psnr"] > 50
    ghost = replace(few_frames, static=few_frames.static.take(np.arange(0)))
    assert evaluate_street(ghost, tmp_path)["removed"]["psnr"] < 20


def test_evaluate_adds_the_streets_truth(tmp_path: Path, few_frames: Scene) -> None:
    write_street(tmp_path, few_frames)
    pictures = {
        ("front", time): render(few_frames, "front", time).rgb_uint8 for time in few_frames.frames["front"].tolist()
    }
    drive = replace(drive_of(few_frames, pictures), source=tmp_path / "transforms.json")
    document = json.loads(json.dumps(evaluate(few_frames, drive).to_dict(), allow_nan=False))
    assert document["street"]["shifts"]["+1.00"]["psnr"] > 50
    assert "street" not in evaluate(few_frames, drive, street=False).to_dict()


def test_half_size(tmp_path: Path, few_frames: Scene) -> None:
    write_street(tmp_path, few_frames)
    half = evaluate_street(few_frames, tmp_path, downscale=2)
    assert 20 < half["shifts"]["+1.00"]["psnr"] < 60


def test_pose_errors_ignore_where_the_world_lies_and_measure_the_rest() -> None:
    random = np.random.default_rng(0)
    times = np.arange(200) * 1e5
    truth = np.tile(np.eye(4), (200, 1, 1))
    truth[:, 0, 3] = times * 1e-6 * 8
    elsewhere = exp_se3(np.array([3.0, -20.0, 1.0, 0.1, 0.2, 2.0]))
    assert pose_errors(elsewhere @ truth, truth) == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))
    turn, shift = random.normal(0, 0.2 / np.sqrt(3), (200, 3)), random.normal(0, 0.03 / np.sqrt(3), (200, 3))
    noisy = truth.copy()
    noisy[:, :3, :3] = Rotation.from_rotvec(turn, degrees=True).as_matrix()
    noisy[:, :3, 3] += shift
    degrees, metres = pose_errors(elsewhere @ noisy, truth)
    assert degrees == pytest.approx(np.sqrt((turn**2).sum(1).mean()), rel=0.03)
    assert metres == pytest.approx(np.sqrt((shift**2).sum(1).mean()), rel=0.03)


def test_recorded_noise_is_told_from_refined_poses(tmp_path: Path, few_frames: Scene) -> None:
    write_street(tmp_path, few_frames)
    noise = np.random.default_rng(1).normal(0, 0.02, (11, 6))
    noisy = Trajectory(few_frames.ego.timestamps_us, few_frames.ego.poses @ exp_se3(noise))
    poses = evaluate_street(replace(few_frames, ego_recorded=noisy), tmp_path)["poses"]
    assert poses["recorded"]["translation_m"] > 0.005 > poses["refined"]["translation_m"]


def test_a_folder_without_truth(tmp_path: Path, few_frames: Scene) -> None:
    with pytest.raises(DataError, match="no truth of a synthetic street"):
        evaluate_street(few_frames, tmp_path)
    write_street(tmp_path, few_frames)
    (tmp_path / "truth/instance/front/0001.png").unlink()
    with pytest.raises(DataError, match=r"lacks the picture .*0001\.png"):
        evaluate_street(few_frames, tmp_path)
