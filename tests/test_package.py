"""The package's face."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import avrec
from tests.processes import LIMIT_S

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", avrec.__all__)
def test_public_names_are_there(name: str) -> None:
    assert getattr(avrec, name).__module__.startswith("avrec.")


def test_unknown_names_are_not() -> None:
    with pytest.raises(AttributeError, match="reconstrukt"):
        avrec.reconstrukt  # noqa: B018


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, avrec; print(sorted({*sys.modules} & {'torch', 'numpy', 'cv2', 'pxr'}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True, timeout=LIMIT_S
    )
    assert done.stdout.strip() == "[]"
