"""What people type into options."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrec.cli.arguments import parse_frames, parse_names, parse_numbers, refuse_existing
from avrec.errors import AvrecError, OutputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0:40", slice(0, 40)),
        ("40:", slice(40, None)),
        (":40", slice(None, 40)),
        ("-10:", slice(-10, None)),
        (None, None),
    ],
)
def test_frames(text: str | None, expected: slice | None) -> None:
    assert parse_frames(text) == expected


@pytest.mark.parametrize("text", ["", "7", "a:b", "1:2:3", "5:5", "9:3", "1.5:2"])
def test_frames_refused_in_one_sentence_with_the_remedy(text: str) -> None:
    with pytest.raises(AvrecError, match="--frames 0:40"):
        parse_frames(text)


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_frames_round_trip(first: int, count: int) -> None:
    assert parse_frames(f"{first}:{first + count}") == slice(first, first + count)


@given(st.lists(st.text("abcdefg_0123", min_size=1), min_size=1))
def test_names_round_trip(names: list[str]) -> None:
    assert parse_names(", ".join(names), "--cameras") == list(dict.fromkeys(names))  # each once


def test_empty_names_are_refused() -> None:
    assert parse_names(None, "--cameras") is None
    for text in ("", "a,,b", "a,"):
        with pytest.raises(AvrecError, match="--cameras"):
            parse_names(text, "--cameras")


def test_numbers() -> None:
    assert parse_numbers("1.5,-3", "--shifts") == (1.5, -3.0)
    assert parse_numbers(None, "--shifts") == ()
    for text in ("", "a", "1,,2", "nan", "inf"):
        with pytest.raises(AvrecError, match="--shifts"):
            parse_numbers(text, "--shifts")


def test_an_existing_output_is_kept_unless_given_up(tmp_path: Path) -> None:
    refuse_existing(tmp_path / "new.png", overwrite=False)
    refuse_existing(tmp_path, overwrite=True)
    with pytest.raises(OutputError, match="--overwrite"):
        refuse_existing(tmp_path, overwrite=False)
