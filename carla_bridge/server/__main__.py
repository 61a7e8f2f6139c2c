"""``python -m carla_bridge.server map.xodr --port 2000``: serve a map until interrupted."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from avrec.errors import AvrecError
from carla_bridge.server.host import Host
from carla_bridge.server.profiles import PROFILES, profile_of
from carla_bridge.server.server import run_server
from carla_bridge.world import RoadMap, read_road_map

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Serve; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m carla_bridge.server", description=__doc__)
    parser.add_argument("map", nargs="+", help="OpenDRIVE files or scenes; the first is loaded")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: only this machine)")
    parser.add_argument("--port", type=int, default=2000, help="RPC port, 0 for a free one (default 2000)")
    parser.add_argument("--version", default="0.9.16", choices=sorted(PROFILES), help="of the clients (default 0.9.16)")
    parser.add_argument("--seed", type=int, default=0, help="of sensor noise (default 0)")
    parser.add_argument("--recordings", type=Path, default=Path("carla_recordings"), help="folder of recordings")
    parser.add_argument("--parent", type=int, help="end when this process, which started the server, does")
    parser.add_argument("--ready-line", action="store_true", help="print 'ready PORT' or 'failed WHY'")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        maps = [_read(name) for name in options.map]
        host = Host(
            maps[0],
            profile_of(options.version),
            seed=options.seed,
            maps={each.name: each for each in maps},
            recordings=options.recordings,
        )
        run_server(host, options.host, options.port, _say_ready if options.ready_line else None, parent=options.parent)
    except AvrecError as error:
        if options.ready_line:  # whoever started this tells it
            _say(f"failed {error}")
        else:
            sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _read(name: str) -> RoadMap:
    return read_road_map(sys.stdin.buffer.read()) if name == "-" else read_road_map(Path(name))


def _say_ready(port: int) -> None:
    _say(f"ready {port}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
