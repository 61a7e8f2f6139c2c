"""Position on the Earth and inertial measurements."""

from __future__ import annotations

from math import pi

import msgpack
import numpy as np

from avrec.geometry import Anchor, geodetic_from_local
from carla_bridge.frames import flip_axial, flip_points
from carla_bridge.sensors.rack import Sensor, SensorRack
from carla_bridge.world.motion import ACCELERATION, SPIN, VELOCITY
from carla_bridge.world.pose import unrotate

__all__ = ["NO_ANCHOR", "gnss", "imu"]

NO_ANCHOR = Anchor(42.0, 2.0, 0.0)
"""Where clients place a map without a usable geo-reference."""


def gnss(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """Latitude and longitude in degrees and altitude in metres, by true geodesy from the map's anchor.

    The client's own `transform_to_geolocation` differs from that (it takes the Earth for a sphere and +y for north).
    """
    pose = rack.pose(sensor)
    anchor = rack.world.road_map.graph.anchor or NO_ANCHOR
    lat, lon, alt = (float(each) for each in geodetic_from_local(anchor, np.array(pose.position)))
    number = sensor.number_of
    if any(number(f"noise_{name}_{kind}") for name in ("lat", "lon", "alt") for kind in ("bias", "stddev")):
        draw = rack.noise(sensor).standard_normal(3)
        lat += number("noise_lat_bias") + number("noise_lat_stddev") * draw[0]
        lon += number("noise_lon_bias") + number("noise_lon_stddev") * draw[1]
        alt += number("noise_alt_bias") + number("noise_alt_stddev") * draw[2]
    return [msgpack.packb([lat, lon, alt])]


def imu(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """Specific force in m/s², turn rate in rad/s and compass in rad (0 is north), in the sensor's axes.

    CARLA's axes: y to the right, and turning right is positive. The force is that at the sensor's own place: the
    acceleration of what it is mounted on over the last step, and what turning adds over the mount's arm.
    """
    world = rack.world
    pose = rack.pose(sensor)
    row = world.motion[sensor.actor.row]
    acceleration = row[ACCELERATION] + [0.0, 0.0, rack.imu_gravity]
    swing = rack.velocity(sensor) - row[VELOCITY]
    if sensor.in_a_row:
        acceleration = acceleration + (swing - sensor.memory["swing"]) / sensor.elapsed_s
    sensor.memory["swing"] = swing
    force = flip_points(unrotate(pose, tuple(acceleration.tolist())))
    rate = flip_axial(unrotate(pose, tuple(row[SPIN].tolist())))
    number = sensor.number_of
    if any(number(f"noise_accel_stddev_{axis}") or number(f"noise_gyro_stddev_{axis}") for axis in "xyz"):
        draw = rack.noise(sensor).standard_normal(6)
        force += draw[:3] * [number(f"noise_accel_stddev_{axis}") for axis in "xyz"]
        rate += draw[3:] * [number(f"noise_gyro_stddev_{axis}") for axis in "xyz"]
    rate += [number(f"noise_gyro_bias_{axis}") for axis in "xyz"]
    compass = (pi / 2 - pose.yaw) % (2 * pi)
    return [msgpack.packb([force.tolist(), rate.tolist(), compass])]
