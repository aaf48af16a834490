"""Windows of tagged documents, with the tag of each token emitted `lookahead` tokens after it.

With length T, look-ahead r and H = max(1, ⌊(T−r)/2⌋), a held-out document of tokens 0 … n−1 is read as

    first window   tokens 0 … T−1                scores tokens 0 … T−r−1
    later windows  tokens e+r−T+1 … e+r          score tokens e−H+1 … e, the H next ones

so every token is scored once, in order; after the first window it has T−r−H tokens or more to its left. A window never
holds two documents; what lies past a document's end is padding (all ids 0), and past its last tag nothing is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from tasks.base import Batch, Reads
from tasks.base.context import windows_of

HELD_OUT_TOKENS = 32_768
_NOTHING = -1


class Encoded(NamedTuple):
    """Documents end to end: ids (tokens, columns), tags and groups (tokens,), lengths (documents,)."""

    ids: Tensor
    tags: Tensor
    groups: Tensor
    lengths: Tensor


def hop(length: int, lookahead: int) -> int:
    """Return H, how many tokens each window but the first scores."""
    return max(1, (length - lookahead) // 2)


class Windows:
    """Encoded documents laid out with room behind each, so that a window is one gather."""

    def __init__(self, documents: Encoded, length: int, lookahead: int) -> None:
        """length: T, the tokens of a window; lookahead: r < T."""
        self.length, self.lookahead = length, lookahead
        self.hop = hop(length, lookahead)
        lengths = documents.lengths
        self.lengths = lengths
        room = lengths + length
        self.first = room.cumsum(0) - room
        index = torch.repeat_interleave(lengths)
        place = torch.arange(len(index)) + (self.first - (lengths.cumsum(0) - lengths))[index]
        self.ids = documents.ids.new_zeros((int(room.sum()), documents.ids.size(1)))
        self.ids[place] = documents.ids
        # What is emitted at each position: the tag, document and group of the token `lookahead` positions before it.
        self.targets = torch.full((len(self.ids), 3), _NOTHING)
        self.targets[place + lookahead] = torch.stack([documents.tags, index, documents.groups], dim=1)
        # A document offers one window per start, the last one emitting its last tag at the window's last position.
        self.offers = (lengths + lookahead - length).clamp(min=0) + 1
        self.offered = self.offers.cumsum(0)

    def random(self, count: int, rng: torch.Generator) -> Batch:
        """Draw `count` windows uniformly from all; every position p ≥ r that emits a tag is read."""
        drawn = torch.randint(int(self.offered[-1]), (count,), generator=rng)
        document = torch.searchsorted(self.offered, drawn, right=True)
        start = drawn - (self.offered - self.offers)[document]
        return self._batch(self.first[document] + start, _from(count, self.length, self.lookahead))

    def held_out(self, tokens: int = HELD_OUT_TOKENS) -> list[Batch]:
        """Return every window of every document, in order, in batches of about `tokens` tokens."""
        length, lookahead = self.length, self.lookahead
        later = (self.lengths - (length - lookahead)).clamp(min=0)
        windows = 1 + (later + self.hop - 1) // self.hop
        document = torch.repeat_interleave(windows)
        number = torch.arange(len(document)) - (windows.cumsum(0) - windows)[document]
        # Window j ends at token e+r = T−1 + jH, so it starts at token jH.
        starts = self.first[document] + number * self.hop
        reads_from = torch.where(number == 0, lookahead, length - self.hop)
        rows = max(1, tokens // length)
        return [
            self._batch(starts[i : i + rows], Reads(torch.arange(length) >= reads_from[i : i + rows, None]))
            for i in range(0, len(starts), rows)
        ]

    def cut(self, context: int, tokens: int) -> Iterator[Batch]:
        """Yield batches that read the first `tokens` tags in order, each from the last `context` steps or little less.

        A window reads several neighbouring tags (see `tasks.base.context`). Tags near the start of a document are read
        from its first `context` steps.
        """
        document = torch.repeat_interleave(self.lengths)[:tokens]
        number = torch.arange(len(document)) - (self.lengths.cumsum(0) - self.lengths)[document]
        first = self.first[document]
        starts, wanted = windows_of(first + number + self.lookahead, number, first, context)
        rows = max(1, HELD_OUT_TOKENS // context)
        return (self._batch(s, Reads(w)) for s, w in zip(starts.split(rows), wanted.split(rows), strict=True))

    def _batch(self, starts: Tensor, wanted: Reads) -> Batch:
        """The windows that start at these positions. wanted: where a tag is read if there is one."""
        mask = wanted.mask
        places = (starts[:, None] + torch.arange(mask.size(1))).flatten()
        targets = self.targets.index_select(0, places)
        inputs = self.ids.index_select(0, places).view(*mask.shape, -1)
        there = (targets[:, 0] >= 0).view_as(mask) & mask
        reads = wanted if torch.equal(there, mask) else Reads(there)
        return Batch(inputs, targets[there.flatten()], reads)


@lru_cache(maxsize=8)
def _from(rows: int, length: int, first: int) -> Reads:
    """Every position from `first` on is read; made once for each shape."""
    return Reads((torch.arange(length) >= first).expand(rows, length).contiguous())
