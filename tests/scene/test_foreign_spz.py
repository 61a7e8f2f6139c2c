"""SPZ: bytes made by hand by the public description, bounds of every step, an independent reader where installed."""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.errors import DataError, OutputError
from avrec.gaussians import Gaussians
from avrec.scene.foreign import read_ply, read_spz, write_spz
from tests.scene.scenes import random_cloud


def spz(version: int, count: int, degree: int, body: bytes, fraction: int = 12, magic: bytes = b"NGSP") -> bytes:
    return gzip.compress(magic + struct.pack("<IIBBBB", version, count, degree, fraction, 0, 0) + body)


def body(version: int) -> bytes:
    """One Gaussian: position (1, -2, 0.5), opacity 51/255, colour bytes 128 0 255, log scales -10, -2, 0."""
    position = struct.pack("<3e", 1, -2, 0.5)
    if version > 1:
        position = b"".join(struct.pack("<i", round(v * 4096))[:3] for v in (1, -2, 0.5))
    rotation = bytes([255, 127, 127])  # x = 1: half a turn about x
    if version == 3:
        rotation = struct.pack("<I", 0)  # largest is x, all others 0
    return position + bytes([51]) + bytes([128, 0, 255]) + bytes([0, 128, 160]) + rotation


@pytest.mark.parametrize("version", [1, 2, 3])
def test_one_gaussian_by_hand(tmp_path: Path, version: int) -> None:
    harmonics = bytes([128, 0, 255, 64, 192, 128, 129, 127, 136])
    (tmp_path / "a.spz").write_bytes(spz(version, 1, 1, body(version) + harmonics))
    cloud = read_spz(tmp_path / "a.spz", turn=False)
    np.testing.assert_array_equal(cloud.means, [[1, -2, 0.5]])
    np.testing.assert_allclose(cloud.logit_opacities, [math.log(0.2 / 0.8)], rtol=1e-6)
    np.testing.assert_allclose(cloud.sh[0, 0], [0.5 / 255 / 0.15, -0.5 / 0.15, 0.5 / 0.15], atol=1e-6)
    np.testing.assert_array_equal(cloud.log_scales, [[-10, -2, 0]])
    np.testing.assert_allclose(np.abs(cloud.quaternions), [[0, 1, 0, 0]], atol=0.09 if version < 3 else 1e-6)
    np.testing.assert_array_equal(cloud.sh[0, 1:].reshape(-1) * 128, [0, -128, 127, -64, 64, 0, 1, -1, 8])
    turned = read_spz(tmp_path / "a.spz")
    np.testing.assert_array_equal(turned.means, [[-0.5, -1, -2]])  # back, right and up become x, y and z


def test_smallest_three_by_hand(tmp_path: Path) -> None:
    """Largest w (index 3), x = 511 steps = sqrt(1/2), y negative 100 steps, z 0."""
    word = 3 << 30 | 511 << 20 | (512 | 100) << 10
    data = body(3)[:-4] + struct.pack("<I", word)
    (tmp_path / "a.spz").write_bytes(spz(3, 1, 0, data))
    x, y = math.sqrt(0.5), -100 / 511 * math.sqrt(0.5)
    expected = [math.sqrt(max(0.0, 1 - x * x - y * y)), x, y, 0]
    np.testing.assert_allclose(read_spz(tmp_path / "a.spz", turn=False).quaternions[0], expected, atol=1e-6)


def moderate(seed: int, n: int, degree: int) -> Gaussians:
    """Within the range of the format."""
    rng = np.random.default_rng(seed)
    packed = random_cloud(rng, n, degree).packed
    packed[:, 7:10] = rng.uniform(-9.9, 5.9, (n, 3))
    packed[:, 11:14] = rng.uniform(-3.3, 3.3, (n, 3))
    packed[:, 14:] = rng.uniform(-0.98, 0.96, (n, packed.shape[1] - 14))
    return Gaussians(packed)


def angles_deg(one: Gaussians, two: Gaussians) -> np.ndarray:
    a, b = (c.quaternions.astype(float) / np.linalg.norm(c.quaternions, axis=1, keepdims=True) for c in (one, two))
    return np.degrees(2 * np.arccos(np.clip(np.abs((a * b).sum(axis=1)), 0, 1)))


