"""The compact file: every step's bound, what does not fit kept exactly, and its size."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.errors import DataError
from avrec.gaussians import Gaussians
from avrec.scene.foreign.compact import decode_compact, encode_compact, read_compact, write_compact
from tests.scene.scenes import random_cloud


def typical(seed: int, n: int, degree: int) -> Gaussians:
    """What a trained street looks like."""
    rng = np.random.default_rng(seed)
    packed = random_cloud(rng, n, degree).packed
    packed[:, 7:10] = rng.normal(-3, 1, (n, 3))
    packed[:, 14:] *= 0.06
    return Gaussians(packed)


def matched(one: Gaussians, two: Gaussians) -> tuple[Gaussians, Gaussians]:
    """Both in the order of their rounded positions: the file has its own order."""
    return tuple(c.take(np.lexsort(np.rint(c.means.astype(float) / 0.1).T)) for c in (one, two))  # type: ignore[return-value]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(0, 3))
def test_there_and_back_within_half_a_step(seed: int, n: int, degree: int) -> None:
    rng = np.random.default_rng(seed)
    cloud = typical(seed, n, degree)
    cloud.packed[:, :3] = rng.permutation(n)[:, None] + rng.uniform(-0.01, 0.01, (n, 3))  # told apart by position
    one, two = matched(cloud, decode_compact(encode_compact(cloud)))
    assert (len(two), two.sh_degree) == (n, degree)
    assert np.abs(one.means - two.means).max(initial=0) <= 0.0005 + 1e-5
    assert np.abs(np.maximum(one.log_scales, -7.6) - two.log_scales).max(initial=0) <= 0.5 / 24 + 1e-5
    opacities = [1 / (1 + np.exp(-c.logit_opacities.astype(float))) for c in (one, two)]
    assert np.abs(opacities[0] - opacities[1]).max(initial=0) <= 0.5 / 127 + 1e-6
    assert np.abs(one.sh[:, 0] - two.sh[:, 0]).max(initial=0) <= 0.5 / 40 + 1e-6
    assert np.abs(one.sh[:, 1:] - two.sh[:, 1:]).max(initial=0) <= 0.5 / 48 + 1e-6
    a, b = (c.quaternions.astype(float) / np.linalg.norm(c.quaternions, axis=1, keepdims=True) for c in (one, two))
    assert np.degrees(2 * np.arccos(np.clip(np.abs((a * b).sum(axis=1)), 0, 1))).max(initial=0) < 0.56


def test_what_does_not_fit_is_kept_bit_for_bit() -> None:
    cloud = typical(0, 100, 1)
    cloud.packed[3, 0] = 1e7
    cloud.packed[5, 12] = 50
    cloud.packed[7, 9] = 12
    back = decode_compact(encode_compact(cloud)).packed
    for row in (3, 5, 7):
        assert (back == cloud.packed[row]).all(axis=1).any()


def test_a_quarter_of_float32_at_worst(tmp_path: Path) -> None:
    cloud = typical(0, 20_000, 1)
    write_compact(cloud, tmp_path / "a.avgc")
    assert (tmp_path / "a.avgc").stat().st_size < cloud.nbytes / 4  # random positions; a real street takes a sixth
    assert len(read_compact(tmp_path / "a.avgc")) == 20_000
    assert encode_compact(cloud) == encode_compact(cloud)


def test_refused() -> None:
    good = encode_compact(typical(0, 10, 1))
    bad = {
        b"": "does not hold",
        b"AVGC": "does not hold",
        good[:-4]: "early|damaged",
        good[:4] + b"\x02" + good[5:]: "version 2",
        good[:5] + b"\x04" + good[6:]: "header",
        good[:8] + struct.pack("<I", 11) + good[12:]: "11 Gaussians",
        good[:12] + struct.pack("<I", 99) + good[16:]: "header",
        good[:16] + struct.pack("<d", float("nan")) + good[24:]: "header",
    }
    for data, said in bad.items():
        with pytest.raises(DataError, match=said):
            decode_compact(data)
