"""The CPU kernel: 3DGUT in C++17, one extension module per x86 instruction set, picked when first imported."""

from avrec.raster.native.kernel import instruction_set, set_threads, threads
from avrec.raster.native.rasterizer import NativeRasterizer, rasterize_with_gradients

__all__ = ["NativeRasterizer", "instruction_set", "rasterize_with_gradients", "set_threads", "threads"]
