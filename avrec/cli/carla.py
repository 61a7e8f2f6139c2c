"""``avrec carla``: a scene in CARLA."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Literal

from avrec.cli.arguments import (
    ON_THE_PATH,
    BesideTheCar,
    Flag,
    MapPath,
    OptionalCase,
    OptionalFolder,
    OptionalName,
    OptionalNames,
    ScenePath,
    parse_names,
)
from avrec.cli.console import print_json, reporting, say
from avrec.cli.scenario import measures_of, recorded_from, say_measures
from avrec.errors import AvrecError, require

__all__ = ["replay", "serve"]


def serve(
    source: MapPath, *, port: int = 2000, host: str = "127.0.0.1", version: str = "0.9.16", seed: int = 0
) -> None:
    """Serve a world that CARLA's own client connects to, drawn from a scene; no CARLA, no GPU. Ctrl-C ends it.

    The protocol knows no passwords: listen on other addresses only in a network you trust.

    Example:
        avrec carla serve street.usdz --port 2000

    Args:
        source: a scene file with a map, or an .xodr file.
        port: the next port is used too.
        host: address to listen on; only this machine unless given.
        version: of the clients, 0.9.16 or 0.9.15.
        seed: of the sensors' noise.
    """
    from carla_bridge.server.host import Host
    from carla_bridge.server.profiles import profile_of
    from carla_bridge.server.server import check_address, run_server
    from carla_bridge.world import read_road_map

    with reporting():
        profile = profile_of(version)
        check_address(host, port)  # a large scene takes a while to open
        world = Host(read_road_map(source), profile, seed=seed)

        def ready(found: int) -> None:
            say(f"Serving {world.road_map.name} as CARLA {version}. Connect with carla.Client('{host}', {found}).")

        run_server(world, host, port, ready)


def replay(
    scene: ScenePath,
    *,
    host: OptionalName = None,
    port: int = 2000,
    case: OptionalCase = None,
    without: OptionalNames = None,
    start: float = 0.0,
    camera: OptionalNames = None,
    beside: BesideTheCar = ON_THE_PATH,
    lidar: OptionalName = None,
    recorded_times: Flag = False,
    step: float = 0.05,
    take_over: Literal["none", "autopilot", "path"] = "none",
    after: float = 1.0,
    save: OptionalFolder = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Replay a recorded drive in CARLA: in a server that runs, or in a world that is started for it.

    Example:
        avrec carla replay street.usdz --camera front --shift-left 1 --save out/
        avrec carla replay street.usdz --case hard_brake,brake_mps2=8 --take-over path --camera front --save out/

    Args:
        scene: the scene file.
        host: of a CARLA server; without it an embedded world is started, and ended with the replay.
        port: of that server.
        case: an edge case with its parameters (see "avrec scenario list"), or FILE.py:FUNCTION of your own.
        without: ids of recorded actors to leave out, with commas between.
        start: seconds of the recording to leave out at its beginning.
        camera: recorded cameras to look through, with commas between; none unless given.
        beside: where the cameras look from.
        lidar: a lidar on the roof, e.g. VLP-32C.
        recorded_times: take pictures at the times of the recorded ones, not at every step.
        step: seconds between the simulator's steps.
        take_over: who drives the car from some time on: CARLA's autopilot, or a path follower on the recorded path.
        after: that time, in seconds from the beginning of the replay.
        save: folder for the pictures and sweeps.
        overwrite: replace a folder that an earlier replay wrote.
        json: print what happened as JSON.
    """
    import carla_bridge
    from avrec.files import refuse_full_folder
    from avrec.scene import Scene
    from carla_bridge.replay import ReplaySession
    from carla_bridge.replay.save import MARKER, Take, play
    from scenarios import CATALOGUE
    from scenarios.by_name import case_named

    require("carla", "carla")
    names = parse_names(camera, "--camera") or []
    if save is not None and not names and lidar is None:
        raise AvrecError("--save has nothing to write. Add --camera NAME or --lidar MODEL.")
    take = Take(
        cameras=names,
        offset=beside.offset(),
        lidar=lidar,
        driver=None if take_over == "none" else take_over,
        after_s=after,
        framerate="recorded" if recorded_times else None,
    )
    with reporting() as progress, ExitStack() as stack:
        make = None if case is None else case_named(case, CATALOGUE)
        if save is not None:
            refuse_full_folder(save, overwrite=overwrite, marker=MARKER)
        client = None if host is None else carla_bridge.connect(host, port)
        opened = recorded_from(Scene.open(scene), start, parse_names(without, "--without") or [])
        played = opened if make is None else make(opened)
        if client is None:
            client = stack.enter_context(carla_bridge.own_world(scene))
        session = ReplaySession(client, played, step_s=step)
        counts = play(stack.enter_context(session), take, save, overwrite=overwrite, progress=progress)
        seconds, hits, measures = session.seconds, session.collisions, session.measures
        notes = session.case.notes
        first_us = session.start_us
    if json:
        found = [
            {"other": hit.other, "seconds": (hit.time_us - first_us) / 1e6, "speed_mps": hit.speed_mps} for hit in hits
        ]
        facts: dict[str, Any] = {"scene": opened.scene.name, "seconds": seconds, "save": save, **counts}
        if make is not None:
            measured = None if measures is None else measures_of(measures)
            facts |= {"case": case, "notes": notes, "collisions": found, "measures": measured}
        print_json(facts)
    else:
        where = f" in {save}" if save is not None else ""
        made = f"{counts['pictures']} pictures and {counts['sweeps']} lidar sweeps{where}"
        say(f"Replayed {seconds:.1f} s of {opened.scene.name} in {counts['ticks']} steps: {made}.")
        for note in notes:
            say(note)
        for hit in hits:
            say(f"The ego hit {hit.other} after {(hit.time_us - first_us) / 1e6:.1f} s at {hit.speed_mps:.1f} m/s.")
        if measures is not None:
            say_measures(measures)
        if make is not None and not hits:
            say("The ego hit nobody.")
