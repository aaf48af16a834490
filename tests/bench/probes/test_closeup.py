"""Chosen steps of a sequence: which they are, what stands there, and what gates and attention do there."""

from __future__ import annotations

import pytest
import torch

from bench.probes import as_record
from bench.probes.as_record import QUERIES
from bench.probes.closeup import CREDITED, FIRST, LAST, chosen, closeup
from models.gru import GRU
from models.lstm import LSTM
from models.rnn import RNN
from models.transformer import Transformer
from tasks.adding import Adding
from tasks.copying import Copying
from tasks.running_average import RunningAverage


def test_the_first_the_last_and_the_credited_steps_are_chosen():
    task = Adding(1000, seed=0)
    batch = task.probe_batch(1)
    steps = chosen(task, batch)
    marked = task.credit(batch)[0].nonzero()[:, 0].tolist()
    assert steps == sorted({*range(FIRST), *range(1000 - LAST, 1000), *marked})
    assert len(marked) == 2 <= CREDITED


def test_of_a_short_sequence_every_step_is_chosen():
    task = RunningAverage(10, seed=0)
    assert chosen(task, task.probe_batch(1)) == list(range(10))


@pytest.mark.parametrize("length", [100, 1000])
def test_copying_shows_what_is_to_be_remembered_and_every_answer(length):
    task = Copying(length, seed=0)
    batch = task.probe_batch(1)
    model = Transformer(task.spec, hidden=8, blocks=1, heads=2)
    shown = closeup(model, task, batch)
    assert set(range(10)) | set(range(batch.steps - 10, batch.steps)) <= set(shown.steps)
    assert shown.answered == tuple(range(batch.steps - QUERIES, batch.steps))
    at = {step: place for place, step in enumerate(shown.steps)}
    (asked,) = [row for name, row in shown.symbols.items() if name == "target"]
    (read,) = [row for name, row in shown.symbols.items() if name != "target"]
    assert [asked[at[step]] for step in shown.answered] == list(read[:10])
    weights = model.pictures(model.embedding(batch.inputs), batch.reads)["attention"][0]
    for head in range(2):
        expected = (10_000 * weights[head][:, list(shown.steps)]).round().int().tolist()
        assert [list(row) for row in shown.attention[f"attention.{head}"]] == expected
    assert not shown.gates


def test_gates_are_those_of_the_chosen_steps():
    task = Adding(100, seed=0)
    batch = task.probe_batch(2)
    model = LSTM(task.spec, hidden=12)
    shown = closeup(model, task, batch)
    gates = model.pictures(model.embedding(batch.inputs), batch.reads)
    assert set(shown.gates) == set(gates) == {"input", "forget", "output"}
    expected = (10_000 * gates["forget"][0, list(shown.steps), :8].T).round().int().tolist()
    assert [list(row) for row in shown.gates["forget"]] == expected


def test_a_model_that_shows_nothing_has_none():
    task = Adding(10, seed=0)
    assert closeup(RNN(task.spec, hidden=4), task, task.probe_batch(1)) is None


def test_a_space_is_a_symbol_to_be_seen(monkeypatch):
    task = Copying(10, seed=0)
    monkeypatch.setattr(task, "notation", task.notation._replace(inputs=[" ", "\n", *"abcdefgh"]), raising=False)
    shown = closeup(GRU(task.spec, hidden=4), task, task.probe_batch(1))
    words = {word for row in shown.symbols.values() for word in row}
    assert {"␣", "⏎"} <= words
    assert "" not in words


def test_even_weights_are_written_finer_and_strong_ones_are_not():
    task = Adding(400, seed=0)
    model = Transformer(task.spec, hidden=8, blocks=1)
    torch.nn.init.zeros_(model.body.blocks[0].query.weight)
    torch.nn.init.zeros_(model.body.blocks[0].far.rate)
    (even,) = as_record.pictures(model, task.probe_batch(1))
    assert {value for row in even.rows for value in row} == {0}
    assert {value for row in even.finer for value in row} == {25}  # 1/400
    with torch.no_grad():
        model.body.blocks[0].far.rate.fill_(3.0)
    (strong,) = as_record.pictures(model, task.probe_batch(1))
    assert max(value for row in strong.rows for value in row) >= 10
    assert strong.finer == ()


def test_of_very_long_sequences_only_the_last_answers_are_asked_for(monkeypatch):
    task = RunningAverage(50, seed=0)
    model = Transformer(task.spec, hidden=8, blocks=1)
    batch = task.probe_batch(1)
    whole = as_record.inside(model, batch)["attention"]
    monkeypatch.setattr(as_record, "WEIGHTS", 50 * 50 - 1)
    last = as_record.inside(model, batch)["attention"]
    assert (whole.size(2), last.size(2)) == (50, QUERIES)
    torch.testing.assert_close(last, whole[:, :, -QUERIES:])
