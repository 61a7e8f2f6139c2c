"""What several rooms' tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from avrec.drive.street import synthesise_street

# The same examples in every run, however slow the machine; `--hypothesis-profile=default` looks for new ones.
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


@pytest.fixture(scope="session")
def tiny_street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic street of 2 cameras x 8 frames, 96 x 64, with lidar and truth. Not to be changed."""
    folder = tmp_path_factory.mktemp("street") / "tiny"
    synthesise_street(folder, seconds=0.8, cameras=2, width=96, height=64)
    return folder
