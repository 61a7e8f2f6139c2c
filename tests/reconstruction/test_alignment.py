"""Pose alignment: exact scenes, derivatives, another solver, and what happens where pictures do not tell."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from avrec.drive.drive import CameraSensor, Drive, Frame
from avrec.evaluation.poses import pose_errors
from avrec.geometry import (
    OpenCVPinholeCamera,
    Shutter,
    ShutterDirection,
    Trajectory,
    exp_se3,
    exp_so3,
    invert,
    transform_from,
)
from avrec.reconstruction import alignment
from avrec.reconstruction.alignment import adjust as adjusting
from avrec.reconstruction.alignment import align
from avrec.reconstruction.alignment.adjust import adjust, judged
from avrec.reconstruction.alignment.problem import Sightings, Unknowns, misses, slopes
from avrec.reconstruction.alignment.solve import Prior, common_part, minimise
from avrec.reconstruction.points.features import Features
from avrec.reconstruction.points.views import TrainingView, project, training_views
from avrec.reconstruction.poses import between_knots

START_US = 1_700_000_000_000_000
READOUT_US = 30_000
FOCAL = 300.0
# A chain with the gap that a pause in a recording leaves.
KNOTS_US = START_US + np.array([0, 100, 200, 300, 5300, 5400, 5500, 5600], np.int64) * 1000
FORWARD = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
MOUNTING = np.stack(
    [
        transform_from(FORWARD @ exp_so3(np.array([0.0, -0.3, 0.0])), np.array([1.5, 0.5, 1.5])),
        transform_from(FORWARD @ exp_so3(np.array([0.0, 0.3, 0.0])), np.array([1.5, -0.5, 1.5])),
    ]
)


def true_path(times_us: np.ndarray) -> np.ndarray:
    """Where the rig was: 8 m/s with turns, but slow across the gap."""
    s = np.interp((times_us - START_US) / 1e6, [-1.0, 0.3, 5.3, 7.0], [-1.0, 0.3, 0.4, 2.1])
    turn = exp_so3(np.stack([0.02 * np.sin(9 * s), 0.03 * np.cos(7 * s), 0.3 * s], axis=-1))
    return transform_from(turn, np.stack([8 * s, 1.5 * s**2, 0.05 * np.sin(20 * s)], axis=-1))


def corrections(size: float, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Ego and mounting corrections, rotations of this size and translations of six times as many metres."""
    rng = np.random.default_rng(seed)
    scale = size * np.repeat([1.0, 6.0], 3)
    ego = rng.normal(size=(len(KNOTS_US), 6)) * scale
    mountings = 0.2 * rng.normal(size=(2, 6)) * scale
    return ego, mountings - common_part(MOUNTING, mountings)


def corrected(rig: np.ndarray, ego: np.ndarray, offset: np.ndarray, base: np.ndarray) -> np.ndarray:
    """W C X K written down once more, without the code under test."""
    change = transform_from(exp_so3(ego[:, :3]), ego[:, 3:])
    return rig @ change @ base @ transform_from(exp_so3(offset[:3]), offset[3:])


def scene(size: float = 0.003, count: int = 60) -> tuple[Sightings, Unknowns]:
    """Sightings whose recorded poses are the true ones with a known correction taken off, and the true unknowns."""
    rng = np.random.default_rng(1)
    ego, mountings = corrections(size)
    points = np.stack([rng.uniform(8, 30, count), rng.uniform(-9, 9, count), rng.uniform(-1, 6, count)], axis=1)
    rows = []
    for index in range(count):
        for time_us in KNOTS_US:
            for camera in range(2):
                exposed_us = time_us + rng.uniform(-READOUT_US / 2, READOUT_US / 2)
                rows.append((index, exposed_us, camera))
    point, times, camera = (np.array(column) for column in zip(*rows, strict=True))
    low, high, share = between_knots(KNOTS_US, times)
    between = (1 - share)[:, None] * ego[low] + share[:, None] * ego[high]
    rig = true_path(times) @ invert(transform_from(exp_so3(between[:, :3]), between[:, 3:]))
    ray = np.empty((len(point), 3))
    for i in range(len(point)):
        pose = corrected(rig[i : i + 1], between[i : i + 1], mountings[camera[i]], MOUNTING[camera[i]])[0]
        ray[i] = pose[:3, :3].T @ (points[point[i]] - pose[:3, 3])
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    seen = (ray[:, 2] > 0.5) & (rng.random(len(point)) < 0.6)
    sightings = Sightings(
        point[seen], low[seen], high[seen], share[seen], camera[seen], rig[seen], ray[seen],
        np.full(int(seen.sum()), FOCAL), MOUNTING,
    )  # fmt: skip
    return sightings, Unknowns(ego, mountings, points)


