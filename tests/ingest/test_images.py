from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.errors import DataError
from avrec.ingest.images import image_loader, image_size, read_image
from tests.ingest.writers import picture


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_lossless_pictures_come_back_as_rgb(tmp_path: Path, suffix: str) -> None:
    rgb = picture(31, 17)
    cv2.imwrite(str(tmp_path / f"a{suffix}"), rgb[:, :, ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}", (31, 17)), rgb)
    assert image_size(tmp_path / f"a{suffix}") == (31, 17)


def test_grey_alpha_and_16_bits(tmp_path: Path) -> None:
    grey = picture(8, 6)[:, :, 0]
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), np.repeat(grey[:, :, None], 3, axis=2))
    cv2.imwrite(str(tmp_path / "deep.png"), grey.astype(np.uint16) * 256)
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png")[:, :, 1], grey)
    cv2.imwrite(str(tmp_path / "alpha.png"), np.dstack([picture(8, 6), grey]))
    assert read_image(tmp_path / "alpha.png").shape == (6, 8, 3)


def encoded(suffix: str) -> bytes:
    parameters = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1] if suffix == "progressive" else []
    extension = ".jpg" if suffix == "progressive" else suffix
    return cv2.imencode(extension, picture(40, 30), parameters)[1].tobytes()


@pytest.mark.parametrize("suffix", [".png", ".jpg", "progressive", ".webp"])
@settings(max_examples=60, deadline=None)
@given(share=st.floats(0.0, 1.0, exclude_max=True))
def test_every_truncation_is_refused(tmp_path_factory: pytest.TempPathFactory, suffix: str, share: float) -> None:
    data = encoded(suffix)
    path = tmp_path_factory.mktemp("cut") / "picture"
    path.write_bytes(data)
    assert read_image(path).shape == (30, 40, 3)
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match=r"truncated|empty|not a picture"):
        read_image(path)


def test_a_thumbnail_does_not_hide_a_truncated_jpeg(tmp_path: Path) -> None:
    data = encoded(".jpg")
    thumbnail = b"\xff\xe1" + (len(data) + 2).to_bytes(2, "big") + data  # an APP1 segment with a whole JPEG in it
    path = tmp_path / "a.jpg"
    path.write_bytes(data[:2] + thumbnail + data[2:])
    assert read_image(path).shape == (30, 40, 3)
    path.write_bytes((data[:2] + thumbnail + data[2:])[:-40])
    with pytest.raises(DataError, match="truncated"):
        read_image(path)


def test_damaged_png_missing_file_and_wrong_size(tmp_path: Path) -> None:
    data = bytearray(encoded(".png"))
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(DataError, match="checksum"):
        read_image(tmp_path / "a.png")
    with pytest.raises(DataError, match="cannot be read"):
        read_image(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(DataError, match="not a picture"):
        read_image(tmp_path / "text.png")
    (tmp_path / "b.png").write_bytes(encoded(".png"))
    with pytest.raises(DataError, match="40x30 but its calibration is for 20x15"):
        image_loader(tmp_path / "b.png", (20, 15))()
