"""``avrec carla`` and the example, end to end on a tiny scene."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

import carla_bridge
from avrec.cli import main
from avrec.geometry import Offset
from avrec.rendering import render
from avrec.scene import Scene
from carla_bridge import example_replay_recording as example
from tests.carla_bridge.support import WAIT_S, loop_map
from tests.processes import started
from tests.rendering.scenes import tiny_scene

pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")


@pytest.fixture(scope="module")
def scene_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "tiny.usdz"
    tiny_scene(map_xodr=loop_map()).save(path)
    return path


def test_replay_saves_what_render_gives(
    scene_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARLA_CACHE_DIR", str(tmp_path / "cache"))
    out = tmp_path / "out"
    arguments = ["carla", "replay", str(scene_file), "--camera", "front", "--shift-left", "1", "--save", str(out)]
    assert main([*arguments, "--lidar", "VLP-16", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["ticks"] == figures["pictures"] == 16
    assert figures["sweeps"] == 8
    rows = [row for row in json.loads((out / "replay.json").read_text()) if row["sensor"] == "front"]
    assert len(rows) == 16
    scene = Scene.open(scene_file)
    for row in rows[::5]:
        found = cv2.imread(str(out / "front" / f"{row['index']:06d}.png"))[..., ::-1]
        wanted = render(scene, "front", row["time_us"], offset=Offset(left_m=1.0)).rgb_uint8
        np.testing.assert_array_equal(found, wanted)
    assert np.load(out / "lidar" / "000000.npy").shape[1] == 4
    assert main(arguments) == 2  # the folder exists
    assert "exists already" in capsys.readouterr().err


def another_version() -> str:
    """One that the installed client is not of."""
    import carla

    return "0.9.15" if carla.Client("127.0.0.1", 1).get_client_version() == "0.9.16" else "0.9.16"


def test_mistakes_are_told(scene_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["carla", "replay", str(scene_file), "--save", "nowhere"]) == 2
    assert "--camera" in capsys.readouterr().err
    assert main(["carla", "replay", str(scene_file), "--host", "127.0.0.1", "--port", "9"]) == 2
    assert "No CARLA server answers at 127.0.0.1:9" in capsys.readouterr().err
    assert main(["carla", "replay", str(scene_file), "--host", "nowhere.invalid"]) == 2
    assert "nowhere.invalid:2000 is no address" in capsys.readouterr().err
    with carla_bridge.serve(loop_map(), port=0, version=another_version()) as server:
        assert main(["carla", "replay", str(scene_file), "--host", server.host, "--port", str(server.port)]) == 2
        assert f"is CARLA {another_version()}, and the client here is" in capsys.readouterr().err
        assert main(["carla", "serve", "none.usdz", "--port", str(server.port)]) == 2
        assert "cannot be used" in capsys.readouterr().err
    assert main(["carla", "replay", "none.usdz"]) == 2
    assert main(["carla", "serve", "none.usdz"]) == 2


def test_what_is_no_carla_server_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        def greet() -> None:
            other.settimeout(WAIT_S)
            talking, _ = other.accept()
            with talking:
                talking.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
                talking.recv(100)

        greeter = threading.Thread(target=greet)
        greeter.start()
        assert main(["carla", "replay", "any.usdz", "--host", "127.0.0.1", "--port", str(port)]) == 2
        greeter.join(WAIT_S)
    assert f"127.0.0.1:{port} is no CARLA server" in capsys.readouterr().err


def test_a_scene_without_a_map_is_told_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tiny_scene().save(tmp_path / "bare.usdz")
    assert main(["carla", "replay", str(tmp_path / "bare.usdz")]) == 2
    assert capfd.readouterr().err.count("avrec scene import bare.usdz --map") == 1


def test_serve_until_stopped(scene_file: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "avrec.cli", "carla", "serve", str(scene_file), "--port", "0"]
    with started(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Serving tiny")
        port = int(line.rsplit(",", 1)[1].strip(" ).\n"))
        client = carla_bridge.connect("127.0.0.1", port)
        assert client.get_world().get_map().name.endswith("tiny")
        process.terminate()
        process.wait()


def test_the_example(scene_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARLA_CACHE_DIR", str(tmp_path / "cache"))
    out = tmp_path / "pictures"
    words = ["--usdz-filename", str(scene_file), "-p", "9", "-np", "46435", "--move-spectator", "--saveimages"]
    assert example.main([*words, "-o", str(out)]) == 0
    assert len(list((out / "front").glob("*.png"))) >= 3
    assert example.main(["-u", "none.usdz", "-p", "9"]) == 2
