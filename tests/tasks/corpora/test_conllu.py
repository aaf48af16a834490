from __future__ import annotations

from pathlib import Path

import pytest

from tasks.corpora.conllu import read_conllu
from tasks.corpora.decoding import CorpusFormatError


def line(number: str, form: str, tag: str) -> str:
    return "\t".join([number, form, form, tag, *"______"]) + "\n"


FRENCH = (
    "# sent_id = 1\n# text = Il vient du bois\n"
    + line("1", "Il", "PRON") + line("2", "vient", "VERB")
    + line("3-4", "du", "_") + line("3", "de", "ADP") + line("4", "le", "DET")
    + line("5", "bois", "NOUN") + line("5.1", "vient", "VERB") + "\n"
)  # fmt: skip


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_multi_word_tokens_and_empty_nodes(tmp_path: Path) -> None:
    documents = read_conllu(write(tmp_path / "fr.conllu", FRENCH * 10))
    assert [len(documents[split]) for split in ("training", "validation", "test")] == [8, 1, 1]
    assert documents["test"][0].tokens == ("Il", "vient", "de", "le", "bois")
    assert documents["test"][0].tags == ("PRON", "VERB", "ADP", "DET", "NOUN")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_documents_begin_at_newdoc_and_join_sentences(tmp_path: Path, end: str) -> None:
    text = "".join(f"# newdoc id = {i}\n" + FRENCH * 2 for i in range(20)).rstrip("\n")
    documents = read_conllu(write(tmp_path / "fr.conllu", text.replace("\n", end)))
    assert [len(documents[split]) for split in ("training", "validation", "test")] == [16, 2, 2]
    assert all(len(document.tokens) == 10 for split in documents.values() for document in split)
    assert [document.name for document in documents["test"]] == ["fr:9", "fr:19"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FRENCH + "1\tab\n", r"fr\.conllu, line 11: expected 10 columns between tabs, got 2: '1\\tab'"),
        (FRENCH + line("2", "a", "NOUN"), r"fr\.conllu, line 11: expected the word with ID 1, got '2'"),
        (
            FRENCH + line("1", "a", "NOUNS"),
            r"line 11: expected a tag of ADJ .* in column 4, got 'NOUNS'. Did you mean NOUN\?",
        ),
        (FRENCH + line("1", "a", "_"), r"line 11: expected a tag of ADJ .* X in column 4, got '_'\."),
        (FRENCH * 9, r"fr\.conllu: expected at least 10 documents .*, got 9\. `# newdoc` lines divide"),
        ("", r"got 0"),
    ],
)
def test_one_message_names_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CorpusFormatError, match=message):
        read_conllu(write(tmp_path / "fr.conllu", text))
