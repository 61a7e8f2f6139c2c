"""The archive: judged by zipfile and by OpenUSD, and never left half written."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pxr import Usd, UsdGeom, UsdPhysics, UsdValidation

from avrec.errors import OutputError
from avrec.scene import package_writer, read_manifest
from avrec.scene.package_reader import PackageReader
from avrec.scene.package_writer import PackageWriter
from avrec.scene.usd_layers import NUREC_VARIANT, PARTICLE_FIELD_VARIANT
from tests.processes import LIMIT_S
from tests.scene.complete import complete_scene
from tests.scene.scenes import make_scene


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "street.usdz"
    make_scene(1).save(path)
    return path


def payload_offset(path: Path, info: zipfile.ZipInfo) -> int:
    with open(path, "rb") as file:
        file.seek(info.header_offset + 26)
        name, extra = struct.unpack("<HH", file.read(4))
    return info.header_offset + 30 + name + extra


def test_zip_rules(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names[:3] == ["default.usda", "volume.nurec", "gauss.usda"]
        assert {"rig_trajectories.json", "avrec/scene.json", "avrec/static.npy", "avrec/sky.npy"} <= set(names)
        assert names[-1] == "manifest.json"
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.flag_bits == 0
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert payload_offset(package, info) % 64 == 0
        manifest = json.loads(archive.read("manifest.json"))
        for name in names[:-1]:
            data = archive.read(name)
            assert manifest["members"][name] == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


@given(st.dictionaries(st.text("ab./", min_size=1, max_size=80).map(lambda s: f"m{s}x"), st.binary(max_size=300)))
@settings(max_examples=50, deadline=None)
def test_any_members_are_aligned_and_read_back(tmp_path_factory: pytest.TempPathFactory, members) -> None:
    path = tmp_path_factory.mktemp("any") / "any.usdz"
    with PackageWriter(path) as package:
        for name, data in members.items():
            package.add(name, data)
    with zipfile.ZipFile(path) as archive:
        assert {info.filename: archive.read(info) for info in archive.infolist()} == members
        assert all(payload_offset(path, info) % 64 == 0 for info in archive.infolist())


def test_padding_field_by_hand(tmp_path: Path) -> None:
    # 30 bytes of header and a 33-byte name end at 63: one byte is missing, but a field needs 4, so 65 follow.
    with PackageWriter(tmp_path / "a.usdz") as package:
        package.add("n" * 33, b"payload")
    data = (tmp_path / "a.usdz").read_bytes()
    assert data[28:30] == struct.pack("<H", 65)
    assert data[63:67] == b"\x86\x19" + struct.pack("<H", 61)
    assert data[67:128] == bytes(61)
    assert data[128:135] == b"payload"


def test_opens_in_openusd_without_a_word(package: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stage = Usd.Stage.Open(str(package))
    volume = stage.GetPrimAtPath("/World/gauss/gauss")
    assert stage.GetCompositionErrors() == []
    assert stage.GetDefaultPrim().GetPath() == "/World"
    assert UsdGeom.GetStageUpAxis(stage) == "Z"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1
    assert stage.GetTimeCodesPerSecond() == 24
    settings_ = stage.GetRootLayer().customLayerData["renderSettings"]
    assert settings_["rtx:rendermode"] == "RaytracedLighting"
    assert volume.GetTypeName() == "Volume"
    assert volume.GetAttribute("omni:nurec:isNuRecVolume").Get() is True
    assert volume.GetAttribute("omni:nurec:useProxyTransform").Get() is False
    assert UsdGeom.Xformable(volume).GetLocalTransformation() == UsdGeom.Xformable(volume).GetLocalTransformation(1)
    assert UsdGeom.Xformable(volume).GetLocalTransformation().GetDeterminant() == 1
    low, high = volume.GetAttribute("extent").Get()
    assert volume.GetAttribute("omni:nurec:crop:minBounds").Get() == low
    assert volume.GetAttribute("omni:nurec:crop:maxBounds").Get() == high
    assert volume.GetRelationship("proxy").GetTargets() == []
    for role, child in (("density", "density_field"), ("emissiveColor", "emissive_color_field")):
        (target,) = volume.GetRelationship(f"field:{role}").GetTargets()
        field = stage.GetPrimAtPath(target)
        assert target.name == child
        assert field.GetTypeName() == "OmniNuRecFieldAsset"
        assert field.GetAttribute("fieldName").Get() == field.GetAttribute("fieldRole").Get() == role
        asset = field.GetAttribute("filePath").Get()
        assert asset.path == "./volume.nurec"
        assert asset.resolvedPath == f"{package}[volume.nurec]"
    assert tuple(field.GetAttribute("omni:nurec:ccmG").Get()) == (0, 1, 0, 0)
    assert capfd.readouterr().err == ""


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("complete") / "street.usdz"
    complete_scene().save(path)
    return path


@pytest.mark.parametrize("which", ["package", "complete"])
def test_usd_validation_finds_only_foreign_members(which: str, request: pytest.FixtureRequest) -> None:
    stage = Usd.Stage.Open(str(request.getfixturevalue(which)))
    registry = UsdValidation.ValidationRegistry()
    context = UsdValidation.ValidationContext(registry.GetOrLoadAllValidators())
    variants = stage.GetPrimAtPath("/World").GetVariantSet("gaussians")
    assert len(variants.GetVariantNames()) == 2
    for variant in variants.GetVariantNames():
        variants.SetVariantSelection(variant)
        findings = {error.GetName() for error in context.Validate(stage)}
        assert findings <= {"UnsupportedFileExtensionInPackage"}, variant
        assert stage.GetCompositionErrors() == []


def test_both_flavours_compose_without_a_word(complete: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stage = Usd.Stage.Open(str(complete))
    variants = stage.GetPrimAtPath("/World").GetVariantSet("gaussians")
    assert variants.GetVariantSelection() == NUREC_VARIANT
    volume = stage.GetPrimAtPath("/World/gauss/gauss")
    assert volume.GetRelationship("proxy").GetTargets() == ["/World/mesh"]
    assert not stage.GetPrimAtPath("/World/splats")
    labels = stage.GetRootLayer().customLayerData["gaussians"]
    assert set(labels) == set(variants.GetVariantNames())
    assert labels[NUREC_VARIANT].startswith("Kit 107.3 to 110.1")
    variants.SetVariantSelection(PARTICLE_FIELD_VARIANT)
    splats = stage.GetPrimAtPath("/World/splats/Gaussians/gaussians")
    assert splats.GetTypeName() == "ParticleField3DGaussianSplat"
    assert not stage.GetPrimAtPath("/World/gauss")
    for name in ("mesh", "ground"):
        mesh = UsdGeom.Mesh(stage.GetPrimAtPath(f"/World/{name}"))
        assert mesh.ComputeVisibility() == "invisible"
        assert set(mesh.GetFaceVertexCountsAttr().Get()) == {3}
        assert mesh.GetPrim().HasAPI(UsdPhysics.CollisionAPI) == (name == "mesh")
    assert stage.GetCompositionErrors() == []
    assert capfd.readouterr().err == ""


def test_both_flavours_and_the_mesh_show_the_same_thing(complete: Path) -> None:
    """Particle field = activated NuRec tensors, to half precision; the mesh is moved like the Gaussians."""
    stage = Usd.Stage.Open(str(complete))
    stage.GetPrimAtPath("/World").GetVariantSet("gaussians").SetVariantSelection(PARTICLE_FIELD_VARIANT)
    splats = stage.GetPrimAtPath("/World/splats/Gaussians/gaussians")
    with zipfile.ZipFile(complete) as archive:
        state = msgpack.unpackb(gzip.decompress(archive.read("volume.nurec")))["nre_data"]["state_dict"]

    def nurec(key: str) -> np.ndarray:
        name = f".gaussians_nodes.gaussians.{key}"
        return np.frombuffer(state[name], "<f2").reshape(state[f"{name}.shape"]).astype(np.float64)

    def field(name: str) -> np.ndarray:
        return np.array(splats.GetAttribute(name).Get(), np.float64)

    half = {"rtol": 2e-3, "atol": 1e-6}  # of the logarithm's rounding too: scales are e to the power of a half float
    np.testing.assert_array_equal(field("positionsh"), nurec("positions"))
    np.testing.assert_allclose(field("scalesh"), np.exp(nurec("scales")), **half)
    np.testing.assert_allclose(field("opacitiesh"), 1 / (1 + np.exp(-nurec("densities")[:, 0])), **half)
    rotations = nurec("rotations") / np.linalg.norm(nurec("rotations"), axis=1, keepdims=True)
    found = [[q.GetReal(), *q.GetImaginary()] for q in splats.GetAttribute("orientationsh").Get()]
    np.testing.assert_allclose(np.array(found), rotations, atol=1.5e-3)
    sh = np.concatenate([nurec("features_albedo"), nurec("features_specular")], axis=1).reshape(-1, 3)
    np.testing.assert_array_equal(field("radiance:sphericalHarmonicsCoefficientsh"), sh)
    center = -np.array(read_manifest(complete)["nurec"]["world_to_nre_translation"])
    points = np.array(stage.GetPrimAtPath("/World/mesh").GetAttribute("points").Get())
    np.testing.assert_allclose(points + center, complete_scene().mesh.vertices, atol=1e-5)


def test_existing_file_is_kept_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.usdz"
    path.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        make_scene().save(path)
    assert path.read_text() == "mine"
    make_scene().save(path, overwrite=True)
    assert zipfile.is_zipfile(path)


@pytest.mark.parametrize("name", ["a.usd", "usdz", "missing/a.usdz", "folder.usdz"])
def test_places_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.usdz").mkdir()
    with pytest.raises(OutputError):
        make_scene().save(tmp_path / name, overwrite=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.usdz"]


@pytest.mark.parametrize("limit", [0, 40_000, 150_000])
def test_a_full_disk_leaves_nothing(tmp_path: Path, limit: int) -> None:
    """A file size limit of the kernel stands in for the full disk: writes fail in the same way."""
    path = tmp_path / "a.usdz"
    path.write_text("mine")
    script = (
        "import resource, signal\n"
        "from tests.scene.scenes import make_scene\n"
        "from avrec.errors import OutputError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "scene = make_scene()\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "try:\n"
        f"    scene.save({str(path)!r}, overwrite=True)\n"
        "except OutputError as error:\n"
        "    assert 'nothing was left behind' in str(error), error\n"
        "    raise SystemExit(7)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=LIMIT_S
    )
    assert (result.returncode, result.stderr) == (7, "")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.usdz"]
    assert path.read_text() == "mine"


def test_a_disk_that_fills_at_the_last_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        make_scene().save(tmp_path / "a.usdz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [RuntimeError("TfError: long\nstory"), OutputError("no"), OSError(28, "full")])
def test_a_library_that_cannot_write_its_member(tmp_path: Path, error: Exception) -> None:
    def build(file: Path) -> None:
        file.write_bytes(b"half")
        raise error

    def write() -> None:
        with PackageWriter(tmp_path / "a.usdz") as package:
            package.add("a", b"1")
            package.add_built("mesh.usd", build)

    with pytest.raises(OutputError, match=r"a\.usdz.*nothing was left behind"):
        write()
    assert not list(tmp_path.iterdir())


def test_torch_hands_a_full_disk_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_writer, "_MAX_OFFSET", 150_000)
    with pytest.raises(OutputError, match="past 4 GiB"):
        make_scene().save(tmp_path / "a.usdz")
    assert not list(tmp_path.iterdir())


def test_interrupted_saving_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with PackageWriter(tmp_path / "a.usdz") as package:
            package.add("a", b"1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_no_package_beyond_four_gib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_writer, "_MAX_OFFSET", 50_000)
    with pytest.raises(OutputError, match="past 4 GiB"):
        make_scene().save(tmp_path / "a.usdz")
    assert not list(tmp_path.iterdir())


def test_reader_takes_what_zipfile_writes(tmp_path: Path) -> None:
    """Packages of other tools are stored but not aligned."""
    with zipfile.ZipFile(tmp_path / "other.usdz", "w") as archive:
        archive.writestr("default.usda", b"#usda 1.0\n")
        archive.writestr("sub/volume.nurec", b"abc")
    with PackageReader(tmp_path / "other.usdz") as package:
        assert list(package.members) == ["default.usda", "sub/volume.nurec"]
        assert package.read("sub/volume.nurec", limit=3) == b"abc"
        assert package.sha256("sub/volume.nurec") == hashlib.sha256(b"abc").hexdigest()
