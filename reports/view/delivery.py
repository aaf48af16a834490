"""How a report reaches a file: whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path


def write(path: Path, content: str | bytes) -> None:
    """Write a file; an older one stays whole until the new one is on the disk.

    A path that is no regular file, such as `/dev/stdout` or a named pipe, is written to directly.

    Raises:
        OSError: it cannot be written.
    """
    data = content.encode(errors="replace") if isinstance(content, str) else content
    mode = path.stat().st_mode if path.exists() else None
    if mode is not None and not stat.S_ISREG(mode):
        path.write_bytes(data)
        return
    target = path.resolve()  # a link stays, and what it leads to is replaced
    beside = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with open(beside, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(beside, stat.S_IMODE(mode))
        os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
