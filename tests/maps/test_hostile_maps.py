"""Files made to hurt: a clear error each time, quickly."""

from __future__ import annotations

import contextlib
import json
import os
import random
from pathlib import Path

import pytest

from avrec.errors import AvrecError, DataError
from avrec.maps import read_opendrive, read_street_map, write_opendrive
from avrec.maps.read_av2 import read_av2_map
from tests.maps.support import LINE, lane, road, section, xodr

GOOD = xodr(road(section(lane(1), lane(-1))))


def spiral(start: str, end: str, length: str = "100") -> str:
    shape = f'<spiral curvStart="{start}" curvEnd="{end}"/>'
    return f'<geometry s="0" x="0" y="0" hdg="0" length="{length}">{shape}</geometry>'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "XML"),
        (b"not xml", "XML"),
        (GOOD[: len(GOOD) // 2], "XML"),
        (b"<html/>", "OpenDRIVE"),
        (b"<OpenDRIVE/>", "no road"),
        (b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><OpenDRIVE>&a;</OpenDRIVE>', "document type"),
        (
            b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
            b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><OpenDRIVE>&c;</OpenDRIVE>',
            "document type",
        ),
        ("<!DOCTYPE x><OpenDRIVE/>".encode("utf-16"), "document type"),
        (b"<OpenDRIVE>" + b"<a>" * 5000 + b"</a>" * 5000 + b"</OpenDRIVE>", "XML"),
        (GOOD.replace(b'x="0"', b'x="nan"'), "Give a number"),
        (GOOD.replace(b'x="0"', b'x="1e300"'), "Give a number"),
        (GOOD.replace(b'length="100', b'length="1e18'), "Give a number"),
        (GOOD.replace(b'a="3.5"', b'a="inf"'), "Give a number"),
        (GOOD.replace(b'id="-1" type', b'id="-1.5" type'), "whole number"),
        (GOOD.replace(b'<lane id="-1"', b'<lane id="zz"'), "Give a number"),
        (xodr(road(section(right=lane(-1)), geometry=spiral("1e6", "-1e6"))), "turns by"),
        (xodr(road(section(right=lane(-1)), geometry="")), "no geometry"),
        (xodr(road("")), "no lane section"),
        (xodr(road(section(right=lane(-1))), road(section(right=lane(-1)))), "Two roads"),
        (xodr(road(section(right=lane(-1)), geometry=LINE.replace("<line/>", "<curl/>"))), "known shape"),
        (
            xodr(
                road(
                    section(right=lane(-1)),
                    geometry=LINE.replace(
                        "<line/>",
                        '<paramPoly3 pRange="normalized" aU="0" bU="0" cU="0" dU="0" aV="0" bV="0" cV="0" dV="0"/>',
                    ),
                )
            ),
            "paramPoly3",
        ),
    ],
)
def test_damage_is_named(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_opendrive(content)


def test_curves_that_would_take_millions_of_points_are_refused() -> None:
    wild = '<width sOffset="0" a="3" b="0" c="1e8" d="0"/>'
    with pytest.raises(DataError, match="cross sections"):
        read_opendrive(xodr(road(section(right=lane(-1, wild)), length=1e5, geometry=LINE.replace("100", "1e5"))))


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.xodr", tmp_path):
        with pytest.raises(DataError, match="Cannot read"):
            read_opendrive(path)


def test_random_damage_ends_in_a_map_or_a_clear_error() -> None:
    """Bytes flipped, cut out and doubled, numbers replaced: never another exception; what reads can be written."""
    rng = random.Random(4)
    poison = [b"nan", b"-1e9", b"1e308", b"", b"0", b"-0.0", b"1e-300", b"99999999999", b"x"]
    for _ in range(150):
        content = bytearray(GOOD)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(content))
            kind = rng.randrange(4)
            if kind == 0:
                content[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                del content[at : at + rng.randrange(20)]
            elif kind == 2:
                content[at:at] = content[at : at + rng.randrange(60)]
            else:
                quotes = [i for i, byte in enumerate(content) if byte == ord('"')]
                first = 2 * rng.randrange(len(quotes) // 2)
                content[quotes[first] + 1 : quotes[first + 1]] = rng.choice(poison)
        with contextlib.suppress(AvrecError):
            write_opendrive(read_opendrive(bytes(content)))


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": "avrec-lane-graph", "version": 1, "lanes": [{"id": 1}]}', "[" * 100_000]
)
def test_json_maps_that_are_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "map.json"
    path.write_text(content)
    for reader in (read_street_map, read_av2_map):
        with pytest.raises(DataError):
            reader(path)


def test_an_argoverse_map_with_a_hole_in_it(tmp_path: Path) -> None:
    path = tmp_path / "log_map_archive_x____PIT_city_1.json"
    path.write_text(json.dumps({"lane_segments": {"1": {"id": 1}}, "pedestrian_crossings": {}}))
    with pytest.raises(DataError, match="as published"):
        read_av2_map(path)


def test_devices_and_pipes_are_refused_before_they_are_opened(tmp_path: Path) -> None:
    """Reading either would never end."""
    pipe = tmp_path / "map.xodr"
    os.mkfifo(pipe)
    endless = tmp_path / "endless.xodr"
    endless.symlink_to("/dev/zero")
    for path in (pipe, endless):
        with pytest.raises(DataError, match="not an ordinary file"):
            read_opendrive(path)
