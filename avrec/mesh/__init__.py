"""Ground and surface meshes from lidar and depth, and their files.

From a scene without its moving actors, for each camera and time of its frames::

    shot = render(still, camera, time_us, outputs=("depth", "median_depth", "alpha"))
    sure = (shot.alpha > 0.8) & (abs(shot.depth - shot.median_depth) < 0.1 * shot.depth)
    yield DepthPicture(where(sure, shot.depth, nan), rays, shot.view.rotation, shot.view.origin, shot.view.axis,
                       shot.rgb_uint8)

then ``surface_mesh(pictures())``, ``ground_mesh(points, path)`` and ``join_ground(surface, ground, path_world=path)``.
The expected depth lies on slanting ground to half a centimetre, the median depth only to several; where the two differ
much, the pixel straddles an edge and shows no surface. The ground rejects such points by itself: give it all of them.
"""

from avrec.mesh.decimate import decimate, drop_small_parts
from avrec.mesh.depth_picture import DepthPicture
from avrec.mesh.ground import GroundMesh, ground_mesh
from avrec.mesh.height_field import HeightField
from avrec.mesh.join import join_ground
from avrec.mesh.mesh import Mesh
from avrec.mesh.ply import parse_ply, ply_bytes, read_ply, write_ply
from avrec.mesh.surface import fuse, surface_mesh, volume_mesh

__all__ = [
    "DepthPicture",
    "GroundMesh",
    "HeightField",
    "Mesh",
    "decimate",
    "drop_small_parts",
    "fuse",
    "ground_mesh",
    "join_ground",
    "parse_ply",
    "ply_bytes",
    "read_ply",
    "surface_mesh",
    "volume_mesh",
    "write_ply",
]
