"""Picks the extension module built for this processor."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from types import ModuleType

from avrec.errors import AvrecError

__all__ = ["instruction_set", "kernel", "set_threads", "threads"]

_BY_CAPABILITY = {"AVX512": ("v4", "v3", "v2"), "AVX2": ("v3", "v2")}


@cache
def kernel() -> ModuleType:
    """The extension module: the best build this processor runs, or the one AVREC_KERNEL names (v2, v3, v4, generic).

    Raises:
        AvrecError: no build fits.
    """
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    wanted = os.environ.get("AVREC_KERNEL")
    names = (wanted,) if wanted else (*_BY_CAPABILITY.get(capability, ("v2",)), "generic")
    for name in names:
        try:
            return import_module(f"avrec.raster.native._kernel_{name}")
        except ImportError:
            continue
    raise AvrecError(
        f"The CPU kernel is not built for this processor (looked for {', '.join(names)}). "
        "Build it with a C++17 compiler: pip install . in avrec's folder, or ./install_nurec.sh install."
    )


def instruction_set() -> str:
    """Which build is in use: ``"v2"``, ``"v3"``, ``"v4"`` or ``"generic"``."""
    return kernel().__name__.rpartition("_")[2]


def set_threads(count: int) -> None:
    """Number of threads the kernel works with; results do not depend on it."""
    kernel().set_threads(int(count))


def threads() -> int:
    """Number of threads the kernel works with."""
    return int(kernel().threads())
