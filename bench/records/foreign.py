"""Text from outside, made safe and short: names, options, errors, hosts, notes, records of a store that somebody sent.

What reaches a record, a terminal, a table, a figure, a page or W&B goes through here. Characters that a terminal takes
for a command, that turn or hide what stands beside them, or that no file format holds are written as their escapes
(`\\x1b`, `\\u202e`): nothing is lost, two different names stay different, and the same text twice is the same text.

It lies among the records, which everybody but tasks and models imports; the readers of corpora, whose messages hold
addresses and file names, may import this one file. Nothing of ours is imported here, and nothing heavy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

BLOCK = 20_000  # characters of an error text or a sample that a record holds
LINE = 500  # characters of a name or a line

# Invisible, although Unicode counts them as letters or marks.
_INVISIBLE = frozenset(
    (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x3164, *range(0xFE00, 0xFE0F), 0xFFA0)
) | frozenset(range(0xE0000, 0xE1000))


class _Shown(dict[int, str]):
    """The text shown for each character, worked out when the character is first met."""

    def __missing__(self, point: int) -> str:
        character = chr(point)
        if character in "\n\t" or (character.isprintable() and point not in _INVISIBLE):
            shown = character
        elif character.isspace() and point > 0x9F and point not in (0x2028, 0x2029):
            shown = " "  # the no-break space and its kin
        else:
            shown = character.encode("unicode_escape").decode("ascii")
        self[point] = shown
        return shown


_SHOWN = _Shown()
# A name and a password before the host of an address (a password may hold a slash or another @), or a token alone. A
# host with its port is none: `http://host:80/path@version` stays.
_CREDENTIALS = re.compile(r"(?<=://)(?:[^\s/:@]{0,200}:(?!\d{1,5}/)\S{0,500}@|[^\s/?#]{1,500}@)")


def block(text: str, most: int = BLOCK) -> str:
    """Make text of several lines safe, its middle left out where it is too long. Safe text stays as it is."""
    safe = _CREDENTIALS.sub("***@", _cut(text, 2 * most)).replace("\r\n", "\n").translate(_SHOWN)
    return _cut(safe, most)


def line(text: str, most: int = LINE) -> str:
    """Make a name or a message safe, in one line."""
    return " ".join(_cut(" ".join(block(text, 4 * most).split()), most).split())


def first_line(text: str, most: int = LINE) -> str:
    """Return the first line that is not empty, made safe; an empty text where there is none."""
    return next((line(part, most) for part in _cut(text, BLOCK).splitlines() if line(part, most)), "")


def _cut(text: str, most: int) -> str:
    """Leave out the middle of what is longer than `most`: an error says what at its start, and often why at its end."""
    if len(text) <= most:
        return text
    said = f" … [{len(text) - most:,} characters left out] … "
    head = max(0, most - len(said)) * 3 // 4
    tail = max(0, most - len(said) - head)
    return f"{text[:head]}{said}{text[len(text) - tail :]}"[:most]


def message(error: BaseException) -> str:
    """Return what an exception says, safe and short, also where its own `__str__` raises."""
    try:
        said = str(error)
    except Exception as fault:  # its own __str__ raises
        return f"({type(error).__name__} cannot be shown: its __str__ raises {type(fault).__name__})"
    return block(said)


def throughout(content: Any, each: Callable[[str], str] = block) -> Any:
    """Make every text in plain JSON safe, by `each`; names of fields too."""
    if isinstance(content, str):
        return each(content)
    if isinstance(content, dict):
        return {throughout(key, each): throughout(value, each) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [throughout(item, each) for item in content]
    return content


# -- what a format takes for more than text ---------------------------------------------------------------------------


def spreadsheet(value: Any) -> Any:
    """Write a value for a cell of comma-separated values: text that a spreadsheet would take for a formula begins with
    an apostrophe; numbers, also several in one text, stay as they are."""
    if not isinstance(value, str):
        return value
    safe = block(value)
    begins = safe[:1] in ("\t", "\n") or safe.lstrip()[:1] in _FORMULA
    return f"'{safe}" if begins and not all(map(_is_number, safe.split())) else safe


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_FORMULA = frozenset("=+-@＝＋－＠")
# Signs of HTML and of some extensions as entities: only GitHub lets a backslash stand before them.
_MARKDOWN = str.maketrans(
    {letter: f"\\{letter}" for letter in "\\|*_`[]#"} | {letter: f"&#{ord(letter)};" for letter in "<>~$"}
)
_ENTITY = re.compile(r"&(?=#?\w+;)")
_LATEX = str.maketrans(
    {letter: f"\\{letter}" for letter in "&%$#_{}"}
    | {
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
        ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}", "±": r"$\pm$", "≤": r"$\leq$",
        "≥": r"$\geq$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--", "—": "---", "·": r"$\cdot$",
        "×": r"$\times$", "∝": r"$\propto$", "…": r"\dots{}",
        "−": "$-$", "∂": r"$\partial$",
    }
)  # fmt: skip


def markdown(text: str) -> str:
    """Write text for GitHub-flavoured Markdown; line feeds stay."""
    return _ENTITY.sub("&amp;", block(text)).translate(_MARKDOWN)


def latex(text: str) -> str:
    """Write text for LaTeX; line feeds stay. A row of a table may begin with it: `[` and `*` there would be taken for
    what belongs to the line break before."""
    safe = r"-{}-".join(part.translate(_LATEX) for part in block(text).split("--"))
    return f"{{}}{safe}" if safe[:1] in ("[", "*") else safe
