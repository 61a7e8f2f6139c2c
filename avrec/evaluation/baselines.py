"""Guesses to compare a scene with, made from the recorded pictures alone."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.drive import Frame

__all__ = ["half_size_and_back", "nearest_frame"]


def nearest_frame(frame: Frame, others: Sequence[Frame]) -> Frame | None:
    """The one of ``others`` that is nearest in time and of the same size; None where there is none."""
    size = (frame.model.width, frame.model.height)
    fitting = [other for other in others if (other.model.width, other.model.height) == size]
    return min(fitting, key=lambda other: abs(other.timestamp_us - frame.timestamp_us), default=None)


def half_size_and_back(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture [H, W, 3] averaged down to half its size and enlarged again, bilinearly."""
    high, wide = image.shape[:2]
    small = cv2.resize(image, (max(wide // 2, 1), max(high // 2, 1)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (wide, high), interpolation=cv2.INTER_LINEAR), np.uint8)
