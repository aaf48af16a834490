"""Files that are whole or absent: every call the store makes to the operating system, one method each.

Tests hand the store a `Files` whose k-th call fails; the store itself knows nothing of that.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import platform
import re
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

LOCK_SECONDS = 10.0  # a writer holds the lock for milliseconds; one that was stopped must not block the others
YOUNG = 60.0  # seconds in which a temporary file is never taken for a leftover, whoever wrote it
OLD = 86_400.0  # seconds after which it is one, even of a writer on another host
# What systems answer where a call is not known to the file system at all, as against one that failed.
NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL})
NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF})
NO_FILE = frozenset({errno.ELOOP, errno.ENXIO})
NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF})


def _host() -> str:
    """Where process numbers mean the same: the host since it was started and, in a container, its own numbering."""
    boot, numbering = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    parts = [platform.node()]
    with contextlib.suppress(OSError):  # not on Linux
        parts += [boot.read_text(), os.readlink(numbering)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:8]


HOST = _host()
_TEMPORARY = re.compile(r"^\..+~(?P<host>[0-9a-f]{8})~(?P<process>\d+)~[0-9a-f]{8}$")


class Files:
    """The operating system's files. The first methods are single calls; those below `whole or absent` are made of
    them. All of them raise OSError."""

    def make_folder(self, path: Path) -> None:
        """A folder, with those above it; it may be there."""
        path.mkdir(parents=True, exist_ok=True)

    def create(self, path: Path) -> int:
        """A descriptor of a new file."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)

    def write(self, descriptor: int, content: memoryview) -> int:
        """How many bytes were taken."""
        return os.write(descriptor, content)

    def sync(self, descriptor: int) -> None:
        """Bring what was written to the disk."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Give the descriptor back."""
        os.close(descriptor)

    def link(self, source: Path, target: Path) -> None:
        """A second name, which must not exist yet."""
        os.link(source, target)

    def replace(self, source: Path, target: Path) -> None:
        """Another name, which may exist."""
        os.replace(source, target)

    def unlink(self, path: Path) -> None:
        """Remove a name."""
        path.unlink()

    def read(self, path: Path) -> bytes:
        """All of a file. What is none (a pipe, a device, a folder, a socket, a loop of links) reads as empty: its end
        may never come."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in NO_FILE:
                return b""
            raise
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return b""
            with open(descriptor, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(descriptor)

    def touch(self, path: Path) -> None:
        """Make a file, which must exist, as new as the file system's clock says."""
        os.utime(path)

    def modified(self, path: Path) -> float:
        """When a file was last written or touched, by the file system's clock. It is opened, as in `refresh`."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return os.fstat(descriptor).st_mtime
        finally:
            os.close(descriptor)

    def refresh(self, path: Path) -> None:
        """See a folder's names as they are now: network file systems answer from a cache until it is opened."""
        os.close(os.open(path, os.O_RDONLY))

    def sync_folder(self, path: Path) -> None:
        """Bring a folder's names to the disk."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in NO_FOLDER_SYNC:
                raise
        finally:
            os.close(descriptor)

    # -- whole or absent ----------------------------------------------------------------------------------------------

    def publish(self, final: Path, content: bytes) -> bool:
        """Write `content` under a name that must not exist yet; False where it does. The first writer wins."""
        with self._temporary(final, content) as temporary:
            try:
                self.link(temporary, final)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                # No hard links (FAT, some network file systems). Renaming is whole or absent too, but the last writer
                # would win; `lock` keeps the others out between these two lines.
                if final.exists():
                    return False
                self.replace(temporary, final)
        self.sync_folder(final.parent)
        return True

    def put(self, final: Path, content: bytes) -> None:
        """Write `content` under a name that may exist."""
        with self._temporary(final, content) as temporary:
            self.replace(temporary, final)
        self.sync_folder(final.parent)

    def now(self, folder: Path) -> float:
        """The time by the clock of a folder's file system, as `modified` gives it."""
        with self._temporary(folder / "clock", b"") as path:
            return self.modified(path)

    @contextlib.contextmanager
    def _temporary(self, final: Path, content: bytes) -> Iterator[Path]:
        """A synced file in the folder of `final`, gone afterwards."""
        path = final.parent / f".{final.name}~{HOST}~{os.getpid()}~{secrets.token_hex(4)}"
        try:
            descriptor = self.create(path)
            try:
                rest = memoryview(content)
                while rest:
                    rest = rest[self.write(descriptor, rest) :]
                self.sync(descriptor)
            finally:
                self.close(descriptor)
            yield path
        finally:
            with contextlib.suppress(OSError):  # it was moved, or it stays: a leftover harms nobody
                self.unlink(path)

    @contextlib.contextmanager
    def lock(self, path: Path) -> Iterator[bool]:
        """Keep other writers out of a folder. The system lifts the lock with its process, so none is ever stale. Gives
        False where there are no locks, or where a writer that was stopped holds this one: nobody waits for ever.

        What is locked is a file beside the folder: on NFS a lock on a folder holds on its own host only."""
        descriptor = os.open(path.parent / f".{path.name}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            yield self._acquire(descriptor)
        finally:
            os.close(descriptor)

    def _acquire(self, descriptor: int) -> bool:
        deadline = time.monotonic() + LOCK_SECONDS
        while time.monotonic() < deadline:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.002)
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
                return False
            else:
                return True
        return False

    def has_links(self, folder: Path) -> bool:
        """Whether `folder`, which must be writable, lies on a file system with hard links."""
        probe = folder / f".probe~{HOST}~{os.getpid()}~{secrets.token_hex(4)}"
        second = folder / f".probe~{HOST}~{os.getpid()}~{secrets.token_hex(4)}"
        probe.touch(exist_ok=False)
        try:
            self.link(probe, second)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            return False
        else:
            self.unlink(second)
            return True
        finally:
            self.unlink(probe)


def leftovers(folder: Path) -> list[Path]:
    """Temporary files of writers that are dead (on this host) or silent for a day (on another)."""
    found = []
    for path in sorted(folder.glob(".*~*")):
        match = _TEMPORARY.match(path.name)
        with contextlib.suppress(FileNotFoundError):
            age = time.time() - path.stat().st_mtime
            dead = match is not None and match["host"] == HOST and not alive(int(match["process"]))
            if match and (age > OLD or (dead and age > YOUNG)):
                found.append(path)
    return found


def alive(process: int) -> bool:
    """Whether a process of this host exists."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
