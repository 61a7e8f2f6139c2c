"""A client of a server that answers and speaks its language."""

from __future__ import annotations

from typing import Any

from avrec.errors import AvrecError, require

__all__ = ["connect"]


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
    try:
        client = carla.Client(host, port)
    except (RuntimeError, OverflowError) as error:  # a name without an address, no number of a port
        raise AvrecError(f"{host}:{port} is no address ({error}). Check --host and --port.") from error
    client.set_timeout(5.0)
    try:
        there = client.get_server_version()
    except RuntimeError as error:
        raise AvrecError(
            f"No CARLA server answers at {host}:{port}. Start CARLA there, or an embedded world with: "
            f"avrec carla serve scene.usdz --port {port}"
        ) from error
    here = client.get_client_version()
    if _release(there) != _release(here):  # the client would crash on what the server sends
        raise AvrecError(
            f"The server at {host}:{port} is CARLA {there}, and the client here is {here}. Install the client of that "
            f"version (pip install carla=={_release(there)}), or use a server of this one."
        )
    client.set_timeout(timeout_s)
    return client


def _release(version: str) -> str:
    """Version numbers without what a build of one's own puts behind them."""
    return version.strip().split("-")[0].split("+")[0]
