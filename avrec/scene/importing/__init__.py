"""Scenes out of what others made."""

from avrec.scene.importing.import_scene import import_scene

__all__ = ["import_scene"]
