"""What a colour camera's attributes cost: ``python -m bench.carla_effects WORLD [--size 800x600]``.

WORLD is an OpenDRIVE map or a scene. A camera on a car at 15 m/s behind another one takes pictures in this process,
once as they come and then with each effect; the CPU time that the effect adds is printed, the least and the median of
``--rounds`` pictures. Run it with OMP_NUM_THREADS=1 for one core.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from math import cos, sin
from pathlib import Path

import cv2
import numpy as np

from carla_bridge.sensors.camera import picture
from carla_bridge.server.host import Host
from carla_bridge.server.profiles import profile_of
from carla_bridge.world import read_road_map
from carla_bridge.world.pose import Pose

__all__ = ["main"]

SPEED_MPS = 15.0
EFFECTS: Mapping[str, Mapping[str, str]] = {
    "exposure_compensation": {"exposure_compensation": "1"},
    "white balance": {"temp": "5000"},
    "film": {"slope": "1.0", "toe": "0.7"},
    "bloom": {"bloom_intensity": "2"},
    "lens flare": {"lens_flare_intensity": "1"},
    "chromatic aberration": {"chromatic_aberration_intensity": "5"},
    "lens circle": {"lens_circle_multiplier": "3"},
    "haze": {"blur_radius": "8", "blur_amount": "0.1"},
    "depth of field, small discs": {"focal_distance": "100"},
    "depth of field, large discs": {"focal_distance": "2000", "fstop": "0.1"},
    "motion blur up to 0.35 %": {"motion_blur_intensity": "1"},
    "motion blur up to 5 %": {"motion_blur_intensity": "1", "motion_blur_max_distortion": "5"},
}


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.carla_effects", description=__doc__)
    parser.add_argument("world", type=Path, help="an OpenDRIVE map or a scene")
    parser.add_argument("--size", default="800x600", help="pixels of a picture")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    host = Host(read_road_map(options.world), profile_of("0.9.16"))
    car = _drive(host)
    usual = _cost(host, car, options, {})
    print(f"{'as they come':30}{usual[0]:7.0f} ms least{usual[1]:7.0f} ms median")
    for name, values in EFFECTS.items():
        least, median = _cost(host, car, options, values)
        print(f"{name:30}{least - usual[0]:+7.0f} ms least{median - usual[1]:+7.0f} ms median")
    return 0


def _drive(host: Host) -> int:
    """A car that drives, and one ahead of it."""
    scene = host.road_map.scene
    if scene is None:
        start = host.road_map.spawn_points[0]
    else:
        place = scene.ego.poses[len(scene.ego.poses) // 3]
        x, y, z = place[:3, 3].tolist()
        start = Pose(x, y, z + 0.3, yaw=float(np.arctan2(place[1, 0], place[0, 0])))
    way = (cos(start.yaw), sin(start.yaw))
    blueprint = host.blueprints["vehicle.lincoln.mkz_2020"]
    cars = [
        host.spawn(blueprint, {}, Pose(start.x + way[0] * ahead, start.y + way[1] * ahead, start.z, yaw=start.yaw))
        for ahead in (0.0, 12.0)
    ]
    host.world.motion[cars[0].row, 6:8] = np.array(way) * SPEED_MPS
    return cars[0].id


def _cost(host: Host, car: int, options: argparse.Namespace, values: Mapping[str, str]) -> tuple[float, float]:
    """CPU time of a picture, milliseconds, least and median."""
    width, height = options.size.split("x")
    attributes = {"image_size_x": width, "image_size_y": height, **values}
    camera = host.spawn(host.blueprints["sensor.camera.rgb"], attributes, Pose(2.5, 0.0, 1.4), car)
    sensor = host.rack._sensors[camera.id]
    sensor.elapsed_s, sensor.in_a_row = host.rack.step_s, True
    pose = host.world.pose(camera)
    step = SPEED_MPS * host.rack.step_s
    before = Pose(pose.x - cos(pose.yaw) * step, pose.y - sin(pose.yaw) * step, pose.z, pose.roll, pose.pitch, pose.yaw)
    times = []
    for _ in range(options.rounds + 1):
        sensor.memory["pose"] = before
        start = time.process_time()
        picture(host.rack, sensor)
        times.append((time.process_time() - start) * 1000.0)
    host.rack.remove(camera.id)
    return min(times[1:]), statistics.median(times[1:])


if __name__ == "__main__":
    raise SystemExit(main())
