"""Cases as people type them: ``cut_in,gap_m=8,side=right``, or ``my_cases.py:fallen_tree,at_s=2``."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from avrec.errors import AvrecError
from avrec.scenario import Scenario
from avrec.scene import Scene

__all__ = ["case_named", "parameters_of", "summary_of"]

_WORDS = {"true": True, "false": False, "none": None}


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
        if not found or key not in known:
            raise AvrecError(
                f"The case {make.__name__} has no parameter like '{part}'. Write name=value with commas between; it "
                f"has {', '.join(known) or 'none'}."
            )
        arguments[key] = _value(value.strip(), known[key])

    def bound(scene: Scene | Scenario) -> Scenario:
        try:
            case = make(scene, **arguments)
        except TypeError as error:
            raise AvrecError(f"The case {make.__name__} could not be made: {error}.") from error
        if not isinstance(case, Scenario):
            raise AvrecError(f"The case {make.__name__} returned {type(case).__name__}. Let it return a Scenario.")
        return case

    return bound


def parameters_of(make: Callable[..., Scenario]) -> dict[str, inspect.Parameter]:
    """Parameters of a case but the scene, by name."""
    return dict(list(inspect.signature(make).parameters.items())[1:])


def summary_of(make: Callable[..., Scenario]) -> str:
    """First line of what a case says about itself."""
    return (inspect.getdoc(make) or "").partition("\n")[0].replace("`", "")


def _value(text: str, parameter: inspect.Parameter) -> Any:
    """Words for truth and nothing, numbers, else the text itself; a text that a parameter wants stays one."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    wants_text = "str" in str(parameter.annotation) or "Literal" in str(parameter.annotation)
    try:
        return text if wants_text else float(text)
    except ValueError:
        if isinstance(parameter.default, float | int) or "float" in str(parameter.annotation):
            raise AvrecError(f"{parameter.name}={text} is not a number. Give one.") from None
        return text


def _from_file(name: str) -> Callable[..., Scenario]:
    file, _, function = name.rpartition(":")
    path = Path(file)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise AvrecError(f"There is no file {file} with a case in it. Check the path.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise AvrecError(f"{file} could not be run ({type(error).__name__}: {error}). Repair it.") from error
    make = getattr(module, function, None)
    if not callable(make):
        raise AvrecError(f"{file} has no function {function}. Check the name.")
    return make  # type: ignore[no-any-return]
