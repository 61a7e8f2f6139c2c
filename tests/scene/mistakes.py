"""The mistakes that the field makes in scene files, each as a change of a good package."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
import yaml

from avrec.mesh import Mesh, ply_bytes
from avrec.scene.validate import CONSUMERS
from tests.scene.complete import ground_mesh, road_map

Members = dict[str, bytes]
Change = Callable[[Members], object]

RIG = "rig_trajectories.json"
TRACKS = "sequence_tracks.json"
FRONT = "camera_calibrations.front@street"
LENS = f"{FRONT}.camera_model.parameters"
PATH = "rig_trajectories.0"
DATA = "dummy_chunk_id.tracks_data"


def put(where: str, value: Any) -> Change:
    """Set (or with ... remove) a value in a JSON or YAML member; ``where`` is ``member: key.0.key``."""
    member, _, keys = where.partition(": ")

    def change(members: Members) -> None:
        plain = member.endswith(".yaml")
        record = yaml.safe_load(members[member]) if plain else json.loads(members[member])
        *steps, last = (int(step) if step.isdigit() else step for step in keys.split("."))
        place = record
        for step in steps:
            place = place[step]
        if value is ...:
            del place[last]
        else:
            place[last] = value(place[last]) if callable(value) else value
        members[member] = yaml.safe_dump(record).encode() if plain else json.dumps(record).encode()

    return change


def drop(name: str) -> Change:
    return lambda members: members.pop(name)


def text(name: str, old: str, new: str) -> Change:
    def change(members: Members) -> None:
        assert old.encode() in members[name]
        members[name] = members[name].replace(old.encode(), new.encode())

    return change


def volume(edit: Callable[[dict[str, Any]], None]) -> Change:
    def change(members: Members) -> None:
        document = msgpack.unpackb(gzip.decompress(members["volume.nurec"]))
        edit(document["nre_data"]["state_dict"])
        members["volume.nurec"] = gzip.compress(msgpack.packb(document), 1)

    return change


def tensor(name: str, edit: Callable[[np.ndarray], None]) -> Change:
    def change(state: dict[str, Any]) -> None:
        key = f".gaussians_nodes.gaussians.{name}"
        values = np.frombuffer(state[key], "<f2").reshape(state[f"{key}.shape"]).copy()
        edit(values)
        state[key] = values.tobytes()

    return volume(change)


def degree(value: int) -> Change:
    key = ".gaussians_nodes.gaussians.n_active_features"
    return volume(lambda state: state.update({key: value.to_bytes(8, "little")}))


def scalar_first(poses: Any) -> Any:
    return [[[*row[:3], row[6], *row[3:6]] for row in track] for track in poses]


def oncoming(rows: int) -> Change:
    """Actors that drive towards -x, each in its first rows; all with the scalar first."""

    def turned(poses: Any) -> Any:
        return [[[-r[0], *r[1:3], 0, 0, 1, 0] if row < rows else r for row, r in enumerate(track)] for track in poses]

    return put(f"{TRACKS}: {DATA}.tracks_poses", lambda poses: scalar_first(turned(poses)))


def renamed(old: str, new: str) -> Change:
    """A key of a JSON object, deep inside."""

    def change(members: Members) -> None:
        member, _, key = old.partition(": ")
        members[member] = members[member].replace(f'"{key}"'.encode(), f'"{new}"'.encode())

    return change


def moved(by: list[float]) -> Callable[[Any], Any]:
    return lambda poses: [
        [[*row[:3], row[3] + step] for row, step in zip(pose[:3], by, strict=True)] + [pose[3]] for pose in poses
    ]


NVIDIA = "+proj=tmerc +lon_0=8.4228 +lat_0=49.0112 +=alt_0=0 +ellps=WGS84 +units=m +geoidgrids=egm96_15.gtx"
BOTH = "+proj=tmerc +lat_0=49.0112 +lon_0=8.4228 +k=1 +x_0=0 +y_0=0 +alt_0=100 +=alt_0=100 +datum=WGS84"
HIGH = "+proj=tmerc +lat_0=49.0112 +lon_0=8.4228 +k=1 +=alt_0=100 +datum=WGS84"
TABS = "+proj=tmerc\t+lat_0=49.0112\t+lon_0=8.4228\t+k=1\tx+=alt_00\t+datum=WGS84"
PLAIN = "+proj=tmerc +lat_0=49.0112 +lon_0=8.4228 +k=1 +datum=WGS84"
FAR = "+proj=tmerc +lat_0=51.0112 +lon_0=8.4228 +k=1 +x_0=0 +y_0=0 x+=alt_00 +datum=WGS84"


def xodr(reference: str | None, height_m: float = 0.0) -> Change:
    return lambda members: members.update({"map.xodr": road_map(reference, height_m)})


ERRORS: dict[str, tuple[Change, set[str], str]] = {
    # archive and USD
    "no default.usda": (drop("default.usda"), {"isaac"}, "first member is no USD layer"),
    "no gauss.usda": (drop("gauss.usda"), {"isaac"}, "'gauss.usda', which the package does not hold"),
    "no volume": (drop("volume.nurec"), {"isaac"}, "'./volume.nurec', which the package does not hold"),
    "no field asset": (text("gauss.usda", "OmniNuRecFieldAsset", "FieldAsset"), {"isaac"}, "no OmniNuRecFieldAsset"),
    "no density": (text("gauss.usda", "field:density", "field:dense"), {"isaac"}, "field:density"),
    # volume
    "degree 1": (degree(1), {"isaac"}, "SH degree is 1"),
    "degree 2": (degree(2), {"isaac"}, "SH degree is 2"),
    "degree 7": (degree(7), {"isaac"}, "SH degree is 7"),
    "NaN position": (tensor("positions", lambda v: v.__setitem__((3, 1), np.nan)), {"isaac"}, "1 values are not fin"),
    "inf scale": (tensor("scales", lambda v: v.__setitem__(3, np.inf)), {"isaac"}, "3 values are not finite"),
    "no tensor": (volume(lambda s: s.pop(".gaussians_nodes.gaussians.scales")), {"isaac"}, "scales"),
    "shape": (volume(lambda s: s.update({".gaussians_nodes.gaussians.scales.shape": [9, 3]})), {"isaac"}, "[9, 3]"),
    "no gzip": (lambda m: m.update({"volume.nurec": b"nonsense"}), {"isaac"}, "volume.nurec"),
    # missing members
    "no rig": (drop(RIG), {"carla", "alpasim"}, "member is missing"),
    "no tracks": (drop(TRACKS), {"carla", "alpasim"}, "member is missing"),
    "no data_info": (drop("data_info.json"), {"carla"}, "member is missing"),
    "no metadata": (drop("metadata.yaml"), {"alpasim"}, "member is missing"),
    "no map": (drop("map.xodr"), {"carla"}, "member is missing"),
    "no ground": (drop("mesh_ground.ply"), {"alpasim"}, "member is missing"),
    # scene ids
    "other scene id": (put("metadata.yaml: scene_id", "clip"), {"carla", "alpasim"}, "file is called 'street'"),
    "other sequence id": (put("data_info.json: sequence_id", "clip"), {"carla"}, "scene_id is 'street'"),
    "rig of another": (put(f"{RIG}: {PATH}.sequence_id", "clip"), {"carla", "alpasim"}, "the scene is 'street'"),
    # cameras
    "no camera suffix": (renamed(f"{RIG}: front@street", "front"), {"carla", "alpasim"}, "no @<sequence id>"),
    "other suffix": (renamed(f"{RIG}: front@street", "front@clipgt"), {"carla", "alpasim"}, "it is 'clipgt'"),
    "frames of a stranger": (
        put(f"{RIG}: {PATH}.cameras_frame_timestamps_us", lambda f: {"front@clipgt": f["front@street"]}),
        {"carla", "alpasim"},
        "no front@clipgt, but front@street",
    ),
    "unlisted camera": (put("metadata.yaml: sensors.camera_ids", ["rear@street"]), {"alpasim"}, "rear@street has no"),
    "pinhole": (put(f"{RIG}: {FRONT}.camera_model.type", "opencv-pinhole"), {"carla"}, "'opencv-pinhole'"),
    "no max_angle": (put(f"{RIG}: {LENS}.max_angle", ...), {"carla"}, "max_angle"),
    "no linear_cde": (put(f"{RIG}: {LENS}.linear_cde", ...), {"carla"}, "linear_cde"),
    "no poly": (put(f"{RIG}: {LENS}.pixeldist_to_angle_poly", ...), {"carla"}, "pixeldist_to_angle_poly"),
    "long poly": (put(f"{RIG}: {LENS}.pixeldist_to_angle_poly", [0.1] * 7), {"carla"}, "7 coefficients"),
    "no distortion key": (put(f"{RIG}: {LENS}.external_distortion_parameters", ...), {"carla"}, "key is missing"),
    "bad reference": (put(f"{RIG}: {LENS}.reference_poly", "FORWARD"), {"carla"}, "'FORWARD'"),
    "bad shutter": (put(f"{RIG}: {LENS}.shutter_type", "ROLLING"), {"carla", "alpasim"}, "'ROLLING'"),
    "no index": (put(f"{RIG}: {FRONT}.unique_sensor_idx", ...), {"carla"}, "unique_sensor_idx"),
    "no name": (put(f"{RIG}: {FRONT}.logical_sensor_name", ...), {"carla", "alpasim"}, "logical_sensor_name"),
    "other name": (put(f"{RIG}: {FRONT}.logical_sensor_name", "f"), {"carla", "alpasim"}, "not 'front'"),
    "scaled mounting": (
        put(f"{RIG}: {FRONT}.T_sensor_rig", lambda m: [[2 * v for v in row[:3]] + row[3:] for row in m]),
        {"carla", "alpasim"},
        "no rigid transform",
    ),
    "NaN mounting": (put(f"{RIG}: {FRONT}.T_sensor_rig.0.0", float("nan")), {"carla", "alpasim"}, "not finite"),
    # the rig's path
    "two paths": (put(f"{RIG}: rig_trajectories", lambda v: v * 2), {"alpasim"}, "there are 2"),
    "no box": (put(f"{RIG}: {PATH}.rig_bbox", None), {"alpasim"}, "rig_bbox"),
    "turned box": (put(f"{RIG}: {PATH}.rig_bbox.rot", [0, 0, 0.1]), {"alpasim"}, "the box is turned"),
    "float times": (
        put(f"{RIG}: {PATH}.cameras_frame_timestamps_us.front@street.0.1", 1.7e15 + 0.5),
        {"alpasim"},
        "not JSON integers",
    ),
    "instant": (
        put(f"{RIG}: {PATH}.cameras_frame_timestamps_us.front@street.2", lambda v: [v[0], v[0]]),
        {"alpasim"},
        "frame 2 ends when or before",
    ),
    "frame outside": (
        put(f"{RIG}: {PATH}.cameras_frame_timestamps_us.front@street.0", [5, 6]),
        {"alpasim"},
        "1 of 99 frames lie outside",
    ),
    "time backwards": (put(f"{RIG}: {PATH}.T_rig_world_timestamps_us.5", 7), {"carla", "alpasim"}, "not increase"),
    "row vectors": (
        put(f"{RIG}: {PATH}.T_rig_worlds", lambda p: np.swapaxes(p, 1, 2).tolist()),
        {"carla", "alpasim"},
        "translation is in the last row",
    ),
    "NaN pose": (put(f"{RIG}: {PATH}.T_rig_worlds.3.0.3", float("nan")), {"carla", "alpasim"}, "1 values that are not"),
    "bad base": (put(f"{RIG}: T_world_base", [[1, 0, 0], [0, 1, 0]]), {"carla", "alpasim"}, "shape [2, 3]"),
    # tracks
    "chunk": (renamed(f"{TRACKS}: dummy_chunk_id", "chunk_0"), {"carla"}, "'chunk_0'"),
    "two chunks": (put(f"{TRACKS}: other", {}), {"alpasim"}, "2 top-level keys"),
    "scalar first": (put(f"{TRACKS}: {DATA}.tracks_poses", scalar_first), {"carla", "alpasim"}, "as w, x, y, z"),
    "scalar first, most of them oncoming": (oncoming(70), {"carla", "alpasim"}, "as w, x, y, z"),
    "NaN track": (put(f"{TRACKS}: {DATA}.tracks_poses.0.3.1", float("inf")), {"carla", "alpasim"}, "not finite"),
    "short list": (put(f"{TRACKS}: {DATA}.tracks_id", ["7"]), {"carla", "alpasim"}, "tracks_id has 1"),
    "number as id": (put(f"{TRACKS}: {DATA}.tracks_id.0", 7), {"carla", "alpasim"}, "an id is no text"),
    "same ids": (put(f"{TRACKS}: {DATA}.tracks_id.0", "8"), {"carla", "alpasim"}, "8 appears more than once"),
    "no sizes": (put(f"{TRACKS}: dummy_chunk_id.cuboidtracks_data", ...), {"carla", "alpasim"}, "cuboids_dims"),
    "flat box": (put(f"{TRACKS}: dummy_chunk_id.cuboidtracks_data.cuboids_dims.0", [4, 0, 1]), {"carla"}, "positive"),
    "track times": (put(f"{TRACKS}: {DATA}.tracks_timestamps_us.0.1", 3), {"carla", "alpasim"}, "does not increase"),
    # records
    "no uuid": (put("metadata.yaml: uuid", ...), {"alpasim"}, "uuid: it is missing"),
    "date": (text("metadata.yaml", '"unknown"', "2026-01-01"), {"alpasim"}, "training_date: it is no text"),
    "unknown key": (put("metadata.yaml: extra", 1), {"alpasim"}, "unknown keys extra"),
    "no time range": (put("metadata.yaml: time_range", ...), {"alpasim"}, "time_range"),
    "yaml": (lambda m: m.update({"metadata.yaml": b"a: [1, 2"}), {"alpasim"}, "not valid YAML"),
    "pose range": (put("data_info.json: pose-range", {}), {"carla"}, "pose-range"),
    "json": (lambda m: m.update({RIG: b'{"a": '}), {"carla", "alpasim"}, "not valid JSON"),
    # map
    "NVIDIA's altitude of 100": (xodr(HIGH), {"carla", "alpasim"}, "carla reads 100 m, alpasim reads 0 m"),
    "two altitudes": (xodr(BOTH), {"carla", "alpasim"}, "carla reads 100 m, alpasim reads 100 m"),
    "no altitude token": (xodr(PLAIN), {"carla"}, "0 tokens contain +=alt_0"),
    "tabs": (xodr(TABS), {"carla"}, "carla cannot read it"),
    "map far away": (xodr(FAR), {"carla", "alpasim"}, "lies 222 km from the map"),
    "no reference": (xodr(""), {"carla"}, "geoReference: it is missing"),
    "no xml": (lambda m: m.update({"map.xodr": b"<OpenDRIVE"}), {"carla", "alpasim"}, "map.xodr"),
    "entities": (
        lambda m: m.update({"map.xodr": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///c">]><OpenDRIVE>&b;</OpenDRIVE>'}),
        {"carla", "alpasim"},
        "document type",
    ),
    # meshes
    "mesh": (lambda m: m.update({"mesh_ground.ply": b"ply\nformat ascii 1.0\n"}), {"alpasim"}, "mesh_ground.ply"),
}

WARNINGS: dict[str, tuple[Change, set[str], str]] = {
    "transform": (text("gauss.usda", "(1, 0, 0, 0), (0, 1", "(1, 0, 0, 5), (0, 1"), {"isaac"}, "not the identity"),
    "up axis": (text("default.usda", 'upAxis = "Z"', 'upAxis = "Y"'), {"isaac"}, "up axis is Y"),
    "unit": (text("default.usda", "metersPerUnit = 1", "metersPerUnit = 0.01"), {"isaac"}, "unit is 0.01 m"),
    "zero quaternion": (tensor("rotations", lambda v: v.__setitem__(0, 0)), {"isaac"}, "1 quaternions are zero"),
    "pedestrian": (put(f"{TRACKS}: {DATA}.tracks_label_class.1", "pedestrian"), {"carla"}, "'pedestrian'"),
    "uncontrollable": (put(f"{TRACKS}: {DATA}.tracks_flags.0", ["DYNAMIC"]), {"carla", "alpasim"}, "not CONTROLLABLE"),
    "short track": (
        lambda m: [
            put(f"{TRACKS}: {DATA}.tracks_{key}.0", lambda rows: rows[:20])(m) for key in ("timestamps_us", "poses")
        ],
        {"alpasim"},
        "less than 3 s: 7",
    ),
    "scalar first, all of them oncoming": (oncoming(999), {"carla", "alpasim"}, "move backwards"),
    "far world": (put(f"{RIG}: {PATH}.T_rig_worlds", moved([5e4, 0, 0])), {"alpasim"}, "32-bit|5e+04"),
    "sideways": (
        put(
            f"{RIG}: {PATH}.T_rig_worlds",
            lambda p: (np.array(p) @ np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])).tolist(),
        ),
        {"carla", "alpasim"},
        "sideways",
    ),
    "FLU camera": (
        put(f"{RIG}: {FRONT}.T_sensor_rig", np.eye(4).tolist()),
        {"carla", "alpasim"},
        "optical axis points up or down",
    ),
    "turned NRE": (
        put(f"{RIG}: world_to_nre.matrix", [[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        {"carla", "alpasim"},
        "no pure translation",
    ),
    "NVIDIA's header": (xodr(NVIDIA), set(CONSUMERS), "PROJ refuses"),
    "absolute heights": (xodr(None, 116.4), {"carla", "alpasim"}, "116.4 m below the road"),
    "beside the road": (put(f"{RIG}: {PATH}.T_rig_worlds", moved([0, 300, 0])), {"carla", "alpasim"}, "297 m beside"),
    "ground elsewhere": (
        lambda m: m.update({"mesh_ground.ply": ply_bytes(ground_mesh(-5.0))}),
        {"alpasim"},
        "5.0 m above the ground",
    ),
    "ground upside down": (
        lambda m: m.update({"mesh_ground.ply": ply_bytes(Mesh(ground_mesh().vertices, ground_mesh().faces[:, ::-1]))}),
        {"alpasim"},
        "face down",
    ),
}
