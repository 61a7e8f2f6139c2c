"""What a file of somebody else's becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.gaussians import Gaussians

__all__ = ["ImportedCloud"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ImportedCloud:
    """Gaussians read from a foreign file.

    Attributes:
        gaussians: everything that stands still. The frame is the file's; what names its axes is turned to z up.
        format: what the file was, for people: "PLY", "SPZ", "NuRec", "ParticleField", "avrec scene".
        actors: Gaussians in the frame of a track's box, by track name, where the file has such layers.
        sky: float32 [6, S, S, 3] cubemap in the faces and axes of :class:`avrec.scene.Scene`, or None.
        notes: what was repaired, assumed or left out, one sentence each.
        metadata: facts of the file that Gaussians cannot hold (versions, layers and their sizes); JSON can hold it.
    """

    gaussians: Gaussians
    format: str
    actors: Mapping[str, Gaussians] = field(default_factory=dict)
    sky: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
