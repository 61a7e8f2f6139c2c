"""A server in a process of its own.

Some of the client's calls wait for their answer with Python's lock held, so a server in a thread of the client's own
process could never answer them.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from avrec.errors import AvrecError

if TYPE_CHECKING:
    from avrec.scene import Scene

__all__ = ["Server", "serve"]

START_S = 300.0
"""For a large scene on a slow and busy machine; whatever takes longer hangs."""
STOP_S = 5.0


class Server:
    """A running server; leaving the ``with`` block, or `close`, ends it.

    Attributes:
        host: address it listens on.
        port: of the RPC, for `carla.Client`.
    """

    def __init__(self, process: subprocess.Popen[bytes], host: str, port: int) -> None:
        self._process = process
        self.host = host
        self.port = port

    @property
    def pid(self) -> int:
        """Of the server's process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it still serves."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the server."""
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def serve(
    source: str | Path | bytes | Scene,
    port: int = 2000,
    host: str = "127.0.0.1",
    *,
    version: str = "0.9.16",
    seed: int = 0,
    recordings: str | Path = "carla_recordings",
) -> Server:
    """Start a world that CARLA clients connect to, and wait until they can.

    It runs in a process of its own, which ends with this one, however this one ends.

    Args:
        source: an OpenDRIVE map (path or bytes) or a scene with a map (path, or as it is in memory).
        port: of the RPC, 0 for a free one.
        host: address to listen on; the protocol knows no passwords, so the default is this machine only.
        version: of the clients: ``"0.9.16"`` or ``"0.9.15"``.
        seed: of the sensors' noise.
        recordings: folder in which the recorder writes; made when needed.

    Raises:
        AvrecError: no such map, or the port is taken; the text says which.
    """
    if not isinstance(source, str | Path | bytes):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "scene.usdz"
            source.save(path)
            return serve(path, port, host, version=version, seed=seed, recordings=recordings)
    from_memory = isinstance(source, bytes)
    command = [sys.executable, "-m", "carla_bridge.server", "-" if from_memory else str(source), "--ready-line"]
    command += ["--port", str(port), "--host", host, "--version", version, "--seed", str(seed)]
    command += ["--recordings", str(recordings), "--parent", str(os.getpid())]
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(part for part in sys.path if part)
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    complaint: list[bytes] = []
    listener = threading.Thread(target=_listen, args=(process, complaint), daemon=True)
    listener.start()
    overdue = threading.Event()

    def end() -> None:
        overdue.set()
        process.kill()

    guard = threading.Timer(START_S, end)
    guard.daemon = True
    guard.start()
    try:
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                if isinstance(source, bytes):
                    process.stdin.write(source)
                process.stdin.close()
        line = process.stdout.readline() if process.stdout is not None else b""
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        guard.cancel()
    words = line.split()
    if len(words) != 2 or words[0] != b"ready":
        process.kill()
        process.wait()
        listener.join(1.0)
        said = line.removeprefix(b"failed ") if line.startswith(b"failed ") else b"".join(complaint[-20:])
        silence = f"it did not begin within {START_S:.0f} s" if overdue.is_set() else "it said nothing"
        text = said.decode(errors="replace").strip() or silence
        raise AvrecError(f"The CARLA world could not be started: {text}")
    return Server(process, host, int(words[1]))


def _listen(process: subprocess.Popen[bytes], complaint: list[bytes]) -> None:
    """Pass on what the server says, and keep its last lines."""
    if process.stderr is None:
        return
    for line in process.stderr:
        complaint.append(line)
        del complaint[:-50]
        if not line.startswith(b"INFO"):
            sys.stderr.write(line.decode(errors="replace"))
