"""Camera sensors over a Scene: pictures, depth and normals from poses on the recorded path and beside it."""

from avrec.rendering.sequence import FrameFolder, render_sequence
from avrec.rendering.shot import OUTPUTS, Shot, modelled_shutter, present_bodies, render, render_view
from avrec.rendering.view import Rig, present_actors, view_for

__all__ = [
    "OUTPUTS",
    "FrameFolder",
    "Rig",
    "Shot",
    "modelled_shutter",
    "present_actors",
    "present_bodies",
    "render",
    "render_sequence",
    "render_view",
    "view_for",
]
