from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from models.seq2seq import Seq2Seq
from tasks.base import Batch
from tasks.corpora.download import CorpusError
from tasks.phrases.numbers import END, SYMBOLS, WORDS, spelled
from tasks.translation import Translation

TOKENS = [*WORDS, "_", ":", *SYMBOLS]


def phrases(task: Translation, batch: Batch) -> list[tuple[list[str], str]]:
    """Of each sequence the source's words and the answer."""
    targets = iter(batch.targets.tolist())
    answers = ["".join(SYMBOLS[next(targets)] for _ in range(count)) for count in batch.reads.counts.tolist()]
    sources = [[TOKENS[token] for token in row] for row in batch.inputs[:, : task.length, 0].tolist()]
    return list(zip(sources, answers, strict=True))


@pytest.mark.parametrize("length", [1, 2, 7, 12])
def test_the_rule(length: int) -> None:
    task, turned = (Translation(length, source=source, batch_size=40) for source in ("plain", "reversed"))
    batch, other = task.training_batch(0), turned.training_batch(0)
    for row, (words, answer) in enumerate(phrases(task, batch)):
        said = answer.removesuffix("end")
        assert " , ".join(" ".join(WORDS[w] for w in spelled(int(n))) for n in said.split(",")) == " ".join(words)
        steps = [TOKENS[token] for token in batch.inputs[row, length:, 0].tolist()]
        assert "".join(steps) == ":" + said + "_" * (batch.steps - length - 1 - len(said))
        assert batch.reads.mask[row].nonzero()[:, 0].tolist() == list(range(length, length + len(said) + 1))
    assert batch.steps == length + int(batch.reads.counts.max())
    assert torch.equal(other.inputs[:, :length].flip(1), batch.inputs[:, :length])
    assert torch.equal(other.inputs[:, length:], batch.inputs[:, length:])
    assert torch.equal(other.targets, batch.targets)


def test_the_docstrings_example() -> None:
    lines = reversed((Translation.__doc__ or "").splitlines())  # the first row of a name counts
    rows = {words[0]: words[1:] for words in (line.split() for line in lines) if words}
    batch = Translation(4, batch_size=2).training_batch(0)
    assert [int(word) for word in rows["step"]] == list(range(batch.steps))
    assert [TOKENS.index(word) for word in rows["input"][:4]] == batch.inputs[0, :4, 0].tolist()
    assert rows["input"][4:] == [TOKENS[token] for token in batch.inputs[0, 4:, 0].tolist()]
    assert [word == "·" for word in rows["target"]] == (~batch.reads.mask[0]).tolist()
    assert rows["target"][4:] == [SYMBOLS[target] for target in batch.targets[: int(batch.reads.counts[0])]]


def test_an_answer_becomes_the_next_input() -> None:
    task = Translation(5, batch_size=30)
    batch = task.training_batch(0)
    following = task.spec.feed(one_hot(batch.targets, 12).float(), None)  # type: ignore[misc]
    _, steps = batch.reads.mask.nonzero().unbind(1)
    inside = batch.targets != END
    after = batch.inputs.new_zeros(len(steps), 1)
    rows = batch.reads.sequences
    after[inside] = batch.inputs[rows[inside], steps[inside] + 1]
    assert torch.equal(following[inside], after[inside])


def test_the_score_counts_place_by_place_and_whole_answers() -> None:
    task = Translation(4, batch_size=50)
    batch = task.training_batch(0)
    outputs = one_hot(batch.targets, 12).float()
    metric = task.spec.objective.metric()
    metric.update(outputs, batch)
    assert (metric.compute().score, metric.compute().extras) == (1.0, {"exact": 1.0})
    outputs[0] = outputs[0].roll(1)  # one wrong symbol
    metric = task.spec.objective.metric()
    metric.update(outputs, batch)
    assert metric.compute().score == pytest.approx(1 - 1 / len(batch.targets))
    assert metric.compute().extras == {"exact": pytest.approx(0.98)}


@pytest.mark.parametrize("source", ["plain", "reversed"])
def test_credit_lies_on_the_word_read_first(source: Any) -> None:
    task = Translation(9, source=source)
    batch = task.probe_batch(8)
    steps, credit = task.answer_steps(batch), task.credit(batch)
    assert credit is not None
    for row, (words, answer) in enumerate(phrases(task, batch)):
        symbols = answer.removesuffix("end")
        followed = int(steps[row]) - 9
        assert followed == (len(symbols) - 1 if source == "reversed" else 0)
        assert credit[row].nonzero()[:, 0].tolist() == [0] * (words[0] != "hundred")
    assert task.reach == (None if source == "reversed" else 9)


