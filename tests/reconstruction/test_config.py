"""What a configuration may be, and what the machine makes of it."""

from __future__ import annotations

import pytest

import avrec.reconstruction.config as module
from avrec.errors import AvrecError
from avrec.reconstruction.config import PRESETS, affordable, preset


def test_memory_sets_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_physical_bytes", lambda: 1 << 30)
    assert affordable(PRESETS["best"]).most_gaussians == (1 << 30) // 8 // 2048 == 65536
    monkeypatch.setattr(module, "_physical_bytes", lambda: 64 << 30)
    assert affordable(PRESETS["best"]) == PRESETS["best"]
    monkeypatch.undo()
    assert module._physical_bytes() > 1 << 28


def test_levels_follow_the_budget() -> None:
    config = preset("balanced", levels=((0.1, 4), (0.5, 2), (1.0, 1)))
    assert [config.divisor(progress) for progress in (0.0, 0.1, 0.49, 0.5, 1.0)] == [4, 2, 2, 1, 1]


def test_refuses_what_makes_no_sense() -> None:
    for changes in ({"iterations": 0}, {"budget_s": float("nan")}, {"budget_s": 0.0}, {"seed": -1}):
        with pytest.raises(AvrecError):
            preset("fast", **changes)
    with pytest.raises(AvrecError, match="Unknown preset"):
        preset("slow")
