"""Stdout and stderr that never stop a command: what a terminal cannot show is replaced, and a lost reader is no error.

A sweep must go on storing its results where nobody listens any more (`| head`), where the disk behind `> file` is full,
or where a terminal knows ASCII alone. Every command runs inside `patient`, so no print has to think of that.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

EXIT_UNSEEN = 1  # stdout is not whole, although all else went well

_PLAIN = {
    "×": "x", "±": "+-", "≤": "<=", "≥": ">=", "–": "-", "—": "-", "─": "-", "━": "-", "·": "-", "…": "...",
    "→": "->", "↑": "^", "↓": "v", "∝": "~", "“": '"', "”": '"', "‘": "'", "’": "'", "│": "|", "•": "*", "α": "a",
    "░": ".", "▒": ":", "▓": "%", "█": "#", "␣": "_", "↵": "$",
}  # fmt: skip


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(_PLAIN.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


codecs.register_error("bench-plain", _replaced)


class Outlet(io.TextIOBase):
    """A text stream in front of another one, which may refuse letters, or fail. fault: its first failure."""

    def __init__(self, inner: TextIO) -> None:
        self.inner = inner
        self.fault: OSError | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream behind."""
        return self.inner.encoding or "utf-8"

    def write(self, text: str) -> int:
        """Write what the stream behind can show; other letters are replaced."""
        if self.fault is None:
            fitting = text.encode(self.encoding, "bench-plain").decode(self.encoding)
            self._try(lambda: self.inner.write(fitting))
        return len(text)

    def flush(self) -> None:
        """Flush the stream behind."""
        if self.fault is None:
            self._try(self.inner.flush)

    def isatty(self) -> bool:
        """Return whether the stream behind is a terminal."""
        return not self.inner.closed and self.inner.isatty()

    def fileno(self) -> int:
        """Return the file descriptor of the stream behind."""
        return self.inner.fileno()

    def writable(self) -> bool:
        """Return True: text can always be written."""
        return True

    def _try(self, act: object) -> None:
        try:
            assert callable(act)
            act()
        except OSError as error:
            self.fault = error
            # What waits in the stream's buffer would fail again when the interpreter ends.
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.inner.fileno())
                os.close(nowhere)
        except ValueError as error:  # the stream was closed
            self.fault = OSError(errno.EBADF, str(error))


class Outlets:
    """Both outlets of a command; None where the process was started without the stream."""

    def __init__(self, stdout: Outlet | None, stderr: Outlet | None) -> None:
        self.stdout, self.stderr = stdout, stderr

    def lost(self) -> OSError | None:
        """Return why stdout took no more; None where it took everything. Call it once, at the end."""
        if self.stdout is None:
            return None
        self.stdout.flush()
        return self.stdout.fault


@contextlib.contextmanager
def patient() -> Iterator[Outlets]:
    """Put outlets before stdout and stderr, so that no failure of a stream stops the command inside."""
    _occupy()
    before = sys.stdout, sys.stderr
    out, err = (None if stream is None else Outlet(stream) for stream in before)
    try:
        sys.stdout, sys.stderr = out, err
        yield Outlets(out, err)
    finally:
        sys.stdout, sys.stderr = before


def _occupy() -> None:
    """Keep files that are opened later from taking the numbers of streams that were closed (`>&-`): what a library
    writes to stdout would land in them."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
