"""Downloading single files into a folder, pinned by sha256: one attempt, bounded in time and size.

A file is written beside its final place under another name and moved there only when its hash is right. So the final
place always holds a whole file, the old one or the new one.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bench.records import foreign

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
FILE_SECONDS = 600.0
FILE_BYTES = 64 * 2**20
CHUNK_BYTES = 2**16


class CorpusError(ValueError):
    """A corpus that cannot be used as asked; the message says what, expected, got, and how to fix it."""


def fetch(url: str, wanted: dict[str, str], folder: Path, root: Path) -> str | None:
    """Download `url`/name for each name -> sha256 of `wanted` into `folder`, which lies inside `root`.

    Returns None when all of them are there; else ends at the first file that cannot be had, and returns why. Without a
    network this takes at most about three seconds, whatever the number of files.

    Raises:
        CorpusError: what came has another hash or is too large; a name or a link leads outside `root`.
    """
    import requests

    for name in wanted:
        _check_place(folder, name, root)
    with requests.Session() as session:
        for name, sha256 in wanted.items():
            address = f"{url}/{name}"
            try:
                with _open(session, address) as response:
                    _save(response, address, sha256, folder / name)
            except OSError as error:  # every exception of requests is one; so are a full and a read-only disk
                return f"{address}: {_first_cause(error)}"
    return None


def _check_place(folder: Path, name: str, root: Path) -> None:
    """Writing `name` into `folder` must create a file inside `root`, whatever links lie in the way."""
    if name == ".." or Path(name).name != name or not folder.resolve().is_relative_to(root.resolve()):
        raise CorpusError(f"{folder / name} leads outside {root}: nothing is downloaded. Remove the link.")
    if os.path.lexists(folder / name):
        raise CorpusError(f"{folder / name} is in the way and is no regular file: remove it, then run again.")


def _open(session: requests.Session, address: str) -> requests.Response:
    """The answer's head, within CONNECT_SECONDS in all.

    Asked in a thread, because a connection timeout holds for each address of a host, and not for the name lookup.
    """
    import requests

    answers: queue.SimpleQueue[requests.Response | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(session.get(address, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=CONNECT_SECONDS)
    except queue.Empty:
        raise requests.ConnectTimeout(f"no answer within {CONNECT_SECONDS:g} s") from None
    if isinstance(answer, OSError):
        raise answer
    if isinstance(answer, Exception):  # requests itself fails on some proxy addresses
        raise requests.ConnectionError(f"{type(answer).__name__}: {foreign.message(answer)}") from None
    try:
        answer.raise_for_status()
    except requests.HTTPError:
        answer.close()
        raise
    return answer


def _save(response: requests.Response, address: str, sha256: str, target: Path) -> None:
    """Stream an answer to `target`; pooch verifies the hash before it moves the file there."""
    import pooch

    def write(_url: str, file: str, _pooch: object) -> None:
        received, deadline = 0, time.monotonic() + FILE_SECONDS
        with open(file, "wb") as out:
            for chunk in response.iter_content(CHUNK_BYTES):
                received += len(chunk)
                if received > FILE_BYTES:
                    raise CorpusError(f"{address} sends more than {FILE_BYTES} bytes: nothing is kept. {_BY_HAND}")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not complete within {FILE_SECONDS:g} s")
                out.write(chunk)

    pooch.get_logger().setLevel("WARNING")  # it would say one line per file
    try:
        pooch.retrieve(address, f"sha256:{sha256}", target.name, target.parent, downloader=write)
    except CorpusError:
        raise
    except ValueError as error:  # pooch's word for another hash
        raise CorpusError(f"{address}: {error} {_BY_HAND}") from None


_BY_HAND = "Something on the way may alter downloads: put the file in place by hand, or give --data DIR or BENCH_DATA."


def _first_cause(error: BaseException) -> str:
    """The innermost reason in one line, without the messages of libraries around it and without a proxy's password."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    said = foreign.line(foreign.message(error)) or type(error).__name__
    for secret in _passwords():
        said = said.replace(secret, "***")
    return said


def _passwords() -> list[str]:
    """User names and passwords of the environment's proxies, as written and percent-decoded, the longest first."""
    from urllib.request import getproxies

    secrets: set[str] = set()
    for address in getproxies().values():
        written = address.partition("://")[2] or address
        before, at, _ = written.rpartition("@")
        if at:
            secrets |= {before, *before.split(":", 1)[1:]}
    return sorted(filter(None, secrets | set(map(unquote, secrets))), key=len, reverse=True)
