"""Event cameras: where and when brightness crossed a threshold between two pictures.

The model is that of ESIM (Rebecq et al. 2018): brightness runs straight from one picture to the next; a pixel fires
each time it has moved by the threshold from the level of its last event, which then becomes the level that it crossed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["EVENT", "EventModel", "EventState", "brightness", "find_events"]

Float64 = NDArray[np.float64]

EVENT = np.dtype([("x", "<u2"), ("y", "<u2"), ("t", "<i8"), ("polarity", "u1")])
LEAST = 0.001
"""Noisy thresholds are not allowed to be smaller."""
GREY = np.array([0.1140, 0.5870, 0.2989])
"""Of blue, green and red, as CARLA's documents have it."""
MOST_EVENTS = 16_000_000


@dataclass(frozen=True)
class EventModel:
    """Thresholds: by how much brightness has to rise or fall, their standard deviations, and a pixel's dead time."""

    up: float
    down: float
    up_sigma: float = 0.0
    down_sigma: float = 0.0
    refractory_ns: int = 0


@dataclass
class EventState:
    """What a sensor keeps, [H, W] each: brightness of the last picture, level and time of each pixel's last event."""

    brightness: Float64
    level: Float64
    fired_ns: NDArray[np.int64]
    time_ns: int


def brightness(bgra: NDArray[np.uint8], *, use_log: bool, log_eps: float) -> Float64:
    """Brightness of a picture [H, W, 4]: grey from 0 to 1, or ``log(eps + grey)``."""
    grey = np.asarray(bgra[..., :3] @ GREY / 255.0)
    return np.log(grey + log_eps) if use_log else grey


def find_events(
    state: EventState | None, now: Float64, time_ns: int, model: EventModel, random: np.random.Generator
) -> tuple[EventState, NDArray[np.void]]:
    """Events since the last picture, in the order of their times.

    Args:
        state: of the last picture, None for the first one; not to be used again.
        now: brightness [H, W].
        time_ns: of this picture.
        model: thresholds.
        random: for noisy thresholds.

    Returns:
        The state for the next picture, and the events (`EVENT`).
    """
    if state is None or state.brightness.shape != now.shape:
        never = np.full(now.shape, np.iinfo(np.int64).min // 2)
        return EventState(now, now.copy(), never, time_ns), np.zeros(0, EVENT)
    width = now.shape[1]
    change = (now - state.brightness).reshape(-1)
    pixel = np.flatnonzero(change)
    change, start, end = change[pixel], state.brightness.reshape(-1)[pixel], now.reshape(-1)[pixel]
    rising = change > 0.0
    sign = np.where(rising, 1.0, -1.0)
    level, fired = state.level.reshape(-1), state.fired_ns.reshape(-1)
    found, count = [], 0
    while len(pixel) and count < MOST_EVENTS:
        step = np.where(rising, model.up, model.down)
        if model.up_sigma or model.down_sigma:
            noise = random.standard_normal(len(pixel)) * np.where(rising, model.up_sigma, model.down_sigma)
            step = np.maximum(step + noise, LEAST)
        crossed = level[pixel] + sign * step
        # The tolerance lets a change of just so many thresholds count.
        there = (end - crossed) * sign >= -1e-12
        pixel, change, start, end, rising, sign, crossed = (
            each[there] for each in (pixel, change, start, end, rising, sign, crossed)
        )
        level[pixel] = crossed
        share = np.clip((crossed - start) / change, 0.0, 1.0)
        times = state.time_ns + np.rint(share * (time_ns - state.time_ns)).astype(np.int64)
        awake = times - fired[pixel] >= model.refractory_ns
        events = np.zeros(int(awake.sum()), EVENT)
        events["x"], events["y"] = pixel[awake] % width, pixel[awake] // width
        events["t"], events["polarity"] = times[awake], rising[awake]
        fired[pixel[awake]] = times[awake]
        found.append(events)
        count += len(events)
    events = np.concatenate(found) if found else np.zeros(0, EVENT)
    after = EventState(now, state.level, state.fired_ns, time_ns)
    return after, events[np.argsort(events["t"], kind="stable")]
