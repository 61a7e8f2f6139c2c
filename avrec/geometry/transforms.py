"""Rigid transforms, rotations and quaternions, all float64 and batched over leading axes.

A transform named ``dst_from_src`` is a 4x4 matrix that takes coordinates in ``src`` to coordinates in ``dst``.
Quaternions are ``wxyz`` of unit length, rotation vectors and angles are radians.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec.errors import DataError

__all__ = [
    "apply",
    "exp_se3",
    "exp_so3",
    "invert",
    "log_se3",
    "log_so3",
    "matrix_from_quaternion",
    "matrix_from_rpy",
    "quaternion_from_matrix",
    "rpy_from_matrix",
    "slerp",
    "transform_from",
]

Float64 = NDArray[np.float64]

# Below this squared angle the quotients of the exponential map are taken from their series.
_SMALL_ANGLE2 = 1e-2


def transform_from(rotation: ArrayLike, translation: ArrayLike) -> Float64:
    """Put rotations [..., 3, 3] and translations [..., 3] (metres) together into float64 [..., 4, 4]."""
    turn = np.asarray(rotation, dtype=np.float64)
    shift = np.asarray(translation, dtype=np.float64)
    batch = np.broadcast_shapes(turn.shape[:-2], shift.shape[:-1])
    out = np.zeros((*batch, 4, 4))
    out[..., :3, :3] = turn
    out[..., :3, 3] = shift
    out[..., 3, 3] = 1.0
    return out


def invert(transform: ArrayLike) -> Float64:
    """Inverse of rigid transforms [..., 4, 4]: ``src_from_dst`` of ``dst_from_src``."""
    matrix = np.asarray(transform, dtype=np.float64)
    turned_back = np.swapaxes(matrix[..., :3, :3], -1, -2)
    return transform_from(turned_back, -np.einsum("...ij,...j->...i", turned_back, matrix[..., :3, 3]))


def apply(transform: ArrayLike, points: ArrayLike) -> Float64:
    """Move points [..., N, 3] (or one point [3]) by transforms [..., 4, 4]; leading axes broadcast."""
    matrix = np.asarray(transform, dtype=np.float64)
    xyz = np.asarray(points, dtype=np.float64)
    if xyz.ndim == 1:
        return np.asarray(matrix[..., :3, :3] @ xyz + matrix[..., :3, 3])
    return np.asarray(xyz @ np.swapaxes(matrix[..., :3, :3], -1, -2) + matrix[..., None, :3, 3])


def matrix_from_quaternion(quaternion: ArrayLike) -> Float64:
    """Rotation matrices [..., 3, 3] of quaternions wxyz [..., 4] of any non-zero length.

    Raises:
        DataError: a quaternion is zero or not finite.
    """
    q = _normalised(quaternion)
    w, x, y, z = np.moveaxis(q, -1, 0)
    out = np.empty((*q.shape[:-1], 3, 3))
    out[..., 0, 0] = 1.0 - 2.0 * (y * y + z * z)
    out[..., 0, 1] = 2.0 * (x * y - w * z)
    out[..., 0, 2] = 2.0 * (x * z + w * y)
    out[..., 1, 0] = 2.0 * (x * y + w * z)
    out[..., 1, 1] = 1.0 - 2.0 * (x * x + z * z)
    out[..., 1, 2] = 2.0 * (y * z - w * x)
    out[..., 2, 0] = 2.0 * (x * z - w * y)
    out[..., 2, 1] = 2.0 * (y * z + w * x)
    out[..., 2, 2] = 1.0 - 2.0 * (x * x + y * y)
    return out


def quaternion_from_matrix(rotation: ArrayLike) -> Float64:
    """Unit quaternions wxyz [..., 4] with w >= 0 of rotation matrices [..., 3, 3].

    Of the four equivalent expressions the one that divides by the largest component is used for each matrix
    (Shepperd 1978), so half turns lose no digits.
    """
    matrix = np.asarray(rotation, dtype=np.float64)
    d0, d1, d2 = matrix[..., 0, 0], matrix[..., 1, 1], matrix[..., 2, 2]
    # Rows of 4 q q^T, one per component; each is the quaternion scaled by that component.
    outer = np.empty((*matrix.shape[:-2], 4, 4))
    outer[..., 0, 0] = 1.0 + d0 + d1 + d2
    outer[..., 1, 1] = 1.0 + d0 - d1 - d2
    outer[..., 2, 2] = 1.0 - d0 + d1 - d2
    outer[..., 3, 3] = 1.0 - d0 - d1 + d2
    for i, (row, column) in enumerate(((2, 1), (0, 2), (1, 0)), start=1):
        outer[..., 0, i] = outer[..., i, 0] = matrix[..., row, column] - matrix[..., column, row]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        outer[..., i + 1, j + 1] = outer[..., j + 1, i + 1] = matrix[..., i, j] + matrix[..., j, i]
    largest = np.argmax(np.diagonal(outer, axis1=-2, axis2=-1), axis=-1)
    q = np.take_along_axis(outer, largest[..., None, None], axis=-2)[..., 0, :]
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    return np.asarray(np.where(q[..., :1] < 0.0, -q, q))


def slerp(start: ArrayLike, end: ArrayLike, weight: ArrayLike) -> Float64:
    """Spherical interpolation of quaternions wxyz [..., 4] along the shorter arc.

    Args:
        start: quaternions; opposite signs are the same rotation.
        end: quaternions.
        weight: [...] 0 gives ``start``, 1 gives ``end`` (up to sign); other values extrapolate at the same rate.
    """
    q0, q1 = _normalised(start), _normalised(end)
    w = np.asarray(weight, dtype=np.float64)[..., None]
    dot = np.sum(q0 * q1, axis=-1, keepdims=True)
    q1 = np.where(dot < 0.0, -q1, q1)
    # The half-angle from chord lengths keeps its digits for nearly equal rotations, where arccos loses half of them.
    half = 2.0 * np.arctan2(np.linalg.norm(q1 - q0, axis=-1), np.linalg.norm(q1 + q0, axis=-1))[..., None]
    sine = np.sin(half)
    close = sine < 1e-9
    safe = np.where(close, 1.0, sine)
    from_start = np.where(close, 1.0 - w, np.sin((1.0 - w) * half) / safe)
    from_end = np.where(close, w, np.sin(w * half) / safe)
    return _normalised(from_start * q0 + from_end * q1)


def matrix_from_rpy(roll: ArrayLike, pitch: ArrayLike, yaw: ArrayLike) -> Float64:
    """``Rz(yaw) Ry(pitch) Rx(roll)`` [..., 3, 3] of angles [...] in radians.

    With x forward, y left, z up: roll > 0 drops the right side, pitch > 0 dips the nose, yaw > 0 turns left.
    """
    r, p, y = (np.asarray(angle, dtype=np.float64) for angle in (roll, pitch, yaw))
    cr, sr, cp, sp, cy, sy = np.cos(r), np.sin(r), np.cos(p), np.sin(p), np.cos(y), np.sin(y)
    out = np.empty((*np.broadcast_shapes(r.shape, p.shape, y.shape), 3, 3))
    out[..., 0, 0] = cy * cp
    out[..., 0, 1] = cy * sp * sr - sy * cr
    out[..., 0, 2] = cy * sp * cr + sy * sr
    out[..., 1, 0] = sy * cp
    out[..., 1, 1] = sy * sp * sr + cy * cr
    out[..., 1, 2] = sy * sp * cr - cy * sr
    out[..., 2, 0] = -sp
    out[..., 2, 1] = cp * sr
    out[..., 2, 2] = cp * cr
    return out


def rpy_from_matrix(rotation: ArrayLike) -> tuple[Float64, Float64, Float64]:
    """Roll, pitch and yaw [...] in radians of rotations [..., 3, 3]; pitch within +-pi/2, roll 0 in gimbal lock."""
    m = np.asarray(rotation, dtype=np.float64)
    level = np.hypot(m[..., 0, 0], m[..., 1, 0])
    locked = level < 1e-9
    pitch = np.arctan2(-m[..., 2, 0], level)
    roll = np.where(locked, 0.0, np.arctan2(m[..., 2, 1], m[..., 2, 2]))
    yaw = np.where(locked, np.arctan2(-m[..., 0, 1], m[..., 1, 1]), np.arctan2(m[..., 1, 0], m[..., 0, 0]))
    return np.asarray(roll), np.asarray(pitch), np.asarray(yaw)


def exp_so3(phi: ArrayLike) -> Float64:
    """Rotation matrices [..., 3, 3] of rotation vectors [..., 3] in radians (Rodrigues)."""
    vector = np.asarray(phi, dtype=np.float64)
    angle2 = np.sum(vector * vector, axis=-1)
    a, b, _ = _exp_quotients(angle2)
    return _identity_plus(vector, angle2, a, b)


def log_so3(rotation: ArrayLike) -> Float64:
    """Rotation vectors [..., 3] of length at most pi of rotations [..., 3, 3]; accurate at small and at half turns."""
    q = quaternion_from_matrix(rotation)
    w, v = q[..., :1], q[..., 1:]
    sine = np.linalg.norm(v, axis=-1, keepdims=True)
    tiny = sine < 1e-12
    return np.asarray(v * np.where(tiny, 2.0, 2.0 * np.arctan2(sine, w) / np.where(tiny, 1.0, sine)))


def exp_se3(xi: ArrayLike) -> Float64:
    """Transforms [..., 4, 4] of twists [..., 6]: translation part rho (metres) first, rotation vector phi second."""
    twist = np.asarray(xi, dtype=np.float64)
    rho, phi = twist[..., :3], twist[..., 3:]
    angle2 = np.sum(phi * phi, axis=-1)
    a, b, c = _exp_quotients(angle2)
    left = _identity_plus(phi, angle2, b, c)
    return transform_from(_identity_plus(phi, angle2, a, b), np.einsum("...ij,...j->...i", left, rho))


def log_se3(transform: ArrayLike) -> Float64:
    """Twists [..., 6] (rho, phi) of transforms [..., 4, 4]; the inverse of `exp_se3` for turns up to pi."""
    matrix = np.asarray(transform, dtype=np.float64)
    phi = log_so3(matrix[..., :3, :3])
    angle2 = np.sum(phi * phi, axis=-1)
    a, b, _ = _exp_quotients(angle2)
    small = angle2 < _SMALL_ANGLE2
    series = 1.0 / 12.0 + angle2 * (1.0 / 720.0 + angle2 * (1.0 / 30240.0 + angle2 / 1209600.0))
    d = np.where(small, series, (1.0 - 0.5 * a / b) / np.where(small, 1.0, angle2))
    unturned = _identity_plus(phi, angle2, np.full_like(angle2, -0.5), d)
    return np.concatenate([np.einsum("...ij,...j->...i", unturned, matrix[..., :3, 3]), phi], axis=-1)


def _normalised(quaternion: ArrayLike) -> Float64:
    """Quaternions scaled to unit length."""
    q = np.asarray(quaternion, dtype=np.float64)
    length = np.linalg.norm(q, axis=-1, keepdims=True)
    if not np.all(np.isfinite(length) & (length > 1e-12)):
        raise DataError(
            "A quaternion is zero or not finite. A rotation needs four finite numbers w, x, y, z that are not all "
            "zero. Check the poses in the source."
        )
    return np.asarray(q / length)


def _exp_quotients(angle2: Float64) -> tuple[Float64, Float64, Float64]:
    """sin(t)/t, (1 - cos t)/t^2 and (t - sin t)/t^3 from t^2, stable at zero."""
    angle = np.sqrt(angle2)
    a = np.sinc(angle / np.pi)
    b = 0.5 * np.sinc(angle / (2.0 * np.pi)) ** 2
    small = angle2 < _SMALL_ANGLE2
    series = 1.0 / 6.0 + angle2 * (-1.0 / 120.0 + angle2 * (1.0 / 5040.0 - angle2 / 362880.0))
    c = np.where(small, series, (1.0 - a) / np.where(small, 1.0, angle2))
    return np.asarray(a), np.asarray(b), np.asarray(c)


def _identity_plus(vector: Float64, length2: Float64, first: Float64, second: Float64) -> Float64:
    """I + first * [vector]x + second * [vector]x^2, where [v]x^2 = v v^T - |v|^2 I."""
    out = np.asarray((second[..., None] * vector)[..., :, None] * vector[..., None, :])
    diagonal = 1.0 - second * length2
    scaled = first[..., None] * vector
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        out[..., i, i] += diagonal
        out[..., j, i] += scaled[..., k]
        out[..., i, j] -= scaled[..., k]
    return out
