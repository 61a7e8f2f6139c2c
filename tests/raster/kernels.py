"""What the kernel's tests share: is it built, which builds does this processor run, and running one of them alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from avrec.errors import AvrecError
from avrec.raster.native.kernel import kernel, set_threads, threads
from tests.processes import LIMIT_S

__all__ = ["needs_kernel", "runnable", "threads_set_to", "with_build"]

_ROOT = Path(__file__).parents[2]
_NEEDS = {"v2": ("DEFAULT", "AVX2", "AVX512"), "v3": ("AVX2", "AVX512"), "v4": ("AVX512",), "generic": ("DEFAULT",)}


def _missing() -> str:
    try:
        kernel()
    except AvrecError as error:
        return str(error)
    return ""


needs_kernel = pytest.mark.skipif(bool(_missing()), reason=_missing() or "the kernel is built")
"""For `pytestmark`."""


def runnable(name: str) -> str:
    """Why the build ``name`` cannot run here, or an empty string."""
    import torch

    folder = _ROOT / "avrec" / "raster" / "native"
    capability = torch.backends.cpu.get_cpu_capability()
    if not list(folder.glob(f"_kernel_{name}.*")):
        return f"_kernel_{name} is not built"
    if capability not in _NEEDS[name]:
        return f"this processor ({capability}) does not run _kernel_{name}"
    return ""


@contextmanager
def threads_set_to(count: int) -> Iterator[None]:
    """The kernel works with ``count`` threads inside the block."""
    before = threads()
    set_threads(count)
    try:
        yield
    finally:
        set_threads(before)


def with_build(name: str, script: str, *arguments: str) -> str:
    """Output of a Python script run in a process of its own with one build (two in one process would mix)."""
    environment = {**os.environ, "AVREC_KERNEL": name, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(
        command, env=environment, cwd=_ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
