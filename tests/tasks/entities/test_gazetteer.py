"""The dictionary tagger: longest match, entity share, most frequent type, threshold chosen on validation."""

import torch
from torch import Tensor

from tasks.entities.gazetteer import gazetteer_f1


def tagged(*documents: str) -> tuple[list[list[str]], Tensor]:
    """Words with `/1` for B-PER, `/2` for I-PER, `/3` for B-LOC, `/4` for I-LOC."""
    words, tags = [], []
    for document in documents:
        pairs = [word.partition("/") for word in document.split()]
        words.append([word for word, _, _ in pairs])
        tags += [int(tag or 0) for _, _, tag in pairs]
    return words, torch.tensor(tags)


def test_longest_match_wins() -> None:
    training = tagged("london/3 road/4 in london/3", "pip/1 saw pip/1")
    assert gazetteer_f1(training, tagged("pip/1"), tagged("a london/3 road/4 and london/3 pip/1")) == 1


def test_matches_end_with_their_document() -> None:
    training = tagged("new/3 york/4 x")
    assert gazetteer_f1(training, training, tagged("new", "york new/3 york/4")) == 1


def test_the_most_frequent_type() -> None:
    training = tagged("pip/1 pip/3 pip/1")
    assert gazetteer_f1(training, tagged("pip/1"), tagged("pip/1 pip/3")) == 1 / 2


def test_threshold_is_chosen_on_validation() -> None:
    """`may` is an entity once in four times: worth a try where validation says so."""
    training = tagged("may/1 may may may pip/1")
    test = tagged("may/1 pip/1")
    assert gazetteer_f1(training, tagged("may/1 pip/1"), test) == 1
    assert gazetteer_f1(training, tagged("may may pip/1"), test) == 2 / 3
