import numpy as np
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.errors import DataError
from avrec.geometry import (
    Anchor,
    anchor_on_ellipsoid,
    apply,
    ecef_from_world,
    geo_reference,
    geodetic_from_local,
    local_from_geodetic,
)

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


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-400, 9000))
@settings(max_examples=200, deadline=None)
def test_geo_reference_reads_alike_for_everybody(latitude: float, longitude: float, altitude: float) -> None:
    """Each reader's rule, written out from its description, finds the anchor and the height 0."""
    text = geo_reference(Anchor(latitude, longitude, altitude))
    spaced = text.split(" ")
    (carla_lat,) = (token for token in spaced if "+lat_0" in token)  # CARLA: one token each, value from a fixed place
    (carla_lon,) = (token for token in spaced if "+lon_0" in token)
    (carla_alt,) = (token for token in spaced if "+=alt_0" in token)
    assert float(carla_alt[8:]) == 0
    (ros_alt,) = (token for token in spaced if "+=alt_0" in token or "+alt_0" in token)  # a ROS reader: either spelling
    assert float(ros_alt[8:]) == 0
    alpasim = {token.split("=")[0]: token.split("=")[-1] for token in text.split()}  # AlpaSim: any white space
    assert not {"+alt_0", "+h_0"} & set(alpasim)
    assert not [token for token in spaced if token.startswith("+alt_0=")]  # NVIDIA's recipe: 0 without this token
    for found in (carla_lat[7:], alpasim["+lat_0"]):
        assert abs(float(found) - latitude) <= 1e-12
        assert "e" not in found
    for found in (carla_lon[7:], alpasim["+lon_0"]):
        assert abs(float(found) - longitude) <= 1e-12
    if abs(latitude) < 89:
        east, north = pyproj.Proj(text)(longitude, latitude)
        # PROJ takes some origins within millimetres of the equator or of Greenwich for 0.
        assert abs(east) < (2e-3 if abs(longitude) < 1e-8 else 1e-5)
        assert abs(north) < (2e-3 if abs(latitude) < 1e-8 else 1e-5)
        assert pyproj.CRS(text).is_projected


def test_geo_reference_by_hand() -> None:
    assert geo_reference(Anchor(49.5, -0.0, 116)) == (
        "+proj=tmerc +lat_0=49.5 +lon_0=0 +k=1 +x_0=0 +y_0=0 x+=alt_00 +datum=WGS84 +units=m +no_defs"
    )


def test_a_map_with_that_reference_lies_in_the_world_frame() -> None:
    """Readers place the world in the map by their own east-north-up matrix at the reference; it is the identity."""
    anchor = Anchor(49.01, 8.42, 116.4)
    lat, lon = np.radians([anchor.latitude_deg, anchor.longitude_deg])
    east = [-np.sin(lon), np.cos(lon), 0]
    north = [-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)]
    up = [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    rotation = np.array([east, north, up])
    a, f = 6378137.0, 1 / 298.257223563
    radius = a / np.sqrt(1 - f * (2 - f) * np.sin(lat) ** 2)
    origin = radius * np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), (1 - f) ** 2 * np.sin(lat)])
    enu_from_ecef = np.eye(4)
    enu_from_ecef[:3, :3], enu_from_ecef[:3, 3] = rotation, -rotation @ origin
    np.testing.assert_allclose(enu_from_ecef @ ecef_from_world(anchor_on_ellipsoid(anchor)), np.eye(4), atol=1e-8)
