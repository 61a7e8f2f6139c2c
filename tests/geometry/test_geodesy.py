import numpy as np
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.errors import DataError
from avrec.geometry import Anchor, apply, ecef_from_world, geodetic_from_local, local_from_geodetic

KARLSRUHE = Anchor(49.0112, 8.4228, 116.4)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-84, 84),
    st.floats(-180, 180),
    st.floats(-100, 3000),
    st.lists(st.floats(-5000, 5000), min_size=3, max_size=3),
)
def test_there_and_back(latitude, longitude, altitude, point):
    anchor = Anchor(latitude, longitude, altitude)
    geodetic = geodetic_from_local(anchor, point)
    assert np.abs(local_from_geodetic(anchor, *geodetic) - point).max() < 1e-6


def test_the_anchor_is_the_origin_and_axes_point_east_north_up():
    assert np.allclose(local_from_geodetic(KARLSRUHE, 49.0112, 8.4228, 116.4), 0, atol=1e-9)
    east, north, up = local_from_geodetic(
        KARLSRUHE, [49.0112, 49.0122, 49.0112], [8.4238, 8.4228, 8.4228], [116.4, 116.4, 118.4]
    )
    # one thousandth of a degree by the radii of curvature of the WGS84 ellipsoid
    sine2 = np.sin(np.radians(49.0112)) ** 2
    normal = 6378137.0 / np.sqrt(1 - 0.00669437999014 * sine2)
    meridian = normal * (1 - 0.00669437999014) / (1 - 0.00669437999014 * sine2)
    assert np.allclose(east[:2], (np.radians(1e-3) * normal * np.cos(np.radians(49.0112)), 0), atol=1e-3)
    assert np.allclose(north, (0, np.radians(1e-3) * meridian, 0), atol=1e-3)
    assert np.allclose(up, (0, 0, 2), atol=1e-9)


def test_distances_agree_with_geodesics():
    random = np.random.default_rng(0)
    points = np.column_stack([random.uniform(-2000, 2000, (50, 2)), np.full(50, 0.0)])
    latitude, longitude, _ = geodetic_from_local(KARLSRUHE, points).T
    _, _, length = pyproj.Geod(ellps="WGS84").inv(longitude[:-1], latitude[:-1], longitude[1:], latitude[1:])
    assert np.allclose(np.linalg.norm(np.diff(points, axis=0), axis=1), length, rtol=1e-6)


def test_ecef_agrees_with_pyproj_and_with_the_projection():
    to_ecef = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    for anchor in (KARLSRUHE, Anchor(-33.9, 151.2, 30), Anchor(0, -180), Anchor(89.9, 12, 5)):
        world = ecef_from_world(anchor)
        assert np.allclose(
            world[:3, 3], to_ecef.transform(anchor.longitude_deg, anchor.latitude_deg, anchor.altitude_m)
        )
        assert np.allclose(world[:3, :3].T @ world[:3, :3], np.eye(3), atol=1e-15)
        up = to_ecef.transform(anchor.longitude_deg, anchor.latitude_deg, anchor.altitude_m + 10)
        assert np.allclose(apply(world, [0.0, 0.0, 10.0]), up, atol=1e-6)
    latitude, longitude, altitude = geodetic_from_local(KARLSRUHE, [30.0, -40.0, 2.0])
    near = to_ecef.transform(longitude, latitude, altitude)
    assert np.allclose(apply(ecef_from_world(KARLSRUHE), [30.0, -40.0, 2.0]), near, atol=2e-3)


def test_ecef_by_hand():
    # equator and prime meridian: east is y, north is z, up is x
    assert np.allclose(
        ecef_from_world(Anchor(0, 0, 0)), [[0, 0, 1, 6378137.0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    )


def test_bad_positions_are_named():
    with pytest.raises(DataError, match="latitude_deg is 91"):
        Anchor(91, 0)
    with pytest.raises(DataError, match="longitude_deg is nan"):
        Anchor(0, float("nan"))
    with pytest.raises(DataError, match="not finite or too far"):
        local_from_geodetic(KARLSRUHE, np.nan, 8.0, 0.0)
