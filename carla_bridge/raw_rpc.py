"""A call of MessagePack-RPC without the client, for where the client would crash or wait for a lock."""

from __future__ import annotations

import socket

import msgpack

__all__ = ["is_answered"]

_REQUEST = 0
"""Kind of a message: [0, number, name, arguments]."""
_ARRAY_OF_FOUR = b"\x94"
"""How every answer begins."""


def is_answered(connection: socket.socket, name: str, *arguments: object) -> bool:
    """Call something; whether what is at the other end answers as an RPC server does.

    Raises:
        OSError: the connection broke, or its time-out is over.
    """
    connection.sendall(msgpack.packb([_REQUEST, 0, name, list(arguments)]))
    return connection.recv(64)[:1] == _ARRAY_OF_FOUR
