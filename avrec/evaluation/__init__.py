"""Held-out scores, picture sheets and truth beside the driven path."""

from avrec.evaluation.evaluate import evaluate
from avrec.evaluation.metrics import gmsd, masked_psnr, psnr, ssim
from avrec.evaluation.scores import Difficulty, Evaluation, FrameScore

__all__ = ["Difficulty", "Evaluation", "FrameScore", "evaluate", "gmsd", "masked_psnr", "psnr", "ssim"]
