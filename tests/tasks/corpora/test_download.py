"""Downloads from a server that lies, stops, refuses or says nothing: nothing leaves the cache, old files are kept."""

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tasks.corpora import download, resolving
from tasks.corpora.known import Known
from tasks.corpora.resolving import KNOWN, Corpus, CorpusError, resolve

RIGHT = b"to be, or not to be\n" * 5_000
Answer = Callable[[BaseHTTPRequestHandler], None]


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Server(ThreadingHTTPServer):
    """Answers each path as it was told to; notes what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.end = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path)
        if answer is None:
            self.send_error(404)
        else:
            answer(self)

    def log_message(self, *_: object) -> None:
        pass


def whole(content: bytes) -> Answer:
    return cut(content, len(content))


def cut(content: bytes, promised: int) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(promised))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def silent(handler: BaseHTTPRequestHandler) -> None:
    assert isinstance(handler.server, Server)
    handler.server.end.wait(5)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.end.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of this test alone; beside it lies a folder that nothing may be written to."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "outside").mkdir()
    return resolving.cache()


def know(monkeypatch: pytest.MonkeyPatch, url: str, **files: bytes) -> None:
    pinned = {f"{name}.txt": sha(content) for name, content in files.items()}
    monkeypatch.setitem(KNOWN, "shakespeare", Known("text", "plays", url, pinned))


def find() -> Corpus:
    return resolve("shakespeare", fallback="python", folder=None)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_download_is_kept_and_not_repeated(server: Server, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, server.url, play=RIGHT)
    server.answers["/play.txt"] = whole(RIGHT)
    found = find()
    assert (found.source, found.folder, found.sha256, found.note) == ("shakespeare", root, sha(RIGHT), "")
    assert contents(root) == {"plays/play.txt": RIGHT}
    assert find() == found
    assert server.asked == ["/play.txt"]


def test_another_hash_is_an_error_and_leaves_nothing(
    server: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, server.url, play=RIGHT)
    server.answers["/play.txt"] = whole(b"something else")
    with pytest.raises(CorpusError) as error:
        find()
    for part in (f"{server.url}/play.txt", sha(RIGHT), sha(b"something else"), "--data"):
        assert part in str(error.value)
    assert contents(root) == {}


def test_an_old_file_is_kept_when_another_one_fails(
    server: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, server.url, first=b"first", second=b"second")
    server.answers["/first.txt"] = whole(b"first")
    assert find().source == "python"
    assert contents(root) == {"plays/first.txt": b"first"}
    stamp = (root / "plays/first.txt").stat().st_mtime_ns
    server.answers["/second.txt"] = whole(b"altered")
    with pytest.raises(CorpusError):
        find()
    assert contents(root) == {"plays/first.txt": b"first"}
    server.answers["/second.txt"] = whole(b"second")
    assert find().source == "shakespeare"
    assert (root / "plays/first.txt").stat().st_mtime_ns == stamp
    assert server.asked.count("/first.txt") == 1


def test_a_cut_stream_falls_back_and_leaves_nothing(
    server: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, server.url, play=RIGHT)
    server.answers["/play.txt"] = cut(RIGHT[:-100], len(RIGHT))
    found = find()
    assert found.source == "python"
    assert f"{server.url}/play.txt" in found.note
    assert contents(root) == {}


def test_a_stream_that_stalls_falls_back(server: Server, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stall(handler: BaseHTTPRequestHandler) -> None:
        cut(RIGHT[:100], len(RIGHT))(handler)
        handler.wfile.flush()
        silent(handler)

    monkeypatch.setattr(download, "READ_SECONDS", 0.3)
    know(monkeypatch, server.url, play=RIGHT)
    server.answers["/play.txt"] = stall
    assert find().source == "python"
    assert contents(root) == {}


def test_an_endless_stream_is_an_error_and_leaves_nothing(
    server: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "FILE_BYTES", 10_000)
    know(monkeypatch, server.url, play=RIGHT)
    server.answers["/play.txt"] = whole(RIGHT)
    with pytest.raises(CorpusError, match="sends more than 10000 bytes"):
        find()
    assert contents(root) == {}


def test_a_refused_connection_falls_back_at_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: it refuses
        know(monkeypatch, f"http://127.0.0.1:{unused.getsockname()[1]}", play=RIGHT)
        began = time.monotonic()
        found = find()
    assert time.monotonic() - began < 3
    assert found.source == "python"
    assert "refused" in found.note
    assert not root.exists()


def test_a_server_that_says_nothing_costs_the_connection_time(
    server: Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.3)
    know(monkeypatch, server.url, play=RIGHT)
    server.answers["/play.txt"] = silent
    began = time.monotonic()
    assert find().source == "python"
    assert time.monotonic() - began < 2


def test_a_set_ends_at_its_first_failure(server: Server, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = KNOWN["litbank"]
    monkeypatch.setitem(KNOWN, "litbank", Known("tagged", known.folder, server.url, known.files))
    found = resolve("litbank", fallback="generated", folder=None)
    assert found.source == "generated"
    assert len(server.asked) == 1
    assert "404" in found.note


def test_a_cache_that_cannot_be_written_falls_back(server: Server, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, server.url, play=RIGHT)
    server.answers["/play.txt"] = whole(RIGHT)
    root.parent.mkdir(parents=True)
    root.write_text("a file where a folder should be")
    found = find()
    assert found.source == "python"
    assert str(root) in found.note


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt", ".."])
def test_names_that_lead_out_are_refused(server: Server, root: Path, name: str) -> None:
    with pytest.raises(CorpusError, match=r"outside|in the way"):
        download.fetch(server.url, {name: sha(RIGHT)}, root / "plays", root)
    assert server.asked == []
    assert not root.exists()


def test_a_folder_of_the_set_that_leads_out_is_refused(
    server: Server, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, server.url, play=RIGHT)
    server.answers["/play.txt"] = whole(RIGHT)
    root.mkdir(parents=True)
    (root / "plays").symlink_to(tmp_path / "outside")
    with pytest.raises(CorpusError, match="outside"):
        find()
    assert contents(tmp_path / "outside") == {}
    assert server.asked == []


@pytest.mark.parametrize("target", ["outside/new.txt", "outside"])
def test_a_link_in_place_of_the_file_is_refused(
    server: Server, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    know(monkeypatch, server.url, play=RIGHT)
    server.answers["/play.txt"] = whole(RIGHT)
    (root / "plays").mkdir(parents=True)
    (root / "plays/play.txt").symlink_to(tmp_path / target)
    with pytest.raises(CorpusError, match="in the way"):
        find()
    assert list((tmp_path / "outside").iterdir()) == []
    assert server.asked == []


@pytest.mark.parametrize(
    ("proxy", "secrets"),
    [
        ("http://anna:s3cret@127.0.0.1:9", ["s3cret", "anna"]),
        ("http://anna:s3/cr@et@127.0.0.1:9", ["s3/cr@et", "cr@et"]),
        ("http://anna:p%40ss@127.0.0.1:9", ["p%40ss", "p@ss"]),
        ("anna:s3cret@127.0.0.1:9", ["s3cret"]),
        ("http://anna:s3cret@", ["s3cret"]),
        ("ftp://anna:s3cret@127.0.0.1:9", ["s3cret"]),
        ("socks9://anna:s3cret@127.0.0.1:9", ["s3cret"]),
    ],
)
def test_no_password_of_a_proxy_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, proxy: str, secrets: list[str]
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.setenv("no_proxy", "")
    (tmp_path / "text").mkdir()
    reason = download.fetch("https://example.invalid/x", {"a.txt": sha(RIGHT)}, tmp_path / "text", tmp_path)
    assert reason is not None
    assert "https://example.invalid/x/a.txt" in reason
    assert not [secret for secret in secrets if secret in reason], reason


def test_what_an_error_says_is_one_safe_line() -> None:
    assert download._first_cause(OSError("http://u:p@h/ is\n\x1b[31mred")) == r"http://***@h/ is \x1b[31mred"
