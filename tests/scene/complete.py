"""A scene with every member, small and consistent: one straight road east, driven along, with two actors on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from avrec.drive import CameraSensor, Track
from avrec.geometry import (
    Anchor,
    OpenCVPinholeCamera,
    Shutter,
    Trajectory,
    geo_reference,
    matrix_from_rpy,
    transform_from,
)
from avrec.mesh.mesh import Mesh
from avrec.scene import Scene
from tests.scene.scenes import START_US, make_scene, random_cloud

ANCHOR = Anchor(49.0112, 8.4228, 116.4)


def road_map(reference: str | None = None, height_m: float = 0.0) -> bytes:
    """OpenDRIVE of one 200 m road along x with a lane on either side."""
    lane = """<lane id="{0}" type="driving" level="false"><link/>
            <width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane>"""
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<OpenDRIVE>
  <header revMajor="1" revMinor="4" name="street" version="1.0" north="50" south="-50" east="200" west="-50">
    <geoReference><![CDATA[{geo_reference(ANCHOR) if reference is None else reference}]]></geoReference>
  </header>
  <road name="a" length="200" id="1" junction="-1">
    <link/>
    <planView><geometry s="0" x="-50" y="1.75" hdg="0" length="200"><line/></geometry></planView>
    <elevationProfile><elevation s="0" a="{height_m}" b="0" c="0" d="0"/></elevationProfile>
    <lateralProfile/>
    <lanes><laneSection s="0">
      <left>{lane.format(1)}</left>
      <center><lane id="0" type="none" level="false"><link/></lane></center>
      <right>{lane.format(-1)}</right>
    </laneSection></lanes>
  </road>
</OpenDRIVE>
"""
    return text.encode()


def ground_mesh(height_m: float = 0.0) -> Mesh:
    """A plane around the road, normals up."""
    x, y = np.meshgrid(np.arange(-50.0, 151, 2), np.arange(-20.0, 21, 2), indexing="ij")
    vertices = np.stack([x.ravel(), y.ravel(), np.full(x.size, height_m)], axis=-1)
    index = np.arange(x.size).reshape(x.shape)
    a, b, c, d = (corner.ravel() for corner in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]))
    return Mesh(vertices, np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).astype(np.int32))


def _path(start_x: float, y: float, z: float, mps: float) -> Trajectory:
    times = START_US + np.arange(0, 10_000_001, 100_000)
    poses = np.tile(np.eye(4), (len(times), 1, 1))
    poses[:, 0, 3] = start_x + mps * (times - START_US) / 1e6
    poses[:, 1:3, 3] = y, z
    return Trajectory(times, poses)


def complete_scene(n: int = 300, degree: int = 3) -> Scene:
    """See the module."""
    rng = np.random.default_rng(5)
    ego = _path(0.0, 0.0, 0.0, 8.0)
    forward = matrix_from_rpy(0.0, 0.0, 0.0) @ np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    model = OpenCVPinholeCamera(640, 360, (500.0, 500.0), (320.0, 180.0))
    sensors = {
        name: CameraSensor(name, model, transform_from(forward, np.array([1.5, y, 1.4])), shutter)
        for name, y, shutter in (("front", 0.0, Shutter("top_to_bottom", 20_000, 1000)), ("side", 0.5, Shutter()))
    }
    frames = {name: START_US + np.arange(0, 9_900_000, 100_000) for name in sensors}
    tracks = (
        Track("7", "car", np.array([4.5, 1.8, 1.5]), _path(20.0, 0.0, 0.75, 8.0)),
        Track("8", "pedestrian", np.array([0.6, 0.6, 1.8]), _path(30.0, 5.0, 0.9, 1.0)),
        Track("parked", "car", np.array([4.5, 1.8, 1.5]), _path(40.0, -4.0, 0.75, 0.0)),
    )
    surface = ground_mesh()
    colours = rng.integers(0, 256, surface.vertices.shape).astype(np.uint8)
    normals = np.tile([0.0, 0.0, 1.0], (len(surface.vertices), 1))
    return replace(
        make_scene(5, n=n, degree=degree, actors=()),
        static=random_cloud(rng, n, degree),
        road=random_cloud(rng, 40, degree),
        actors={"7": random_cloud(rng, 20, degree), "8": random_cloud(rng, 10, degree)},
        tracks=tracks,
        ego=ego,
        ego_recorded=_path(0.0, 0.02, 0.0, 8.0),
        cameras=sensors,
        cameras_recorded=dict(sensors),
        frames=frames,
        held_out={name: np.arange(len(times)) % 8 == 0 for name, times in frames.items()},
        anchor=ANCHOR,
        mesh=Mesh(surface.vertices + np.array([0.1, 0.2, 1 / 3]), surface.faces, colours, normals),
        ground=surface,
        map_xodr=road_map(),
    )
