"""Rigid transforms, trajectories, camera models, shutters and geodesy. Needs numpy and pyproj only."""

from avrec.geometry.cameras import Camera, camera_from_dict
from avrec.geometry.fisheye import OpenCVFisheyeCamera
from avrec.geometry.ftheta import ANGLE_TO_PIXELDIST, PIXELDIST_TO_ANGLE, FThetaCamera
from avrec.geometry.geodesy import (
    Anchor,
    anchor_of_geo_reference,
    anchor_on_ellipsoid,
    ecef_from_world,
    geo_reference,
    geodetic_from_local,
    local_from_geodetic,
)
from avrec.geometry.offset import Offset
from avrec.geometry.pinhole import OpenCVPinholeCamera
from avrec.geometry.shutter import GLOBAL_SHUTTER, Shutter, ShutterDirection
from avrec.geometry.trajectory import Trajectory
from avrec.geometry.transforms import (
    apply,
    exp_se3,
    exp_so3,
    invert,
    log_se3,
    log_so3,
    matrix_from_quaternion,
    matrix_from_rpy,
    quaternion_from_matrix,
    rpy_from_matrix,
    slerp,
    transform_from,
)

__all__ = [
    "ANGLE_TO_PIXELDIST",
    "GLOBAL_SHUTTER",
    "PIXELDIST_TO_ANGLE",
    "Anchor",
    "Camera",
    "FThetaCamera",
    "Offset",
    "OpenCVFisheyeCamera",
    "OpenCVPinholeCamera",
    "Shutter",
    "ShutterDirection",
    "Trajectory",
    "anchor_of_geo_reference",
    "anchor_on_ellipsoid",
    "apply",
    "camera_from_dict",
    "ecef_from_world",
    "exp_se3",
    "exp_so3",
    "geo_reference",
    "geodetic_from_local",
    "invert",
    "local_from_geodetic",
    "log_se3",
    "log_so3",
    "matrix_from_quaternion",
    "matrix_from_rpy",
    "quaternion_from_matrix",
    "rpy_from_matrix",
    "slerp",
    "transform_from",
]
