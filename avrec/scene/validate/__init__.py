"""Validation of scene files: what is missing, for whom, why it matters and how to get it."""

from avrec.scene.validate.check_scene_file import validate
from avrec.scene.validate.report import CONSUMERS, Finding, Report

__all__ = ["CONSUMERS", "Finding", "Report", "validate"]
