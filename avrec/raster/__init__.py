"""Rasterisation: one front door, `rasterize`, over the CPU kernel, gsplat on CUDA and a plain torch reference."""

from avrec.raster.rasterize import Backend, rasterize
from avrec.raster.view import SCENE_SETTINGS, Raster, RasterSettings, View

__all__ = ["SCENE_SETTINGS", "Backend", "Raster", "RasterSettings", "View", "rasterize"]
