"""The scene and its package: a USDZ that NuRec's readers open and that gives avrec its tensors back bit for bit."""

from avrec.scene.ftheta_fit import FThetaFit, fit_ftheta
from avrec.scene.importing import import_scene
from avrec.scene.info import scene_info
from avrec.scene.read_scene import read_manifest
from avrec.scene.scene import Scene

__all__ = ["FThetaFit", "Scene", "fit_ftheta", "import_scene", "read_manifest", "scene_info"]
