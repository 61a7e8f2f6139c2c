"""Sensors and their attributes."""

from __future__ import annotations

from carla_bridge.server.blueprints.blueprint import Attribute, Blueprint, boolean, floats, integer, text
from carla_bridge.world.actor import Kind

__all__ = ["sensors"]

_ROLE = text("role_name", "front")
_TICK = floats(sensor_tick=0.0)
_SEED = integer("noise_seed", 0)
_LENS = floats(
    lens_circle_falloff=5.0,
    lens_circle_multiplier=0.0,
    lens_k=-1.0,
    lens_kcube=0.0,
    lens_x_size=0.08,
    lens_y_size=0.08,
)
_PICTURE = (_ROLE, integer("image_size_x", 800), integer("image_size_y", 600), *floats(fov=90.0), *_TICK, *_LENS)
_RGB = (
    *floats(gamma=2.2, shutter_speed=200.0, iso=100.0, fstop=1.4),
    boolean("enable_postprocess_effects", True),
    text("exposure_mode", "histogram", "manual"),
    *floats(
        exposure_compensation=0.0,
        exposure_min_bright=10.0,
        exposure_max_bright=12.0,
        exposure_speed_up=3.0,
        exposure_speed_down=1.0,
        calibration_constant=16.0,
        focal_distance=1000.0,
        min_fstop=1.2,
        blur_amount=1.0,
        blur_radius=0.0,
        motion_blur_intensity=0.45,
        motion_blur_max_distortion=0.35,
        motion_blur_min_object_screen_size=0.1,
        bloom_intensity=0.675,
        lens_flare_intensity=0.1,
        chromatic_aberration_intensity=0.0,
        chromatic_aberration_offset=0.0,
        slope=0.88,
        toe=0.55,
        shoulder=0.26,
        black_clip=0.0,
        white_clip=0.04,
        temp=6500.0,
        tint=0.0,
    ),
    integer("blade_count", 5),
)
_LIDAR = (
    _ROLE,
    integer("channels", 32),
    *floats(range=10.0),
    integer("points_per_second", 56000),
    *floats(rotation_frequency=10.0, upper_fov=10.0, lower_fov=-30.0, horizontal_fov=360.0),
    *_TICK,
)
_LIDAR_NOISE = (
    *floats(
        atmosphere_attenuation_rate=0.004,
        dropoff_general_rate=0.45,
        dropoff_intensity_limit=0.8,
        dropoff_zero_intensity=0.4,
        noise_stddev=0.0,
    ),
    _SEED,
)


def sensors() -> tuple[Blueprint, ...]:
    """All sensors."""
    named: dict[str, tuple[Attribute, ...]] = {
        "camera.rgb": (*_PICTURE, *_RGB),
        "camera.depth": _PICTURE,
        "camera.semantic_segmentation": _PICTURE,
        "camera.instance_segmentation": _PICTURE,
        "camera.normals": _PICTURE,
        "camera.optical_flow": _PICTURE,
        "camera.dvs": (
            *_PICTURE,
            *_RGB,
            *floats(positive_threshold=0.3, negative_threshold=0.3, sigma_positive_threshold=0.0),
            *floats(sigma_negative_threshold=0.0, log_eps=0.001),
            integer("refractory_period_ns", 0),
            boolean("use_log", True),
        ),
        "lidar.ray_cast": (*_LIDAR, *_LIDAR_NOISE),
        "lidar.ray_cast_semantic": _LIDAR,
        "other.radar": (
            _ROLE,
            *floats(horizontal_fov=30.0, vertical_fov=30.0, range=100.0),
            integer("points_per_second", 1500),
            _SEED,
            *_TICK,
        ),
        "other.gnss": (
            _ROLE,
            *floats(noise_alt_bias=0.0, noise_alt_stddev=0.0, noise_lat_bias=0.0, noise_lat_stddev=0.0),
            *floats(noise_lon_bias=0.0, noise_lon_stddev=0.0),
            _SEED,
            *_TICK,
        ),
        "other.imu": (
            _ROLE,
            *floats(**{f"noise_accel_stddev_{axis}": 0.0 for axis in "xyz"}),
            *floats(**{f"noise_gyro_bias_{axis}": 0.0 for axis in "xyz"}),
            *floats(**{f"noise_gyro_stddev_{axis}": 0.0 for axis in "xyz"}),
            _SEED,
            *_TICK,
        ),
        "other.collision": (_ROLE,),
        "other.lane_invasion": (_ROLE,),
        "other.obstacle": (
            _ROLE,
            *floats(distance=5.0, hit_radius=0.5),
            boolean("only_dynamics", False),
            boolean("debug_linetrace", False),
            *_TICK,
        ),
    }
    return tuple(Blueprint(f"sensor.{name}", Kind.SENSOR, attributes) for name, attributes in named.items())
