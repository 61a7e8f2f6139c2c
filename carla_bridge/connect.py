"""A client of a server that answers."""

from __future__ import annotations

from typing import Any

from avrec.errors import AvrecError, require

__all__ = ["connect"]


def connect(host: str, port: int, timeout_s: float = 60.0) -> Any:
    """A `carla.Client` of a server that answers.

    Args:
        host: address.
        port: of the RPC.
        timeout_s: of all later calls; loading a map takes a real server a while.

    Raises:
        AvrecError: nobody answers there, or the package `carla` is missing.
    """
    carla = require("carla", "carla")
    client = carla.Client(host, port)
    client.set_timeout(5.0)
    try:
        client.get_server_version()
    except RuntimeError as error:
        raise AvrecError(
            f"No CARLA server answers at {host}:{port}. Start CARLA there, or an embedded world with: "
            f"avrec carla serve scene.usdz --port {port}"
        ) from error
    client.set_timeout(timeout_s)
    return client
