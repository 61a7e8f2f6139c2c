"""Random scenes of every shape a scene may have, and the comparison of two scenes bit for bit."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import strategies as st

from avrec.drive import CameraSensor, Track
from avrec.gaussians import Gaussians
from avrec.geometry import (
    Anchor,
    Camera,
    OpenCVFisheyeCamera,
    OpenCVPinholeCamera,
    Shutter,
    ShutterDirection,
    Trajectory,
    matrix_from_rpy,
    transform_from,
)
from avrec.mesh.mesh import Mesh
from avrec.scene import Scene

START_US = 1_700_000_000_000_000


def random_cloud(rng: np.random.Generator, n: int, degree: int) -> Gaussians:
    packed = rng.standard_normal((n, 11 + 3 * (degree + 1) ** 2)).astype(np.float32)
    packed[:, :3] *= 30
    return Gaussians(packed)


def random_path(rng: np.random.Generator, n: int) -> Trajectory:
    times = START_US + np.cumsum(rng.integers(1, 200_000, n))
    angles = rng.normal(0, 0.3, (3, n))
    return Trajectory(times, transform_from(matrix_from_rpy(*angles), rng.normal(0, 20, (n, 3))))


def make_camera(rng: np.random.Generator, name: str) -> CameraSensor:
    width, height = (int(side) for side in rng.integers(100, 400, 2))
    focal = tuple(float(value) for value in rng.uniform(0.7, 0.8, 2) * max(width, height))
    center = tuple(float(value) for value in (width, height) * rng.uniform(0.45, 0.55, 2))
    model: Camera = OpenCVFisheyeCamera(width, height, focal, center, (0.01, -0.002, 0.0, 0.0))
    if rng.random() < 0.5:
        radial = (float(rng.normal(0, 0.02)), 0.001, 0.0, 0.0, 0.0, 0.0)
        model = OpenCVPinholeCamera(width, height, focal, center, radial, (float(rng.normal(0, 1e-4)), 0.0))
    pose = transform_from(matrix_from_rpy(*rng.normal(0, 1, 3)), rng.normal(0, 1, 3))
    shutter = Shutter(list(ShutterDirection)[rng.integers(5)], int(rng.integers(40_000)), float(rng.uniform(0, 9000)))
    return CameraSensor(name, model, pose, shutter, bool(rng.random() < 0.5))


def make_scene(
    seed: int = 0,
    n: int = 200,
    degree: int = 3,
    cameras: tuple[str, ...] = ("front", "left"),
    actors: tuple[str, ...] = ("7",),
    sky_side: int = 4,
    source: dict[str, Any] | None = None,
    surroundings: bool = False,
) -> Scene:
    rng = np.random.default_rng(seed)
    sensors = {name: make_camera(rng, name) for name in cameras}
    frames = {name: START_US + np.cumsum(rng.integers(1, 10**6, rng.integers(0, 5))) for name in cameras}
    return Scene(
        name=f"drive {seed}",
        static=random_cloud(rng, n, degree),
        actors={key: random_cloud(rng, int(rng.integers(0, 20)), degree) for key in actors},
        tracks=tuple(
            Track(key, "car", rng.uniform(0.1, 5, 3), random_path(rng, int(rng.integers(1, 5))))
            for key in (*actors, "parked")
        ),
        sky=rng.random((6, sky_side, sky_side, 3), np.float32) if sky_side else None,
        ego=random_path(rng, int(rng.integers(1, 6))),
        ego_recorded=random_path(rng, 2),
        cameras=sensors,
        cameras_recorded={name: make_camera(rng, name) for name in cameras},
        appearance={name: rng.normal(0, 1, (3, 4)) for name in cameras[:1]},
        frames=frames,
        held_out={name: rng.random(len(times)) < 0.2 for name, times in frames.items()},
        anchor=Anchor(float(rng.uniform(-80, 80)), float(rng.uniform(-180, 180)), 12.5) if seed % 2 else None,
        source={"layout": "made up", "seed": seed, "config": {"budget_s": 0.1 + 0.2}} if source is None else source,
        road=random_cloud(rng, n // 3, degree) if surroundings else None,
        mesh=random_mesh(rng) if surroundings else None,
        ground=random_mesh(rng) if surroundings and rng.random() < 0.7 else None,
        map_xodr=rng.bytes(int(rng.integers(0, 200))) if surroundings else None,
    )


def random_mesh(rng: np.random.Generator) -> Mesh:
    count = int(rng.integers(0, 20))
    faces = rng.integers(0, max(count, 1), (int(rng.integers(0, 30)) if count else 0, 3)).astype(np.int32)
    colours = rng.integers(0, 256, (count, 3)).astype(np.uint8) if rng.random() < 0.5 else None
    normals = rng.normal(0, 1, (count, 3)) if rng.random() < 0.5 else None
    return Mesh(rng.normal(0, 30, (count, 3)), faces, colours, normals)


_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)

scenes = st.builds(
    make_scene,
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 60),
    degree=st.integers(0, 3),
    cameras=st.lists(st.text("abc/@ é", min_size=1, max_size=5), unique=True, max_size=3).map(tuple),
    actors=st.lists(_TEXT.filter(lambda text: text != "parked"), unique=True, max_size=3).map(tuple),
    sky_side=st.integers(0, 3),
    source=st.dictionaries(_TEXT, _JSON, max_size=3),
    surroundings=st.booleans(),
)


def assert_same(one: Scene, two: Scene) -> None:
    """Every number of the two scenes has the same bits, every name is equal and in the same order."""
    assert one.name == two.name
    assert one.anchor == two.anchor
    assert _plain(one.source) == _plain(two.source)
    _same_array(one.static.packed, two.static.packed)
    assert list(one.actors) == list(two.actors)
    for key, cloud in one.actors.items():
        _same_array(cloud.packed, two.actors[key].packed)
    assert (one.sky is None) == (two.sky is None)
    if one.sky is not None and two.sky is not None:
        _same_array(one.sky, two.sky)
    assert (one.road is None) == (two.road is None)
    if one.road is not None and two.road is not None:
        _same_array(one.road.packed, two.road.packed)
    for surface, other in ((one.mesh, two.mesh), (one.ground, two.ground)):
        assert (surface is None) == (other is None)
        for name in ("vertices", "faces", "colours", "normals") if surface is not None else ():
            assert (getattr(surface, name) is None) == (getattr(other, name) is None)
            if getattr(surface, name) is not None:
                _same_array(getattr(surface, name), getattr(other, name))
    assert one.map_xodr == two.map_xodr
    for mine, theirs in ((one.ego, two.ego), (one.ego_recorded, two.ego_recorded)):
        _same_path(mine, theirs)
    assert [(track.id, track.label) for track in one.tracks] == [(track.id, track.label) for track in two.tracks]
    for track, other in zip(one.tracks, two.tracks, strict=True):
        _same_array(track.size_m, other.size_m)
        _same_path(track.world_from_box, other.world_from_box)
    for mine, theirs in ((one.cameras, two.cameras), (one.cameras_recorded, two.cameras_recorded)):
        assert list(mine) == list(theirs)
        for name, sensor in mine.items():
            assert (sensor.name, sensor.model, sensor.shutter) == (name, theirs[name].model, theirs[name].shutter)
            assert sensor.shutter_known == theirs[name].shutter_known
            _same_array(sensor.rig_from_camera, theirs[name].rig_from_camera)
    for mine, theirs in (
        (one.appearance, two.appearance),
        (one.frames, two.frames),
        (one.held_out, two.held_out),
    ):
        assert list(mine) == list(theirs)
        for name, values in mine.items():
            _same_array(values, theirs[name])


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _same_path(one: Trajectory, two: Trajectory) -> None:
    _same_array(one.timestamps_us, two.timestamps_us)
    _same_array(one.poses, two.poses)


def _same_array(one: np.ndarray, two: np.ndarray) -> None:
    assert one.dtype == two.dtype
    assert one.shape == two.shape
    assert one.tobytes() == two.tobytes()
