"""Each mistake of the field is found, for the right consumer, with a way out; and no complaint where there is none."""

from __future__ import annotations

import io
import json
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from avrec.errors import AvrecError, DataError
from avrec.geometry import Anchor, ecef_from_world
from avrec.scene import Scene
from avrec.scene.package_writer import PackageWriter
from avrec.scene.validate import Finding, validate
from tests.scene.complete import complete_scene
from tests.scene.mistakes import ERRORS, RIG, WARNINGS, Change, drop, put, tensor, text
from tests.scene.scenes import make_scene, scenes

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Members:
    path = tmp_path_factory.mktemp("validate") / "street.usdz"
    complete_scene().save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def findings(folder: Path, members: Members, change: Change | None = None) -> tuple[Finding, ...]:
    """Of a changed package without a manifest, which would notice every change."""
    changed = {name: data for name, data in members.items() if name != "manifest.json"}
    if change is not None:
        change(changed)
    path = folder / "street.usdz"
    with PackageWriter(path, overwrite=True) as package:
        for name, data in changed.items():
            package.add(name, data)
    return validate(path, compose=False).findings


def test_a_complete_package_has_no_finding(tmp_path: Path, members: Members) -> None:
    complete_scene().save(tmp_path / "street.usdz")
    report = validate(tmp_path / "street.usdz")
    assert report.findings == ()
    assert str(report) == "No problem found."
    assert report.failing == ()
    assert findings(tmp_path, members) == ()


@pytest.mark.parametrize("name", ERRORS)
def test_errors(tmp_path: Path, members: Members, name: str) -> None:
    change, consumers, said = ERRORS[name]
    _expect(findings(tmp_path, members, change), "error", consumers, said)


@pytest.mark.parametrize("name", WARNINGS)
def test_warnings(tmp_path: Path, members: Members, name: str) -> None:
    change, consumers, said = WARNINGS[name]
    _expect(findings(tmp_path, members, change), "warning", consumers, said)


def _expect(found: tuple[Finding, ...], severity: str, consumers: set[str], said: str) -> None:
    matching = [f for f in found if any(part in f"{f.where}: {f.what} {f.why}" for part in said.split("|"))]
    assert matching, [str(f) for f in found]
    hit = {name for f in matching if f.severity == severity for name in f.consumers}
    assert consumers <= hit | {name for f in found if f.severity == severity for name in f.consumers}, matching
    assert any(f.severity == severity for f in matching), matching
    for finding in found:
        assert finding.where
        assert finding.what
        assert finding.why
        assert finding.remedy
        assert "\n" not in str(finding)


@pytest.mark.parametrize(("shift_m", "remedy"), [(0, "around their centre already"), (1000, "say so in world_to_nre")])
def test_far_positions_get_a_remedy_that_helps(tmp_path: Path, members: Members, shift_m: float, remedy: str) -> None:
    def spread(values: np.ndarray) -> None:
        values[:, 0] = np.linspace(-400, 400, len(values)) + shift_m

    found = findings(tmp_path, members, tensor("positions", spread))
    assert [remedy in finding.remedy for finding in found if "half precision steps" in finding.what] == [True]


def test_several_mistakes_in_one_pass(tmp_path: Path, members: Members) -> None:
    def change(members: Members) -> None:
        for step in ("degree 1", "no max_angle", "no box", "scalar first", "no uuid", "no ground"):
            ERRORS[step][0](members)

    found = findings(tmp_path, members, change)
    assert len([finding for finding in found if finding.severity == "error"]) == 6
    assert [finding.severity for finding in found] == sorted(
        (f.severity for f in found), key="error warning note".index
    )


def test_only_the_consumers_asked_for(tmp_path: Path, members: Members) -> None:
    findings(tmp_path, members, ERRORS["no box"][0])
    path = tmp_path / "street.usdz"
    assert validate(path).failing == ("alpasim",)
    assert validate(path, ("isaac", "carla")).findings == ()
    report = validate(path, ["alpasim"])
    assert report.fails("alpasim")
    assert report.to_dict()["consumers"] == {"alpasim": False}
    json.dumps(report.to_dict(), allow_nan=False)
    with pytest.raises(AvrecError, match="unity"):
        validate(path, ["unity"])


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        validate(tmp_path / "a.usdz")


def test_changed_members_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "street.usdz"
    complete_scene().save(path)
    with zipfile.ZipFile(path) as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    for name, severity in (("avrec/static.npy", "error"), ("map.xodr", "error"), ("mesh.ply", "warning")):
        with PackageWriter(path, overwrite=True) as package:
            for member, data in kept.items():
                package.add(member, data if member != name else data.replace(b" ", b"\t", 1))
        assert any(
            f.where == name and f.severity == severity and "changed since" in f.what for f in validate(path).findings
        )


