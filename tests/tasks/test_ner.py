"""The ner task: windows that score every token once, streams, corpora, and what it says of itself."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import one_hot

import tasks.ner
from tasks.base import Batch, Evaluation, Tokens, UnscorableError, generator
from tasks.corpora.conll import Document
from tasks.corpora.resolving import Corpus
from tasks.entities.generated import TYPES, WORDS
from tasks.entities.spans import FAR
from tasks.entities.texts import load
from tasks.entities.vocabulary import COLUMNS, encoder
from tasks.entities.windows import Encoded, Windows, hop
from tasks.ner import NER
from tests.support.batches import same_batch


def numbered(lengths: list[int]) -> Encoded:
    """Documents whose tokens are numbered 1, 2, … from one document to the next, with tags that differ."""
    total = torch.arange(sum(lengths))
    return Encoded(total[:, None] + 1, total % 7, total % 3, torch.tensor(lengths))


def check_read_tokens(batch: Batch, lookahead: int) -> list[int]:
    """The tokens a batch reads tags of, after checking what its windows hold; numbers as in `numbered`."""
    ids = batch.inputs[..., 0]
    tokens = []
    for row, p in batch.reads.mask.nonzero().tolist():
        token = int(ids[row, p - lookahead])
        assert p >= lookahead
        assert token > 0
        tokens.append(token)
    targets = batch.targets
    assert targets[:, 0].tolist() == [(token - 1) % 7 for token in tokens]
    assert targets[:, 2].tolist() == [(token - 1) % 3 for token in tokens]
    # A window is a run of tokens and then padding.
    for row in ids.tolist():
        held = [token for token in row if token]
        assert row == list(range(held[0], held[0] + len(held))) + [0] * (len(row) - len(held))
    return tokens


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    lookahead=st.integers(0, 4),
    extra=st.integers(1, 30),
    tokens=st.integers(1, 200),
)
def test_every_token_is_scored_once_and_in_order(lengths: list[int], lookahead: int, extra: int, tokens: int) -> None:
    length = lookahead + extra
    windows = Windows(numbered(lengths), length, lookahead)
    batches = windows.held_out(tokens)
    scored = [token for batch in batches for token in check_read_tokens(batch, lookahead)]
    assert scored == list(range(1, sum(lengths) + 1))
    documents = torch.cat([batch.targets[:, 1] for batch in batches])
    assert torch.equal(documents, torch.repeat_interleave(torch.tensor(lengths)))
    # Every token has T−r−H tokens of its document to its left, or all there are, and r to its right, or padding.
    ends = torch.tensor(lengths).cumsum(0)
    end_of, place = ends[documents].tolist(), torch.cat([torch.arange(n) for n in lengths]).tolist()
    for batch in batches:
        for row, p in batch.reads.mask.nonzero().tolist():
            token = int(batch.inputs[row, p - lookahead, 0])
            assert p - lookahead >= min(place[token - 1], length - lookahead - hop(length, lookahead))
            following = [t if t <= end_of[token - 1] else 0 for t in range(token, token + lookahead + 1)]
            assert batch.inputs[row, p - lookahead : p + 1, 0].tolist() == following


def test_windows_by_hand() -> None:
    """T = 4, r = 1, so H = 1; documents of 5 and 2 tokens."""
    (batch,) = Windows(numbered([5, 2]), 4, 1).held_out()
    assert batch.inputs[..., 0].tolist() == [[1, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 0], [6, 7, 0, 0]]
    assert batch.reads.mask.int().tolist() == [[0, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 1], [0, 1, 1, 0]]
    assert batch.targets[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert batch.targets[:, 1].tolist() == [0, 0, 0, 0, 0, 1, 1]


def test_hop() -> None:
    assert [hop(length, 3) for length in (4, 5, 8, 10, 100, 1000)] == [1, 1, 2, 3, 48, 498]


def test_random_windows_offer_every_start_equally() -> None:
    """Documents of 6 and 2, T = 4, r = 1: the first starts at 0 … 3 (its last tag at the end), the second at 0."""
    batch = Windows(numbered([6, 2]), 4, 1).random(5000, generator(0, "windows"))
    first, counts = batch.inputs[:, 0, 0].unique(return_counts=True)
    assert first.tolist() == [1, 2, 3, 4, 7]
    assert (counts - 1000).abs().max() < 120
    check_read_tokens(batch, 1)
    whole = batch.inputs[:, 0, 0] < 7
    assert batch.reads.mask[whole].tolist() == [[False, True, True, True]] * int(whole.sum())
    assert batch.reads.mask[~whole].tolist() == [[False, True, True, False]] * int((~whole).sum())


def ner(length: int, data_folder: Path | None = None, **options: Any) -> NER:
    return NER(length, folder=data_folder, **options)


def generated(length: int, **options: Any) -> NER:
    return NER(length, corpus="generated", **options)


def gold(task: NER, split: Any = "test") -> Tensor:
    return torch.cat([batch.targets for batch in task.held_out(split)])


def evaluate(task: NER, predict: Any) -> Evaluation:
    metric = task.spec.objective.metric()
    for batch in task.held_out("test"):
        metric.update(one_hot(predict(batch), task.spec.outputs), batch)
    result = metric.compute()
    assert isinstance(result, Evaluation)
    return result


@pytest.mark.parametrize("length", [8, 100])
def test_generated_streams(length: int) -> None:
    task, again, other = generated(length), generated(length), generated(length, seed=1)
    again.training_batch(3)
    assert same_batch(task.training_batch(5), again.training_batch(5))
    assert not same_batch(task.training_batch(5), task.training_batch(6))
    assert not same_batch(task.training_batch(5), other.training_batch(5))
    for split in ("validation", "test"):
        pairs = zip(task.held_out(split), other.held_out(split), strict=True)
        assert all(same_batch(a, b) for a, b in pairs)
    assert not torch.equal(gold(task, "validation")[:500], gold(task, "test")[:500])
    batch = task.training_batch(0)
    assert batch.inputs.shape == (task.batch_size, length, 3)
    assert batch.reads is task.training_batch(1).reads
    assert int(batch.reads.mask.sum()) == task.batch_size * (length - 3)


def test_equal_text_per_step() -> None:
    assert [generated(length).batch_size for length in (8, 10, 100, 1000, 10_000)] == [400, 320, 32, 3, 1]
    assert generated(10, batch_size=7).training_batch(0).inputs.shape == (7, 10, 3)


def solve(batch: Batch, within: int, near_only: bool = False) -> Tensor:
    """Tags of a predictor that knows the grammar and sees the last `within` tokens up to its reading step; it takes a
    mention's type from the last cue it sees (near_only: one that touches the mention), else it says type 0."""
    ids = encoder(WORDS)(WORDS)
    words = {tuple(row): word for row, word in zip(ids.tolist(), WORDS, strict=True)}
    tags = []
    for row, p in batch.reads.mask.nonzero().tolist():
        seen = batch.inputs[row, max(0, p - within + 1) : p - 3 + 1].tolist()
        tokens = [words.get(tuple(token), "") for token in seen]
        second = len(tokens) > 1 and tokens[-2].startswith("Name")
        before = tokens[: -2 if second else -1]
        cues = [token for token in (before[-1:] if near_only else before) if token.startswith("<")]
        kind = TYPES.index(cues[-1].strip("<>")) if cues else 0
        tags.append(2 * kind + 1 + second if tokens[-1].startswith("Name") else 0)
    return torch.tensor(tags)


