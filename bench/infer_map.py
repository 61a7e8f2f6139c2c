"""Maps inferred from recordings against the truth: ``python -m bench.infer_map [--seeds 0,1,2,3] [--street FOLDER]``.

Synthesises a street for each seed, infers its map without the truth, and prints how far the road's centre line and
the driving lanes' centre lines lie from the true ones, and on which share of the driven way the number of driving
lanes is right. With ``--picture FOLDER`` it draws each road from above with its lanes, for any ``--drive`` as well.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.drive import Drive
from avrec.drive.lane_graph import Lane, LaneGraph
from avrec.drive.street import synthesise_street
from avrec.maps import check_map, read_street_map, write_opendrive
from avrec.maps.infer import LANE_WIDTH_M, infer_map
from avrec.maps.infer.course import Course
from avrec.maps.infer.infer import courses_of_drive, inspect_road
from avrec.maps.infer.mosaic import D_CELL_M, S_CELL_M, Mosaic, Recording

CENTRE_LIMIT_M, COUNT_LIMIT = 0.3, 0.9
COLOURS = {"solid": (60, 60, 255), "broken": (0, 200, 255), "curb": (80, 255, 80), "none": (255, 80, 255)}

Float64 = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0,1,2,3")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--street", type=Path, help="a street that is there already, instead of seeds")
    parser.add_argument("--drive", type=Path, action="append", default=[], help="only infer and draw this recording")
    parser.add_argument("--picture", type=Path, help="folder for pictures of the roads from above")
    parser.add_argument("--traffic", choices=["right", "left"], default="right")
    options = parser.parse_args()
    for path in options.drive:
        drive = Drive.open(path)
        graph, seconds = timed(drive, options.traffic)
        print(f"{drive.name}: {seconds:.1f} s")
        describe(graph)
        if options.picture:
            picture(drive, graph, options.picture / f"{drive.name}.png")
    if options.drive:
        return
    if options.street:
        score(options.street, options.street.name, options.picture)
        return
    with tempfile.TemporaryDirectory(prefix="infer-map-") as folder:
        for seed in map(int, options.seeds.split(",")):
            root = Path(folder) / f"seed-{seed}"
            synthesise_street(root, seconds=options.seconds, cameras=3, width=480, height=320, seed=seed, truth=False)
            score(root, f"seed {seed}", options.picture)


def timed(drive: Drive, traffic: str = "right") -> tuple[LaneGraph, float]:
    start = time.process_time()
    graph = infer_map(drive, traffic="left" if traffic == "left" else "right")
    return graph, time.process_time() - start


def score(root: Path, name: str, pictures: Path | None) -> None:
    """Infer one street's map and print its figures."""
    drive = Drive.open(root)
    truth = read_street_map(root / "map.json")
    graph, seconds = timed(drive)
    content = write_opendrive(graph)
    centre, lanes, count = compare(graph, truth, drive)
    verdict = "ok" if np.median(centre) <= CENTRE_LIMIT_M and count >= COUNT_LIMIT else "MISSED"
    worst = [finding.what for finding in check_map(graph) if finding.severity != "note"]
    print(
        f"{name}: centre line {np.median(centre):.3f} m median, {np.percentile(centre, 95):.3f} m 95th percentile "
        f"(limit {CENTRE_LIMIT_M}); lanes' centre lines {np.median(lanes):.3f} m median; lane count right on "
        f"{100 * count:.0f} % (limit {100 * COUNT_LIMIT:.0f}); {seconds:.1f} s of one core; xodr {len(content)} bytes, "
        f"{worst or 'no findings'}: {verdict}"
    )
    if pictures:
        picture(drive, graph, pictures / f"{name.replace(' ', '-')}.png")


def compare(graph: LaneGraph, truth: LaneGraph, drive: Drive) -> tuple[Float64, Float64, float]:
    """Deviations of the road's centre and of lanes' centres along the driven way, and share of right lane counts.

    At each half metre of the driven way a line is laid square across it; what it crosses is compared.
    """
    centre, lanes, right = [], [], []
    for at, across in sections(drive):
        mine, real = (crossed(each, at, across) for each in (graph, truth))
        right.append(len(mine) == len(real))
        own, other = divider(mine, across), divider(real, across)
        centre.append(np.inf if own is None or other is None else abs(own - other))
        for _, place, _ in real:
            lanes.append(min((abs(place - found) for _, found, _ in mine), default=np.inf))
    return np.array(centre), np.array(lanes), float(np.mean(right))


