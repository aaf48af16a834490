"""Translation: numbers in words to digits, without alignment; or pairs of phrases of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Generator, Tensor
from torch.utils.data import Dataset

from tasks.base import (
    Batch,
    Column,
    Continuation,
    Data,
    Notation,
    Replacement,
    Spec,
    Split,
    SyntheticTask,
    Tokens,
    choose,
)
from tasks.corpora.resolving import files, resolve
from tasks.phrases import numbers
from tasks.phrases.pairs import Numbers, OwnPairs, Pairs, Phrases

WIDTH = 16
REPLACED = 32  # words of a source, at most
SAMPLED = 3  # sources that are shown with what a model says of them


class Translation(SyntheticTask):
    """Read a phrase of T words, then say it in other symbols: `forty two , seven` is `42,7`.

    Rule: steps 0 … T−1 are the source, numbers from 0 to 999 in words with commas between them, which fill exactly T
    tokens (how they are drawn: `tasks.phrases.numbers`). Step T is the delimiter `:`. From there on the answers are the
    numbers in digits, the commas, and the end; each is the next step's input: the right one in training, the model's
    own where it is scored. A batch ends with its longest answer; a step after the end is `_`, and not read.

    The first sequence of `Translation(4, batch_size=2).training_batch(0)`; · marks a step that is not read:

        step    0     1     2 3       4 5 6 7 8 9
        input   forty three , sixteen : 4 3 , 1 6
        target  ·     ·     · ·       4 3 , 1 6 end

    length T is the number of source tokens. The first digit depends on the first word alone and is read T steps later;
    the last digit depends on the last word alone.

    source: `reversed` gives the source from its last token to its first (Sutskever, Vinyals & Le 2014,
    arXiv:1409.3215). The first digit then follows its word by one step; the last digit, answer number a from 0, its own
    by T+a. The answer that the gradient probe follows is the one whose word is read first, at step 0.

    corpus: `numbers`, or the path of a file with a source, a tab and a target in each line, in words between spaces.
    Lines in order, index mod 10: 8 validates, 9 tests. A source of fewer than T words begins late, behind `_`; one of
    more is refused. The vocabulary is that of the whole file.

    Score (free-running accuracy, higher is better): right symbols over symbols, place by place, the end included, on
    the model's own continuation, the likeliest symbol at each step. One symbol too many makes all that follow wrong.
    Beside it `exact`, the share of wholly right answers.

    chance: the best constant transcript, the likeliest symbol at each place: of `numbers` computed from the grammar
    (.316 at T = 10, .288 at 100), of a file its training pairs' on its test pairs. best 1. Solved at .99; a file never.

    There is no exact solution here (`oracle`): what is best to say of a phrase seen in part has no short form.

    Models without a state of fixed size read the whole sequence again for every symbol that is scored: about 1.1 T
    passes, slow from T = 100 on.

    Source: Milosavljević's and the DSE 220 lecture (encoder and decoder). Numbers as the language are ours.
    """

    version = 1
    minimum_length = 1
    fallback = "numbers"

    def __init__(
        self,
        length: int,
        *,
        corpus: str = "numbers",
        source: Literal["plain", "reversed"] = "plain",
        **common: Any,
    ) -> None:
        super().__init__(length, **common)
        self.reversed = choose("Translation", "source", source, {"plain": False, "reversed": True})
        resolved = resolve(corpus, fallback="numbers", folder=self.folder)
        self.data = Data(resolved.name, resolved.sha256)
        self.generated = resolved.source == "numbers"
        self.pairs: Pairs = Numbers(length) if self.generated else OwnPairs(files(resolved)[0], resolved.sha256, length)
        self.blank = len(self.pairs.words)
        self.delimiter = self.blank + 1
        self.first_symbol = self.delimiter + 1
        said = self.pairs.symbols
        self.notation = Notation(inputs=[*self.pairs.words, "_", ":", *said], targets=said)
        self.spec = Spec(
            inputs=Tokens((Column(self.first_symbol + len(said), WIDTH),)),
            outputs=len(said),
            objective=Continuation(),
            feed=self._feed,
            steps=length + self.pairs.longest,
            delimiter=self.delimiter,
        )
        self.reach = length if self.generated and not self.reversed else None
        self.chance = self.pairs.chance
        self.best = 1.0
        self.solved_threshold = 0.99 if self.generated else None

    def lengths(self) -> Sequence[int]:
        return range(self.pairs.shortest, self.length + 1)

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        return self._batch(*self.pairs.training(generator, batch_size))

    def held_out(self, split: Split) -> Dataset[Batch]:
        held = self.pairs.held_out(split)
        return super().held_out(split) if held is None else _Held(self, held)

    def answer_steps(self, batch: Batch) -> Tensor:
        """Return the step (batch,) of the first digit, reversed of the last; of a user's pairs, of the end."""
        last = super().answer_steps(batch)
        if not self.generated:
            return last
        return last - 1 if self.reversed else torch.full_like(last, self.length)

    def credit(self, batch: Batch) -> Tensor | None:
        """Return the credit (batch, time): on the word at step 0, which alone decides the digit. None of own pairs.

        A row in which it is `hundred`, reversed, has none, because no other word could stand there.
        """
        if not self.generated:
            return None
        credit = torch.zeros(batch.reads.mask.shape)
        credit[:, 0] = (batch.inputs[:, 0, 0] < numbers.HUNDRED).float().cpu()
        return credit

    def counterfactuals(self, batch: Batch) -> list[Replacement] | None:
        """Replace 32 number words of the source at most, evenly spread, the first among them, so that it stays legal
        and its digits change. None of a user's pairs."""
        if not self.generated:
            return None
        source = batch.inputs[:, : self.length, 0]
        words = source < numbers.HUNDRED
        count = words.sum(1)
        replacements = []
        for share in torch.linspace(0, 1, min(REPLACED, int(count.max()))).tolist():
            number = 1 + (share * (count - 1)).round().long()
            place = (words & (words.cumsum(1) == number[:, None])).int().argmax(1, keepdim=True)
            new = self._other(source.gather(1, place), place)
            replacements.append(Replacement(place[:, 0], batch.inputs.scatter(1, place[..., None], new[..., None])))
        return replacements

    def sample(self, model: Any) -> str:
        """Return three validation sources, what the model says of each, and what is right: `seven : 7 (7)`."""
        batch = self.probe_batch(SAMPLED).to(model.device)
        training = model.training
        model.eval()
        with torch.no_grad():
            said = model.generate(batch, self._feed, self.pairs.longest).argmax(-1)
        model.train(training)
        right = batch.reads.unpick(batch.targets + 1)[:, self.length :] - 1
        lines = []
        for source, own, true in zip(batch.inputs[:, : self.length, 0].tolist(), said, right, strict=True):
            words = " ".join(self.pairs.words[word] for word in source if word < self.blank)
            lines.append(f"{words} : {self._told(own)} ({self._told(true)})")
        return "\n".join(lines)

    def _told(self, symbols: Tensor) -> str:
        """Notation (longest,) up to the end, as text."""
        names = [self.pairs.symbols[symbol] for symbol in symbols.tolist()]
        return ("" if self.generated else " ").join(names[: names.index("end")] if "end" in names else names)

    def _other(self, word: Tensor, place: Tensor) -> Tensor:
        """Another legal word than the one at each place, with another digit first and another digit last."""
        ones = torch.where(word % 10 == 2, 3, 2)  # for zero, ten … nineteen
        ones = torch.where((word > 0) & (word < 10), word % 9 + 1, ones)
        tens = numbers.FIRST_TENS + (word - numbers.FIRST_TENS + 1) % len(numbers.TENS)
        final = (place == 0) & self.reversed  # of its number; elsewhere ones may follow the tens
        return torch.where(word < numbers.FIRST_TENS, ones, torch.where(final, 2, tens))

    def _batch(self, sources: Tensor, symbols: Tensor) -> Batch:
        """sources (batch, T) and symbols (batch, longest), both with −1 where there is none."""
        sources = torch.where(sources < 0, self.blank, sources)
        if self.reversed:
            sources = sources.flip(1)
        reads = symbols >= 0
        said = torch.where(reads, self.first_symbol + symbols, self.blank)[:, :-1]
        said = torch.where(reads[:, 1:], said, self.blank)
        between = torch.full_like(sources[:, :1], self.delimiter)
        inputs = torch.cat([sources, between, said], dim=1)
        mask = torch.cat([torch.zeros_like(sources, dtype=torch.bool), reads], dim=1)
        return Batch(inputs[..., None], symbols[reads], mask)

    def _feed(self, answer: Tensor, following: Tensor | None) -> Tensor:
        return self.first_symbol + answer.argmax(-1, keepdim=True)


class _Held(Dataset[Batch]):
    """The pairs of one split of a user's file, in batches of a synthetic task's size."""

    def __init__(self, task: Translation, phrases: Phrases) -> None:
        self.task = task
        self.sources, self.symbols = (part.split(task.held_out_batch_size) for part in phrases)

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> Batch:
        return self.task._batch(self.sources[index], self.symbols[index])
