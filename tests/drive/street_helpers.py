"""Small scenes for the street's tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from avrec.drive.street.build import build_street
from avrec.drive.street.ground import Ground
from avrec.drive.street.rig import RigCamera
from avrec.drive.street.road import Piece, Road
from avrec.drive.street.shapes import Part
from avrec.drive.street.world import Street
from avrec.geometry import OpenCVPinholeCamera, transform_from

STRAIGHT = Road((Piece(0.0, 0.0, 0.0, 0.0, 0.0),))
FORWARD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def bare_street(*parts: Part) -> Street:
    """A straight road with nothing on it but the given parts."""
    street = build_street(seed=0, seconds=0.5, yaw_rate_max_dps=20, moving=False, shadows=False)
    return replace(street, road=STRAIGHT, ground=Ground(STRAIGHT, ()), parts=parts, actors=())


def forward_camera(width: int = 48, height: int = 32, focal: float = 30.0, up_m: float = 1.5) -> RigCamera:
    """A camera without distortion that looks along the road."""
    model = OpenCVPinholeCamera(width, height, (focal, focal), (width / 2, height / 2))
    return RigCamera("front", model, transform_from(FORWARD, np.array([0.0, 0.0, up_m])))
