"""One server for the tests of this folder, and a fresh world on it for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import carla_bridge
from tests.carla_bridge.support import WAIT_S, loop_map, synchronous

TIMEOUT_S = WAIT_S


def client_version() -> str:
    carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")
    return str(carla.Client("127.0.0.1", 1).get_client_version())


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the server's recordings."""
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="session")
def server(recordings: Path) -> Iterator[carla_bridge.Server]:
    """A world on the loop map, for the version of the client that is installed."""
    with carla_bridge.serve(loop_map(), port=0, version=client_version(), recordings=recordings) as running:
        yield running
        assert running.running, "the server died during the tests"


@pytest.fixture(scope="session")
def client(server: carla_bridge.Server, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The official client."""
    os.environ["CARLA_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    import carla

    found = carla.Client(server.host, server.port)
    found.set_timeout(TIMEOUT_S)
    return found


@pytest.fixture
def world(client: Any) -> Iterator[Any]:
    """A fresh synchronous world on the loop map, whatever the last test left there, with steps of 0.05 s."""
    loop = loop_map().decode()
    here = client.get_world().get_map().to_opendrive()
    found = client.reload_world() if here == loop else client.generate_opendrive_world(loop)
    synchronous(found)
    yield found
    settings = found.get_settings()
    settings.synchronous_mode = False
    found.apply_settings(settings)
