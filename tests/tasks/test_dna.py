from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch.nn.functional import one_hot

from tasks.base import Batch, Evaluation, generator
from tasks.dna import DNA
from tests.support.examples_in_columns import columns

LATER = 5
LETTERS = "OPpEe"


def many(task: DNA, count: int = 2000) -> Batch:
    return task.draw(generator(0, "many", task.length), count)


def strings(batch: Batch) -> list[str]:
    return ["".join("ACGT"[base] for base in row) for row in batch.inputs[..., 0].tolist()]


def tags(batch: Batch) -> list[str]:
    return ["".join(LETTERS[tag] for tag in row) for row in batch.targets[:, 0].view(len(batch), -1).tolist()]


def parse(bases: str, length: int, upstream: bool = True) -> str:
    """The tags that the grammar gives, written out; with `upstream` false every intact box is taken for a promoter."""
    found = ["O"] * (len(bases) - LATER)
    for place in (match.start() for match in re.finditer("(?=TATAAT)", bases)):
        if upstream and (place < length or bases[place - length :][:6] != "TTGACA"):
            continue
        exon = re.compile("[CT]{4,8}(ATG(?:[ACG]{3}){1,4}TAA)").match(bases, place + 6)
        if exon:
            found[place : place + 6] = "Pppppp"
            found[exon.start(1) : exon.end(1)] = "E" + "e" * (len(exon[1]) - 1)
    return "".join(found)


def evaluate(task: DNA, batch: Batch, said: list[str]) -> Evaluation:
    metric = task.spec.objective.metric()
    ids = torch.tensor([[LETTERS.index(tag) for tag in row] for row in said]).flatten()
    metric.update(one_hot(ids, 5).float(), batch)
    found: Any = metric.compute()
    assert isinstance(found, Evaluation)
    return found


def test_the_docstrings_example() -> None:
    rows, batch = columns(DNA.__doc__), DNA(8).training_batch(0)
    assert rows["bases"] == [strings(batch)[11]]
    assert rows["tags"] == ["·" * LATER + tags(batch)[11]]
    assert batch.reads.mask[11].tolist() == [tag != "·" for tag in rows["tags"][0]]


@pytest.mark.parametrize("length", [6, 7, 30])
def test_a_parser_of_the_grammar_makes_no_mistake(length: int) -> None:
    task = DNA(length)
    batch = many(task)
    found = evaluate(task, batch, [parse(bases, length) for bases in strings(batch)])
    assert found.score == task.best == 1
    assert found.n == 2 * sum("P" in row for row in tags(batch))
    assert found.extras["recall_far"] == 1
    shares = [sum("P" in row for row in tags(batch)) / 2000]
    assert shares[0] == pytest.approx(1 / 4, abs=4 * (3 / 16 / 2000) ** 0.5)


@pytest.mark.parametrize("length", [6, 40])
def test_without_the_upstream_element_chance_is_the_best(length: int) -> None:
    task = DNA(length)
    batch = many(task, 4000)
    everything = [parse(bases, length, upstream=False) for bases in strings(batch)]
    assert evaluate(task, batch, everything).score == pytest.approx(task.chance, abs=0.02)
    for share in (0.25, 0.5, 0.75):
        some = [row if number % 100 < 100 * share else "O" * len(row) for number, row in enumerate(everything)]
        assert evaluate(task, batch, some).score == pytest.approx(share / (share + 0.5), abs=0.03)


def test_motifs_are_intact_or_wrong_in_one_base() -> None:
    """Each of the six places alike, each of the three other bases alike."""
    task = DNA(12)
    batch = many(task, 4000)
    wrong: dict[str, list[tuple[int, str]]] = {"TTGACA": [], "TATAAT": []}
    for bases, step in zip(strings(batch), task.answer_steps(batch).tolist(), strict=True):
        box = step - LATER
        for motif, first in (("TTGACA", box - 12), ("TATAAT", box)):
            assert first >= 0
            differ = [(i, bases[first + i]) for i in range(6) if bases[first + i] != motif[i]]
            assert len(differ) <= 1
            wrong[motif] += differ
    for differences in wrong.values():
        assert len(differences) == pytest.approx(2000, abs=130)
        kinds = {kind: differences.count(kind) for kind in differences}
        assert len(kinds) == 18
        # Chi-squared with 17 degrees of freedom: 40.8 is its 99.9th percentile.
        expected = len(differences) / 18
        assert sum((count - expected) ** 2 / expected for count in kinds.values()) < 40.8


def test_credit_counterfactuals_and_reach() -> None:
    task = DNA(9)
    batch = task.probe_batch(64)
    steps = task.answer_steps(batch).tolist()
    for row, step in enumerate(steps):
        box = step - LATER
        assert task.credit(batch)[row].nonzero()[:, 0].tolist() == [*range(box - 9, box - 3), *range(box, box + 6)]
    assert task.reach == 9
    intact = [row for row, bases in enumerate(strings(batch)) if "P" in parse(bases, 9)]
    assert intact
    replaced = task.counterfactuals(batch)
    assert len(replaced) == 12
    for _, inputs in replaced:
        found = strings(Batch(inputs, batch.targets, batch.reads))
        assert not any("P" in parse(found[row], 9) for row in intact)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^DNA: length must be at least 6, got 5$"):
        DNA(5)