def test_archives_of_other_tools(tmp_path: Path, members: Members) -> None:
    """Compressed, unaligned, reordered, with data descriptors: each is said, and the rest is checked all the same."""
    path = tmp_path / "street.usdz"

    def said(**options: Any) -> dict[str, str]:
        with zipfile.ZipFile(path, "w", **options) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return {finding.what: finding.severity for finding in validate(path, compose=False).findings}

    (unaligned,) = said().items()
    assert unaligned[0].endswith("not aligned to 64 bytes")
    assert unaligned[1] == "warning"
    assert said(compression=zipfile.ZIP_DEFLATED)["the member is compressed"] == "error"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(data)
    assert not validate(path).fails("carla")
    stream = io.BytesIO()

    class Pipe(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            return stream.write(data)

    with zipfile.ZipFile(Pipe(), "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    path.write_bytes(stream.getvalue())
    report = validate(path)
    assert report.failing == ("isaac",)
    assert "the member has a data descriptor" in {finding.what for finding in report.findings}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in reversed(members.items()):
            archive.writestr(name, data)
    assert "the first member is no USD layer" in {finding.what for finding in validate(path).findings}


def test_zip64_is_said(tmp_path: Path) -> None:
    """A directory whose counts are left to a ZIP64 record."""
    path = tmp_path / "street.usdz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("default.usda", b"#usda 1.0\n")
    data = path.read_bytes()
    end = data.rfind(b"PK\x05\x06")
    _, _, _, _, count, size, start, _ = struct.unpack("<4sHHHHIIH", data[end:])
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(data[:end] + record + locator + tail)
    assert zipfile.ZipFile(path).namelist() == ["default.usda"]
    report = validate(path)
    assert "the package is ZIP64 or larger than 4 GiB" in {finding.what for finding in report.findings}
    assert report.fails("isaac")


def test_unknown_members_and_escapes(tmp_path: Path, members: Members) -> None:
    path = tmp_path / "street.usdz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, "notes.docx": b"1", "../../evil.sh": b"2", "/abs": b"3"}.items():
            archive.writestr(name, data)
    found = {finding.what: finding for finding in validate(path).findings}
    assert "../../evil.sh, /abs" in found["the name leads out of the package, or is no plain path"].where
    assert any("no consumer of scene files looks for" in what for what in found)
    assert [entry.name for entry in tmp_path.iterdir()] == ["street.usdz"]


def test_placeholder_anchor_is_a_note(tmp_path: Path) -> None:
    make_scene(2).save(tmp_path / "a.usdz")
    notes = [finding for finding in validate(tmp_path / "a.usdz").findings if "placeholder" in finding.what]
    assert [finding.severity for finding in notes] == ["note"]


def test_altitude_of_the_anchor_does_not_lift_the_map(tmp_path: Path, members: Members) -> None:
    """T_world_base at the anchor's true height: the readers' map is 116.4 m below the drive, and that is said."""
    high = ecef_from_world(Anchor(49.0112, 8.4228, 116.4)).tolist()
    found = findings(tmp_path, members, put(f"{RIG}: T_world_base", high))
    assert [finding.what for finding in found] == ["the drive runs 116.4 m above the road"]


EMPTY_STAGE = b"""#usda 1.0
(
    defaultPrim = "World"
    metersPerUnit = 1
    upAxis = "Z"
)

def Xform "World"
{
}
"""


@pytest.mark.parametrize(
    ("change", "severity", "said"),
    [
        (drop("gauss.usda"), "error", "gauss.usda"),
        (text("gauss.usda", 'def Volume "gauss"', 'def Volume gauss"'), "error", "gauss.usda"),
        (drop("mesh.usd"), "error", "mesh.usd"),
        (drop("particlefield.usdc"), "error", "particlefield.usdc"),
        (text("gauss.usda", "isNuRecVolume = 1", "isNuRecVolume = 0"), "warning", "no NuRec volume"),
        (lambda m: m.update({"default.usda": EMPTY_STAGE}), "error", "shows no Gaussians"),
        (lambda m: m.update({"particlefield.usdc": m["particlefield.usdc"][:3000]}), "error", "stage"),
        (lambda m: m.update({"particlefield.usdc": b"PXR-USDC" + bytes(range(256)) * 20}), "error", "stage"),
    ],
    ids=["no layer", "syntax", "no mesh", "no field", "flag", "empty", "cut", "noise"],
)
def test_openusd_has_its_say(tmp_path: Path, members: Members, change: Change, severity: str, said: str) -> None:
    findings(tmp_path, members, change)
    found = [f for f in validate(tmp_path / "street.usdz").findings if f.where == "stage"]
    assert [f for f in found if f.severity == severity and any(part in str(f) for part in said.split("|"))], found
    assert all("\n" not in str(finding) for finding in found)


@given(scenes)
@settings(max_examples=15, deadline=None)
def test_what_avrec_writes_of_any_scene_has_no_mistake_of_form(scene: Scene) -> None:
    """Random scenes tumble about and lack maps; but no member that avrec forms itself is ever wrong."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "street.usdz"
        scene.save(path)
        found = validate(path, compose=False).findings
    formed = ("default", "gauss", "volume", "data_info", "manifest", "package", "datasource", "avrec", "mesh.usd")
    assert not [str(f) for f in found if f.where.startswith(formed) and f.severity != "note"]
    strict = ("metadata.yaml: uuid", "metadata.yaml: sensors", "metadata.yaml: time_range", "metadata.yaml: training")
    assert not [str(f) for f in found if f.where.startswith(strict)]


def test_what_is_no_package_is_not_to_be_renamed_but_imported(tmp_path: Path) -> None:
    cloud, package = tmp_path / "cloud.spz", tmp_path / "cut.usdz"
    for path in (cloud, package):
        path.write_bytes(b"something else")
    (found,) = validate(cloud).findings
    assert "scene import" in found.remedy
    assert ".." not in str(found)
    (found,) = validate(package).findings
    assert "Fetch the file once more" in found.remedy
    assert str(found).count("Fetch") == 1
