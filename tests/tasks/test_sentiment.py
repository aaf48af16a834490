from __future__ import annotations

import math
from pathlib import Path

import pytest
from torch.nn.functional import one_hot

from tasks.base import Batch, generator
from tasks.corpora.download import CorpusError
from tasks.phrases.reviews import AGAINST, FOR, NEUTRAL, WORDS
from tasks.sentiment import Sentiment

SAMPLES = 4000


def many(length: int) -> tuple[Sentiment, Batch]:
    task = Sentiment(length)
    return task, task.draw(generator(0, "many", length), SAMPLES)


def texts(batch: Batch) -> list[list[str]]:
    return [[WORDS[word] for word in row] for row in batch.inputs[..., 0].tolist()]


def verdict(words: list[str]) -> int:
    """The rule in words."""
    turn, adjective = words[:2] if words[2] == "although" else words[-3:-1]
    return int((adjective in FOR) == (turn == "really"))


@pytest.mark.parametrize("length", [5, 6, 20])
def test_the_rule(length: int) -> None:
    batch = Sentiment(length, batch_size=100).training_batch(0)
    for words, label in zip(texts(batch), batch.targets.tolist(), strict=True):
        assert len(words) == length + 1
        assert words[2] in ("although", "but")
        for turn, adjective in (words[:2], words[-3:-1]):
            assert turn in ("really", "not")
            assert adjective in FOR + AGAINST
        assert set(words[3:-3]) <= set(NEUTRAL)
        assert words[-1] == "."
        assert verdict(words) == label
    assert batch.reads.mask.tolist() == [[False] * length + [True]] * 100


def test_the_docstrings_example() -> None:
    lines = reversed((Sentiment.__doc__ or "").splitlines())  # the first row of a name counts
    rows = {words[0]: words[1:] for words in (line.split() for line in lines) if words}
    batch = Sentiment(7).training_batch(0)
    assert [int(word) for word in rows["step"]] == list(range(8))
    assert rows["input"] == texts(batch)[0]
    assert [word == "·" for word in rows["target"]] == (~batch.reads.mask[0]).tolist()
    assert int(rows["target"][-1]) == int(batch.targets[0])


def test_chance_the_floor_and_what_each_window_knows() -> None:
    task, batch = many(9)
    assert abs(float(batch.targets.double().mean()) - task.chance) < 2 / math.sqrt(SAMPLES)
    x = one_hot(batch.inputs[..., 0], len(WORDS)).double()
    assert task.spec.predict is not None
    for window in (None, *range(1, 12)):
        outputs = task.spec.predict(x, window)[:, 0]
        expected = 1.0 if window is None or window > 9 else task.floors["last_clause"] if window > 2 else task.chance
        value = float((outputs.argmax(1) == batch.targets).double().mean())
        assert abs(value - expected) <= 4 * math.sqrt(expected * (1 - expected) / SAMPLES), window
        said = outputs.softmax(1).amax(1)
        assert float(said.mean()) == pytest.approx(expected, abs=0.02), "the posterior is as sure as it is right"


def test_credit_is_where_a_change_changes_the_answer() -> None:
    task = Sentiment(8)
    batch = task.probe_batch(16)
    replaced = task.counterfactuals(batch)
    assert replaced is not None
    credit = task.credit(batch)
    assert credit is not None
    for row, words in enumerate(texts(batch)):
        changing = []
        for positions, inputs in replaced:
            after = [WORDS[word] for word in inputs[row, :, 0].tolist()]
            if verdict(after) != verdict(words):
                changing.append(int(positions[row]))
        assert credit[row].nonzero()[:, 0].tolist() == changing
    assert task.reach == 8


def written(tmp_path: Path, *lines: str, more: int = 20) -> str:
    path = tmp_path / "own.tsv"
    kinds = ("good\tWhat a  fine Film {}", "bad\tdull , dull {}")
    path.write_text("\n".join([*(kinds[i // 2 % 2].format(i) for i in range(more)), *lines]) + "\n")
    return str(path)


def test_own_texts(tmp_path: Path) -> None:
    task = Sentiment(5, corpus=written(tmp_path), batch_size=100)
    assert task.own is not None
    assert task.own.labels == ["bad", "good"]
    assert task.own.words == ["_", "?", ".", ",", "a", "dull", "film", "fine", "what"]
    (validation,), (test,) = task.val_dataloader(), task.test_dataloader()
    assert validation.inputs[0, :, 0].tolist() == [8, 4, 7, 6, 1, 2]  # text 8: "what a fine film 8", its number rare
    assert validation.targets.tolist() == [1, 0]  # texts 8 and 18
    assert test.targets.tolist() == [1, 0]
    assert task.chance == 0.5
    short = Sentiment(7, corpus=written(tmp_path)).training_batch(0).inputs[:, :, 0]
    assert short[:, 0].eq(0).all()
    assert Sentiment(5, corpus=written(tmp_path)).training_batch(0).inputs.shape == (32, 6, 1)
    cut = next(iter(Sentiment(6, corpus=written(tmp_path)).val_dataloader()))
    assert cut.inputs[0, :, 0].tolist() == [0, 8, 4, 7, 6, 1, 2]
    assert task.solved_threshold is task.reach is task.credit(test) is task.counterfactuals(test) is None


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["good no tab"], r"^own.tsv, line 21: expected a label, one tab and a text, got no tab in 'good no tab'$"),
        (["\tsome text"], r"^own.tsv, line 21: expected a label, one tab and a text, but a label is missing in "),
    ],
)
def test_what_is_refused_of_own_texts(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        Sentiment(5, corpus=written(tmp_path, *lines))


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^Sentiment: length must be at least 5, got 4$"):
        Sentiment(4)
    path = tmp_path / "one.tsv"
    path.write_text("good\tfine\n" * 20)
    with pytest.raises(CorpusError, match=r"^one.tsv: expected two labels or more, got 'good' in every line$"):
        Sentiment(5, corpus=str(path))
    path.write_text("good\tfine\nbad\tdull\n" * 10)
    with pytest.raises(CorpusError, match=r"^one.tsv: every line that tests .* has one label"):
        Sentiment(5, corpus=str(path))
    with pytest.raises(CorpusError, match=r"expected reviews, or the path of a file"):
        Sentiment(5, corpus="nowhere.tsv")


def test_a_label_that_no_line_trains_and_a_long_one(tmp_path: Path) -> None:
    (path := tmp_path / "new.tsv").write_text(
        "".join(f"{'ab'[i % 2] if i != 19 else 'new'}\tfine\n" for i in range(40))
    )
    with pytest.raises(
        CorpusError, match=r"^new.tsv, line 20: expected a label that lines to train on have too, got 'new'"
    ):
        Sentiment(5, corpus=str(path))
    path.write_text(f"{'w ' * 500}\tfine\n" * 20)
    with pytest.raises(CorpusError, match=r"^new.tsv: expected two labels or more, got '(w ){30}'… in every line$"):
        Sentiment(5, corpus=str(path))
