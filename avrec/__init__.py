"""avrec: a recorded drive becomes a scene that simulators can replay and look at from new poses."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avrec.drive import Drive
    from avrec.errors import AvrecError, DataError, OutputError
    from avrec.evaluation import evaluate
    from avrec.geometry import Offset
    from avrec.reconstruction import reconstruct
    from avrec.rendering import render
    from avrec.scene import Scene

__all__ = ["AvrecError", "DataError", "Drive", "Offset", "OutputError", "Scene", "evaluate", "reconstruct", "render"]

_ROOMS = {
    "AvrecError": "errors",
    "DataError": "errors",
    "Drive": "drive",
    "Offset": "geometry",
    "OutputError": "errors",
    "Scene": "scene",
    "evaluate": "evaluation",
    "reconstruct": "reconstruction",
    "render": "rendering",
}


def __getattr__(name: str) -> Any:
    """Fetch a public name from its room at first use, so that ``import avrec`` does not load torch."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'avrec' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"avrec.{_ROOMS[name]}"), name)
    globals()[name] = value
    return value
