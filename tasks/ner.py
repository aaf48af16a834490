"""The ner task: named entities of whole documents, tagged token by token through a window."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from torch import Tensor

from tasks.base import Batch, Data, Notation, Spec, Tokens
from tasks.corpora.conll import READERS, read_conll
from tasks.corpora.resolving import files, resolve
from tasks.entities.spans import SpanTagging
from tasks.entities.tagging import DocumentTagging
from tasks.entities.texts import GeneratedText, RealText, load
from tasks.entities.vocabulary import COLUMNS


class NER(DocumentTagging):
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

    Source: Jumadinova's lecture (a tag per token); corpora and their papers: docs/sources.md.

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
        tags = [f"{place}-{kind}" for kind in self.text.types for place in "BI"]
        self.notation = Notation(inputs=self.text.words, targets=["O", *tags])
        self.spec = Spec(
            inputs=Tokens(COLUMNS, self.text.symbols),
            outputs=1 + 2 * len(self.text.types),
            objective=SpanTagging(),
            look_ahead=True,
            predict=self.text.predict,
            prior=self.text.prior,
            steps=length,
        )

    def marked(self, batch: Batch) -> Tensor:
        """Return where a tag other than O is read (batch, time)."""
        return batch.reads.unpick(batch.targets[:, 0] > 0)
