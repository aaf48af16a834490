"""Progress of a sweep: a bar with time left, what each worker does, the newest scores; plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from textwrap import indent
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bench.cli.terminal import Terminal
from bench.records import foreign
from bench.records.cell import Cell
from bench.records.estimate import Estimate, duration

if TYPE_CHECKING:
    from bench.records.result import Result

NEWEST = 5
MANY = 12  # cells of a sweep, from which the time left is said in lines too
ERRORS = 3  # different ones that the end of a sweep shows whole


STYLES = {"solved": "green", "learning": "cyan", "at chance": "yellow", "budget-limited": "yellow"}


class Console:
    """The progress of one sweep, shown while the sweep runs."""

    def __init__(self, terminal: Terminal | None = None) -> None:
        self.terminal = terminal or Terminal()
        self.estimate = Estimate()
        self._live = Live(console=self.terminal, auto_refresh=False, transient=True)
        self._workers: dict[int, tuple[Cell, int, int]] = {}
        self._newest: deque[Result] = deque(maxlen=NEWEST)
        self._waiting: dict[str, Cell] = {}
        self._total = self._done = 0
        self._drawn = 0.0

    def start(self, cells: list[Cell], stored: int, workers: int) -> None:
        """Begin a sweep: `cells` are to be measured by `workers` workers; `stored` more are stored already."""
        self._total, self._done = len(cells) + stored, stored
        self._waiting = {_identity(cell): cell for cell in cells}
        self._run = len(self._waiting)
        self._slots = workers
        self.note(f"{self._total} cells: {stored} stored, {len(cells)} to run on {workers} workers")
        if self.terminal.is_terminal:
            self._live.start()

    def note(self, text: str) -> None:
        """Print one line of information."""
        self.terminal.print(foreign.block(text), highlight=False, markup=False, soft_wrap=True)

    def working(self, worker: int, cell: Cell | None, step: int, steps: int) -> None:
        """Show what a worker does now; `cell` is None while the worker is idle."""
        if cell is None:
            self._workers.pop(worker, None)
        else:
            self._workers[worker] = (cell, step, steps)
        self._draw()

    def skipped(self, cell: Cell) -> None:
        """Count a cell that turned out to be stored already."""
        if self._waiting.pop(_identity(cell), None):
            self._done += 1

    def stopped(self, cell: Cell, step: int) -> None:
        """Say that a cell's learning rate was stopped."""
        if self._waiting.pop(_identity(cell), None):
            self._total -= 1
        self.note(f"{cell.label}  stopped at {step}: another rate is better by more than both intervals")

    def finished(self, result: Result) -> None:
        """Count and show a cell that ended; before `start`, show one that could not even begin."""
        if not self._total:
            self.note(described(result).plain)
            return
        self._done += 1
        self._waiting.pop(_identity(result.cell), None)
        if result.seconds is not None:
            self.estimate.learn(result.cell, result.seconds.total)
        if self.terminal.is_terminal:
            self._newest.append(result)
            self._draw(force=True)
        else:
            self.note(f"[{self._done}/{self._total}] {described(result).plain}")
            self._say_again()

    def _say_again(self) -> None:
        """Say how long it still takes, in a sweep that takes a while: after the first cells, at a half and later."""
        ran = self._run - len(self._waiting)
        if self._run >= MANY and ran in (2, self._run // 2, 3 * self._run // 4):
            self.note(f"about {duration(self.seconds_left)} left")

    def failed(self, results: Iterable[Result]) -> None:
        """Say of cells that failed what went wrong and where, as it is recorded; cells of one error share it."""
        alike: dict[tuple[str, str], list[Result]] = {}
        for result in results:
            alike.setdefault((result.status, (result.error or "no message").rstrip()), []).append(result)
        for (status, error), own in list(alike.items())[:ERRORS]:
            others = f", and {len(own) - 1} more" if len(own) > 1 else ""
            self.note(f"{status}: {own[0].cell.label}{others}\n{indent(error, '    ')}")
        if len(alike) > ERRORS:
            self.note(f"{len(alike) - ERRORS} further errors are in the table of cells that failed.")

    def stop(self) -> None:
        """End the display, and leave the terminal clean."""
        self._live.stop()

    @property
    def seconds_left(self) -> float:
        """Estimated seconds until the last cell ends: all work shared among the workers, but no less than the longest
        single cell."""
        running = {_identity(cell): step / max(1, steps) for cell, step, steps in self._workers.values()}
        each = [self.estimate.seconds(cell) * (1 - running.get(name, 0.0)) for name, cell in self._waiting.items()]
        return max(sum(each) / self._slots, max(each)) if each else 0.0

    def _draw(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if self.terminal.is_terminal and (force or now - self._drawn > 0.2):
            self._drawn = now
            self._live.update(self._picture(), refresh=True)

    def _picture(self) -> RenderableType:
        bar = Table.grid(padding=(0, 1))
        left = f"about {duration(self.seconds_left)} left" if self._waiting else "done"
        bar.add_row(ProgressBar(total=self._total, completed=self._done, width=40), f"{self._done}/{self._total}", left)
        workers = Table.grid(padding=(0, 1))
        for index, (cell, step, steps) in sorted(self._workers.items()):
            share = ProgressBar(total=max(1, steps), completed=step, width=12)
            workers.add_row(Text(f"worker {index}", style="dim"), share, Text(cell.label, overflow="fold"))
        newest = [line for result in self._newest for line in _lines(result, self.terminal.width)]
        return Group(*newest, bar, workers)


def _lines(result: Result, width: int) -> list[Text]:
    """Return a finished cell in one line; in two where it would not fit, because which cell it is must not be cut."""
    label, said = Text(result.cell.label, overflow="fold"), _said_of(result)
    if label.cell_len + 2 + said.cell_len <= width:
        return [label.append("  ").append(said)]
    return [label, Text("  ", overflow="ellipsis", no_wrap=True).append(said)]


def described(result: Result) -> Text:
    """Return one line about a finished cell."""
    return Text(result.cell.label + "  ", overflow="ellipsis", no_wrap=True).append(_said_of(result))


def _said_of(result: Result) -> Text:
    """Return what became of a cell: score, outcome, seconds."""
    text = Text(overflow="ellipsis", no_wrap=True)
    if result.score is None:
        first = foreign.first_line(result.error or "")
        return text.append(result.status, style="red").append(f"  {first}" if first else "")
    text.append(f"{result.score.score:.4g} {result.score.unit}", style="bold")
    text.append(f" (chance {result.score.chance:.3g})  ", style="dim")
    outcome = result.outcome or ""
    text.append(outcome, style=STYLES.get(outcome, ""))
    if result.solved_at_step is not None:
        text.append(f" at step {result.solved_at_step}")
    if result.seconds is not None:
        text.append(f"  {result.seconds.total:.1f} s", style="dim")
    return text


def _identity(cell: Cell) -> str:
    return f"{cell.label} {cell.recipe.batch_size}"
