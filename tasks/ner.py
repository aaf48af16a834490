"""The ner task: named entities of whole documents, tagged token by token through a window."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from tasks.base import Batch, Data, Replacement, Spec, Split, Task, Tokens, first_sequences, generator
from tasks.base.context import scores_by_context
from tasks.corpora.conll import READERS, read_conll
from tasks.corpora.resolving import files, resolve
from tasks.entities.spans import SpanTagging
from tasks.entities.texts import GeneratedText, RealText, Text, load
from tasks.entities.vocabulary import COLUMNS

SCORED = 3000  # tokens that context use is measured on: about 190 spans of litbank


class NER(Task):
    """Tag every token of a document as outside, at the beginning of or inside an entity of a type.

    Rule: a window of tokens is read from left to right, and the tag of token i is read r = `lookahead` steps later,
    after token i+r (a strictly causal tagger cannot see where a name ends). In columns, with T = 8 and r = 3:

        step        0         1      2        3      4         5      6      7
        token       Chancery  London .        Michaelmas term  lately over   ,
        tag read    ·         ·      ·        B-FAC  B-GPE     O      O      O
        of token                              0      1         2      3      4

    (· is not read.) Windows never cross documents; past a document's end they are padded, all ids 0.

    length T is the window in tokens. Training reads random windows of training documents, every position p ≥ r that
    emits a tag. Held-out documents are read in overlapping windows that score every token once and in order: with
    H = max(1, ⌊(T−r)/2⌋) the first scores its T−r tokens, each later one the next H, each with T−r−H tokens or more to
    its left. Tags are stitched per document and spans decoded on the whole document, so that the gold spans are the
    same at every T. Of each token a model reads three ids: its lower-cased word, last three letters and shape.

    corpus: `litbank` (100 openings of English novels), `wnut17` (sentences of at most 105 tokens: not long-range),
    `wikigold` (145 articles), `generated` (documents whose every mention hangs on one cue D = T−r−H−1 tokens back, see
    `tasks.entities.generated`; needs T ≥ r+5), or the path of a file in CoNLL columns. Documents in order, index mod
    10: 8 validates, 9 tests; wnut17 has its own splits.

    Score: span F1, strict (a span counts with both its ends and its type), higher is better; never token accuracy
    (tagging nothing at all is right on 92.6 % of wnut17's test tokens). chance: 0, tagging nothing; for `generated`
    .625, tagging every mention without memory. best: 1. Solved: a real corpus never; `generated`, whose Bayes score
    is 1, at .99. Floor `gazetteer` (real corpora): a dictionary of the training entities, see
    `tasks.entities.gazetteer`.

    Raises:
        ValueError: a length too small for the look-ahead or above the longest document; a malformed corpus.
        CorpusError: no such corpus; see `tasks.corpora.resolving.resolve`.
    """

    version = 2
    minimum_length = 4
    tokens_per_step: ClassVar[int] = 3200
    fallback = "generated"

    def __init__(self, length: int, *, corpus: str = "litbank", lookahead: int = 3, **common: Any) -> None:
        common.setdefault("batch_size", max(1, round(self.tokens_per_step / max(1, length))))
        super().__init__(length, **common)
        if lookahead < 0:
            raise ValueError(f"NER: lookahead must be at least 0, got {lookahead}")
        resolved = resolve(corpus, fallback="generated", folder=self.folder)
        if resolved.note:
            warnings.warn(f"NER: {resolved.note}; using corpus {resolved.name!r}", stacklevel=2)
        self.data = Data(resolved.name, resolved.sha256)
        self.lookahead = lookahead
        self.text: Text
        if resolved.source == "generated":
            self.text = GeneratedText(length, lookahead)
        else:
            reader = READERS.get(resolved.source, read_conll)
            loaded = load(reader, tuple(files(resolved)), resolved.sha256)
            self.text = RealText(loaded, length, lookahead, resolved.name)
        self.chance = self.text.chance
        self.best = 1.0
        self.solved_threshold = self.text.solved_threshold
        self.floors = dict(self.text.floors)
        self.reach = self.text.reach
        self.spec = Spec(
            inputs=Tokens(COLUMNS, self.text.symbols),
            outputs=1 + 2 * len(self.text.types),
            objective=SpanTagging(),
            look_ahead=True,
            predict=self.text.predict,
            prior=self.text.prior,
            steps=length,
        )
        self._held_out: dict[Split, _Batches] = {}

    def training_batch(self, step: int) -> Batch:
        """Draw `batch_size` random windows of training documents."""
        return self.text.training_batch(self.batch_size, generator(self.seed, "train", step))

    def held_out(self, split: Split) -> Dataset[Batch]:
        """Return every window of every held-out document, in order; laid out once and kept."""
        if split not in self._held_out:
            self._held_out[split] = _Batches(self.text.windows(split).held_out())
        return self._held_out[split]

    def answer_steps(self, batch: Batch) -> Tensor:
        """Return the step (batch,) at which the tag of each sequence's last mention token is read; the last read step
        of a sequence without one."""
        mentions = _mentions(batch)
        return torch.where(mentions.any(1), _last(mentions), super().answer_steps(batch))

    def probe_batch(self, sequences: int) -> Batch:
        """Return the first validation windows in which a mention is read; any windows where there is none."""
        mentioning = map(_with_mention, self.val_dataloader())
        mentions = first_sequences(mentioning, sequences)
        return mentions if len(mentions) else super().probe_batch(sequences)

    def context_use(self, model: torch.nn.Module) -> list[tuple[int, float]]:
        """Return (c, span F1) over the first 3,000 tokens of the test documents (the last document is cut there)."""
        windows = self.text.windows("test")
        return scores_by_context(model, self.spec.objective, self.length, lambda context: windows.cut(context, SCORED))

    def credit(self, batch: Batch) -> Tensor | None:
        """Return the credit (batch, time) of `generated`: 1 on the cue of the last mention read; all 0 in rows where no
        mention is read, or whose cue lies before the window. None for real corpora."""
        if self.text.cues is None:
            return None
        steps = torch.arange(batch.steps)
        mention = _last(_mentions(batch)) - self.lookahead
        # The cues and mentions of a document alternate, so the last cue before a mention is its own.
        cues = _is_cue(batch, self.text.cues) & (steps < mention[:, None])
        return (cues & (steps == _last(cues)[:, None])).float()

    def counterfactuals(self, batch: Batch) -> list[Replacement] | None:
        """Replace each cue of `generated` in turn by the cue of the next type. None for real corpora.

        A sequence with fewer cues than another has its last cue replaced again; a sequence without cues stays as it is.
        """
        if self.text.cues is None:
            return None
        legal = self.text.cues.to(batch.inputs.device)
        cues = _is_cue(batch, self.text.cues)
        rows = torch.arange(len(cues), device=cues.device)
        replacements = []
        for number in range(1, int(cues.sum(1).max()) + 1):
            position = _last(cues & (cues.cumsum(1) <= number)).clamp(min=0)
            old = batch.inputs[rows, position]
            matches = (old[:, None] == legal).all(-1)
            new = torch.where(matches.any(1)[:, None], legal.roll(-1, 0)[matches.int().argmax(1)], old)
            inputs = batch.inputs.clone()
            inputs[rows, position] = new
            replacements.append(Replacement(position, inputs))
        return replacements


def _mentions(batch: Batch) -> Tensor:
    """Where a tag other than O is read (batch, time)."""
    return batch.reads.unpick(batch.targets[:, 0] > 0)


def _with_mention(batch: Batch) -> Batch:
    """The sequences of a batch in which a mention is read."""
    return batch.select(_mentions(batch).any(1))


def _is_cue(batch: Batch, cues: Tensor) -> Tensor:
    """Which inputs are cues (batch, time); cues (types, columns)."""
    return (batch.inputs[:, :, None] == cues.to(batch.inputs.device)).all(-1).any(-1)


def _last(marks: Tensor) -> Tensor:
    """The last step at which each row of marks (batch, time) is true; −1 where none is."""
    return (marks * torch.arange(1, marks.size(1) + 1, device=marks.device)).amax(1) - 1


class _Batches(Dataset[Batch]):
    """A held-out set, batch by batch."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Batch:
        return self.batches[index]
