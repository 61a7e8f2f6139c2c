"""Names of streams: 24 bytes that tell a client where to read."""

from __future__ import annotations

from struct import Struct

__all__ = ["token"]

_TOKEN = Struct("<IHBB16s")
_TCP = 1
_SAME_HOST = 0
"""No address: the client uses the host it was given for the RPC."""


def token(stream: int, port: int) -> bytes:
    """Token of a stream on a port of this host."""
    return _TOKEN.pack(stream, port, _TCP, _SAME_HOST, b"")
