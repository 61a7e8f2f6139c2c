"""A client of a server that answers and speaks its language; of one that is there already, or of one's own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from avrec.errors import AvrecError, require
from carla_bridge.raw_rpc import is_answered
from carla_bridge.server import serve

__all__ = ["connect", "own_world"]

ANSWER_S = 20.0
"""For a first word; a machine that draws pictures for others takes its time."""
_NOBODY = (
    "No CARLA server answers at {host}:{port}. Start CARLA there, or an embedded world with: "
    "avrec carla serve scene.usdz --port {port}"
)


def connect(host: str, port: int, timeout_s: float = 60.0) -> Any:
    """A `carla.Client` of a server that answers, and is of the client's version.

    Args:
        host: address.
        port: of the RPC.
        timeout_s: of all later calls; loading a map takes a real server a while.

    Raises:
        AvrecError: nobody answers there, or the package `carla` is missing or of another version than the server.
    """
    carla = require("carla", "carla")
    _check_that_rpc_is_spoken(host, port)
    client = carla.Client(host, port)
    client.set_timeout(ANSWER_S)
    try:
        there = client.get_server_version()
    except RuntimeError as error:
        raise AvrecError(_NOBODY.format(host=host, port=port)) from error
    here = client.get_client_version()
    if _release(there) != _release(here):  # the client would crash on what the server sends
        raise AvrecError(
            f"The server at {host}:{port} is CARLA {there}, and the client here is {here}. Install the client of that "
            f"version (pip install carla=={_release(there)}), or use a server of this one."
        )
    client.set_timeout(timeout_s)
    return client


@contextmanager
def own_world(source: str | Path) -> Iterator[Any]:
    """A `carla.Client` of an embedded world of its version, which ends with the block.

    Args:
        source: an OpenDRIVE map or a scene with a map.

    Raises:
        AvrecError: no such map, or the package `carla` is missing.
    """
    version = require("carla", "carla").Client("127.0.0.1", 1).get_client_version()
    with serve(source, port=0, version=version) as server:
        yield connect(server.host, server.port)


def _check_that_rpc_is_spoken(host: str, port: int) -> None:
    """Ask without the client first: what is no RPC, as an SSH server's greeting, would end the process in there."""
    try:
        with socket.create_connection((host, port), ANSWER_S) as asking:
            speaks = is_answered(asking, "version")
    except (socket.gaierror, OverflowError, UnicodeError) as error:  # a name without an address, no number of a port
        raise AvrecError(f"{host}:{port} is no address ({error}). Check --host and --port.") from error
    except OSError as error:
        raise AvrecError(_NOBODY.format(host=host, port=port)) from error
    if not speaks:
        raise AvrecError(
            f"What answers at {host}:{port} is no CARLA server. Check the port; CARLA's is 2000 as a rule."
        )


def _release(version: str) -> str:
    """Version numbers without what a build of one's own puts behind them."""
    return version.strip().split("-")[0].split("+")[0]
