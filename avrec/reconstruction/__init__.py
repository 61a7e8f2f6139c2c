"""Reconstruction: from a drive to a scene."""

from avrec.reconstruction.config import PRESETS, ReconstructionConfig
from avrec.reconstruction.reconstruct import held_out_frames, reconstruct

__all__ = ["PRESETS", "ReconstructionConfig", "held_out_frames", "reconstruct"]