@pytest.mark.parametrize("length", [8, 9, 40])
def test_generated_is_solved_by_its_window_and_not_without_memory(length: int) -> None:
    """A window of T holds the cue of every mention it scores, and so do its last D+r+2 steps."""
    task = generated(length)
    distance = length - 3 - hop(length, 3) - 1
    whole = evaluate(task, lambda batch: solve(batch, length))
    enough = evaluate(task, lambda batch: solve(batch, distance + 3 + 2))
    assert whole.score == enough.score == 1
    assert whole.n == 1200
    assert task.solved(whole.score)
    memory_less = evaluate(task, lambda batch: solve(batch, length, near_only=True))
    assert memory_less.score == pytest.approx(task.chance, abs=0.04)
    assert memory_less.extras["recall_near"] == 1
    assert memory_less.extras["recall_far"] == pytest.approx(0.25, abs=0.06)
    assert not task.solved(memory_less.score)


def test_generated_far_cues_lie_beyond_a_shorter_window() -> None:
    """The last D+r steps hold no far cue."""
    task = generated(40)
    distance = 40 - 3 - hop(40, 3) - 1
    blind = evaluate(task, lambda batch: solve(batch, distance + 3))
    assert blind.extras["recall_near"] == 1
    assert blind.extras["recall_far"] == pytest.approx(0.25, abs=0.06)


