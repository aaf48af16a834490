"""A report's file is whole or not there; an older one stays until then."""

import errno
import os
import threading
from pathlib import Path

import pytest

from reports.view import delivery


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "table.md"
    delivery.write(path, "old ±\n")
    path.chmod(0o600)
    delivery.write(path, b"new\n")
    assert path.read_bytes() == b"new\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [other.name for other in tmp_path.iterdir()] == ["table.md"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path = tmp_path / "table.md"
    path.write_text("old\n")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space"):
        delivery.write(path, "new " * 10_000)
    assert path.read_text() == "old\n"
    assert [other.name for other in tmp_path.iterdir()] == ["table.md"]


def test_a_link_stays(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "there" / "real.csv")
    delivery.write(tmp_path / "link.csv", "new")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "there" / "real.csv").read_text() == "new"


def test_a_pipe_and_a_device_are_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    delivery.write(pipe, "through")
    reader.join(10)
    assert read == ["through"]
    delivery.write(Path(os.devnull), "nothing")
    with pytest.raises(OSError, match="No space"):
        delivery.write(Path("/dev/full"), "x" * 100_000)
