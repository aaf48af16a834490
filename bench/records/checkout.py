"""The suite's own files: the commit of its checkout, and which files are not as they were committed or installed."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTION = "long-range-bench"


def commit() -> tuple[str | None, bool | None]:
    """Return the commit of the suite's own checkout, and whether it was changed; None where it is no checkout, also
    where it lies inside another repository, whose commit says nothing of it."""
    return (_git("rev-parse", "HEAD"), bool(_git("status", "--porcelain"))) if _is_ours() else (None, None)


def altered(files: Iterable[Path]) -> list[Path]:
    """Return those of the suite's files, paths below ROOT, that are not as they were committed, or installed; files
    that were added are among them. Where neither can be told, none."""
    try:
        if (ROOT / ".git").exists():
            return _uncommitted(files)
        listed = importlib.metadata.files(DISTRIBUTION) or []
        hashes = {entry.as_posix(): entry.hash.value for entry in listed if entry.hash is not None}
        whole = "bench/records/checkout.py" in hashes  # an editable installation lists none of the suite's files
        return [path for path in files if whole and hashes.get(path.relative_to(ROOT).as_posix()) != _recorded(path)]
    except (OSError, subprocess.SubprocessError, importlib.metadata.PackageNotFoundError):
        return []


def _uncommitted(files: Iterable[Path]) -> list[Path]:
    """Return those of the files that differ from the checkout's commit; none where the suite is no part of it."""
    this = "bench/records/checkout.py"
    asked = ("--no-renames", "--untracked-files=all", "--ignored", "--", "tasks", "models", this)
    lines = _git("--no-optional-locks", "status", "--porcelain", "-z", *asked).split("\0")
    states = {line[3:]: line[:2] for line in lines if line}
    known = states.get(this, "  ") in ("  ", " M", "M ", "MM")
    return [path for path in files if known and path.relative_to(ROOT).as_posix() in states]


def _recorded(path: Path) -> str:
    """Return a file's sha256 as an installation writes it down."""
    return base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).decode().rstrip("=")


def _is_ours() -> bool:
    """Return whether the suite is a checkout of its own, with a commit."""
    try:
        _git("ls-files", "--error-unmatch", __file__)
        _, top = _git("rev-parse", "HEAD", "--show-toplevel").splitlines()
        return Path(top).resolve() == ROOT
    except (OSError, ValueError, subprocess.SubprocessError):
        return False


def _git(*arguments: str) -> str:
    # Variables like GIT_DIR, which hooks set, would name another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=10
    ).stdout.strip("\n")
