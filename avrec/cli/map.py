"""``avrec map``: road maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from avrec.cli.arguments import DrivePath, Flag, MapPath, OutputPath, TrafficSide, refuse_existing
from avrec.cli.console import print_json, reporting, say

if TYPE_CHECKING:
    from avrec.drive.lane_graph import LaneGraph

__all__ = ["check", "convert", "infer"]


def infer(drive: DrivePath, *, output: OutputPath, traffic: TrafficSide = None, overwrite: Flag = False) -> None:
    """Make a map of a recording that has none, from the driven path, the ground and the paint seen in the images.

    Each lane carries a confidence; look at it before a planner relies on the map.

    Example:
        avrec map infer street/ -o map.xodr

    Args:
        drive: the recording.
        output: the OpenDRIVE file to write.
        traffic: the side that traffic keeps to; the dataset's by default, else right.
        overwrite: replace a file that is there already.
    """
    from avrec.drive import Drive
    from avrec.maps import write_opendrive
    from avrec.maps.infer import infer_map

    refuse_existing(output, overwrite=overwrite)
    with reporting() as progress:
        recording = Drive.open(drive)
        graph = infer_map(recording, traffic=traffic or recording.traffic or "right", progress=progress)
        write_opendrive(graph, output)
    _summary(graph, str(output))


def convert(source: MapPath, *, output: OutputPath, overwrite: Flag = False) -> None:
    """Write any map that avrec reads as OpenDRIVE that simulators open alike.

    Reads Argoverse 2 logs and vector maps, the map beside a drive (in the drive's world) or in a scene file, and
    OpenDRIVE itself, which comes out as version 1.8 with offsets and odd geometry resolved.

    Example:
        avrec map convert street/ -o map.xodr

    Args:
        source: an .xodr file, an Argoverse 2 log folder or map, a map.json, a scene file, or a drive with a map beside
            it.
        output: the OpenDRIVE file to write.
        overwrite: replace a file that is there already.
    """
    from avrec.maps import write_opendrive

    refuse_existing(output, overwrite=overwrite)
    with reporting():
        graph = _opened(source)
        write_opendrive(graph, output)
    _summary(graph, str(output))


def check(map: MapPath, *, json: Flag = False) -> None:
    """Look for problems in a map: for routing, for simulators and for readers of its projection.

    The exit code is 1 where there is an error.

    Example:
        avrec map check map.xodr

    Args:
        map: an .xodr file, a scene file, or another map that avrec reads.
        json: print the findings as JSON.
    """
    from avrec.maps import check_map

    with reporting():
        graph = _opened(map)
        findings = check_map(graph)
    failed = any(finding.severity == "error" for finding in findings)
    if json:
        found = [finding.to_dict() for finding in findings]
        print_json({"map": str(map), "lanes": len(graph.lanes), "passed": not failed, "findings": found})
    else:
        for finding in findings:
            say(str(finding))
        _summary(graph, "no error found" if not failed else "errors found")
    if failed:
        raise SystemExit(1)


def _opened(path: Path) -> LaneGraph:
    """The map in a file, beside a drive, or in a scene file."""
    from avrec.maps import open_map
    from avrec.scene.package_map import is_package, read_package_map

    return read_package_map(path) if path.is_file() and is_package(path) else open_map(path)


def _summary(graph: LaneGraph, what: str) -> None:
    """A line about the map and one for each of its notes."""
    drivable = [lane for lane in graph.lanes.values() if lane.drivable]
    length = sum(lane.length_m for lane in drivable) / 1000
    for sentence in graph.notes:
        say(sentence)
    say(f"{len(graph.lanes)} lanes, {len(drivable)} of them to drive on ({length:.2f} km): {what}")
