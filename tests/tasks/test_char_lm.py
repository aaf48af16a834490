"""char_lm: what is scored from which context, splits, the training stream, reference scores, samples."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.base import SequenceModel
from tasks.base import Batch, Block, Feed, Reads, Split, generator
from tasks.char_lm import CharLM, NextToken
from tasks.characters import ngram
from tasks.characters import text as characters_text
from tasks.corpora.resolving import CorpusError
from tests.support.batches import a_batch

CHARACTERS = 2_000
TRAIN, MIDDLE = 1_800, 1_900
LENGTHS = [1, 2, 3, 4, 7, 10, 99, 100, 101, 250, 1_799]


@pytest.fixture(autouse=True)
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngram, "cache", lambda: tmp_path / "cache")


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 characters of twelve words in random order."""
    words = ["it", "was", "the", "best", "of", "times", "worst", "age", "wisdom", "foolishness", "epoch", "season\n"]
    drawn = torch.randint(len(words), (600,), generator=generator(0, "words"))
    path = tmp_path_factory.mktemp("texts") / "words.txt"
    path.write_text(" ".join(words[i] for i in drawn)[:CHARACTERS])
    return path


def task(path: Path, length: int, **options: Any) -> CharLM:
    return CharLM(length, corpus=str(path), **options)


def batches(made: CharLM, split: Split) -> list[Batch]:
    held_out = made.held_out(split)
    return [held_out[i] for i in range(len(held_out))]  # type: ignore[arg-type]


def letters(made: CharLM, ids: Tensor) -> str:
    return "".join(made._text.characters[i] for i in ids.flatten())


