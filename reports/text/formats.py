"""A Table in four formats. The text is for terminals; the others are for papers and programs."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from bench.cli.terminal import Terminal
from bench.records import foreign
from reports.text.layout import Table

STYLES = {"solved": "green", "learning": "cyan", "at chance": "dim", "chance": "dim", "diverged": "magenta"}
WIDTH = 100  # of text that goes to a file or a pipe
UNDECIDED = {"budget-limited": "yellow", "short": "yellow", "untrained": "dim"}


def safe(table: Table) -> Table:
    """Make every text of a table safe and short; a cell may hold several lines."""
    rows = tuple(tuple(foreign.block(cell, foreign.LINE) for cell in row) for row in table.rows)
    return replace(table, title=foreign.line(table.title), rows=rows, notes=tuple(map(foreign.line, table.notes)))


# -- terminal ----------------------------------------------------------------------------------------------------------


def natural_width(table: Table, gap: int) -> int:
    """Count the columns of the terminal that the table takes without wrapping."""
    widths = [
        max(cell_len(line) for row in (names, *aligned(table)) for line in (row[index].split("\n")))
        for names in [tuple(column.name for column in table.columns)]
        for index in range(len(table.columns))
    ]
    return sum(max(1, width) for width in widths) + gap * (len(widths) - 1)


def aligned(table: Table) -> list[tuple[str, ...]]:
    """Set the rows with their decimal points below each other in the columns that want it."""
    columns = []
    for index, column in enumerate(table.columns):
        cells = [row[index].split("\n") for row in table.rows]
        tail = max((len(line.partition(".")[2]) for lines in cells for line in lines), default=0)
        if column.align == "point" and tail:
            cells = [[_padded(line, tail) for line in lines] for lines in cells]
            width = max(cell_len(line) for lines in cells for line in lines)
            cells = [[line.rjust(width) for line in lines] for lines in cells]
        columns.append(["\n".join(lines) for lines in cells])
    return list(zip(*columns, strict=True))


def _padded(line: str, tail: int) -> str:
    whole, point, decimals = line.partition(".")
    return whole + (point or " ") + decimals.ljust(tail)


def fits(table: Table, width: int) -> bool:
    """Tell whether a terminal of this width holds the table without wrapping."""
    return natural_width(table, 1) <= width


def narrowed(table: Table, width: int) -> Table:
    """Leave out the least needed columns until the table fits the width; a note names them."""
    gone: list[str] = []
    for name in ("s", "body", "steps"):
        index = next((i for i, column in enumerate(table.columns) if column.name == name), None)
        if index is not None and not fits(table, width):
            columns, rows = table.columns, table.rows
            table = replace(
                table,
                columns=columns[:index] + columns[index + 1 :],
                rows=tuple(row[:index] + row[index + 1 :] for row in rows),
            )
            gone.append(name)
    note = (f"left out for want of width: {', '.join(gone)}",) if gone else ()
    return replace(table, notes=(*table.notes, *note))


def terminal() -> Console:
    """Open stdout: as wide as it is, or WIDTH where it is a file or a pipe."""
    console = Terminal()
    return console if console.is_terminal else Terminal(width=WIDTH)


def plain(draw: Callable[[Console], None]) -> str:
    """Write what is drawn in a terminal as text for a file."""
    file = io.StringIO()
    draw(Terminal(file=file, width=WIDTH, no_color=True))
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def print_table(table: Table, console: Console) -> None:
    """Draw a table, as wide as it needs; where the terminal is narrower, error messages wrap."""
    table = safe(table)
    gap = 2 if natural_width(table, 2) <= console.width else 1
    rules = _BOX if console.encoding.startswith("utf") else _ASCII
    drawn = RichTable(
        box=rules, safe_box=False, show_edge=False, pad_edge=False, padding=(0, gap - 1, 0, 0), header_style="bold",
        show_header=any(column.name for column in table.columns),
    )  # fmt: skip
    for column in table.columns:
        side: Literal["left", "right"] = "right" if column.align == "right" else "left"
        drawn.add_column(Text(column.name), justify=side, no_wrap=column.name != "error", overflow="fold")
    for index, row in enumerate(aligned(table)):
        if index in table.gaps:
            drawn.add_section()
        drawn.add_row(*(_cell(text, column.outcome) for text, column in zip(row, table.columns, strict=True)))
    # A terminal that is still too narrow breaks the lines, because rich would silently leave out columns instead.
    wrapping = next((column for column in drawn.columns if str(column.header) == "error"), None)
    least = natural_width(replace(table, columns=table.columns[:-1], rows=tuple(row[:-1] for row in table.rows)), gap)
    needed = least + gap + 20 if wrapping else natural_width(table, gap)
    drawn.width = max(needed, min(console.width, natural_width(table, gap)))
    console.print(Text(table.title, style="bold"))
    console.print(drawn, crop=False)
    for note in table.notes:
        console.print(Text(note, style="dim"))
    console.print()


# A rule under the headings and a blank line between parts, nothing else.
_BOX = box.Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
_ASCII = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


def _cell(text: str, is_outcome: bool) -> Text:
    if not is_outcome:
        return Text(text)
    words = text.partition(" at ")[0] if text.startswith("solved") else text.partition(" (")[0].partition("\n")[0]
    style = (STYLES | UNDECIDED).get(words, "" if "solved" in words or not words else "red")
    return Text(text, style=style)


# -- files -------------------------------------------------------------------------------------------------------------


def markdown(tables: Sequence[Table], notes: Sequence[str]) -> str:
    """Write GitHub-flavoured tables, notes as a list."""
    parts = []
    for table in map(safe, tables):
        rows = [[column.name for column in table.columns]]
        rows += [[":-" if column.align == "left" else "-:" for column in table.columns]]
        rows += [[foreign.markdown(text).replace("\n", "<br>") for text in row] for row in table.rows]
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        below = "".join(f"\n{foreign.markdown(note)}\n" for note in table.notes)
        parts.append(f"### {foreign.markdown(table.title)}\n\n" + "\n".join(lines) + "\n" + below)
    parts.append("".join(f"- {foreign.markdown(foreign.line(note))}\n" for note in notes))
    return "\n".join(parts)


def latex(tables: Sequence[Table], notes: Sequence[str]) -> str:
    """Write one floating table each (package booktabs), the notes below the last as a paragraph."""
    tex = foreign.latex
    parts = ["% needs \\usepackage{booktabs}\n"]
    for table in map(safe, tables):
        shape = "".join("r" if column.align != "left" else "l" for column in table.columns)
        lines = ["\\begin{table}", "\\centering\\small", f"\\caption{{{tex(table.title)}}}"]
        lines += [f"\\begin{{tabular}}{{{shape}}}", "\\toprule", _tex_row([c.name for c in table.columns]), "\\midrule"]
        for index, row in enumerate(table.rows):
            lines += ["\\addlinespace"] * (index in table.gaps) + [_tex_row(row)]
        lines += ["\\bottomrule", "\\end{tabular}", *(f"\\par {tex(note)}" for note in table.notes), "\\end{table}"]
        parts.append("\n".join(lines) + "\n")
    parts.append("\n".join(f"\\noindent {tex(foreign.line(note))}\\par" for note in notes) + "\n")
    return "\n".join(parts)


def _tex_row(cells: Sequence[str]) -> str:
    return " & ".join(foreign.latex(text.replace("\n", ", ")) for text in cells) + r" \\"
