"""Cases as people type them: ``cut_in,gap_m=8,side=right``, or ``my_cases.py:fallen_tree,at_s=2``."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from avrec.errors import AvrecError
from avrec.scenario import Scenario
from avrec.scene import Scene
from scenarios.parameters import Parameter, parameters_of

__all__ = ["case_named"]

_WORDS = {"true": True, "false": False}


def case_named(text: str, catalogue: Mapping[str, Callable[..., Scenario]]) -> Callable[[Scene | Scenario], Scenario]:
    """The function that makes a case, with its arguments bound.

    Args:
        text: name of a case of the catalogue, or of a function in a Python file of the user's own, as ``FILE.py:NAME``;
            then arguments with commas between. Such a file is run.
        catalogue: cases by name.

    Raises:
        AvrecError: no such case or argument.
    """
    name, *parts = (part.strip() for part in text.split(","))
    make = _from_file(name) if ".py:" in name else catalogue.get(name)
    if make is None:
        raise AvrecError(
            f"There is no case '{name}'. Choose {', '.join(catalogue)}, or FILE.py:FUNCTION; 'avrec scenario list' "
            "tells more."
        )
    known = parameters_of(make)
    arguments: dict[str, Any] = {}
    for part in parts:
        key, found, value = part.partition("=")
        key = key.strip().replace("-", "_")
        if key in arguments:
            raise AvrecError(f"{key} is given twice. Give it once.")
        if not found or key not in known:
            raise AvrecError(
                f"The case {make.__name__} has no parameter like '{part}'. Write name=value with commas between; it "
                f"has {', '.join(known) or 'none'}."
            )
        arguments[key] = _value(value.strip(), known[key])

    def bound(scene: Scene | Scenario) -> Scenario:
        try:
            case = make(scene, **arguments)
        except AvrecError:
            raise
        except Exception as error:
            raise AvrecError(
                f"The case {make.__name__} could not be made ({type(error).__name__}: {error}). Repair {name}."
            ) from error
        if not isinstance(case, Scenario):
            raise AvrecError(f"The case {make.__name__} returned {type(case).__name__}. Let it return a Scenario.")
        return case

    return bound


def _value(text: str, parameter: Parameter) -> Any:
    """What a text stands for: words for truth and nothing, numbers, else the text itself, as the parameter wants it.

    Raises:
        AvrecError: the parameter wants something else.
    """
    default = parameter.default
    if text.lower() == "none" and (default is None or parameter.takes(NoneType)):
        return None
    if parameter.takes(str):
        return text
    if isinstance(default, bool) or parameter.takes(bool):
        if text.lower() not in _WORDS:
            raise AvrecError(f"{parameter.name}={text} is neither true nor false. Choose one.")
        return _WORDS[text.lower()]
    try:
        return float(text)
    except ValueError:
        if isinstance(default, float | int) or parameter.takes(float) or parameter.takes(int):
            raise AvrecError(f"{parameter.name}={text} is not a number. Give one.") from None
        return _WORDS.get(text.lower(), text)


def _from_file(name: str) -> Callable[..., Scenario]:
    file, _, function = name.rpartition(":")
    path = Path(file)
    spec = importlib.util.spec_from_file_location(f"avrec_case_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise AvrecError(f"There is no file {file} with a case in it. Check the path.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses of the file look for its names
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise AvrecError(f"{file} could not be run ({type(error).__name__}: {error}). Repair it.") from error
    make = getattr(module, function, None)
    if not inspect.isfunction(make):
        raise AvrecError(f"{file} has no function {function}. Check the name.")
    return make
