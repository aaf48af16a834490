"""The GPUs that this process may use, listed without loading torch."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Mapping
from pathlib import Path

DEVICES = Path("/dev")


def visible(environment: Mapping[str, str] = os.environ, folder: Path = DEVICES) -> list[str]:
    """Return the usable NVIDIA GPUs, each as CUDA_VISIBLE_DEVICES names it: an index, or a name such as `GPU-…`.

    Where that variable is set, it lists them; what follows an entry that is no device is ignored, as CUDA does. Else
    they are counted by their device files (Linux). A torch built without CUDA can use none.
    """
    if "+cpu" in importlib.metadata.version("torch"):
        return []
    listed = environment.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return [str(index) for index, _ in enumerate(folder.glob("nvidia[0-9]*"))]
    devices: list[str] = []
    for entry in listed.split(","):
        name = entry.strip()
        if not (name.isdecimal() or name.startswith(("GPU-", "MIG-"))):
            break
        devices.append(name)
    return devices
