"""Poses aligned to what the pictures show, before the scene is optimised."""

from avrec.reconstruction.alignment.align import PoseAlignment, align_poses, aligned_drive
from avrec.reconstruction.alignment.sighting import reaim

__all__ = ["PoseAlignment", "align_poses", "aligned_drive", "reaim"]
