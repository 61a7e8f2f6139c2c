"""Every constant of a reconstruction in one place, and the presets."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace

from avrec.errors import AvrecError

__all__ = ["PRESETS", "ReconstructionConfig", "affordable", "checked", "preset"]

# Parameters, moments and gradients at degree 2, and the tile lists and gradients of about ten tiles per Gaussian.
_BYTES_PER_GAUSSIAN = 2048


@dataclass(frozen=True)
class ReconstructionConfig:
    """How to reconstruct. Fractions are of the budget (seconds, or iterations where those are given).

    Attributes:
        budget_s: seconds to optimise; starts after initialisation.
        iterations: optimise for this many steps instead of for a time.
        seed: of everything random.
        most_gaussians: cap on their number, all layers together; the machine's memory may set a lower one.
        most_points: cap on initial points.
        sh_degree: harmonics of the static layer and the actors.
        sh_from: the higher harmonics join here.
        levels: (until, divisor): images are shrunk by the divisor until that fraction.
        ssim_weight: share of D-SSIM in the loss.
        rate_scale: multiplies all learning rates of the Gaussians but the means'.
        mean_rate: learning rate of the means in metres at the start and the end (exponential in between).
        mean_size_m: means move in proportion to their Gaussian's size over this (within 1/4 and 4); 0 is off.
        decay_from: the other rates fall by ``decay`` from this fraction to the end.
        decay: see above.
        refine_every: iterations between relocations.
        refine_from: first relocation, iterations.
        refine_until: last one, fraction.
        growth: relative growth per refinement.
        by_demand: copy Gaussians that pictures pull at; False copies opaque ones, as 3DGS-MCMC does.
        noise_every: iterations between noise on faint Gaussians; ``noise`` scales it.
        noise: see above.
        opacity_weight, scale_weight: regularisers, divided by the number of Gaussians.
        least_size_m: standard deviation along any axis of a Gaussian, kept up at every relocation; 0 is off.
        sky_size: texels along an edge of the sky's cubemap.
        sky_pull: how strongly Gaussians are thinned out where the sky behind them explains the picture; 0 is off.
        ground_pull: how strongly pixels below the horizon are made opaque; 0 is off.
        depth_weight: of the mean relative error against the lidar, where there is one; 0 is off.
        solid_pull: how strongly pixels with a lidar return are made opaque; 0 is off.
        depth_every: steps from one that looks at the depth to the next.
        refine_poses: correct ego poses and extrinsics.
        pose_from: pose correction starts at this fraction.
        pose_every: steps from one with pose gradients, which cost a sixth of a step, to the next.
        pose_rate: learning rate in radians (and metres x 5) at full speed; of ego poses no more than is unsure.
        pose_smoothness: weight of the correction's second difference in time.
        appearance: learn a colour correction per camera.
        model_shutter: False ignores the rolling shutter (to measure what modelling it is worth).
        checkpoint_s: seconds between checkpoints.
    """

    budget_s: float = 300.0
    iterations: int | None = None
    seed: int = 0
    most_gaussians: int = 160_000
    most_points: int = 60_000
    sh_degree: int = 1
    sh_from: float = 0.15
    levels: tuple[tuple[float, int], ...] = ((0.06, 4), (0.3, 2), (1.0, 1))
    ssim_weight: float = 0.2
    rate_scale: float = 5.0
    mean_rate: tuple[float, float] = (8e-3, 8e-5)
    mean_size_m: float = 0.05
    decay_from: float = 0.5
    decay: float = 0.1
    refine_every: int = 100
    refine_from: int = 200
    refine_until: float = 0.85
    growth: float = 0.05
    by_demand: bool = True
    noise_every: int = 10
    noise: float = 50.0
    opacity_weight: float = 0.01
    scale_weight: float = 0.01
    least_size_m: float = 1e-3
    sky_size: int = 64
    sky_pull: float = 0.04
    ground_pull: float = 0.02
    depth_weight: float = 0.1
    solid_pull: float = 0.02
    depth_every: int = 2
    refine_poses: bool = True
    pose_from: float = 0.05
    pose_every: int = 2
    pose_rate: float = 6e-4
    pose_smoothness: float = 1e-3
    appearance: bool = True
    model_shutter: bool = True
    checkpoint_s: float = 60.0

    def divisor(self, progress: float) -> int:
        """How much images are shrunk at this fraction of the budget."""
        for until, divisor in self.levels:
            if progress < until:
                return divisor
        return self.levels[-1][1]


PRESETS = {
    "fast": ReconstructionConfig(most_gaussians=60_000, most_points=40_000, levels=((0.15, 4), (0.6, 2), (1.0, 1))),
    "balanced": ReconstructionConfig(),
    "best": ReconstructionConfig(most_gaussians=300_000, most_points=120_000, sh_degree=2),
}


def preset(name: str, **changes: object) -> ReconstructionConfig:
    """A preset with some fields changed.

    Raises:
        AvrecError: no such preset, or a value that makes no sense.
    """
    if name not in PRESETS:
        raise AvrecError(f"Unknown preset '{name}'. Use one of {', '.join(PRESETS)}.")
    return checked(replace(PRESETS[name], **changes))  # type: ignore[arg-type]


def affordable(config: ReconstructionConfig) -> ReconstructionConfig:
    """The same configuration with no more Gaussians than an eighth of the machine's memory holds."""
    most = max(_physical_bytes() // 8 // _BYTES_PER_GAUSSIAN, 1000)
    return replace(config, most_gaussians=min(config.most_gaussians, most))


def _physical_bytes() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on every system
        return 8 << 30


def checked(config: ReconstructionConfig) -> ReconstructionConfig:
    """The same configuration.

    Raises:
        AvrecError: a budget, a number of iterations or a seed that makes no sense.
    """
    if config.iterations is not None and config.iterations < 1:
        raise AvrecError(f"The number of iterations is {config.iterations}. Give 1 or more.")
    if config.iterations is None and not 0 < config.budget_s < math.inf:
        raise AvrecError(f"The budget is {config.budget_s} seconds. Give more than 0, and an end.")
    if config.seed < 0:
        raise AvrecError(f"The seed is {config.seed}. Give 0 or more.")
    return config
