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
        gaussians: everything that stands still, but a road layer. The frame is the file's; what names its axes is
            turned to z up.
        format: what the file was, for people: "PLY", "SPZ", "NuRec", "ParticleField", "avrec scene".
        actors: Gaussians in the frame of a track's box, by track name, where the file has such layers.
        road: Gaussians of the road surface where the file has them as a layer of their own.
        sky: float32 [6, S, S, 3] cubemap in the faces and axes of :class:`avrec.scene.Scene`, or None.
        notes: what was repaired, assumed or left out, one sentence each.
        metadata: facts of the file that Gaussians cannot hold (versions, layers and their sizes); JSON can hold it.
    """

    gaussians: Gaussians
    format: str
    actors: Mapping[str, Gaussians] = field(default_factory=dict)
    road: Gaussians | None = None
    sky: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def world_gaussians(self) -> Gaussians:
        """Everything that stands still, the road too."""
        return self.gaussians if self.road is None else Gaussians.concatenate([self.gaussians, self.road])