def scored_with_context(made: CharLM, split: Split) -> list[tuple[str, str]]:
    """(context, character) of each scored character, read off the batches alone."""
    found = []
    for batch in batches(made, split):
        assert batch.inputs.shape == (*batch.reads.mask.shape, 1)
        assert len(batch.targets) == int(batch.reads.mask.sum())
        for (row, step), target in zip(batch.reads.mask.nonzero().tolist(), batch.targets, strict=True):
            found.append((letters(made, batch.inputs[row, : step + 1]), letters(made, target)))
    return found


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("split", ["validation", "test"])
def test_each_held_out_character_is_scored_once_from_its_context(counted: Path, length: int, split: Split) -> None:
    text = counted.read_text()
    made = task(counted, length)
    first, stop = (TRAIN, MIDDLE) if split == "validation" else (MIDDLE, CHARACTERS)
    found = scored_with_context(made, split)
    assert "".join(character for _, character in found) == text[first:stop]
    hop = max(1, length // 2)
    for place, (context, _) in enumerate(found, start=first):
        assert length - hop + 1 <= len(context) <= length
        assert text[place - len(context) : place] == context


def test_batches_of_the_held_out_set_join_without_a_seam(counted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scored_with_context(task(counted, 10), "test")
    monkeypatch.setattr("tasks.char_lm.EVALUATION_TOKENS", 30)  # three windows each
    made = task(counted, 10)
    assert len(batches(made, "test")) == 7
    assert scored_with_context(made, "test") == whole


def test_the_worked_example(counted: Path) -> None:
    text = "hello world" * 100
    path = counted.with_name("hello.txt")
    path.write_text(text)
    found = scored_with_context(task(path, 4), "validation")
    assert {("wor", "l"), ("worl", "d")} <= set(found)
    assert all(len(context) == 3 + place % 2 for place, (context, _) in enumerate(found))


@pytest.mark.parametrize("length", [1, 7, 64, 300])
def test_blocks_are_disjoint_and_read_nothing_to_their_left(counted: Path, length: int) -> None:
    text = counted.read_text()
    made = task(counted, length, evaluation="blocks")
    found = scored_with_context(made, "test")
    assert "".join(character for _, character in found) == text[TRAIN + 1 :]
    assert [len(context) for context, _ in found] == [1 + i % length for i in range(CHARACTERS - TRAIN - 1)]
    assert all(text[TRAIN + 1 + i - len(c) : TRAIN + 1 + i] == c for i, (c, _) in enumerate(found))
    assert found == scored_with_context(made, "validation")


@pytest.mark.parametrize("length", [1, 10, 1_799])
def test_training_windows_lie_in_the_training_text_and_learn_from_every_output(counted: Path, length: int) -> None:
    training = counted.read_text()[:TRAIN]
    made = task(counted, length, batch_size=50)
    for step in range(3):
        batch = made.training_batch(step)
        assert batch.reads.mask.all()
        assert batch.inputs.shape == (50, length, 1)
        for row, targets in zip(batch.inputs, batch.targets.view(50, length), strict=True):
            window = letters(made, row) + letters(made, targets[-1])
            assert window in training
            assert letters(made, row)[1:] == letters(made, targets[:-1])


def test_training_windows_reach_both_ends_of_the_training_text(counted: Path) -> None:
    made = task(counted, 1_795, batch_size=200)  # five places
    found = {letters(made, row) for row in made.training_batch(0).inputs}
    training = counted.read_text()[:TRAIN]
    assert found == {training[i : i + 1_795] for i in range(5)}


def test_a_training_batch_depends_on_seed_and_step_only(counted: Path) -> None:
    made, again, other = task(counted, 10), task(counted, 10), task(counted, 10, seed=1)
    later = made.training_batch(7)
    assert torch.equal(later.inputs, again.training_batch(7).inputs)
    assert not torch.equal(later.inputs, again.training_batch(8).inputs)
    assert not torch.equal(later.inputs, other.training_batch(7).inputs)
    assert scored_with_context(made, "test") == scored_with_context(other, "test")
    made.block = 4
    stream = iter(made.train_dataloader())
    next(stream)
    block = next(stream)
    assert isinstance(block, Block)
    assert torch.equal(block[3].inputs, later.inputs)


@pytest.mark.parametrize(("length", "windows"), [(1, 3_200), (10, 320), (100, 32), (1_000, 3), (1_799, 2)])
def test_every_length_reads_about_as_many_characters_a_step(counted: Path, length: int, windows: int) -> None:
    assert task(counted, length).batch_size == windows
    assert task(counted, length, batch_size=None).batch_size == windows
    assert task(counted, length, batch_size=5).training_batch(0).inputs.size(0) == 5


def test_reads_of_one_shape_are_made_once(counted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.char_lm.EVALUATION_TOKENS", 30)
    made = task(counted, 10)
    assert made.training_batch(0).reads is made.training_batch(1).reads
    masks = [batch.reads for batch in batches(made, "test")]
    assert all(mask is masks[0] for mask in masks[:-1])
    assert [batch.reads for batch in batches(made, "test")][-1] is masks[-1]


class Frequencies(nn.Module):
    """Predicts every character by its frequency in the training text."""

    def __init__(self, made: CharLM) -> None:
        super().__init__()
        ids = made._text.ids[: made._text.train].long()
        self.logits = nn.Parameter((ids.bincount(minlength=made.spec.outputs) + 1.0).log())

    def forward(self, batch: Batch) -> Tensor:
        return self.logits.expand(len(batch.targets), -1)


@pytest.mark.parametrize("length", [1, 10, 101])
def test_chance_is_what_character_frequencies_score(counted: Path, length: int) -> None:
    made = task(counted, length)
    metric = made.spec.objective.metric()
    for batch in made.test_dataloader():
        metric.update(Frequencies(made)(batch).detach(), batch)
    result = metric.compute()
    assert result.score == pytest.approx(made.chance, abs=1e-5)
    assert made.skill(result.score) == pytest.approx(0, abs=1e-5)
    assert result.n == CHARACTERS - MIDDLE
    assert sum(n for n, _ in result.blocks) / sum(d for _, d in result.blocks) == pytest.approx(result.score)


def test_reference_scores(counted: Path) -> None:
    made = task(counted, 10)
    assert list(made.floors) == ["bigram", "trigram", "4-gram", "5-gram", "6-gram", "7-gram"]
    assert made.best == min(made.floors.values()) < made.chance
    assert made.skill(made.best) == 1
    assert made.skill(made.best / 2) > 1
    assert made.solved_threshold is None
    assert not made.solved(0)


def test_the_objective_by_hand() -> None:
    objective = NextToken()
    outputs = torch.tensor([[math.log(3.0), 0.0, 0.0], [0.0, 0.0, math.log(2.0)]])
    targets = torch.tensor([0, 1])
    assert float(objective.loss(outputs, a_batch(targets))) == pytest.approx((math.log(5 / 3) + math.log(4)) / 2)
    metric = objective.metric()
    metric.update(outputs, a_batch(targets))
    assert metric.compute().score == pytest.approx((math.log2(5 / 3) + 2) / 2)
    assert objective.answer(outputs, a_batch(targets)).tolist() == pytest.approx([math.log(3 / 2), -math.log(3)])


class Successor(nn.Module):
    """Knows the training text by heart: predicts the character that follows the whole context there."""

    def __init__(self, made: CharLM, text: str) -> None:
        super().__init__()
        self.made, self.text = made, text
        self.contexts: list[str] = []

    def generate(self, batch: Batch, feed: Feed, longest: int) -> None:
        assert not self.training
        assert not torch.is_grad_enabled()
        assert batch.reads.mask.nonzero().tolist() == [[0, batch.steps - 1]]
        assert longest == 1
        feed(self(batch.inputs), None)

    def forward(self, inputs: Tensor) -> Tensor:
        context = letters(self.made, inputs)
        self.contexts.append(context)
        logits = torch.full((1, self.made.spec.outputs), -1e9)
        logits[0, self.made._text.characters.index(self.text[self.text.rindex(context, 0, -1) + len(context)])] = 0.0
        return logits


@pytest.mark.parametrize(("length", "longest"), [(20, 20), (150, 100)])
def test_a_sample_feeds_its_own_draws_back(counted: Path, length: int, longest: int) -> None:
    text = "\nabcdefghij" * 150
    path = counted.with_name("alphabet.txt")
    path.write_text(text)
    made = task(path, length)
    model = Successor(made, text).train()
    sample = made.sample(model)
    assert model.training
    assert sample == ("abcdefghij\n" * 28)[:300]
    assert model.contexts[0] == "\n"
    assert model.contexts[-1] == sample[-1 - longest : -1]
    assert max(map(len, model.contexts)) == longest


class Bag(SequenceModel):
    """The smallest sequence model: every step by itself."""

    def __init__(self, spec: Any, **common: Any) -> None:
        super().__init__(spec, hidden=4, **common)
        self.assemble(lambda hidden: nn.Linear(self.width, hidden), lambda body: body.out_features)  # type: ignore

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick(self.body(x), reads)


def test_a_sequence_model_learns_and_writes(counted: Path) -> None:
    torch.manual_seed(0)
    made = task(counted, 10)
    model = Bag(made.spec)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for step in range(60):
        batch = made.training_batch(step)
        loss = made.spec.objective.loss(model(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item() / math.log(2))
    assert losses[-1] < made.chance - 0.5
    assert set(made.sample(model)) <= set(counted.read_text())
    assert made.sample(model) == made.sample(model)


def test_what_cannot_be_served_is_an_error(counted: Path) -> None:
    with pytest.raises(ValueError, match=r"length 1800 is more than words\.txt can serve: at most 1799"):
        task(counted, 1_800)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        task(counted, 0)
    with pytest.raises(ValueError, match="windows, blocks, got 'window'"):
        task(counted, 10, evaluation="window")
    short = counted.with_name("short.txt")
    short.write_text("a" * 999)
    with pytest.raises(CorpusError, match="999 characters, expected at least 1000"):
        task(short, 10)
    monotonous = counted.with_name("monotonous.txt")
    monotonous.write_text("a" * 1_000)
    with pytest.raises(CorpusError, match=r"no n-gram predicts monotonous\.txt better"):
        task(monotonous, 10)


def test_of_a_long_text_the_held_out_parts_are_cut(counted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(characters_text, "HELD_OUT", 30)
    text = counted.read_text()
    made = task(counted, 10)
    assert "".join(c for _, c in scored_with_context(made, "validation")) == text[TRAIN : TRAIN + 30]
    assert "".join(c for _, c in scored_with_context(made, "test")) == text[MIDDLE : MIDDLE + 30]
    blocks = task(counted, 10, evaluation="blocks")
    assert "".join(c for _, c in scored_with_context(blocks, "test")) == text[TRAIN + 1 : TRAIN + 60]


def test_falling_back_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("tasks.corpora.resolving.fetch", lambda *_: "no network")
    with pytest.warns(UserWarning, match=re.escape("shakespeare cannot be had (no network); using corpus 'python'")):
        made = CharLM(10)
    assert made.data is not None
    assert made.data.name == "python"


def test_tiny_shakespeare(data_folder: Path) -> None:
    text = (data_folder / "tinyshakespeare" / "input.txt").read_text(encoding="utf-8")
    made = CharLM(100, folder=data_folder)
    assert made.data is not None
    assert made.data.name == "shakespeare"
    assert made.spec.outputs == 65
    assert made._text.train == 1_003_854
    for split, part in (("validation", text[1_003_854:1_059_624]), ("test", text[1_059_624:])):
        targets = torch.cat([batch.targets for batch in batches(made, split)])
        assert letters(made, targets) == part
    nats = {name: bits * math.log(2) for name, bits in made.floors.items()}
    assert made.chance * math.log(2) == pytest.approx(3.362, abs=6e-4)
    assert nats["bigram"] == pytest.approx(2.494, abs=1e-3)
    assert made.best == made.floors["7-gram"] == pytest.approx(2.279, abs=1e-3)
    blocks = CharLM(64, folder=data_folder, evaluation="blocks")
    assert sum(len(batch.targets) for batch in batches(blocks, "test")) == 111_539
    assert blocks.floors["7-gram"] * math.log(2) == pytest.approx(1.517, abs=1e-3)
