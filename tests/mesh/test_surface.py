"""Fusing depth pictures: a sphere and a room by hand, shutters, holes, memory, and what is refused."""

from collections.abc import Iterator

import numpy as np
import pytest

from avrec.errors import DataError
from avrec.geometry import OpenCVFisheyeCamera, OpenCVPinholeCamera
from avrec.mesh import DepthPicture, Mesh, ground_mesh, join_ground, surface_mesh
from avrec.mesh.isosurface import isosurface
from avrec.mesh.surface import fuse
from avrec.mesh.voxels import VoxelBlocks

pytest.importorskip("skimage")
pytest.importorskip("fast_simplification")

PINHOLE = OpenCVPinholeCamera(96, 72, (60.0, 60.0), (48.0, 36.0))
FISHEYE = OpenCVFisheyeCamera(96, 72, (40.0, 40.0), (48.0, 36.0), (0.02, 0.0, 0.0, 0.0))


def looking(origin: np.ndarray, at: np.ndarray) -> np.ndarray:
    """World_from_camera rotation [3, 3], OpenCV axes."""
    forward = (at - origin) / np.linalg.norm(at - origin)
    right = np.cross(forward, [0.1, 0.2, 1.0])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward], axis=-1)


def sphere_depth(origins: np.ndarray, directions: np.ndarray, center: np.ndarray, radius: float) -> np.ndarray:
    """Distance to a ball along unit rays [H, W, 3]; infinite where it is missed."""
    away = origins - center
    half = np.einsum("hwi,hwi->hw", np.broadcast_to(away, directions.shape), directions)
    under = half**2 - np.einsum("...i,...i->...", away, away) + radius**2
    return np.where(under > 0, -half - np.sqrt(np.maximum(under, 0)), np.inf)


CENTER = np.array([100.0, -50.0, 7.0])


def sphere_pictures(camera: OpenCVPinholeCamera | OpenCVFisheyeCamera, count: int = 24) -> Iterator[DepthPicture]:
    """Pictures from all around, each taken while the camera moves by 20 cm from its first row to its last."""
    rays, _ = camera.pixel_rays()
    golden = np.pi * (3 - 5**0.5)
    for number in range(count):
        z = 1 - 2 * (number + 0.5) / count
        out = np.array([np.cos(golden * number), np.sin(golden * number), 0]) * (1 - z * z) ** 0.5 + [0, 0, z]
        origin = CENTER + 4 * out
        rotation = looking(origin, CENTER)
        origins = origin + np.linspace(-0.1, 0.1, 72)[:, None] * rotation[:, 0]
        directions = np.einsum("ij,hwj->hwi", rotation, rays)
        depth = sphere_depth(origins[:, None], directions, CENTER, 2.0)
        colour = np.full((72, 96, 3), [200, 100, 50], np.uint8)
        yield DepthPicture(depth, rays, np.tile(rotation, (72, 1, 1)), origins, "rows", colour)


@pytest.mark.parametrize("camera", [PINHOLE, FISHEYE], ids=["pinhole", "fisheye"])
def test_sphere(camera: OpenCVPinholeCamera | OpenCVFisheyeCamera) -> None:
    mesh = surface_mesh(sphere_pictures(camera), voxel_m=0.15, most_triangles=10**6)
    away = mesh.vertices - CENTER
    radius = np.linalg.norm(away, axis=1)
    assert np.abs(radius - 2).max() < 0.02
    assert np.median(np.abs(radius - 2)) < 0.004
    assert mesh.face_areas.sum() == pytest.approx(16 * np.pi, rel=0.02)
    # Fronts point outward, and the volume by the divergence theorem is the ball's: the surface is closed.
    assert mesh.normals is not None
    assert np.einsum("ni,ni->n", mesh.normals, away / radius[:, None]).min() > 0.9
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] - CENTER for corner in range(3))
    assert np.einsum("ni,ni->n", a, np.cross(b, c)).sum() / 6 == pytest.approx(32 / 3 * np.pi, rel=0.02)
    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    assert mesh.colours is not None
    assert np.abs(mesh.colours.astype(int) - [200, 100, 50]).max() <= 1


