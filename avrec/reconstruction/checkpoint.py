"""The state of an optimisation on disk, written beside the scene it will become and replaced whole."""

from __future__ import annotations

import glob
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError, OutputError
from avrec.reconstruction.trainer import Trainer

__all__ = ["Stored", "checkpoint_path", "discard", "read", "restore", "save"]

_FORMAT = 1
_DAMAGE = (OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, EOFError, zipfile.BadZipFile)


def checkpoint_path(output: Path) -> Path:
    """Where the checkpoint of a scene file lies: ``kitti.usdz`` -> ``kitti.usdz.checkpoint``."""
    return output.with_name(output.name + ".checkpoint")


def save(path: Path, trainer: Trainer, fingerprint: str) -> None:
    """Write everything a resumed run needs to give the same bits as one that was never stopped.

    Raises:
        OutputError: the file cannot be written; an older checkpoint then stays as it was.
    """
    model, count = trainer.model, trainer.model.count
    arrays: dict[str, NDArray[Any]] = {
        "packed": model.packed[:count],
        "moments": model.moments[:, :count],
        "body": model.body[:count],
        "demand": model.demand[:count],
        "sky": model.sky,
        "sky_moments": model.sky_moments,
        "queue": np.array(trainer.queue, np.int64),
        **{f"color/{name}": value for name, value in model.colors.items()},
        **{f"color_moments/{name}": value for name, value in model.color_moments.items()},
        **{f"pose/{name}": value for name, value in trainer.poses.state().items()},
    }
    about = {
        "format": _FORMAT,
        "fingerprint": fingerprint,
        "iteration": trainer.iteration,
        "spent_s": trainer.spent_s,
        "capacity": model.capacity,
        "rng": trainer.rng.bit_generator.state,
    }
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"The checkpoint {path} cannot be written ({error.strerror or error}).") from error
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True)
class Stored:
    """A checkpoint that was read and fits.

    Attributes:
        path: where it lies.
        arrays: what `save` wrote.
        about: the rest: iteration, seconds, state of the draws.
    """

    path: Path
    arrays: Mapping[str, NDArray[Any]]
    about: Mapping[str, Any]


def read(path: Path, fingerprint: str) -> Stored:
    """Read a checkpoint, before the work that it continues is set up.

    Raises:
        DataError: there is none, it is damaged, or it belongs to another recording or other settings.
    """
    if not path.is_file():
        raise DataError(f"There is no checkpoint {path} to resume from. Run without --resume.")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(arrays.pop("about").tobytes())
        fits = about["format"] == _FORMAT and about["fingerprint"] == fingerprint
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    if not fits:
        raise DataError(
            f"The checkpoint {path} belongs to another recording or other settings. "
            "Repeat the command it was made with, or run without --resume."
        )
    return Stored(path, arrays, about)


def restore(stored: Stored, trainer: Trainer) -> None:
    """Take up a checkpoint. Changes the trainer in place.

    Raises:
        DataError: parts of it are missing or have another shape.
    """
    arrays, about, model = stored.arrays, stored.about, trainer.model
    try:
        count = len(arrays["packed"])
        model.packed = np.zeros((about["capacity"], arrays["packed"].shape[1]), np.float32)
        model.moments = np.zeros((2, *model.packed.shape), np.float32)
        model.body = np.zeros(about["capacity"], np.int32)
        model.packed[:count], model.moments[:, :count], model.body[:count] = (
            arrays["packed"], arrays["moments"], arrays["body"]
        )  # fmt: skip
        model.demand = np.zeros(about["capacity"], np.float32)
        model.demand[:count] = arrays["demand"]
        model.count = count
        model.sky = _like(model.sky, arrays["sky"])
        model.sky_moments = _like(model.sky_moments, arrays["sky_moments"])
        for name in model.colors:
            model.colors[name] = _like(model.colors[name], arrays[f"color/{name}"])
            model.color_moments[name] = _like(model.color_moments[name], arrays[f"color_moments/{name}"])
        trainer.poses.restore({k.removeprefix("pose/"): v for k, v in arrays.items() if k.startswith("pose/")})
        trainer.queue = [range(len(trainer.pictures))[number] for number in arrays["queue"].tolist()]
        trainer.iteration, trainer.spent_s = int(about["iteration"]), float(about["spent_s"])
        trainer.rng.bit_generator.state = about["rng"]
    except _DAMAGE as error:
        raise _damaged(stored.path, error) from error


def _like(now: NDArray[Any], stored: NDArray[Any]) -> NDArray[Any]:
    if (stored.shape, stored.dtype) != (now.shape, now.dtype):
        raise ValueError(f"{stored.dtype} {stored.shape} instead of {now.dtype} {now.shape}")
    return stored


def _damaged(path: Path, error: BaseException) -> DataError:
    return DataError(f"The checkpoint {path} is damaged ({error}). Run without --resume.")


def discard(path: Path) -> None:
    """Remove a checkpoint that is not needed any more, and what a killed run may have left of one."""
    for left in (path, *path.parent.glob(f".{glob.escape(path.name)}.*.part")):
        left.unlink(missing_ok=True)
