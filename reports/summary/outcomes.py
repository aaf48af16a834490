"""The outcome word of a cell and of a group of seeds: the one rule behind the words and the mark of chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bench.records.result import Result

AT_CHANCE = frozenset({"at chance", "budget-limited"})  # words for a score that merely equals the trivial baseline
LEARNS = frozenset({"learning", "solved"})
_WORSE = ("solved", "learning", "at chance", "budget-limited", "untrained", "diverged")  # then failures


def word_of(result: Result) -> str:
    """Name a cell's outcome, its status where it has none, or `untrained` (gradients at initialisation only)."""
    if result.status != "ok":
        return result.status.replace("_", " ")
    return result.outcome or "untrained"


def learning(seeds: Sequence[Result]) -> int:
    """Count the seeds with a score that does not merely equal the trivial baseline."""
    return sum(word_of(result) in LEARNS for result in seeds)


def outcome_of(seeds: Sequence[Result], rate: str | None, mean_at_chance: bool | None) -> str:
    """Name the outcome of some seeds.

    rate: `k/n`, where some seeds solved and some did not. mean_at_chance: whether the mean equals chance; None where no
    mean stands for the seeds.

    The first of these that applies:
    - `k/n solved`, where seeds disagree on solving;
    - the commonest status without a value, where it occurs at least as often as values do;
    - the word of the mean, where one stands for seeds that did not solve; it equals chance too where most seeds do;
    - `k/n learning`, where some values equal chance and some do not;
    - the commonest word of the values.
    """
    if rate is not None:
        return f"{rate} solved"
    words = Counter(map(word_of, seeds))
    valued = Counter({word: count for word, count in words.items() if word in LEARNS | AT_CHANCE})
    others = words - valued
    if others and max(others.values()) >= valued.total():
        return _commonest(others)
    at_chance = Counter({word: count for word, count in valued.items() if word in AT_CHANCE})
    if mean_at_chance is not None and "solved" not in valued:
        if not mean_at_chance and 2 * at_chance.total() <= valued.total():
            return "learning"
        return _commonest(at_chance) if at_chance else seeds[0].at_chance_word
    if 0 < at_chance.total() < valued.total():
        return f"{learning(seeds)}/{valued.total()} learning"
    return _commonest(valued)


def _commonest(words: Mapping[str, int]) -> str:
    """The commonest word, a tie going to the worse."""
    return max(words, key=lambda word: (words[word], _WORSE.index(word) if word in _WORSE else len(_WORSE)))
