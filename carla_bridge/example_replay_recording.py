"""Replay a recorded drive in CARLA and look at it through neural cameras.

Takes the options of the NuRec example that comes with CARLA. No renderer has to be started: pictures are made here.
If no CARLA server runs at the given address, an embedded world takes its place.

    python carla_bridge/example_replay_recording.py --usdz-filename scene.usdz --saveimages -o pictures
"""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import ExitStack
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import carla_bridge
from avrec.errors import AvrecError, require
from carla_bridge.replay import ReplaySession
from carla_bridge.replay.save import Take, play

__all__ = ["main"]

log = logging.getLogger("example")


def main(arguments: list[str] | None = None) -> int:
    """Run the example; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="of the CARLA server (default 127.0.0.1)")
    parser.add_argument("-p", "--port", type=int, default=2000, help="of the CARLA server (default 2000)")
    parser.add_argument(
        "-np", "--nurec-port", type=int, default=46435, help="taken and not used: no renderer is needed"
    )
    parser.add_argument("-u", "--usdz-filename", required=True, help="the scene")
    parser.add_argument("--move-spectator", action="store_true", help="the spectator follows the ego")
    parser.add_argument("--saveimages", action="store_true", help="write the pictures")
    parser.add_argument("-o", "--output-dir", type=Path, default=Path("data"), help="where to (default data)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        counts = _replay(options)
    except AvrecError as error:
        log.error("%s", error)
        return 2
    except KeyboardInterrupt:
        log.info("Stopped.")
        return 130
    log.info("%d steps, %d pictures.", counts["ticks"], counts["pictures"])
    return 0


def _replay(options: argparse.Namespace) -> dict[str, int]:
    require("carla", "carla")  # told at once, and not as a server that does not answer
    with ExitStack() as stack:
        try:
            client = carla_bridge.connect(options.host, options.port)
        except AvrecError:
            log.info("No CARLA server answers at %s:%d; an embedded world is started.", options.host, options.port)
            client = stack.enter_context(carla_bridge.own_world(options.usdz_filename))
        session = stack.enter_context(
            ReplaySession(client, options.usdz_filename, move_spectator=options.move_spectator)
        )
        take = Take(cameras=session.camera_names, framerate="recorded")
        return play(session, take, options.output_dir if options.saveimages else None, overwrite=True)


if __name__ == "__main__":
    sys.exit(main())
