"""Documents in which the type of every mention depends on one cue at an exactly known distance.

A document is 12 events, one after the other. An event is

    1 … max(1, ⌊D/4⌋) fillers · a cue of type y · d−1 fillers · a mention of 1 or 2 names · one filler

with y one of 4 types, d = D (far) or 1 (near) with probability ½ each, and all choices uniform; the cue stands d tokens
before the mention's first name, and the names do not depend on y. For example with D = 4 and d = D:

    w17 <ORG> w03 w88 w41 Name144 Name009 w60
    O   O     O   O   O   B-ORG   I-ORG   O

A tagger that remembers D+1 tokens scores span F1 = 1. One without memory still sees which tokens are names, and the cue
where it is near. It tags every mention, ½ + ½·¼ = .625 of them with the right type, so its precision, recall and F1 are
all .625. Training on cross-entropy with an argmax leads there, because O has probability 0 on a name. (A decoder
made for F1 would leave far mentions untagged: precision 1, recall ½, F1 ⅔.)

No tagger does better than `solve`, which knows the grammar.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from tasks.entities.spans import FAR, NEAR, begin, inside

TYPES = ("FAC", "LOC", "ORG", "PER")
EVENTS = 12
FILLERS = 100
NAMES = 200
CHANCE = 0.625
WORDS: tuple[str, ...] = (
    *(f"<{kind}>" for kind in TYPES),
    *(f"w{i:02}" for i in range(FILLERS)),
    *(f"Name{i:03}" for i in range(NAMES)),
)
CERTAIN = 20.0  # a logit; e^−40 is the probability of what cannot be
_FIRST_FILLER = len(TYPES)
_FIRST_NAME = len(TYPES) + FILLERS


class Generated(NamedTuple):
    """Documents end to end: words, tags and groups (tokens,), lengths (documents,). Words are indices of `WORDS`;
    groups mark the mentions' tokens near or far."""

    words: Tensor
    tags: Tensor
    groups: Tensor
    lengths: Tensor


def generate(documents: int, distance: int, rng: torch.Generator) -> Generated:
    """Draw `documents` documents whose far cues stand `distance` (D ≥ 1) tokens before their mention.

    A function of the arguments and the generator's state only.
    """

    def draw(low: int, high: int) -> Tensor:  # from low to high, both included
        return torch.randint(low, high + 1, (documents * EVENTS,), generator=rng)

    fillers = draw(1, max(1, distance // 4))
    kinds = draw(0, len(TYPES) - 1)
    far = draw(0, 1).bool()
    sizes = draw(1, 2)
    names = [draw(_FIRST_NAME, len(WORDS) - 1) for _ in range(2)]
    gaps = torch.where(far, distance - 1, 0)
    events = fillers + 1 + gaps + sizes + 1

    tokens = int(events.sum())
    words = torch.randint(_FIRST_FILLER, _FIRST_NAME, (tokens,), generator=rng)
    tags, groups = torch.zeros(2, tokens, dtype=torch.long).unbind(0)
    cues = events.cumsum(0) - events + fillers
    words[cues] = kinds
    mentions = cues + 1 + gaps
    group = torch.where(far, FAR, NEAR)
    for place, tag in enumerate((begin(0), inside(0))):
        held = sizes > place
        at = mentions[held] + place
        words[at] = names[place][held]
        tags[at] = tag + 2 * kinds[held]
        groups[at] = group[held]
    return Generated(words, tags, groups, events.view(documents, EVENTS).sum(1))


def solve(x: Tensor, window: int | None, lookahead: int) -> Tensor:
    """Return logits (batch, time, tags) of the best tagger that sees the last `window` steps of one-hot x.

    x (batch, time, words). The answer at step p is the tag of token i = p − lookahead: O unless i is a name, I behind
    another name, else B; its type is that of the last cue in sight, because no other cue stands between a mention and
    its own. Exact wherever token i is in sight. A shorter window answers O, the likeliest tag, whatever follows i.
    """
    seen = x.size(1) if window is None else window - lookahead  # tokens in sight up to token i, itself included
    if seen < 1:
        return pad(x.new_full((*x.shape[:2], 2 * len(TYPES)), -CERTAIN), (1, 0), value=CERTAIN)
    cue, name = x[..., :_FIRST_FILLER], x[..., _FIRST_NAME:].sum(-1)  # (batch, time, types), (batch, time)
    kind = last_cue(cue, seen)
    first = _first_of_mention(name, seen, lookahead)
    tags = torch.stack((kind + first[..., None], kind - first[..., None]), dim=-1).flatten(2)  # B, I of each type
    named = 3 * CERTAIN * (2 * name - 1)[..., None]  # outweighs type and place together
    logits = torch.cat((-named, named + tags), dim=-1)
    return pad(logits, (0, 0, lookahead, 0))[:, : x.size(1)]


def last_cue(cue: Tensor, seen: int) -> Tensor:
    """Return logits (batch, time, types) of the last cue among the last `seen` tokens; 0 for each where none is."""
    steps = torch.arange(cue.size(1), device=cue.device)
    last = torch.where(cue.detach().sum(-1) > 0.5, steps, -1).cummax(1).values
    in_sight = (last >= 0) & (last > steps - seen)
    kind = cue.gather(1, last.clamp(min=0)[..., None].expand_as(cue))
    return CERTAIN * (2 * kind - 1) * in_sight[..., None]


def _first_of_mention(name: Tensor, seen: int, lookahead: int) -> Tensor:
    """Half the log odds (batch, time) that a name is the first of its mention rather than the second."""
    steps = torch.arange(name.size(1), device=name.device)
    by_the_one_before = CERTAIN * (1 - 2 * pad(name, (1, 0))[:, :-1])
    # Where the token before is out of sight: a name that another name follows is the first; else it is equally often a
    # mention's only name or its second. Without look-ahead the odds are 2 to 1: two mentions have three names on
    # average, of which two are the first.
    by_the_next = CERTAIN * pad(name, (0, 1))[:, 1:] if lookahead else torch.full_like(name, math.log(2) / 2)
    return torch.where((steps > 0) & (seen > 1), by_the_one_before, by_the_next)