def test_generated_credit_is_the_cue_of_the_last_mention() -> None:
    task = generated(40)
    distance, lookahead = 40 - 3 - hop(40, 3) - 1, 3
    cue_ids = encoder(WORDS)(WORDS)[: len(TYPES), 0].tolist()
    far = 0
    for batch in (*task.held_out("test"), task.training_batch(0)):
        credit = task.credit(batch)
        assert credit is not None
        tags, groups = torch.zeros(2, *batch.reads.mask.shape, dtype=torch.long)
        tags[batch.reads.mask], groups[batch.reads.mask] = batch.targets[:, 0], batch.targets[:, 2]
        for row, step in enumerate(task.answer_steps(batch).tolist()):
            steps = tags[row].nonzero().flatten().tolist()
            assert step == (steps or batch.reads.mask[row].nonzero().flatten().tolist())[-1]
            if not steps:
                assert not credit[row].any()
                continue
            tag, is_far = int(tags[row, step]), int(groups[row, step]) == FAR
            cue = step - lookahead - (tag % 2 == 0) - (distance if is_far else 1)
            assert credit[row].nonzero().flatten().tolist() == [cue] * (cue >= 0)
            if cue >= 0:
                assert credit[row, cue] == 1
                assert cue_ids.index(int(batch.inputs[row, cue, 0])) == (tag - 1) // 2
                far += is_far
    assert far > 100


def test_generated_counterfactuals_change_one_cue_at_a_time() -> None:
    task = generated(40)
    cues = encoder(WORDS)(WORDS)[: len(TYPES)].tolist()
    batch = task.training_batch(0)
    expected = [[p for p, token in enumerate(row) if token in cues] for row in batch.inputs.tolist()]
    assert {len(positions) for positions in expected} >= {1, 2, 3}
    replaced = task.counterfactuals(batch)
    assert replaced is not None
    seen: list[list[int]] = [[] for _ in expected]
    for positions, inputs in replaced:
        changed = (inputs != batch.inputs).any(-1)
        for row, p in enumerate(positions.tolist()):
            assert changed[row].nonzero().flatten().tolist() == ([p] if expected[row] else [])
            if expected[row]:
                old, new = (cues.index(ids[row, p].tolist()) for ids in (batch.inputs, inputs))
                assert new == (old + 1) % 4
                seen[row].append(p)
    assert [sorted(set(positions)) for positions in seen] == expected


@pytest.mark.parametrize("length", [8, 100])
def test_probe_sequences_hold_a_mention_and_its_cue(length: int) -> None:
    task = generated(length)
    assert task.reach == length - 3 - hop(length, 3) - 1
    batch = task.probe_batch(8)
    assert batch.inputs.shape == (8, length, 3)
    credit, steps = task.credit(batch), task.answer_steps(batch)
    assert credit is not None
    assert credit.sum(1).tolist() == [1.0] * 8
    # The answer lies r steps after its token, which is d, or d+1 as a second name, after its cue.
    distances = {step - 3 - int(row.argmax()) for step, row in zip(steps.tolist(), credit, strict=True)}
    assert distances <= {1, 2, task.reach, task.reach + 1}
    counts = batch.reads.mask.sum(1).tolist()
    for targets, step, read in zip(batch.targets[:, 0].split(counts), steps.tolist(), batch.reads.mask, strict=True):
        assert targets[int(read[:step].sum())] > 0


def test_generated_says_what_it_is() -> None:
    task = generated(100)
    assert (task.chance, task.best, task.floors) == (0.625, 1.0, {})
    assert task.data is not None
    assert task.data.name == "generated"
    assert task.spec.outputs == 1 + 2 * 4
    assert task.spec.look_ahead


