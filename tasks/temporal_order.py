"""The temporal order task: in which order relevant symbols came, far apart among distractors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from tasks.base import Accuracy, Batch, Column, Notation, Replacement, Spec, SyntheticTask, Tokens, choose

DISTRACTORS = 4  # ids 0 … 3: a b c d
X, Y, START, TRIGGER = 4, 5, 6, 7  # the papers' X, Y, E and B
SYMBOLS = 8
CERTAIN = 20.0  # a logit; e^−40 is the probability of an answer that differs in one symbol

Range = tuple[int, int]  # the first and the last step at which a relevant symbol may lie


class TemporalOrder(SyntheticTask):
    """Two or three relevant symbols, X or Y, far apart among distractors; the answer is which came when.

    Rule: step 0 is E, step T−1 the trigger B. Relevant symbols, each X or Y with probability ½, lie at one step of each
    of these ranges, uniformly; every other step is a distractor, uniform over a b c d. The answer, read at the trigger,
    is the class of the sequence of relevant symbols: their binary number with X = 0 and Y = 1.

    relevant: how many there are.
    - `two`: steps ⌊T/10⌋ … ⌊T/5⌋ and ⌊T/2⌋ … ⌊3T/5⌋; the classes XX, XY, YX, YY are 0 … 3 (experiment 6a).
    - `three`: steps ⌊T/10⌋ … ⌊T/5⌋, ⌊T/3⌋ … ⌊.43T⌋ and ⌊.66T⌋ … ⌊.76T⌋; XXX … YYY are 0 … 7 (experiment 6b).

    The first sequence of `TemporalOrder(12).training_batch(0)`; · marks a step that is not read:

        step    0 1 2 3 4 5 6 7 8 9 10 11
        input   E Y b d b a X d c a  a  B
        target  · · · · · · · · · ·  ·  2

    length T is the number of steps, E and B included. The answer reaches back T−1−⌊T/10⌋ steps at most.

    Score (accuracy, higher is better): right classes over sequences.

    chance 1/4 for `two`, 1/8 for `three`: all classes are equally probable. Each relevant symbol that is known doubles
    it: a window that misses only the first of them scores 1/2, one that sees only the last of three 1/4. best 1. Solved
    at .99.

    Source: Hochreiter & Schmidhuber 1997 (Long short-term memory), section 5.6, experiments 6a and 6b. They draw the
    number of steps from 100 … 110 and the places from 10–20 and 50–60, or 10–20, 33–43 and 66–76; here T is exact and
    the ranges grow with it.
    """

    version = 1
    minimum_length = 10

    def __init__(self, length: int, *, relevant: Literal["two", "three"] = "two", **common: Any) -> None:
        super().__init__(length, **common)
        self.ranges = choose("TemporalOrder", "relevant", relevant, _RANGES)(length)
        classes = 2 ** len(self.ranges)
        self.notation = Notation(inputs="abcdXYEB")
        self.spec = Spec(
            inputs=Tokens((Column(SYMBOLS, 8),)),
            outputs=classes,
            objective=Accuracy(),
            predict=self._predict,
            steps=length,
        )
        self.reach = length - 1 - self.ranges[0][0]
        self.chance = 1 / classes
        self.best = 1.0
        self.solved_threshold = 0.99

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        inputs = torch.randint(DISTRACTORS, (batch_size, self.length), generator=generator)
        inputs[:, 0], inputs[:, -1] = START, TRIGGER
        classes = inputs.new_zeros(batch_size)
        for first, last in self.ranges:
            place = torch.randint(first, last + 1, (batch_size, 1), generator=generator)
            symbol = torch.randint(X, Y + 1, (batch_size, 1), generator=generator)
            inputs.scatter_(1, place, symbol)
            classes = 2 * classes + (symbol[:, 0] == Y)
        return Batch(inputs.unsqueeze(-1), classes, self.read_last(batch_size, self.length, 1))

    def credit(self, batch: Batch) -> Tensor:
        """Return the credit (batch, time): the same on each relevant symbol."""
        return _relevant(batch.inputs[..., 0]).float().cpu()

    def counterfactuals(self, batch: Batch) -> list[Replacement]:
        """Replace each relevant symbol in turn: X by Y, Y by X."""
        places = _relevant(batch.inputs[..., 0]).nonzero()[:, 1].view(len(batch), -1)
        swapped = X + Y - batch.inputs
        return [
            Replacement(place, batch.inputs.scatter(1, at, swapped.gather(1, at)))
            for place in places.unbind(1)
            for at in [place[:, None, None]]
        ]

    def _predict(self, x: Tensor, window: int | None) -> Tensor:
        """Logits: of each class, how many of its symbols are those in sight less how many are not."""
        start = 0 if window is None else max(0, self.length - window)
        logits = x.new_zeros(len(x), self.spec.outputs)
        classes = torch.arange(self.spec.outputs, device=x.device)
        for i, (first, last) in enumerate(reversed(self.ranges)):
            seen = x[:, max(start, first) : last + 1]
            # 1 for Y, −1 for X, 0 where the symbol is out of sight.
            symbol = (seen[..., Y] - seen[..., X]).sum(1, keepdim=True)
            logits = logits + CERTAIN * symbol * (2 * (classes >> i & 1) - 1)
        return logits[:, None]


def _relevant(inputs: Tensor) -> Tensor:
    return (inputs == X) | (inputs == Y)


def _two(length: int) -> list[Range]:
    return [(length // 10, length // 5), (length // 2, 3 * length // 5)]


def _three(length: int) -> list[Range]:
    return [
        (length // 10, length // 5),
        (length // 3, 43 * length // 100),
        (66 * length // 100, 76 * length // 100),
    ]


_RANGES: dict[str, Callable[[int], list[Range]]] = {"two": _two, "three": _three}