@pytest.mark.parametrize("source", ["plain", "reversed"])
def test_counterfactuals_are_legal_and_change_the_digit(source: Any) -> None:
    task = Translation(9, source=source, batch_size=200)
    batch = task.training_batch(0)
    legal = {tuple(WORDS[word] for word in spelled(number)): number for number in range(1000)}

    def said(inputs: Tensor) -> list[str]:
        rows = inputs[:, :9, 0].flip(1) if task.reversed else inputs[:, :9, 0]
        texts = [" ".join(TOKENS[token] for token in row) for row in rows.tolist()]
        return [",".join(str(legal[tuple(part.split())]) for part in text.split(" , ")) for text in texts]

    before = said(batch.inputs)
    digit = -1 if source == "reversed" else 0
    replaced = task.counterfactuals(batch)
    assert replaced is not None
    for number, (positions, inputs) in enumerate(replaced):
        after = said(inputs)
        for row, position in enumerate(positions.tolist()):
            assert after[row] != before[row]
            if position == 0:
                assert after[row][digit] != before[row][digit]
            assert number or position == (task.credit(batch)[row].max() == 0)
    assert len(Translation(100).counterfactuals(Translation(100, batch_size=4).training_batch(0))) == 32


def test_both_orders_hold_out_the_same_phrases() -> None:
    plain, turned = (Translation(12, source=source).held_out("test")[0] for source in ("plain", "reversed"))
    assert torch.equal(plain.targets, turned.targets)
    assert torch.equal(plain.inputs[:, :12].flip(1), turned.inputs[:, :12])


# -- pairs of one's own ------------------------------------------------------------------------------------------------


def written(tmp_path: Path, *lines: str, more: int = 20) -> str:
    path = tmp_path / "own.tsv"
    path.write_text("\n".join([*(f"le chat {i % 3}\tthe cat {i % 3}" for i in range(more)), *lines]) + "\n")
    return str(path)


def test_own_pairs(tmp_path: Path) -> None:
    task = Translation(4, corpus=written(tmp_path, "bonjour\thello"), batch_size=100)
    assert [*task.lengths()] == [3, 4], "no source of three words fits in less"
    assert task.pairs.words == ["0", "1", "2", "bonjour", "chat", "le"]
    assert task.pairs.symbols == ["0", "1", "2", "cat", "hello", "the", "end"]
    (validation,), (test,) = task.val_dataloader(), task.test_dataloader()
    assert (len(validation), len(test)) == (2, 2)
    blank, delimiter = 6, 7
    assert validation.inputs[0, :, 0].tolist() == [blank, 5, 4, 2, delimiter, 8 + 5, 8 + 3, 8 + 2]  # pair 8
    assert validation.targets[:4].tolist() == [5, 3, 2, 6]
    training = task.training_batch(0)
    assert 3 in training.inputs[:, 3, 0].tolist()
    assert task.chance == pytest.approx((2 * 3 + 1) / 8)  # the cat 0 end: of pairs 9 and 19 one says 0, the other 1
    assert task.solved_threshold is None
    assert task.credit(training) is task.counterfactuals(training) is task.reach is None
    assert task.answer_steps(validation).tolist() == [7, 7]
    assert task.data is not None
    assert task.data.name == "own.tsv"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["no tab here"], r"^own.tsv, line 21: expected a source, one tab and a target, got no tab in 'no tab here'$"),
        (["a\tb\tc"], r"^own.tsv, line 21: expected a source, one tab and a target, got 2 tabs in "),
        (["a\t "], r"^own.tsv, line 21: expected a source, one tab and a target, but a target is missing in "),
        (["one two three four five\tb"], r"^own.tsv, line 21: expected a source of at most 4 words, .* got 5\. Ask"),
    ],
)
def test_what_is_refused_of_own_pairs(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        Translation(4, corpus=written(tmp_path, *lines))


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^Translation: length must be at least 1, got 0$"):
        Translation(0)
    with pytest.raises(
        ValueError, match=r"^Translation: option 'source' expects plain or reversed, got 'reverse'\. Did"
    ):
        Translation(3, source="reverse")  # type: ignore[arg-type]
    with pytest.raises(CorpusError, match=r"own.tsv: expected at least 10 lines of a source, a tab and a target"):
        Translation(4, corpus=written(tmp_path, more=9))
    with pytest.raises(CorpusError, match="did you mean numbers"):
        Translation(4, corpus="number")
    with pytest.raises(CorpusError, match="generated is a corpus of tagged files, which this task cannot read"):
        Translation(4, corpus="generated")


def test_a_sample_shows_what_a_model_says(tmp_path: Path) -> None:
    for task in (Translation(6), Translation(6, source="reversed"), Translation(4, corpus=written(tmp_path))):
        model = Seq2Seq(task.spec, hidden=5).train()
        lines = task.sample(model).splitlines()
        assert model.training
        assert len(lines) == min(3, len(task.probe_batch(3)))
        for line in lines:
            source, said = line.split(" : ")
            assert said.endswith(")")
            if task.generated:
                words = source.split()[::-1] if task.reversed else source.split()
                right = said.split("(")[-1][:-1]
                assert " ".join(words) == " , ".join(
                    " ".join(WORDS[w] for w in spelled(int(number))) for number in right.split(",")
                )


def test_targets_that_need_no_source(tmp_path: Path) -> None:
    (path := tmp_path / "one.tsv").write_text("".join(f"{'ab'[i % 2]}\tfine film\n" for i in range(20)))
    with pytest.raises(
        CorpusError, match=r"^one.tsv: every line that tests .* has the likeliest target of those to train"
    ):
        Translation(5, corpus=str(path))
