"""Ground and surface meshes from lidar and depth, and their files."""

from avrec.mesh.decimate import decimate, drop_small_parts
from avrec.mesh.depth_picture import DepthPicture
from avrec.mesh.ground import GroundMesh, ground_mesh
from avrec.mesh.height_field import HeightField
from avrec.mesh.join import join_ground
from avrec.mesh.mesh import Mesh
from avrec.mesh.ply import parse_ply, ply_bytes, read_ply, write_ply
from avrec.mesh.surface import surface_mesh

__all__ = [
    "DepthPicture",
    "GroundMesh",
    "HeightField",
    "Mesh",
    "decimate",
    "drop_small_parts",
    "ground_mesh",
    "join_ground",
    "parse_ply",
    "ply_bytes",
    "read_ply",
    "surface_mesh",
    "write_ply",
]
