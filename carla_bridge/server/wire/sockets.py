"""How the server's connections are set up."""

from __future__ import annotations

import asyncio
import socket

__all__ = ["tune"]

QUIET_S, RETRY_S, RETRIES = 20, 5, 3
"""When the other side is asked whether it still lives, and how often."""
UNHEARD_MS = 60_000
"""How long what was sent may go without an acknowledgement."""


def tune(transport: asyncio.BaseTransport, send_bytes: int | None = None) -> None:
    """Send small messages at once, and notice a peer that vanished without a word."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wanted = {"TCP_KEEPIDLE": QUIET_S, "TCP_KEEPINTVL": RETRY_S, "TCP_KEEPCNT": RETRIES, "TCP_USER_TIMEOUT": UNHEARD_MS}
    for name, value in wanted.items():
        option = getattr(socket, name, None)  # not everywhere
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
    if send_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
