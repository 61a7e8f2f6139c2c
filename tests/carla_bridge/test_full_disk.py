"""Recordings on a disk that is full: the world goes on, and no half recording takes a name."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from carla_bridge.server.host import Host
from carla_bridge.server.profiles import profile_of
from carla_bridge.server.rpc import METHODS
from carla_bridge.world import read_road_map
from tests.carla_bridge.support import loop_map


@pytest.fixture
def host(tmp_path: Path) -> Host:
    found = Host(read_road_map(loop_map()), profile_of("0.9.16"), recordings=tmp_path)
    found.settings = replace(found.settings, synchronous=True, fixed_delta_s=0.05)
    return found


def full(host: Host) -> None:
    """From now on the recording's file takes nothing."""
    assert host.recorder is not None
    host.recorder._file.close()
    host.recorder._file = open("/dev/full", "wb", buffering=64)  # noqa: SIM115


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_disk_that_fills_up_ends_the_recording_only(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    assert METHODS["start_recorder"].call(host, "drive.log").endswith("drive.log")
    host.tick()
    full(host)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            host.tick()
    assert host.recorder is None
    assert "cannot go on" in caplog.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_world_is_loaded_although_its_recording_cannot_be_completed(
    host: Host, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    METHODS["start_recorder"].call(host, "drive.log")
    full(host)
    assert host.recorder is not None
    host.recorder._file.write(b"x")  # waits in the buffer, so that closing fails
    episode = host.episode
    with caplog.at_level(logging.ERROR):
        METHODS["load_new_episode"].call(host, "")
    assert host.episode == episode + 1
    assert "could not be completed" in caplog.text
    assert not (tmp_path / "drive.log").exists()
    host.tick()


def test_a_folder_that_cannot_be_written_is_told(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    host.recordings = tmp_path / "file" / "below"
    assert "cannot be written" in METHODS["start_recorder"].call(host, "drive.log")
    assert host.recorder is None