def test_trimesh_finds_it_closed_and_outward() -> None:
    trimesh = pytest.importorskip("trimesh")
    mesh = surface_mesh(sphere_pictures(PINHOLE), voxel_m=0.15, most_triangles=4000)
    judge = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert len(judge.faces) <= 4000
    assert judge.is_watertight
    assert judge.is_winding_consistent
    assert judge.volume == pytest.approx(32 / 3 * np.pi, rel=0.03)


def test_order_does_not_matter_and_the_world_may_move() -> None:
    pictures = list(sphere_pictures(PINHOLE, 12))
    shift = np.array([300.0, -200.0, 40.0])
    moved = [
        DepthPicture(p.depth, p.rays, p.rotation, p.origin + shift, p.axis, p.colour)
        for p in [pictures[0], *pictures[:0:-1]]
    ]
    before, after = (isosurface(fuse(some, voxel_m=0.2, farthest_m=20)) for some in (pictures, moved))
    assert np.abs(np.sort(before.vertices, 0) + shift - np.sort(after.vertices, 0)).max() < 1e-3


def test_a_crowded_volume_gets_coarser_and_stays_right() -> None:
    volume = fuse(sphere_pictures(PINHOLE), voxel_m=0.05, farthest_m=20, most_blocks=150)
    assert len(volume) <= 150
    assert volume.voxel_m in (0.1, 0.2, 0.4)
    radius = np.linalg.norm(isosurface(volume).vertices - CENTER, axis=1)
    assert np.abs(radius - 2).max() < 0.08


def test_edges_of_things_are_not_bridged() -> None:
    """A ball before a wall: nothing hangs between them."""
    rays, _ = PINHOLE.pixel_rays()
    pictures = []
    for x in np.linspace(-0.5, 0.5, 5):
        origin = np.array([[x, 0, 0]])
        wall = 6 / rays[..., 2]
        depth = np.minimum(sphere_depth(origin, rays, np.array([0, 0, 3.0]), 0.8), wall)
        pictures.append(DepthPicture(depth, rays, np.eye(3)[None], origin))
    mesh = surface_mesh(pictures, voxel_m=0.1, least_part_m2=0.1, least_weight=0.0)
    to_ball = np.abs(np.linalg.norm(mesh.vertices - [0, 0, 3], axis=1) - 0.8)
    to_wall = np.abs(mesh.vertices[:, 2] - 6)
    assert np.minimum(to_ball, to_wall).max() < 0.1
    assert (to_ball < 0.1).sum() > 100
    assert (to_wall < 0.1).sum() > 1000


def test_colours_and_blocks_by_hand() -> None:
    volume = VoxelBlocks(np.zeros(3), 1.0, coloured=True)
    voxels = np.array([[-1, 0, 9], [-1, 0, 9], [7, 7, 7]])
    distance = np.array([0.5, -1, 0.25], np.float32)
    volume.add(voxels, distance, np.array([1, 3, 2], np.float32), np.float32([[100, 0, 0], [0, 0, 0], [1, 2, 3]]))
    assert volume.blocks.tolist() == [[-1, 0, 1], [0, 0, 0]]
    found, weight = volume.read(0)
    assert (found[7, 0, 1], weight[7, 0, 1], weight.sum()) == (-0.625, 4, 4)
    at = np.array([[-0.5, 0.5, 9.5], [7.5, 7.5, 7.5], [0.5, 0.5, 0.5], [50, 50, 50]])
    assert volume.colours_at(at).tolist() == [[25, 0, 0], [1, 2, 3], [128] * 3, [128] * 3]


