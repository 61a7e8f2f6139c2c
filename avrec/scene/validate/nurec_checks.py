"""`.nurec` volumes: what Kit shows, what it shows wrongly, and what it does not show without saying so."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from avrec.errors import DataError
from avrec.scene.foreign.files import gunzip
from avrec.scene.foreign.msgpack_view import MsgpackError, unpack_view
from avrec.scene.validate.archive import Archive
from avrec.scene.validate.report import Finding, error, note, warning
from avrec.scene.validate.values import entry

__all__ = ["check_volumes", "layer_counts"]

_ISAAC = ("isaac",)
_NODES = ".gaussians_nodes."
_WIDTHS = {"positions": 3, "rotations": 4, "scales": 3, "densities": 1, "features_albedo": 3}
_MAX_VOLUMES = 16
_MAX_BYTES = 600 << 20
_ROWS = 1 << 18
_COARSE_M = 250.0  # from here on half precision steps by 12 cm and more
_LAYERS = {"background", "road", "dynamic_rigids", "dynamic_deformables"}


def check_volumes(archive: Archive) -> Iterator[Finding]:
    """Findings about every volume of the package."""
    names = [name for name in archive.members if name.endswith(".nurec")]
    for name in names[:_MAX_VOLUMES]:
        if archive.members[name].size > _MAX_BYTES:
            found = f"it has {archive.members[name].size >> 20} MiB and was not looked into"
            yield note(_ISAAC, name, found, "Checking it takes too much memory", "Check a smaller part of the scene")
            continue
        try:
            state = volume_state(archive.read(name, limit=_MAX_BYTES), name)
        except DataError as reason:
            why = "Kit shows nothing, without a word"
            yield error(_ISAAC, name, str(reason)[:250], why, "Export the volume again")
            continue
        yield from _state(name, state)


def volume_state(data: bytes, name: str) -> dict[str, Any]:
    """The `state_dict` of a volume; tensors are views of bytes.

    Raises:
        DataError: it is none.
    """
    try:
        state = entry(unpack_view(gunzip(data, name)), "nre_data", "state_dict")
    except MsgpackError as reason:
        raise DataError(f"it is not a NuRec volume ({reason})") from reason
    if not isinstance(state, dict):
        raise DataError("it has no nre_data.state_dict")
    return state


def layer_counts(state: dict[str, Any]) -> dict[str, int]:
    """Gaussians in each layer of a volume, by name."""
    counts = {}
    for key in state:
        if key.startswith(_NODES) and key.endswith(".positions"):
            shape = state.get(f"{key}.shape")
            if isinstance(shape, list) and shape and type(shape[0]) is int:
                counts[key.removeprefix(_NODES).removesuffix(".positions")] = shape[0]
    return counts


def _state(name: str, state: dict[str, Any]) -> Iterator[Finding]:
    keys = (key for key in state if key.startswith(_NODES))
    layers = list(dict.fromkeys(key.removeprefix(_NODES).split(".")[0] for key in keys))
    if not layers:
        yield error(_ISAAC, name, "it has no layer of Gaussians", "Nothing is shown", "Export the volume again")
    if _LAYERS & set(layers):
        found = f"it is a composite volume with the layers {', '.join(layers[:6])}"
        why = "3DGRUT and other open readers take a single static layer"
        yield note(_ISAAC, name, found, why, "Import it with avrec to get a static volume too")
    for layer in layers[:64]:
        yield from _layer(name, layer, state)


def _layer(name: str, layer: str, state: dict[str, Any]) -> Iterator[Finding]:
    where = f"{name}: {_NODES}{layer}"
    shapes = {}
    for key in (*_WIDTHS, "features_specular"):
        data, shape = state.get(f"{_NODES}{layer}.{key}"), state.get(f"{_NODES}{layer}.{key}.shape")
        if not isinstance(data, memoryview | bytes) or not isinstance(shape, list):
            why = "Readers need the six tensors and their shapes"
            yield error(_ISAAC, f"{where}.{key}", "the tensor or its shape is missing", why, "Export the volume again")
            continue
        fits = all(type(size) is int and size >= 0 for size in shape) and math.prod(shape) * 2 == len(data)
        width = _WIDTHS.get(key, shape[-1] if shape else 0)
        if not fits or len(shape) < 2 or shape[-1] != width:
            found = f"shape {str(shape)[:60]} does not fit its {len(data)} bytes of half floats"
            yield error(_ISAAC, f"{where}.{key}", found, "The tensor cannot be read", "Export the volume again")
            continue
        shapes[key] = shape
        yield from _values(f"{where}.{key}", key, data)
    counts = {shape[0] for shape in shapes.values()}
    if len(counts) > 1:
        found = f"the tensors have {', '.join(str(count) for count in sorted(counts))} rows"
        yield error(_ISAAC, where, found, "They belong together row by row", "Export the volume again")
    yield from _degree(where, layer, state, shapes.get("features_specular"))


def _degree(where: str, layer: str, state: dict[str, Any], specular: list[int] | None) -> Iterator[Finding]:
    raw = state.get(f"{_NODES}{layer}.n_active_features")
    degree = int.from_bytes(bytes(raw), "little", signed=True) if isinstance(raw, memoryview | bytes) else None
    if degree is None or len(raw) not in (4, 8):  # type: ignore[arg-type]
        found = "the SH degree in use is missing"
        yield error(_ISAAC, f"{where}.n_active_features", found, "Readers need it", "Write 0 or 3 as int64")
    elif degree in (1, 2):
        why = "Isaac Sim loads degree 0 or 3 only; with 1 or 2 it shows nothing, without a word"
        remedy = "Say 3 and fill the missing bands with zeros, which is the same picture"
        yield error(_ISAAC, f"{where}.n_active_features", f"the SH degree is {degree}", why, remedy)
    elif degree not in (0, 3):
        found = f"the SH degree is {degree}"
        yield error(_ISAAC, f"{where}.n_active_features", found, "There is no such degree", "Write 0 or 3")
    if specular is not None and specular[-1] != 45 and degree == 3:
        found = f"it has {specular[-1]} columns; degree 3 has 45"
        yield error(_ISAAC, f"{where}.features_specular", found, "Readers expect 15 x RGB", "Fill up with zeros")


def _values(where: str, key: str, data: memoryview | bytes) -> Iterator[Finding]:
    flat = np.frombuffer(data, "<f2")
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    bad, zero = 0, 0
    for start in range(0, len(flat), _ROWS * 12):
        block = flat[start : start + _ROWS * 12]
        finite = np.isfinite(block)
        bad += int(np.count_nonzero(~finite))
        if key == "positions" and finite.any():
            rows = np.where(finite, block, np.nan).astype(np.float32).reshape(-1, 3)
            low, high = np.fmin(low, np.fmin.reduce(rows)), np.fmax(high, np.fmax.reduce(rows))
        if key == "rotations":
            zero += int(np.count_nonzero(~block.reshape(-1, 4).any(axis=1)))
    if bad:
        remedy = "Drop such Gaussians; positions beyond 65504 m overflow half precision"
        yield error(_ISAAC, where, f"{bad} values are not finite", "Readers crash or show black boxes", remedy)
    if zero:
        found = f"{zero} quaternions are zero"
        yield warning(_ISAAC, where, found, "They cannot be normalised", "Drop such Gaussians")
    reach = float(np.max(np.abs([low, high]), where=np.isfinite([low, high]), initial=0.0))
    if reach > _COARSE_M:
        step = 2.0 ** (math.floor(math.log2(reach)) - 10)
        why = "Far Gaussians jump between the steps of half precision"
        remedy = "Store positions around the scene's centre and say so in world_to_nre"
        if float(np.nanmax(high - low)) / 2 > reach / 2:  # moving them would win less than one step
            remedy = "They lie around their centre already: nothing to do, unless what is far off matters in Isaac Sim"
        found = f"positions reach {reach:.0f} m, where half precision steps by {step * 100:.0f} cm"
        yield note(_ISAAC, where, found, why, remedy)
