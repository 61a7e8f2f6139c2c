"""Walker controllers of the official client, on the mesh that the server makes of sidewalks and crossings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.carla_bridge.support import LANE_M, WALK_M

carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")

PEOPLE = 6


def test_people_walk_to_their_goals_on_the_sidewalk_and_over_the_crossing(world: Any) -> None:
    library = world.get_blueprint_library()
    world.set_pedestrians_seed(5)
    world.set_pedestrians_cross_factor(1.0)
    world.tick()
    people = []
    for number in range(PEOPLE):
        spot = world.get_random_location_from_navigation()
        assert abs(spot.y) < 60.0
        assert spot.z == pytest.approx(0.0, abs=0.05)
        blueprint = library.find(f"walker.pedestrian.{number + 1:04d}")
        found = world.try_spawn_actor(blueprint, carla.Transform(spot + carla.Location(0, 0, 1)))
        if found is not None:
            people.append(found)
    # One starts beside the crossing and wants to the other side.
    crosser = world.spawn_actor(
        library.find("walker.pedestrian.0030"), carla.Transform(carla.Location(88, LANE_M + WALK_M / 2, 1.0))
    )
    people.append(crosser)
    world.tick()
    controllers = [
        world.spawn_actor(library.find("controller.ai.walker"), carla.Transform(), attach_to=each) for each in people
    ]
    world.tick()
    for controller in controllers:
        controller.start()
        controller.go_to_location(world.get_random_location_from_navigation())
        controller.set_max_speed(1.4)
    controllers[-1].go_to_location(carla.Location(88, -LANE_M - WALK_M / 2, 0))
    walked = dict.fromkeys((each.id for each in people), 0.0)
    last = {each.id: each.get_location() for each in people}
    reached = False
    for _ in range(400):
        world.tick()
        for each in people:
            place = each.get_location()
            walked[each.id] += place.distance(last[each.id])
            last[each.id] = place
        here = last[crosser.id]
        reached = reached or here.y < -LANE_M
        if abs(here.y) < LANE_M - 0.5:
            assert 87.0 < here.x < 93.0  # on the crossing, not elsewhere on the road
    assert reached
    for each in people:
        assert 5.0 < walked[each.id] < 1.4 * 20 * 1.5
        assert each.get_location().z == pytest.approx(each.bounding_box.extent.z, abs=0.3)
    for controller in controllers:
        controller.stop()
        controller.destroy()
