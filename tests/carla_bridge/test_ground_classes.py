"""Classes of the ground in pictures of a scene, from the map: by hand on the loop, and against triangles."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from carla_bridge.looks.roads import lane_surfaces
from carla_bridge.neural.ground_classes import GroundClasses
from carla_bridge.neural.labels import Labels
from carla_bridge.sensors.rendering import WorldView
from carla_bridge.world import World, read_road_map
from tests.carla_bridge.support import loop_map
from tests.rendering.scenes import straight_path, tiny_scene

ROAD_MAP = read_road_map(loop_map())
PATH = np.array([[0.0, 0.0], [60.0, 0.0]])
CLASSES = GroundClasses(ROAD_MAP, PATH)
ROAD, SIDEWALK, TERRAIN, LINE, LIGHT = 1, 2, 10, 24, 7


def at(points: np.ndarray, of: GroundClasses = CLASSES) -> np.ndarray:
    return of.at(points, np.zeros(len(points), np.int64))


def classes(*spots: tuple[float, float]) -> list[int]:
    return at(np.array([[x, y, 0.0] for x, y in spots])).tolist()


def test_the_loop_by_hand() -> None:
    """Lanes of 3.5 m, edges of 0.12 m on them, sidewalks of 2 m beyond; land inside and outside."""
    assert classes((20.0, -1.75), (20.0, 1.75), (20.0, -3.5), (20.0, 3.5)) == [ROAD, ROAD, LINE, LINE]
    assert classes((20.0, -3.3), (20.0, -3.7), (20.0, -5.4), (20.0, -5.7)) == [ROAD, SIDEWALK, SIDEWALK, TERRAIN]
    along = at(np.stack([np.arange(10, 60, 0.05), np.zeros(1000), np.zeros(1000)], axis=1))
    assert set(along.tolist()) == {ROAD, LINE}  # the middle is broken
    across = at(np.stack([np.full(400, 90.0), np.linspace(-3.2, 3.2, 400), np.zeros(400)], axis=1))
    assert (np.diff((across == LINE).astype(int)) == 1).sum() >= 3  # the crossing's stripes


def test_what_is_far_from_the_path_is_not_told_apart() -> None:
    assert classes((60.0, 48.0)) == [ROAD]
    near = GroundClasses(ROAD_MAP, PATH - [200.0, 0.0])
    assert at(np.array([[20.0, -1.75, 0.0]]), near).tolist() == [0]


@settings(max_examples=50)
@given(st.floats(1.0, 118.0), st.floats(-5.0, 5.0))
def test_no_holes_between_cells(x: float, y: float) -> None:
    """Every place on a lane's triangles has a class."""
    inside = any(_covered(surface, x, y) for surface in lane_surfaces(ROAD_MAP.lanes))
    if inside:
        assert classes((x, y)) != [TERRAIN]


def _covered(surface: object, x: float, y: float) -> bool:
    corners = surface.vertices[surface.faces][:, :, :2] - [x, y]  # type: ignore[attr-defined]
    turns = [
        corners[:, i, 0] * corners[:, j, 1] - corners[:, i, 1] * corners[:, j, 0] for i, j in ((0, 1), (1, 2), (2, 0))
    ]
    signs = np.stack(turns)
    return bool(((signs >= 0).all(0) | (signs <= 0).all(0)).any())


def test_a_panel_of_the_map_is_a_traffic_light_where_something_is_seen() -> None:
    scene = tiny_scene(map_xodr=loop_map(), ego=straight_path(4.0, 0.0))
    light = next(piece for piece in ROAD_MAP.furniture if piece.label == LIGHT)
    view = WorldView(World(ROAD_MAP), (0.0,) * 14)
    points = np.array([light.pose.position, np.add(light.pose.position, (0.0, 0.0, 3.0))])
    found = Labels(scene).classes(view, points, np.zeros(2, np.int64), np.array([True, True]))
    assert found.tolist() == [LIGHT, 20]
