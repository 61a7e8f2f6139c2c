"""One spelling of the projection that every reader takes for the same place: their splitting rules, and PROJ's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Proj

from avrec.geometry import Anchor, anchor_of_geo_reference, geo_reference, local_from_geodetic

PLACES = st.builds(Anchor, st.floats(-80, 80), st.floats(-180, 180), st.just(0.0))


def carla(text: str) -> tuple[float, float, float]:
    """Single spaces; exactly one token of each kind; values from character 7 and 8."""
    tokens = text.split(" ")
    found = [[token for token in tokens if part in token] for part in ("+lat_0", "+lon_0", "+=alt_0")]
    assert [len(matches) for matches in found] == [1, 1, 1]
    return float(found[0][0][7:]), float(found[1][0][7:]), float(found[2][0][8:])


def trajdata(text: str) -> tuple[float, float, float]:
    """Any whitespace; tokens by their start; ``+alt_0`` or ``+h_0`` optional."""
    values = {"+lat_0": 0.0, "+lon_0": 0.0, "+alt_0": 0.0, "+h_0": 0.0}
    for token in text.split():
        for key in values:
            if token.startswith(key):
                values[key] = float(token.split("=")[1])
    return values["+lat_0"], values["+lon_0"], values["+alt_0"] + values["+h_0"]


def documented(text: str) -> tuple[float, float, float]:
    """Single spaces; ``+alt_0=`` only."""
    values = dict.fromkeys(("+lat_0=", "+lon_0=", "+alt_0="), 0.0)
    for token in text.split(" "):
        for key in values:
            if token.startswith(key):
                values[key] = float(token[len(key) :])
    return values["+lat_0="], values["+lon_0="], values["+alt_0="]


def ros(text: str) -> tuple[float, float, float]:
    """As CARLA, with one token of either altitude spelling, value from character 8."""
    tokens = [token for token in text.split(" ") if "+=alt_0" in token or "+alt_0" in token]
    assert len(tokens) == 1
    return (*carla(text)[:2], float(tokens[0][8:]))


@given(PLACES)
def test_every_reader_finds_the_same_place_at_height_0(anchor: Anchor) -> None:
    text = geo_reference(anchor)
    for reader in (carla, trajdata, documented, ros):
        latitude, longitude, height = reader(text)
        assert latitude == pytest.approx(anchor.latitude_deg, abs=1e-9)
        assert longitude == pytest.approx(anchor.longitude_deg, abs=1e-9)
        assert height == 0.0


@pytest.mark.parametrize("anchor", [Anchor(48.1, 11.5), Anchor(-33.86, 151.2, 40.0), Anchor(0.0, -0.00001)])
def test_proj_projects_like_the_local_frame(anchor: Anchor) -> None:
    text = geo_reference(anchor)
    latitude, longitude = anchor.latitude_deg + 0.004, anchor.longitude_deg - 0.006
    expected = local_from_geodetic(anchor, latitude, longitude, anchor.altitude_m)[:2]
    assert np.array(Proj(text)(longitude, latitude)) == pytest.approx(expected, abs=1e-3)
    assert CRS.from_proj4(text).is_projected


def test_it_is_spelled_as_specified() -> None:
    assert geo_reference(Anchor(48.0, 11.5, 520.0)) == (
        "+proj=tmerc +lat_0=48 +lon_0=11.5 +k=1 +x_0=0 +y_0=0 x+=alt_00 +datum=WGS84 +units=m +no_defs"
    )


@given(PLACES)
def test_the_anchor_comes_back(anchor: Anchor) -> None:
    found = anchor_of_geo_reference(geo_reference(anchor))
    assert found is not None
    assert found.latitude_deg == pytest.approx(anchor.latitude_deg, abs=1e-10)
    assert found.longitude_deg == pytest.approx(anchor.longitude_deg, abs=1e-10)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("+lat_0=4.9e+1 +lon_0=8.0e+0", True),
        ("+proj=tmerc +lon_0=8 +lat_0=49 +=alt_0=0 +ellps=WGS84", True),
        ("+proj=utm +zone=32 +lat_0=49 +lon_0=8", False),
        ("+proj=tmerc +lat_0=49 +lon_0=9 +k=0.9996 +x_0=500000", False),
        ("+proj=tmerc +lat_0=149 +lon_0=9", False),
        ("+proj=tmerc +lat_0=abc +lon_0=9", False),
        ("EPSG:25832", False),
        ("", False),
    ],
)
def test_only_projections_around_a_point_have_an_anchor(text: str, known: bool) -> None:
    assert (anchor_of_geo_reference(text) is not None) == known
