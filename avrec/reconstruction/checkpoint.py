"""The state of an optimisation on disk, written beside the scene it will become and replaced whole."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError, OutputError
from avrec.reconstruction.trainer import Trainer

__all__ = ["checkpoint_path", "discard", "restore", "save"]

_FORMAT = 1


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
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"The checkpoint {path} cannot be written ({error.strerror or error}).") from error
    finally:
        temporary.unlink(missing_ok=True)


def restore(path: Path, trainer: Trainer, fingerprint: str) -> None:
    """Take up a checkpoint. Changes the trainer in place.

    Raises:
        DataError: there is none, it is damaged, or it belongs to another recording or other settings.
    """
    if not path.is_file():
        raise DataError(f"There is no checkpoint {path} to resume from. Run without --resume.")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        about = json.loads(arrays.pop("about").tobytes())
        if about["format"] != _FORMAT or about["fingerprint"] != fingerprint:
            raise DataError(
                f"The checkpoint {path} belongs to another recording or other settings. "
                "Repeat the command it was made with, or run without --resume."
            )
        model = trainer.model
        count = len(arrays["packed"])
        model.packed = np.zeros((about["capacity"], arrays["packed"].shape[1]), np.float32)
        model.moments = np.zeros((2, *model.packed.shape), np.float32)
        model.body = np.zeros(about["capacity"], np.int32)
        model.packed[:count], model.moments[:, :count], model.body[:count] = (
            arrays["packed"], arrays["moments"], arrays["body"]
        )  # fmt: skip
        model.count = count
        model.sky, model.sky_moments = arrays["sky"], arrays["sky_moments"]
        for name in model.colors:
            model.colors[name] = arrays[f"color/{name}"]
            model.color_moments[name] = arrays[f"color_moments/{name}"]
        trainer.poses.restore({k.removeprefix("pose/"): v for k, v in arrays.items() if k.startswith("pose/")})
        trainer.queue = arrays["queue"].tolist()
        trainer.iteration, trainer.spent_s = int(about["iteration"]), float(about["spent_s"])
        trainer.rng.bit_generator.state = about["rng"]
    except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"The checkpoint {path} is damaged ({error}). Run without --resume.") from error


def discard(path: Path) -> None:
    """Remove a checkpoint that is not needed any more."""
    path.unlink(missing_ok=True)
