"""Rigs, tracks and maps of strangers, intact and broken: what `bench.fuzz_foreign` and the tests give to import_scene.

A case is a number: the same number gives the same bytes.
"""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import numpy as np

from avrec.geometry import (
    Anchor,
    OpenCVPinholeCamera,
    Shutter,
    ShutterDirection,
    Trajectory,
    ecef_from_world,
    transform_from,
)

__all__ = ["IMPORT_KINDS", "import_seeds", "mutated_part"]

IMPORT_KINDS = ("rig", "tracks", "map")

_ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**63 - 1, -(2**63), 2**64, 10**400, 1e308, -1e308, 1e-320, 0.5, float("nan"), float("inf"),
    "", "text", "\x00\x1b[31m", "../../etc", "x" * 5000, [], {}, [[]], [None], {"a": 1}, [1, "a"], [[1, 2], [3]],
)  # fmt: skip
_WORDS = (
    b"1e999", b"nan", b"-1", b"0", b"", b"1" * 400, b"&x;", b"<", b"\x00", b"4294967296", b"line", b"spiral",
    b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>", b"xmlns=\"a\"", b"99999999",
)  # fmt: skip


def import_seeds() -> dict[str, bytes]:
    """An intact file of each kind, which fit each other."""
    from avrec.drive import CameraSensor, Track
    from avrec.gaussians import Gaussians
    from avrec.scene import Scene, fit_ftheta
    from avrec.scene.rig_json import rig_trajectories
    from avrec.scene.tracks_json import sequence_tracks

    times = 10**15 + 100_000 * np.arange(6)
    path = Trajectory(times, transform_from(np.tile(np.eye(3), (6, 1, 1)), np.outer(np.arange(6.0), [1.0, 0, 0])))
    model = OpenCVPinholeCamera(64, 48, (50.0, 50.0), (32.0, 24.0))
    sensors = {
        name: CameraSensor(name, model, np.eye(4), shutter)
        for name, shutter in (("front", Shutter(ShutterDirection.TOP_TO_BOTTOM, 9000)), ("back", Shutter()))
    }
    scene = Scene(
        name="a",
        static=Gaussians.empty(),
        ego=path,
        ego_recorded=path,
        cameras=sensors,
        cameras_recorded=sensors,
        frames=dict.fromkeys(sensors, times),
        tracks=tuple(Track(name, "car", np.ones(3), path) for name in ("1", "2")),
    )
    rig = rig_trajectories(scene, "a", {name: fit_ftheta(model).camera for name in sensors}, np.ones(3))
    rig["T_world_base"] = ecef_from_world(Anchor(48.0, 11.0, 500.0)).tolist()
    side = copy.deepcopy(rig["camera_calibrations"]["back@a"])
    side |= {"logical_sensor_name": "side"}
    side["camera_model"] = {
        "type": "opencv-pinhole",
        "parameters": {
            "resolution": [64, 48], "shutter_type": "GLOBAL", "principal_point": [32.0, 24.0],
            "focal_length": [50.0, 50.0], "radial_coeffs": [0.1, 0, 0, 0, 0, 0], "tangential_coeffs": [0, 0],
        },
    }  # fmt: skip
    rig["camera_calibrations"]["side@a"] = side
    return {
        "rig": json.dumps(rig).encode(),
        "tracks": json.dumps(sequence_tracks(scene.tracks)).encode(),
        "map": _MAP.encode(),
    }


def mutated_part(seeds: dict[str, bytes], kind: str, number: int) -> bytes:
    """Case ``number`` of a kind, broken as bytes or, where it is JSON, as a document."""
    rng = random.Random(f"{kind} {number}")
    data = seeds[kind]
    if kind != "map" and rng.random() < 0.8:
        return _document(json.loads(data), rng)
    broken = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 10))):
        place = rng.randrange(len(broken))
        action = rng.randrange(4)
        if action == 0:
            broken[place] ^= 1 << rng.randrange(8)
        elif action == 1:
            broken[place : place + rng.randrange(12)] = rng.choice(_WORDS)
        elif action == 2:
            end = min(len(broken), place + rng.randrange(200))
            broken[place:place] = broken[place:end]
        else:
            numbers = [at for at in range(len(broken)) if broken[at : at + 1].isdigit()]
            broken[(at := rng.choice(numbers)) : at + 1] = rng.choice(_WORDS)
    return bytes(broken[: rng.randrange(len(broken))] if rng.random() < 0.1 else broken)


def _document(document: Any, rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 5))):
        holder, key = document, rng.choice(list(document)) if document else None
        for _ in range(rng.randrange(9)):
            inner = holder[key] if key is not None else None
            if not isinstance(inner, dict | list) or not inner:
                break
            holder, key = inner, rng.choice(list(inner) if isinstance(inner, dict) else list(range(len(inner))))
        if key is None:
            continue
        action = rng.randrange(6)
        if action == 0:
            del holder[key]
        elif action == 1 and isinstance(holder[key], list):
            holder[key] = holder[key] * rng.choice((0, 2, 50))
        elif action == 2 and isinstance(holder[key], int | float) and abs(holder[key]) < 1e30:
            holder[key] = holder[key] * rng.choice((-1, 0, 1e3, 1e12, 1e-12))
        elif action == 3:
            deep: Any = 1
            for _ in range(rng.choice((3, 900))):
                deep = [deep]
            holder[key] = deep
        else:
            holder[key] = copy.deepcopy(rng.choice(_ODD))
        if not isinstance(document, dict) or not document:
            break
    return json.dumps(document).encode()


_MAP = """<?xml version="1.0" encoding="UTF-8"?>
<OpenDRIVE>
  <header revMajor="1" revMinor="4" name="a" version="1.0" north="50" south="-50" east="200" west="-50">
    <geoReference><![CDATA[+proj=tmerc +lat_0=48 +lon_0=11 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m]]></geoReference>
  </header>
  <road name="a" length="60" id="1" junction="-1">
    <planView>
      <geometry s="0" x="0" y="0" hdg="0" length="30"><line/></geometry>
      <geometry s="30" x="30" y="0" hdg="0" length="30"><arc curvature="0.01"/></geometry>
    </planView>
    <elevationProfile><elevation s="0" a="0" b="0.01" c="0" d="0"/></elevationProfile>
    <lanes><laneSection s="0">
      <left><lane id="1" type="driving" level="false"><width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane></left>
      <center><lane id="0" type="none" level="false"/></center>
      <right><lane id="-1" type="driving" level="false"><width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane></right>
    </laneSection></lanes>
  </road>
</OpenDRIVE>
"""
