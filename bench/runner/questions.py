"""From a request to the readings of stored models: which models are asked at which lengths, and the asking itself."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from bench import catalog
from bench.cli.console import Console
from bench.engines.base import Engine
from bench.engines.placement import shard
from bench.records import foreign
from bench.records.asking import Asking
from bench.records.cell import Cell, canonical_json
from bench.records.entry import Entry
from bench.records.errors import BenchError, UsageError
from bench.records.estimate import Estimate
from bench.records.job import Finished, Job, Stored
from bench.records.reading import ANSWERED, Question, Reading
from bench.records.result import ANSWERS, Result
from bench.runner.corpora import Corpora
from bench.runner.ledger import Ledger
from bench.runner.plan import Request, Resolve, Resolved
from bench.runner.running import Running, interrupts, tidy
from bench.store import Store, StoreError
from bench.store.leases import Leases


@dataclass(frozen=True)
class Posed:
    """A question whose corpus may not be here yet. cell: the one whose model is asked; steps: that were taken there."""

    question: Question
    cell: Cell
    steps: int
    request: Request | None

    def with_data(self, resolved: Resolved | None) -> Job:
        """Return the question's job; the weights are read when it is handed over."""
        return Job(self.question, resolved.source if resolved else None, Stored(self.cell, steps=self.steps))

    @property
    def name(self) -> str:
        """The question in one line, for people."""
        what = "gradients at" if self.question.probe else "at"
        return f"{self.cell.label} {what} T{self.question.length}"


@dataclass(frozen=True)
class Planned:
    """What is asked, shortest sequences first. left_out: lines about the models that are not asked, and why."""

    posed: list[Posed]
    left_out: list[str]


@dataclass(frozen=True)
class Outcome:
    """How the asking ended. questions: how many were asked; readings: what the store holds of them."""

    questions: int
    readings: list[Reading]
    interrupted: bool

    @property
    def exit_code(self) -> int:
        """0: every question has its answer; 1: some attempt gave none; 130: interrupted."""
        if self.interrupted:
            return 130
        whole = len(self.readings) == self.questions
        return 0 if whole and all(reading.status in ANSWERED for reading in self.readings) else 1


def plan(asking: Asking, store: Store, own: Mapping[str, str] = MappingProxyType({})) -> Planned:
    """Return the questions to the stored models that are selected.

    own: the paths of the user's own corpora, by the sha256 of their content.

    Raises:
        CatalogError: a task, model or option is selected that does not exist.
        UsageError: no model can be asked; the message says why.
    """
    asking = _canonical(asking)
    results = asking.selected(store.results())
    if not results:
        raise UsageError(_nothing_selected(asking, store))
    reasons: Counter[str] = Counter()
    models: list[tuple[Cell, str, int]] = []
    for result in results:
        why = _left_out(result, store, own)
        reasons.update([why] if why else [])
        models += [] if why else [(result.cell, result.weights_sha256 or "", result.steps)]
    lines = [f"left out: {count} of {len(results)} cells: {why}" for why, count in sorted(reasons.items())]
    if not models:
        raise UsageError("\n".join([f"{store.path}: there is no model that can be asked.", *lines]))
    probes = (False, True) if asking.probe else (False,)
    posed = [
        Posed(Question.of(cell, sha256, length, probe=probe), cell, steps, request(cell, own))
        for length in sorted(asking.lengths)
        for cell, sha256, steps in models
        for probe in probes
    ]
    return Planned(posed, lines)


