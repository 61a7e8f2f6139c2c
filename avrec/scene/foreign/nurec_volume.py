"""Reads `.nurec` volumes: the static layout of 3DGRUT and, as far as it is known, the layers of automotive scenes.

A gzip stream holds one msgpack map; tensors are raw little-endian bytes under ``.name`` with their shape under
``.name.shape`` and no type, which follows from the sizes. All values are pre-activation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.files import open_to_read
from avrec.gaussians import Gaussians
from avrec.scene.foreign.cleaning import MAX_GAUSSIANS, Notes, cleaned, without_empty_bands
from avrec.scene.foreign.files import gunzip, problem
from avrec.scene.foreign.imported import ImportedCloud
from avrec.scene.foreign.msgpack_view import MsgpackError, unpack_view

__all__ = ["decode_volume", "read_nurec_static"]

Float32 = NDArray[np.float32]

_NODES = ".gaussians_nodes."
_DEGREES = {0: 0, 9: 1, 24: 2, 45: 3}
_FLOATS = {2: "<f2", 4: "<f4"}
_INTEGERS = {4: "<i4", 8: "<i8"}
_MAX_FOURIER = 256
_MAX_SKY = 4096
_MAX_ACTORS = 100_000


def read_nurec_static(source: str | Path | bytes, *, name: str = "volume.nurec") -> ImportedCloud:
    """Read a bare `.nurec` file, or its bytes.

    Positions are in the volume's own frame. Of automotive scenes the static layers become one cloud, but the road one
    of its own, rigid actors a cloud each in the frame of their box, and the sky a cubemap; ``notes`` says what else
    there was.

    Raises:
        DataError: no such file, not a volume, damaged, or with sizes that do not fit each other.
    """
    if isinstance(source, bytes):
        return decode_volume(source, name)
    with open_to_read(source) as (file, _):
        return decode_volume(file.read(), source)


def decode_volume(data: bytes | memoryview, source: object) -> ImportedCloud:
    """As :func:`read_nurec_static`; ``source`` is named in errors."""
    try:
        document = unpack_view(gunzip(data, source))
    except MsgpackError as error:
        raise problem(source, f"it is not a NuRec volume ({error})") from error
    outer = document.get("nre_data") if isinstance(document, dict) else None
    state = outer.get("state_dict") if isinstance(outer, dict) else None
    if not isinstance(outer, dict) or not isinstance(state, dict):
        raise problem(source, "it is not a NuRec volume (it has no nre_data.state_dict)")
    with np.errstate(all="ignore"):  # what is not finite is dropped
        return _Volume(outer, state, source).imported()


@dataclass
class _Volume:
    outer: dict[str, Any]
    state: dict[str, Any]
    source: object

    def __post_init__(self) -> None:
        self.notes: Notes = []
        self.used: set[str] = set()

    def imported(self) -> ImportedCloud:
        layers = list(dict.fromkeys(key[len(_NODES) :].split(".")[0] for key in self.state if key.startswith(_NODES)))
        layers = [layer for layer in layers if f"{_NODES}{layer}.positions" in self.state]
        if not layers:
            raise self.wrong("it holds no layer of Gaussians")
        if not all(layer.isprintable() and len(layer) <= 40 for layer in layers):
            raise self.wrong("the names of its layers are damaged")
        static, actors = list[Gaussians](), dict[str, Gaussians]()
        road: Gaussians | None = None
        for layer in layers:
            if f"{_NODES}{layer}.gaussian_cuboid_ids" in self.state:
                self._add_actors(layer, actors)
            elif layer == "road" and len(layers) > 1:
                road = without_empty_bands(self._layer(layer, moving=False)[0])
            else:
                static.append(self._layer(layer, moving=False)[0])
        whole = without_empty_bands(Gaussians.concatenate(static))
        sky = self._sky()
        self._note_leftovers()
        version, model = (str(self.outer.get(key, ""))[:40] for key in ("version", "model"))
        metadata = {"version": version, "model": model, "layers": layers}
        return ImportedCloud(
            gaussians=whole,
            format="NuRec",
            actors=actors,
            road=road,
            sky=sky,
            notes=tuple(self.notes),
            metadata=metadata,
        )

    def wrong(self, what: str) -> DataError:
        return problem(self.source, what)

    def tensor(self, key: str, kinds: Mapping[int, str]) -> NDArray[Any]:
        """A tensor of the state; ``kinds`` maps the bytes of an element to its type."""
        raw, shape = self.state.get(key), self.state.get(f"{key}.shape")
        self.used |= {key, f"{key}.shape"}
        short = key[:80]
        if not isinstance(raw, memoryview) or not isinstance(shape, list) or len(shape) > 8:
            raise self.wrong(f"its tensor {short} or its shape is missing")
        if any(type(side) is not int or not 0 <= side <= 1 << 40 for side in shape):
            raise self.wrong(f"its tensor {short} has an impossible shape")
        count = math.prod(shape)
        if not count and not len(raw):
            return np.zeros(shape if max(shape) <= MAX_GAUSSIANS else (0,), next(iter(kinds.values())))
        width = len(raw) // count if count else 0
        if width not in kinds or width * count != len(raw):
            raise self.wrong(f"its tensor {short} has {len(raw)} bytes, which do not fill its shape")
        return np.frombuffer(raw, kinds[width]).reshape(shape)

    def _layer(self, layer: str, *, moving: bool) -> tuple[Gaussians, NDArray[np.int64]]:
        """The Gaussians of one layer and, for actors, the cuboid of each."""
        prefix = f"{_NODES}{layer}."
        columns = {"positions": 3, "rotations": 4, "scales": 3, "densities": 1}
        parts = {name: self.tensor(prefix + name, _FLOATS) for name in columns}
        count = len(parts["positions"]) if parts["positions"].ndim else -1
        albedo, specular = self._albedo(prefix, layer, moving), self._specular(prefix)
        for name, width in columns.items():
            if parts[name].shape != (count, width):
                raise self.wrong(f"its layer {layer} has {name} of shape {list(parts[name].shape)}")
        if count > MAX_GAUSSIANS or len(albedo) != count or len(specular) != count:
            raise self.wrong(f"its layer {layer} has colours for another number of Gaussians")
        self.used |= {f"{prefix}extra_signal", f"{prefix}extra_signal.shape"} if self._empty(prefix) else set()
        packed = np.empty((count, 14 + specular.shape[1]), np.float32)
        packed[:, 0:3], packed[:, 3:7], packed[:, 7:10] = parts["positions"], parts["rotations"], parts["scales"]
        packed[:, 10:11], packed[:, 11:14], packed[:, 14:] = parts["densities"], albedo, specular
        cuboids = np.zeros(count, np.int64)
        if moving:
            ids = self.tensor(f"{prefix}gaussian_cuboid_ids", _INTEGERS)
            if ids.size != count:
                raise self.wrong(f"its layer {layer} has cuboids for another number of Gaussians")
            finite = np.isfinite(packed).all(axis=1)
            cuboids, packed = ids.reshape(count).astype(np.int64)[finite], packed[finite]
            if not finite.all():
                dropped = count - len(packed)
                self.notes.append(f"{dropped} of {count} Gaussians had values that are not finite and were dropped.")
        try:
            return cleaned(Gaussians(np.ascontiguousarray(packed)), self.notes), cuboids
        except DataError as error:
            raise self.wrong(f"none of the {count} Gaussians of its layer {layer} has finite values") from error

    def _empty(self, prefix: str) -> bool:
        raw = self.state.get(f"{prefix}extra_signal")
        return isinstance(raw, memoryview) and not len(raw)

    def _albedo(self, prefix: str, layer: str, moving: bool) -> NDArray[Any]:
        albedo = self.tensor(f"{prefix}features_albedo", _FLOATS)
        if albedo.ndim == 2 and albedo.shape[1] == 3:
            return albedo
        if albedo.ndim != 3 or albedo.shape[2] != 3 or not 1 <= albedo.shape[1] <= _MAX_FOURIER:
            raise self.wrong(f"its layer {layer} has colours of shape {list(albedo.shape)[:8]}")
        terms = albedo.shape[1]
        if terms > 1:
            what = "the first of" if moving else "the sum of"
            self.notes.append(f"Layer {layer} changes colour over time; {what} its {terms} terms was taken.")
        first: NDArray[Any] = albedo[:, 0] if moving else albedo.sum(axis=1, dtype=np.float32)
        return first

    def _specular(self, prefix: str) -> NDArray[Any]:
        """[N, 3 (K - 1)], coefficient-major, of the bands in use."""
        key = f"{prefix}features_specular"
        specular = self.tensor(key, _FLOATS)
        wide = (
            specular.reshape(len(specular), math.prod(specular.shape[1:])) if specular.ndim > 1 else specular[:, None]
        )
        if wide.shape[1] not in _DEGREES:
            raise self.wrong(f"its tensor {key[:80]} has {wide.shape[1]} columns, where 0, 9, 24 or 45 are whole bands")
        active = f"{prefix}n_active_features"
        if active not in self.state:
            return wide
        degree = self.tensor(active, _INTEGERS)
        if degree.size != 1 or not 0 <= int(degree.reshape(-1)[0]) <= 3:
            raise self.wrong(f"its tensor {active[:80]} is not a degree from 0 to 3")
        most = min(int(degree.reshape(-1)[0]), _DEGREES[wide.shape[1]])
        return wide[:, : 3 * ((most + 1) ** 2 - 1)]

    def _add_actors(self, layer: str, actors: dict[str, Gaussians]) -> None:
        cloud, cuboids = self._layer(layer, moving=True)
        extra = self.state.get("._extra_state")
        tracks = extra.get("obj_track_ids") if isinstance(extra, dict) else None
        names = tracks.get(layer) if isinstance(tracks, dict) else None
        if not isinstance(names, list) or len(names) > _MAX_ACTORS or not all(isinstance(n, str) for n in names):
            raise self.wrong(f"its layer {layer} does not say which track each cuboid is")
        if len(cuboids) and not 0 <= int(cuboids.min()) <= int(cuboids.max()) < len(names):
            raise self.wrong(f"its layer {layer} has Gaussians of a cuboid that has no track")
        if any(key.startswith(f"{_NODES}{layer}.deform") for key in self.state):
            self.notes.append(f"Layer {layer} bends over time; its actors were taken in their resting shape.")
        order = np.argsort(cuboids, kind="stable")
        counts = np.bincount(cuboids, minlength=len(names)) if len(cuboids) else np.zeros(len(names), np.int64)
        ends = np.cumsum(counts)
        for number, name in enumerate(names):
            if counts[number]:
                part = cloud.take(order[ends[number] - counts[number] : ends[number]])
                known = [actors[name]] if name in actors else []
                actors[name] = without_empty_bands(Gaussians.concatenate([*known, part]))

    def _sky(self) -> Float32 | None:
        key = ".background.textures"
        if key not in self.state:
            return None
        texture = self.tensor(key, _FLOATS)
        shape = texture.shape[1:] if texture.ndim == 5 and texture.shape[0] == 1 else texture.shape
        if len(shape) != 4 or shape[0] != 6 or shape[3] != 3 or shape[1] != shape[2] or not 1 <= shape[1] <= _MAX_SKY:
            self.notes.append("Its sky is not a cubemap and was left out.")
            return None
        self.notes.append("Where its sky points is documented in two ways that differ by half a turn; look at it.")
        return np.nan_to_num(texture.reshape(shape).astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0)

    def _note_leftovers(self) -> None:
        """Name what was not read, by groups, so that nothing disappears silently."""
        left = [
            key
            for key in self.state
            if key not in self.used and not key.endswith(".shape") and "_extra_state" not in key
        ]
        left = [key for key in left if not key.endswith(".n_active_features")]
        groups = list(dict.fromkeys(_group(key) for key in left))
        if groups:
            more = f" and {len(groups) - 12} more" if len(groups) > 12 else ""
            self.notes.append(f"Left out, as avrec has no use for it: {', '.join(groups[:12])}{more}.")


def _group(key: str) -> str:
    """A tensor's place without its last part, printable and short."""
    parts = key.lstrip(".").split(".")
    name = ".".join(parts[:3]) if key.startswith(_NODES) else parts[0]
    return "".join(character if character.isprintable() else "?" for character in name)[:60]
