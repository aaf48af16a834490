"""Numbers in words, separated by commas, that fill exactly T tokens; and the same in digits.

A number from 0 to 999 is said in one to four words, without `and`: twelve · seven hundred · three hundred forty two. A
phrase is built from left to right. Each number has one to four words, uniformly among those after which the phrase is
full or has room for a comma and one more number; it is then uniform among the numbers of so many words (28, 81, 243 and
648).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Generator, Tensor

ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
WORDS = (*ONES, *TENS, "hundred", ",")
FIRST_TENS, HUNDRED, COMMA = len(ONES), len(ONES) + len(TENS), len(WORDS) - 1
SYMBOLS = (*"0123456789", ",", "end")
SAID_COMMA, END = 10, 11
WIDEST = 4  # words of a number
NUMBERS = 1000


def spelled(number: int) -> list[int]:
    """Return the words of a number from 0 to 999, as indices of `WORDS`."""
    hundreds, rest = divmod(number, 100)
    words = [hundreds, HUNDRED] if hundreds else []
    if rest == 0 and hundreds:
        return words
    if rest < FIRST_TENS:
        return [*words, rest]
    tens, ones = divmod(rest, 10)
    return [*words, FIRST_TENS + tens - 2, *[ones] * (ones > 0)]


def most_symbols(length: int) -> int:
    """Return the most symbols that phrases of `length` tokens have in digits, `end` included."""
    return 3 * (length + 1) // 2


def draw(generator: Generator, phrases: int, length: int) -> tuple[Tensor, Tensor]:
    """Draw phrases: their words (phrases, length), and their symbols (phrases, longest), −1 after the end."""
    words = torch.full((phrases, length + 1 + WIDEST), -1)
    symbols = torch.full((phrases, most_symbols(length) + WIDEST), -1)
    written, said = torch.zeros(2, phrases, 1, dtype=torch.long)  # how many of each there are
    step = torch.arange(WIDEST + 1)
    while bool((written <= length).any()):
        sizes, numbers = torch.rand(2, phrases, 1, generator=generator)
        room = (length + 1 - written).clamp(max=len(_ROOM) - 1)
        size = _CHOICES[room, (sizes * _ROOM[room]).long()]
        number = _BY_SIZE[size, (numbers * _OF_SIZE[size]).long()]
        words.scatter_(1, (written + step).clamp(max=words.size(1) - 1), _SPELLED[number[:, 0]])
        digits = torch.where(written > length, -1, _DIGITS[number[:, 0]])
        symbols.scatter_(1, (said + step[:-1]).clamp(max=symbols.size(1) - 1), digits)
        said = torch.where(written > length, said, said + _LONG[number])
        written = torch.where(written > length, written, written + size + 1)
    symbols.scatter_(1, said - 1, END)
    symbols[torch.arange(symbols.size(1)) >= said] = -1
    return words[:, :length], symbols[:, : int(said.max())]


@cache
def constant_score(length: int) -> float:
    """Return the score of the best constant transcript: the likeliest symbol at each place, of all phrases."""
    places = most_symbols(length)
    likely = np.zeros((places + 1, len(SYMBOLS)))
    starts = [np.zeros(places + 1) for _ in range(length + 2)]  # by room: how likely a number starts at each place
    starts[length + 1][0] = 1.0
    for room in range(length + 1, 1, -1):
        choices = _ALLOWED[min(room, len(_ALLOWED) - 1)]
        for size in choices:
            for digits, share in _shapes(size):
                here = starts[room] / len(choices) * share.sum(1)[0]
                for place, given in enumerate(share / share.sum(1, keepdims=True)):
                    likely[place:, :SAID_COMMA] += here[: places + 1 - place, None] * given
                last = room == size + 1
                likely[digits:, END if last else SAID_COMMA] += here[: places + 1 - digits]
                starts[room - size - 1][digits + 1 :] += here[: places - digits]
    return float(likely.max(1).sum() / likely.sum())


@cache
def _shapes(size: int) -> list[tuple[int, np.ndarray]]:
    """Of the numbers of `size` words, for each number of digits: the share (place, digit) of all with that digit."""
    numbers = [str(number) for number in range(NUMBERS) if len(spelled(number)) == size]
    shapes = []
    for digits in sorted({len(number) for number in numbers}):
        share = np.zeros((digits, 10))
        for number in numbers:
            if len(number) == digits:
                share[np.arange(digits), [int(digit) for digit in number]] += 1 / len(numbers)
        shapes.append((digits, share))
    return shapes


def _padded(rows: list[list[int]], value: int) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])


# By tokens that are left, one for a comma included, and with all from 7 on alike: which sizes a number may have.
_ALLOWED = [[size for size in range(1, WIDEST + 1) if room - size - 1 == 0 or room - size - 1 > 1] for room in range(8)]
_CHOICES, _ROOM = _padded(_ALLOWED, 0), torch.tensor([len(choices) for choices in _ALLOWED])
_SPELLED = _padded([[*spelled(number), COMMA] for number in range(NUMBERS)], -1)
_DIGITS = _padded([[*map(int, str(number)), SAID_COMMA] for number in range(NUMBERS)], -1)
_LONG = torch.tensor([len(str(number)) + 1 for number in range(NUMBERS)])
_GROUPS = [[number for number in range(NUMBERS) if len(spelled(number)) == size] for size in range(WIDEST + 1)]
_BY_SIZE, _OF_SIZE = _padded(_GROUPS, 0), torch.tensor([len(group) for group in _GROUPS])
