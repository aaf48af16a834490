"""What targets must be for an objective, and what a Spec, a feed and a notation must be."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tasks.base import (
    Accuracy,
    Batch,
    Column,
    Continuation,
    Features,
    FramewiseTranscription,
    Notation,
    Objective,
    Recall,
    Spec,
    Tokens,
    Transcription,
)
from tasks.base.written import words

ALL = torch.ones(2, 4, dtype=torch.bool)
LAST = torch.arange(4).expand(2, 4) == 3


def a_batch(targets: Any, mask: Any = LAST, lengths: Any = None) -> Batch:
    return Batch(
        torch.zeros(2, 4, 1), torch.as_tensor(targets), mask, None if lengths is None else torch.tensor(lengths)
    )


@pytest.mark.parametrize(
    ("objective", "batch", "said"),
    [
        (Accuracy(), a_batch([0, 2]), ""),
        (Accuracy(), a_batch([0, 3]), "targets: expected classes from 0 to 2, because outputs=3, got 0 to 3"),
        (Continuation(), a_batch([-1, 2]), "got -1 to 2"),
        (FramewiseTranscription(), a_batch([0, 3]), "expected classes from 0 to 2"),
        (Accuracy(), a_batch([0.0, 1.0]), "expected classes (reads,), whole numbers in torch.int64"),
        (Accuracy(), a_batch([[0], [1]]), "got (2, 1) torch.int64"),
        (Recall(2), a_batch([0, 1]), "reads: expected equally many of each sequence, at least the 2 that ar"),
        (Accuracy(scored=1), a_batch([0, 1, 1], LAST | (torch.arange(8).view(2, 4) == 0)), "scored, got 1 to 2"),
        (Transcription(), a_batch([[1, 2], [2, 0]], ALL, [2, 1]), ""),
        (Transcription(), a_batch([[1, 2], [2, 0]], ALL, [2, 2]), "of frames between them) from 1 to 2"),
        (Transcription(), a_batch([[1, 3], [2, 0]], ALL, [2, 1]), "because outputs=3, got 1 to 3"),
        (Transcription(), a_batch([[1, 2], [2, 0]], ALL), "lengths: expected how many symbols each transcript has"),
        (Transcription(), a_batch([[1, 2], [2, 0]], ALL, [2, 3]), "lengths: expected 0 to 2, the symbols in targets"),
        (Transcription(), a_batch([[1, 2], [2, 0]], LAST, [2, 1]), "reads: expected every step of each"),
        (Transcription(), a_batch([1, 2], ALL, [1, 1]), "targets: expected symbols (batch, longest), whole"),
        (Transcription(), a_batch([[1, 2, 1, 2], [1, 1, 0, 0]], ALL, [4, 2]), ""),
        (Transcription(), a_batch([[1, 1, 1, 0], [1, 0, 0, 0]], ALL, [3, 1]), "one of 3 symbols that needs 5"),
    ],
)  # fmt: skip
def test_targets_that_do_not_fit(objective: Objective, batch: Batch, said: str) -> None:
    fault = objective.fault(batch, 3)
    assert (said in fault) if said else not fault


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"objective": Accuracy}, "expected an Objective, as Accuracy(), got the class Accuracy"),
        ({"outputs": 0}, "outputs: expected a whole number of at least 1, got 0"),
        ({"outputs": 4.0}, "outputs: expected a whole number of at least 1, got 4.0"),
        ({"inputs": (Features(1), Tokens((Column(4, 4),)))}, "inputs: expected Features, Tokens or Mixed, got tuple"),
        ({"objective": Continuation()}, "scores a model's own continuation, so it needs feed, a func"),
    ],
)  # fmt: skip
def test_a_spec_says_what_is_wrong_with_it(values: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        Spec(**{"inputs": Features(1), "outputs": 4, "objective": Accuracy(), **values})
    assert said in str(caught.value)


def test_tokens_are_columns() -> None:
    with pytest.raises(TypeError, match=r"expected a tuple of columns, \(Column\(size=…, width=…\),\), got Column"):
        Tokens(Column(4, 4))  # type: ignore[arg-type]


def test_a_word_for_each_id() -> None:
    assert words(torch.tensor([1, 0]), Notation(targets="ab").targets) == ("b", "a")
    with pytest.raises(ValueError, match="a word for each id, got 2 words and ids from 0 to 2"):
        words(torch.tensor([0, 2]), "ab")
