"""The zero level of a block volume as triangles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.mesh.mesh import Mesh
from avrec.mesh.voxels import BLOCK, VoxelBlocks

__all__ = ["isosurface"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

# Blocks along the side of the cube that marching cubes sees at once.
_TILE = 6
_WELD = 1 << 12  # vertices nearer to each other than this part of a voxel are one


def isosurface(volume: VoxelBlocks, *, least_weight: float = 0.0) -> Mesh:
    """Marching cubes (Lewiner et al. 2003, as scikit-image has it) where all eight corners were measured.

    Args:
        volume: signed distances.
        least_weight: voxels whose weight is not above this count as not measured.

    Returns:
        The mesh in the world, fronts toward free space; empty where nothing crosses zero.
    """
    from skimage import measure

    marching_cubes: Callable[..., Any] = measure.marching_cubes
    if not len(volume):
        return Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int32))
    blocks = volume.blocks
    vertices, faces, count = [np.zeros((0, 3))], [np.zeros((0, 3), np.int64)], 0
    for tile, members in _tiles(blocks):
        distance, seen = _dense(volume, blocks, tile, members, least_weight)
        whole = seen[:-1, :-1, :-1].copy()
        for corner in range(1, 8):
            x, y, z = (slice(bit, bit + len(seen) - 1) for bit in (corner >> 2, corner >> 1 & 1, corner & 1))
            whole &= seen[x, y, z]
        inside = distance[:-1, :-1, :-1][whole]
        if not inside.size or not (distance[seen] < 0).any() or not (distance[seen] > 0).any():
            continue
        mask = np.zeros_like(seen)
        mask[1:, 1:, 1:] = whole
        try:
            found, corners, _, _ = marching_cubes(
                distance, 0.0, gradient_direction="descent", allow_degenerate=False, mask=mask
            )
        except RuntimeError:  # no cube crosses zero
            continue
        # The mask's meaning at the border is scikit-image's own; keep what lies in wholly measured cubes only.
        cube = np.floor(found[corners].mean(axis=1)).astype(np.int64)
        corners = corners[whole[tuple(np.minimum(cube, len(whole) - 1).T)]]
        vertices.append(found.astype(np.float64) + tile * _TILE * BLOCK)
        faces.append(corners.astype(np.int64) + count)
        count += len(found)
    return _welded(np.concatenate(vertices), np.concatenate(faces), volume)


def _tiles(blocks: Int64) -> list[tuple[Int64, Int64]]:
    """Each cube of blocks, and the blocks in it and in the layer beyond its far sides."""
    around = np.stack(np.meshgrid(*[[0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    place = blocks // _TILE
    edge = blocks % _TILE == 0
    pairs = []
    for shift in around:
        # A block in the first layer of a tile is also the layer beyond the tile before it.
        also = (edge | (shift == 0)).all(axis=1)
        pairs.append(np.column_stack([(place - shift)[also], np.flatnonzero(also)]))
    table = np.concatenate(pairs)
    table = table[np.lexsort(table.T[::-1])]
    tiles, first = np.unique(table[:, :3], axis=0, return_index=True)
    return list(zip(tiles, np.split(table[:, 3], first[1:]), strict=True))


def _dense(
    volume: VoxelBlocks, blocks: Int64, tile: Int64, members: Int64, least_weight: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Distances and whether they were measured, over a tile and one voxel beyond, each [49, 49, 49]."""
    side = (_TILE + 1) * BLOCK
    distance, weight = np.zeros((side,) * 3, np.float32), np.zeros((side,) * 3, np.float32)
    for member in members:
        x, y, z = (slice(at, at + BLOCK) for at in ((blocks[member] - tile * _TILE) * BLOCK).tolist())
        distance[x, y, z], weight[x, y, z] = volume.read(int(member))
    cut = slice(0, _TILE * BLOCK + 1)
    # Contiguous: scikit-image copies what is not.
    return np.ascontiguousarray(distance[cut, cut, cut]), np.ascontiguousarray(weight[cut, cut, cut] > least_weight)


def _welded(vertices: Float64, faces: Int64, volume: VoxelBlocks) -> Mesh:
    """One mesh of the tiles' pieces: vertices on their common sides joined."""
    if not len(faces):
        return Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int32))
    _, first, which = np.unique(
        np.rint(vertices * _WELD).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    faces = which.reshape(-1)[faces]
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    points = volume.origin + (vertices[first] + 0.5) * volume.voxel_m
    mesh = Mesh(points, faces.astype(np.int32))
    return mesh.with_faces(np.ones(len(faces), bool))
