"""The surface of everything that depth pictures show: `surface_mesh`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.mesh.decimate import decimate, drop_small_parts
from avrec.mesh.depth_picture import DepthPicture
from avrec.mesh.isosurface import isosurface
from avrec.mesh.mesh import Mesh
from avrec.mesh.voxels import VoxelBlocks

__all__ = ["fuse", "surface_mesh", "volume_mesh"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]

# Each measurement is felt this many voxels before and behind the surface.
_BAND = 3
_NEAREST_M = 0.5


def surface_mesh(
    pictures: Iterable[DepthPicture],
    *,
    voxel_m: float = 0.12,
    farthest_m: float = 25.0,
    most_triangles: int = 300_000,
    least_part_m2: float = 1.0,
    least_weight: float = 0.02,
    most_blocks: int = 60_000,
) -> Mesh:
    """Fuse depth pictures into one surface with its fronts toward the cameras.

    The pictures are averaged as signed distances (Curless and Levoy 1996) in blocks of voxels around the surface, each
    pixel as the small plane that it and its neighbours lie in. The pixels are carried to the voxels, not the voxels
    projected into the pictures, so that any lens and any shutter will do. Marching cubes and quadric decimation follow.

    Args:
        pictures: taken one at a time; moving actors left out of them. Where they have colours, so has the mesh.
        voxel_m: side of a voxel. Doubled as often as needed where the surface fills more than ``most_blocks``: about
            400 m of street at the defaults.
        farthest_m: distances beyond are not used.
        most_triangles: budget of the mesh.
        least_part_m2: connected parts with less surface are dropped.
        least_weight: what was seen less well is left out. Each pixel on a voxel counts as the cosine of its slant over
            the square of its distance in metres: 0.02 is one pixel straight on from 7 m, or ten from 22 m.
        most_blocks: of 8 x 8 x 8 voxels, 10 kB each.

    Returns:
        The mesh, world, metres, with normals.

    Raises:
        DataError: no pictures, none with a surface, or sizes that are not positive.
    """
    volume = fuse(pictures, voxel_m=voxel_m, farthest_m=farthest_m, most_blocks=most_blocks)
    return volume_mesh(volume, most_triangles=most_triangles, least_part_m2=least_part_m2, least_weight=least_weight)


def volume_mesh(
    volume: VoxelBlocks, *, most_triangles: int = 300_000, least_part_m2: float = 1.0, least_weight: float = 0.02
) -> Mesh:
    """The surface in a fused volume, its second half of `surface_mesh`, whose arguments these are.

    Raises:
        DataError: there is no surface in it.
    """
    mesh = drop_small_parts(isosurface(volume, least_weight=least_weight), least_part_m2)
    if not len(mesh.faces):
        raise DataError(
            "The depth pictures show no surface. Check that their depth is in metres, or use larger voxels."
        )
    mesh = decimate(mesh, most_triangles)
    colours = volume.colours_at(mesh.vertices) if volume.coloured else None
    return Mesh(mesh.vertices, mesh.faces, colours, mesh.vertex_normals())


def fuse(
    pictures: Iterable[DepthPicture], *, voxel_m: float, farthest_m: float, most_blocks: int = 60_000
) -> VoxelBlocks:
    """The pictures as signed distances; arguments as in `surface_mesh`."""
    if not (0.005 <= voxel_m <= 10 and voxel_m < farthest_m and most_blocks >= 8):
        raise DataError(
            f"A surface cannot be made with voxels of {voxel_m} m, up to {farthest_m} m away, in {most_blocks} blocks. "
            "Choose voxels of 0.005 to 10 m, nearer than the farthest distance, and at least 8 blocks."
        )
    turn = iter(pictures)
    first = next(turn, None)
    if first is None:
        raise DataError("A surface needs at least one depth picture, found none. Pass some.")
    volume = VoxelBlocks(first.origin[0].copy(), voxel_m, most_blocks=most_blocks, coloured=first.colour is not None)
    for picture in chain([first], turn):
        _add(volume, picture, farthest_m)
    return volume


def _add(volume: VoxelBlocks, picture: DepthPicture, farthest_m: float) -> None:
    points = picture.points(farthest_m=farthest_m)
    normals = picture.normals(points)
    good = np.isfinite(normals[..., 0]) & (picture.depth > _NEAREST_M)
    reach = picture.depth[good].astype(np.float32)
    facing = -np.einsum("ni,ni->n", normals[good], picture.directions[good])
    # A pixel covers an area that grows with the square of its distance, and with its slant.
    weight = (facing / np.maximum(reach, 1.0) ** 2).astype(np.float32)
    local, normal = points[good] - volume.origin, normals[good]
    colour = picture.colour[good].astype(np.float32) if volume.coloured and picture.colour is not None else None
    side, band = volume.voxel_m, _BAND * volume.voxel_m
    # One layer of voxels along the normals after the other, to stay small.
    for step in side * np.arange(-_BAND, _BAND + 1):
        voxels = np.floor((local + step * normal) / side).astype(np.int64)
        distance = np.einsum("ni,ni->n", (voxels + 0.5) * side - local, normal)
        volume.add(voxels, np.clip(distance, -band, band).astype(np.float32), weight, colour)
    volume.fit()  # not before: the voxels above are of one size
