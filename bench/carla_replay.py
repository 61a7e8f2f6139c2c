"""Replays through the official client: ``python -m bench.carla_replay SCENE.usdz [...] [--part exact|free|speed]``.

``exact``: at every tick, how far poses seen through the client are from the interpolated recording, and how many
pixels differ from `avrec.render`, on the path and at 1 m left, yaw 3, pitch 2, roll -1 degrees. ``free``: after
take-over, the share of pixels within 2/255 of pictures made from the poses that the client saw. ``speed``: neural rgb
of 480 x 320 through the embedded world's stream, of at most 100,000 Gaussians.
"""

from __future__ import annotations

import argparse
import queue
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import carla_bridge
from avrec.errors import require
from avrec.geometry import Offset, Trajectory, log_so3
from avrec.rendering import render, render_view, view_for
from avrec.rendering.shot import present_bodies
from avrec.scene import Scene
from carla_bridge.replay import ReplaySession
from carla_bridge.replay.measurements import Image

__all__ = ["main"]

BESIDE = Offset(left_m=1.0, yaw_deg=3.0, pitch_deg=2.0, roll_deg=-1.0)
MOST = 100_000
FREE_TICKS = 20


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parts = {"exact": exact, "free": free, "speed": speed}
    parser = argparse.ArgumentParser(prog="python -m bench.carla_replay", description=__doc__)
    parser.add_argument("scenes", nargs="+", type=Path)
    parser.add_argument("--part", choices=parts, action="append", help="what to measure (default: all)")
    parser.add_argument("--every", type=int, default=4, help="compare the pictures of every so many ticks (default 4)")
    options = parser.parse_args(arguments)
    for path in options.scenes:
        for name in options.part or parts:
            parts[name](Scene.open(path), path, options.every)
    return 0


def exact(scene: Scene, path: Path, every: int) -> None:
    camera = scene.camera_names[0]
    worst = {"ego": np.zeros(2), "actors": np.zeros(2)}
    images: list[tuple[Offset, Image]] = []
    ticks = differing = pixels = 0
    with carla_bridge.serve(path, port=0) as server:
        client = carla_bridge.connect(server.host, server.port)
        with ReplaySession(client, scene) as session:
            for offset in (Offset(), BESIDE):
                session.add_camera(
                    camera,
                    lambda image, o=offset: images.append((o, image)),  # type: ignore[misc]
                    offset=offset,
                    framerate=1.0 / (session.step_s * every),
                )
            while session.tick():
                ticks += 1
                worst["ego"] = np.maximum(worst["ego"], _apart(session.ego_pose(), scene.ego.at(session.time_us)))
                for track in session.track_ids:
                    recorded = scene.track(track).world_from_box.at(session.time_us)
                    worst["actors"] = np.maximum(worst["actors"], _apart(session.actor_pose(track), recorded))
                for offset, image in images:
                    wanted = render(scene, camera, image.time_us, offset=offset).rgb_uint8
                    differing += int((wanted != image.rgb).any(-1).sum())
                    pixels += len(image)
                images.clear()
    for who, (metres, degrees) in worst.items():
        print(f"{path.name}: {who} at most {metres * 1000:.4f} mm and {degrees:.6f} deg off in {ticks} ticks")
    print(f"{path.name}: {differing} of {pixels} pixels differ from avrec.render")


def free(scene: Scene, path: Path, every: int) -> None:
    camera = scene.camera_names[0]
    images: list[Image] = []
    with carla_bridge.serve(path, port=0) as server:
        client = carla_bridge.connect(server.host, server.port)
        with ReplaySession(client, scene) as session:
            for _ in range(10):
                session.tick()
            session.take_over_ego("path")
            session.add_camera(camera, images.append, offset=BESIDE)
            poses = {session.time_us: session.ego_pose()}
            for _ in range(FREE_TICKS):
                session.tick()
                poses[session.time_us] = session.ego_pose()
            away = _apart(session.ego_pose(), scene.ego.at(session.time_us))[0]
    rig = replace(scene, ego=Trajectory(np.array(list(poses)), np.stack(list(poses.values()))))
    close = []
    for image in images[1::every]:
        middle = image.time_us + float(scene.cameras[camera].shutter.line_times_us(image.width, image.height).mean())
        bodies = present_bodies(scene, middle)
        view = view_for(rig, camera, image.time_us, offset=BESIDE, bodies=bodies)
        wanted = render_view(scene, view, camera, image.time_us, bodies=bodies).rgb_uint8.astype(int)
        close.append((np.abs(wanted - image.rgb).max(-1) <= 2).mean())
    print(f"{path.name}: after take-over, {away:.2f} m off the recording, {100 * min(close):.3f} % within 2/255")


def speed(scene: Scene, path: Path, every: int) -> None:
    carla = require("carla", "carla")
    still = scene.world_gaussians()
    chosen = np.sort(np.random.default_rng(0).permutation(len(still))[:MOST])
    small = replace(scene, static=still.take(chosen), road=None, actors={}, tracks=())
    with tempfile.TemporaryDirectory() as folder:
        small.save(Path(folder) / "small.usdz", checkpoint=False)
        with carla_bridge.serve(Path(folder) / "small.usdz", port=0) as server:
            client = carla_bridge.connect(server.host, server.port)
            with ReplaySession(client, small) as session:
                blueprint = session.world.get_blueprint_library().find("sensor.camera.rgb")
                for name, value in (("image_size_x", 480), ("image_size_y", 320), ("fov", 75)):
                    blueprint.set_attribute(name, str(value))
                mount = carla.Transform(carla.Location(1.0, 0.0, 1.6))
                camera = session.world.spawn_actor(blueprint, mount, attach_to=session.ego)
                pictures: queue.Queue[Any] = queue.Queue()
                camera.listen(pictures.put)
                session.tick()
                pictures.get(timeout=20)
                taken = []
                for _ in range(40):
                    began = time.perf_counter()
                    session.tick()
                    pictures.get(timeout=20)
                    taken.append(time.perf_counter() - began)
                camera.destroy()
    print(
        f"{path.name}: {1 / min(taken):.1f} pictures/s at best, {1 / np.median(taken):.1f} in the median, "
        f"of 480 x 320 from {len(chosen)} Gaussians, replay and stream included"
    )


def _apart(first: Any, second: Any) -> tuple[float, float]:
    """Distance in metres and angle in degrees of two poses."""
    turn = np.degrees(np.linalg.norm(log_so3(first[:3, :3].T @ second[:3, :3])))
    return float(np.linalg.norm(first[:3, 3] - second[:3, 3])), float(turn)


if __name__ == "__main__":
    raise SystemExit(main())
