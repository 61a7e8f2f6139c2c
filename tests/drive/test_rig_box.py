from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from avrec.drive import RigBox
from avrec.errors import DataError


def test_a_box_between_two_corners() -> None:
    box = RigBox.between((-0.5, -0.8, 0.0), (4.0, 1.0, 1.5))
    assert box == RigBox((1.75, 0.1, 0.75), (4.5, 1.8, 1.5))
    low, high = box.corners_m
    np.testing.assert_allclose(low, (-0.5, -0.8, 0.0), atol=1e-12)
    np.testing.assert_allclose(high, (4.0, 1.0, 1.5), atol=1e-12)


BAD: tuple[Any, ...] = (
    (1.0, 2.0),
    (1.0, 2.0, 3.0, 4.0),
    (1.0, (2.0, 3.0), 4.0),
    ("1", "2", "3"),
    "123",
    None,
    7.0,
    {"x": 1.0},
    (1.0, None, 2.0),
    (True, True, True),
    (1.0, 2.0, 10**400),
    (1.0, float("nan"), 2.0),
    (1.0, float("inf"), 2.0),
    (1.0, 2.0, 101.0),
)


@pytest.mark.parametrize("numbers", BAD, ids=repr)
def test_what_is_no_box_is_refused_in_one_sentence(numbers: Any) -> None:
    fine = (1.0, 1.0, 1.0)
    for center, size in ((numbers, fine), (fine, numbers), (numbers, numbers)):
        with pytest.raises(DataError, match=r"cannot be a box of .* Give three numbers each"):
            RigBox(center, size)
    for low, high in ((numbers, fine), ((-1.0, -1.0, -200.0), numbers)):
        with pytest.raises(DataError, match="box"):
            RigBox.between(low, high)


@pytest.mark.parametrize("size", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0)])
def test_sides_are_above_zero(size: tuple[float, float, float]) -> None:
    with pytest.raises(DataError, match="above 0"):
        RigBox((0.0, 0.0, 0.0), size)
