"""A second kind of record in a store, beside results: published once, found corrupt, joined, counted."""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path

import pytest

from bench import doctor, merge, status
from bench.store import Store, StoreError
from bench.store.sealed import seal
from bench.store.store import KINDS
from tests.support.factories import a_result
from tests.support.faults import FailingFiles
from tests.support.kept import KIND, Note


@pytest.fixture(autouse=True)
def notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, *KIND)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", create=True)


def a_store(path: Path, *notes: Note) -> Store:
    store = Store(path, create=True)
    for note in notes:
        store.publish_kept("notes", note)
    return store


def file(store: Store, note: Note) -> Path:
    return store.path / "notes" / f"{note.key}.json"


def test_a_record_is_published_once(store: Store) -> None:
    first, second = Note(about="a", text="é"), Note(about="a", text="other")
    assert store.publish_kept("notes", first)
    before = file(store, first).read_bytes()
    assert not store.publish_kept("notes", second)
    assert file(store, first).read_bytes() == before == seal(first.model_dump(mode="json"))
    assert list(store.kept("notes")) == [first]


def test_the_first_writer_wins_where_both_found_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.publish_kept("notes", Note(about="a", text="first"))
    monkeypatch.setattr(Path, "exists", lambda path: False)
    assert not store.publish_kept("notes", Note(about="a", text="second"))
    monkeypatch.undo()


def test_a_corrupt_record_is_moved_aside_and_can_be_published_again(store: Store) -> None:
    note, other = Note(about="a"), Note(about="b")
    for each in (note, other):
        store.publish_kept("notes", each)
    path = file(store, note)
    path.write_bytes(path.read_bytes()[:-3])
    assert list(store.kept("notes")) == [other]
    assert store.corrupt == [path]
    assert store.set_aside() == [path.name]
    assert not path.exists()
    assert store.publish_kept("notes", note)

    path.write_bytes(b"torn")
    assert store.publish_kept("notes", note), "also where nobody looked before"
    assert len(list((store.path / "corrupt").iterdir())) == 2


def test_a_record_under_another_name_is_corrupt(store: Store) -> None:
    note = Note(about="a")
    store.publish_kept("notes", note)
    file(store, note).rename(store.path / "notes" / "0123456789abcdef.json")
    assert list(store.kept("notes")) == []
    assert store.set_aside() == ["0123456789abcdef.json"]


def test_a_newer_schema_is_refused_and_left_alone(store: Store) -> None:
    note = Note(about="a", schema_number=2)
    file(store, note).write_bytes(seal(note.model_dump(mode="json")))
    for read in (lambda: list(store.kept("notes")), store.set_aside):
        with pytest.raises(StoreError, match="a record of schema 2 was written by a newer version"):
            read()
    assert file(store, note).exists()


@pytest.mark.parametrize("call", range(1, 12))
def test_a_failing_call_leaves_a_whole_record_or_none(store: Store, call: int) -> None:
    failing = Store(store.path, files=FailingFiles(call, errno.EIO))
    with contextlib.suppress(StoreError):
        failing.publish_kept("notes", Note(about="a"))
    assert list(store.kept("notes")) in ([], [Note(about="a")])
    assert store.corrupt == []


def test_an_older_store_has_none(tmp_path: Path) -> None:
    store = Store(tmp_path, create=True)
    (tmp_path / "notes").rmdir()
    assert list(Store(tmp_path).kept("notes")) == []
    assert Store(tmp_path, create=True).publish_kept("notes", Note(about="a"))
    assert store.results() == [], "results know nothing of it"


# -- the commands ------------------------------------------------------------------------------------------------------


def test_stores_are_joined_with_their_records(tmp_path: Path) -> None:
    one, two, three = (Note(about=about) for about in "abc")
    first, second = a_store(tmp_path / "A", one, two), a_store(tmp_path / "B", two, three)
    for _ in range(2):
        merge.merge([first, second], tmp_path / "C")
        assert {note.key for note in Store(tmp_path / "C").kept("notes")} == {one.key, two.key, three.key}
        assert file(Store(tmp_path / "C"), two).read_bytes() == file(first, two).read_bytes()


def test_records_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    first, second = a_store(tmp_path / "A", Note(about="a")), a_store(tmp_path / "B", Note(about="a", text="no"))
    with pytest.raises(merge.MergeError, match=r"A and .*B hold different notes of one key. .*remove notes/"):
        merge.merge([first, second], tmp_path / "C")
    assert not (tmp_path / "C").exists()


def test_records_may_differ_in_how_long_they_took(tmp_path: Path) -> None:
    seconds = a_result().seconds
    kept, other = Note(about="a", seconds=seconds), Note(about="a")
    merge.merge([a_store(tmp_path / "A", kept), a_store(tmp_path / "B", other)], tmp_path / "C")
    assert list(Store(tmp_path / "C").kept("notes")) == [kept], "the first store's stays"


def test_a_corrupt_record_is_not_joined(tmp_path: Path) -> None:
    store = a_store(tmp_path / "A", Note(about="a"))
    file(store, Note(about="a")).write_bytes(b"torn")
    with pytest.raises(merge.MergeError, match="is corrupt"):
        merge.merge([store], tmp_path / "C")


def test_status_and_doctor_count_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = a_store(tmp_path / "A", Note(about="a"), Note(about="b"))
    assert status.main([str(store.path)]) == 0
    assert "notes: 2\n" in capsys.readouterr().out
    assert ("ok", "notes", "2 are whole") in [(f.mark, f.what, f.found) for f in doctor.store(store.path)]
    file(store, Note(about="a")).write_bytes(b"torn")
    assert status.main([str(store.path)]) == 1
    out = capsys.readouterr().out
    assert "notes: 1\n" in out
    assert f"corrupt: {file(store, Note(about='a'))}" in out
