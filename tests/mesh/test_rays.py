from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.errors import DataError
from avrec.geometry import matrix_from_rpy, transform_from
from avrec.mesh import rays
from avrec.mesh.painted import Kind, Surface
from avrec.mesh.rays import RayStage

SQUARE = Surface.of([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], [[0, 1, 2], [0, 2, 3]], (0.5, 0.5, 0.5), 7)
NONE = np.zeros((0, 9))


def stage_of(*surfaces: Surface) -> RayStage:
    stage = RayStage()
    numbers = [stage.add(surface) for surface in surfaces]
    count = len(numbers)
    stage.place(numbers, np.repeat(np.eye(4)[None], count, 0), np.zeros((count, 3)), np.zeros(count))
    return stage


def unit(rays: np.ndarray) -> np.ndarray:
    return np.asarray(rays / np.linalg.norm(rays, axis=-1, keepdims=True))


def sky() -> np.ndarray:
    numbers = np.zeros(32)
    numbers[2] = 1.0  # the sun above
    numbers[3:18] = 0.5
    numbers[[29, 31]] = 1.0, 0.001
    return numbers


def brute(surface: Surface, origin: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """Distance to each triangle's plane, and whether the point there is inside by signs of areas."""
    a, b, c = (surface.vertices[surface.faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    with np.errstate(divide="ignore", invalid="ignore"):
        far = ((a - origin) * normal).sum(1) / (ways @ normal.T)
        point = origin + ways[:, None] * far[..., None]
        inside = np.ones(far.shape, dtype=bool)
        for p, q in ((a, b), (b, c), (c, a)):
            inside &= (np.cross(q - p, point - p) * normal).sum(-1) >= 0
    return np.where(inside & (far > 0), far, np.inf).min(axis=1)


def test_a_square_by_hand() -> None:
    hits = stage_of(SQUARE).trace(
        [0.2, 0.3, 2.0], np.array([[0, 0, -1.0], [0, 0, 1.0], unit(np.array([0.5, 0, -2.0]))]), 10
    )
    assert hits.distance == pytest.approx([2.0, np.inf, np.hypot(0.5, 2.0)])
    assert hits.body.tolist() == [0, -1, 0]
    assert hits.label.tolist() == [7, 0, 7]
    assert hits.normal[0] == pytest.approx([0, 0, 1])
    below = stage_of(SQUARE).trace([0.2, 0.3, -2.0], np.array([[0, 0, 1.0]]), 10)
    assert below.normal[0] == pytest.approx([0, 0, -1])  # towards who looks
    assert np.isinf(stage_of(SQUARE).trace([0, 0, 2.0], np.array([[0, 0, -1.0]]), 1.9).distance).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 300), far=st.sampled_from([0.0, 5e5]))
def test_nearest_triangle_is_that_of_a_search_through_all(seed: int, count: int, far: float) -> None:
    random = np.random.default_rng(seed)
    middle = random.uniform(-20, 20, (count, 1, 3))
    vertices = (middle + random.normal(0, 2.0, (count, 3, 3))).reshape(-1, 3) + far
    surface = Surface.of(vertices, np.arange(3 * count).reshape(-1, 3), (1, 1, 1), 1)
    origin = random.uniform(-5, 5, 3) + far
    ways = unit(random.normal(size=(200, 3)))
    found = stage_of(surface).trace(origin, ways, 1e3).distance
    expected = brute(surface, origin, ways)
    same = np.isclose(found, expected, atol=2e-3, rtol=1e-4) | (np.isinf(found) & np.isinf(expected))
    assert (~same).sum() <= 1  # a ray along an edge may go either way


@settings(max_examples=20, deadline=None)
@given(turn=st.tuples(*[st.floats(-3, 3)] * 3), spot=st.tuples(*[st.floats(-1e5, 1e5)] * 3))
def test_a_body_is_seen_where_it_is_put(turn: tuple[float, ...], spot: tuple[float, ...]) -> None:
    pose = transform_from(matrix_from_rpy(*turn), np.array(spot))
    stage = RayStage()
    stage.place([stage.add(SQUARE)], pose[None], np.zeros((1, 3)), [0])
    target = pose[:3, 3] + pose[:3, :3] @ [0.4, -0.6, 0.0]
    eye = pose[:3, 3] + pose[:3, :3] @ [1.0, 2.0, 3.0]
    hits = stage.trace(eye, unit(target - eye)[None], 100)
    assert hits.distance[0] == pytest.approx(np.linalg.norm(target - eye), abs=1e-4)
    assert hits.normal[0] == pytest.approx(pose[:3, 2], abs=1e-5)


def test_tiles_of_a_picture_find_what_single_rays_find() -> None:
    random = np.random.default_rng(0)
    vertices = random.normal(0, 3, (300, 3)) + np.array([10, 0, 0])
    stage = stage_of(Surface.of(vertices, np.arange(300).reshape(-1, 3), (1, 1, 1), 1), SQUARE)
    v, u = np.mgrid[0:37, 0:53]
    ways = unit(np.stack([np.ones_like(u, dtype=float), (26 - u) / 40, (18 - v) / 40], -1).reshape(-1, 3))
    one, other = stage.trace([0, 0, 0.1], ways, 100), stage.trace([0, 0, 0.1], ways, 100, width=53)
    np.testing.assert_array_equal(one.body, other.body)
    np.testing.assert_allclose(one.distance, other.distance, rtol=1e-6)


def test_a_picture_shows_colour_paint_lamps_and_shadow() -> None:
    roof = Surface.of(SQUARE.vertices * 0.3 + [0, 0, 1.0], SQUARE.faces, (1, 1, 1), 1)
    lamp = Surface.of(SQUARE.vertices * 0.2 + [3, 0, 0], SQUARE.faces, (0, 1, 0), 1, Kind.LAMP + 2)
    floor = Surface.of(SQUARE.vertices * [2, 2, 1], SQUARE.faces, (1, 1, 1), 1, paint=1.0)
    stage = RayStage()
    shapes = [stage.add(surface) for surface in (floor, roof, lamp)]
    places = np.repeat(np.eye(4)[None], 3, 0)

    def seen(eye: list[float], target: list[float], lamps: int = 0) -> list[int]:
        """The one pixel of a picture, BGR."""
        stage.place(shapes, places, [[1, 0, 0]] * 3, [lamps] * 3)
        ways = unit(np.subtract(target, eye))[None, None]
        return [int(value) for value in stage.picture(eye, ways, sky(), NONE)[0, 0, :3]]

    high = [0.0, 0.0, 4.0]
    blue, _, red = seen(high, [1.5, 0.0, 0.0])
    assert red > 150
    assert blue < 10
    assert min(seen(high, [0.1, 0.0, 1.0])) > 100  # the white roof
    assert seen(high, [3.0, 0.0, 0.0], 1 << 2)[1] > 200
    assert seen(high, [3.0, 0.0, 0.0])[1] < 50
    below_the_roof = seen([-1.0, 0.0, 0.9], [0.0, 0.1, 0.0])
    assert below_the_roof[2] < seen([-1.0, 0.0, 0.9], [-0.8, 0.1, 0.0])[2] - 20


def test_builds_and_threads_agree() -> None:
    random = np.random.default_rng(1)
    vertices = random.normal(0, 3, (600, 3)) + np.array([10, 0, 0])
    ways = unit(random.normal(size=(500, 3)) * [1, 0.3, 0.3])
    surface = Surface.of(vertices, np.arange(600).reshape(-1, 3), (1, 1, 1), 1)
    wanted = rays._module().level()
    found = []
    for level, names in rays._NAMES.items():
        module = rays._build(names[0])
        if module is None or level > wanted:
            continue
        stage = RayStage()
        stage._native = module.Caster()
        stage.place([stage.add(surface)], np.eye(4)[None], np.zeros((1, 3)), [0])
        for threads in (1, 3):
            module.set_threads(threads)
            found.append(stage.trace([0, 0, 0], ways, 100).distance)
    assert found
    for each in found[1:]:
        np.testing.assert_allclose(each, found[0], rtol=1e-4)


def test_what_cannot_be_is_refused() -> None:
    stage = RayStage()
    with pytest.raises(DataError, match="not finite"):
        stage.add(Surface.of([[0, 0, np.nan]] * 3, [[0, 1, 2]], (1, 1, 1), 1))
    with pytest.raises(DataError, match="names none"):
        stage.add(Surface.of([[0, 0, 0.0]] * 3, [[0, 1, 3]], (1, 1, 1), 1))
    with pytest.raises(DataError, match="there are 0"):
        stage.place([0], np.eye(4)[None], [[0, 0, 0]], [0])
    with pytest.raises(DataError, match="no picture"):
        stage.trace([0, 0, 0], np.zeros((7, 3)), 1.0, width=2)
    with pytest.raises(DataError, match="needs rays"):
        stage.picture([0, 0, 0], np.zeros((7, 3)), np.zeros(32), NONE)
    empty = RayStage()
    empty.place([empty.add(Surface.joined([]))], np.eye(4)[None], [[0, 0, 0]], [0])
    assert np.isinf(empty.trace([0, 0, 0], np.array([[0, 0, -1.0]]), 10).distance).all()


def test_surfaces_that_would_mislead_the_native_code_are_refused() -> None:
    stage, good = RayStage(), Surface.of(SQUARE.vertices, SQUARE.faces, (1, 1, 1), 1)
    for wrong, told in (
        (replace(good, vertices=good.vertices * 1e10), "beyond 1e[+]09 m"),
        (replace(good, kinds=good.kinds[:1]), "one row for each face"),
        (replace(good, labels=np.zeros(0, np.uint8)), "one row for each face"),
        (replace(good, colours=good.colours[:, :2]), "one row for each face"),
        (replace(good, kinds=np.full(2, 64, np.uint8)), "no kind 64"),
    ):
        with pytest.raises(DataError, match=told):
            stage.add(wrong)
    with pytest.raises(DataError, match="not finite"):
        stage.trace([0, 0, 0], np.full((4, 3), np.nan), 1.0)
    with pytest.raises(DataError, match="no picture"):
        stage.trace([0, 0, 0], np.zeros((4, 3)), 1.0, width=-2)
    with pytest.raises(DataError, match="not finite"):
        stage.picture([0, 0, 0], np.full((2, 2, 3), np.inf), sky(), NONE)


@pytest.mark.parametrize("size", [1e9, 1.0, 1e-30, 0.0])
def test_triangles_without_sense_end_no_ray_in_nonsense(size: float) -> None:
    random = np.random.default_rng(2)
    points = random.choice([-size, 0.0, size], (200, 3))  # many of no area, many the same
    faces = random.integers(0, 200, (500, 3))
    stage = stage_of(Surface.of(points, faces, (1, 1, 1), 1, random.integers(0, 64, 500)))
    ways = unit(random.normal(size=(48, 64, 3)))
    hits = stage.trace([0.1, 0.2, 0.3], ways.reshape(-1, 3), 3e9, width=64)
    met = hits.body == 0
    assert (np.isfinite(hits.distance) == met).all()
    assert np.isfinite(hits.normal).all()
    assert (hits.distance[met] > 0).all()
    assert (stage.picture([0.1, 0.2, 0.3], ways, sky(), NONE)[..., 3] == 255).all()


def test_bodies_may_be_placed_while_other_threads_look() -> None:
    stage = stage_of(SQUARE)
    number, ways, stop = stage.add(SQUARE), np.repeat([[0.0, 0.0, -1.0]], 2000, 0), threading.Event()
    seen: list[float] = []

    def look() -> None:
        while not stop.is_set():
            seen.extend(np.unique(stage.trace([0.2, 0.3, 2.0], ways, 10).distance).tolist())

    threads = [threading.Thread(target=look, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for step in range(200):
            count = 1 + step % 50
            places = np.repeat(np.eye(4)[None], count, 0)
            places[:, 2, 3] = float(step % 2)
            stage.place([number] * count, places, np.zeros((count, 3)), np.zeros(count))
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert seen
    assert set(seen) <= {1.0, 2.0}
