"""Cameras the tests share; all numbers are exact in float32, which is what some judges keep."""

import numpy as np

from avrec.geometry import FThetaCamera, OpenCVFisheyeCamera, OpenCVPinholeCamera


def f32(*values: float) -> tuple[float, ...]:
    return tuple(float(np.float32(value)) for value in values)


PLAIN = OpenCVPinholeCamera(640, 400, (500.0, 510.0), (322.5, 195.25))
RADIAL = OpenCVPinholeCamera(1280, 720, (1000.0, 1010.0), (645.5, 352.25), f32(-0.25, 0.08, -0.01))
RATIONAL = OpenCVPinholeCamera(
    1600,
    900,
    (1100.0, 1090.0),
    (790.5, 460.25),
    f32(0.30, -0.06, 0.004, 0.55, 0.02, -0.003),
    f32(8e-4, -6e-4),
    f32(3e-4, -1e-4, -2e-4, 5e-5),
)
FISHEYE = OpenCVFisheyeCamera(1400, 1000, (420.0, 415.0), (703.5, 489.25), f32(-0.03, 0.006, -0.002, 0.0002), 2.5)

# Distance to angle is the reference; the other way is a fit good to about 0.1 px, as in real calibrations.
_BACKWARD = f32(0.0, 1.05e-3, 2.0e-9, -3.0e-11, 1.0e-14, 0.0)
_FORWARD = f32(0.0, 952.0, -4.0, 30.0, -4.0, 1.0)
FTHETA_BACKWARD = FThetaCamera(
    1920, 1080, (958.25, 541.75), "PIXELDIST_TO_ANGLE", _BACKWARD, _FORWARD, f32(1.25)[0], f32(1.0005, 2e-4, -3e-4)
)
FTHETA_FORWARD = FThetaCamera(
    1920, 1080, (958.25, 541.75), "ANGLE_TO_PIXELDIST", _BACKWARD, _FORWARD, f32(1.25)[0], f32(1.0005, 2e-4, -3e-4)
)

ALL = {
    "plain": PLAIN,
    "radial": RADIAL,
    "rational": RATIONAL,
    "fisheye": FISHEYE,
    "ftheta_backward": FTHETA_BACKWARD,
    "ftheta_forward": FTHETA_FORWARD,
}


def grid(width: int, height: int, across: int = 61) -> np.ndarray:
    """Pixels [M, 2] all over an image, its very edges included."""
    u, v = np.meshgrid(np.linspace(0, width - 1e-6, across), np.linspace(0, height - 1e-6, across))
    return np.stack([u, v], axis=-1).reshape(-1, 2)
