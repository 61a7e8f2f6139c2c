"""Mesh: areas, normals, chosen faces, and what it refuses."""

import numpy as np
import pytest

from avrec.errors import DataError
from avrec.mesh import Mesh, drop_small_parts

TETRA = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
OUTWARD = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def test_tetrahedron_by_hand() -> None:
    mesh = Mesh(TETRA, OUTWARD)
    assert mesh.face_areas == pytest.approx([0.5, 0.5, 0.5, 3**0.5 / 2])
    assert mesh.face_normals == pytest.approx(np.array([[0, 0, -1], [0, -1, 0], [-1, 0, 0], [3**-0.5] * 3]))
    assert mesh.vertex_normals()[0] == pytest.approx(np.full(3, -(3**-0.5)))
    assert mesh.faces.dtype == np.int32


def test_chosen_faces_keep_only_their_vertices() -> None:
    colours = np.arange(12, dtype=np.uint8).reshape(4, 3)
    part = Mesh(TETRA, OUTWARD, colours).with_faces(np.array([3]))
    assert part.vertices.tolist() == TETRA[1:].tolist()
    assert part.faces.tolist() == [[0, 1, 2]]
    assert part.colours is not None
    assert part.colours.tolist() == colours[1:].tolist()


def test_a_face_without_area_has_no_normal() -> None:
    mesh = Mesh(TETRA[[0, 1, 1]], np.array([[0, 1, 2]]))
    assert mesh.face_normals.tolist() == [[0, 0, 0]]
    assert mesh.vertex_normals().tolist() == [[0, 0, 0]] * 3


@pytest.mark.parametrize(
    ("vertices", "faces", "words"),
    [
        (TETRA[:, :2], OUTWARD, "shape"),
        (TETRA, OUTWARD[:, :2], "shape"),
        (np.where(TETRA > 0, np.nan, TETRA), OUTWARD, "finite"),
        (TETRA, OUTWARD + 1, "names none"),
        (TETRA, OUTWARD - 1, "names none"),
        (TETRA, OUTWARD + 0.5, "names none"),
        (TETRA[:0], OUTWARD, "names none"),
    ],
)
def test_refuses(vertices: np.ndarray, faces: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        Mesh(vertices, faces)


def test_refuses_colours_of_another_kind() -> None:
    with pytest.raises(DataError, match="colours"):
        Mesh(TETRA, OUTWARD, np.zeros((4, 3)))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="normals"):
        Mesh(TETRA, OUTWARD, normals=np.zeros((3, 3)))


def test_small_parts_go_and_the_largest_stays() -> None:
    small = TETRA * 0.1 + 5
    both = Mesh(np.concatenate([TETRA, small]), np.concatenate([OUTWARD, OUTWARD + 4]))
    assert len(drop_small_parts(both, 0.0).faces) == 8
    assert drop_small_parts(both, 1.0).vertices.max() == 1
    assert drop_small_parts(both, 1e9).vertices.max() == 1
    nothing = Mesh(np.zeros((0, 3)), np.zeros((0, 3), int))
    assert drop_small_parts(nothing, 1.0) is nothing
