"""The short form of ``python -m bench.fuzz_foreign``: a broken file is read or refused in one line, nothing else."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from avrec.scene.foreign import import_gaussians
from bench.foreign_cases import FAST_KINDS, STAGE_KINDS, Seeds, make_seeds, mutated
from bench.fuzz_foreign import outcome


@pytest.fixture(scope="module")
def seeds() -> Seeds:
    return make_seeds()


@pytest.mark.parametrize("kind", [*FAST_KINDS, *STAGE_KINDS])
def test_intact_files_are_read(tmp_path: Path, seeds: Seeds, kind: str) -> None:
    (tmp_path / "a").write_bytes(seeds[kind])
    assert len(import_gaussians(tmp_path / "a").gaussians) >= 60


@pytest.mark.parametrize("kind", FAST_KINDS)
def test_broken_files(tmp_path: Path, seeds: Seeds, kind: str) -> None:
    said = {}
    for number in range(85):
        (tmp_path / "a").write_bytes(mutated(seeds, kind, number))
        said[number] = outcome(tmp_path / "a")
    assert {number: text for number, text in said.items() if text not in ("read", "refused")} == {}
    assert "refused" in said.values()


@pytest.mark.parametrize("kind", STAGE_KINDS)
def test_broken_stages(tmp_path: Path, seeds: Seeds, kind: str) -> None:
    said = {}
    for number in range(1000, 1006):
        (tmp_path / "a").write_bytes(mutated(seeds, kind, number))
        said[number] = outcome(tmp_path / "a")
    assert {number: text for number, text in said.items() if text not in ("read", "refused")} == {}


def test_memory_stays_in_proportion(tmp_path: Path, seeds: Seeds) -> None:
    tracemalloc.start()
    for kind in ("ply", "spz", "nurec", "avgc"):
        for number in range(40):
            (tmp_path / "a").write_bytes(mutated(seeds, kind, number))
            outcome(tmp_path / "a")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 << 20  # the bombs themselves, made here, take 64 MiB and their gzip's buffer
