"""Held-out scores, picture sheets and truth beside the driven path."""

from avrec.evaluation.evaluate import evaluate
from avrec.evaluation.metrics import gmsd, masked_psnr, psnr, ssim
from avrec.evaluation.poses import pose_errors
from avrec.evaluation.scores import Difficulty, Evaluation, FrameScore
from avrec.evaluation.street import evaluate_street

__all__ = [
    "Difficulty",
    "Evaluation",
    "FrameScore",
    "evaluate",
    "evaluate_street",
    "gmsd",
    "masked_psnr",
    "pose_errors",
    "psnr",
    "ssim",
]
