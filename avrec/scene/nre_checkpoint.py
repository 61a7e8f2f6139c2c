"""`checkpoint.ckpt`: all layers as plain tensors, under the names that viewers of NuRec checkpoints look up.

Written with `torch.save`; it holds tensors, texts and numbers only and loads with ``weights_only=True``. Positions of
the world's layers are centred like the NuRec volume's (`world_to_nre`), those of actors are in their box's frame.

What a viewer hands to a rasteriser as it is (places, rotations, sizes, densities, the constant colour) is float32. The
higher harmonics, three quarters of all values, are float16 like the volume's: they are joined with the constant one
first, which makes them float32 again. So is the sky. Harmonics that are all zero take one stored value.
"""

from __future__ import annotations

from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from avrec.gaussians import Gaussians
from avrec.scene.nurec import SPECULAR_COEFFICIENTS, active_sh_degree
from avrec.scene.package_writer import Buffer, MemberStream, PackageWriter
from avrec.scene.scene import Scene

__all__ = ["write_nre_checkpoint"]

_ROWS = 1 << 16
_HALF_MAX = float(np.finfo(np.float16).max)


def write_nre_checkpoint(package: PackageWriter, name: str, scene: Scene, center: NDArray[np.float64]) -> None:
    """Add the checkpoint member.

    Args:
        package: the package being written.
        name: member name.
        scene: what to write.
        center: float64 [3], subtracted from the world layers' means.

    Raises:
        OutputError: the disk is full, or the package grows past 4 GiB.
    """
    import torch

    layers = {"background": scene.static}
    if scene.road is not None:
        layers["road"] = scene.road
    state: dict[str, Any] = {}
    for layer, cloud in layers.items():
        _add_layer(state, layer, cloud, center)
    if scene.actors:
        clouds = list(scene.actors.values())
        _add_layer(state, "dynamic_rigids", Gaussians.concatenate(clouds), np.zeros(3))
        cuboids = np.repeat(np.arange(len(clouds), dtype=np.int32), [len(cloud) for cloud in clouds])
        state[_key("dynamic_rigids", "gaussian_cuboid_ids")] = cuboids
    if scene.sky is not None:
        state["model.background.textures"] = _half(scene.sky[None])
    tensors = {key: _tensor(value) for key, value in state.items()}
    first, last = scene.ego.span_us
    ids: dict[str, list[str]] = {layer: [] for layer in layers} | (
        {"dynamic_rigids": list(scene.actors)} if scene.actors else {}
    )
    checkpoint = {
        "state_dict": {
            "model._extra_state": {"obj_track_ids": ids},
            **tensors,
            "model.time_embed._extra_state": {"timestamps_us_min": first, "timestamps_us_max": last},
        }
    }
    with package.member(name) as stream:
        sink = _Sink(stream)
        try:
            torch.save(checkpoint, cast(IO[bytes], sink))
        except Exception:
            if sink.error is not None:  # torch reports a failed write in its own words
                raise sink.error from None
            raise


class _Sink:
    """A member as torch's writer wants a file; remembers what went wrong below torch."""

    def __init__(self, stream: MemberStream) -> None:
        self._stream = stream
        self.error: Exception | None = None

    def write(self, data: Buffer) -> int:
        if self.error is not None:  # torch closes its archive after a failure too
            raise self.error
        try:
            return self._stream.write(data)
        except Exception as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Nothing to do: the package flushes at its end."""


def _key(layer: str, tensor: str) -> str:
    return f"model.gaussians_nodes.{layer}.{tensor}"


def _tensor(values: NDArray[Any]) -> Any:
    """A tensor that shares the memory; one value that stands for all is stored as one."""
    import torch

    if values.ndim and values.size and not any(values.strides):
        return torch.full((1,), float(values.flat[0]), dtype=torch.float16).expand(values.shape)
    return torch.from_numpy(np.require(values, requirements=("C", "W")))


def _specular(cloud: Gaussians) -> NDArray[np.float16]:
    """[N, 45] of bands 1 to 3, zero where the cloud has none."""
    n, columns = len(cloud), cloud.packed.shape[1] - 14
    if not columns:
        return np.broadcast_to(np.float16(0), (n, 3 * SPECULAR_COEFFICIENTS))
    specular = np.zeros((n, 3 * SPECULAR_COEFFICIENTS), np.float16)
    for start in range(0, n, _ROWS):
        specular[start : start + _ROWS, :columns] = _half(cloud.packed[start : start + _ROWS, 14:])
    return specular


def _half(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """To half precision; beyond its range the nearest half instead of infinity."""
    return np.clip(values, -_HALF_MAX, _HALF_MAX).astype(np.float16)


def _add_layer(state: dict[str, Any], layer: str, cloud: Gaussians, center: NDArray[np.float64]) -> None:
    n = len(cloud)
    tensors = {
        "positions": (cloud.means - center).astype(np.float32),
        "rotations": cloud.quaternions,
        "scales": cloud.log_scales,
        "densities": cloud.packed[:, 10:11],
        "extra_signal": np.zeros((n, 0), np.float32),
        "features_albedo": cloud.sh[:, :1],
        "features_specular": _specular(cloud),
        "n_active_features": np.array(active_sh_degree(cloud), np.int64),
    }
    state.update({_key(layer, tensor): values for tensor, values in tensors.items()})
