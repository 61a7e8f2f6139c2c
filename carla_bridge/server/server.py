"""A server: two listening sockets and one loop that owns the world."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable

from avrec.errors import AvrecError
from carla_bridge.server.host import Host
from carla_bridge.server.wire.rpc_protocol import RpcProtocol

__all__ = ["check_address", "run_server"]

log = logging.getLogger(__name__)

BACKLOG = 128
PARENT_EVERY_S = 1.0
"""How often a server looks whether the process that started it still lives."""


def run_server(
    host: Host,
    address: str = "127.0.0.1",
    port: int = 2000,
    ready: Callable[[int], None] | None = None,
    stop: asyncio.Event | None = None,
    *,
    parent: int | None = None,
) -> None:
    """Serve until interrupted or told to stop.

    Args:
        host: the world and all state.
        address: to listen on; the loopback by default, for the protocol knows no passwords.
        port: of the RPC, 0 for a free one; streams use the next one, or another free one.
        ready: called with the RPC port once clients can connect.
        stop: ends the server when set.
        parent: process that started this one; when it is gone the server ends, so that none is left behind.

    Raises:
        AvrecError: the port is taken.
    """
    _allow_many_connections()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(host, address, port, ready, stop, parent))


def check_address(address: str, port: int) -> None:
    """Try whether a server could listen there, before long work.

    Raises:
        AvrecError: the port is taken, or the address is not one of this machine.
    """
    _listen(address, port).close()


async def _serve(
    host: Host,
    address: str,
    port: int,
    ready: Callable[[int], None] | None,
    stop: asyncio.Event | None,
    parent: int | None,
) -> None:
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    rpc_socket = _listen(address, port)
    rpc_port = int(rpc_socket.getsockname()[1])
    stream_socket = _listen_near(address, rpc_port + 1)
    host.streams.port = int(stream_socket.getsockname()[1])
    streaming = await loop.create_server(host.streams.protocol, sock=stream_socket, backlog=BACKLOG)
    rpc = await loop.create_server(lambda: RpcProtocol(host), sock=rpc_socket, backlog=BACKLOG)
    log.info("Serving CARLA %s on %s:%d.", host.profile.version, address, rpc_port)
    clock = loop.create_task(_run_freely(host))
    watch = loop.create_task(_stop_without(parent, stop)) if parent is not None else None
    try:
        if ready is not None:
            ready(rpc_port)
        await stop.wait()
    finally:
        clock.cancel()
        if watch is not None:
            watch.cancel()
        rpc.close()
        streaming.close()
        if host.recorder is not None:
            host.recorder.stop()
        host.streams.close_all()
        for client in tuple(host.clients):
            client.close()


async def _stop_without(parent: int, stop: asyncio.Event) -> None:
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_EVERY_S)
    log.info("The process that started the server is gone.")
    stop.set()


def _allow_many_connections() -> None:
    """Every sensor that somebody watches is a connection, and the usual limit of open files is low."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # not on every system, not always allowed
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _run_freely(host: Host) -> None:
    """Let time pass in a world that does not wait for ticks, as fast as the clock on the wall."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        if host.settings.synchronous or host.streams.hushed():
            await asyncio.sleep(0.01)
            due = loop.time()
            continue
        try:
            host.tick()
        except Exception:  # the world must go on
            log.exception("A step of the world failed.")
        due = max(due + host.step_s, loop.time() - host.step_s)
        await asyncio.sleep(max(due - loop.time(), 0.0))


def _listen(address: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
        listening.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listening.close()
        raise AvrecError(
            f"Port {port} on {address} cannot be used ({error}). Choose another port, or stop what uses it; the "
            "address must be one of this machine."
        ) from error
    return listening


def _listen_near(address: str, port: int) -> socket.socket:
    try:
        return _listen(address, port)
    except AvrecError:
        return _listen(address, 0)
