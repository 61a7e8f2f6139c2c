"""Particle fields: the schema's own validators, values by hand, foreign stages, and a reader process that may die."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pxr import Gf, Usd, UsdGeom, UsdValidation, UsdVol, Vt

import avrec.scene.foreign.child as child_module
import avrec.scene.foreign.stage as stage_module
from avrec.errors import DataError, OutputError
from avrec.gaussians import Gaussians
from avrec.scene.foreign import import_gaussians, read_particlefield
from avrec.scene.foreign.child import load_array, run_child
from avrec.scene.particlefield import PARTICLE_FIELD_PRIM, write_particlefield
from tests.scene.scenes import random_cloud


def usual_cloud(seed: int, n: int, degree: int) -> Gaussians:
    cloud = random_cloud(np.random.default_rng(seed), n, degree)
    cloud.packed[:, 3:7] /= np.maximum(np.linalg.norm(cloud.quaternions, axis=1, keepdims=True), 1e-12)
    return cloud


@pytest.mark.parametrize("suffix", [".usda", ".usdc", ".usd"])
@pytest.mark.parametrize("half", [False, True])
def test_all_validators_are_silent(tmp_path: Path, suffix: str, half: bool) -> None:
    path = tmp_path / f"a{suffix}"
    write_particlefield(path, usual_cloud(0, 50, 2), half=half)
    stage = Usd.Stage.Open(str(path))
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    assert [error.GetMessage() for error in UsdValidation.ValidationContext(validators).Validate(stage)] == []
    prim = stage.GetPrimAtPath(PARTICLE_FIELD_PRIM)
    assert prim.IsA(UsdVol.ParticleField3DGaussianSplat)
    assert stage.GetDefaultPrim().GetPath() == "/World"
    assert UsdGeom.GetStageUpAxis(stage) == "Z"
    low, high = UsdGeom.Boundable(prim).GetExtentAttr().Get()
    assert (np.array(low) < np.array(high)).all()


def test_values_by_hand(tmp_path: Path) -> None:
    """A Gaussian turned 90 degrees about z, of 1, 2 and 3 m and opacity 0.2, as OpenUSD reads it."""
    half = math.sqrt(0.5)
    sh = np.arange(12, dtype=np.float32).reshape(1, 4, 3)
    scales = np.log([[1.0, 2, 3]])
    cloud = Gaussians.from_parts(
        np.array([[5.0, 6, 7]]), np.array([[2 * half, 0, 0, 2 * half]]), scales, np.log([0.25]), sh
    )
    low, high = write_particlefield(tmp_path / "a.usdc", cloud, center=(1, 2, 3))
    stage = Usd.Stage.Open(str(tmp_path / "a.usdc"))
    splat = UsdVol.ParticleField3DGaussianSplat.Get(stage, PARTICLE_FIELD_PRIM)
    np.testing.assert_array_equal(np.array(splat.GetPositionsAttr().Get()), [[4, 4, 4]])
    turned = splat.GetOrientationsAttr().Get()[0]
    np.testing.assert_allclose([turned.GetReal(), *turned.GetImaginary()], [half, 0, 0, half], rtol=1e-6)
    np.testing.assert_allclose(np.array(splat.GetScalesAttr().Get()), [[1, 2, 3]], rtol=1e-6)
    np.testing.assert_allclose(np.array(splat.GetOpacitiesAttr().Get()), [0.2], rtol=1e-6)
    colors = splat.GetRadianceSphericalHarmonicsCoefficientsAttr()
    np.testing.assert_array_equal(np.array(colors.Get()), sh[0])
    assert colors.GetMetadata("elementSize") == 4
    assert splat.GetRadianceSphericalHarmonicsDegreeAttr().Get() == 1
    np.testing.assert_allclose([low, high], [[-5] * 3, [13] * 3], rtol=1e-5)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(0, 3), st.sampled_from([".usda", ".usdc"]))
def test_there_and_back(tmp_path_factory: pytest.TempPathFactory, seed: int, n: int, degree: int, suffix: str) -> None:
    cloud = usual_cloud(seed, n, degree)
    path = tmp_path_factory.mktemp("stage") / f"a{suffix}"
    write_particlefield(path, cloud)
    notes: list[str] = []
    if n == 0:
        with pytest.raises(DataError, match="no Gaussians"):
            read_particlefield(path)
        return
    back = read_particlefield(path, notes)
    assert notes == []
    np.testing.assert_array_equal(back.means, cloud.means)
    np.testing.assert_array_equal(back.sh, cloud.sh)
    np.testing.assert_allclose(back.packed, cloud.packed, atol=2e-5)


def test_half_precision_and_a_wrong_ending(tmp_path: Path) -> None:
    cloud = usual_cloud(1, 40, 1)
    for name in ("a.usdc", "b.usdc", "c.usda"):
        write_particlefield(tmp_path / name, cloud, half=True)
    (tmp_path / "a.usdc").rename(tmp_path / "no ending")
    back = import_gaussians(tmp_path / "no ending").gaussians
    np.testing.assert_allclose(back.packed, cloud.packed, rtol=2e-3, atol=2e-3)
    assert (tmp_path / "c.usda").read_bytes().startswith(b"#usda")
    assert (tmp_path / "b.usdc").read_bytes() == (tmp_path / "no ending").read_bytes()


def foreign(path: Path, count: int = 3, **changed: Any) -> Usd.Stage:
    """A stage somebody else might write; ``changed`` replaces attributes of its splat, None leaves one out."""
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, changed.pop("up", "Z"))
    if "unit" in changed:
        UsdGeom.SetStageMetersPerUnit(stage, changed.pop("unit"))
    splat = UsdVol.ParticleField3DGaussianSplat.Define(stage, "/a/splat")
    values: dict[str, Any] = {
        "Positions": Vt.Vec3fArray([Gf.Vec3f(1, 2, 3)] * count),
        "Orientations": Vt.QuatfArray([Gf.Quatf(1, 0, 0, 0)] * count),
        "Scales": Vt.Vec3fArray([Gf.Vec3f(1, 1, 2)] * count),
        "Opacities": Vt.FloatArray([0.5] * count),
        "RadianceSphericalHarmonicsCoefficients": Vt.Vec3fArray([Gf.Vec3f(0, 0, 0), Gf.Vec3f(1, 2, 3)] * 2 * count),
        "RadianceSphericalHarmonicsDegree": 1,
    } | changed
    for name, value in values.items():
        if value is not None:
            getattr(splat, f"Create{name}Attr")(value)
    return stage


def test_up_axis_unit_and_placement(tmp_path: Path) -> None:
    """Y up, centimetres, moved by 100 and turned a quarter about y: x 1 goes to -z, which is y in our world."""
    stage = foreign(tmp_path / "a.usda", up="Y", unit=0.01)
    prim = UsdGeom.Xformable(UsdGeom.Xform.Define(stage, "/a"))
    prim.AddTranslateOp().Set(Gf.Vec3d(100, 0, 0))
    prim.AddRotateYOp().Set(90)
    stage.Save()
    cloud = import_gaussians(tmp_path / "a.usda")
    np.testing.assert_allclose(cloud.gaussians.means[0], np.array([103, 1, 2]) / 100, atol=1e-6)
    np.testing.assert_allclose(np.sort(np.exp(cloud.gaussians.log_scales[0])), [0.01, 0.01, 0.02], rtol=1e-5)
    assert len(cloud.notes) == 2


def test_prims_together_and_what_has_no_values(tmp_path: Path) -> None:
    stage = foreign(tmp_path / "a.usda", RadianceSphericalHarmonicsCoefficients=None, Opacities=None)
    other = UsdVol.ParticleField3DGaussianSplat.Define(stage, "/b")
    other.CreatePositionshAttr(Vt.Vec3hArray([Gf.Vec3h(7, 8, 9)]))
    UsdVol.ParticleField3DGaussianSplat.Define(stage, "/empty")
    stage.Save()
    cloud = import_gaussians(tmp_path / "a.usda")
    np.testing.assert_array_equal(cloud.gaussians.means, [[1, 2, 3]] * 3 + [[7, 8, 9]])
    assert (cloud.gaussians.sh == 0).all()
    assert any("grey" in note for note in cloud.notes)
    assert any("/empty has no positions" in note for note in cloud.notes)


def test_values_over_time_are_taken_at_the_first(tmp_path: Path) -> None:
    stage = foreign(tmp_path / "a.usda", Positions=None)
    positions = UsdVol.ParticleField3DGaussianSplat.Get(stage, "/a/splat").CreatePositionsAttr()
    for frame in (5, 3, 9):
        positions.Set(Vt.Vec3fArray([Gf.Vec3f(frame, 0, 0)] * 3), frame)
    stage.Save()
    np.testing.assert_array_equal(read_particlefield(tmp_path / "a.usda").means[:, 0], [3, 3, 3])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"Scales": Vt.Vec3fArray(2)}, "2 scales for 3"),
        ({"Positions": Vt.Vec3fArray([Gf.Vec3f(math.nan)] * 3)}, "finite"),
        ({"RadianceSphericalHarmonicsCoefficients": Vt.Vec3fArray(7)}, "7 colour coefficients"),
        ({"RadianceSphericalHarmonicsCoefficients": Vt.Vec3fArray(75)}, "75 colour coefficients"),
        ({"unit": 1e300}, "cannot be"),
    ],
)
def test_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    foreign(tmp_path / "a.usda", **changed).Save()
    with pytest.raises(DataError, match=said):
        read_particlefield(tmp_path / "a.usda")


def test_stages_without_gaussians(tmp_path: Path) -> None:
    (tmp_path / "a.usda").write_text('#usda 1.0\ndef Xform "World" {}\n')
    with pytest.raises(DataError, match="no Gaussians"):
        import_gaussians(tmp_path / "a.usda")
    (tmp_path / "b.usda").write_text("#usda 1.0\ndef Xform {{{")
    with pytest.raises(DataError, match=r"b\.usda cannot be used: reading it with OpenUSD failed"):
        import_gaussians(tmp_path / "b.usda")


def test_writer_refuses_as_it_should(tmp_path: Path) -> None:
    cloud = usual_cloud(0, 2, 0)
    with pytest.raises(OutputError, match="rename"):
        write_particlefield(tmp_path / "a.usdz", cloud)
    write_particlefield(tmp_path / "a.usda", cloud)
    with pytest.raises(OutputError, match="exists already"):
        write_particlefield(tmp_path / "a.usda", cloud)
    with pytest.raises(OutputError, match="Cannot write"):
        write_particlefield(tmp_path / "none" / "a.usda", cloud)
    assert [path.name for path in tmp_path.iterdir()] == ["a.usda"]


ANSWER = "import os, pathlib; pathlib.Path('answer.json').write_text({}); os._exit(0)"
DEATHS = {
    "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)": "crashed",
    "import os; os.abort()": "gave up",
    "import sys; sys.exit(1)": "code 1",
    "pass": "code 1",
    "import os; os._exit(0)": "no answer",
    "look = lambda source, folder: None": "no answer",
    "look = lambda source, folder: {}[0]": r"failed \(0\)",
    "look = lambda source, folder: bytearray(1 << 40)": r"more than \d+ MiB",
    ANSWER.format("'[' * 10_000"): "no answer",
    ANSWER.format("'[]'"): "no answer",
    ANSWER.format("' ' * (5 << 20)"): "too long",
    "import time; time.sleep(900)": "did not finish within",
    "import subprocess, time; subprocess.Popen(['sleep', '900']); time.sleep(900)": "did not finish",
}


@pytest.mark.parametrize("code", DEATHS)
def test_every_way_a_reader_may_die(tmp_path: Path, code: str) -> None:
    worker, folder = tmp_path / "worker.py", tmp_path / "folder"
    worker.write_text(code)
    folder.mkdir()
    start = time.monotonic()
    with pytest.raises(DataError, match=DEATHS[code]):
        run_child(worker, worker, folder, seconds=1 if "sleep" in code else 120)
    assert time.monotonic() - start < 300


def test_limits_of_the_real_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers may be so much larger than the file, its memory only so large; both are said, not suffered."""
    path = tmp_path / "a.usdc"
    foreign(path, Opacities=Vt.FloatArray(20_000_000)).Save()
    assert path.stat().st_size < 1 << 20  # 80 MB of the same number
    with pytest.raises(DataError, match=r"20000000 opacities for 3|unpacking"):
        read_particlefield(path)
    foreign(tmp_path / "b.usdc", 4000).Save()
    monkeypatch.setattr(stage_module, "_FREE_BYTES", 1000)
    monkeypatch.setattr(stage_module, "_BYTES_PER_BYTE", 0)
    with pytest.raises(DataError, match="would become more"):
        read_particlefield(tmp_path / "b.usdc")
    monkeypatch.setattr(child_module, "CHILD_MEMORY_BYTES", 700 << 20)
    with pytest.raises(DataError, match="OpenUSD failed"):
        read_particlefield(path)


@pytest.mark.parametrize("broken", [np.zeros((3, 2), "<f4"), np.zeros((3, 3), "<f8"), np.zeros(9, "<f4")])
def test_arrays_of_another_kind(tmp_path: Path, broken: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", broken)
    with pytest.raises(DataError, match="did not arrive"):
        load_array(tmp_path / "a.npy", "file", columns=3, most_bytes=1 << 20)
    np.save(tmp_path / "b.npy", np.zeros((3, 3), "<f4"))
    data = (tmp_path / "b.npy").read_bytes()
    for bad in (data[:-1], data + b"x", b"", data.replace(b"(3, 3)", b"(-3,3)"), data.replace(b"<f4", b"|O ")):
        (tmp_path / "c.npy").write_bytes(bad)
        with pytest.raises(DataError, match="did not arrive"):
            load_array(tmp_path / "c.npy", "file", columns=3, most_bytes=1 << 20)
    with pytest.raises(DataError, match="would become more"):
        load_array(tmp_path / "b.npy", "file", columns=3, most_bytes=100)
