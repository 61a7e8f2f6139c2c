"""Rasterisation: one front door, `rasterize`, over the CPU kernel, gsplat on CUDA and a plain torch reference."""

from avrec.raster.rasterize import Backend, rasterize
from avrec.raster.view import Raster, RasterSettings, View

__all__ = ["Backend", "Raster", "RasterSettings", "View", "rasterize"]
