"""The oracle answers exactly, has nothing to train, and says where no exact answer exists."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench import catalog
from bench.records.sweep import MODELS
from models.base import SequenceModel, count_parameters
from models.oracle import Oracle
from models.parts.control import one_hot
from models.window import Window
from tasks.adding import Adding
from tasks.base import Batch, Column, Evaluation, Features, Reads, Task, Tokens
from tasks.captioning import Captioning
from tasks.char_lm import CharLM
from tasks.copying import Copying
from tasks.dyck import Dyck
from tasks.ner import NER
from tasks.parity import Parity
from tasks.pos import PartOfSpeech
from tasks.recall import AssociativeRecall
from tasks.running_average import RunningAverage
from tasks.selective_copying import SelectiveCopying
from tasks.sentiment import Sentiment
from tasks.temporal_order import TemporalOrder

TASKS: dict[str, Task] = {
    "adding": Adding(21),
    "adding anywhere": Adding(20, marks="anywhere"),
    "adding early": Adding(20, marks="early"),
    "running_average": RunningAverage(20),
    "copying": Copying(10),
    "copying, loss=all": Copying(10, loss="all"),
    "selective_copying": SelectiveCopying(10),
    "parity": Parity(20),
    "parity, read=each": Parity(20, read="each"),
    "temporal_order": TemporalOrder(20),
    "temporal_order, relevant=three": TemporalOrder(20, relevant="three"),
    "recall": AssociativeRecall(10),
    "recall, pairs=5": AssociativeRecall(10, pairs=5, values=5),
    "dyck": Dyck(10),
    "dyck, loss=answer": Dyck(10, loss="answer"),
    "dyck, kinds=3:depth=6": Dyck(20, kinds=3, depth=6),
    "captioning": Captioning(10),
    "captioning, feed=every:scene=scattered": Captioning(10, feed="every", scene="scattered"),
    "sentiment": Sentiment(10),
    "ner": NER(12, corpus="generated"),
    "ner without look-ahead": NER(12, corpus="generated", lookahead=0),
    "pos": PartOfSpeech(12),
    "pos without look-ahead": PartOfSpeech(12, lookahead=0),
}


def evaluate(model: SequenceModel, task: Task) -> Evaluation:
    metric = task.spec.objective.metric()
    with torch.inference_mode():
        for batch in task.test_dataloader():
            metric.update(model(batch), batch)
    found = metric.compute()
    assert isinstance(found, Evaluation)
    return found


@pytest.mark.parametrize("name", TASKS)
def test_its_skill_is_one(name: str) -> None:
    task = TASKS[name]
    evaluation = evaluate(Oracle(task.spec), task)
    assert evaluation.score == pytest.approx(task.best, abs=1e-9)
    assert task.skill(evaluation.score) == pytest.approx(1, abs=1e-9)
    assert task.solved(evaluation.score)
    horizon = task.memory_horizon(evaluation.score)
    assert horizon is None or horizon == pytest.approx(task.length, abs=0.01)


@pytest.mark.parametrize("name", TASKS)
def test_it_is_the_window_that_sees_everything(name: str) -> None:
    task = TASKS[name]
    batch = task.training_batch(0)
    whole = Oracle(task.spec)(batch)
    for k in (batch.steps, 10_000):
        assert torch.allclose(Window(task.spec, k=k)(batch), whole, atol=1e-6)


@pytest.mark.parametrize("name", TASKS)
def test_it_has_nothing_to_train_whatever_is_asked_for(name: str) -> None:
    spec = TASKS[name].spec
    for options in ({}, {"hidden": 64}, {"parameters": 16_000, "learning_rate": 0.1, "clip": None}):
        model = Oracle(spec, **options)
        assert count_parameters(model) == count_parameters(model.body) == 0
        assert model.parameter_names() == []
        assert model.hidden == 0
        assert model.state_size(10) is None
        batch = TASKS[name].training_batch(0)
        assert not model.pictures(model.embedding(batch.inputs), batch.reads)


def test_its_vectors() -> None:
    features = one_hot(Features(3))
    assert (features.width, list(features.parameters())) == (3, [])
    x = torch.rand(2, 4, 3)
    assert features(x) is x
    columns = (Column(9, 2), Column(5, 4))
    for tokens, width in ((Tokens(columns), 9), (Tokens(columns, symbols=4), 4)):
        embedding = one_hot(tokens)
        assert embedding.width == width
        vectors = embedding(torch.tensor([[[3, 1], [0, 4]]]))
        assert vectors[0].argmax(-1).tolist() == [3, 0]
        assert vectors.shape == (1, 2, width)
        assert vectors.sum(-1).tolist() == [[1, 1]]
        assert not any(parameter.requires_grad for parameter in embedding.parameters())
    assert Oracle(TASKS["copying"].spec).width == 10
    assert Oracle(TASKS["ner"].spec).width == 305
    assert Oracle(TASKS["adding"].spec).width == 2


def test_no_exact_solution_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.characters.ngram.cache", lambda: tmp_path / "cache")
    text, entities = tmp_path / "own.txt", tmp_path / "own.conll"
    text.write_text("it was the best of times, " * 60)
    entities.write_text("Mr O\nPip B-PER\nsmiled O\n. O\n\n" * 40)
    for spec in (CharLM(10, corpus=str(text)).spec, NER(4, corpus=str(entities)).spec):
        assert spec.predict is None
        for control in (Oracle, Window):
            with pytest.raises(NotImplementedError, match=f"{control.__name__} .* has no exact solution"):
                control(spec)


def test_controls_are_found_and_never_run_unasked() -> None:
    assert {"oracle", "window"} <= set(catalog.names("model"))
    assert not {"oracle", "window"} & set(MODELS)
    assert catalog.card("model", "oracle").options == {}
    option = catalog.card("model", "window").options["k"]
    assert (option.kinds, option.default) == (("int",), 10)
    assert catalog.card("model", "window").load() is Window


def test_it_looks_at_inputs_in_sight_only() -> None:
    """What comes after a read step changes no answer there, but for the look-ahead of the task itself."""
    for name in ("running_average", "copying, loss=all", "ner"):
        task = TASKS[name]
        batch = task.training_batch(0)
        everywhere = Reads(torch.ones_like(batch.reads.mask))
        model = Oracle(task.spec)
        changed = batch.inputs.clone()
        changed[:, 9:] = changed[:, 9:].flip(0)
        before, after = (
            model(Batch(x, batch.targets, everywhere)).unflatten(0, batch.reads.mask.shape)[:, :9]
            for x in (batch.inputs, changed)
        )
        assert torch.equal(before, after)