def opacity(cloud: Gaussians) -> np.ndarray:
    return 1 / (1 + np.exp(-cloud.logit_opacities.astype(float)))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 60),
    degree=st.integers(0, 3),
    version=st.sampled_from([2, 3]),
    bits=st.tuples(st.integers(1, 8), st.integers(1, 8)),
)
def test_there_and_back_within_half_a_step(
    tmp_path_factory: pytest.TempPathFactory, seed: int, n: int, degree: int, version: int, bits: tuple[int, int]
) -> None:
    cloud = moderate(seed, n, degree)
    path = tmp_path_factory.mktemp("spz") / "a.spz"
    write_spz(cloud, path, version=version, harmonics_bits=bits, turn=False)
    back = read_spz(path, turn=False)
    assert (len(back), back.sh_degree) == (n, degree)
    assert np.abs(back.means - cloud.means).max(initial=0) <= 0.5 / 4096 + 1e-6
    assert np.abs(back.log_scales - cloud.log_scales).max(initial=0) <= 0.5 / 16 + 1e-6
    assert np.abs(opacity(back) - opacity(cloud)).max(initial=0) <= 0.5 / 255 + 1e-6
    assert np.abs(back.sh[:, 0] - cloud.sh[:, 0]).max(initial=0) <= 0.5 / 255 / 0.15 + 1e-5
    for bands, step in ((slice(1, 4), bits[0]), (slice(4, 16), bits[1])):
        bound = max(2.0**-step, 1 / 128)
        assert np.abs(back.sh[:, bands] - cloud.sh[:, bands]).max(initial=0) <= bound + 1e-6
    assert angles_deg(back, cloud).max(initial=0) <= (0.28 if version == 3 else 16)


def test_turned_there_and_back(tmp_path: Path) -> None:
    """The format's frame is y up; what goes in comes out where it was, and between the two it is turned."""
    cloud = moderate(0, 200, 3)
    cloud.packed[:, 14:] *= 0.3
    write_spz(cloud, tmp_path / "a.spz", harmonics_bits=(8, 8))
    raw = read_spz(tmp_path / "a.spz", turn=False)
    np.testing.assert_allclose(raw.means, cloud.means[:, [1, 2, 0]] * [-1, 1, -1], atol=2e-4)
    back = read_spz(tmp_path / "a.spz")
    np.testing.assert_allclose(back.means, cloud.means, atol=2e-4)
    np.testing.assert_allclose(back.sh[:, 1:], cloud.sh[:, 1:], atol=0.02)
    assert angles_deg(back, cloud).max() < 0.35


def test_far_positions_lose_bits_not_range(tmp_path: Path) -> None:
    cloud = random_cloud(np.random.default_rng(0), 3, 0)
    cloud.packed[0, 0] = 1e6
    write_spz(cloud, tmp_path / "a.spz")
    np.testing.assert_allclose(read_spz(tmp_path / "a.spz").means, cloud.means, atol=0.1)
    cloud.packed[0, 0] = 1e9
    with pytest.raises(OutputError, match="8000 km"):
        write_spz(cloud, tmp_path / "b.spz")
    with pytest.raises(DataError, match="version 2 or 3"):
        write_spz(cloud, tmp_path / "b.spz", version=4)


def test_same_cloud_same_bytes(tmp_path: Path) -> None:
    cloud = moderate(1, 50, 1)
    for name in ("a", "b"):
        write_spz(cloud, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not an SPZ"),
        (b"NGSP" + bytes(40), "version 4"),
        (b"hello", "damaged"),
        (gzip.compress(b"NGSP"), "not an SPZ"),
        (spz(3, 1, 0, body(3))[:-5], "ends early"),
        (spz(0, 1, 0, body(2)), "version 0"),
        (spz(4, 1, 0, body(3)), "version 4"),
        (spz(3, 1, 4, body(3)), "degree 4"),
        (spz(3, 1, 0, body(3), fraction=24), "24 fractional bits"),
        (spz(3, 2, 0, body(3)), "2 Gaussians, but only"),
        (spz(3, 0xFFFFFFFF, 3, body(3)), "4294967295 Gaussians"),
        (spz(3, 10, 0, bytes(100 << 20)), "would become more"),
        (spz(1, 1, 0, struct.pack("<3e", math.nan, 0, 0) + body(1)[6:]), "finite"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "a.spz").write_bytes(data)
    with pytest.raises(DataError, match=said):
        read_spz(tmp_path / "a.spz")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_an_independent_reader_agrees(tmp_path: Path, version: int, degree: int) -> None:
    """A converter built on the format's own library turns our file into the same PLY values that we read."""
    judge = pytest.importorskip("gaussforge", reason="needs the converter gaussforge").GaussForge()
    cloud = moderate(degree, 100, degree)
    write_spz(cloud, tmp_path / "a.spz", version=version, turn=False)
    answer = judge.convert((tmp_path / "a.spz").read_bytes(), "spz", "ply")
    (tmp_path / "a.ply").write_bytes(answer["data"])
    theirs, ours = read_ply(tmp_path / "a.ply"), read_spz(tmp_path / "a.spz", turn=False)
    np.testing.assert_array_equal(theirs.means, ours.means)
    np.testing.assert_array_equal(theirs.log_scales, ours.log_scales)
    np.testing.assert_allclose(theirs.sh, ours.sh, atol=1e-6)
    np.testing.assert_allclose(opacity(theirs), opacity(ours), atol=2e-3)
    assert angles_deg(theirs, ours).max() < 0.05
