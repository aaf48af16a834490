"""A study as one file: every cell as a row of `bench.load`, and whether it is reported: `studies/results/NAME.csv.gz`.

Such files come from strangers too. They are read as text and numbers of known columns, in bounded memory, and every
text is made safe. Nothing in them is ever run.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import math
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from os.path import isdir, isfile  # of a name that no file can have, a path raises
from pathlib import Path
from typing import Any, get_args

from bench.records import foreign
from bench.records.errors import UsageError
from bench.records.result import Result, Status
from bench.records.row import COLUMNS, row
from reports.summary.cells import TwiceError, checked_once, told_apart
from reports.text import csv as tables

CHOSEN = "chosen"  # 1: at the rate that was chosen for it, on a seed that chose none; 0: it only helped to choose
STUDIED = (*COLUMNS, CHOSEN)
PACKED, UNPACKED = 1_000_000, 20_000_000  # bytes of a file, at most
LENGTHS, SETTINGS = 50, 5_000  # at most; a setting is a task, a model and a length
LARGEST = 1e100  # of a number: products and sums of a few stay finite
TEXTS = frozenset(
    ("task", "model", "status", "outcome", "metric", "unit", "gradient_verdict", "data", "key", "clip", "optimiser",
     "schedule", "penalty", "train_lengths", "stop", "code", "device", "torch", "lightning", "python")
)  # fmt: skip
COUNTS = {"length": 1, "seed": 0, "step_budget": 1, CHOSEN: 0}  # whole numbers, and the least of each
NEEDED = ("task", "model", "status", *COUNTS)
TRUTH = {"True": True, "False": False}
TRUTHS = ("higher_is_better",)
SCALE = ("task", "metric", "unit", "higher_is_better")
STATES: tuple[str, ...] = get_args(Status)
ENDING = ".csv.gz"
FOLDER = Path(__file__).resolve().parents[2] / "studies" / "results"

Row = dict[str, Any]


class StudyError(UsageError):
    """A file of results that cannot be read: which file, what, expected, got."""


def rows(results: Iterable[Result], chosen: Collection[str]) -> list[Row]:
    """Return results as rows of a study. chosen: keys of the cells that are reported."""
    return [row(result) | {CHOSEN: int(result.cell.key in chosen)} for result in results]


def packed(made: Iterable[Row]) -> bytes:
    """Write rows as the content of a file: the same rows give the same bytes, also those that were read from one."""
    plain = ({name: value if name in TEXTS else _plain(value) for name, value in one.items()} for one in made)
    content = gzip.compress(tables.table(STUDIED, plain).encode(), mtime=0)
    if len(content) > PACKED:
        raise StudyError(f"a study's file holds at most {PACKED:,} bytes, these cells take {len(content):,}: split it")
    return content


def published() -> dict[str, Path]:
    """Return the studies that come with the suite, by name."""
    return {title(path): path for path in sorted(FOLDER.glob(f"*{ENDING}"))}


def title(path: Path) -> str:
    """Return the name of a study: that of its file without the ending."""
    return path.name.removesuffix(ENDING)


def known(name: str) -> Path | None:
    """Return the path of a file of results, or of the study of that name; None for neither. A folder is no study."""
    return Path(name) if isfile(name) else None if isdir(name) else published().get(name)


def near(name: str) -> str | None:
    """Return the name of the study that is written nearly so; None without one."""
    return next(iter(difflib.get_close_matches(name, published(), n=1)), None)


def find(name: str) -> Path:
    """Return the path of a file of results, or of the study of that name.

    Raises:
        StudyError: there is neither; the message holds the nearest name.
    """
    if found := Path(name) if isfile(name) else published().get(name):
        return found
    close = near(name)
    hint = f"did you mean {close}?" if close else f"expected a file, or one of {', '.join(published()) or 'none'}."
    raise StudyError(f"no study {foreign.line(name)!r}: {hint}")


def read(path: Path) -> list[Row]:
    """Read the rows of a study's file, told apart. Columns that a row does not fill are None, so are columns it lacks.

    Raises:
        StudyError: as `cells`.
    """
    return _read(path, told_apart)


def cells(path: Path) -> list[Row]:
    """Read the rows of a study's file as they stand there.

    Raises:
        StudyError: no such file, too large, an unknown column, a needed one is missing, a value does not fit, or a cell
            stands there twice.
    """
    return _read(path, checked_once)


def _read(path: Path, checked: Callable[[list[Row]], list[Row]]) -> list[Row]:
    try:
        return checked(_rows(_unpacked(path)))
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or foreign.message(error)
        raise StudyError(f"cannot read {path}: {why}. Expected a table of cells, compressed by gzip.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise StudyError(f"{path} is no table of comma-separated values in UTF-8: {foreign.message(error)}") from None
    except (ValueError, TwiceError) as error:
        raise StudyError(f"{path}: {error}") from None


def _unpacked(path: Path) -> str:
    size = path.stat().st_size
    if size > PACKED:
        raise ValueError(f"expected at most {PACKED:,} bytes, got {size:,}")
    with gzip.open(path, "rb") as stream:
        content = stream.read(UNPACKED + 1)
    if len(content) > UNPACKED:
        raise ValueError(f"expected at most {UNPACKED:,} bytes when unpacked, got more")
    return content.decode()


def _rows(text: str) -> list[Row]:
    table = csv.DictReader(io.StringIO(text), strict=True)
    names = table.fieldnames or []
    for name in names:
        if name not in STUDIED:
            raise ValueError(f"unknown column {foreign.line(name)!r}. Known: {', '.join(STUDIED)}")
    for name in NEEDED:
        if name not in names:
            raise ValueError(f"expected a column {name!r}, got {', '.join(map(foreign.line, names)) or 'no columns'}")
    if len(set(names)) < len(names):
        raise ValueError("expected every column once")
    rows = [_row(values, number) for number, values in enumerate(table, start=2)]
    scored = {tuple(made[name] for name in SCALE) for made in rows if made["metric"] is not None}
    for task, times in Counter(task for task, *_ in scored).items():
        if times > 1:
            raise ValueError(f"expected one metric of {task}, got {times}: split the study")
    lengths = {made["length"] for made in rows}
    settings = {(made["task"], made["model"], made["length"]) for made in rows}
    for what, count, most in (("lengths", len(lengths), LENGTHS), ("settings", len(settings), SETTINGS)):
        if count > most:  # a table of thousands of columns takes minutes to lay out, and nobody reads it
            raise ValueError(f"expected at most {most:,} {what}, got {count:,}: split the study")
    return rows


def _row(values: dict[str | Any, Any], number: int) -> Row:
    if None in values or None in values.values():
        raise ValueError(f"line {number}: expected as many values as there are columns")
    made = dict.fromkeys(STUDIED) | {name: _value(name, text, number) for name, text in values.items()}
    for name in NEEDED:
        if made[name] is None:
            raise ValueError(f"line {number}: expected a value in {name}, got none")
    for name, least in COUNTS.items():
        if type(made[name]) is not int or made[name] < least:
            raise ValueError(f"line {number}: {name} expects a whole number of at least {least}, got {made[name]}")
    _check(made, number)
    return made


def _check(row: Row, number: int) -> None:
    """Check what numbers and texts of a row mean."""
    step, rate = row["solved_at_step"], row["learning_rate"]
    for name, expected, holds in (
        (CHOSEN, "0 or 1", row[CHOSEN] <= 1),
        ("status", f"one of {', '.join(STATES)}", row["status"] in STATES),
        (
            "solved_at_step",
            "a step of its budget",
            step is None or (type(step) is int and 1 <= step <= row["step_budget"]),
        ),
        ("learning_rate", "a number above 0", rate is None or rate > 0),
        *((name, "True or False", row[name] is None or type(row[name]) is bool) for name in TRUTHS),
    ):
        if not holds:
            raise ValueError(f"line {number}: {name} expects {expected}, got {row[name]}")
    for name, value in row.items():
        if type(value) is bool and name not in TRUTHS:
            raise ValueError(f"line {number}: {name} expects a number, got {value}")


def _value(name: str, text: str, number: int) -> Any:
    """Return a value of a column; texts made safe, numbers finite."""
    if name in TEXTS:
        return foreign.line(text) or None
    if not text:
        return None
    if text in TRUTH:
        return TRUTH[text]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST:  # nor nan
        raise ValueError(
            f"line {number}: {name} expects a number of at most {LARGEST:g}, got {foreign.line(text, 60)!r}"
        )
    return _plain(value)


def _plain(value: Any) -> Any:
    """Return a whole number without a point; anything else as it is."""
    return int(value) if type(value) is float and value.is_integer() and abs(value) < 2**53 else value
