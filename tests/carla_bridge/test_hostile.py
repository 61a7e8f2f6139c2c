"""Bytes that no client would send, clients that vanish, readers that do not read: the server goes on."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

import carla_bridge
from bench.carla_soak import sample_process
from bench.fuzz_carla import fuzz
from tests.carla_bridge.support import WAIT_S, loop_map
from tests.processes import started

TIMEOUT_S = WAIT_S


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[carla_bridge.Server]:
    with carla_bridge.serve(loop_map(), port=0, recordings=tmp_path_factory.mktemp("recordings")) as running:
        yield running


class Caller:
    """A bare client of the RPC."""

    def __init__(self, server: carla_bridge.Server) -> None:
        self.socket = socket.create_connection((server.host, server.port), timeout=TIMEOUT_S)
        self._unpacker = msgpack.Unpacker(raw=False)
        self._number = 0

    def call(self, method: str, *arguments: Any) -> tuple[Any, Any]:
        """Error and result."""
        self._number += 1
        self.socket.sendall(msgpack.packb([0, self._number, method, [[False], *arguments]]))
        while True:
            for answer in self._unpacker:
                assert answer[:2] == [1, self._number]
                return answer[2], answer[3]
            data = self.socket.recv(2**16)
            if not data:
                raise ConnectionError("the server hung up")
            self._unpacker.feed(data)

    def value(self, method: str, *arguments: Any) -> Any:
        error, result = self.call(method, *arguments)
        assert error is None
        assert result[0][0] == 1, result
        return result[0][1]

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def hung_up(connection: socket.socket) -> bool:
    connection.settimeout(TIMEOUT_S)
    try:
        while connection.recv(2**16):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


@pytest.mark.parametrize(
    "data",
    [
        b"\xc1",  # never used in msgpack
        b"GET / HTTP/1.1\r\n\r\n",
        msgpack.packb({"a": 1}),
        msgpack.packb([0, 1, "version"]),
        msgpack.packb([0, 1, b"version", []]),
        msgpack.packb([7, 1, "version", [[False]]]),
        msgpack.packb([0, "one", "version", [[False]]]),
        b"\xdd\xff\xff\xff\xff",  # a list of 2^32 items
        b"\x91" * 100_000,  # lists in lists in lists
    ],
    ids=lambda data: data[:8].hex(),
)
def test_bytes_that_are_no_requests_end_that_connection_only(server: carla_bridge.Server, data: bytes) -> None:
    with Caller(server) as good, Caller(server) as bad:
        bad.socket.sendall(data)
        assert hung_up(bad.socket)
        assert good.value("version") == "0.9.16"


def test_random_bytes(server: carla_bridge.Server) -> None:
    generator = random.Random(1)
    for _ in range(60):
        with Caller(server) as bad:
            bad.socket.sendall(generator.randbytes(generator.randrange(1, 400)))
    with Caller(server) as good:
        assert good.value("version") == "0.9.16"


def test_unknown_functions_and_wrong_arguments_are_answered(server: carla_bridge.Server) -> None:
    with Caller(server) as caller:
        error, result = caller.call("no_such_function", 1, 2)
        assert "no_such_function" in error
        assert result is None
        for method in ("spawn_actor", "get_physics_control", "cast_ray", "set_episode_settings", "get_actors_by_id"):
            for arguments in ((), (None,), ("x", "y"), (-1, [[]]), ({"a": 1}, 2, 3, 4, 5, 6, 7)):
                error, result = caller.call(method, *arguments)
                assert error is None
                assert result[0][0] == 0 or method == "get_actors_by_id"
        for method in ("apply_control_to_vehicle", "set_actor_transform", "set_weather_parameters"):
            error, result = caller.call(method, 1, float("nan"))
            assert error is None
            assert result[0][0] is True
        assert caller.call("apply_batch", [[[99, [1]]], 7, [[0, []]]], False)[1] == [
            [[0, ["command 99 is not available here"]]],
            *caller.call("apply_batch", [7, [[0, []]]], False)[1],
        ]
        assert caller.value("version") == "0.9.16"


def test_every_function_survives_nonsense(server: carla_bridge.Server) -> None:
    from carla_bridge.server.rpc import METHODS

    generator = random.Random(2)
    nonsense = [None, True, -1, 2**63, 1e300, float("nan"), "", "x" * 1000, b"\x00\xff", [], [[]], [1, [2, [3]]], {}]
    with Caller(server) as caller:
        for name in METHODS:
            for count in range(6):
                error, result = caller.call(name, *(generator.choice(nonsense) for _ in range(count)))
                assert (error is None) or isinstance(error, str)
                assert result is not None or error
        caller.value("set_episode_settings", [False, False, [False], True, 0.01, 10])
        assert caller.value("version") == "0.9.16"


def test_requests_in_pieces_and_in_one_piece(server: carla_bridge.Server) -> None:
    with Caller(server) as caller:
        request = msgpack.packb([0, 1, "get_map_data", [[False]]])
        for byte in request:
            caller.socket.sendall(bytes([byte]))
        caller._number = 0
        assert caller.value("version")  # the answer to the pieces, whatever it says
    with Caller(server) as caller:
        caller.socket.sendall(b"".join(msgpack.packb([0, n, "version", [[False]]]) for n in range(500)))
        unpacker = msgpack.Unpacker(raw=False)
        numbers: list[int] = []
        while len(numbers) < 500:
            unpacker.feed(caller.socket.recv(2**16))
            numbers += [answer[1] for answer in unpacker]
        assert numbers == list(range(500))


def test_readers_that_do_not_read_or_vanish(server: carla_bridge.Server) -> None:
    with Caller(server) as caller:
        token = caller.value("get_sensor_token", 1)[0]
        stream, port = struct.unpack("<IH", token[:6])
        lazy = [socket.create_connection((server.host, port), timeout=TIMEOUT_S) for _ in range(50)]
        for each in lazy:
            each.sendall(struct.pack("<I", stream))
        for each in lazy[:25]:  # gone without a word
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()
        stranger = socket.create_connection((server.host, port), timeout=TIMEOUT_S)
        stranger.sendall(struct.pack("<I", 12345))
        frame = caller.value("tick_cue")
        time.sleep(0.3)
        assert caller.value("tick_cue") > frame
        head = lazy[30].recv(4, socket.MSG_WAITALL)
        assert struct.unpack("<I", head)[0] >= 48 + 36 + 119
        stranger.settimeout(0.1)
        with pytest.raises(TimeoutError):  # neither fed nor cut off: clients that are cut off come back at once
            stranger.recv(1)
        for each in [*lazy[25:], stranger]:
            each.close()


def test_fifty_clients(server: carla_bridge.Server) -> None:
    callers = [Caller(server) for _ in range(50)]
    for _ in range(3):
        for caller in callers:
            assert caller.value("get_episode_settings")
    for caller in callers:
        caller.socket.close()


def test_an_endless_frame_is_refused(server: carla_bridge.Server) -> None:
    """A text that claims 1 GiB: the server must not wait for it all."""
    with Caller(server) as bad:
        bad.socket.sendall(b"\x94\x00\x01\xdb\x40\x00\x00\x00")
        chunk = b"x" * 2**20
        try:
            for _ in range(200):
                bad.socket.sendall(chunk)
        except OSError:
            pass
        else:
            pytest.fail("200 MiB were taken")
    with Caller(server) as good:
        assert good.value("version") == "0.9.16"


def test_lists_without_an_end_are_refused(server: carla_bridge.Server) -> None:
    """Small lists take many times their bytes in memory, so they are not collected for ever."""
    with Caller(server) as bad:
        bad.socket.sendall(b"\x94\x00\x01\xabapply_batch\x92\x91\xc2\xdd\x00\x3f\xff\xff")
        with contextlib.suppress(OSError):
            for _ in range(70):
                bad.socket.sendall((b"\xdc\xff\xff" + b"\xc0" * 0xFFFF) * 16)
        assert hung_up(bad.socket)
    with Caller(server) as good:
        assert good.value("version") == "0.9.16"


def test_a_batch_without_measure_is_refused(server: carla_bridge.Server) -> None:
    with Caller(server) as caller:
        assert caller.call("apply_batch", [0] * 60_000, False) == (None, [])
        assert len(caller.call("apply_batch", [0] * 1000, False)[1]) == 1000


def test_clients_that_dawdle_keep_nobody_waiting(server: carla_bridge.Server) -> None:
    with Caller(server) as good:
        slow = [Caller(server) for _ in range(40)]
        request = msgpack.packb([0, 1, "get_episode_settings", [[False]]])
        for byte in request[:-1]:
            for each in slow:
                each.socket.sendall(bytes([byte]))
            assert good.value("version") == "0.9.16"
        for each in slow:
            each.socket.sendall(request[-1:])
            assert next(iter(_answers(each)))[2] is None
            each.socket.close()


def _answers(caller: Caller) -> Iterator[Any]:
    while True:
        caller._unpacker.feed(caller.socket.recv(2**16))
        yield from caller._unpacker


def test_a_client_that_does_not_read_its_answers_gets_no_more_of_them(server: carla_bridge.Server) -> None:
    """Thousands of long answers wait as calls, not as bytes."""
    calls = 4000
    before = sample_process(server.pid).memory_mib
    with Caller(server) as lazy, Caller(server) as good:
        lazy.socket.sendall(b"".join(msgpack.packb([0, n, "get_actor_definitions", [[False]]]) for n in range(calls)))
        for _ in range(20):
            assert good.value("version") == "0.9.16"
            time.sleep(0.01)
        assert sample_process(server.pid).memory_mib < before + 60.0
        answers = _answers(lazy)
        for number in range(30):
            assert next(answers)[1] == number


def test_a_traffic_manager_is_forgotten_with_its_client(server: carla_bridge.Server) -> None:
    with Caller(server) as good:
        with Caller(server) as dying:
            assert dying.value("add_traffic_manager_running", ["127.0.0.1", 8000]) is True
            assert good.value("is_traffic_manager_running", 8000) is True
            assert good.value("get_traffic_manager_running", 8000) == ["127.0.0.1", 8000]
        for _ in range(round(WAIT_S / 0.02)):
            if not good.value("is_traffic_manager_running", 8000):
                break
            time.sleep(0.02)
        assert good.value("add_traffic_manager_running", ["127.0.0.1", 8000]) is True
        good.call("destroy_traffic_manager", 8000)


def test_many_wild_frames(tmp_path: Path) -> None:
    with carla_bridge.serve(loop_map(), port=0, recordings=tmp_path) as own:
        found = fuzz(own, 3000, seed=7)
        assert found.sound(), found
        assert found.answers["done"] > 50
        assert found.answers["refused"] > 50


def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    source = tmp_path / "loop.xodr"
    source.write_bytes(loop_map())
    text = (
        "import sys, carla_bridge; s = carla_bridge.serve(sys.argv[1], 0); print(s.pid, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", text, str(source)]
    with started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        starter.kill()
        starter.wait()
    for _ in range(round(WAIT_S / 0.1)):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the server was left behind")
