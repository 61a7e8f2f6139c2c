"""msgpack-rpc over one TCP connection: requests in, answers out, in order."""

from __future__ import annotations

import asyncio
import logging
import reprlib
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

import msgpack

from avrec.errors import AvrecError
from carla_bridge.server.rpc.registry import RpcError
from carla_bridge.server.wire.sockets import tune

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["RpcProtocol"]

log = logging.getLogger(__name__)

MAX_REQUEST = 48 * 2**20
MAX_UNFINISHED = 64 * 2**20
"""Of all clients together: small lists take 70 times their bytes in memory."""
MAX_ITEMS = 2**22
"""Of one list: a texture of 2048 x 2048."""
MAX_KEYS = 1024
"""Of a map; no call has any."""
TOLD = 3
"""How often the log tells of a function failing in the same way."""
MAX_UNKNOWN = 100
"""Names of functions that are counted although there are none."""
WAIT_S = 0.0005
MAX_HELD_S = 1.0
"""How long one call waits for readers, whatever other clients do."""
SLICE_S = 0.05
"""After so long with one client, the others have their turn."""
REQUEST, NOTIFICATION = 0, 2


class RpcProtocol(asyncio.Protocol):
    """One client. Everything runs on the server's loop, so a call is never interrupted by another one."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._transport: asyncio.Transport | None = None
        self._unpacker = msgpack.Unpacker(
            max_buffer_size=MAX_REQUEST,
            max_array_len=MAX_ITEMS,
            max_map_len=MAX_KEYS,
            raw=False,
            unicode_errors="surrogateescape",
            strict_map_key=False,
        )
        self._packer = msgpack.Packer(unicode_errors="surrogateescape")
        self._requests: deque[Any] = deque()
        self._unfinished = 0
        self._holding = False
        self._held_since: float | None = None
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            tune(transport)
        self._host.clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """A client went; what it still wanted is forgotten."""
        self._transport = None
        self._requests.clear()
        self._count(-self._unfinished)
        self._host.left(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came: answer the requests that are complete."""
        before = len(self._requests)
        try:
            self._unpacker.feed(data)
            self._requests.extend(self._unpacker)
        except Exception as error:  # whatever bytes may do to the unpacker
            self._complain("bytes that are no msgpack", f"{_kind(error)}: {error}")
            self.close()
            return
        self._count(-self._unfinished if len(self._requests) > before else len(data))
        if self._unfinished > MAX_REQUEST or (self._unfinished and self._host.unfinished > MAX_UNFINISHED):
            self._complain("a request without an end", f"{self._unfinished} bytes so far")
            self.close()
            return
        if not self._holding:
            self._drain()

    def pause_writing(self) -> None:
        """A client that does not read its answers gets no more of them."""
        self._full = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self._full = False
        if self._transport is not None:
            self._transport.resume_reading()
            if not self._holding:
                self._drain()

    def close(self) -> None:
        """Disconnect at once; what was half said is forgotten."""
        self._requests.clear()
        if self._transport is not None:
            self._transport.abort()

    def _complain(self, what: str, found: str) -> None:
        """Say why a client is disconnected; not for ever, or the log would fill the disk."""
        self._host.failures["", what] += 1
        if self._host.failures["", what] <= 10 * TOLD:
            log.warning("A client sent %s (%.200s); it is disconnected.", what, found)

    def _count(self, size: int) -> None:
        self._unfinished += size
        self._host.unfinished += size

    def _drain(self) -> None:
        self._holding = False
        loop = asyncio.get_running_loop()
        enough = loop.time() + SLICE_S
        while self._requests and self._transport is not None and not self._full:
            if loop.time() > enough:
                self._holding = True
                loop.call_soon(self._drain)
                return
            request = self._requests[0]
            if not _well_formed(request):
                self._complain("something that is no request", _brief(request))
                self.close()
                return
            if self._must_wait(request, loop.time()):
                self._holding = True
                loop.call_later(WAIT_S, self._drain)
                return
            self._held_since = None
            self._requests.popleft()
            self._serve(request)

    def _must_wait(self, request: Any, now: float) -> bool:
        """Whether a call moves time while a reader is on its way to its stream, or sends away readers who are busy."""
        method = self._host.methods.get(request[-2])
        streams = self._host.streams
        if method is None:
            return False
        if method.restarts:
            streams.hush()
            if not streams.settling():
                return False
        elif method.ticks is None or not (streams.awaiting() or streams.hushed()):
            return False
        try:
            if method.ticks is not None and not method.ticks(_arguments(request)):
                return False
        except (TypeError, ValueError, IndexError):
            return False
        if self._held_since is None:
            self._held_since = now
        return now - self._held_since <= MAX_HELD_S

    def _serve(self, request: Any) -> None:
        number = request[1] if request[0] == REQUEST else None
        name = request[-2]
        method = self._host.methods.get(name)
        if method is None:
            unknown: Counter[str] = self._host.unknown_calls
            if name[:64] in unknown or len(unknown) < MAX_UNKNOWN:
                unknown[name[:64]] += 1
                if unknown[name[:64]] == 1:
                    log.warning("A client called %.64r, which this server does not have: %s", name, _brief(request[-1]))
            self._answer(number, f"The server has no function {name[:64]!r}", None)
            return
        self._host.caller = self
        try:
            value = method.call(self._host, *_arguments(request))
            self._answer(number, None, method.succeeded(value))
        except (RpcError, AvrecError, ValueError) as error:
            log.debug("%s: %s", name, error)
            self._answer(number, None, method.failed(str(error)))
        except Exception as error:  # one call must not stop the server
            self._host.failures[name, _kind(error)] += 1
            if self._host.failures[name, _kind(error)] <= TOLD:
                log.exception("%s failed with arguments %s", name, _brief(request[-1]))
            self._answer(number, None, method.failed(f"{name} failed: {_kind(error)}: {error}"))

    def _answer(self, number: int | None, error: str | None, result: Any) -> None:
        if number is None or self._transport is None or self._transport.is_closing():
            return
        try:
            data = self._packer.pack([1, number, error, result])
        except Exception as problem:  # an answer that cannot be packed is our mistake, not the client's
            log.exception("An answer could not be packed.")
            data = msgpack.packb([1, number, f"The answer could not be packed: {problem}", None])
        self._transport.write(data)


def _well_formed(request: Any) -> bool:
    if not isinstance(request, list) or len(request) not in (3, 4):
        return False
    if request[0] == REQUEST and len(request) == 4:
        return isinstance(request[1], int) and isinstance(request[2], str) and isinstance(request[3], list)
    return bool(request[0] == NOTIFICATION and len(request) == 3) and all(
        isinstance(item, kind) for item, kind in zip(request[1:], (str, list), strict=True)
    )


def _arguments(request: Any) -> list[Any]:
    """Without the metadata that comes first."""
    arguments: list[Any] = request[-1]
    return arguments[1:]


def _brief(value: Any) -> str:
    """The beginning of a value that may be huge."""
    return reprlib.repr(value)[:200]


def _kind(error: Exception) -> str:
    return type(error).__name__
