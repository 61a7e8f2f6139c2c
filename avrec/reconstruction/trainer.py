"""The optimisation loop: one picture per step, no autograd graph.

A step renders a picture, compares it, takes the kernel's hand-written gradients back to Gaussians, sky, colour and
pose, and moves each with Adam. What changes over time is a function of the fraction of the budget that is spent.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avrec.gaussians import coefficients_for_degree
from avrec.raster.native import NativeRasterizer
from avrec.raster.native.optimise import BETA1, BETA2, PhotometricLoss, adam_dense, adam_rows
from avrec.raster.view import SCENE_SETTINGS, View
from avrec.reconstruction.config import ReconstructionConfig
from avrec.reconstruction.depths import PictureDepth, depth_gradient
from avrec.reconstruction.model import LayeredModel
from avrec.reconstruction.pictures import Picture, PictureAtSize
from avrec.reconstruction.poses import PoseCorrection, PoseStep
from avrec.reconstruction.sky import below_horizon, sky_pull

if TYPE_CHECKING:  # it needs torch, which takes a second to import
    from avrec.raster.autograd_rasterizer import AutogradRasterizer

__all__ = ["StepReport", "Trainer"]

Float32 = NDArray[np.float32]

# What lies behind 99.8 % of opacity teaches nothing and costs a tenth of a step.
SETTINGS = replace(SCENE_SETTINGS, min_transmittance=2e-3)
# Learning rates at speed 1: quaternion, log scale, logit opacity, constant and higher harmonics.
_QUATERNION, _SCALE, _OPACITY, _COLOR, _HARMONICS = 1e-3, 5e-3, 0.03, 5e-3, 2.5e-3 / 8
_SKY, _CORRECTION = 5e-3, 5e-4
# Pull of the colour correction towards none, so that it and the scene's colours cannot drift apart together.
_CORRECTION_PULL = 1e-3
_SKY_PULL_EVERY = 4
_LEAST_POSE_RATE = 5e-5


@dataclass(frozen=True)
class StepReport:
    """What one step did."""

    iteration: int
    progress: float
    loss: float
    psnr: float
    gaussians: int
    visible: int


@dataclass
class Trainer:
    """The state of an optimisation.

    Attributes:
        model: what is optimised.
        poses: pose correction; used, and refined if the configuration says so.
        pictures: what to learn from.
        depths: lidar depth by (camera, timestamp_us), of the pictures that have one.
        config: constants.
        rng: source of all draws.
        iteration: steps taken.
        spent_s: seconds spent in steps, over all sessions.
        pose_uncertainty_rad: how far off poses may be at the start; larger steps only shake them.
        rasterizer: what renders; poses are only refined where it has gradients of them.
    """

    model: LayeredModel
    poses: PoseCorrection
    pictures: Sequence[Picture]
    config: ReconstructionConfig
    rng: np.random.Generator
    iteration: int = 0
    spent_s: float = 0.0
    queue: list[int] = field(default_factory=list)
    depths: Mapping[tuple[str, int], PictureDepth] = field(default_factory=dict)
    pose_uncertainty_rad: float = math.inf
    rasterizer: NativeRasterizer | AutogradRasterizer = field(default_factory=NativeRasterizer)

    def __post_init__(self) -> None:
        self._loss = PhotometricLoss(self.config.ssim_weight)
        self._divisor = 0
        self._below = below_horizon(self.model.sky.shape[1])

    @property
    def progress(self) -> float:
        """Fraction of the budget that is spent."""
        if self.config.iterations is not None:
            return self.iteration / self.config.iterations
        return self.spent_s / self.config.budget_s

    def run(
        self,
        *,
        stop: Callable[[], bool] = lambda: False,
        after_step: Callable[[StepReport], None] = lambda report: None,
    ) -> None:
        """Step until the budget is spent or ``stop`` says so. Time in ``after_step`` does not count."""
        while self.progress < 1.0 and not stop():
            start = time.perf_counter()
            report = self.step()
            self.spent_s += time.perf_counter() - start
            after_step(report)

    def step(self) -> StepReport:
        """Learn from one picture."""
        config, progress = self.config, self.progress
        picture, seen = self._next_picture(progress)
        count, model = self.model.count, self.model

        # 1. Render with the poses as they are corrected now.
        pose = self.poses.pose(picture.camera, seen.times_us, seen.rig)
        view = View(seen.model, pose.rotation, pose.origin, seen.axis, seen.bodies)
        harmonics = 1 if progress < config.sh_from else coefficients_for_degree(config.sh_degree)
        raster = self.rasterizer
        visible = raster.project(
            model.packed[:count], view, body=model.body[:count], sh_coefficients=harmonics, settings=SETTINGS
        )
        sky = raster.sky(model.sky)
        depth = self._depth_of(picture)
        out = raster.forward(sky, depth=depth is not None)

        # 2. Compare.
        loss, v_rgb, v_color = self._loss(out["rgb"], seen.image, model.colors[picture.camera], seen.weight)

        # 3. Gradients, and a step of everything.
        due = self.iteration % config.pose_every == 0
        refine_poses = config.refine_poses and raster.pose_gradients and due and progress >= config.pose_from
        v_alpha = self._clear_sky(sky, seen, pose, model.colors[picture.camera])
        v_depth = None
        if depth is not None:
            pull = depth_gradient(
                depth, out["alpha"], out["depth_sum"],
                weight=config.depth_weight, solid=config.solid_pull * config.depth_every,
            )  # fmt: skip
            v_depth, v_alpha = pull.v_depth, pull.v_alpha if v_alpha is None else v_alpha + pull.v_alpha
        ids, gradients, lines = raster.backward(v_rgb, v_alpha=v_alpha, v_depth=v_depth, pose=refine_poses)
        self.iteration += 1
        model.note_demand(ids, gradients)
        speed = self._speed(progress)
        adam_rows(
            model.packed, (model.moments[0], model.moments[1]), ids, gradients, self._rates(progress), self.iteration,
            opacity_weight=config.opacity_weight / count, scale_weight=config.scale_weight / count,
            mean_size_m=config.mean_size_m,
        )  # fmt: skip
        v_sky = raster.sky_gradient(v_rgb, model.sky)
        v_sky[self._below] = 0
        adam_dense(model.sky, (model.sky_moments[0], model.sky_moments[1]), v_sky, _SKY * speed, self.iteration)
        if config.appearance:
            self._correct_color(picture.camera, v_color, _CORRECTION * speed)
        if lines is not None:
            self._refine_pose(pose, lines, progress)

        # 4. Move Gaussians to where they are needed.
        if config.least_size_m > 0 and self.iteration % config.refine_every == 0:
            model.thicken(config.least_size_m)
        if progress < config.refine_until:
            if self.iteration % config.refine_every == 0 and config.refine_from <= self.iteration:
                model.refine(config, self.rng)
            if self.iteration % config.noise_every == 0:
                model.shake(self._mean_rate(progress) * config.noise, self.rng)
        psnr = _psnr(out["rgb"], seen, model.colors[picture.camera])
        return StepReport(self.iteration, progress, loss, psnr, model.count, visible)

    def _depth_of(self, picture: Picture) -> PictureDepth | None:
        """What to hold the depth of this step against, on the steps that do without pose gradients."""
        if self.iteration % self.config.depth_every != self.config.depth_every - 1:
            return None
        return self.depths.get((picture.camera, picture.timestamp_us))

    def _next_picture(self, progress: float) -> tuple[Picture, PictureAtSize]:
        divisor = self.config.divisor(progress)
        if divisor != self._divisor:
            for picture in self.pictures:
                picture.forget(self._divisor)
            self._divisor = divisor
        if not self.queue:
            self.queue = self.rng.permutation(len(self.pictures)).tolist()
        picture = self.pictures[self.queue.pop()]
        return picture, picture.at(divisor)

    def _speed(self, progress: float) -> float:
        late = max(progress - self.config.decay_from, 0.0) / max(1 - self.config.decay_from, 1e-9)
        return float(self.config.decay**late)

    def _mean_rate(self, progress: float) -> float:
        first, last = self.config.mean_rate
        return float(first * (last / first) ** progress)

    def _rates(self, progress: float) -> Float32:
        scale = self.config.rate_scale * self._speed(progress)
        rates = np.empty(self.model.packed.shape[1], np.float32)
        rates[0:3] = self._mean_rate(progress)
        rates[3:7], rates[7:10], rates[10] = _QUATERNION * scale, _SCALE * scale, _OPACITY * scale
        rates[11:14], rates[14:] = _COLOR * scale, _HARMONICS * scale
        return rates

    def _clear_sky(
        self, sky: Float32, seen: PictureAtSize, pose: PoseStep, color: NDArray[np.float64]
    ) -> Float32 | None:
        """Now and then, a gradient by alpha that keeps the sky free of Gaussians and the ground free of sky."""
        config = self.config
        if max(config.sky_pull, config.ground_pull) <= 0 or self.iteration % _SKY_PULL_EVERY:
            return None
        return sky_pull(
            sky, seen.image, seen.model, pose.rotation[len(pose.rotation) // 2], color,
            sky_weight=config.sky_pull * _SKY_PULL_EVERY, ground_weight=config.ground_pull * _SKY_PULL_EVERY,
        )  # fmt: skip

    def _correct_color(self, camera: str, gradient: NDArray[np.float64], rate: float) -> None:
        color, moments = self.model.colors[camera], self.model.color_moments[camera]
        gradient = gradient + _CORRECTION_PULL * (color - np.eye(3, 4))
        moments[0] += (1 - BETA1) * (gradient - moments[0])
        moments[1] += (1 - BETA2) * (gradient**2 - moments[1])
        first, second = moments[0] / (1 - BETA1**self.iteration), moments[1] / (1 - BETA2**self.iteration)
        color -= rate * first / (np.sqrt(second) + 1e-12)

    def _refine_pose(self, pose: PoseStep, lines: Float32, progress: float) -> None:
        config = self.config
        warm = min((progress - config.pose_from) / 0.05, 1.0)
        speed = warm * config.decay**progress
        unsure = self.pose_uncertainty_rad
        ego_rate = min(config.pose_rate, max(unsure, _LEAST_POSE_RATE))
        # Of a mounting, keypoints only see what the drive's turns show: it is taken for ten times as unsure.
        mounting_rate = 0.3 * min(config.pose_rate, max(10 * unsure, _LEAST_POSE_RATE))
        self.poses.descend(pose, lines, ego_rate * speed, mounting_rate=mounting_rate * speed)


def _psnr(rgb: Float32, seen: PictureAtSize, color: NDArray[np.float64]) -> float:
    """Of every fourth pixel each way: a figure to watch, not to report."""
    small, wanted = rgb[::4, ::4], seen.image[::4, ::4]
    error = np.clip(small @ color[:, :3].T + color[:, 3], 0, 1) - wanted / 255.0
    mean = float(np.mean(error**2))
    return 99.0 if mean <= 0 else -10 * float(np.log10(mean))