def _canonical(asking: Asking) -> Asking:
    """Return what is asked with entries as records name them: whole names, known options."""

    def settled(kind: Literal["task", "model"], entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        cards = [catalog.card(kind, entry.name) for entry in entries]
        pairs = zip(cards, entries, strict=True)
        return tuple(Entry(card.name, tuple(card.values(entry.options).items())) for card, entry in pairs)

    return asking.model_copy(update={"tasks": settled("task", asking.tasks), "models": settled("model", asking.models)})


def _nothing_selected(asking: Asking, store: Store) -> str:
    """Say what the store holds instead of what was selected."""
    cells = [result.cell for result in store.results()]
    if not cells:
        return f"{store.path} holds no cells: `python -m bench.run --store {store.path}` trains some"
    trained = ", ".join(map(str, sorted({cell.length for cell in cells})))
    held = (sorted({cell.task for cell in cells}), sorted({cell.model for cell in cells}))
    tasks, models = (foreign.line(", ".join(names)) for names in held)
    return (
        f"{store.path} holds no cell of what --tasks, --models and --trained select: expected tasks of {tasks}; "
        f"models of {models}; trained lengths of {trained}"
    )


def _left_out(result: Result, store: Store, own: Mapping[str, str]) -> str | None:
    """Return why a cell's model is not asked; None: it is."""
    cell = result.cell
    if result.status not in ANSWERS:
        return f"they failed ({result.status})"
    if result.status == "diverged":
        return "they diverged"
    if result.score is None:
        return "they were not trained (steps 0)"
    if result.weights_sha256 is None or store.held_weights(cell.key, result.weights_sha256) is None:
        return "the store holds no weights of theirs"
    if own_corpus(cell) and cell.data is not None and cell.data.sha256 not in own:
        return f"they read a file of yours, {cell.data.name}, of sha256 {cell.data.sha256[:12]}: give it with --corpus"
    return _other_code(cell)


def own_corpus(cell: Cell) -> bool:
    """Return whether a cell reads a user's own file, which its task names by content."""
    named = dict(Entry.parse(cell.task).options).values()
    return cell.data is not None and cell.data.sha256[:12] in named


def _other_code(cell: Cell) -> str | None:
    """Return in which way a cell's task or model is not the present one; None: it is the present one."""
    entries: tuple[tuple[Literal["task", "model"], str, int], ...] = (
        ("task", cell.task, cell.versions.task),
        ("model", cell.model, cell.versions.model),
    )
    for kind, text, version in entries:
        name = Entry.parse(text).name
        try:
            card = catalog.card(kind, name)
        except BenchError as error:
            return f"{kind} {name} is not here: {foreign.first_line(str(error))}"
        if card.version != version:
            return (
                f"weights of another version: {kind} {name} was version {version} and is {card.version} here. Train "
                f"the cells again, or ask with the suite that trained them"
            )
    names = [Entry.parse(text).name for text in cell.foreign]
    code = catalog.code(*names) if cell.code is not None else None
    if code != cell.code:
        return (
            f"the code of {' and '.join(names)} was edited: it was {(cell.code or '')[:8]} and is {(code or '')[:8]}. "
            f"Train the cells again, or take the edit back"
        )
    return None


def request(cell: Cell, own: Mapping[str, str]) -> Request | None:
    """Return the request for the corpus that a cell was trained on: where that was the fallback, for the fallback."""
    entry = Entry.parse(cell.task)
    card = catalog.card("task", entry.name)
    option, fallback = card.data_option, card.data_fallback
    if cell.data is None or fallback is None:
        return None
    if own_corpus(cell):
        return Request(own[cell.data.sha256], fallback, option)
    corpus = card.values(entry.options).get(option, card.options[option].default)
    return Request(fallback if cell.data.name == fallback else corpus, fallback, option)


def estimate(planned: list[Posed]) -> Estimate:
    """Return an estimate that knows the cells whose models are asked."""
    return Estimate({item.cell.key: item.cell for item in planned})


def share(planned: list[Posed], part: tuple[int, int] | None) -> list[Posed]:
    """Return part i of n (from 1) of the questions, the same wherever a store has the same cells; None: all of them."""
    guess = estimate(planned)
    return planned if part is None else shard(planned, lambda item: guess.seconds(item.question), *part)


def ask(
    planned: list[Posed],
    store: Store,
    engine: Engine,
    console: Console,
    resolve: Resolve,
    *,
    retry_failed: bool = False,
    part: tuple[int, int] | None = None,
) -> Outcome:
    """Ask the questions that the store holds no reading of, and store the readings.

    resolve: finds the corpora (may download). part: as for `share`.

    Raises:
        StoreError: a reading could not be stored.
    """

    def whole(job: Job) -> Job | Finished:
        """Return a job with the weights that it asks, or its failure where the store cannot give them."""
        assert job.stored is not None
        try:
            return job._replace(stored=replace(job.stored, weights=store.weights(job.cell.key)))
        except StoreError as error:
            return job.failed("unavailable", str(error))

    tidy(store, console)
    corpora = Corpora(planned, share(planned, part), resolve, console.note)
    ledger = Ledger(store, store.readings, console.skipped, retry_failed=retry_failed)
    running = Running(store, engine, console, corpora, ledger, made=whole)
    jobs, interrupted = running.first(), list[int]()
    if jobs:
        running.limit(jobs)
        name = hashlib.sha256(canonical_json([item.question.key for item in planned]).encode()).hexdigest()[:16]
        with interrupts(engine, console) as interrupted, engine, Leases(store, name, engine.workers) as leases:
            running.start(jobs)
            running.run(jobs, leases, running.arrived)
        console.stop()
    readings = ledger.records()
    return Outcome(len(readings), [each for each in readings.values() if each], interrupted=bool(interrupted))


def names(planned: list[Posed]) -> Iterator[tuple[str, str]]:
    """Yield the key of every question, and its name for people."""
    return ((item.question.key, item.name) for item in planned)