def started(truth: Unknowns) -> Unknowns:
    """No corrections, and points as a triangulation with wrong poses might place them."""
    shift = 0.05 * np.random.default_rng(2).normal(size=truth.points.shape)
    return Unknowns(np.zeros_like(truth.ego), np.zeros_like(truth.mountings), truth.points + shift)


def similarity_error(found: Unknowns, truth: Unknowns) -> tuple[float, float]:
    """Errors of camera poses in degrees and metres once world and scale, which no picture tells, are fitted."""
    rig = true_path(KNOTS_US) @ invert(transform_from(exp_so3(truth.ego[:, :3]), truth.ego[:, 3:]))
    true, ours = (
        np.concatenate([corrected(rig, u.ego, u.mountings[c], MOUNTING[c]) for c in range(2)]) for u in (truth, found)
    )
    spread = [np.linalg.norm(poses[:, :3, 3] - poses[:, :3, 3].mean(axis=0)) for poses in (true, ours)]
    ours = ours.copy()
    ours[:, :3, 3] *= spread[0] / spread[1]
    return pose_errors(ours, true)


def some_of(sightings: Sightings, rows: np.ndarray) -> Sightings:
    """Some of them; every point must keep one."""
    columns = ("point", "low", "high", "share", "camera", "rig", "ray", "focal_px")
    return replace(sightings, **{name: getattr(sightings, name)[rows] for name in columns})


def prior(size: float) -> object:
    """As strong as if the keypoints were this many pixels off."""
    six = np.repeat([0.003, 0.03], 3)
    return Prior(ego=six, drift=5 * six, mounting=six, pixels=size).matrix(KNOTS_US, 2)


def test_exact_rays_give_exact_poses() -> None:
    sightings, truth = scene()
    assert np.abs(misses(sightings, truth)).max() < 1e-9
    assert np.median(np.abs(misses(sightings, started(truth)))) > 0.5
    found = minimise(sightings, started(truth), prior(1e-5), scale_px=5.0, steps=60, tolerance=1e-14)
    degrees, metres = similarity_error(found, truth)
    assert degrees < 1e-6
    assert metres < 1e-6
    assert np.abs(misses(sightings, found)).max() < 1e-5


