from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tasks.base import generator
from tasks.phrases import numbers
from tasks.phrases.numbers import COMMA, END, SAID_COMMA, SYMBOLS, WIDEST, WORDS, constant_score, draw, spelled

LENGTHS = [1, 2, 3, 6, 10, 25]


def drawn(length: int, phrases: int = 4000) -> tuple[Tensor, Tensor]:
    return draw(generator(0, "numbers", length), phrases, length)


def test_numbers_in_words() -> None:
    known = {0: "zero", 12: "twelve", 20: "twenty", 42: "forty two", 300: "three hundred", 305: "three hundred five"}
    known |= {342: "three hundred forty two", 919: "nine hundred nineteen", 999: "nine hundred ninety nine"}
    for number, words in known.items():
        assert " ".join(WORDS[word] for word in spelled(number)) == words
    assert len({tuple(spelled(number)) for number in range(1000)}) == 1000
    sizes = torch.tensor([len(spelled(number)) for number in range(1000)]).bincount()
    assert sizes.tolist() == [0, 28, 81, 243, 648]


@pytest.mark.parametrize("length", LENGTHS)
def test_phrases_fill_the_length_and_say_the_same_in_digits(length: int) -> None:
    value = {tuple(spelled(number)): number for number in range(1000)}
    words, symbols = drawn(length, 300)
    assert words.shape == (300, length)
    assert symbols.size(1) <= numbers.most_symbols(length)
    for row, said in zip(words.tolist(), symbols.tolist(), strict=True):
        parts: list[list[int]] = [[]]
        for word in row:
            parts = [*parts, []] if word == COMMA else [*parts[:-1], [*parts[-1], word]]
        expected = ",".join(str(value[tuple(part)]) for part in parts)
        kept = [symbol for symbol in said if symbol >= 0]
        assert said == [*kept, *[-1] * (len(said) - len(kept))]
        assert kept[-1] == END
        assert "".join(SYMBOLS[symbol] for symbol in kept[:-1]) == expected


def test_the_longest_answer_is_reached() -> None:
    for length in (1, 2, 3):
        assert drawn(length)[1].size(1) == numbers.most_symbols(length)


def test_sizes_are_uniform_where_there_is_room_and_numbers_uniform_among_their_size() -> None:
    words, _ = drawn(25)
    size = torch.where(words == COMMA, torch.arange(25), 25).amin(1)
    shares = size.bincount(minlength=WIDEST + 1)[1:] / len(words)
    assert float((shares - 1 / 4).abs().max()) < 4 * math.sqrt(3 / 16 / len(words))
    alone = words[size == 1, 0]
    shares = alone.bincount(minlength=28) / len(alone)
    assert float((shares - 1 / 28).abs().max()) < 4 * math.sqrt(1 / 28 / len(alone))


@pytest.mark.parametrize("length", LENGTHS)
def test_the_best_constant_transcript(length: int) -> None:
    """Each phrase's share of right symbols, the likeliest at each place taken from other phrases."""
    fitted, (_, symbols) = drawn(length, 8000)[1], draw(generator(1, "numbers", length), 8000, length)
    places = min(fitted.size(1), symbols.size(1))
    likeliest = torch.stack([(fitted == symbol).sum(0) for symbol in range(len(SYMBOLS))]).argmax(0)[:places]
    hits = (symbols[:, :places] == likeliest).sum(1).double()
    reads = (symbols >= 0).sum(1).double()
    error = float((hits - hits.sum() / reads.sum() * reads).std() / reads.mean()) / math.sqrt(len(hits))
    assert abs(float(hits.sum() / reads.sum()) - constant_score(length)) < 4 * error + 0.002


def test_a_comma_is_no_digit() -> None:
    assert (SYMBOLS[SAID_COMMA], WORDS[COMMA]) == (",", ",")
