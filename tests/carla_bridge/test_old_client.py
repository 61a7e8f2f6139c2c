"""The tests with the client once more, with CARLA 0.9.15's.

Two versions of the client cannot be installed together. ``./install_nurec.sh judge client`` puts the older one into a
folder of its own; ``AVREC_CARLA_0915=FOLDER`` names another.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TIMEOUT_S = 800


def test_the_older_client_passes_the_same_tests() -> None:
    folder = os.environ.get("AVREC_CARLA_0915")
    if not folder:
        pytest.skip("AVREC_CARLA_0915 names no folder with the 0.9.15 client")
    environment = {**os.environ, "PYTHONPATH": folder}
    environment.pop("AVREC_CARLA_0915")
    version = "import carla; print(carla.Client('127.0.0.1', 1).get_client_version())"
    found = subprocess.run(
        [sys.executable, "-c", version], env=environment, capture_output=True, text=True, check=True, timeout=TIMEOUT_S
    )
    assert found.stdout.strip() == "0.9.15"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "test_client or test_conformance",
        str(HERE),
    ]
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, cwd=HERE.parents[1], check=False
    )
    assert result.returncode == 0, result.stdout[-3000:]
