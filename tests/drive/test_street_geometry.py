"""Where rays meet the street: hand-computed distances, and shapes against independent arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.drive.street.imaging import picture
from avrec.drive.street.road import CROSS_SECTION, build_road
from avrec.drive.street.shapes import Part, Semantic, convex_half_spaces, intersect
from tests.drive.street_helpers import bare_street, forward_camera

STILL = np.broadcast_to(np.eye(4), (32, 4, 4))
BOX = Part("box", np.eye(4), np.array([1.0, 2.0, 3.0]), "plain", {"wall": (0.5, 0.5, 0.5)})


def _box_at(x: float, y: float, z: float) -> Part:
    pose = np.eye(4)
    pose[:3, 3] = x, y, z
    return Part("box", pose, np.array([1.0, 2.0, 3.0]), "plain", {"wall": (0.5, 0.5, 0.5)}, semantic=Semantic.WALL)


def test_depth_of_the_road_and_of_a_box_is_the_distance_along_the_ray() -> None:
    camera = forward_camera()
    shot = picture(bare_street(_box_at(11.0, 0.0, 1.0)), camera, STILL, np.zeros(32))
    # pixel (column 24, row 31): x = 0.5 / 30 to the right, y = 15.5 / 30 down; the road lies 1.5 m below the camera
    slope = np.array([0.5 / 30, 15.5 / 30, 1.0])
    ahead = 1.5 / slope[1]
    assert shot.depth[31, 24] == pytest.approx(ahead * np.linalg.norm(slope), rel=1e-5)
    assert shot.semantic[31, 24] == Semantic.ROAD
    # the box's near face stands 10 m ahead
    assert shot.depth[16, 24] == pytest.approx(10 * np.linalg.norm([0.5 / 30, 0.5 / 30, 1.0]), rel=1e-5)
    assert shot.semantic[16, 24] == Semantic.WALL
    # sky above it
    assert np.isinf(shot.depth[0, 0])
    assert shot.semantic[0, 0] == Semantic.SKY


def test_the_kerb_stands_at_its_place() -> None:
    camera = forward_camera()
    shot = picture(bare_street(_box_at(-60.0, 0.0, 3.0)), camera, STILL, np.zeros(32))
    rays, _ = camera.model.pixel_rays()
    depth = np.where(np.isfinite(shot.depth), shot.depth, 0)
    points = depth[..., None] * rays @ camera.rig_from_camera[:3, :3].T + camera.rig_from_camera[:3, 3]
    walk = shot.semantic == Semantic.SIDEWALK
    assert walk.any()
    heights = points[walk][:, 2]
    assert heights.min() > -1e-3
    assert heights.max() < CROSS_SECTION.kerb_height + 1e-3
    upright = walk & (points[..., 2] < CROSS_SECTION.kerb_height - 0.01)
    assert upright.any()
    np.testing.assert_allclose(np.abs(points[upright][:, 1]), CROSS_SECTION.kerb, atol=2e-3)


@given(st.floats(-30, 160), st.floats(-14, 14))
def test_road_places_and_locates_the_same_point(s: float, d: float) -> None:
    road = build_road(150.0)
    x, y, _ = road.place(s, d)
    s_back, d_back = road.locate(np.atleast_1d(x), np.atleast_1d(y))
    assert s_back[0] == pytest.approx(s, abs=1e-6)
    assert d_back[0] == pytest.approx(d, abs=1e-6)


def _inside(part: Part, points: np.ndarray) -> np.ndarray:
    """Membership written down independently of the intersection code; points [N, 3] in the unit frame."""
    if part.kind == "ellipsoid":
        return (points**2).sum(1) <= 1
    if part.kind == "cylinder":
        return ((points[:, :2] ** 2).sum(1) <= 1) & (np.abs(points[:, 2]) <= 1)
    inside = (np.abs(points) <= 1).all(1)
    if part.planes is not None:
        inside &= (points @ part.planes[:, :3].T <= part.planes[:, 3] + 1e-9).all(1)
    return inside


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["box", "ellipsoid", "cylinder", "convex"]), st.integers(0, 2**31))
def test_intersection_agrees_with_marching_along_the_ray(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    planes = convex_half_spaces(np.ones(3), [(1.0, 0.2, 0.7, 0.9), (-0.5, 0.1, 1.0, 0.8)]) if kind == "convex" else None
    part = Part(kind, np.eye(4), np.ones(3), "plain", planes=planes)  # type: ignore[arg-type]
    origin = rng.normal(size=3)
    origin *= rng.uniform(2.5, 6) / np.linalg.norm(origin)
    direction = rng.uniform(-0.9, 0.9, 3) - origin
    direction /= np.linalg.norm(direction)
    steps = np.arange(0, 12, 2e-3)
    inside = _inside(part, origin + steps[:, None] * direction)
    marched = steps[np.argmax(inside)] if inside.any() else np.inf
    o = tuple(np.full((1, 1), v, np.float32) for v in origin)
    d = tuple(np.full((1, 1), v, np.float32) for v in direction)
    t, _ = intersect(part, o, d)  # type: ignore[arg-type]
    if inside.sum() < 5:  # a grazing ray: either answer is right to within a step
        return
    assert t[0, 0] == pytest.approx(marched, abs=4e-3)
