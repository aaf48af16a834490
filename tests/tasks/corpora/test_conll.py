"""Readers of CoNLL-style files: schemes, documents, splits, and what malformed files are told."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.corpora.conll import SPLITS, CorpusFormatError, Document, read_conll, read_litbank, read_wnut17, to_bio

Chunks = list[tuple[str, int]]  # (type, tokens); type O is outside


def bio(chunks: Chunks) -> list[str]:
    return ["O" if kind == "O" else f"{'I' if i else 'B'}-{kind}" for kind, size in chunks for i in range(size)]


def iobes(chunks: Chunks) -> list[str]:
    def prefix(i: int, size: int) -> str:
        return "S" if size == 1 else "B" if i == 0 else "E" if i == size - 1 else "I"

    return ["O" if kind == "O" else f"{prefix(i, size)}-{kind}" for kind, size in chunks for i in range(size)]


def iob1(chunks: Chunks) -> list[str]:
    tags = []
    for number, (kind, size) in enumerate(chunks):
        touches = number > 0 and chunks[number - 1][0] == kind
        tags += ["O" if kind == "O" else f"{'B' if touches and i == 0 else 'I'}-{kind}" for i in range(size)]
    return tags


@pytest.mark.parametrize("scheme", [bio, iobes, iob1])
@given(chunks=st.lists(st.tuples(st.sampled_from(["O", "PER", "LOC"]), st.integers(1, 3)), max_size=8))
def test_every_scheme_becomes_bio(scheme: Callable[[Chunks], list[str]], chunks: Chunks) -> None:
    assert to_bio(scheme(chunks)) == bio(chunks)


def test_touching_chunks_are_kept_apart_by_iob1() -> None:
    assert to_bio(["I-PER", "B-PER", "I-PER", "I-LOC", "O"]) == ["B-PER", "B-PER", "I-PER", "B-LOC", "O"]


def test_a_closed_chunk_is_not_gone_on_with() -> None:
    assert to_bio(["S-PER", "I-PER", "E-PER", "E-PER"]) == ["B-PER", "B-PER", "I-PER", "B-PER"]


def test_own_file_with_separators_holds_documents(tmp_path: Path) -> None:
    article = "-DOCSTART- -X- O\n\nU.N. NNP I-ORG\nofficial NN O\n\nEkeus NNP I-PER\nBonn NNP I-LOC\n\n"
    path = tmp_path / "own.txt"
    path.write_text(article * 10, encoding="utf-8")
    splits = read_conll([path])
    assert [len(splits[split]) for split in SPLITS] == [8, 1, 1]
    assert splits["test"][0] == Document(
        "own:10", ("U.N.", "official", "Ekeus", "Bonn"), ("B-ORG", "O", "B-PER", "B-LOC")
    )


def test_a_chunk_ends_with_its_sentence(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("-DOCSTART- O\n\nAnn I-PER\n\nBob I-PER\nLee I-PER\n" * 10, encoding="utf-8")
    assert read_conll([path])["test"][0].tags == ("B-PER", "B-PER", "I-PER")


def test_own_file_without_separators_holds_sentences(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("\r\n\r\n".join(f"word{i} O\r\nParis S-LOC" for i in range(20)), encoding="utf-8")
    splits = read_conll([path])
    assert [document.tokens[0] for document in splits["validation"]] == ["word8", "word18"]
    assert [document.tokens[0] for document in splits["test"]] == ["word9", "word19"]
    assert [len(document.tokens) for document in splits["training"]] == [2] * 16
    assert splits["training"][0].tags == ("O", "B-LOC")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("word", r"own\.txt, line 3: expected a token and a tag, spaces between them, got 'word'"),
        ("word NNP X-PER", r"own\.txt, line 3: expected the tag O or B-, I-, E- or S- and a type, got 'X-PER'"),
        ("word B-", r"line 3: expected the tag .* got 'B-'"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "own.txt"
    path.write_text(f"good O\n\n{line}\n", encoding="utf-8")
    with pytest.raises(CorpusFormatError, match=message):
        read_conll([path])


@pytest.mark.parametrize("line", ["word O O", "\tO", "word\tperson\tO"])
def test_a_malformed_tab_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "novel.tsv"
    path.write_text(f"good\tO\tO\n{line}\n", encoding="utf-8")
    with pytest.raises(CorpusFormatError, match=r"novel\.tsv, line 2: expected"):
        read_litbank([path] * 10)


def test_too_few_documents_for_the_splits(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text("a O\n\n" * 9, encoding="utf-8")
    with pytest.raises(CorpusFormatError, match=r"at least 10 documents .* got 9"):
        read_conll([path])


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_bytes("Ané O\n".encode("latin-1") * 20)
    with pytest.raises(CorpusFormatError, match=r"own\.txt: expected UTF-8 text"):
        read_conll([path])


def test_wnut17_needs_its_three_files(tmp_path: Path) -> None:
    with pytest.raises(CorpusFormatError, match="whose name holds 'train'"):
        read_wnut17([tmp_path / "emerging.dev.conll"])


def flat(splits: dict[str, list[Document]]) -> list[Document]:
    return [document for split in SPLITS for document in splits[split]]


def test_litbank(data_folder: Path) -> None:
    paths = list((data_folder / "litbank" / "entities" / "tsv").glob("*.tsv"))
    splits = read_litbank(paths)
    documents = flat(splits)
    lengths = [len(document.tokens) for document in documents]
    assert [len(splits[split]) for split in SPLITS] == [80, 10, 10]
    assert (sum(lengths), min(lengths), max(lengths)) == (210_532, 1_999, 3_419)
    kinds = {tag[2:] for document in documents for tag in document.tags} - {""}
    assert kinds == {"PER", "FAC", "GPE", "LOC", "VEH", "ORG"}
    stems = sorted(path.name for path in paths)
    assert [document.name + ".tsv" for document in splits["validation"]] == stems[8::10]
    assert [document.name + ".tsv" for document in splits["test"]] == stems[9::10]
    bleak_house = splits["training"][0]
    assert bleak_house.tokens[:6] == ("CHAPTER", "I", "In", "Chancery", "London", ".")
    assert bleak_house.tags[:6] == ("O", "O", "O", "B-FAC", "B-GPE", "O")


def spans(document: Document) -> list[tuple[int, int]]:
    starts = [i for i, tag in enumerate(document.tags) if tag.startswith("B")]
    tags = (*document.tags, "O")
    return [(i, next(j for j in range(i + 1, len(tags)) if not tags[j].startswith("I"))) for i in starts]


def test_litbank_depends_on_distant_text(data_folder: Path) -> None:
    """13.5 % of spans cross a block of 10 tokens; a capitalised entity token was last seen far away, or never."""
    documents = flat(read_litbank(list((data_folder / "litbank" / "entities" / "tsv").glob("*.tsv"))))
    crossing = [i // 10 != (j - 1) // 10 for document in documents for i, j in spans(document)]
    assert len(crossing) == 11_989
    assert sum(crossing) / len(crossing) == pytest.approx(0.135, abs=5e-4)
    distances: list[float] = []
    for document in documents:
        last: dict[str, int] = {}
        for i, (token, tag) in enumerate(zip(document.tokens, document.tags, strict=True)):
            if tag != "O" and token[0].isupper():
                distances.append(i - last[token] if token in last else float("inf"))
            last[token] = i
    shares = [sum(a < d <= b for d in distances) / len(distances) for a, b in ((0, 10), (10, 100), (100, 1000))]
    assert shares == pytest.approx([0.025, 0.236, 0.292], abs=5e-4)
    assert distances.count(float("inf")) / len(distances) == pytest.approx(0.424, abs=5e-4)


def test_wnut17(data_folder: Path) -> None:
    splits = read_wnut17(sorted((data_folder / "wnut17").iterdir()))
    assert [len(splits[split]) for split in SPLITS] == [3_394, 1_009, 1_287]
    assert max(len(document.tokens) for document in flat(splits)) == 105
    tags = [tag for document in splits["test"] for tag in document.tags]
    assert tags.count("O") / len(tags) == pytest.approx(0.926, abs=5e-4)  # the accuracy of tagging nothing
    assert sum(tag.startswith("B") for tag in tags) == 1_079


def test_wikigold(data_folder: Path) -> None:
    path = data_folder / "wikigold" / "wikigold.conll.txt"
    splits = read_conll([path])
    documents = flat(splits)
    assert [len(splits[split]) for split in SPLITS] == [117, 14, 14]
    assert sum(len(document.tokens) for document in documents) == 39_152 - 145  # less the separators
    assert sum(len(spans(document)) for document in documents) == 3_558  # seqeval 1.2.2's count, as IOB1
