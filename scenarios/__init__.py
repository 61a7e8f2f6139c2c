"""The catalogue of edge cases: plain functions that take a scene (or a scenario) and return a scenario."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from avrec.scenario import Scenario
from scenarios.cut_in import cut_in
from scenarios.hard_brake import hard_brake
from scenarios.pedestrian_dart_out import pedestrian_dart_out

__all__ = ["CATALOGUE", "cut_in", "hard_brake", "pedestrian_dart_out"]

CATALOGUE: Mapping[str, Callable[..., Scenario]] = MappingProxyType(
    {case.__name__: case for case in (cut_in, hard_brake, pedestrian_dart_out)}
)
"""The cases by name."""
