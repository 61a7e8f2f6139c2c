"""Calls that no client would make: wild values for every function of the embedded CARLA world's protocol."""

from __future__ import annotations

import random
from typing import Any

import msgpack

__all__ = ["broken_call", "some_call"]

NUMBERS = [0, 1, -1, 2, 7, 255, 2**31, 2**32 - 1, 2**63, 2**64 - 1, -(2**63), 0.0, -0.5, 1e9, 1e300, float("inf")]
TEXTS = ["", "x", "Town01", "vehicle.tesla.model3", "../../etc/passwd", "\udcff", "\x00", "9" * 300, "nan", "a" * 5000]
OTHERS: list[Any] = [
    None, True, False, float("nan"), b"", b"\x00\xff" * 20, [], {}, [[]], [[[[]]]], [0] * 30, {"a": [1]}
]  # fmt: skip
FAR = [1e4, -1e6, 1e9, -1e9, 1e-300]
"""What a vector may be made of by the protocol's rules, and no world was made for."""


def _wild(generator: random.Random, depth: int = 0) -> Any:
    """Any value."""
    if depth < 4 and generator.random() < 0.35:
        return [_wild(generator, depth + 1) for _ in range(generator.randrange(7))]
    kinds: list[list[Any]] = [list(NUMBERS), list(NUMBERS), list(TEXTS), OTHERS]
    return generator.choice(generator.choice(kinds))


def _vector(generator: random.Random) -> list[Any]:
    kinds = [[generator.uniform(-100, 100)], FAR, [*NUMBERS[:4], float("nan")]]
    return [generator.choice(kinds[generator.choice((0, 0, 1, 1, 1, 2))]) for _ in range(3)]


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


def some_call(generator: random.Random, names: dict[str, list[str]]) -> bytes:
    """A call of a function there is, mostly with as many arguments as it takes."""
    name = generator.choice(list(names))
    taken = names[name] if generator.random() < 0.9 else ["x"] * generator.randrange(7)
    arguments = [_argument(generator, each) for each in taken]
    number = generator.randrange(2**32)
    return bytes(msgpack.packb([0, number, name, [[False], *arguments]], unicode_errors="surrogatepass"))


def broken_call(generator: random.Random, names: dict[str, list[str]]) -> bytes:
    """Noise, or a call with some bytes changed, cut or repeated."""
    data = bytearray(some_call(generator, names))
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
