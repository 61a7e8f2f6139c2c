"""``avrec scene import``, ``info`` and the export of meshes and actors, as a stranger types them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from avrec.cli import main
from avrec.scene import Scene
from avrec.scene.foreign import import_gaussians, write_ply
from avrec.scene.package_reader import PackageReader
from tests.scene.complete import complete_scene
from tests.scene.test_import_scene import visible_scene


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("street") / "street.usdz"
    complete_scene().save(path)
    return path


def test_import_then_every_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_ply(visible_scene(300).static, tmp_path / "a.ply")
    target = tmp_path / "a.usdz"
    words = ["scene", "import", str(tmp_path / "a.ply"), "-o", str(target), "--anchor", "48.1,11.6,520"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "Stand-in for the rig" in said
    assert "300 Gaussians, 1 camera, 0 actors" in said
    scene = Scene.open(target)
    assert scene.anchor is not None
    assert (scene.anchor.latitude_deg, scene.anchor.altitude_m) == (48.1, 520)
    assert main(["scene", "info", str(target)]) == 0
    told = capsys.readouterr().out
    for said in ("imported from a.ply (PLY)", "assumed rig: the camera 'placeholder'", "48.100000, 11.600000"):
        assert said in told
    assert main(["render", str(target), "-o", str(tmp_path / "frames"), "--frames", "0:2"]) == 0
    assert main(["validate", str(target), "--for", "isaac"]) == 0
    assert main(["scene", "export", str(target), "-o", str(tmp_path / "b.spz")]) == 0
    assert main(words) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*words, "--overwrite", "--up", "-y", "--scale", "2"]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--anchor", "48"], "is no place"),
        (["--anchor", "x,y"], "is not a list of numbers"),
        (["--anchor", "91,0"], "latitude_deg"),
        (["--rig", "none.json"], "none.json"),
        (["--map", "none.xodr"], "none.xodr"),
        (["--scale", "-1"], "positive number"),
    ],
)
def test_import_says_what_is_wrong(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_ply(complete_scene(5).static, tmp_path / "a.ply")
    assert main(["scene", "import", str(tmp_path / "a.ply"), "-o", str(tmp_path / "a.usdz"), *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ply"]


def test_info_as_a_stranger_reads_it(street: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scene", "info", str(street)]) == 0
    told = capsys.readouterr().out
    for said in (
        "10.0 s",
        "300 static, 40 road, 30 in 2 actors; spherical harmonics of degree 3",
        "640x360  pinhole (f-theta copy within 0.014 px)  rolling top to bottom in 20.0 ms  99 frames, 13 held out",
        "3: 2 automobile, 1 person; 2 with Gaussians of their own",
        "surface (mesh.ply) 4000 triangles",
        "1 road, 2 driving lanes, 0.40 km of them",
        "49.011200, 8.422800, 116.4 m above the ellipsoid",
        "seed 5",
    ):
        assert said in told
    assert main(["scene", "info", str(street), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["map"]["driving_lanes_m"] == 400
    assert figures["map"]["inferred_lanes"] == 0
    assert figures["cameras"]["front@street"]["exact"] == "opencv-pinhole"
    assert figures["cameras"]["front@street"]["readout_us"] == 20_000
    assert figures["sky"] == {"side_px": 4}


def test_mesh_as_obj(street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trimesh = pytest.importorskip("trimesh", reason="trimesh is the judge of OBJ files")
    target = tmp_path / "street.obj"
    assert main(["scene", "export", str(street), "--as", "obj", "-o", str(target)]) == 0
    assert "surface mesh, 4000 triangles with colours" in capsys.readouterr().out
    mesh = complete_scene().mesh
    assert mesh is not None
    found = trimesh.load(target, process=False, maintain_order=True)
    np.testing.assert_allclose(found.vertices, mesh.vertices, atol=1e-4)
    np.testing.assert_array_equal(found.faces, mesh.faces)
    assert mesh.colours is not None
    assert np.abs(found.visual.vertex_colors[:, :3].astype(int) - mesh.colours).max() <= 1


def test_export_of_one_actor(street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "7.ply"
    assert main(["scene", "export", str(street), "--actor", "7", "-o", str(target)]) == 0
    np.testing.assert_array_equal(import_gaussians(target).gaussians.packed, Scene.open(street).actors["7"].packed)
    capsys.readouterr()
    bare = tmp_path / "bare.usdz"
    assert main(["scene", "export", str(street), "--as", "nurec", "-o", str(bare)]) == 0
    for words, said in (
        (["scene", "export", str(street), "--actor", "99", "-o", str(tmp_path / "a.ply")], "it has 7, 8"),
        (["scene", "export", str(street), "--actor", "7", "-o", str(tmp_path / "a.obj")], "has no mesh"),
        (["scene", "export", str(bare), "-o", str(tmp_path / "a.obj")], "holds no mesh"),
        (["scene", "export", str(target), "-o", str(tmp_path / "a.obj")], "no scene file"),
        (["scene", "export", str(street), "--as", "obj", "-o", str(tmp_path / "a.ply")], "ends in .obj"),
    ):
        assert main(words) == 2
        assert said in capsys.readouterr().err
    with PackageReader(street) as package:
        assert "mesh.ply" in package.members
