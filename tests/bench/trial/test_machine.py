"""What a record says of where it was measured."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SHOW = "from bench.records import checkout; print(checkout.commit())"


def git(folder: Path, *arguments: str) -> None:
    named = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *named, *arguments], cwd=folder, check=True, capture_output=True)


def commit_of(folder: Path, **environment: str) -> str:
    """What the suite in `folder` says of its commit."""
    variables = {**os.environ, "PYTHONPATH": str(folder), **environment}
    command = [sys.executable, "-c", SHOW]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The suite, copied into a folder."""
    for package in ("bench", "tasks", "models"):
        shutil.copytree(ROOT / package, tmp_path / "repository" / "site" / package)
    return tmp_path / "repository" / "site"


def test_another_repository_around_the_suite_is_not_ours(installed: Path) -> None:
    git(installed.parent, "init", "-q")
    git(installed.parent, "add", ".")
    git(installed.parent, "commit", "-qm", "theirs")
    assert commit_of(installed) == "(None, None)\n"


def test_an_untracked_copy_at_the_top_of_a_repository_is_not_ours(installed: Path) -> None:
    git(installed, "init", "-q")
    git(installed, "commit", "-qm", "theirs", "--allow-empty")
    assert commit_of(installed) == "(None, None)\n"


def test_our_own_checkout(installed: Path, tmp_path: Path) -> None:
    git(installed, "init", "-q")
    git(installed, "add", ".")
    git(installed, "commit", "-qm", "ours")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=installed, capture_output=True, text=True).stdout.strip()
    git(tmp_path, "init", "-q")
    assert commit_of(installed, GIT_DIR=str(tmp_path / ".git")).startswith(f"('{head}', ")
