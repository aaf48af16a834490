"""Questions to stored models: which are asked, which are left out and why, and how the asking goes on and ends."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as Terminal

from bench.cli.console import Console
from bench.engines.local import LocalEngine
from bench.records.asking import Asking
from bench.records.cell import Cell, DataIdentity, Versions
from bench.records.errors import BenchError, UsageError
from bench.records.job import Finished, Job, Source, Surroundings
from bench.records.reading import Question, Reading
from bench.records.result import Status
from bench.runner import questions
from bench.runner.plan import Request, Resolved
from bench.runner.questions import Outcome
from bench.store import Store
from bench.store.leases import Leases
from tests.support.factories import a_cell, a_failure, a_result, a_score

WEIGHTS = b"weights"
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


def versions(model: str = "lstm", task: str = "adding") -> Versions:
    from bench import catalog

    return Versions(task=catalog.card("task", task).version, model=catalog.card("model", model).version)


def trained(store: Store, **changes: Any) -> Cell:
    """Store a trained model; return its cell."""
    model, task = changes.get("model", "lstm").partition(":")[0], changes.get("task", "adding").partition(":")[0]
    cell = a_cell(**({"versions": versions(model, task)} | changes))
    store.publish(a_result(cell, weights_sha256=SHA256), WEIGHTS)
    return cell


class Answering(LocalEngine):
    """Answers at once, in this process. answer: the outcome of a job."""

    def __init__(self, answer: Callable[[Job], Finished] | None = None) -> None:
        super().__init__(Surroundings(), workers=1)
        self.answer = answer or answered
        self.ran: list[Job] = []

    def run(self, jobs: Iterable[Job | None], **_: Any) -> Iterator[Finished]:
        for job in jobs:
            if self._stopping:
                return
            if job is not None:
                self.ran.append(job)
                yield self.answer(job)

    @property
    def asked(self) -> list[tuple[str, int]]:
        return [(job.cell.model, job.work.length) for job in self.ran]


def answered(job: Job, **changes: Any) -> Finished:
    assert isinstance(job.work, Question)
    return Finished(Reading(**({"question": job.work, "status": "ok", "score": a_score(), "seconds": 0.5} | changes)))


def failing(job: Job) -> Finished:
    return job.failed("crashed", "ended")


class Bench:
    """A store, and what `ask` needs beside."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "results", create=True)
        self.text = io.StringIO()

    def plan(self, lengths: str = "10,20", **asking: Any) -> questions.Planned:
        return questions.plan(Asking(lengths=lengths, **asking), self.store)  # type: ignore[arg-type]

    def ask(self, engine: LocalEngine, lengths: str = "10,20", resolve: Any = None, **options: Any) -> Outcome:
        posed = self.plan(lengths).posed
        console = Console(
            Terminal(file=self.text, width=200),
            noun="question",
            estimate=questions.estimate(posed),
            names=dict(questions.names(posed)),
        )
        return questions.ask(posed, self.store, engine, console, resolve or no_corpus, **options)

    @property
    def lines(self) -> list[str]:
        return self.text.getvalue().splitlines()


def no_corpus(request: Request, download: bool) -> Resolved | None:
    raise AssertionError(f"no corpus is needed, and {request} is asked for")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# -- which questions are asked -----------------------------------------------------------------------------------------


def labels(planned: questions.Planned) -> list[tuple[str, str, int, int]]:
    return [(item.cell.task, item.cell.model, item.cell.length, item.question.length) for item in planned.posed]


def test_every_model_is_asked_at_every_length_shortest_first(bench: Bench) -> None:
    trained(bench.store)
    trained(bench.store, length=20)
    planned = bench.plan("30,10")
    assert labels(planned) == [
        ("adding", "lstm", 10, 10), ("adding", "lstm", 20, 10), ("adding", "lstm", 10, 30), ("adding", "lstm", 20, 30),
    ]  # fmt: skip
    assert planned.left_out == []
    assert not any(item.question.probe for item in planned.posed)


@pytest.mark.parametrize(
    ("asking", "kept"),
    [
        ({"tasks": "copying"}, ["copying / lstm"]),
        ({"tasks": "cop"}, ["copying / lstm"]),  # a unique beginning, as everywhere
        ({"models": "rnn"}, ["adding / rnn"]),
        ({"models": "gru"}, ["adding / gru:layers=2", "adding / gru:layers=3"]),
        ({"models": "rnn:carry=1"}, ["adding / rnn:carry=1.0"]),
        ({"models": "rnn,lstm", "tasks": "adding"}, ["adding / lstm", "adding / rnn"]),
        ({"trained": "20"}, ["adding / rnn"]),
    ],
)
def test_models_are_selected(bench: Bench, asking: dict[str, str], kept: list[str]) -> None:
    trained(bench.store)
    trained(bench.store, task="copying")
    trained(bench.store, model="rnn", length=20)
    for model in ("rnn:carry=1.0", "gru:layers=2", "gru:layers=3"):
        trained(bench.store, model=model)
    found = sorted({f"{item.cell.task} / {item.cell.model}" for item in bench.plan("10", **asking).posed})
    assert found == kept


