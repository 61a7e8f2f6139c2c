"""Damaged maps end in a map or one clear sentence; the long version is ``python -m bench.fuzz_maps``."""

from __future__ import annotations

from bench.fuzz_maps import outcome
from bench.map_cases import built_map, make_seeds, mutated


def test_the_undamaged_map_is_read() -> None:
    assert outcome(built_map()) == "read"


def test_a_hundred_damaged_maps() -> None:
    seeds = make_seeds()
    for number in range(100):
        kind, content = mutated(seeds, number, largest=300)
        assert outcome(content) in ("read", "refused"), (kind, number)
