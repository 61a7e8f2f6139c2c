"""Validation of scene files: what is missing, for whom, why it matters and how to get it."""

from avrec.scene.validate.report import CONSUMERS, Finding, Report
from avrec.scene.validate.validate import validate

__all__ = ["CONSUMERS", "Finding", "Report", "validate"]
