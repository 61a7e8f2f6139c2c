"""Where a curated dataset goes: its name in FiftyOne and the folder of its files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from avrec.errors import DataError, OutputError
from avrec.scene.json_text import load_json

__all__ = ["MARKER", "Target", "refuse_foreign_folder", "target_beside"]

MARKER = "curation.json"
"""Says what a folder of ours belongs to; also how it is recognised."""

_MAX_MARKER_BYTES = 1 << 20


@dataclass(frozen=True)
class Target:
    """Where to write.

    Attributes:
        name: of the dataset.
        folder: for pictures and Gaussians; the dataset names its files by absolute path.
        overwrite: replace a dataset and a folder that an earlier call wrote under these names.
    """

    name: str
    folder: Path
    overwrite: bool = False


def target_beside(scene: Path, name: str, *, overwrite: bool = False) -> Target:
    """The dataset ``name`` with its folder ``<name>_fiftyone`` beside a scene file."""
    plain = re.sub(r"[^\w+-]+", "-", name).strip("-") or "dataset"
    return Target(name, scene.absolute().parent / f"{plain}_fiftyone", overwrite)


def refuse_foreign_folder(target: Target) -> None:
    """Say before the work, not after it, that its result would replace something of value.

    Raises:
        OutputError: the folder is taken: by files not ours, by another dataset, or by this one without ``overwrite``.
    """
    folder = target.folder
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    marker = folder / MARKER
    if not marker.is_file():
        raise OutputError(f"{folder} was not written by avrec (it has no {MARKER}). Choose another --fiftyone-dir.")
    try:
        with open(marker, "rb") as file:
            document = load_json(file.read(_MAX_MARKER_BYTES), what=str(marker))
        owner = document["dataset"]
    except (OSError, DataError, KeyError, TypeError) as error:
        raise OutputError(
            f"{marker} does not say which dataset the folder belongs to ({error}). Choose another --fiftyone-dir."
        ) from error
    if owner != target.name:
        raise OutputError(f"{folder} belongs to the dataset '{owner}'. Choose another --fiftyone-dir.")
    if not target.overwrite:
        raise OutputError(f"{folder} exists already. Choose another --fiftyone-dir or add --overwrite.")
