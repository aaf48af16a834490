"""The next character of real text, when only the last `length` characters may be read.

Rule (T = 4, H = 2; the window whose last outputs score the held-out characters "l" and "d"):

    step      0  1  2  3
    input     w  o  r  l
    target    o  r  l  d
    read            x  x          "l" is predicted from 3 characters, "d" from 4
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal, final

import torch
from torch import Tensor
from torch.utils.data import Dataset

from tasks.base import Batch, Column, Data, NextToken, Notation, Reads, Spec, Split, Task, Tokens, generator
from tasks.base.context import scores_by_context, windows_of
from tasks.base.objectives import log_frequencies
from tasks.characters.text import SCORED, Scored, read_text, reference
from tasks.corpora.resolving import CorpusError, resolve

EMBEDDING = 32
EVALUATION_TOKENS = 32_000
SAMPLE_CHARACTERS = 300
SAMPLE_CONTEXT = 100
RUNS, RUN = 20, 50  # context use is measured on 20 runs of 50 consecutive characters


@final
class CharLM(Task):
    """Character-level language modelling, with a context of exactly `length` characters.

    Text: the first 90 % train, the next 5 % validate, the last 5 % test (tiny Shakespeare, the default: 1,003,854,
    55,770 and 55,770 characters). Of a longer text each held-out part is cut to its first 55,770 characters. The
    vocabulary is every character of the corpus.

    Rule: at each step the next character is to be said, from those before it.

    length T: the context. Training reads random windows of T characters and learns from all T outputs. A step reads
    about 3,200 characters at every T (round(3200 / T) windows unless `batch_size` says otherwise), so that lengths
    differ in context and not in the amount of text.

    Score: bits per held-out character, lower is better. chance: the unigram, by the frequencies of the training
    text. Skill 1: the best modified Kneser–Ney n-gram of orders 2 to 7; both are computed on the scored test
    characters. A model that beats every n-gram has a skill above 1; the task is never solved.

    evaluation:
      windows: H = max(1, ⌊T/2⌋). Every held-out character is scored exactly once, from T−H+1 … T characters, and
        these characters are the same at every T. For b = first, first + H, … the input is the T characters that end
        just before character b+H−1; its last H outputs score b … b+H−1 (outputs past the end are not read). A
        context may reach to the left over the border of its part. The state starts at zero in each window.
      blocks: nanoGPT's way (karpathy/nanoGPT, train.py, `estimate_loss`): only a training part (90 %) and a held-out
        part (the last 10 %, cut to its first 111,540 characters), the text cut in blocks of T, the loss averaged
        over all T outputs of a block, so that its first character is predicted from 1 character and its last from
        T. nanoGPT draws the blocks at random; here they are disjoint, consecutive and complete, which estimates the
        same mean without the error of drawing. Validation and test are then the same characters, as there: a score
        picked by validation is slightly optimistic. The first held-out character is never scored.

    Source: Hanna's lecture (a character language model); tiny Shakespeare: karpathy/char-rnn.

    Raises:
        CorpusError: see `tasks.corpora.resolving`; a text below 1,000 characters; a text that no n-gram predicts
            better than the unigram.
        ValueError: the text is too short for this length; an unknown `evaluation`.
    """

    version = 2
    minimum_length = 1
    tokens_per_step = 3200
    fallback = "python"
    context_tolerance = 0.014427  # .01 nats, in bits

    def __init__(
        self,
        length: int,
        *,
        corpus: str = "shakespeare",
        evaluation: Literal["windows", "blocks"] = "windows",
        **common: Any,
    ) -> None:
        if common.get("batch_size") is None:
            common["batch_size"] = max(1, round(self.tokens_per_step / max(1, length)))
        super().__init__(length, **common)
        resolved = resolve(corpus, fallback="python", folder=self.folder)
        if resolved.note:
            warnings.warn(f"CharLM: {resolved.note}; using corpus {resolved.name!r}", stacklevel=2)
        self._text = read_text(resolved)
        if length > self._text.longest:
            raise ValueError(
                f"CharLM: length {length} is more than {resolved.name} can serve: at most {self._text.longest} "
                f"({self._text.train} characters to train on). Ask for shorter lengths or a longer corpus."
            )
        if evaluation not in SCORED:
            raise ValueError(f"CharLM: evaluation must be one of {', '.join(SCORED)}, got {evaluation!r}")
        self._scored = SCORED[evaluation](self._text, length)
        self._reads: dict[tuple[int, int, int, int], Reads] = {}

        self.notation = Notation(inputs=self._text.characters, targets=self._text.characters)
        vocabulary = len(self._text.characters)
        prior = log_frequencies(self._text.ids[: self._text.train], vocabulary)
        self.spec = Spec(Tokens((Column(vocabulary, EMBEDDING),)), vocabulary, NextToken(), prior=prior, steps=length)
        self.data = Data(resolved.name, resolved.sha256)
        self.solved_threshold = None
        known = reference(self._text, self._scored["test"].first, self._scored["test"].stop)
        self.chance = known.unigram
        self.best = min(known.orders.values())
        if self.best >= self.chance:
            raise CorpusError(
                f"CharLM: no n-gram predicts {resolved.name} better than its character frequencies do, so no skill can "
                f"be measured on it. Give a longer text, or one with structure."
            )
        self.floors = {_NAMES.get(order, f"{order}-gram"): bits for order, bits in known.orders.items()}

    def training_batch(self, step: int) -> Batch:
        """Draw `batch_size` windows (batch, T, 1) at random places of the training text, read everywhere."""
        places = self._text.train - self.length  # the last target must lie in the training text too
        starts = torch.randint(places, (self.batch_size,), generator=generator(self.seed, "char_lm", "train", step))
        return self._batch(starts, 0, self.length * self.batch_size)

    def held_out(self, split: Split) -> Dataset[Batch]:
        return _HeldOut(self._scored[split], self.length, self._batch)

    def context_use(self, model: torch.nn.Module) -> list[tuple[int, float]]:
        """Return (c, bits per character) on 1,000 test characters: 20 runs of 50, evenly spaced over the test part."""
        part = self._scored["test"]
        runs = torch.arange(part.first, part.stop - RUN + 1, max(RUN, (part.stop - part.first) // RUNS))[:RUNS]
        steps = (runs[:, None] + torch.arange(RUN)).flatten() - 1  # a character is predicted at the one before it
        number = torch.arange(RUN).repeat(len(runs))

        def windows(context: int) -> Iterator[Batch]:
            starts, wanted = windows_of(steps, number, torch.zeros_like(steps), context)
            rows = max(1, EVALUATION_TOKENS // context)
            for start, mask in zip(starts.split(rows), wanted.split(rows), strict=True):
                window = self._text.ids[start[:, None] + torch.arange(context + 1)].long()
                yield Batch(window[:, :-1, None], window[:, 1:][mask], mask)

        return scores_by_context(model, self.spec.objective, self.length, windows)

    def sample(self, model: Any) -> str:
        """Draw 300 characters from the model's own predictions (temperature 1), after a line break.

        Each draw reads the last min(T, 100) characters at most. This bounds the cost, and shows a model of a longer
        context below its best.
        """
        written = [max(0, self._text.characters.find("\n"))]
        random = generator(0, "char_lm", "sample")
        device = next(model.parameters(), torch.zeros(())).device

        def draw(logits: Tensor, following: Tensor | None) -> Tensor:
            drawn = torch.multinomial(logits[0].float().softmax(0).cpu(), 1, generator=random)
            written.append(int(drawn))
            return drawn[None].to(device)

        training = model.training
        model.eval()
        with torch.no_grad():
            while len(written) <= SAMPLE_CHARACTERS:
                context = torch.tensor(written[-min(self.length, SAMPLE_CONTEXT) :])[None, :, None]
                last = Batch(context, context[:, -1, 0], self._read(1, context.size(1), context.size(1) - 1, 1))
                model.generate(last.to(device), draw, 1)
        model.train(training)
        return "".join(self._text.characters[i] for i in written[1:])

    def _batch(self, starts: Tensor, unread: int, reads: int) -> Batch:
        """The windows of T characters from `starts` on, read from step `unread` on, at most `reads` in all."""
        places = (starts[:, None] + torch.arange(self.length + 1)).clamp_(max=len(self._text.ids) - 1)
        window = self._text.ids[places].long()  # (batch, T + 1); what lies past the text is not read
        targets = window[:, 1 + unread :].reshape(-1)[:reads]
        return Batch(window[:, :-1, None], targets, self._read(len(starts), self.length, unread, reads))

    def _read(self, batch: int, length: int, unread: int, reads: int) -> Reads:
        """Read from step `unread` on, the last window only until `reads` are reached; made once for each shape."""
        key = (batch, length, unread, reads)
        if key not in self._reads:
            mask = torch.zeros(batch, length, dtype=torch.bool)
            mask[:, unread:] = (torch.arange(batch * (length - unread)) < reads).view(batch, -1)
            self._reads[key] = Reads(mask)
        return self._reads[key]


_NAMES = {2: "bigram", 3: "trigram"}


class _HeldOut(Dataset[Batch]):
    """All windows that score a part, in order, in batches of about EVALUATION_TOKENS characters."""

    def __init__(self, scored: Scored, length: int, batch: Callable[[Tensor, int, int], Batch]) -> None:
        """batch: (starts, first step read, number of reads) -> Batch."""
        self.scored, self.length, self.batch = scored, length, batch
        self.rows = max(1, EVALUATION_TOKENS // length)
        self.windows = math.ceil((scored.stop - scored.first) / scored.hop)

    def __len__(self) -> int:
        return math.ceil(self.windows / self.rows)

    def __getitem__(self, index: int) -> Batch:
        if not 0 <= index < len(self):
            raise IndexError(index)
        hop = self.scored.hop
        window = torch.arange(index * self.rows, min(self.windows, (index + 1) * self.rows))
        scores = self.scored.first + window * hop  # the first character that each window scores
        reads = min(len(window) * hop, self.scored.stop - int(scores[0]))
        return self.batch(scores + hop - 1 - self.length, self.length - hop, reads)
