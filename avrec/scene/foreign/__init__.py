"""Reading what others wrote and writing what others read: PLY, SPZ, NuRec volumes, particle fields."""

from avrec.scene.foreign.front_door import EXPORT_FORMATS, export_format, export_gaussians, import_gaussians
from avrec.scene.foreign.imported import ImportedCloud
from avrec.scene.foreign.nurec_volume import read_nurec_static
from avrec.scene.foreign.obj import read_package_mesh, write_obj
from avrec.scene.foreign.ply import read_ply, write_ply
from avrec.scene.foreign.similarity import transformed
from avrec.scene.foreign.spz import read_spz, write_spz
from avrec.scene.foreign.stage import read_particlefield

__all__ = [
    "EXPORT_FORMATS",
    "ImportedCloud",
    "export_format",
    "export_gaussians",
    "import_gaussians",
    "read_nurec_static",
    "read_package_mesh",
    "read_particlefield",
    "read_ply",
    "read_spz",
    "transformed",
    "write_obj",
    "write_ply",
    "write_spz",
]
