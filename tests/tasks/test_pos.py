from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import one_hot

from tasks.base import Evaluation, UnscorableError
from tasks.corpora.conllu import TAGS
from tasks.corpora.resolving import CorpusError
from tasks.entities.vocabulary import encoder
from tasks.entities.windows import hop
from tasks.pos import PartOfSpeech
from tasks.treebank.texts import CUES, WORDS
from tests.support.examples_in_columns import columns

KINDS = dict(zip(CUES, ("NOUN", "VERB", "ADJ", "ADV"), strict=True))
ENCODED = {tuple(row): word for row, word in zip(encoder(WORDS)(WORDS).tolist(), WORDS, strict=True)}


def grammar(length: int, **options: Any) -> PartOfSpeech:
    return PartOfSpeech(length, corpus="grammar", **options)


def test_the_docstrings_example() -> None:
    rows, batch = columns(PartOfSpeech.__doc__), grammar(10).training_batch(0)
    assert [int(word) for word in rows["step"]] == list(range(10))
    assert rows["token"] == [ENCODED[tuple(ids)] for ids in batch.inputs[0].tolist()]
    assert [tag == "·" for tag in rows["tag"]] == (~batch.reads.mask[0]).tolist()
    read = [tag for tag in rows["tag"] if tag != "·"]
    targets = batch.targets[: len(read)].tolist()
    assert read == [TAGS[tag] + "+" * (group > 0) for tag, _, group in targets]


@pytest.mark.parametrize(("length", "lookahead"), [(6, 1), (10, 1), (5, 0), (41, 3)])
def test_the_grammar(length: int, lookahead: int) -> None:
    """Every scored word has the tag of the last cue before it in its document; every other word always the same."""
    task = grammar(length, lookahead=lookahead)
    documents = task.text.windows("test")
    distances, own = set(), dict[str, set[int]]()
    for first, count in zip(documents.first.tolist(), documents.lengths.tolist(), strict=True):
        words = [ENCODED[tuple(ids)] for ids in documents.ids[first : first + count].tolist()]
        targets = documents.targets[first + lookahead : first + lookahead + count].tolist()
        cue = -1
        for i, (word, (tag, _, group)) in enumerate(zip(words, targets, strict=True)):
            cue = i if word in KINDS else cue
            if group:
                assert TAGS[tag] == KINDS[words[cue]]
                distances.add((group, i - cue))
            else:
                own.setdefault(word, set()).add(tag)
    assert all(len(tags) == 1 for tags in own.values())
    distance = length - lookahead - hop(length, lookahead) - 1
    assert task.reach == distance
    assert distances == {(1, 1), (1, 2), (2, distance), (2, distance + 1)}


def evaluate(task: PartOfSpeech, window: int | None) -> Evaluation:
    metric = task.spec.objective.metric()
    assert task.spec.predict is not None
    for batch in task.held_out("test"):
        outputs = task.spec.predict(one_hot(batch.inputs[..., 0], 1 + len(WORDS)).float(), window)
        metric.update(batch.reads.pick(outputs), batch)
    found = metric.compute()
    assert isinstance(found, Evaluation)
    return found


@pytest.mark.parametrize("length", [6, 20, 60])
def test_the_solution_is_right_where_the_cue_is_in_sight(length: int) -> None:
    task = grammar(length)
    distance = length - 1 - hop(length, 1) - 1
    assert evaluate(task, None).score == evaluate(task, distance + 3).score == task.best == 1
    assert task.solved(1)
    nothing = evaluate(task, 2)  # the word itself and its successor
    assert nothing.n > 1500
    assert nothing.score == pytest.approx(task.chance, abs=0.04)
    if length > 6:
        assert evaluate(task, 3).score == pytest.approx(0.25 + 0.75 * 0.5 * 2 / 3, abs=0.04)  # first words of near ones


def test_chance_is_that_of_any_tag_of_the_four() -> None:
    task = grammar(20)
    for tag in KINDS.values():
        metric = task.spec.objective.metric()
        for batch in task.held_out("test"):
            metric.update(torch.eye(17)[TAGS.index(tag)].expand(len(batch.targets), -1), batch)
        assert metric.compute().score == pytest.approx(task.chance, abs=0.04)


def line(number: int, form: str, tag: str) -> str:
    return "\t".join([str(number), form, form, tag, *"______"]) + "\n"


def treebank(path: Path, second: str = "NOUN") -> Path:
    """Ten documents: `can` is AUX eight times in training, NOUN twice; in the test document once each."""
    sentences = [line(1, "I", "PRON") + line(2, "can", "AUX") + line(3, "do", "VERB") + "\n"] * 10
    sentences[1] = sentences[9] = line(1, "a", "DET") + line(2, "can", second) + line(3, "new", "ADJ") + "\n"
    path.write_text("".join(sentences))
    return path


def test_a_treebank_of_ones_own(tmp_path: Path) -> None:
    """The test document: a (DET in training), can (AUX in training, NOUN here), new (ADJ in training)."""
    task = PartOfSpeech(3, corpus=str(treebank(tmp_path / "own.conllu")), lookahead=0)
    assert task.chance == pytest.approx(2 / 3)
    assert task.floors == {"most frequent tag": 0}
    assert [*task.lengths()] == [2, 3]
    assert task.written(next(iter(task.test_dataloader()))).steps[1].cells == ("a", "can", "new")
    assert (task.solved_threshold, task.spec.predict) == (None, None)
    targets = torch.cat([batch.targets for batch in task.held_out("test")])
    assert [TAGS[tag] for tag in targets[:, 0].tolist()] == ["DET", "NOUN", "ADJ"]
    assert task.credit(task.training_batch(0)) is None
    metric = task.spec.objective.metric()
    for batch in task.held_out("test"):
        metric.update(one_hot(batch.targets[:, 0], 17).float(), batch)
    assert (metric.compute().score, metric.compute().n) == (1, 3)


def test_a_test_part_with_nothing_to_score(tmp_path: Path) -> None:
    path = treebank(tmp_path / "own.conllu", second="AUX")
    with pytest.raises(UnscorableError, match=r"own\.conllu: every word of the test documents has the tag it has most"):
        PartOfSpeech(3, corpus=str(path))


def test_what_is_refused(tmp_path: Path) -> None:
    path = treebank(tmp_path / "own.conllu")
    for length, options, message in (
        (5, {}, r"^PartOfSpeech: corpus 'grammar' needs a length of at least lookahead \+ 5 = 6, .*; got 5$"),
        (9, {"lookahead": -1}, r"^PartOfSpeech: lookahead must be at least 0, got -1$"),
        (
            4,
            {"corpus": str(path)},
            r"^PartOfSpeech: length 4 is above the longest document of own\.conllu: .* has 3 tok",
        ),
        (3, {"corpus": str(path), "lookahead": 3}, r"^PartOfSpeech: length must be above lookahead = 3, got 3$"),
    ):
        with pytest.raises(ValueError, match=message):
            PartOfSpeech(length, **options)
    with pytest.raises(
        CorpusError, match=r"litbank is a corpus of tagged files, which this task cannot read: expected grammar"
    ):
        PartOfSpeech(10, corpus="litbank")
