"""Streams whose readers do not keep up, and sensors and renderers that raise; without sockets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from carla_bridge.sensors.rendering import CameraRequest, WorldView
from carla_bridge.server.host import Host
from carla_bridge.server.profiles import profile_of
from carla_bridge.server.rpc import METHODS
from carla_bridge.server.rpc.registry import RpcError
from carla_bridge.server.streaming import streams as module
from carla_bridge.server.streaming.streams import Streams
from carla_bridge.world import read_road_map
from carla_bridge.world.pose import Pose
from tests.carla_bridge.support import loop_map


class FakeTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def writelines(self, pieces: Any) -> None:
        self.written.append(b"".join(pieces))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    found = asyncio.new_event_loop()
    asyncio.events._set_running_loop(found)
    yield found
    asyncio.events._set_running_loop(None)
    found.close()


def reader(streams: Streams, stream: int) -> tuple[Any, FakeTransport]:
    made, transport = streams.protocol(), FakeTransport()
    made.connection_made(transport)
    assert isinstance(made, asyncio.Protocol)
    made.data_received(stream.to_bytes(4, "little"))
    return made, transport


def test_a_full_queue_loses_its_oldest_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_BYTES", 30)
    streams = Streams()
    streams.open(5)
    slow, transport = reader(streams, 5)
    _, other = reader(streams, 5)
    slow.pause_writing()
    for number in range(6):
        streams.publish(5, bytes([number]) * 10)
    assert [message[4] for message in other.written] == [0, 1, 2, 3, 4, 5]
    assert streams.dropped == 3
    assert streams.queued == 30
    slow.resume_writing()
    assert [message[4] for message in transport.written] == [3, 4, 5]
    assert streams.queued == 0


def test_all_queues_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALL_QUEUES_BYTES", 100)
    streams = Streams()
    streams.open(5)
    slow = [reader(streams, 5)[0] for _ in range(8)]
    for each in slow:
        each.pause_writing()
    for _ in range(20):
        streams.publish(5, bytes(10))
    assert 0 < streams.queued <= 100
    for each in slow:
        each.connection_lost(None)
    assert streams.queued == 0


def test_a_stream_that_ends_keeps_nothing_for_its_readers() -> None:
    streams = Streams()
    streams.open(5)
    slow, transport = reader(streams, 5)
    slow.pause_writing()
    streams.publish(5, bytes(10))
    streams.close(5)
    assert streams.queued == 0
    assert not streams.wanted(5)
    assert not transport.closed  # it would come back at once
    slow.resume_writing()
    assert not transport.written


def test_a_connection_without_a_name_is_closed(
    monkeypatch: pytest.MonkeyPatch, loop: asyncio.AbstractEventLoop
) -> None:
    monkeypatch.setattr(module, "NAMELESS_S", 0.0)
    streams = Streams()
    streams.open(5)
    nameless, named = FakeTransport(), FakeTransport()
    for transport, name in ((nameless, b"\x05\x00"), (named, b"\x05\x00\x00\x00")):
        made = streams.protocol()
        made.connection_made(transport)
        assert isinstance(made, asyncio.Protocol)
        made.data_received(name)
    asyncio.events._set_running_loop(None)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert nameless.closed
    assert not named.closed


def test_a_stalled_reader_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALLED_S", -1.0)
    streams = Streams()
    streams.open(5)
    slow, transport = reader(streams, 5)
    slow.pause_writing()
    streams.publish(5, bytes(10))
    assert transport.closed


def test_a_load_waits_for_readers_that_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """The official client frees what its own threads still use when it leaves a stream that it has just joined."""
    now = [100.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(module.os, "getloadavg", lambda: (0.5, 0.5, 0.5))
    streams = Streams()
    streams.open(5)
    assert not streams.settling()
    streams.expect(5)
    assert streams.awaiting()
    assert streams.settling()
    reader(streams, 5)
    assert not streams.awaiting()  # so ticks go on
    assert streams.settling()
    now[0] += 2 * module.SETTLE_S
    assert not streams.settling()
    streams.publish(5, b"news")
    assert streams.settling()
    now[0] += 2 * module.SETTLE_S
    assert not streams.settling()
    streams.publish(5, b"news")
    now[0] += 2 * module.SETTLE_S
    monkeypatch.setattr(module.os, "getloadavg", lambda: (10.0 * (os.cpu_count() or 1), 0.5, 0.5))
    assert streams.settling()  # a crowded machine takes longer
    assert {name for name, method in METHODS.items() if method.restarts} == {"load_new_episode"}


def test_silence_ends_when_the_client_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever loads a world leaves the stream and comes back; meanwhile no step is told, or its client crashes."""
    now = [100.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for version, silent in (("0.9.16", True), ("0.9.15", False)):
        host = Host(read_road_map(loop_map()), profile_of(version))
        METHODS["load_new_episode"].call(host, "")
        assert not host.streams.hushed()  # nobody reads
        reader(host.streams, 1)
        METHODS["load_new_episode"].call(host, "")
        assert host.streams.hushed() is silent
        reader(host.streams, 1)
        assert not host.streams.hushed()
        METHODS["load_new_episode"].call(host, "")
        now[0] += module.HUSH_S  # whoever never comes back is not waited for
        assert not host.streams.hushed()
        host.streams.hush()
        with pytest.raises(RpcError):
            METHODS["load_new_episode"].call(host, "Nowhere")
        assert not host.streams.hushed()


class Raising:
    """A renderer that cannot."""

    def camera(self, view: WorldView, request: CameraRequest) -> np.ndarray:
        raise RuntimeError("no picture today")


def test_a_renderer_that_raises_stops_only_its_own_camera(caplog: pytest.LogCaptureFixture) -> None:
    host = Host(read_road_map(loop_map()), profile_of("0.9.16"), renderer=Raising())
    camera, lidar = (
        host.spawn(host.blueprints[name], {"channels": "4"} if "lidar" in name else {}, Pose(0, 0, 2.0, 0, 0, 0))
        for name in ("sensor.camera.rgb", "sensor.lidar.ray_cast")
    )
    seen = {}
    for actor in (camera, lidar):
        stream = int.from_bytes(host.descriptions[actor.id][5][:4], "little")
        seen[actor.id] = reader(host.streams, stream)[1]
    frames = [host.tick() for _ in range(3)]
    assert frames == [frames[0], frames[0] + 1, frames[0] + 2]
    assert not seen[camera.id].written
    assert len(seen[lidar.id].written) == 3
    assert len([each for each in caplog.records if "failed and is off" in each.getMessage()]) == 1
