"""What clients can call, by name."""

from __future__ import annotations

from collections.abc import Mapping

from carla_bridge.server.rpc import (
    actors,
    batch,
    debug,
    files,
    lights,
    motion,
    queries,
    recorder,
    sensors,
    session,
    settings,
    traffic_managers,
    vehicles,
    walkers,
)
from carla_bridge.server.rpc.registry import Method

__all__ = ["METHODS"]

_MODULES = (
    session,
    settings,
    files,
    actors,
    motion,
    vehicles,
    walkers,
    lights,
    traffic_managers,
    queries,
    debug,
    recorder,
    sensors,
    batch,
)

METHODS: Mapping[str, Method] = {name: method for module in _MODULES for name, method in module.rpc.methods.items()}
