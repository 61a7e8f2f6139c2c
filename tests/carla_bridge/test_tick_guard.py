"""A Traffic Manager that missed a tick is woken, and only such a one."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import msgpack
import pytest

from carla_bridge import tick_guard
from carla_bridge.tick_guard import tick, watched


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
    thread.join(5.0)


class StuckWorld:
    """Steps at once or late, and comes back when the manager is woken."""

    def __init__(self, woken: threading.Event, steps_at_once: bool = True) -> None:
        self.frame, self.woken, self.steps_at_once = 7, woken, steps_at_once
        self.arguments: tuple[float, ...] = ()

    def get_snapshot(self) -> Any:
        return SimpleNamespace(frame=self.frame)

    def tick(self, *arguments: float) -> int:
        self.arguments = arguments
        if self.steps_at_once:
            self.frame += 1
            assert self.woken.wait(20.0)
        else:
            self.woken.wait(0.6)
            self.frame += 1
        return self.frame


def test_who_missed_a_tick_is_woken(caplog: pytest.LogCaptureFixture) -> None:
    with stuck_manager() as manager, watched(manager.port), caplog.at_level(logging.WARNING):
        world = StuckWorld(manager.woken)
        assert tick(world, 3.0) == 8
        assert world.arguments == (3.0,)
    assert manager.told == [("set_synchronous_mode", [False]), ("set_synchronous_mode", [True])]
    assert f"port {manager.port} missed a tick" in caplog.text


def test_a_server_that_takes_its_time_wakes_nobody() -> None:
    with stuck_manager() as manager, watched(manager.port):
        assert tick(StuckWorld(manager.woken, steps_at_once=False)) == 8
    assert manager.told == []


def test_the_one_that_sleeps_is_found_among_several() -> None:
    """Of two, the first cannot be reached."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    with stuck_manager() as manager, watched(nobody), watched(manager.port):
        assert tick(StuckWorld(manager.woken)) == 8
    assert len(manager.told) == 2


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
        with socket.create_connection(("127.0.0.1", traffic.manager.get_port()), 5.0) as connection:
            for number, value in enumerate((False, True)):
                connection.sendall(msgpack.packb([0, number, "set_synchronous_mode", [value]]))
                assert msgpack.unpackb(connection.recv(64)) == [1, number, None, None]
        for _ in range(40):
            frame = traffic.tick()
        assert world.get_snapshot().frame == frame
        assert any(vehicle.get_velocity().length() > 1.0 for vehicle in traffic.vehicles.values())
