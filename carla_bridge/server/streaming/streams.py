"""Streams and who reads them: messages go to every reader, and a slow one loses old messages, never the server."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from math import inf
from struct import Struct

from carla_bridge.server.wire.sockets import tune

__all__ = ["Streams"]

log = logging.getLogger(__name__)

_LENGTH = Struct("<I")
QUEUE_BYTES = 64 * 2**20
"""What may wait for one reader; beyond it the oldest messages are dropped."""
ALL_QUEUES_BYTES = 512 * 2**20
"""What may wait for all of them."""
SOCKET_BYTES = 4 * 2**20
STALLED_S = 60.0
"""A reader that takes nothing for so long is cut off."""
NAMELESS_S = 10.0
"""A connection that has not named its stream by then is closed."""
MAX_AWAITED = 64
"""Readers of one stream that the world waits for."""
SUBSCRIBE_S = 0.5
"""How long the world waits for the connection that a client announced by asking for a token."""
SETTLE_S = 0.1
"""How long a client's threads may be busy with what came last, on a machine that is not crowded. The official client
crashes when it leaves a stream before they have noticed that they are connected, and when it loads a world while one of
them still handles a snapshot: the connection that it then makes is freed while they use it."""
HUSH_S = 2.0
"""How long a world is silent for a client that subscribes anew, at most."""


class Streams:
    """All streams of a server, by number.

    Use `protocol` as the factory of an asyncio server. Everything runs on that server's loop.
    """

    def __init__(self) -> None:
        self.port = 0
        self._readers: dict[int, list[_Reader]] = {}
        self._known: set[int] = set()
        self._awaited: dict[int, list[float]] = {}
        self._connections: set[_Reader] = set()
        self._last_news = -inf
        self._hushed_until = -inf
        self.dropped = 0
        self.queued = 0

    def open(self, stream: int) -> None:
        """Let a stream be subscribed to."""
        self._known.add(stream)

    def close(self, stream: int) -> None:
        """End a stream. Its readers stay connected and hear no more: a client that is cut off comes back at once."""
        self._known.discard(stream)
        self._awaited.pop(stream, None)
        for reader in self._readers.pop(stream, []):
            reader.forget()

    def expect(self, stream: int) -> None:
        """A client asked for the stream's token: it is about to connect."""
        if stream in self._known:
            waiting = self._awaited.setdefault(stream, [])
            del waiting[: 1 - MAX_AWAITED]
            waiting.append(time.monotonic() + SUBSCRIBE_S)

    def awaiting(self) -> bool:
        """Whether an announced reader is still missing."""
        if not self._awaited:
            return False
        now = time.monotonic()
        for stream in list(self._awaited):
            kept = [deadline for deadline in self._awaited[stream] if deadline > now]
            if kept:
                self._awaited[stream] = kept
            else:
                del self._awaited[stream]
        return bool(self._awaited)

    def settling(self) -> bool:
        """Whether an announced reader is still missing, has only just come, or was only just told something."""
        return self.awaiting() or time.monotonic() - self._last_news < SETTLE_S * _crowding()

    def hush(self, seconds: float = HUSH_S) -> None:
        """Ask for silence until somebody joins a stream, or for so long: no step of the world shall be told."""
        self._hushed_until = time.monotonic() + seconds

    def hushed(self) -> bool:
        """Whether somebody asked for silence."""
        return time.monotonic() < self._hushed_until

    def wanted(self, stream: int) -> bool:
        """Whether anybody reads a stream."""
        return stream in self._readers

    def publish(self, stream: int, message: bytes | bytearray | memoryview) -> None:
        """Send a message to all readers of a stream."""
        readers = self._readers.get(stream)
        if readers:
            self._last_news = time.monotonic()
            head = _LENGTH.pack(len(message))
            for reader in tuple(readers):
                self.dropped += reader.send(head, message)

    def protocol(self) -> asyncio.BaseProtocol:
        """A new connection of the streaming port."""
        return _Reader(self)

    def close_all(self) -> None:
        """Disconnect all readers."""
        for reader in tuple(self._connections):
            reader.leave(at_once=True)

    def _joined(self, stream: int, reader: _Reader) -> bool:
        if stream not in self._known:
            return False
        self._readers.setdefault(stream, []).append(reader)
        self._last_news, self._hushed_until = time.monotonic(), -inf
        waiting = self._awaited.get(stream)
        if waiting:
            waiting.pop(0)
            if not waiting:
                del self._awaited[stream]
        return True

    def _left(self, stream: int, reader: _Reader) -> None:
        readers = self._readers.get(stream, [])
        if reader in readers:
            readers.remove(reader)
            if not readers:
                del self._readers[stream]


