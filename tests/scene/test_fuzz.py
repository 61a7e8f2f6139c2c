"""250 damaged and hostile packages: each is opened, or refused in one line; `python -m bench.fuzz_scene` has more."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from avrec.errors import DataError
from avrec.scene import Scene, scene_info
from avrec.scene.validate import validate
from bench.scene_mutations import MUTATIONS, good_members, mutate
from tests.scene.complete import complete_scene

CASES = 256
READERS: tuple[Callable[[Path], Any], ...] = (Scene.open, partial(validate, compose=False), scene_info)


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("good") / "street.usdz"
    complete_scene(n=40, degree=1).save(path)
    return good_members(path)


@pytest.mark.parametrize("kind", range(len(MUTATIONS)), ids=[kind.__name__.strip("_") for kind in MUTATIONS])
def test_hostile_packages(tmp_path: Path, members: dict[str, bytes], kind: int) -> None:
    path = tmp_path / "street.usdz"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(kind, CASES, len(MUTATIONS)):
        path.write_bytes(mutate(number, members))
        start = time.monotonic()
        for read in READERS:
            try:
                read(path)
            except DataError as error:
                assert "\n" not in str(error), number  # noqa: PT017
                assert len(str(error)) < 1000, number  # noqa: PT017
        assert time.monotonic() - start < 60, number
        assert [entry.name for entry in tmp_path.iterdir()] == ["street.usdz"], number
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # KiB
    assert not Path("/tmp/evil").exists()
