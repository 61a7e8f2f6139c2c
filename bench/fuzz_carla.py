"""Bytes that no client would send: ``python -m bench.fuzz_carla --map FILE.xodr [--frames 20000] [--seed 0]``.

An embedded world gets so many frames on its RPC port: calls of every function with wild arguments, and, to end a
connection, calls with some bytes changed, cut or repeated, and random bytes. For every tenth connection there is one to
its streaming port. Connections are left open, closed or reset. A witness asks for the version all the time. Printed are
the frames sent, what was answered, the witness's longest wait, and the server's memory. Exit code 1 where the server
died, kept the witness waiting for 10 s, or took more than 300 MiB on top.
"""

from __future__ import annotations

import argparse
import random
import socket
import struct
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import msgpack

import carla_bridge
from bench.carla_soak import PATIENCE_S, sample_process
from bench.hostile_calls import broken_call, some_call

__all__ = ["Fuzzed", "fuzz", "main"]

LEFT_OPEN = 40
PER_CONNECTION = 25
BROKEN = 5
MOST_MIB = 300.0


@dataclass(frozen=True)
class Fuzzed:
    """What came of it: frames sent, answers by kind, longest wait in seconds, memory in MiB before, most, after.

    ``alive``: whether the server still runs, and its world can be ticked as it was left and when it is loaded anew.
    """

    frames: int
    answers: Counter[str]
    slowest_s: float
    memory_mib: tuple[float, float, float]
    alive: bool

    def sound(self) -> bool:
        """Whether nothing died, hung or grew without bounds."""
        before, most, _ = self.memory_mib
        return self.alive and self.slowest_s < PATIENCE_S and most - before < MOST_MIB


class _Witness:
    """A client with manners that wants answers."""

    def __init__(self, server: carla_bridge.Server) -> None:
        self._socket = socket.create_connection((server.host, server.port), timeout=4 * PATIENCE_S)
        self.slowest_s = 0.0

    def ask(self) -> None:
        """One question; a server that does not answer raises."""
        start = time.monotonic()
        self._socket.sendall(msgpack.packb([0, 1, "version", [[False]]]))
        if not self._socket.recv(2**16):
            raise ConnectionError("the server hung up on the witness")
        self.slowest_s = max(self.slowest_s, time.monotonic() - start)

    def usable(self) -> bool:
        """Whether the world can be ticked as it is now, and when it is loaded anew."""
        settings = [True, False, [True, 0.05], True, 0.01, 10, 0.0, False, 0.0, 0.0, True]
        steady = ("set_episode_settings", settings), ("tick_cue",), ("tick_cue",)
        answers = [self._value(*call) for call in (*steady, ("load_new_episode", "", True, 0), *steady)]
        self._socket.close()
        as_it_was, anew = (answers[2] - answers[1], answers[6] - answers[5])
        return as_it_was == anew == 1

    def stream_port(self) -> int:
        """Where streams are read: the next port, or any where that one was taken."""
        token: bytes = self._answer("get_episode_info")[1][0]
        return int(struct.unpack_from("<IH", token)[1])

    def _value(self, name: str, *arguments: Any) -> int:
        """A call's answer as a number, -1 for none."""
        answer = self._answer(name, *arguments)
        return -1 if answer is None else int(answer)

    def _answer(self, name: str, *arguments: Any) -> Any:
        self._socket.sendall(msgpack.packb([0, 1, name, [[False], *arguments]]))
        unpacker = msgpack.Unpacker(raw=True)
        while True:
            unpacker.feed(self._socket.recv(2**16))
            for answer in unpacker:
                kind, *value = answer[3][0]
                return value[0] if kind == 1 else None


def fuzz(server: carla_bridge.Server, frames: int, seed: int = 0) -> Fuzzed:
    """Send frames; the functions that would end or load worlds are among them."""
    from carla_bridge.server.rpc import METHODS

    generator = random.Random(seed)
    names = {name: list(signature(METHODS[name].call).parameters)[1:] for name in sorted(METHODS)}
    answers: Counter[str] = Counter()
    before = most = sample_process(server.pid).memory_mib
    witness = _Witness(server)
    streams = server.host, witness.stream_port()
    left: list[socket.socket] = []
    sent = 0
    while sent < frames and server.running:
        left.append(socket.create_connection((server.host, server.port), timeout=PATIENCE_S))
        data = [some_call(generator, names) for _ in range(min(PER_CONNECTION, frames - sent) - BROKEN)]
        data += [broken_call(generator, names) for _ in range(BROKEN)]  # last, for they end the connection
        sent += len(data)
        answers.update(_answers(left[-1], b"".join(data), generator))
        if sent % (10 * PER_CONNECTION) == 0:
            left.append(_stream(streams, generator))
        while len(left) > LEFT_OPEN:
            _leave(left.pop(generator.randrange(len(left))), generator)
        witness.ask()
        if sent % (20 * PER_CONNECTION) == 0:
            most = max(most, sample_process(server.pid).memory_mib)
    for each in left:
        each.close()
    witness.ask()
    usable = witness.usable()
    after = sample_process(server.pid).memory_mib
    return Fuzzed(sent, answers, witness.slowest_s, (before, max(most, after), after), usable and server.running)


def _answers(connection: socket.socket, data: bytes, generator: random.Random) -> list[str]:
    """What comes back within a moment."""
    found: list[str] = []
    unpacker = msgpack.Unpacker(raw=True, strict_map_key=False)
    try:
        connection.sendall(data)
        connection.settimeout(generator.choice([0.0, 0.02]))
        while piece := connection.recv(2**20):
            unpacker.feed(piece)
            found += ["an error" if answer[2] is not None else _kind(answer[3]) for answer in unpacker]
        found.append("hung up")
    except (BlockingIOError, TimeoutError):
        pass
    except OSError:
        found.append("hung up")
    return found


def _kind(result: Any) -> str:
    first = result[0][0] if isinstance(result, list) and result and isinstance(result[0], list) and result[0] else None
    return "refused" if first is True or (first == 0 and first is not False) else "done"


def _stream(address: tuple[str, int], generator: random.Random) -> socket.socket:
    """Something on the streaming port."""
    connection = socket.create_connection(address, timeout=PATIENCE_S)
    kind = generator.randrange(4)
    name = generator.choice([1, 2, 3, 50, 2**32 - 1])
    connection.sendall(
        [struct.pack("<I", name), generator.randbytes(generator.randrange(1, 5000)), b"\x01", struct.pack("<I", 1)][
            kind
        ]
    )
    return connection


def _leave(connection: socket.socket, generator: random.Random) -> None:
    """With or without a word."""
    if generator.random() < 0.5:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def main(arguments: list[str] | None = None) -> int:
    """Send and print; 1 where the server did not bear it."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz_carla", description=__doc__)
    parser.add_argument("--map", type=Path, required=True, help="an OpenDRIVE map or a scene")
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as folder,
        carla_bridge.serve(options.map, port=0, recordings=folder) as server,
    ):
        start = time.monotonic()
        found = fuzz(server, options.frames, options.seed)
    before, most, after = found.memory_mib
    told = ", ".join(f"{name} {count}" for name, count in sorted(found.answers.items()))
    print(f"{found.frames} frames in {time.monotonic() - start:.0f} s: {told}")
    print(
        f"  server {'up' if found.alive else 'DOWN'}, longest wait of the witness {found.slowest_s:.2f} s, "
        f"memory {before:.0f} MiB, most {most:.0f}, after {after:.0f}"
    )
    return 0 if found.sound() else 1


if __name__ == "__main__":
    raise SystemExit(main())