def _crowding() -> float:
    """Programs for each core, one at least: a thread that was interrupted goes on so much later."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 1.0
    return max(1.0, load / (os.cpu_count() or 1))


class _Reader(asyncio.Protocol):
    """One connection: four bytes name the stream, then messages go out."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._transport: asyncio.Transport | None = None
        self._name = b""
        self._stream: int | None = None
        self._queue: deque[tuple[bytes, bytes | bytearray | memoryview]] = deque()
        self._queued = 0
        self._paused = False
        self._since = 0.0
        self._told = False
        self._hurry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            return
        self._transport = transport
        self._streams._connections.add(self)
        transport.set_write_buffer_limits(high=SOCKET_BYTES)
        tune(transport, SOCKET_BYTES)
        self._hurry = asyncio.get_running_loop().call_later(NAMELESS_S, self.leave)

    def data_received(self, data: bytes) -> None:
        if self._stream is not None:
            return  # readers have nothing to say
        self._name += data[:4]
        if len(self._name) >= 4:
            self._unhurried()
            self._stream = int.from_bytes(self._name[:4], "little")
            if not self._streams._joined(self._stream, self):
                # Left waiting, not cut off: it would try again at once, for ever.
                log.debug("A client asked for stream %d, which does not exist (any more).", self._stream)

    def connection_lost(self, exc: Exception | None) -> None:
        self._streams._connections.discard(self)
        if self._stream is not None:
            self._streams._left(self._stream, self)
        self._unhurried()
        self.forget()

    def pause_writing(self) -> None:
        self._paused, self._since = True, time.monotonic()

    def resume_writing(self) -> None:
        self._paused = False
        while self._queue and not self._paused:
            self._write(*self._oldest())

    def send(self, head: bytes, message: bytes | bytearray | memoryview) -> int:
        """Send or keep a message; returns how many old ones were dropped for it."""
        if not self._paused:
            self._write(head, message)
            return 0
        if time.monotonic() - self._since > STALLED_S:
            log.warning("A reader of stream %s took nothing for %.0f s and was cut off.", self._stream, STALLED_S)
            self.leave(at_once=True)
            return 0
        self._queue.append((head, bytes(message)))
        self._queued += len(message)
        self._streams.queued += len(message)
        dropped = 0
        while self._queue and (
            (self._queued > QUEUE_BYTES and len(self._queue) > 1) or self._streams.queued > ALL_QUEUES_BYTES
        ):
            self._oldest()
            dropped += 1
        if dropped and not self._told:
            self._told = True
            log.warning("A reader of stream %s is too slow; messages are dropped for it.", self._stream)
        return dropped

    def leave(self, *, at_once: bool = False) -> None:
        """Disconnect."""
        if self._transport is not None:
            if at_once:
                self._transport.abort()
            else:
                self._transport.close()

    def forget(self) -> None:
        """Drop what waits."""
        while self._queue:
            self._oldest()

    def _oldest(self) -> tuple[bytes, bytes | bytearray | memoryview]:
        head, message = self._queue.popleft()
        self._queued -= len(message)
        self._streams.queued -= len(message)
        return head, message

    def _unhurried(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None

    def _write(self, head: bytes, message: bytes | bytearray | memoryview) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.writelines((head, message))