def test_lengths_below_the_minimum() -> None:
    with pytest.raises(ValueError, match="at least 4, got 3"):
        generated(3)
    with pytest.raises(ValueError, match=r"generated.*at least lookahead \+ 5 = 8.*got 7"):
        generated(7)
    with pytest.raises(ValueError, match="lookahead must be at least 0, got -1"):
        generated(8, lookahead=-1)
    assert generated(5, lookahead=0).training_batch(0).inputs.shape == (640, 5, 3)


def own_file(tmp_path: Path) -> str:
    path = tmp_path / "own.conll"
    sentence = "Mr O\n{} B-PER\nsmiled O\n. O\n\n"
    path.write_text("".join(sentence.format(f"Pip{i % 3}") for i in range(40)), encoding="utf-8")
    return str(path)


def test_own_file(tmp_path: Path) -> None:
    task = NER(4, corpus=own_file(tmp_path))
    assert task.spec.outputs == 3
    assert [*task.lengths()] == [4]
    assert [*NER(4, corpus=own_file(tmp_path), lookahead=0).lengths()] == [4], "never below the minimum"
    assert task.written(next(iter(task.test_dataloader()))).steps[1].cells == ("mr", "pip0", "smiled", ".")
    assert gold(task)[:, 0].tolist() == [0, 1, 0, 0] * 4
    assert task.floors["gazetteer"] == 1
    assert task.data is not None
    assert len(task.data.sha256) == 64
    with pytest.raises(ValueError, match=r"length 5 is above the longest document of own\.conll: own:0 has 4 tokens"):
        NER(5, corpus=own_file(tmp_path))
    with pytest.raises(ValueError, match="length must be above lookahead = 4, got 4"):
        NER(4, corpus=own_file(tmp_path), lookahead=4)
    batch = task.training_batch(0)
    assert task.credit(batch) is task.counterfactuals(batch) is task.reach is None
    probe = task.probe_batch(3)
    assert probe.inputs.shape == (3, 4, 3)
    assert task.answer_steps(probe).tolist() == [3, 3, 3]


def test_falling_back_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    note = "litbank cannot be had (no network)"
    monkeypatch.setattr(tasks.ner, "resolve", lambda *_, **__: Corpus("generated", "0" * 64, "generated", None, note))
    with pytest.warns(UserWarning, match=r"litbank cannot be had .* using corpus 'generated'"):
        task = NER(10)
    assert task.chance == 0.625


def test_vocabulary() -> None:
    training = ["The", "the", "Pip", "pip", "Jean-Luc3", *(f"word{i}x" for i in range(5000))]
    encode = encoder(training)
    ids = encode(["THE", "Pip", "jean-luc3", "neverseen", "%&"])
    assert ids[0, 0] == encode(["the"])[0, 0] != 0
    assert ids[1, :2].tolist() == encode(["PIP"])[0, :2].tolist()
    assert ids[2, 0] == encode(["Jean-Luc3"])[0, 0] != 0
    assert ids[3].tolist() == [0, 0, encode(["the"])[0, 2]]
    assert ids[4].tolist() == [0, 0, 1]  # an unknown shape is no padding
    everything = encode([*training, "never-seen!"])
    assert (everything.amax(0) < torch.tensor([column.size for column in COLUMNS])).all()
    assert everything[:, 0].amax() == 3999
    assert (everything[:, 2] > 0).all()
    assert [(column.size, column.width) for column in COLUMNS] == [(4000, 16), (1000, 8), (50, 4)]


@pytest.mark.parametrize("length", [4, 10, 100, 1000])
def test_litbank_scores_the_same_spans_at_every_length(data_folder: Path, length: int) -> None:
    task = ner(length, data_folder)
    assert torch.equal(gold(task)[:, :2], gold(ner(50, data_folder))[:, :2])
    perfect = evaluate(task, lambda batch: batch.targets[:, 0])
    assert (perfect.score, perfect.n) == (1, 1301)
    assert evaluate(task, lambda batch: torch.zeros_like(batch.targets[:, 0])).score == task.chance == 0
    for batch in task.held_out("validation"):
        assert batch.inputs.size(1) == length
        held = (batch.inputs != 0).any(-1)
        assert (batch.inputs[..., 2] > 0).equal(held)
        assert (batch.inputs[held].amax(0) < torch.tensor([column.size for column in COLUMNS])).all()


