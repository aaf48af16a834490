"""Generated documents: their grammar, read back by its own parser, and what is scored with and without memory."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from tasks.base import generator
from tasks.entities.generated import CHANCE, EVENTS, TYPES, WORDS, Generated, generate
from tasks.entities.spans import FAR, NEAR, span_score

Event = tuple[int, str, int, int]  # fillers before the cue, its type, d, names


def is_filler(word: str) -> bool:
    return word.startswith("w")


def parse(words: list[str]) -> Iterator[Event]:
    """Events of one document, by its words alone."""
    i = 0
    while i < len(words):
        cue = next(j for j in range(i, len(words)) if words[j].startswith("<"))
        mention = next(j for j in range(cue, len(words)) if words[j].startswith("Name"))
        end = next(j for j in range(mention, len(words)) if not words[j].startswith("Name"))
        assert all(map(is_filler, (*words[i:cue], *words[cue + 1 : mention], words[end])))
        yield cue - i, words[cue].strip("<>"), mention - cue, end - mention
        i = end + 1


def documents(made: Generated) -> list[tuple[list[str], list[int], list[int]]]:
    sizes = made.lengths.tolist()
    parts = [column.split(sizes) for column in (made.words, made.tags, made.groups)]
    return [([WORDS[i] for i in w.tolist()], t.tolist(), g.tolist()) for w, t, g in zip(*parts, strict=True)]


@pytest.mark.parametrize("distance", [2, 3, 48, 498])
def test_grammar(distance: int) -> None:
    for words, tags, groups in documents(generate(20, distance, generator(0, "grammar", distance))):
        events = list(parse(words))
        assert len(events) == EVENTS
        expected_tags, expected_groups = [], []
        for fillers, kind, d, names in events:
            assert 1 <= fillers <= max(1, distance // 4)
            assert d in (1, distance)
            assert names in (1, 2)
            k = TYPES.index(kind)
            expected_tags += [0] * (fillers + d) + [2 * k + 1, 2 * k + 2][:names] + [0]
            expected_groups += [0] * (fillers + d) + [NEAR if d == 1 else FAR] * names + [0]
        assert tags == expected_tags
        assert groups == expected_groups


def share(counts: Counter[object], outcomes: int) -> float:
    """The largest relative deviation from uniform."""
    mean = counts.total() / outcomes
    assert len(counts) == outcomes
    return max(abs(count / mean - 1) for count in counts.values())


def test_all_choices_are_uniform_and_names_say_nothing() -> None:
    made = documents(generate(1000, 8, generator(0, "uniform")))
    events = [event for words, _, _ in made for event in parse(words)]
    assert share(Counter(kind for _, kind, _, _ in events), 4) < 0.05
    assert share(Counter(d for _, _, d, _ in events), 2) < 0.05
    assert share(Counter(names for _, _, _, names in events), 2) < 0.05
    assert share(Counter(fillers for fillers, _, _, _ in events), 2) < 0.05
    assert share(Counter((kind, d, names) for _, kind, d, names in events), 16) < 0.15
    assert share(Counter(a[1] + b[1] for a, b in pairwise(events)), 16) < 0.15
    words = Counter(word for document, _, _ in made for word in document)
    assert share(Counter({w: n for w, n in words.items() if is_filler(w)}), 100) < 0.25
    assert share(Counter({w: n for w, n in words.items() if w.startswith("Name")}), 200) < 0.5
    # A name predicts the type of its mention no better than chance: mutual information below its bias, twofold.
    pairs = Counter((w, (t - 1) // 2) for ws, ts, _ in made for w, t in zip(ws, ts, strict=True) if t)
    joint = torch.zeros(200, 4)
    for (name, kind), count in pairs.items():
        joint[int(name[4:]), kind] = count
    p = joint / joint.sum()
    information = (p * (p / (p.sum(1, keepdim=True) * p.sum(0))).clamp(min=1e-12).log()).sum()
    assert information < 2 * (199 * 3) / (2 * joint.sum())


def test_a_document_is_a_function_of_the_generator() -> None:
    first, again, other = (generate(3, 20, generator(0, "same", i)) for i in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.words, other.words[: len(first.words)])


def tagged(made: Generated, kind_of: Callable[[list[str], int], int | None]) -> Tensor:
    """Tags of a predictor that sees which tokens are names, and says a type or None per mention (words, its start)."""
    predicted = []
    for words, _, _ in documents(made):
        kind: int | None = None
        for i, word in enumerate(words):
            is_name, follows = word.startswith("Name"), i > 0 and words[i - 1].startswith("Name")
            if is_name and not follows:
                kind = kind_of(words, i)
            predicted.append(0 if kind is None or not is_name else 2 * kind + 1 + follows)
    return torch.tensor(predicted)


def near_cue(words: list[str], i: int) -> int | None:
    return TYPES.index(words[i - 1].strip("<>")) if words[i - 1].startswith("<") else None


def test_bayes_and_chance() -> None:
    """With memory 1; without, .625 by tagging every mention, ⅔ by keeping silent where it could only guess."""
    distance = 20
    made = generate(1000, distance, generator(0, "bounds"))
    documents_of = torch.repeat_interleave(made.lengths)
    rng = generator(0, "guesses")

    def score(kind_of: Callable[[list[str], int], int | None]) -> tuple[float, dict[str, float]]:
        result = span_score(tagged(made, kind_of), made.tags, documents_of, made.groups)
        return result.score, result.extras

    def remembers(words: list[str], i: int) -> int | None:
        near = near_cue(words, i)
        return TYPES.index(words[i - distance].strip("<>")) if near is None else near

    def guesses(words: list[str], i: int) -> int | None:
        near = near_cue(words, i)
        return int(torch.randint(4, (), generator=rng)) if near is None else near

    def always_the_same(words: list[str], i: int) -> int | None:
        near = near_cue(words, i)
        return 0 if near is None else near

    assert score(remembers) == (1.0, {"precision": 1, "recall": 1, "recall_near": 1, "recall_far": 1})
    for memory_less in (guesses, always_the_same):
        f1, extras = score(memory_less)
        assert f1 == pytest.approx(CHANCE, abs=0.015)  # 12,000 mentions: standard error .005
        assert f1 == pytest.approx(extras["precision"]) == pytest.approx(extras["recall"])
        assert extras["recall_near"] == 1
        assert extras["recall_far"] == pytest.approx(1 / 4, abs=0.02)
    silent, extras = score(near_cue)
    assert silent == pytest.approx(2 / 3, abs=0.01)
    assert extras["recall_far"] == 0
