"""Reconstruction: from a drive to a scene."""

from avrec.reconstruction.checks import held_out_frames
from avrec.reconstruction.config import PRESETS, ReconstructionConfig
from avrec.reconstruction.reconstruct import reconstruct

__all__ = ["PRESETS", "ReconstructionConfig", "held_out_frames", "reconstruct"]
