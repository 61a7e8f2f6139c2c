"""The static layer as a `.nurec` volume: gzip around one msgpack map of half-precision, pre-activation tensors.

The layout is the single static layer that Kit / Isaac Sim and 3DGRUT's importer read. It is a copy for them: positions
are moved to a local centre first, because half precision loses 6 cm at 100 m.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from avrec.gaussians import Gaussians
from avrec.scene.package_writer import MemberStream, PackageWriter
from avrec.scene.stacked import Stacked, stacked

__all__ = ["SPECULAR_COEFFICIENTS", "active_sh_degree", "volume_center", "write_nurec"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

SPECULAR_COEFFICIENTS = 15
"""SH coefficients of bands 1 to 3, always stored: readers expect the width of degree 3."""

_PREFIX = ".gaussians_nodes.gaussians."
_ROWS = 1 << 16
_HALF_MAX = float(np.finfo(np.float16).max)
_MAX_CENTER_SAMPLES = 100_000


def active_sh_degree(cloud: Gaussians | Stacked) -> int:
    """SH degree announced to readers: 0 or 3, since Isaac Sim shows nothing, silently, for 1 and 2.

    The missing bands are zero, which is the same picture.
    """
    return 0 if cloud.sh_degree == 0 else 3


def volume_center(cloud: Gaussians | Stacked) -> Float64:
    """Middle of the cloud in whole metres, float64 [3] in the cloud's frame; zeros for an empty cloud.

    The median, because a few far background Gaussians would drag a mean or a bounding box away from the street.
    """
    if not len(cloud):
        return np.zeros(3)
    step = -(-len(cloud) // _MAX_CENTER_SAMPLES)
    sample = stacked(cloud).block(slice(None, None, step))[:, :3]
    median: Float64 = np.round(np.median(sample.astype(np.float64), axis=0))
    return np.clip(median, -1e9, 1e9) + 0.0  # + 0.0 turns -0.0 into 0.0


def write_nurec(
    package: PackageWriter, name: str, cloud: Gaussians | Stacked, center: Float64
) -> tuple[Float32, Float32]:
    """Add the cloud as a `.nurec` member, streamed in blocks.

    Args:
        package: the package being written.
        name: member name, e.g. ``"volume.nurec"``.
        cloud: static Gaussians in the world frame.
        center: float64 [3], subtracted from the means.

    Returns:
        Lowest and highest stored position, float32 [3] each, as a reader of the volume will find them.

    Raises:
        OutputError: the disk is full, or the package grows past 4 GiB.
    """
    whole = stacked(cloud)
    n = len(whole)
    low, high = np.full(3, np.inf, np.float32), np.full(3, -np.inf, np.float32)

    def positions(rows: slice) -> NDArray[np.float16]:
        half = _half(whole.block(rows)[:, :3] - center)
        np.minimum(low, half.min(axis=0), out=low)
        np.maximum(high, half.max(axis=0), out=high)
        return half

    def specular(rows: slice) -> NDArray[np.float16]:
        bands = whole.block(rows)[:, 14:]
        padded = np.zeros((len(bands), 3 * SPECULAR_COEFFICIENTS), np.float16)
        padded[:, : bands.shape[1]] = _half(bands)
        return padded

    blocks: dict[str, tuple[int, Callable[[slice], NDArray[np.float16]]]] = {
        "positions": (3, positions),
        "rotations": (4, lambda rows: _half(_storable_quaternions(whole.block(rows)[:, 3:7]))),
        "scales": (3, lambda rows: _half(whole.block(rows)[:, 7:10])),
        "densities": (1, lambda rows: _half(whole.block(rows)[:, 10:11])),
        "extra_signal": (0, lambda rows: np.zeros((0, 0), np.float16)),
        "features_albedo": (3, lambda rows: _half(whole.block(rows)[:, 11:14])),
        "features_specular": (3 * SPECULAR_COEFFICIENTS, specular),
    }
    with package.member(name) as stream:
        # Half floats of real clouds hardly shrink, the zero bands of a low degree vanish.
        pack = _GzipStream(stream, level=0 if whole.sh_degree == 3 else 1)
        pack.head(1, "nre_data", 4, "version", "0.2.576", "model", "nre", "config", _config(), "state_dict")
        pack.head(2 + 2 * len(blocks) + 1, "._extra_state", {"obj_track_ids": {"gaussians": []}})
        for key, (width, block) in blocks.items():
            pack.head(_PREFIX + key)
            pack.raw_head(2 * n * width)
            for rows in _row_blocks(n if width else 0):
                pack.write(np.ascontiguousarray(block(rows), "<f2").tobytes())
        pack.head(_PREFIX + "n_active_features", active_sh_degree(whole).to_bytes(8, "little"))
        for key, (width, _) in blocks.items():
            pack.head(f"{_PREFIX}{key}.shape", [n, width])
        pack.head(f"{_PREFIX}n_active_features.shape", [])
        pack.close()
    return (low, high) if n else (np.zeros(3, np.float32), np.zeros(3, np.float32))


class _GzipStream:
    """msgpack pieces through one gzip stream. A map is written as its head, then keys and values in turn."""

    def __init__(self, stream: MemberStream, level: int) -> None:
        self._stream = stream
        self._gzip = zlib.compressobj(level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)  # zlib's own gzip head has no date
        self._packer = msgpack.Packer(use_bin_type=True)

    def head(self, *values: Any) -> None:
        """Pack values; a bare integer opens a map of that many entries."""
        for value in values:
            head = self._packer.pack_map_header(value) if isinstance(value, int) else self._packer.pack(value)
            self.write(head)

    def raw_head(self, size: int) -> None:
        """Announce a byte string of ``size`` bytes that follows in pieces (msgpack bin 32)."""
        self.write(b"\xc6" + size.to_bytes(4, "big"))

    def write(self, data: bytes) -> None:
        self._stream.write(self._gzip.compress(data))

    def close(self) -> None:
        self._stream.write(self._gzip.flush())


def _row_blocks(rows: int) -> Iterator[slice]:
    for start in range(0, rows, _ROWS):
        yield slice(start, min(start + _ROWS, rows))


def _half(values: NDArray[np.floating]) -> NDArray[np.float16]:
    """To half precision; beyond its range the nearest half instead of infinity, which readers choke on."""
    half: NDArray[np.float16] = np.clip(values, -_HALF_MAX, _HALF_MAX).astype(np.float16)
    return half


def _storable_quaternions(quaternions: Float32) -> Float32:
    """As they are, but normalised where half precision would lose their direction to under- or overflow."""
    squared = np.einsum("ni,ni->n", quaternions, quaternions, dtype=np.float64)
    extreme = ((squared < 1e-4) | (squared > 1e8)) & (squared > 0)
    if not extreme.any():
        return quaternions
    scale = np.where(extreme, 1.0 / np.sqrt(np.where(extreme, squared, 1.0)), 1.0)
    return (quaternions * scale[:, None]).astype(np.float32)


def _config() -> dict[str, Any]:
    """Settings a reader renders the volume with: an opacity limit, an end of rays at 1e-4 and one order per picture.

    The last three are how avrec's own rasteriser blends.
    """
    particle = {
        "density_kernel_planar": False,
        "density_kernel_degree": 2,
        "density_kernel_density_clamping": True,
        "density_kernel_min_response": 0.0113,
        "radiance_sph_degree": 3,
    }
    layer = {
        "name": "sh-gaussians",
        "device": "cuda",
        "density_activation": "sigmoid",
        "scale_activation": "exp",
        "rotation_activation": "normalize",
        "precision": 16,
        "particle": particle,
        "transmittance_threshold": 0.0001,
    }
    projection = {
        "n_rolling_shutter_iterations": 5,
        "ut_dim": 3,
        "ut_alpha": 1.0,
        "ut_beta": 2.0,
        "ut_kappa": 0.0,
        "ut_require_all_sigma_points": False,
        "image_margin_factor": 0.1,
        "min_projected_ray_radius": 0.5477225575051661,
    }
    culling = {
        "rect_bounding": True,
        "tight_opacity_bounding": True,
        "tile_based": True,
        "near_clip_distance": 1e-8,
        "far_clip_distance": 3.402823466e38,
    }
    renderer = {
        "name": "3dgut-nrend",
        "log_level": 3,
        "force_update": False,
        "update_step_train_batch_end": False,
        "per_ray_features": False,
        "global_z_order": True,
        "projection": projection,
        "culling": culling,
        "render": {"mode": "kbuffer", "k_buffer_size": 0},
    }
    return {
        "layers": {"gaussians": layer},
        "renderer": renderer,
        "name": "gaussians_primitive",
        "appearance_embedding": {"name": "skip-appearance", "embedding_dim": 0, "device": "cuda"},
        "background": {"name": "skip-background", "device": "cuda", "composite_in_linear_space": False},
    }
