from __future__ import annotations

from pathlib import Path

import pytest

from bench.records.lecture import read
from bench.records.paper import PaperError

TEXT = """
title = "A message"
source = "a lecture"
picture = "products"
see = "A line."

[[sweeps]]
tasks = "char_lm:corpus=mine.txt:evaluation=blocks,char_lm:corpus=shakespeare,adding"
models = "rnn"
"""


def test_a_corpus_beside_the_file_is_found_there(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(TEXT)
    (tmp_path / "mine.txt").write_text("hello")
    own, known, plain = read(tmp_path / "mine.toml").sweeps[0].tasks
    assert dict(own.options) == {"corpus": str(tmp_path / "mine.txt"), "evaluation": "blocks"}
    assert known.text == "char_lm:corpus=shakespeare"
    assert plain.text == "adding"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("picture =", "pictrue ="), "unknown key 'pictrue'. Did you mean 'picture'?"),
        (('see = "A line."', 'see = ""'), "see: string should have at least 1 character, got ''"),
        (("[[sweeps]]", "[sweeps]"), "sweeps expects tables, each under [[sweeps]]"),
        (("models =", "model ="), "[[sweeps]] 1: unknown key 'model'. Did you mean 'models'?"),
        (("[[sweeps]]", "[[sweeps"), "is not valid TOML"),
        (("[[sweeps]]", "[labels]"), "sweeps: tuple should have at least 1 item"),
    ],
)
def test_what_does_not_fit_is_one_message(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace(*change))
    with pytest.raises(PaperError) as raised:
        read(path)
    assert str(raised.value).startswith(f"the lecture {path}")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(PaperError, match=r"cannot read the lecture .*nowhere\.toml"):
        read(tmp_path / "nowhere.toml")