def sections(drive: Drive) -> list[tuple[Float64, Float64]]:
    """Points every half metre of the driven way, and unit vectors to the left of them."""
    times = [frame.timestamp_us for frame in drive.all_frames]
    inside = (drive.ego.timestamps_us >= min(times)) & (drive.ego.timestamps_us <= max(times))
    path = drive.ego.poses[inside, :2, 3]
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    places = np.arange(0.0, along[-1], 0.5)
    points = np.stack([np.interp(places, along, path[:, axis]) for axis in range(2)], axis=1)
    step = np.gradient(points, axis=0)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    return list(zip(points, np.stack([-step[:, 1], step[:, 0]], axis=1), strict=True))


def crossed(graph: LaneGraph, at: Float64, across: Float64) -> list[tuple[Lane, float, float]]:
    """Driving lanes that a line crosses: lane, place of its centre and of its left border along the line."""
    found = []
    for lane in graph.lanes.values():
        if lane.drivable:
            center, left = (crossing(line, at, across) for line in (lane.center, lane.left))
            if center is not None and left is not None:
                found.append((lane, center, left))
    return sorted(found, key=lambda item: item[1])


def crossing(line: Float64, at: Float64, across: Float64) -> float | None:
    """Where a polyline crosses the line through a point, nearest to the point."""
    ahead = (line[:, :2] - at) @ np.array([across[1], -across[0]])
    turns = np.flatnonzero((ahead[:-1] <= 0) != (ahead[1:] <= 0))
    share = ahead[turns] / (ahead[turns] - ahead[turns + 1])
    places = ((line[turns, :2] + share[:, None] * (line[turns + 1, :2] - line[turns, :2])) - at) @ across
    return float(places[np.argmin(np.abs(places))]) if len(places) and np.abs(places).min() < 25 else None


def divider(lanes: list[tuple[Lane, float, float]], across: Float64) -> float | None:
    """Where the lanes of both directions meet; None where they do not."""
    for (first, _, left), (second, _, _) in pairwise(lanes):
        if heading(first, across) != heading(second, across):
            return left
    return None


def heading(lane: Lane, across: Float64) -> bool:
    """Whether a lane runs with the drive."""
    step = lane.center[-1, :2] - lane.center[0, :2]
    return bool(step @ np.array([across[1], -across[0]]) > 0)


def describe(graph: LaneGraph) -> None:
    for lane in graph.lanes.values():
        marks = [" ".join((mark.color, mark.kind)) for mark in (*lane.left_marks[:1], *lane.right_marks[:1])]
        print(
            f"  {lane.id} {lane.kind}: {lane.length_m:.0f} m, {lane.widths_m.mean():.2f} m wide, confidence "
            f"{lane.confidence:.2f}, {' | '.join(marks)}"
        )
    for note in (*graph.notes, *(f"{each.severity}: {each.what} ({each.where})" for each in check_map(graph))):
        print(f"  - {note}")


def picture(drive: Drive, graph: LaneGraph, path: Path) -> None:
    """Each road from above with the lanes' borders over it; guessed borders in magenta, driving left to right."""
    recording = Recording(drive, drive.ego, drive.cameras, False, {})
    for number, course in enumerate(courses_of_drive(recording)):
        _, mosaic, _ = inspect_road(recording, course, None, traffic="right", lane_width_m=LANE_WIDTH_M)
        image = drawn(mosaic, course, graph)
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path.with_stem(path.stem + (f"-{number}" if number else ""))), image)


def drawn(mosaic: Mosaic, course: Course, graph: LaneGraph) -> NDArray[np.uint8]:
    stretch = 2 if mosaic.rgb.shape[0] > 400 else 4
    image = np.ascontiguousarray(np.repeat(mosaic.rgb[:, ::-1].transpose(1, 0, 2)[..., ::-1], stretch, axis=1))
    for lane in graph.lanes.values():
        for line, marks in ((lane.left, lane.left_marks), (lane.right, lane.right_marks)):
            s, d = course.locate(line[:, :2])
            pixels = np.stack([s / S_CELL_M * stretch, (mosaic.reach_m - d) / D_CELL_M], axis=1)
            colour = COLOURS.get(marks[0].kind if marks else "none", (255, 255, 255))
            cv2.polylines(image, [np.rint(pixels).astype(np.int32)[:, None]], False, colour, 1)
        s, d = course.locate(lane.center[[len(lane.center) // 2], :2])
        label = f"{lane.id} {lane.kind[:4]} {lane.confidence:.2f}"
        place = (int(s[0] / S_CELL_M * stretch) - 60, int((mosaic.reach_m - d[0]) / D_CELL_M) + 4)
        cv2.putText(image, label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 0), 1, cv2.LINE_AA)
    return np.asarray(image, np.uint8)


if __name__ == "__main__":
    main()
