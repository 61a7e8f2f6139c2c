from __future__ import annotations

import pytest

import avrec.raster
from tests.rendering.scenes import rasterize_by_the_book


@pytest.fixture(autouse=True)
def by_the_book(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about what surrounds the rasteriser: they run without the compiled one."""
    monkeypatch.setattr(avrec.raster, "rasterize", rasterize_by_the_book, raising=False)
