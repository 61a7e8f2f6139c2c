"""What a case takes: names, defaults, bounds with units, choices, and a sentence each, read from its function."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any

from avrec.scenario import Scenario
from avrec.scenario.numbers import number

__all__ = ["Parameter", "Within", "in_range", "parameters_of", "summary_of"]


@dataclass(frozen=True)
class Within:
    """Bounds of a number, included, for ``Annotated[float, Within(1.0, 100.0, "m")]``."""

    low: float
    high: float
    unit: str


@dataclass(frozen=True)
class Parameter:
    """One parameter of a case.

    Attributes:
        name: as it is typed.
        default: None also where there is none.
        kind: what it takes, e.g. ``float``, or Any where that is not told.
        bounds: of a number, where they are told.
        choices: of a word, where they are told.
        about: what it means.
    """

    name: str
    default: Any
    kind: Any = Any
    bounds: Within | None = None
    choices: tuple[Any, ...] = ()
    about: str = ""

    def takes(self, kind: type) -> bool:
        """Whether values of a kind are among what it takes."""
        return kind in _kinds(self.kind)


def parameters_of(make: Callable[..., Scenario]) -> dict[str, Parameter]:
    """Parameters of a case but the scene, by name."""
    found = list(inspect.signature(make).parameters.values())[1:]
    hints, told = _hints(make), _told(make)
    described = {}
    for each in found:
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            continue
        default = None if each.default is each.empty else each.default
        hint = hints.get(each.name, Any)
        bounds = next((extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, Within)), None)
        kind = hint.__origin__ if hasattr(hint, "__metadata__") else hint
        choices = typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ()
        described[each.name] = Parameter(each.name, default, kind, bounds, choices, told.get(each.name, ""))
    return described


def summary_of(make: Callable[..., Scenario]) -> str:
    """First line of what a case says about itself."""
    return (inspect.getdoc(make) or "").partition("\n")[0].replace("`", "")


def in_range(make: Callable[..., Scenario], name: str, value: float) -> float:
    """A parameter of a case that is within the bounds of its annotation.

    Raises:
        AvrecError: it is not.
    """
    bounds = _bounds(make)[name]
    return number("", name, value, bounds.low, bounds.high, bounds.unit)


@lru_cache(maxsize=64)
def _bounds(make: Callable[..., Scenario]) -> dict[str, Within]:
    return {name: each.bounds for name, each in parameters_of(make).items() if each.bounds is not None}


def _hints(make: Callable[..., Scenario]) -> dict[str, Any]:
    """Types of the parameters; none where the names in a user's file mean nothing."""
    try:
        return typing.get_type_hints(make, include_extras=True)
    except Exception:
        return {}


def _kinds(kind: Any) -> tuple[Any, ...]:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, UnionType):
        return tuple(part for each in typing.get_args(kind) for part in _kinds(each))
    if origin is typing.Literal:
        return tuple(dict.fromkeys(type(choice) for choice in typing.get_args(kind)))
    return (NoneType if kind is None else kind,)


def _told(make: Callable[..., Scenario]) -> dict[str, str]:
    """What the ``Args:`` of a docstring in Google's style say."""
    text = (inspect.getdoc(make) or "").partition("\nArgs:\n")[2].partition("\n\n")[0]
    told: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("    ") and not line.startswith("     "):
            name, _, said = line.strip().partition(":")
            told[name] = said.strip()
        elif name:
            told[name] += f" {line.strip()}"
    return {key: said.replace("`", "") for key, said in told.items()}
