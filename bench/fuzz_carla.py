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

__all__ = ["Fuzzed", "fuzz", "main"]

LEFT_OPEN = 40
PER_CONNECTION = 25
BROKEN = 5
MOST_MIB = 300.0

NUMBERS = [0, 1, -1, 2, 7, 255, 2**31, 2**32 - 1, 2**63, 2**64 - 1, -(2**63), 0.0, -0.5, 1e9, 1e300, float("inf")]
TEXTS = [
    "",
    "x",
    "Town01",
    "vehicle.tesla.model3",
    "../../etc/passwd",
    "\\udcff",
    "\\x00",
    "9" * 300,
    "nan",
    "a" * 5000,
]
OTHERS: list[Any] = [
    None,
    True,
    False,
    float("nan"),
    b"",
    b"\\x00\\xff" * 20,
    [],
    {},
    [[]],
    [[[[]]]],
    [0] * 30,
    {"a": [1]},
]


@dataclass(frozen=True)
class Fuzzed:
    """What came of it: frames sent, answers by kind, longest wait in seconds, memory in MiB before, most, after.

    ``alive``: whether the server still runs and its world can be loaded anew and ticked.
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


def _wild(generator: random.Random, depth: int = 0) -> Any:
    """Any value."""
    if depth < 4 and generator.random() < 0.35:
        return [_wild(generator, depth + 1) for _ in range(generator.randrange(7))]
    kinds: list[list[Any]] = [list(NUMBERS), list(NUMBERS), list(TEXTS), OTHERS]
    return generator.choice(generator.choice(kinds))


def _vector(generator: random.Random) -> list[Any]:
    return [generator.choice([generator.uniform(-100, 100), *NUMBERS[:4], float("nan")]) for _ in range(3)]


def _argument(generator: random.Random, name: str) -> Any:
    """A value for a parameter, by its name mostly one that looks true."""
    chance = generator.random()
    if chance < 0.25:
        return _wild(generator)
    if name in ("actor_id", "parent", "stream", "junction", "port"):
        return generator.randrange(1, 40)
    if name in ("transform", "pose"):
        return [_vector(generator), _vector(generator)]
    if name == "description":
        kinds = [
            "vehicle.audi.tt",
            "walker.pedestrian.0001",
            "sensor.camera.rgb",
            "sensor.other.imu",
            "static.prop.box01",
        ]
        names = ["role_name", "fov", "image_size_x", "color", "sensor_tick", "noise_seed"]
        return [1, generator.choice(kinds), [[generator.choice(names), 3, str(_wild(generator, 4))[:40]]]]
    if name == "commands":
        return [[generator.randrange(24), [generator.randrange(1, 40), *_arguments(generator)]] for _ in range(3)]
    if chance < 0.5:
        return _vector(generator)
    return generator.choice(
        [generator.random(), generator.random() < 0.5, generator.randrange(40), "x", _wild(generator)]
    )


def _arguments(generator: random.Random) -> list[Any]:
    return [
        _argument(generator, generator.choice(["transform", "location", "x"])) for _ in range(generator.randrange(4))
    ]


def _call(generator: random.Random, names: dict[str, list[str]]) -> bytes:
    """A call of a function there is, mostly with as many arguments as it takes."""
    name = generator.choice(list(names))
    taken = names[name] if generator.random() < 0.9 else ["x"] * generator.randrange(7)
    arguments = [_argument(generator, each) for each in taken]
    number = generator.randrange(2**32)
    return bytes(msgpack.packb([0, number, name, [[False], *arguments]], unicode_errors="surrogatepass"))


def _broken(generator: random.Random, names: dict[str, list[str]]) -> bytes:
    """Noise, or a call with some bytes changed, cut or repeated."""
    data = bytearray(_call(generator, names))
    kind = generator.randrange(4)
    if kind == 0:
        return generator.randbytes(generator.randrange(1, 300))
    if kind == 1:
        for _ in range(generator.randrange(1, 4)):
            data[generator.randrange(len(data))] = generator.randrange(256)
    elif kind == 2:
        del data[generator.randrange(len(data)) :]
    else:
        start = generator.randrange(len(data))
        data[start:start] = data[start:] * generator.randrange(1, 20)
    return bytes(data)


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
        """Whether the world can be loaded anew and ticked."""
        frames = []
        for name, *arguments in (
            ("load_new_episode", "", True, 0),
            ("set_episode_settings", [True, False, [True, 0.05], True, 0.01, 10, 0.0, False, 0.0, 0.0, True]),
            ("tick_cue",),
            ("tick_cue",),
        ):
            self._socket.sendall(msgpack.packb([0, 1, name, [[False], *arguments]]))
            frames.append(msgpack.unpackb(self._socket.recv(2**16))[3])
        self._socket.close()
        return bool(frames[0] == [[False]] and frames[3] == [[1, frames[2][0][1] + 1]])


def fuzz(server: carla_bridge.Server, frames: int, seed: int = 0) -> Fuzzed:
    """Send frames; the functions that would end or load worlds are among them."""
    from carla_bridge.server.rpc import METHODS

    generator = random.Random(seed)
    names = {name: list(signature(METHODS[name].call).parameters)[1:] for name in sorted(METHODS)}
    answers: Counter[str] = Counter()
    before = most = sample_process(server.pid).memory_mib
    witness = _Witness(server)
    left: list[socket.socket] = []
    sent = 0
    while sent < frames and server.running:
        left.append(socket.create_connection((server.host, server.port), timeout=PATIENCE_S))
        data = [_call(generator, names) for _ in range(min(PER_CONNECTION, frames - sent) - BROKEN)]
        data += [_broken(generator, names) for _ in range(BROKEN)]  # last, for they end the connection
        sent += len(data)
        answers.update(_answers(left[-1], b"".join(data), generator))
        if sent % (10 * PER_CONNECTION) == 0:
            left.append(_stream(server, generator))
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


def _stream(server: carla_bridge.Server, generator: random.Random) -> socket.socket:
    """Something on the streaming port."""
    connection = socket.create_connection((server.host, server.port + 1), timeout=PATIENCE_S)
    kind = generator.randrange(4)
    name = generator.choice([1, 2, 3, 50, 2**32 - 1])
    connection.sendall(
        [struct.pack("<I", name), generator.randbytes(generator.randrange(1, 5000)), b"\\x01", struct.pack("<I", 1)][
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
