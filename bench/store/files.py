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

LOCK_SECONDS = 10.0  # a writer holds the lock for milliseconds; one that was stopped must not hold up the others
YOUNG = 60.0  # seconds in which a temporary file is never taken for a leftover, whoever wrote it
OLD = 86_400.0  # seconds after which it is a leftover, even one of a writer on another host
# Error codes of a call that the file system does not know at all, as against one that failed.
NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL})
NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF})
NO_FILE = frozenset({errno.ELOOP, errno.ENXIO})
NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF})


def _host() -> str:
    """Return a hash of the host, its start and, in a container, its process numbering: where process numbers agree."""
    boot, numbering = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    parts = [platform.node()]
    with contextlib.suppress(OSError):  # not on Linux
        parts += [boot.read_text(), os.readlink(numbering)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:8]


HOST = _host()
_TEMPORARY = re.compile(r"^\..+~(?P<host>[0-9a-f]{8})~(?P<process>\d+)~[0-9a-f]{8}$")


class Files:
    """The calls that a store makes to the operating system. The first methods do one thing each; those below `whole or
    absent` are made of them. All of them raise OSError."""

    def make_folder(self, path: Path) -> None:
        """Make a folder, and those above it where they are missing; it may exist."""
        path.mkdir(parents=True, exist_ok=True)

    def create(self, path: Path) -> int:
        """Create a file, which must not exist yet, and return its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)

    def write(self, descriptor: int, content: memoryview) -> int:
        """Write bytes to a descriptor; return how many of them were taken."""
        return os.write(descriptor, content)

    def sync(self, descriptor: int) -> None:
        """Bring what was written to the disk."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a descriptor."""
        os.close(descriptor)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name, which must not exist yet."""
        os.link(source, target)

    def replace(self, source: Path, target: Path) -> None:
        """Rename a file; a file that has the new name already is replaced."""
        os.replace(source, target)

    def unlink(self, path: Path) -> None:
        """Remove a name."""
        path.unlink()

    def read(self, path: Path) -> bytes:
        """Return the bytes of a file. What is no file (a pipe, a device, a folder, a socket, a loop of links) reads as
        empty, because its end may never come."""
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
        """Return when a file was last written or touched, by the file system's clock. It is opened, as in `refresh`."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return os.fstat(descriptor).st_mtime
        finally:
            os.close(descriptor)

    def refresh(self, path: Path) -> None:
        """Open a folder, because a network file system lists its names from a cache until it is opened."""
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
        """Write `content` under a new name; return False where the name exists. The first writer wins."""
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
        """Write `content` under a name that may exist; the last writer wins."""
        with self._temporary(final, content) as temporary:
            self.replace(temporary, final)
        self.sync_folder(final.parent)

    def now(self, folder: Path) -> float:
        """Return the time by the clock of a folder's file system, as `modified` gives it."""
        with self._temporary(folder / "clock", b"") as path:
            return self.modified(path)

    @contextlib.contextmanager
    def _temporary(self, final: Path, content: bytes) -> Iterator[Path]:
        """Write a synced file in the folder of `final`; yield its path, and remove it afterwards."""
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
        """Keep other writers out of a folder; yield whether the lock is held. The system lifts a lock when its process
        ends, so none is ever stale. False where the file system has no locks, or where a writer that was stopped holds
        this one, because nobody may wait for ever.

        A file beside the folder is locked, because on NFS a lock on a folder holds on its own host only."""
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
        """Return whether `folder`, which must be writable, lies on a file system with hard links."""
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
    """Return the temporary files in `folder` whose writer on this host is dead, and those older than a day."""
    paths = []
    for path in sorted(folder.glob(".*~*")):
        match = _TEMPORARY.match(path.name)
        with contextlib.suppress(FileNotFoundError):
            age = time.time() - path.stat().st_mtime
            dead = match is not None and match["host"] == HOST and not alive(int(match["process"]))
            if match and (age > OLD or (dead and age > YOUNG)):
                paths.append(path)
    return paths


def alive(process: int) -> bool:
    """Return whether a process of this host exists."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
