"""Lidar sweeps of the transforms layout: tables of named columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avrec.drive import LidarPoints
from avrec.errors import DataError

__all__ = ["point_loader"]

# A column time_us beyond this is absolute; float32 columns cannot hold that and count from the sweep's stamp.
_LARGEST_OFFSET_US = 1e9


def point_loader(path: Path, fields: Sequence[str], timestamp_us: int) -> Callable[[], LidarPoints]:
    """A function that reads one sweep when called.

    Args:
        path: ``.bin`` (little-endian float32, points one after the other) or ``.npy`` ([N, F], or a structured array).
        fields: column names; x, y and z are needed, intensity and time_us are used where present. ``time_us`` counts
            from the sweep's own timestamp, or is absolute where the file's numbers can hold it.
        timestamp_us: of the sweep; the time of every point where there is no ``time_us``.
    """

    def load() -> LidarPoints:
        columns = _read_columns(path, fields)
        missing = [name for name in "xyz" if name not in columns]
        if missing:
            raise DataError(f"The sweep {path} has no column {', '.join(missing)}. Name its columns in 'fields'.")
        xyz = np.stack([columns[name] for name in "xyz"], axis=-1).astype(np.float32)
        intensity = np.asarray(columns.get("intensity", np.zeros(len(xyz))), dtype=np.float32)
        if len(intensity) and intensity.max() > 1.5:
            intensity = intensity / np.float32(255.0)
        offset = np.asarray(columns.get("time_us", np.zeros(len(xyz))))
        finite = np.isfinite(xyz).all(axis=1) & np.isfinite(offset)
        offset = np.rint(offset[finite]).astype(np.int64)
        absolute = len(offset) > 0 and bool(np.abs(offset).max() > _LARGEST_OFFSET_US)
        return LidarPoints(
            np.ascontiguousarray(xyz[finite]),
            np.ascontiguousarray(intensity[finite]),
            offset if absolute else offset + timestamp_us,
        )

    return load


def _read_columns(path: Path, fields: Sequence[str]) -> dict[str, NDArray[np.generic]]:
    """Columns of a point file by name."""
    try:
        if path.suffix.lower() == ".npy":
            table = np.load(path, allow_pickle=False)
        else:
            data = path.read_bytes()
            if not data or len(data) % (4 * len(fields)):
                raise DataError(
                    f"The sweep {path} is truncated: {len(data)} bytes are not whole points of "
                    f"{len(fields)} float32 numbers. Copy it again or correct 'fields'."
                )
            table = np.frombuffer(data, dtype="<f4").reshape(-1, len(fields))
    except OSError as error:
        raise DataError(f"The sweep {path} cannot be read: {error.strerror or error}. Restore the file.") from error
    except (ValueError, EOFError) as error:
        raise DataError(f"The sweep {path} is not a point table: {error}. Copy it again.") from error
    if table.dtype.names:
        return {name: table[name] for name in table.dtype.names}
    if table.ndim != 2 or table.shape[1] != len(fields):
        raise DataError(f"The sweep {path} has shape {table.shape}, but 'fields' names {len(fields)} columns.")
    return {name: table[:, column] for column, name in enumerate(fields)}
