"""The n-gram reference scores: published formulas by hand, distributions that sum to one, tiny Shakespeare."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from tasks.characters import ngram
from tasks.corpora.resolving import resolve, text


def encode(characters: str) -> np.ndarray:
    return np.array([ord(c) - ord("a") for c in characters], dtype=np.int64)


def test_a_bigram_by_hand() -> None:
    # "abaac": bigrams ab ba aa ac, once each. n₂ = 0 at every order, so the discounts are .5, 1, 1.5.
    # Left neighbours: a {b, a}, b {a}, c {a}; in all 4. p₁(a) = (2 − 1 + (1 + .5 + .5)/3)/4 = 5/12,
    # p₁(b) = p₁(c) = (1 − .5 + 2/3)/4 = 7/24. After a: 3 bigrams, Σ D = 1.5; after b: ba alone, Σ D = .5.
    scored = encode("abac")
    nats = ngram.kneser_ney(encode("abaac"), scored, 3, [2])[2]
    expected = [5 / 12, (0.5 + 1.5 * 7 / 24) / 3, 0.5 + 0.5 * 5 / 12, (0.5 + 1.5 * 7 / 24) / 3]
    assert np.exp(nats) == pytest.approx(expected)


def test_a_context_never_seen_leaves_the_lower_order() -> None:
    train = encode("abaac")
    after_c = ngram.kneser_ney(train, encode("ca"), 3, [2])[2]
    assert math.exp(after_c[1]) == pytest.approx(5 / 12)


def test_discounts_by_the_formula() -> None:
    counts = np.repeat([1, 2, 3, 4, 9], [40, 15, 7, 4, 3])
    y = 40 / (40 + 2 * 15)
    expected = [0, 1 - 2 * y * 15 / 40, 2 - 3 * y * 7 / 15, 3 - 4 * y * 4 / 7]
    assert ngram._discounts(counts) == pytest.approx(expected)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_sum_to_one_for_every_context(order: int) -> None:
    vocabulary = 4
    rng = np.random.default_rng(order)
    train = rng.choice(vocabulary, size=600, p=[0.7, 0.2, 0.1, 0.0])  # the fourth character is never seen
    every = np.array(list(itertools.product(range(vocabulary), repeat=order)))
    nats = ngram.kneser_ney(train, every.reshape(-1), vocabulary, [order])[order]
    last = np.exp(nats.reshape(-1, order)[:, -1])
    assert last.reshape(-1, vocabulary).sum(1) == pytest.approx(np.ones(vocabulary ** (order - 1)))
    assert (last > 0).all()


def test_sorting_and_table_number_alike() -> None:
    rng = np.random.default_rng(0)
    contexts, characters = rng.integers(0, 50, 300), rng.integers(0, 9, 300)
    by_table = ngram._numbered(contexts, characters)
    by_sorting = ngram._numbered(contexts * 1_000, characters)
    assert (by_table == by_sorting).all()
    assert by_table.max() + 1 == len(set(zip(contexts, characters, strict=True)))


def test_orders_do_not_depend_on_one_another() -> None:
    rng = np.random.default_rng(1)
    train, scored = rng.integers(0, 5, 2_000), rng.integers(0, 5, 300)
    together = ngram.kneser_ney(train, scored, 5, [2, 3, 4])
    alone = ngram.kneser_ney(train, scored, 5, [3])
    assert (together[3] == alone[3]).all()


def test_a_score_does_not_depend_on_what_follows() -> None:
    rng = np.random.default_rng(3)
    train, scored = rng.integers(0, 3, 40), rng.integers(0, 3, 30)
    whole = ngram.kneser_ney(train, scored, 3, [2, 3, 4])
    for stop in range(1, 30):
        cut = ngram.kneser_ney(train, scored[:stop], 3, [2, 3, 4])
        for order, nats in cut.items():
            assert nats == pytest.approx(whole[order][:stop])


@pytest.fixture
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(ngram, "cache", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def small_text() -> np.ndarray:
    rng = np.random.default_rng(2)
    return np.tile(rng.integers(0, 6, 50), 30).astype(np.uint8)


def test_a_result_is_kept_and_read_again(private_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ngram.floors(small_text(), 1_300, 1_400, 1_500, sha256="f00")
    (kept,) = private_cache.rglob("*.json")
    assert json.loads(kept.read_text())["unigram"] == first.unigram
    monkeypatch.setattr(ngram, "kneser_ney", None)  # counting again would fail
    assert ngram.floors(small_text(), 1_300, 1_400, 1_500, sha256="f00") == first
    with pytest.raises(TypeError):
        ngram.floors(small_text(), 1_300, 1_400, 1_500, sha256="other text")


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"unigram": 1}', '{"unigram": null, "orders": {}}'])
def test_a_broken_record_is_counted_again(private_cache: Path, broken: str) -> None:
    first = ngram.floors(small_text(), 1_300, 1_400, 1_500, sha256="f00")
    (kept,) = private_cache.rglob("*.json")
    kept.write_text(broken)
    assert ngram.floors(small_text(), 1_300, 1_400, 1_500, sha256="f00") == first


def test_a_cache_that_cannot_be_written_only_costs_time(private_cache: Path) -> None:
    private_cache.write_text("a file where a folder should be")
    result = ngram.floors(small_text(), 1_300, 1_400, 1_500, sha256="f00")
    assert result.orders[7] < result.orders[2] < result.unigram  # the text repeats itself every 50 characters


def test_tiny_shakespeare(data_folder: Path) -> None:
    characters = text(resolve("shakespeare", fallback="python", folder=data_folder, download=False))
    points = np.frombuffer(characters.encode("utf-32-le"), dtype=np.uint32)
    ids = np.unique(points, return_inverse=True)[1]
    train, context = ids[:1_003_854], 6
    nats = ngram.kneser_ney(train, ids[-111_540 - context :], 65)
    means = {order: -values[context:].mean() for order, values in nats.items()}
    assert means == pytest.approx({2: 2.484, 3: 2.038, 4: 1.719, 5: 1.561, 6: 1.523, 7: 1.517}, abs=6e-4)
    last = 55_770
    assert -nats[2][-last:].mean() == pytest.approx(2.494, abs=1e-3)
    assert -ngram.unigram(train, ids[-last:], 65).mean() == pytest.approx(3.362, abs=6e-4)
    assert -ngram.unigram(train, ids[-111_540:], 65).mean() == pytest.approx(3.347, abs=6e-4)
