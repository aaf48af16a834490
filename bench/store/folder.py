"""One folder of a store: sealed records of one kind, a file each, that are published once and never changed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from bench.store.files import Files
from bench.store.sealed import CorruptRecordError, StoreError, UnreadableRecordError

Record = TypeVar("Record")
DAMAGE = (CorruptRecordError, UnreadableRecordError)


class Folder(Generic[Record]):
    """The records in the folder `path`.

    decode: makes a record from a file's name, without its ending, and its line; raises CorruptRecordError where the
    line does not match its checksum, or where the record belongs under another name.
    corrupt: the list to which corrupt files are added when they are read; the folders of a store share it.
    """

    def __init__(
        self,
        path: Path,
        files: Files,
        decode: Callable[[str, bytes], Record],
        corrupt: list[Path],
    ) -> None:
        self.path, self.files = path, files
        self._decode, self._corrupt = decode, corrupt

    def file(self, name: str) -> Path:
        """Return the path of the record of this name, whether there is one or not."""
        return self.path / f"{name}.json"

    def has(self, name: str) -> bool:
        """Return whether there is a file of this name, corrupt or whole."""
        return self.file(name).exists()

    def get(self, name: str) -> Record | None:
        """Return the record of this name; None where there is none that is whole."""
        try:
            return self._read(self.file(name))
        except (FileNotFoundError, *DAMAGE):
            return None

    def __iter__(self) -> Iterator[Record]:
        """Yield the records by name. What cannot be read is skipped and listed: it never hides the others."""
        for path in sorted(self.path.glob("[!.]*.json")):
            try:
                yield self._read(path)
            except FileNotFoundError:
                continue  # another runner moved it aside meanwhile
            except DAMAGE:
                if path not in self._corrupt:
                    self._corrupt.append(path)

    def make_room(self, name: str) -> bool:
        """Move a corrupt record of this name aside; return False where a whole one is there.

        Raises:
            OSError: it cannot be moved.
        """
        if self.has(name):
            if self.get(name) is not None:
                return False
            self.move_aside(self.file(name))
        return True

    def publish(self, name: str, line: bytes) -> bool:
        """Store a record; return False where a whole one of this name is there already, which stays as it is.

        Raises:
            OSError: it cannot be written.
        """
        return self.make_room(name) and self.files.publish(self.file(name), line)

    def is_corrupt(self, path: Path) -> bool:
        """Return whether the file is there, and corrupt."""
        try:
            self._read(path)
        except FileNotFoundError:
            return False
        except DAMAGE:
            return True
        return False

    def move_aside(self, path: Path) -> bool:
        """Move a corrupt file to the store's folder `corrupt`; return False where another runner moved it first. A
        whole record that took its place meanwhile is put back: this process may have been stopped since it looked.

        Raises:
            OSError: it cannot be moved.
        """
        target = self.path.parent / "corrupt" / f"{path.stem}-{secrets.token_hex(4)}.json"
        self.files.make_folder(target.parent)
        try:
            self.files.replace(path, target)
        except FileNotFoundError:
            return False
        try:
            line = read(self.files, target)
            self._decode(path.stem, line)
        except (CorruptRecordError, StoreError, OSError, MemoryError):  # not even a file, perhaps
            return True
        self.files.publish(path, line)
        self.files.unlink(target)
        return False

    def _read(self, path: Path) -> Record:
        try:
            return self._decode(path.stem, read(self.files, path))
        except MemoryError:  # no record of ours is nearly as large
            raise CorruptRecordError(f"{path.name} is larger than the memory") from None


def read(files: Files, path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        FileNotFoundError: there is none.
        StoreError: it cannot be read.
    """
    try:
        return files.read(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}. Check the disk.") from None
