"""Corpora that are here, come later, or cannot be had."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from bench.records.cell import DataIdentity
from bench.records.errors import BenchError, UsageError
from bench.records.job import Source
from bench.records.sweep import Sweep
from bench.runner.corpora import Corpora
from bench.runner.plan import Planned, Request, Resolved, plan

PLANNED = plan(Sweep(tasks="adding,char_lm,ner", models="rnn", lengths="10", budget="smoke"))  # type: ignore[arg-type]
ADDING, CHAR_LM, NER = PLANNED


def resolved(request: Request, note: str | None = None) -> Resolved:
    return Resolved(DataIdentity(name=request.corpus, sha256="ab" * 32), Source(request.corpus, Path("/data")), note)


class Library:
    """Corpora of which some are here; the others come when `door` opens, or raise `error`."""

    def __init__(self, here: str = "", error: BaseException | None = None) -> None:
        self.here, self.error = here.split(), error
        self.door = threading.Event()
        self.fetched: list[str] = []

    def __call__(self, request: Request, download: bool) -> Resolved | None:
        if request.corpus in self.here:
            return resolved(request, "a note")
        if not download:
            return None
        self.fetched.append(request.corpus)
        assert self.door.wait(10)
        if self.error is not None:
            raise self.error
        return resolved(request)


def corpora(library: Library, mine: list[Planned] = PLANNED) -> tuple[Corpora, list[str]]:
    said: list[str] = []
    return Corpora(PLANNED, mine, library, said.append), said


def test_what_is_here_is_handed_over_at_once_and_once() -> None:
    made, said = corpora(Library("shakespeare litbank"))
    assert list(made.here()) == PLANNED
    assert (made.here(), made.waiting) == ({}, [])
    assert made.arrived() == ({}, {})
    assert said == ["a note", "a note"], "once for each corpus"


def test_what_comes_later_is_handed_over_when_it_came() -> None:
    library = Library("shakespeare")
    made, _ = corpora(library)
    assert list(made.here()) == [ADDING, CHAR_LM]
    assert (made.waiting, made.job(NER)) == ([NER], None)
    assert made.arrived() == ({}, {})
    library.door.set()
    made.wait()
    found, unavailable = made.arrived()
    assert (list(found), unavailable, made.waiting) == ([NER], {}, [])
    assert made.job(NER) == found[NER]
    assert found[NER][0].data == resolved(Request("litbank", "")).data


@pytest.mark.parametrize("error", [UsageError("no network"), OSError("no network")])
def test_what_cannot_be_had_is_said_for_each_of_its_cells(error: BaseException) -> None:
    library = Library(error=error)
    made, _ = corpora(library)
    assert list(made.here()) == [ADDING]
    library.door.set()
    unavailable: dict[Planned, str] = {}
    while made.waiting:
        made.wait()
        unavailable |= made.arrived()[1]
    assert unavailable == {CHAR_LM: "no network", NER: "no network"}


def test_a_fault_of_the_suite_is_not_taken_for_a_missing_corpus() -> None:
    library = Library("shakespeare", error=ValueError("our own"))
    assert not isinstance(library.error, BenchError)
    made, _ = corpora(library)
    library.door.set()
    made.wait()
    with pytest.raises(ValueError, match="our own"):
        made.arrived()


def test_only_what_this_part_of_a_sweep_needs_is_fetched() -> None:
    library = Library()
    library.door.set()
    made, _ = corpora(library, [ADDING, NER])
    made.here()
    made.wait()
    assert list(made.arrived()[0]) == [NER]
    assert library.fetched == ["litbank"]
