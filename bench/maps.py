"""Maps through avrec and back, and what independent judges say of them: ``python -m bench.maps``.

Every OpenDRIVE file below ``$AVREC_DEV_DATA/maps`` goes through reader, lane graph, writer and reader; the Argoverse 2
maps in ``av2_sensor_val`` and the synthetic street's map are written as OpenDRIVE. CARLA's map class (the extra
``carla``) then says where the lanes are, and ASAM's checker (in an environment of its own: AVREC_ASAM_PYTHON names its
python) what is wrong with the file. Exit code 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from avrec.drive.lane_graph import LaneGraph
from avrec.drive.street import synthesise_street
from avrec.errors import AvrecError
from avrec.maps import assign_roads, check_map, read_opendrive, read_street_map, write_opendrive
from avrec.maps.read_av2 import read_av2_map
from bench.map_judges import carla_deviation, compare, run_asam, source_faults

__all__ = ["main"]

LINE_BAR_M = 0.05
ROUTE_BAR = 0.01
COMPLETED_BAR = 22
"""Of the 23 checks of version 1.8 one is never run."""


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each map."""
    parser = argparse.ArgumentParser(prog="python -m bench.maps", description=__doc__)
    parser.add_argument("--only", default="", help="maps whose name holds this")
    parser.add_argument("--keep", type=Path, help="folder for what is written")
    chosen = parser.parse_args(arguments)
    asam_python = os.environ.get("AVREC_ASAM_PYTHON")
    print(
        f"{'map':>27} {'lanes':>6} {'write s':>8} {'line cm':>8} {'sign cm':>8} {'routes':>7} {'worst %':>8} "
        f"{'waypoints':>10} {'off cm':>7} {'asam':>8}  remarks"
    )
    missed = 0
    for name, graph, source in _graphs(chosen.only):
        start = time.perf_counter()
        content = write_opendrive(graph)
        seconds = time.perf_counter() - start
        if chosen.keep:
            chosen.keep.mkdir(parents=True, exist_ok=True)
            (chosen.keep / f"{name}.xodr").write_bytes(content)
        back = read_opendrive(content)
        result = compare(graph, back)
        faults = list(result.changed)
        known = {str(finding) for finding in check_map(graph)}
        faults += [f"check: {f}" for f in check_map(back) if f.severity == "error" and str(f) not in known]
        kept: list[str] = []
        try:
            points, off = carla_deviation(graph, content)
            if off > LINE_BAR_M and source is not None:
                there = carla_deviation(graph, source)[1]
                if abs(there - off) < LINE_BAR_M:
                    kept.append(f"CARLA drives {100 * there:.0f} cm beside the source's lanes, too")
                    off = abs(there - off)
        except AvrecError as error:
            points, off = 0, float("nan")
            faults.append(str(error))
        said = "-"
        if asam_python:
            asam = run_asam(asam_python, content)
            said = f"{asam.completed}/{len(asam.issues)}"
            ours = source_faults(graph, content, asam) if source is not None else [what for what, _ in asam.issues]
            faults += [f"asam: {issue}" for issue in ours]
            if len(ours) < len(asam.issues):
                kept.append(f"{len(asam.issues) - len(ours)} asam issues are faults of the source")
            failed = [name for name in asam.not_completed if not name.endswith("skipped")]
            if asam.completed < COMPLETED_BAR:
                (kept if source is not None and failed else faults).append(
                    f"asam {', '.join(failed) or 'checks skipped'}"
                )
        worst = max(result.off_m, result.signal_off_m)
        if source is None:  # made of lanes, not of roads: between roads there are no neighbours
            beside = [fault for fault in faults if "neighbor" in fault]
            faults, kept = [fault for fault in faults if fault not in beside], kept + beside
            if result.off_m > LINE_BAR_M:
                kept.append("lines over the bar of round trips; CARLA judges them, in plan")
            worst = result.signal_off_m
        good = not faults and worst <= LINE_BAR_M and result.route_off <= ROUTE_BAR and off <= LINE_BAR_M
        missed += not good
        remarks = [*([] if good else faults[:4] or ["over the bar"]), *kept]
        print(
            f"{name:>27} {len(graph.lanes):>6} {seconds:>8.2f} {100 * result.off_m:>8.2f} "
            f"{100 * result.signal_off_m:>8.2f} {result.routes:>7} {100 * result.route_off:>8.3f} {points:>10} "
            f"{100 * off:>7.2f} {said:>8}  {'; '.join(remarks) or '-'}",
            flush=True,
        )
    print(f"{missed} maps miss a bar (asam: checks completed / issues; bars: 5 cm, routes 1 %, {COMPLETED_BAR}/0)")
    return 1 if missed else 0


def _graphs(only: str) -> Iterator[tuple[str, LaneGraph, bytes | None]]:
    data = os.environ.get("AVREC_DEV_DATA")
    if data:
        for path in sorted((Path(data) / "maps").rglob("*.xodr")):
            if only in path.stem:
                yield path.stem, read_opendrive(path), path.read_bytes()
        for log in sorted((Path(data) / "av2_sensor_val").glob("*-*")):
            if only in "argoverse":
                yield f"argoverse {log.name[:8]}", assign_roads(read_av2_map(log)), None
    if only in "street":
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "street"
            synthesise_street(out, seconds=0.5, cameras=1, width=32, height=24, truth=False, empty=False, lidar=False)
            yield "street", assign_roads(read_street_map(out / "map.json")), None


if __name__ == "__main__":
    sys.exit(main())
