"""A table for a paper: models as rows, lengths as columns, a block of rows for each task. As LaTeX or Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from bench.records import foreign
from reports.summary import Group
from reports.summary.grouping import ALPHA, compare, compared_by
from reports.text.notes import caption
from reports.text.words import EQUALS_CHANCE, cut, sentence
from reports.view import Topic, View

ENOUGH = 4  # seeds on either side, from which a difference can be shown
MISSING = "—"
WIDE = 4  # columns, from which a table runs over both columns of a paper
FINEST = 4  # decimals of a column; what needs more is written in powers of ten


class Entry(NamedTuple):
    """What a cell says.

    low, high: bounds, written as `kind` says: ±, range, bounds, or none. text: instead of a number, or behind it. bold:
    whether it is the best, by a difference that is shown.
    """

    number: float | None = None
    low: float = math.nan
    high: float = math.nan
    kind: str = ""
    text: str = ""
    bold: bool = False

    @property
    def half(self) -> float:
        """Half of the interval."""
        return (self.high - self.low) / 2


# -- what a cell says --------------------------------------------------------------------------------------------------


def _score(group: Group) -> Entry:
    """The score, with what its seeds allow: an interval, a range, or how many solved."""
    said = [f"{count} {word}" for count, word in ((group.diverged, "diverged"), (group.failed, "failed")) if count]
    if group.mixed:
        return Entry(text=", ".join([f"{group.solved}/{group.n} solved", *said]))
    if group.score is None:
        return Entry(text=", ".join(said) or MISSING)
    text = " ".join([EQUALS_CHANCE] * group.equals_chance + [f"({', '.join(said)})"] * bool(said))
    interval = group.interval
    if interval is None:
        return Entry(group.score, text=text)
    if interval.kind == "range" and interval.low == interval.high:
        return Entry(group.score, text=f"(all equal) {text}".strip())
    kind = "range" if interval.kind == "range" else "bounds" if cut(group) else "±"
    return Entry(group.score, interval.low, interval.high, kind, text)


def _number(read: Callable[[Group], float | None]) -> Callable[[Group], Entry]:
    def entry(group: Group) -> Entry:
        value = read(group)
        if value is None:
            return Entry(text=MISSING)
        return Entry(value) if math.isfinite(value) else Entry(text=f"> {group.step_budget:,}")

    return entry


def _solved(group: Group) -> Entry:
    return Entry(text=MISSING if group.solved is None else f"{group.solved}/{group.n}")


# A column that --columns may name: its heading, and what it says of a group.
COLUMNS: Mapping[str, tuple[str, Callable[[Group], Entry]]] = {
    "score": ("score", _score),
    "skill": ("skill", _number(lambda group: group.skill)),
    "solved": ("solved", _solved),
    "solved_at": ("steps to solve", _number(lambda group: group.solved_at_step)),
    "n": ("seeds", _number(lambda group: group.n)),
    "body": ("parameters", _number(lambda group: group.parameters_body)),
    "seconds": ("seconds", _number(lambda group: group.seconds)),
}
COMPARED = {"score": "score", "solved_at": "steps to solve"}  # columns in which a difference can be shown


@dataclass(frozen=True)
class TaskRows:
    """The rows of one task. title: task, metric, direction. rows: a model and its cells, length by length."""

    title: str
    rows: Sequence[tuple[str, Sequence[Entry]]]


@dataclass(frozen=True)
class PaperTable:
    """Blocks of rows over the same columns. lengths: of every group of columns. columns: headings in each of them."""

    lengths: Sequence[int]
    columns: Sequence[str]
    tasks: Sequence[TaskRows]
    caption: Sequence[str]


def lay_out(view: View, columns: Sequence[str] = ("score",)) -> PaperTable:
    """Lay out the table of a view. columns: names of COLUMNS, shown at every length."""
    lengths = sorted({length for topic in view.topics for length in topic.lengths})
    pairs = sum(_comparisons(topic, length) for topic in view.topics for length in lengths)
    tasks = [_block(topic, lengths, columns) for topic in view.topics]
    said = [*caption(view.groups), *_legend(view, tasks, columns, pairs)]
    return PaperTable(lengths, [COLUMNS[name][0] for name in columns], tasks, said)


def _block(topic: Topic, lengths: Sequence[int], columns: Sequence[str]) -> TaskRows:
    rows: dict[str, list[Entry]] = {line.label: [] for line in topic.lines}
    for length in lengths:
        groups = _at(topic, length)
        for name in columns:
            best = _best(groups, COMPARED.get(name, ""))
            for label, entries in rows.items():
                entry = COLUMNS[name][1](groups[label]) if label in groups else Entry()
                entries.append(entry._replace(bold=label == best))
    score = topic.heading.score
    measure = f", {score.metric.replace('_', ' ')} {'↑' if score.higher_is_better else '↓'}" if score else ""
    return TaskRows(f"{topic.title}{measure}", [*rows.items()])


def _at(topic: Topic, length: int) -> dict[str, Group]:
    return {line.label: group for line in topic.lines for group in line.groups if group.identity.length == length}


def _best(groups: Mapping[str, Group], quantity: str) -> str | None:
    """Name the model that is better than every other one, where all these differences are shown."""
    tested = [label for label, group in groups.items() if group.n >= ENOUGH]
    if len(groups) < 2 or len(tested) < len(groups):
        return None
    first = min(tested, key=lambda label: _place(groups[label], quantity))
    others = [groups[label] for label in tested if label != first]
    alike = all(compared_by(groups[first], other) == quantity for other in others)
    return first if alike and all(compare(groups[first], other) < ALPHA for other in others) else None


def _place(group: Group, quantity: str) -> float:
    """Where a group stands: lower is better."""
    if quantity == "steps to solve":
        return math.inf if group.solved_at_step is None else group.solved_at_step
    if group.score is None:
        return math.inf
    return -group.score if group.scores[0].higher_is_better else group.score


def _comparisons(topic: Topic, length: int) -> int:
    """Count the tests that the table makes at a length: the best of the models against each other one."""
    groups = _at(topic, length).values()
    return len(groups) - 1 if len(groups) > 1 and all(group.n >= ENOUGH for group in groups) else 0


def _legend(view: View, tasks: Sequence[TaskRows], columns: Sequence[str], pairs: int) -> list[str]:
    """Explain the signs that the table holds."""
    entries = [entry for block in tasks for _, row in block.rows for entry in row]
    kinds = {group.interval.kind for group in view.groups if group.interval and not group.mixed}
    marked = any(EQUALS_CHANCE in entry.text.split() for entry in entries)
    test = (
        f"bold: better than every other model there, exact two-sided permutation test, p < {ALPHA:g}; {pairs} compared"
    )
    rule = test if pairs else f"no model is called best: fewer than {ENOUGH} seeds"
    shown = "score" in columns
    lines = (
        (shown and "test sampling" in kinds,
         "one seed: ± half of the 95 % interval over the test set; seeds may differ more"),
        (shown and "range" in kinds, "two to four seeds, or seeds of two kinds: median (least–largest)"),
        (shown and "t" in kinds, "five seeds or more: mean ± half of the 95 % t interval over seeds"),
        (any(entry.kind == "bounds" for entry in entries), "[a, b]: such an interval, cut at the bound of the score"),
        (shown and any(group.mixed for group in view.groups), "k/n solved: seeds disagree, so no mean is given"),
        (any("↑" in block.title or "↓" in block.title for block in tasks), "↑ higher is better, ↓ lower is better"),
        (marked, f"{EQUALS_CHANCE} : merely equals the trivial baseline"),
        (bool(COMPARED.keys() & set(columns)) and any(len(topic.lines) > 1 for topic in view.topics), rule),
    )  # fmt: skip
    return [line for holds, line in lines if holds]


# -- numbers of one column in one notation -----------------------------------------------------------------------------


class Notation(NamedTuple):
    """How the numbers of a column are written: with so many decimals, or as powers of ten."""

    decimals: int
    powers: bool = False


def notation(entries: Iterable[Entry]) -> Notation:
    """Choose the notation of a column, in which its numbers keep two significant digits or three, and each ± one."""
    entries = list(entries)
    numbers = [abs(entry.number) for entry in entries if entry.number]
    if not numbers:
        return Notation(0 if any(entry.number is not None for entry in entries) else 2)
    if all(number == round(number) for number in numbers) and max(numbers) > 1:
        return Notation(0)
    needed = max(2 - math.floor(math.log10(min(numbers))), 0)
    if needed > FINEST + 1 or max(numbers) >= 1e6:
        return Notation(1, powers=True)
    halves = [entry.half for entry in entries if entry.kind == "±" and entry.half]
    spread = max((-math.floor(math.log10(half)) for half in halves), default=0)
    return Notation(min(FINEST, max(needed, spread)))


class Writer(Protocol):
    """What differs between LaTeX and Markdown."""

    plus_minus: str
    dash: str
    less: str

    def number(self, text: str, exponent: int | None, bold: bool) -> str:
        """Write a number, its power of ten behind it."""

    def text(self, text: str) -> str:
        """Write any text."""


def written(entry: Entry, how: Notation, writer: Writer) -> str:
    """Write a cell."""
    if entry.number is None:
        return writer.text(entry.text)

    def one(value: float, bold: bool = False) -> str:
        if not how.powers:
            return writer.number(f"{value:,.{how.decimals}f}", None, bold)
        mantissa, _, power = f"{value:.{how.decimals}e}".partition("e")
        return writer.number(mantissa, int(power), bold)

    parts = [one(entry.number, entry.bold)]
    if entry.kind == "±":
        least = 10.0**-how.decimals
        unseen = not how.powers and 0 < entry.half < least / 2
        parts.append(f"{writer.plus_minus} {writer.less if unseen else ''}{one(least if unseen else entry.half)}")
    elif entry.kind == "range":
        parts.append(f"({one(entry.low)}{writer.dash}{one(entry.high)})")
    elif entry.kind == "bounds":
        parts.append(f"[{one(entry.low)}, {one(entry.high)}]")
    return " ".join([*parts, *([writer.text(entry.text)] if entry.text else [])])


def _columns(block: TaskRows, writer: Writer) -> list[list[str]]:
    """The cells of a block, row by row, each column in its own notation."""
    columns = list(zip(*(row for _, row in block.rows), strict=True))
    made = [[written(entry, how, writer) for entry in column] for column in columns for how in [notation(column)]]
    return [list(row) for row in zip(*made, strict=True)]


# -- LaTeX -------------------------------------------------------------------------------------------------------------


class Latex:
    """Numbers in math mode, so that a minus is one."""

    plus_minus, dash, less = r"$\pm$", "--", "$<$"

    def number(self, text: str, exponent: int | None, bold: bool) -> str:
        """Write `$\\mathbf{0.13}$`, with a power of ten where there is one."""
        digits = text.replace(",", "{,}")
        digits = rf"\mathbf{{{digits}}}" if bold else digits
        return f"${digits}$" if exponent is None else rf"${digits} \times 10^{{{exponent}}}$"

    def text(self, text: str) -> str:
        """Write any text."""
        return foreign.latex(text)


def latex(table: PaperTable, label: str = "results") -> str:
    """Write a floating table (package booktabs), its caption above it."""
    each, tex = len(table.columns), foreign.latex
    across = 1 + each * len(table.lengths)
    shape = "l" + "c" * (across - 1)
    heads = [rf"\multicolumn{{{each}}}{{c}}{{$T = {length:,}$}}".replace(",", "{,}") for length in table.lengths]
    rules = [rf"\cmidrule(lr){{{2 + each * n}-{1 + each * (n + 1)}}}" for n in range(len(table.lengths))]
    lines = [
        "% needs \\usepackage{booktabs}", r"\begin{table*}" if across > WIDE else r"\begin{table}", r"\centering\small",
        rf"\caption{{{' '.join(tex(sentence(foreign.line(line))) for line in table.caption)}}}",
        rf"\label{{tab:{label}}}", rf"\begin{{tabular}}{{{shape}}}", r"\toprule", f"& {' & '.join(heads)} \\\\", *rules,
    ]  # fmt: skip
    if each > 1:
        lines.append(f"model & {' & '.join([*map(tex, table.columns)] * len(table.lengths))} \\\\")
    for block in table.tasks:
        lines += [r"\midrule", rf"\multicolumn{{{across}}}{{l}}{{\emph{{{tex(foreign.line(block.title))}}}}} \\"]
        cells = _columns(block, Latex())
        lines += [
            f"{tex(foreign.line(label))} & {' & '.join(row)} \\\\"
            for (label, _), row in zip(block.rows, cells, strict=True)
        ]
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table*}" if across > WIDE else r"\end{table}"]
    return "\n".join(lines) + "\n"


# -- Markdown ----------------------------------------------------------------------------------------------------------


class Markdown:
    """Numbers with the minus of typography."""

    plus_minus, dash, less = "±", "–", "<"

    def number(self, text: str, exponent: int | None, bold: bool) -> str:
        """Write `**0.13**`, with a power of ten where there is one."""
        said = text.replace("-", "−") + ("" if exponent is None else f"e{exponent}")
        return f"**{said}**" if bold else said

    def text(self, text: str) -> str:
        """Write any text."""
        return foreign.markdown(text)


def markdown(table: PaperTable) -> str:
    """Write one GitHub-flavoured table, the task in its first column, notes as a list below."""
    md, each = foreign.markdown, len(table.columns)
    heads = [
        f"T = {length:,}" + (f", {name}" if each > 1 else "") for length in table.lengths for name in table.columns
    ]
    rows = [["task", "model", *heads], [":-", ":-", *[":-:"] * len(heads)]]
    for block in table.tasks:
        titles = [block.title, *[""] * (len(block.rows) - 1)]
        for title, (label, _), row in zip(titles, block.rows, _columns(block, Markdown()), strict=True):
            rows.append([md(foreign.line(title)), md(foreign.line(label)), *row])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n\n" + "".join(f"- {md(sentence(foreign.line(line)))}\n" for line in table.caption)