def test_wrong_matches_do_not_pull(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the keypoints belong to something else; the scale of the loss finds its own way down."""
    sightings, truth = scene()
    rng = np.random.default_rng(5)
    wrong = rng.random(len(sightings)) < 0.1
    turn = exp_so3(0.02 * wrong[:, None] * rng.normal(size=(len(wrong), 3)))
    sightings = replace(sightings, ray=np.einsum("nij,nj->ni", turn, sightings.ray))
    for least in ("_LEAST_SCALE_PX", "_LEAST_NOISE_PX"):
        monkeypatch.setattr(adjusting, least, 0.02)
    found = adjust(sightings, started(truth), KNOTS_US)
    assert similarity_error(found, truth)[0] < 0.1 * similarity_error(started(truth), truth)[0]
    assert np.median(np.linalg.norm(misses(sightings, found)[~wrong], axis=1)) < 0.1
    assert judged(sightings, found, KNOTS_US).better
    assert np.abs(common_part(MOUNTING, found.mountings)).max() < 1e-12


def test_slopes_against_differences() -> None:
    sightings, truth = scene(size=0.03, count=4)
    found = slopes(sightings, truth)
    step = 1e-6

    def change(field: str, column: int) -> np.ndarray:
        sides = []
        for sign in (1, -1):
            values = getattr(truth, field).copy()
            values[:, column] += sign * step
            sides.append(misses(sightings, replace(truth, **{field: values})))
        return (sides[0] - sides[1]) / (2 * step)

    for field, slope in (("ego", found.ego), ("mountings", found.mounting), ("points", found.point)):
        for column in range(slope.shape[2]):
            assert np.allclose(slope[:, :, column], change(field, column), atol=1e-4, rtol=1e-6), (field, column)


def test_same_minimum_as_scipy() -> None:
    """One camera, so that its mounting stays, and noise, so that the minimum is no zero."""
    sightings, truth = scene(count=8)
    rng = np.random.default_rng(7)
    only = np.flatnonzero(sightings.camera == 0)
    _, point = np.unique(sightings.point[only], return_inverse=True)
    ray = sightings.ray[only] + 1e-3 * rng.normal(size=(len(only), 3))
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    small = replace(some_of(sightings, only), point=point, ray=ray, mounting=MOUNTING[:1])
    start = started(truth)
    start = Unknowns(start.ego, start.mountings[:1], start.points[np.unique(sightings.point[only])])
    six = np.repeat([0.003, 0.03], 3)
    matrix = Prior(ego=six, drift=5 * six, mounting=six, pixels=0.5).matrix(KNOTS_US, 1)
    ours = minimise(small, start, matrix, scale_px=1.0, steps=100, tolerance=1e-13)
    assert np.abs(ours.mountings).max() < 1e-12

    count = start.ego.size

    def residuals(vector: np.ndarray) -> np.ndarray:
        ego = vector[:count].reshape(-1, 6)
        missed = misses(small, Unknowns(ego, start.mountings, vector[count:].reshape(-1, 3)))
        square = np.sum(missed**2, axis=1)
        drift = np.diff(ego, axis=0) / np.sqrt(np.diff(KNOTS_US)[:, None] / 1e6)
        # Two numbers per keypoint whose squares add up to Cauchy's loss.
        eased = missed * np.sqrt(np.log1p(square) / square)[:, None]
        return np.concatenate([eased.ravel(), 0.5 * (ego / six).ravel(), 0.5 * (drift / (5 * six)).ravel()])

    theirs = least_squares(residuals, np.concatenate([start.ego.ravel(), start.points.ravel()]), x_scale="jac",
                           xtol=1e-14, ftol=1e-14, gtol=1e-12, max_nfev=60)  # fmt: skip
    mine = np.sum(residuals(np.concatenate([ours.ego.ravel(), ours.points.ravel()])) ** 2)
    assert mine == pytest.approx(2 * theirs.cost, rel=1e-7)
    assert np.allclose(ours.ego, theirs.x[:count].reshape(-1, 6), atol=2e-5)


@settings(max_examples=5, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_where_the_world_lies_does_not_matter(twist: list[float]) -> None:
    """Corrections live in the rig; points move with the world."""
    sightings, truth = scene(count=15)
    world = exp_se3(np.array(twist))
    moved = replace(sightings, rig=world @ sightings.rig)
    start = started(truth)
    other = replace(start, points=start.points @ world[:3, :3].T + world[:3, 3])
    one = minimise(sightings, start, prior(0.5), scale_px=2.0, steps=15, tolerance=1e-12)
    two = minimise(moved, other, prior(0.5), scale_px=2.0, steps=15, tolerance=1e-12)
    assert np.allclose(one.ego, two.ego, atol=1e-6)
    assert np.allclose(one.points @ world[:3, :3].T + world[:3, 3], two.points, atol=1e-4)


def test_nothing_is_smoothed_across_a_gap() -> None:
    """A knot without keypoints follows its near neighbour, not the one behind the gap."""
    six = np.repeat([0.003, 0.03], 3)
    matrix = Prior(ego=1e3 * six, drift=six, mounting=six, pixels=0.5).matrix(KNOTS_US, 2)
    form = matrix.toarray()[: 6 * len(KNOTS_US) : 6, : 6 * len(KNOTS_US) : 6]
    near, gap = -form[2, 3], -form[3, 4]
    assert near == pytest.approx(50 * gap)  # 0.1 s and 5 s
    sightings, truth = scene()
    without = ~np.isin(sightings.low, [3]) & ~np.isin(sightings.high, [3])
    sightings = some_of(sightings, without)
    found = minimise(sightings, started(truth), matrix, scale_px=2.0, steps=30, tolerance=1e-10)
    to_near, to_far = (np.abs(found.ego[3] - found.ego[i]).max() for i in (2, 4))
    assert to_near < 0.1 * to_far


# From here on with a drive: a picture's content is never looked at, so keypoints come straight from the scene.
WIDTH, HEIGHT = 240, 160


def small_drive(size: float) -> tuple[Drive, Drive, np.ndarray]:
    """A drive as recorded with wrong poses, the same drive as it was, and points in the world."""
    rng = np.random.default_rng(11)
    model = OpenCVPinholeCamera(WIDTH, HEIGHT, (150.0, 150.0), (WIDTH / 2, HEIGHT / 2))
    shutter = Shutter(ShutterDirection.TOP_TO_BOTTOM, readout_us=READOUT_US)
    cameras = {name: CameraSensor(name, model, MOUNTING[i], shutter) for i, name in enumerate(("left", "right"))}
    starts = START_US + np.arange(10) * 100_000
    frames = {
        name: tuple(
            Frame(name, i, int(time), "nowhere", lambda: np.zeros((HEIGHT, WIDTH, 3), np.uint8), model)
            for i, time in enumerate(starts)
        )
        for name in cameras
    }
    fine = np.arange(START_US - 100_000, START_US + 1_100_000, 5_000)
    path = transform_from(
        exp_so3(np.outer((fine - START_US) / 1e6, [0.0, 0.0, 0.2])),
        np.outer((fine - START_US) / 1e6, [8.0, 0.3, 0.0]),
    )
    knots = starts + READOUT_US // 2
    errors = rng.normal(size=(len(starts), 6)) * size * np.repeat([1.0, 8.0], 3)
    errors -= errors.mean(axis=0)
    at = np.stack([np.interp(fine, knots, column) for column in errors.T], axis=1)
    noisy = path @ invert(transform_from(exp_so3(at[:, :3]), at[:, 3:]))
    true = Drive("small", None, "made", cameras, frames, Trajectory(fine, path))  # type: ignore[arg-type]
    points = np.stack([rng.uniform(6, 40, 500), rng.uniform(-12, 12, 500), rng.uniform(-1, 6, 500)], axis=1)
    return replace(true, ego=Trajectory(fine, noisy)), true, points


def keypoints_of(true: Drive, recorded: list[TrainingView], points: np.ndarray) -> tuple[Features, np.ndarray]:
    """Features with the recorded rays of what the true cameras see, and which point each keypoint shows."""
    pixels, shows, counts = [], [], []
    for view in recorded:
        seen = project(replace(view, drive=true), points)
        pixels.append(seen.pixels)
        shows.append(seen.index)
        counts.append(len(seen.index))
    total = sum(counts)
    features = Features(
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        view=np.repeat(np.arange(len(recorded)), counts),
        pixels=np.concatenate(pixels),
        descriptors=np.zeros((total, 128), np.float32),
        origins=np.zeros((total, 3)),
        directions=np.zeros((total, 3)),
        radians_per_pixel=np.full(total, 1 / 150.0),
        rgb=np.zeros((total, 3), np.float32),
    )
    return alignment.reaim(features, recorded), np.concatenate(shows)


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> tuple[Drive, Drive]:
    """A drive whose keypoints and matches are given instead of found."""
    recorded, true, points = small_drive(0.003)
    shows: dict[str, np.ndarray] = {}

    def extract(views: list[TrainingView], moving: object, progress: object) -> Features:
        features, shows["point"] = keypoints_of(true, views, points)
        return features

    def match(features: Features, pairs: object, gate_rad: float, progress: object) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(shows["point"], kind="stable")
        chain = np.stack([order[:-1], order[1:]], axis=1)
        chain = chain[shows["point"][chain[:, 0]] == shows["point"][chain[:, 1]]]
        return chain, np.ones(len(chain), np.float32)

    monkeypatch.setattr(align, "extract_features", extract)
    monkeypatch.setattr(align, "match_pairs", match)
    return recorded, true


def mid_poses(drive: Drive) -> np.ndarray:
    views = training_views(drive, {}, 1)
    return np.stack([drive.world_from_camera(view.camera, np.array(view.mid_time_us)) for view in views])


def test_a_drive_is_aligned(fed: tuple[Drive, Drive], monkeypatch: pytest.MonkeyPatch) -> None:
    recorded, true = fed
    for least in ("_LEAST_SCALE_PX", "_LEAST_NOISE_PX"):
        monkeypatch.setattr(adjusting, least, 0.02)
    found = alignment.align_poses(recorded, {}, [])
    assert found.points > 200
    assert found.after_px < 0.06 < 0.3 < found.before_px
    before, after = (
        pose_errors(mid_poses(d), mid_poses(true)) for d in (recorded, alignment.aligned_drive(recorded, found))
    )

    assert after[0] < 0.3 * before[0]
    assert after[1] < 0.3 * before[1]
    assert found.keypoints is not None
    aimed = training_views(alignment.aligned_drive(recorded, found), {}, 1)
    again = alignment.reaim(found.keypoints.features, aimed)
    assert np.array_equal(again.directions, found.keypoints.features.directions)
    assert np.array_equal(alignment.align_poses(recorded, {}, []).ego, found.ego)


def test_right_poses_stay(fed: tuple[Drive, Drive]) -> None:
    _, true = fed
    found = alignment.align_poses(true, {}, [])
    assert not found.ego.any()
    assert not any(offset.any() for offset in found.mountings.values())


def test_held_out_pictures_are_not_looked_at(fed: tuple[Drive, Drive]) -> None:
    recorded, _ = fed
    hidden = {name: np.arange(10) % 5 == 2 for name in recorded.cameras}
    found = alignment.align_poses(recorded, hidden, [])
    assert len(found.knots_us) == 8
    assert found.keypoints is not None
    assert len(found.keypoints.features.starts) == 16 + 1


def test_too_little_to_see(
    fed: tuple[Drive, Drive], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recorded, _ = fed
    monkeypatch.setattr(
        align, "match_pairs", lambda *_, gate_rad, progress: (np.zeros((0, 2), np.int64), np.zeros(0, np.float32))
    )
    with caplog.at_level(logging.WARNING):
        found = alignment.align_poses(recorded, {}, [])
    assert found.points == 0
    assert not found.ego.any()
    assert "poses stay as recorded" in caplog.text


def test_beyond_belief(
    fed: tuple[Drive, Drive], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recorded, _ = fed
    monkeypatch.setattr(align, "adjust", lambda _, start, knots_us: replace(start, ego=np.full_like(start.ego, 2.0)))
    with caplog.at_level(logging.WARNING):
        found = alignment.align_poses(recorded, {}, [])
    assert not found.ego.any()
    assert "too far" in caplog.text


def test_uncertainty_by_hand() -> None:
    """400 keypoints in 4 poses, each half a pixel of 2 mrad off: 1 mrad over the root of 100."""
    knots_us = np.arange(4, dtype=np.int64)
    found = alignment.PoseAlignment(
        knots_us, np.zeros((4, 6)), {}, points=60, observations=400, after_px=0.5, radians_per_px=2e-3
    )
    assert found.uncertainty_rad == pytest.approx(1e-4)
    assert alignment.PoseAlignment(knots_us, np.zeros((4, 6)), {}).uncertainty_rad == float("inf")
