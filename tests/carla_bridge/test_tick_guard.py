"""A Traffic Manager that missed a tick is woken, and only such a one."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import msgpack
import pytest

from carla_bridge import tick_guard
from carla_bridge.tick_guard import tick, watched
from tests.carla_bridge.support import WAIT_S


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tick_guard, "LOST_S", 0.2)
    monkeypatch.setattr(tick_guard, "LOOK_S", 0.05)


@dataclass
class StuckManager:
    """What a Traffic Manager serves on its port; a tick waits until it is told to leave the synchronous mode."""

    told: list[Any] = field(default_factory=list)
    woken: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            unpacker = msgpack.Unpacker()
            with connection:
                while read := connection.recv(256):
                    unpacker.feed(read)
                    for kind, number, name, arguments in unpacker:
                        assert kind == 0
                        self.told.append((name, arguments))
                        connection.sendall(msgpack.packb([1, number, None, None]))
                        if arguments == [False]:
                            self.woken.set()


@contextmanager
def stuck_manager() -> Iterator[StuckManager]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        manager = StuckManager(port=listener.getsockname()[1])
        thread = threading.Thread(target=manager.serve, args=(listener,), daemon=True)
        thread.start()
        yield manager
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(WAIT_S)


class StuckWorld:
    """Steps at once, and comes back when the manager is woken."""

    def __init__(self, woken: threading.Event) -> None:
        self.frame, self.woken = 7, woken
        self.arguments: tuple[float, ...] = ()

    def get_snapshot(self) -> Any:
        return SimpleNamespace(frame=self.frame)

    def tick(self, *arguments: float) -> int:
        self.arguments = arguments
        self.frame += 1
        assert self.woken.wait(WAIT_S)
        return self.frame


def test_who_missed_a_tick_is_woken(caplog: pytest.LogCaptureFixture) -> None:
    with stuck_manager() as manager, watched(manager.port), caplog.at_level(logging.WARNING):
        world = StuckWorld(manager.woken)
        assert tick(world, 3.0) == 8
        assert world.arguments == (3.0,)
    assert manager.told == [("set_synchronous_mode", [False]), ("set_synchronous_mode", [True])]
    assert f"port {manager.port} missed a tick" in caplog.text


def test_a_server_that_takes_its_time_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(StuckWorld):
        def tick(self, *arguments: float) -> int:
            for now_s in (0.0, 100.0, 200.0, 300.0):
                tick_guard._look(now_s)
            self.frame += 1
            return self.frame

    monkeypatch.setattr(tick_guard, "LOST_S", 50.0)
    with stuck_manager() as manager, watched(manager.port):
        assert tick(Slow(manager.woken)) == 8
    assert manager.told == []


def test_the_one_that_sleeps_is_found_among_several(caplog: pytest.LogCaptureFixture) -> None:
    """Of two, the first cannot be reached."""
    with socket.socket() as closed, stuck_manager() as manager:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        nobody = closed.getsockname()[1]
        with watched(nobody), watched(manager.port):
            assert tick(StuckWorld(manager.woken)) == 8
    assert len(manager.told) == 2
    assert f"port {nobody} could not be woken" in caplog.text


def test_two_worlds_tick_at_once() -> None:
    """Each in a thread of its own; the client lets their Traffic Managers step one after the other."""
    with stuck_manager() as manager, watched(manager.port), ThreadPoolExecutor(2) as pool:
        ticks = [pool.submit(tick, StuckWorld(manager.woken)) for _ in range(2)]
        assert [each.result(WAIT_S) for each in ticks] == [8, 8]


def test_a_world_that_is_gone_does_not_end_the_guard() -> None:
    class Gone(StuckWorld):
        def get_snapshot(self) -> Any:
            if self.frame != 7:
                raise RuntimeError("trying to access an expired episode")
            return super().get_snapshot()

    with stuck_manager() as manager, watched(manager.port):
        assert tick(Gone(manager.woken)) == 8
    assert len(manager.told) == 2


def test_a_log_that_fails_does_not_end_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[str] = []

    def fail_once(text: str, *_: object) -> None:
        if not failures:
            failures.append(text)
            raise ValueError("a handler's error")

    monkeypatch.setattr(tick_guard.log, "warning", fail_once)
    with stuck_manager() as manager, watched(manager.port):
        assert tick(StuckWorld(manager.woken)) == 8
    assert len(failures) == 1


def test_worlds_are_not_kept() -> None:
    """A client's world ends with who holds it, or its streams would stay open for ever."""
    with stuck_manager() as manager:
        world = StuckWorld(manager.woken)
        with watched(manager.port):
            assert tick(world) == 8
        gone = weakref.ref(world)
        del world
        for _ in range(round(WAIT_S / 0.05)):
            gc.collect()
            if gone() is None:
                break
            time.sleep(0.05)  # the guard may be looking at it
    assert gone() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_a_guard_of_its_own() -> None:
    with stuck_manager() as outer, watched(outer.port):
        child = os.fork()
        if child == 0:
            signal.alarm(round(WAIT_S))  # it may have forked while another thread held a lock
            code = 1
            try:
                with stuck_manager() as manager, watched(manager.port):
                    code = int(tick(StuckWorld(manager.woken)) != 8)
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
    assert outer.told == []


def test_outside_the_block_nobody_is_watched() -> None:
    with stuck_manager() as manager:
        with watched(manager.port):
            pass
        world = StuckWorld(manager.woken)
        threading.Timer(0.5, manager.woken.set).start()
        assert tick(world) == 8
    assert manager.told == []


def test_a_tick_that_fails_is_forgotten() -> None:
    class Broken(StuckWorld):
        def tick(self, *arguments: float) -> int:
            raise RuntimeError("time-out")

    with stuck_manager() as manager, watched(manager.port):
        with pytest.raises(RuntimeError, match="time-out"):
            tick(Broken(manager.woken))
        threading.Event().wait(0.5)
    assert manager.told == []


def test_the_official_traffic_manager_understands(client: Any, world: Any) -> None:
    """Woken without need it goes on as well."""
    from carla_bridge.traffic import Traffic

    with Traffic(client, vehicles=2, people=0) as traffic:
        for _ in range(10):
            traffic.tick()
        with socket.create_connection(("127.0.0.1", traffic.manager.get_port()), WAIT_S) as connection:
            for number, value in enumerate((False, True)):
                connection.sendall(msgpack.packb([0, number, "set_synchronous_mode", [value]]))
                assert msgpack.unpackb(connection.recv(64)) == [1, number, None, None]
        for _ in range(40):
            frame = traffic.tick()
        assert world.get_snapshot().frame == frame
        assert any(vehicle.get_velocity().length() > 1.0 for vehicle in traffic.vehicles.values())
