"""Where a cell runs: device, precision, memory, versions."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import logging
import platform
import resource
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from bench.records import checkout
from bench.records.job import Surroundings
from bench.records.result import Provenance

LIBRARIES = ("torch", "lightning", "torchmetrics", "numpy")


# -- surroundings -----------------------------------------------------------------------------------------------------


def on_gpu(accelerator: str) -> bool:
    """Return whether cells train on a GPU: CUDA's only, because scores are summed in float64, which Apple's lack."""
    return accelerator == "gpu" or (accelerator == "auto" and torch.cuda.is_available())


def full_precision(gpu: bool) -> None:
    """Keep float32 whole on a GPU too: by default cuDNN's recurrent kernels round products to TF32's 10 bits."""
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    # Where deterministic algorithms are asked for, torch fills all new memory, which shows who reads what was never
    # written. On a GPU that would be one more kernel for many tensors.
    torch.utils.deterministic.fill_uninitialized_memory = not gpu  # type: ignore[attr-defined]


def provenance(started: datetime, surroundings: Surroundings) -> Provenance:
    """Return where a cell's numbers come from."""
    gpu = on_gpu(surroundings.accelerator) and torch.cuda.is_available()
    commit, dirty = _commit()
    return Provenance(
        started=started.isoformat(timespec="seconds"),
        device=torch.cuda.get_device_name() if gpu else "cpu",
        platform=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        libraries=libraries(),
        threads=torch.get_num_threads(),
        git_commit=commit,
        git_dirty=dirty,
    )


@functools.cache
def libraries() -> dict[str, str]:
    """Return the versions of the libraries that compute; cached, because looking them up reads files."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


_commit = functools.cache(checkout.commit)


@contextlib.contextmanager
def quiet() -> Any:
    """Switch Lightning's tips off, because they concern choices that are made here on purpose."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        logger.setLevel(level)


def reset_peak_memory(gpu: bool) -> None:
    """Start the process's peak memory anew (Linux), so that it is this cell's and not an earlier one's. A process that
    does without the GPU takes no memory of it, not even for CUDA itself."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    if gpu:
        torch.cuda.reset_peak_memory_stats()


def peak_memory_mb(gpu: bool) -> float:
    """Return the peak memory (MiB) of the GPU, or of the process: since the cell began (Linux), or since it began."""
    if gpu:
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return round(int(line.split()[1]) / 1024, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if platform.system() == "Darwin" else 1024), 1)