def test_ground_takes_the_place_of_the_surface_under_it() -> None:
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(-3, 13, 20000), rng.uniform(-3, 3, 20000), np.zeros(20000)])
    path = np.column_stack([np.linspace(0, 10, 11), np.zeros((11, 2))])
    ground = ground_mesh(points, path, reach_m=3)
    corners = np.array([[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]])
    places = {
        "skin": [2, 2, 0.1],
        "deep": [2, 2, -1.0],
        "floater": [5, 0, 0.8],
        "kerb": [2, -2, 0.6],
        "far": [40, 0, 0],
    }
    corners_of = np.concatenate([corners + place for place in places.values()])
    corners_of[12:] += corners  # the part far off is the largest
    colours = np.arange(45, dtype=np.uint8).reshape(15, 3)
    surface = Mesh(corners_of, np.arange(15).reshape(5, 3), colours)
    joined = join_ground(surface, ground, path_world=path, least_part_m2=0.1)
    assert len(joined.faces) == 2 + len(ground.mesh.faces)
    assert joined.vertices[[0, 3]].tolist() == [[2, -2, 0.6], [40, 0, 0]]
    assert joined.colours is not None
    assert joined.colours[:3].tolist() == colours[9:12].tolist()
    assert len(join_ground(surface, ground).faces) == 1 + len(ground.mesh.faces)
    assert len(join_ground(surface, ground, least_part_m2=0.1).faces) == 3 + len(ground.mesh.faces)


def test_ground_takes_its_colour_from_the_ground() -> None:
    """The nearest vertex of most of it belongs to a wall."""
    at = np.stack(np.meshgrid(np.arange(-2, 12, 0.2), np.arange(-2.9, 3, 0.2)), axis=-1).reshape(-1, 2)
    path = np.column_stack([np.linspace(0, 10, 11), np.zeros((11, 2))])
    ground = ground_mesh(np.column_stack([at, np.zeros(len(at))]), path, reach_m=3)
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]])
    wall = np.array([[0, 2, 0.3], [10, 2, 0.3], [10, 2, 3.0]])
    surface = Mesh(
        np.concatenate([corners, wall]),
        np.arange(6).reshape(2, 3),
        np.repeat(np.uint8([[90] * 3, [250] * 3]), 3, axis=0),
    )
    colours = join_ground(surface, ground).colours
    assert colours is not None
    assert (colours[-len(ground.mesh.vertices) :] == 90).all()


def flat(depth: float | np.ndarray) -> DepthPicture:
    rays, _ = PINHOLE.pixel_rays()
    return DepthPicture(np.broadcast_to(depth, (72, 96)), rays, np.eye(3)[None], np.zeros((1, 3)))


@pytest.mark.parametrize(
    ("pictures", "options", "words"),
    [
        ([], {}, "at least one depth picture"),
        ([flat(np.nan)], {}, "no surface"),
        ([flat(np.inf)], {}, "no surface"),
        ([flat(-1.0)], {}, "no surface"),
        ([flat(3.0)], {"voxel_m": 0.0}, "cannot be made"),
        ([flat(3.0)], {"voxel_m": float("nan")}, "cannot be made"),
        ([flat(3.0)], {"farthest_m": 0.0}, "cannot be made"),
        ([flat(1e9)], {"farthest_m": 1e12}, "apart"),
    ],
)
def test_refuses(pictures: list[DepthPicture], options: dict[str, float], words: str) -> None:
    with pytest.raises(DataError, match=words):
        surface_mesh(pictures, **options)  # type: ignore[arg-type]


def test_depth_picture_by_hand() -> None:
    rays = np.zeros((2, 3, 3))
    rays[..., 2] = 1
    turn = np.stack([np.eye(3), np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])])
    depth = np.array([[1, 2, np.nan], [3, 0, 9]], np.float32)
    picture = DepthPicture(depth, rays, turn, np.array([[0, 0, 0], [10, 0, 0]], float), "rows")
    points = picture.points(farthest_m=5)
    assert points[0, 1].tolist() == [0, 0, 2]
    assert points[1, 0].tolist() == [13, 0, 0]
    assert np.isnan(points[[0, 1, 1], [2, 1, 2]]).all()
    assert picture.points_list(farthest_m=5).shape == (3, 3)
    columns = DepthPicture(depth.T, rays.reshape(3, 2, 3), turn, picture.origin, "columns")
    assert columns.points()[0, 1].tolist() == [13, 0, 0]
    with pytest.raises(DataError, match="depth picture of shape"):
        DepthPicture(depth, rays, turn, picture.origin, "columns")
    with pytest.raises(DataError, match="depth picture of shape"):
        DepthPicture(depth, rays[:, :2], turn, picture.origin, "rows")
