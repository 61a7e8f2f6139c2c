"""A tiny drive and the points to start from, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from avrec.drive import Drive
from avrec.reconstruction import held_out_frames
from avrec.reconstruction.points import InitialPoints, initial_points
from tests.reconstruction.small import HOLDOUT, SMALL


@pytest.fixture(scope="session")
def drive(tiny_street: Path) -> Drive:
    """The tiny street."""
    return Drive.open(tiny_street)


@pytest.fixture(scope="session")
def points(drive: Drive) -> InitialPoints:
    """Where `SMALL` starts, every fourth frame held out."""
    return initial_points(drive, held_out_frames(drive, HOLDOUT), seed=0, max_points=SMALL.most_points)
