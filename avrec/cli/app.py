"""Puts the verbs together and turns what goes wrong into one sentence and an exit code."""

from __future__ import annotations

import errno
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tyro.extras import SubcommandApp

from avrec.cli import carla, drive, evaluate, map, reconstruct, render, scenario, scene, validate
from avrec.cli.console import debugging, say
from avrec.errors import AvrecError

__all__ = ["run"]

# In the order a newcomer meets them; a group holds its own verbs.
_VERBS: dict[str, Callable[..., None] | dict[str, Callable[..., None]]] = {
    "drive": {"synth": drive.synth, "info": drive.info},
    "reconstruct": reconstruct.reconstruct,
    "evaluate": evaluate.evaluate,
    "render": render.render,
    "validate": validate.validate,
    "map": {"infer": map.infer, "convert": map.convert, "check": map.check},
    "scene": {"info": scene.info, "import": scene.import_, "export": scene.export},
    "scenario": {"list": scenario.list_, "check": scenario.check},
    "carla": {"serve": carla.serve, "replay": carla.replay},
}
_GROUPS = {
    "drive": "Recorded drives: make one, look at one.",
    "map": "Road maps: infer one from a recording, turn one into OpenDRIVE, look for problems in one.",
    "scene": "Scene files: look at one, make one from others' Gaussians, turn one into other formats.",
    "scenario": "Edge cases: which there are, and whether one can happen in a recorded drive.",
    "carla": "A scene in CARLA: serve it as a world, replay its recording.",
}

_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


def run(arguments: Sequence[str]) -> int:
    """Run one verb.

    Args:
        arguments: what follows ``avrec`` on the command line.

    Returns:
        The exit code, as :func:`avrec.cli.main` has it.

    Raises:
        KeyboardInterrupt: the process was told to stop.
    """
    words = list(arguments)
    if not words:
        _show_overview()
        return 0
    if words[0] in ("--version", "-V"):
        say(f"avrec {_version()}")
        return 0
    if len(words) == 1 and words[0] in _GROUPS:
        words.append("--help")
    try:
        _command_tree(words).cli(
            prog="avrec",
            description="A recorded drive becomes a scene that simulators can look at from new poses.",
            args=words,
        )
    except SystemExit as stop:  # tyro: 0 after --help, 2 for options it cannot read
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BrokenPipeError:  # `avrec ... | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except AvrecError as error:
        return _complain(str(error), 2)
    except MemoryError:
        return _complain("The memory of this machine is full. Use --downscale 2, fewer cameras or fewer frames.", 2)
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            where = f" ({error.filename})" if error.filename else ""
            return _complain(f"The system refused: {error.strerror}{where}. Free space or choose another place.", 2)
        return _complain_of_bug(error)
    except Exception as error:
        return _complain_of_bug(error)
    return 0


def _command_tree(words: list[str]) -> SubcommandApp:
    tree = SubcommandApp()
    for name, verb in _VERBS.items():
        if callable(verb):
            _add(tree, name, verb, asked=words[:1] == [name])
            continue
        group = SubcommandApp()
        for inner_name, inner in verb.items():
            _add(group, inner_name, inner, asked=words[:2] == [name, inner_name])
        tree.command(group, name=name, help=_GROUPS[name])
    return tree


def _add(tree: SubcommandApp, name: str, verb: Callable[..., None], *, asked: bool) -> None:
    """Register a verb, described in full to who asked for it and in one line in lists."""
    text = _description(verb)
    tree.command(name=name, help=text if asked else text.splitlines()[0])(verb)


def _description(verb: Callable[..., Any]) -> str:
    """The docstring up to its arguments (tyro by itself would drop the example)."""
    return inspect.cleandoc(verb.__doc__ or "").partition("\nArgs:")[0].strip()


def _show_overview() -> None:
    say(f"avrec {_version()}: a recorded drive becomes a scene that simulators can look at from new poses.\n")
    for name, verb in _VERBS.items():
        inner = {name: verb} if callable(verb) else {f"{name} {key}": value for key, value in verb.items()}
        for words, function in inner.items():
            say(f"  avrec {words:<14}{_description(function).splitlines()[0]}")
    say("\nBegin with:     avrec drive synth street/ --seconds 4 --cameras 3")
    say("More on a verb: avrec reconstruct --help")


def _version() -> str:
    try:
        return version("avrec")
    except PackageNotFoundError:
        return "(not installed)"


def _complain(text: str, code: int) -> int:
    if debugging():
        traceback.print_exc()
    sys.stderr.write(f"avrec: {' '.join(text.split())}\n")
    return code


def _complain_of_bug(error: Exception) -> int:
    name = type(error).__name__
    text = f"This is a bug in avrec ({name}: {error}). Please report it, with what AVREC_DEBUG=1 shows."
    return _complain(text, 1)
