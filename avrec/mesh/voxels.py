"""A signed distance to the nearest surface, in blocks of voxels where there is one."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError

__all__ = ["BLOCK", "VoxelBlocks"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

log = logging.getLogger(__name__)

BLOCK = 8
_CUBE = BLOCK**3
_HALF = 1 << 20
_PAGE = 2048  # blocks looked at at once where all are
_MOST_CELLS = 1 << 23


class VoxelBlocks:
    """Weighted means of signed distances and colours, metres; memory grows with the surface, not with the space.

    Voxel (i, j, k) has its middle at ``origin + (i + 0.5, j + 0.5, k + 0.5) * voxel_m``. When the blocks have outgrown
    their number, `fit` joins voxels two by two along each axis.

    Args:
        origin: float64 [3], world.
        voxel_m: side of a voxel to begin with.
        most_blocks: of 8 x 8 x 8 voxels, 10 kB each with colours.
        coloured: whether colours are kept.

    Attributes:
        voxel_m: side of a voxel now.
        keys: int64 [B], increasing, one for each block.
    """

    def __init__(self, origin: Float64, voxel_m: float, *, most_blocks: int = 60_000, coloured: bool = False) -> None:
        self.origin, self.voxel_m, self.most_blocks, self.coloured = origin, voxel_m, most_blocks, coloured
        self.keys = np.zeros(0, np.int64)
        self._slots = np.zeros(0, np.int64)
        self._distance = np.zeros((0, _CUBE), np.float32)
        self._weight = np.zeros((0, _CUBE), np.float32)
        self._colour = np.zeros((0, _CUBE, 3 if coloured else 0), np.float32)

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, voxels: Int64, distance: Float32, weight: Float32, colour: Float32 | None) -> None:
        """Take measurements of voxels into their means.

        Args:
            voxels: int64 [N, 3].
            distance: float32 [N] metres, positive in free space.
            weight: float32 [N].
            colour: float32 [N, 3] 0..255, or None.
        """
        if not len(voxels):
            return
        block = np.ascontiguousarray(voxels.T) >> 3
        if block.min() < -_HALF or block.max() >= _HALF:
            raise DataError(
                "A surface cannot be made of points more than a million voxels apart. Leave far points out."
            )
        keys, which = _distinct(block)
        self._grow(np.setdiff1d(keys, self.keys, assume_unique=True))
        slot = self._slots[np.searchsorted(self.keys, keys)][which]
        inside = voxels & 7
        flat = slot * _CUBE + (inside[:, 0] * BLOCK + inside[:, 1]) * BLOCK + inside[:, 2]
        np.add.at(self._distance.reshape(-1), flat, distance * weight)
        np.add.at(self._weight.reshape(-1), flat, weight)
        if self.coloured and colour is not None:
            table = self._colour.reshape(-1, 3)
            for channel in range(3):
                np.add.at(table[:, channel], flat, colour[:, channel] * weight)

    def fit(self) -> None:
        """Join voxels until the blocks are within their number; `voxel_m` grows."""
        while len(self) > self.most_blocks:
            self._coarsen()

    @property
    def blocks(self) -> Int64:
        """Place of each block in units of blocks, [B, 3]."""
        return np.stack([(self.keys >> shift) % (2 * _HALF) - _HALF for shift in (42, 21, 0)], axis=-1)

    def read(self, block: int) -> tuple[Float32, Float32]:
        """Distance (metres) and weight of the voxels of a block, each [8, 8, 8]; 0 without weight."""
        slot = self._slots[block]
        weight = self._weight[slot]
        distance = self._distance[slot] / np.where(weight > 0, weight, np.float32(1))
        return distance.reshape(BLOCK, BLOCK, BLOCK), weight.reshape(BLOCK, BLOCK, BLOCK)

    def colours_at(self, points: Float64) -> NDArray[np.uint8]:
        """Colour of the voxel that holds each world point [N, 3], uint8 [N, 3]; grey where there is none."""
        voxels = np.floor((points - self.origin) / self.voxel_m).astype(np.int64)
        keys = _pack(voxels >> 3)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self) - 1)
        inside = voxels & 7
        cube = (inside[:, 0] * BLOCK + inside[:, 1]) * BLOCK + inside[:, 2]
        weight = np.where(self.keys[place] == keys, self._weight[self._slots[place], cube], 0)
        total = self._colour[self._slots[place], cube]
        mean = np.where(weight[:, None] > 0, total / np.where(weight > 0, weight, 1)[:, None], 128)
        return np.asarray(np.clip(np.rint(mean), 0, 255), np.uint8)

    def _grow(self, fresh: Int64) -> None:
        """Make room for new blocks."""
        if not fresh.size:
            return
        held, needed = len(self), len(self) + len(fresh)
        if needed > len(self._weight):
            # Room for all that may come: memory is taken where it is written to, and nothing is copied.
            room = max(needed, len(self._weight) * 3 // 2, self.most_blocks + self.most_blocks // 8 + 256)
            for name in ("_distance", "_weight", "_colour"):
                old = getattr(self, name)
                new = np.zeros((room, *old.shape[1:]), np.float32)
                new[:held] = old[:held]
                setattr(self, name, new)
                del old
        keys = np.concatenate([self.keys, fresh])
        slots = np.concatenate([self._slots, np.arange(held, needed)])
        order = np.argsort(keys)
        self.keys, self._slots = keys[order], slots[order]

    def _coarsen(self) -> None:
        """Join voxels two by two along each axis."""
        wide = VoxelBlocks(self.origin, 2 * self.voxel_m, most_blocks=len(self), coloured=self.coloured)
        inside = np.stack(np.meshgrid(*[np.arange(BLOCK)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        blocks = self.blocks
        for begin in range(0, len(self), _PAGE):
            slots = self._slots[begin : begin + _PAGE]
            voxels = ((blocks[begin : begin + _PAGE, None] * BLOCK + inside) >> 1).reshape(-1, 3)
            weight = self._weight[slots].reshape(-1)
            seen = weight > 0
            distance = self._distance[slots].reshape(-1)[seen] / weight[seen]
            colour = self._colour[slots].reshape(len(weight), -1)[seen] / weight[seen, None] if self.coloured else None
            wide.add(voxels[seen], distance, weight[seen], colour)
        log.info("%d blocks of voxels of %.2f m became %d of %.2f m", len(self), self.voxel_m, len(wide), wide.voxel_m)
        wide.most_blocks = self.most_blocks
        self.__dict__.update(wide.__dict__)


def _distinct(blocks: Int64) -> tuple[Int64, Int64]:
    """Keys of the different blocks among [3, N], increasing, and the number of each block's key, [N]."""
    low = blocks.min(axis=1)
    x, y, z = (blocks.max(axis=1) - low + 1).tolist()
    if x * y * z > _MOST_CELLS:
        keys, which = np.unique(_pack(blocks.T), return_inverse=True)
        return keys, which.reshape(-1)
    # A table of the box around them beats sorting.
    a, b, c = blocks - low[:, None]
    cell = (a * y + b) * z + c
    used = np.zeros(x * y * z, bool)
    used[cell] = True
    cells = np.flatnonzero(used)
    number = np.zeros(len(used), np.int64)
    number[cells] = np.arange(len(cells))
    return _pack(low + np.stack([cells // (y * z), cells // z % y, cells % z], axis=-1)), number[cell]


def _pack(blocks: Int64) -> Int64:
    shifted = blocks + _HALF
    return np.asarray((shifted[:, 0] << 42) + (shifted[:, 1] << 21) + shifted[:, 2], np.int64)
