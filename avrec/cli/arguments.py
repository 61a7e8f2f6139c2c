"""Argument types that several verbs share, and the parsing of what people type into them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from avrec.errors import AvrecError, OutputError

if TYPE_CHECKING:
    from avrec.geometry import Offset

__all__ = [
    "ON_THE_PATH",
    "Beside",
    "BesideTheCar",
    "CameraName",
    "ConsumerNames",
    "Count",
    "DrivePath",
    "Flag",
    "FormatName",
    "FrameRange",
    "GaussiansPath",
    "MapPath",
    "Names",
    "OptionalCase",
    "OptionalDistances",
    "OptionalFile",
    "OptionalFolder",
    "OptionalName",
    "OptionalNames",
    "OptionalNumbers",
    "OutputPath",
    "Place",
    "ScenePath",
    "TrackName",
    "TrafficSide",
    "parse_frames",
    "parse_names",
    "parse_numbers",
    "refuse_existing",
]


def _optional(metavar: str, name: str | None = None) -> Any:
    """An argument that may be left out; the help says its default where there is one."""
    return tyro.conf.arg(
        name=name, metavar=metavar, help_behavior_hint=lambda text: "" if text == "None" else f"(default: {text})"
    )


DrivePath = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DRIVE")]
ScenePath = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SCENE")]
GaussiansPath = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="GAUSSIANS")]
MapPath = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MAP")]
OutputPath = Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="PATH")]
OptionalFile = Annotated[Path | None, _optional("FILE")]
OptionalFolder = Annotated[Path | None, _optional("DIR")]
OptionalName = Annotated[str | None, _optional("NAME")]
OptionalCase = Annotated[str | None, _optional("CASE,NAME=VALUE")]
OptionalNumbers = Annotated[str | None, _optional("METRES")]
OptionalDistances = Annotated[str | None, _optional("M,M")]
CameraName = Annotated[str | None, _optional("NAME")]
Names = Annotated[str, tyro.conf.arg(metavar="NAME,NAME")]
ConsumerNames = Annotated[str | None, _optional("NAME,NAME", "for")]
OptionalNames = Annotated[str | None, _optional("NAME,NAME")]
FormatName = Annotated[str | None, _optional("FORMAT", "as")]
FrameRange = Annotated[str | None, _optional("A:B")]
Place = Annotated[str | None, _optional("LAT,LON,ALT")]
TrackName = Annotated[str | None, _optional("ID")]
Count = Annotated[int | None, _optional("INT")]
TrafficSide = Annotated[Literal["right", "left"] | None, _optional("{right,left}")]
Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
"""A switch that is off unless given; a plain ``bool`` gets its ``--no-`` form too."""


@dataclass(frozen=True)
class Beside:
    """Where to look from, seen from where the car went."""

    shift_left: float = 0.0
    """metres to the left of where the car went."""
    shift_up: float = 0.0
    """metres above."""
    shift_forward: float = 0.0
    """metres ahead."""
    yaw: float = 0.0
    """degrees, positive turns the nose left."""
    pitch: float = 0.0
    """degrees, positive dips the nose."""
    roll: float = 0.0
    """degrees, positive drops the right side."""

    def offset(self) -> Offset:
        """The same for the library.

        Raises:
            AvrecError: a number is not finite.
        """
        from avrec.geometry import Offset

        return Offset(self.shift_left, self.shift_up, self.shift_forward, self.yaw, self.pitch, self.roll)


BesideTheCar = Annotated[Beside, tyro.conf.arg(name="")]
ON_THE_PATH = Beside()


def parse_names(text: str | None, option: str) -> list[str] | None:
    """Split ``"a,b"``, each name once; None stays None.

    Raises:
        AvrecError: nothing between the commas.
    """
    if text is None:
        return None
    names = [part.strip() for part in text.split(",")]
    if not all(names):
        raise AvrecError(f"{option} has an empty name in '{text}'. Write names with commas between: {option} NAME,NAME")
    return list(dict.fromkeys(names))


def parse_numbers(text: str | None, option: str) -> tuple[float, ...]:
    """Split ``"1.5,-3"``; None is no number.

    Raises:
        AvrecError: not finite numbers.
    """
    try:
        numbers = tuple(float(part) for part in text.split(",")) if text is not None else ()
    except ValueError:
        numbers = (math.nan,)
    if not all(math.isfinite(number) for number in numbers):
        raise AvrecError(f"{option} '{text}' is not a list of numbers. Write it as {option} 1.5,3")
    return numbers


def parse_frames(text: str | None) -> slice | None:
    """A half-open range of frame indices ``"a:b"``, either side optional, as Python slices; None stays None.

    Raises:
        AvrecError: not a range, or an empty one.
    """
    if text is None:
        return None
    how = "Write a half-open range of frame indices: --frames 0:40, --frames 40: or --frames :40"
    parts = text.split(":")
    try:
        first, last = (int(part) if part.strip() else None for part in parts)
    except ValueError:
        raise AvrecError(f"--frames '{text}' is not a range. {how}") from None
    if first is not None and last is not None and first >= last and (first < 0) == (last < 0):
        raise AvrecError(f"--frames '{text}' holds no frame. {how}")
    return slice(first, last)


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Say before the work, not after it, that its result would replace something.

    Raises:
        OutputError: ``path`` is taken and was not given up.
    """
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already. Choose another name or add --overwrite.")
