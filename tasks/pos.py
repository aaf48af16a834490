"""The pos task: the part of speech of every word of whole documents, tagged word by word through a window."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from tasks.base import Batch, Data, Notation, Spec, Tokens
from tasks.corpora.conllu import TAGS
from tasks.corpora.resolving import files, resolve
from tasks.entities.tagging import DocumentTagging
from tasks.entities.vocabulary import COLUMNS
from tasks.treebank.tagging import Tagging
from tasks.treebank.texts import Grammar, Treebank, load


class PartOfSpeech(DocumentTagging):
    """Tag every word of a document with its part of speech.

    Rule: a window of words is read from left to right, and the tag of word i is read r = `lookahead` steps later, after
    word i+r. Tags are the 17 of Universal Dependencies. The first window of
    `PartOfSpeech(10, corpus="grammar").training_batch(0)`; · is not read, and + marks a tag that is scored:

        step   0    1   2     3   4       5       6    7   8     9
        token  very w37 w28   w64 Word031 Word161 w32  w37 the   Word131
        tag    ·    ADV CCONJ ADP ADP     ADJ+    ADJ+ ADP CCONJ DET

    Windows, their overlap and the ids of a word are those of `ner`: every held-out word is scored once.

    length T is the window in words.

    corpus: `grammar`, generated documents in which words with four possible tags hang on one cue D = T−r−H−1 words
    back, with H = max(1, ⌊(T−r)/2⌋), or (half of them) on the word before: `the` makes a noun, `to` a verb, `very` an
    adjective, `so` an adverb (the structure is that of `tasks.entities.generated`; needs T ≥ r+5). Or the path of a
    CoNLL-U file; multi-word tokens and empty nodes are dealt with, see `tasks.corpora.conllu`.

    Score (accuracy, higher is better): right tags over scored words. Of a treebank every word is scored; of `grammar`
    only those with four tags, because all others tell theirs. chance: without context. Of a treebank, each word's most
    frequent tag in training, measured on the test part; of `grammar` 1/4, the four tags being equally frequent whatever
    the word. A model that knows the word before alone is right on half of the first words and a quarter of the others:
    a plateau. best 1. Solved: `grammar`, whose Bayes score is 1, at .99; a treebank never. Floor (treebanks): the most
    frequent tag.

    Source: Jumadinova's lecture, a tag per word; tags: Nivre et al. 2020 (Universal Dependencies v2).

    Raises:
        ValueError: a length too small for the look-ahead or above the longest document.
        CorpusError: no such file, or a malformed one; see `tasks.corpora.conllu`.
    """

    version = 1
    minimum_length = 2
    tokens_per_step: ClassVar[int] = 3200
    fallback = "grammar"

    def __init__(self, length: int, *, corpus: str = "grammar", lookahead: int = 1, **common: Any) -> None:
        common.setdefault("batch_size", max(1, round(self.tokens_per_step / max(1, length))))
        super().__init__(length, **common)
        if lookahead < 0:
            raise ValueError(f"PartOfSpeech: lookahead must be at least 0, got {lookahead}")
        resolved = resolve(corpus, fallback="grammar", folder=self.folder)
        self.data = Data(resolved.name, resolved.sha256)
        self.lookahead = lookahead
        if resolved.source == "grammar":
            self.text = Grammar(length, lookahead)
        else:
            (path,) = files(resolved)
            self.text = Treebank(load(path, resolved.sha256), length, lookahead, resolved.name)
        self.chance = self.text.chance
        self.best = 1.0
        self.solved_threshold = self.text.solved_threshold
        self.floors = dict(self.text.floors)
        self.reach = self.text.reach
        self.notation = Notation(inputs=self.text.words, targets=TAGS)
        self.spec = Spec(
            inputs=Tokens(COLUMNS, self.text.symbols),
            outputs=len(TAGS),
            objective=Tagging(),
            look_ahead=True,
            predict=self.text.predict,
            prior=self.text.prior,
            steps=length,
        )

    def marked(self, batch: Batch) -> Tensor:
        """Return where the tag of a scored word is read (batch, time)."""
        return batch.reads.unpick(batch.targets[:, 2] > 0)
