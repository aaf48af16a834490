"""Corpora on their way to a node, without Ray."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.engines.base import EngineError
from bench.engines.cluster.corpora import Corpora, Receiver, Sender
from bench.records.job import Job, Source
from tests.support.factories import a_cell

BOOK = {"book.txt": b"once upon a time"}
FACES = {"folder/faces/a/1.png": b"one", "folder/faces/b/2.png": b"two"}
SET = {"set/a.tsv": b"a", "set/b.tsv": b"b"}


class Node:
    """The object store, and a machine with a cache of its own. fetched: how often bytes were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stored: list[dict[str, bytes]] = []
        self.fetched = 0
        self.receiver = Receiver(self.get)

    def put(self, content: dict[str, bytes]) -> int:
        self.stored.append(content)
        return len(self.stored) - 1

    def get(self, reference: int) -> dict[str, bytes]:
        self.fetched += 1
        return self.stored[reference]

    def cache(self) -> Path:
        return self.folder


def pack(corpus: str, folder: Path | None) -> tuple[str, dict[str, bytes]]:
    if corpus == "gone":
        raise FileNotFoundError(corpus)
    if corpus == "/far/faces":
        return "folder/faces", FACES
    return {"/far/book.txt": ("book.txt", BOOK), "known": ("known", SET), "embedded": ("embedded", {})}[corpus]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "cache")


def a_job(corpus: str, folder: Path | None = Path("/far")) -> Job:
    return Job(a_cell(), Source(corpus, folder))


def sender(node: Node) -> Sender:
    return Sender(Corpora(pack, node.cache), node.put)


def there(node: Node, job: Job, by: Sender | None = None) -> Source:
    """What a job reads once it has arrived."""
    cell, source, *_ = node.receiver.received(job, (by or sender(node)).parcel(job.source))
    assert cell is job.cell
    assert source is not None
    return source


def test_a_users_own_file_is_one_of_the_nodes_cache(node: Node) -> None:
    source = there(node, a_job("/far/book.txt"))
    assert source.folder is not None
    assert source.folder.is_relative_to(node.folder / "handed")
    assert source.corpus == str(source.folder / "book.txt")
    assert Path(source.corpus).read_bytes() == BOOK["book.txt"]


def test_a_users_own_folder_is_one_of_the_nodes_cache(node: Node) -> None:
    source = there(node, a_job("/far/faces"))
    assert source.folder is not None
    assert source.corpus == str(source.folder / "folder/faces")
    assert (Path(source.corpus) / "b/2.png").read_bytes() == b"two"


def test_a_known_set_keeps_its_name_and_lies_below_the_folder(node: Node) -> None:
    source = there(node, a_job("known"))
    assert source.corpus == "known"
    assert source.folder is not None
    assert {str(path.relative_to(source.folder)): path.read_bytes() for path in source.folder.rglob("*.tsv")} == SET


def test_what_needs_no_file_needs_no_folder_of_the_drivers(node: Node) -> None:
    assert there(node, a_job("embedded")) == Source("embedded", None)
    assert node.stored == []
    cell = a_cell()
    assert node.receiver.received(Job(cell), sender(node).parcel(None)) == Job(cell)


def test_bytes_are_stored_once_and_fetched_where_they_are_not_there_whole(node: Node) -> None:
    job, by = a_job("/far/book.txt"), sender(node)
    first = there(node, job, by)
    assert there(node, job, by) == first
    assert (len(node.stored), node.fetched) == (1, 1)
    node.receiver = Receiver(node.get)  # the next actor of this node
    assert there(node, job, by) == first
    assert node.fetched == 1
    for damaged in (b"once", b"once upon a tide", None):
        path = Path(first.corpus)
        path.unlink() if damaged is None else path.write_bytes(damaged)
        node.receiver = Receiver(node.get)
        assert Path(there(node, job, by).corpus).read_bytes() == BOOK["book.txt"]
    assert (len(node.stored), node.fetched) == (1, 4)


def test_what_was_altered_on_its_way_is_refused_and_not_kept(node: Node) -> None:
    job = a_job("/far/book.txt")
    parcel = sender(node).parcel(job.source)
    node.stored[0] = {"book.txt": b"once upon a tide"}
    with pytest.raises(EngineError, match=r"a corpus was altered on its way: book\.txt is not of sha256"):
        node.receiver.received(job, parcel)
    assert not [path for path in node.folder.rglob("*") if path.is_file()]


def test_a_cache_that_takes_nothing_is_one_message(node: Node) -> None:
    node.folder.write_text("in the way")
    with pytest.raises(EngineError, match=r"a node cannot keep the corpus of .* in .*cache/handed/.*XDG_CACHE_HOME"):
        there(node, a_job("/far/book.txt"))


def test_of_a_corpus_that_vanished_its_cells_tell(node: Node) -> None:
    job = a_job("gone")
    assert sender(node).parcel(job.source) is None
    assert node.receiver.received(job, None) == job


def test_a_parcel_travels_with_the_cache_of_whoever_asks() -> None:
    from tasks.corpora import resolving

    def once(value: Any) -> str:
        return "reference"

    sent = Sender(Corpora(resolving.pack, resolving.cache), once).parcel(Source("python", Path("/nowhere")))
    assert sent is not None
    came = pickle.loads(pickle.dumps(sent))
    assert came == sent
    assert came.folder.parent == resolving.cache() / "handed"
    asked: Callable[[], Path] = came.cache
    assert asked is resolving.cache
