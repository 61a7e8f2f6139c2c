"""The sky layer: a cubemap of colours looked up by world direction.

The lookup, which the C++ rasteriser repeats step for step. A world direction (x forward, y left, z up; any length but
zero) turns into OpenGL cube axes by ``(X, Y, Z) = (-y, z, -x)``. The face is the one of the largest axis: X where
``|X| >= |Y|`` and ``|X| >= |Z|``, else Y where ``|Y| >= |Z|``, else Z; the sign of that axis, with +0 positive, picks
one of two. With ``ma`` the largest ``|axis|``, the table of the OpenGL specification (4.6, table 8.19) gives

======  ====  ====  ====
face    index  sc    tc
======  ====  ====  ====
+X      0     -Z    -Y
-X      1     +Z    -Y
+Y      2     +X    +Z
-Y      3     +X    -Z
+Z      4     +X    -Y
-Z      5     -X    -Y
======  ====  ====  ====

``s = (sc / ma + 1) / 2``, ``t = (tc / ma + 1) / 2``; texel (row i, column j) has its centre at ``t = (i + .5) / S``,
``s = (j + .5) / S``. Rows and columns are ``clamp(t * S - .5, 0, S - 1)`` and ``clamp(s * S - .5, 0, S - 1)``, and the
colour is bilinear between the four texels around, all of the same face (no blending across the cube's edges).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError

__all__ = ["sample_sky", "sky_directions", "sky_taps"]

Float32 = NDArray[np.float32]

_FACES = 6


def sample_sky(cubemap: Float32, directions: NDArray[np.floating]) -> Float32:
    """Colour of the sky in some directions.

    Args:
        cubemap: float32 [6, S, S, 3], faces +X, -X, +Y, -Y, +Z, -Z of the module's cube axes.
        directions: [..., 3] in the world frame, not necessarily of unit length.

    Returns:
        float32 [..., 3]; NaN where a direction is not finite or zero.

    Raises:
        DataError: arrays of another shape.
    """
    cubemap = np.asarray(cubemap, np.float32)
    if cubemap.ndim != 4 or cubemap.shape[0] != _FACES or cubemap.shape[1] != cubemap.shape[2]:
        raise DataError(f"A sky cubemap has shape [6, S, S, C], found {list(cubemap.shape)}.")
    indices, weights = sky_taps(cubemap.shape[1], directions)
    texels = cubemap.reshape(-1, cubemap.shape[3])
    colour = weights[..., :1] * texels[indices[..., 0]]
    for tap in range(1, 4):
        colour += weights[..., tap : tap + 1] * texels[indices[..., tap]]
    return np.asarray(colour, np.float32)


def sky_taps(size: int, directions: NDArray[np.floating]) -> tuple[NDArray[np.int64], Float32]:
    """The four texels behind each direction, and their bilinear weights (also the gradient of the lookup).

    Args:
        size: S, texels along an edge of a face.
        directions: [..., 3] in the world frame.

    Returns:
        int64 [..., 4] indices into the cubemap reshaped to [6 * S * S, C], and float32 [..., 4] weights that sum to 1.
        Where a direction is not finite or zero the weights are NaN.

    Raises:
        DataError: a size below 1 or directions of another shape.
    """
    world = np.asarray(directions, np.float64)
    if size < 1 or world.ndim < 1 or world.shape[-1] != 3:
        raise DataError(f"A sky lookup needs S >= 1 and directions [..., 3], found S = {size}, {world.shape}.")
    face, s, t = _face_coordinates(world)
    usable = np.isfinite(s) & np.isfinite(t)
    column = np.clip(np.where(usable, s, 0.5) * size - 0.5, 0.0, size - 1.0)
    row = np.clip(np.where(usable, t, 0.5) * size - 0.5, 0.0, size - 1.0)
    column0, row0 = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
    column1, row1 = np.minimum(column0 + 1, size - 1), np.minimum(row0 + 1, size - 1)
    across, down = column - column0, row - row0
    base = face * size * size
    indices = np.stack(
        [
            base + row0 * size + column0,
            base + row0 * size + column1,
            base + row1 * size + column0,
            base + row1 * size + column1,
        ],
        axis=-1,
    )
    weights = np.stack(
        [(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across], axis=-1
    ).astype(np.float32)
    weights[~usable] = np.nan
    return indices, weights


def sky_directions(size: int) -> NDArray[np.float64]:
    """Unit world direction of each texel's centre, float64 [6, S, S, 3]; the inverse of the lookup."""
    if size < 1:
        raise DataError(f"A sky cubemap needs at least one texel per edge, found {size}.")
    centres = (np.arange(size) + 0.5) / size * 2.0 - 1.0
    tc, sc = np.meshgrid(centres, centres, indexing="ij")
    one = np.ones_like(sc)
    faces = [
        (one, -tc, -sc),
        (-one, -tc, sc),
        (sc, one, tc),
        (sc, -one, -tc),
        (sc, -tc, one),
        (-sc, -tc, -one),
    ]
    world = np.stack([np.stack([-z, -x, y], axis=-1) for x, y, z in faces])
    return np.asarray(world / np.linalg.norm(world, axis=-1, keepdims=True), np.float64)


def _face_coordinates(
    directions: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Face index and (s, t) in 0..1 of world directions; s and t are NaN where the direction is unusable."""
    x, y, z = -directions[..., 1], directions[..., 2], -directions[..., 0]
    ax, ay, az = np.abs(x), np.abs(y), np.abs(z)
    on_x = (ax >= ay) & (ax >= az)
    on_y = ~on_x & (ay >= az)
    largest = np.where(on_x, ax, np.where(on_y, ay, az))
    usable = (largest > 0) & np.isfinite(directions).all(axis=-1)
    # `+ 0.0` makes -0 positive: the negation above must not decide a face.
    sign = np.where(np.where(on_x, x, np.where(on_y, y, z)) + 0.0 >= 0, 1.0, -1.0)
    sc = np.where(on_x, -sign * z, np.where(on_y, x, sign * x))
    tc = np.where(on_y, sign * z, -y)
    scale = np.where(usable, largest, np.nan)
    face = np.where(on_x, 0, np.where(on_y, 2, 4)) + (sign < 0)
    return face.astype(np.int64), (sc / scale + 1) / 2, (tc / scale + 1) / 2
