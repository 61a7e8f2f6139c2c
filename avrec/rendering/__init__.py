"""Camera sensors over a Scene: pictures, depth and normals from poses on the recorded path and beside it."""

from avrec.rendering.sequence import FrameFolder, render_sequence
from avrec.rendering.shot import OUTPUTS, Shot, render, render_view
from avrec.rendering.view import Rig, present_actors, view_for

__all__ = [
    "OUTPUTS",
    "FrameFolder",
    "Rig",
    "Shot",
    "present_actors",
    "render",
    "render_sequence",
    "render_view",
    "view_for",
]