def test_litbank_aligned_by_hand(data_folder: Path) -> None:
    """The first thousand tags read of the test documents are the second column of the tenth file."""
    task = ner(8, data_folder)
    first = task.held_out("test")[0]
    path = sorted((data_folder / "litbank" / "entities" / "tsv").glob("*.tsv"), key=lambda p: p.name)[9]
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n") if line]
    kinds = ["FAC", "GPE", "LOC", "ORG", "PER", "VEH"]
    names = ["O", *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI")]
    read = [names[tag] for tag in first.targets[:1000, 0].tolist()]
    assert read == [line[1] for line in lines[:1000]]
    assert first.reads.mask[:3].int().tolist() == [[0, 0, 0, 1, 1, 1, 1, 1]] + [[0, 0, 0, 0, 0, 0, 1, 1]] * 2


def test_litbank_streams(data_folder: Path) -> None:
    task, again, other = (ner(100, data_folder, seed=seed) for seed in (0, 0, 1))
    again.training_batch(1)
    assert same_batch(task.training_batch(7), again.training_batch(7))
    assert not same_batch(task.training_batch(7), task.training_batch(8))
    assert not same_batch(task.training_batch(7), other.training_batch(7))
    assert task.training_batch(7).reads is task.training_batch(8).reads
    assert task.training_batch(0).inputs.shape == (32, 100, 3)
    sizes = [len(gold(task, split)) for split in ("validation", "test")]
    assert sizes == [21_018, 20_857]
    rows = {tuple(row) for row in task.training_batch(0).inputs[..., 0].tolist()}
    held_out = {tuple(row) for batch in task.held_out("test") for row in batch.inputs[..., 0].tolist()}
    assert not rows & held_out


def test_litbank_says_what_it_is(data_folder: Path) -> None:
    task = ner(1000, data_folder)
    assert 0.42 <= task.floors["gazetteer"] <= 0.435
    assert (task.chance, task.best, task.solved_threshold) == (0, 1, None)
    assert not task.solved(1.0)
    assert task.spec.outputs == 1 + 2 * 6
    assert task.spec.inputs == Tokens(COLUMNS)
    assert task.data is not None
    assert task.data.name == "litbank"
    with pytest.raises(ValueError, match=r"length 3420 is above the longest document of litbank: .* has 3419 tokens"):
        ner(3420, data_folder)
    assert ner(3419, data_folder).training_batch(0).inputs.shape == (1, 3419, 3)


@pytest.mark.parametrize(("corpus", "types", "spans"), [("wnut17", 6, 1079), ("wikigold", 4, 246)])
def test_other_corpora(data_folder: Path, corpus: str, types: int, spans: int) -> None:
    task = ner(50, data_folder, corpus=corpus)
    assert task.spec.outputs == 1 + 2 * types
    assert evaluate(task, lambda batch: batch.targets[:, 0]).n == spans
    assert 0 < task.floors["gazetteer"] < 0.3
    batch = task.training_batch(0)
    assert len(batch.targets) == int(batch.reads.mask.sum())
    assert (batch.targets[:, 0] >= 0).all()


NAMES = "Ann\tB-PER\nran\tO\n\n"
NONE = "she\tO\nran\tO\n\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NONE * 20, r"own\.txt: every tag of the training, validation, test documents is O.* Is the last"),
        ((NAMES * 9 + NONE) * 2, r"own\.txt: the test documents hold no entity \(all their 4 tags are O\)"),
        ((NAMES * 8 + NONE + NAMES) * 2, r"own\.txt: the validation documents hold no entity"),
        ((NONE * 8 + NAMES * 2) * 2, r"own\.txt: the training documents hold no entity"),
    ],
)
def test_a_corpus_without_anything_to_find_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UnscorableError, match=message):
        NER(4, corpus=str(path), lookahead=1)


def test_a_split_without_a_token_is_refused() -> None:
    documents = {
        "training": [Document("a", ("Ann",), ("B-PER",))],
        "validation": [Document("b", ("Ann",), ("B-PER",))],
        "test": [],
    }
    with pytest.raises(UnscorableError, match=r"dev\.txt and 1 more: the test documents hold no token"):
        load(lambda paths: documents, (Path("dev.txt"), Path("test.txt")), "0")
