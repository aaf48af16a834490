"""Foreign text is made safe and short in one place; what is tried here is tried on every way out elsewhere."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.records import foreign
from tests.support.factories import a_failure, a_result, a_score
from tests.support.hostile import HOSTILE


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("lstm:layers=2", "lstm:layers=2"),
        ("Übergröße 数 ± ≤", "Übergröße 数 ± ≤"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),  # a colour
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),  # the window's title
        ("\x9b2J", r"\x9b2J"),  # the same as ESC [, in one character
        ("abc\u202egpj.exe", r"abc\u202egpj.exe"),  # turned from right to left
        ("a\u2066b\u2069\u200f\u061c", r"a\u2066b\u2069\u200f\u061c"),
        ("zero\u200bwidth\ufeff\u00ad", r"zero\u200bwidth\ufeff\xad"),
        ("tag\U000e0041 filler\u3164", r"tag\U000e0041 filler\u3164"),
        ("a\u2028b\u2029c\x85d\x0be\x0cf", r"a\u2028b\u2029c\x85d\x0be\x0cf"),
        ("\ud800 lone \udcff", r"\ud800 lone \udcff"),
        ("over\rwritten\x08\x00", r"over\rwritten\x08\x00"),
        ("windows\r\nlines\n", "windows\nlines\n"),
        ("no\u00a0break\u3000space", "no break space"),
        ("\ufffe\uffff", r"\ufffe\uffff"),
    ],
)
def test_what_is_no_text_is_shown_as_its_escape(text: str, safe: str) -> None:
    assert foreign.block(text) == safe


@given(st.text(st.characters(exclude_categories=()), max_size=50))
def test_any_text_becomes_printable_and_stays_so(text: str) -> None:
    safe = foreign.block(text)
    assert all(letter.isprintable() or letter in "\n\t" for letter in safe)
    assert not {unicodedata.category(letter) for letter in safe.replace("\n", "").replace("\t", "")} & {
        "Cc",
        "Cf",
        "Cs",
    }
    safe.encode()
    assert foreign.block(safe) == safe
    assert "\n" not in foreign.line(text)
    assert foreign.line(foreign.line(text)) == foreign.line(text)


@pytest.mark.parametrize("text", ["x" * 200_000_000, "\x1b" * 1_000_000, "word " * 1_000_000, "\n" * 1_000_000])
def test_long_text_is_cut_in_the_middle(text: str) -> None:
    safe = foreign.block(f"the start {text} the end")
    assert len(safe) <= foreign.BLOCK
    assert safe.startswith("the start")
    assert safe.endswith("the end")
    assert "characters left out" in safe
    assert foreign.block(safe) == safe
    assert len(foreign.line(text)) <= foreign.LINE


def test_first_line() -> None:
    assert foreign.first_line("\n  \n\x1b[1mValueError: x\nwhere") == r"\x1b[1mValueError: x"
    assert foreign.first_line("\n \r\n") == ""


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


class NumberError(Exception):
    def __str__(self) -> str:
        return 3  # type: ignore[return-value]


@pytest.mark.parametrize("error", [MuteError(), NumberError()])
def test_an_error_that_cannot_say_anything_is_named(error: Exception) -> None:
    assert type(error).__name__ in foreign.message(error)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("http://user:pass@proxy:3128/", "http://***@proxy:3128/"),
        ("at 'https://u:p%40ss@h' refused", "at 'https://***@h' refused"),
        ("http://u:p/a@ss@h:1", "http://***@h:1"),
        ("socks5h://token@h", "socks5h://***@h"),
        ("https://host:80/pkg@v1", "https://host:80/pkg@v1"),
        ("https://github.com/a/b@main", "https://github.com/a/b@main"),
        ("mail a@b.c", "mail a@b.c"),
    ],
)
def test_passwords_in_addresses_are_not_shown(text: str, safe: str) -> None:
    assert foreign.block(text) == safe


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\n=1", " =1", "＝1"])
def test_formulas_are_text_in_a_spreadsheet(text: str) -> None:
    assert foreign.spreadsheet(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-0.5 0.25", "-1e-05", "+3", "lstm", "a=b", "", None, True, -0.5, 3])
def test_numbers_stay_numbers_in_a_spreadsheet(value: object) -> None:
    assert foreign.spreadsheet(value) is value or foreign.spreadsheet(value) == value


def test_markup_is_text() -> None:
    assert foreign.markdown("a|b*c_`<i>[x](y)&lt;~~$x$\x1b") == (
        r"a\|b\*c\_\`&#60;i&#62;\[x\](y)&amp;lt;&#126;&#126;&#36;x&#36;\\x1b"
    )
    assert foreign.latex("a_b%\\x{y}--z`^~") == (
        r"a\_b\%\textbackslash{}x\{y\}-{}-z\textasciigrave{}\textasciicircum{}\textasciitilde{}"
    )
    assert foreign.latex("[3] x") == "{}[3] x"
    assert foreign.latex("*") == "{}*"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_record_with_such_text_is_whole_and_readable(text: str) -> None:
    failure = a_failure(error=f"ValueError: {text}")
    assert type(failure).model_validate_json(failure.model_dump_json()) == failure
    result = a_result(
        notes=(text,), sample=text, score=a_score(metric=text, unit=text, floors={text: 0.5}, extras={text: 1.0})
    )
    assert type(result).model_validate_json(result.model_dump_json()) == result
    assert "\x1b" not in result.model_dump_json()
    assert "\u202e" not in result.model_dump_json()