def test_a_probe_is_a_question_of_its_own(bench: Bench) -> None:
    trained(bench.store)
    score, probe = (item.question for item in bench.plan("10", probe=True).posed)
    assert (score.probe, probe.probe) == (False, True)
    assert score.key != probe.key
    assert score.key == bench.plan("10").posed[0].question.key, "with or without --probe, the score is one question"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": "diverged", "score": None}, "they diverged"),
        ({"score": None}, "they were not trained (steps 0)"),
        ({"weights_sha256": None}, "the store holds no weights of theirs"),
        ({"cell": a_cell(seed=1, versions=Versions(task=1, model=99))},
         "weights of another version: model lstm was version 99 and is"),
        ({"cell": a_cell(seed=1, versions=Versions(task=99, model=1))},
         "weights of another version: task adding was version 99 and is"),
        ({"cell": a_cell(seed=1, model="gone")}, "model gone is not here: "),
        ({"cell": a_cell(seed=1, model="tests.support.examples:Mean", code="ab" * 32)},
         "the code of tests.support.examples:Mean was edited: it was abababab and is "),
        ({"cell": a_cell(seed=1, task="char_lm:corpus=abababababab", versions=versions(task="char_lm"),
                         data=DataIdentity(name="own.txt", sha256="ab" * 32))},
         "they read a file of yours, own.txt, of sha256 abababababab: give it with --corpus"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_left_out_and_said(bench: Bench, changes: dict[str, Any], why: str) -> None:
    trained(bench.store)
    cell = changes.pop("cell", a_cell(seed=1, versions=versions()))
    cell = cell.model_copy(update={"versions": versions("lstm")}) if "examples" in cell.model else cell
    bench.store.publish(a_result(cell, **({"weights_sha256": SHA256} | changes)), WEIGHTS)
    planned = bench.plan("10")
    assert [item.cell.seed for item in planned.posed] == [0]
    (line,) = planned.left_out
    assert line.startswith(f"left out: 1 of 2 cells: {why}")


def test_a_failed_cell_is_left_out_and_said(bench: Bench) -> None:
    trained(bench.store)
    bench.store.publish(a_failure(a_cell(seed=1, versions=versions()), status="crashed"))
    assert bench.plan("10").left_out == ["left out: 1 of 2 cells: they failed (crashed)"]


def test_weights_whose_file_is_gone_are_said(bench: Bench) -> None:
    cell = trained(bench.store)
    bench.store.weights_path(cell.key, SHA256).unlink()
    with pytest.raises(
        UsageError, match=r"no model that can be asked\.\nleft out: 1 of 1 cells: the store holds no weig"
    ):
        bench.plan("10")


@pytest.mark.parametrize(
    ("asking", "said"),
    [
        ({"tasks": "copying"}, "expected tasks of adding; models of lstm; trained lengths of 10"),
        ({"trained": "11"}, "holds no cell of what --tasks, --models and --trained select"),
        ({"models": "lstn"}, "lstm"),
        ({"models": "lstm:layer=2"}, "layers"),
    ],
)
def test_a_selection_of_nothing_is_refused_in_words(bench: Bench, asking: dict[str, str], said: str) -> None:
    trained(bench.store)
    with pytest.raises(BenchError) as refused:
        bench.plan("10", **asking)
    assert said in str(refused.value)


def test_an_empty_store_is_refused_in_words(bench: Bench) -> None:
    with pytest.raises(UsageError, match=r"holds no cells: `python -m bench.run"):
        bench.plan("10")


# -- how the asking goes -----------------------------------------------------------------------------------------------


def test_readings_are_stored_and_asked_once(bench: Bench) -> None:
    cell = trained(bench.store)
    before = bench.store.answer(cell.key)
    engine = Answering()
    outcome = bench.ask(engine)
    assert (outcome.exit_code, len(outcome.readings)) == (0, 2)
    assert {(job.stored.weights, job.stored.steps) for job in engine.ran if job.stored} == {(WEIGHTS, 20)}
    assert len(list(bench.store.kept("readings"))) == 2
    assert bench.store.answer(cell.key) == before
    assert bench.lines[0] == "2 questions: 0 stored, 2 to run on 1 workers"
    assert bench.lines[1].startswith("[1/2] adding / lstm / T10 / seed 0 / rate 0.01 at T10  0.02 squared value")
    again = Answering()
    assert (bench.ask(again).exit_code, again.ran) == (0, [])
    more = Answering()
    bench.ask(more, "10,20,30")
    assert more.asked == [("lstm", 30)]


def test_undefined_is_an_answer_and_a_failure_is_asked_again_on_request(bench: Bench) -> None:
    trained(bench.store)

    def answer(job: Job) -> Finished:
        return job.failed("undefined", "no such length") if job.work.length == 10 else failing(job)

    engine = Answering(answer)
    assert bench.ask(engine).exit_code == 1
    assert sorted(path.name.partition("-")[2] for path in (bench.store.path / "unanswered").iterdir()) == ["1.json"]
    assert bench.ask(again := Answering()).exit_code == 1
    assert again.ran == [], "what failed stays so"
    assert bench.ask(retried := Answering(failing), retry_failed=True).exit_code == 1
    assert retried.asked == [("lstm", 20)], "undefined is an answer"
    (last,) = bench.store.readings.failures().values()
    assert last.attempt == 2
    assert bench.ask(Answering(), retry_failed=True).exit_code == 0
    assert bench.store.readings.failures() == {}


def test_another_runners_questions_are_left_to_it(bench: Bench) -> None:
    trained(bench.store)
    first, second = bench.plan().posed

    def answer(job: Job) -> Finished:
        bench.store.publish_reading(answered(Job(first.question, stored=job.stored)).record)  # type: ignore[arg-type]
        return answered(job)

    with Leases(bench.store, "other", 1) as other:
        assert other.take(first.question.key)
        engine = Answering(answer)
        assert bench.ask(engine).exit_code == 0
    assert engine.asked == [("lstm", second.question.length)]


def test_broken_weights_are_a_reading_that_failed(bench: Bench) -> None:
    cell = trained(bench.store)
    bench.store.weights_path(cell.key, SHA256).write_bytes(b"other")
    engine = Answering()
    outcome = bench.ask(engine, "10")
    assert (outcome.exit_code, engine.ran) == (1, [])
    (reading,) = outcome.readings
    assert reading.status == "unavailable"
    assert "is not what its record says" in (reading.error or "")
    assert not list((bench.store.path / "leases").glob("[!.]*"))


def test_parts_share_the_questions_out(bench: Bench) -> None:
    for seed in range(3):
        trained(bench.store, seed=seed)
    parts = []
    for number in (1, 2):
        engine = Answering()
        bench.ask(engine, part=(number, 2))
        parts.append({job.key for job in engine.ran})
    assert parts[0] and parts[1]  # noqa: PT018
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == {item.question.key for item in bench.plan().posed}


def test_an_interrupted_asking_goes_on(bench: Bench) -> None:
    trained(bench.store)

    class Stopping(Answering):
        def run(self, jobs: Iterable[Job | None], **options: Any) -> Iterator[Finished]:
            import os
            import signal

            for finished in super().run(jobs, **options):
                os.kill(os.getpid(), signal.SIGINT)
                yield finished

    assert bench.ask(Stopping()).exit_code == 130
    assert len(list(bench.store.kept("readings"))) == 1
    engine = Answering()
    assert bench.ask(engine).exit_code == 0
    assert len(engine.ran) == 1


# -- corpora -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "wanted"), [("shakespeare", "shakespeare"), ("python", "python")])
def test_the_corpus_that_was_trained_on_is_asked_for(bench: Bench, name: str, wanted: str) -> None:
    data = DataIdentity(name=name, sha256="ab" * 32)
    trained(bench.store, task="char_lm", data=data)
    asked: list[str] = []

    def resolve(request: Request, download: bool) -> Resolved | None:
        asked.append(request.corpus)
        return Resolved(data, Source(request.corpus, None))

    engine = Answering()
    bench.ask(engine, "10", resolve=resolve)
    assert asked == [wanted]
    assert [job.source.corpus for job in engine.ran if job.source] == [wanted]


def test_a_corpus_that_cannot_be_had_is_a_reading_that_failed(bench: Bench) -> None:
    trained(bench.store, task="char_lm", data=DataIdentity(name="shakespeare", sha256="ab" * 32))

    def resolve(request: Request, download: bool) -> Resolved | None:
        if download:
            raise UsageError("no network")
        return None

    outcome = bench.ask(Answering(), "10", resolve=resolve)
    status: Status = "unavailable"
    assert [(each.status, each.error) for each in outcome.readings] == [(status, "no network")]
    assert outcome.exit_code == 1


def test_a_font_that_was_trained_on_is_a_file_of_ones_own() -> None:
    data = DataIdentity(name="f.bdf", sha256="ab" * 32)
    cell = a_cell(task="ocr:font=abababababab:letters=abe", data=data)
    assert questions.own_corpus(cell)
    assert questions.request(cell, {"ab" * 32: "/home/f.bdf"}) == Request("/home/f.bdf", "drawn", "font")
    assert questions.request(a_cell(task="ocr"), {}) is None
