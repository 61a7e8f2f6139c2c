"""Settings of an episode and its weather."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from carla_bridge.server.wire.values import numbers_in

__all__ = ["FRESH_WEATHER", "WEATHER_FIELDS", "EpisodeSettings", "settings_in", "settings_out"]

WEATHER_FIELDS = 14
FRESH_WEATHER = (25.0, 0.0, 0.0, 0.0, 130.0, 38.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.03, 0.0331, 0.0)
"""Of a fresh episode: what its pictures show, so that a client can read it, change one number and send it back."""
SHORTEST_STEP_S, LONGEST_STEP_S = 1e-6, 10.0
_LAST = ("culling_m", "deterministic_ragdolls", "tile_stream_m", "actor_active_m", "spectator_as_ego")


@dataclass(frozen=True)
class EpisodeSettings:
    """As the client sets them, in the order of the protocol; ``fixed_delta_s`` is seconds or ``None``."""

    synchronous: bool = False
    no_rendering: bool = False
    fixed_delta_s: float | None = None
    substepping: bool = True
    max_substep_s: float = 0.01
    max_substeps: int = 10
    culling_m: float = 0.0
    deterministic_ragdolls: bool = True
    tile_stream_m: float = 3000.0
    actor_active_m: float = 2000.0
    spectator_as_ego: bool = True


def settings_out(settings: EpisodeSettings) -> list[Any]:
    """For the client."""
    out: list[Any] = [getattr(settings, field.name) for field in fields(settings)]
    out[2] = [False] if settings.fixed_delta_s is None else [True, settings.fixed_delta_s]
    return out


def settings_in(value: Any) -> EpisodeSettings:
    """From the client.

    Raises:
        ValueError: a step that is not finite, shorter than a microsecond or longer than ten seconds.
    """
    step = numbers_in([value[2][1]], 1)[0] if len(value[2]) == 2 else None
    if step and not SHORTEST_STEP_S <= step <= LONGEST_STEP_S:
        raise ValueError(
            f"a fixed step of {step} s is out of range; choose {SHORTEST_STEP_S:g} to {LONGEST_STEP_S:g} s"
        )
    return EpisodeSettings(
        bool(value[0]),
        bool(value[1]),
        step or None,  # 0 means a variable step
        bool(value[3]),
        float(value[4]),
        int(value[5]),
        *(_one(name, item) for name, item in zip(_LAST, value[6:], strict=False)),
    )


def _one(name: str, value: Any) -> Any:
    return float(value) if name.endswith("_m") else bool(value)
