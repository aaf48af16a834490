"""Progress of a sweep: a bar with time left, what each worker does, the newest scores; plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from textwrap import indent
from types import MappingProxyType
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
    from bench.records.job import Work
    from bench.records.reading import Reading
    from bench.records.result import Result
    from bench.records.rung import Rung

NEWEST = 5
MANY = 12  # cells of a sweep, from which the time left is said in lines too
ERRORS = 3  # different ones that the end of a sweep shows whole


STYLES = {"solved": "green", "learning": "cyan", "at chance": "yellow", "budget-limited": "yellow"}


class Console:
    """The progress of one sweep, or of questions, shown while they run.

    noun: what one of them is called. names: by key, the names of questions, which do not know their model's.
    """

    def __init__(
        self,
        terminal: Terminal | None = None,
        *,
        noun: str = "cell",
        estimate: Estimate | None = None,
        names: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.terminal = terminal or Terminal()
        self.noun, self.names = noun, names
        self.estimate = estimate or Estimate()
        self._live = Live(console=self.terminal, auto_refresh=False, transient=True)
        self._workers: dict[int, tuple[Work, int, int]] = {}
        self._newest: deque[Result | Reading] = deque(maxlen=NEWEST)
        self._waiting: dict[str, Work] = {}
        self._total = self._done = 0
        self._drawn = 0.0

    def start(self, work: Sequence[Work], stored: int, workers: int) -> None:
        """Begin: all `work` is to be done by `workers` workers; `stored` more is stored already."""
        self._total, self._done = len(work) + stored, stored
        self._waiting = {_identity(each): each for each in work}
        self._run = len(self._waiting)
        self._slots = workers
        self.note(f"{self._total} {self.noun}s: {stored} stored, {len(work)} to run on {workers} workers")
        if self.terminal.is_terminal:
            self._live.start()

    def note(self, text: str) -> None:
        """Print one line of information."""
        self.terminal.print(foreign.block(text), highlight=False, markup=False, soft_wrap=True)

    def working(self, worker: int, work: Work | None, step: int, steps: int) -> None:
        """Show what a worker does now; `work` is None while the worker is idle."""
        if work is None:
            self._workers.pop(worker, None)
        else:
            self._workers[worker] = (work, step, steps)
        self._draw()

    def skipped(self, work: Work) -> None:
        """Count what turned out to be stored already."""
        if self._waiting.pop(_identity(work), None):
            self._done += 1

    def stopped(self, cell: Cell, step: int) -> None:
        """Say that a cell's learning rate was stopped."""
        if self._waiting.pop(_identity(cell), None):
            self._total -= 1
        self.note(f"{cell.label}  stopped at {step}: another rate is better by more than both intervals")

    def paused(self, rung: Rung) -> None:
        """Say how a cell stands that was paused for its rates to be compared; a terminal shows it at work."""
        if not self.terminal.is_terminal:
            score = f"{rung.score.score:.4g} {rung.score.unit}"
            self.note(f"{rung.cell.label}  {score} on validation after {rung.step} steps, paused to compare rates")

    def finished(self, record: Result | Reading) -> None:
        """Count and show what ended; before `start`, show what could not even begin."""
        if not self._total:
            self.note(described(record, self.names).plain)
            return
        work, seconds = _of(record)
        self._done += 1
        self._waiting.pop(_identity(work), None)
        if seconds is not None:
            self.estimate.learn(work, seconds)
        if self.terminal.is_terminal:
            self._newest.append(record)
            self._draw(force=True)
        else:
            self.note(f"[{self._done}/{self._total}] {described(record, self.names).plain}")
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
        running = {_identity(work): step / max(1, steps) for work, step, steps in self._workers.values()}
        each = [self.estimate.seconds(work) * (1 - running.get(name, 0.0)) for name, work in self._waiting.items()]
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
        for index, (work, step, steps) in sorted(self._workers.items()):
            share = ProgressBar(total=max(1, steps), completed=step, width=12)
            workers.add_row(Text(f"worker {index}", style="dim"), share, Text(_name(work, self.names), overflow="fold"))
        newest = [line for record in self._newest for line in self._lines(record)]
        return Group(*newest, bar, workers)

    def _lines(self, record: Result | Reading) -> list[Text]:
        """Return what finished in one line; in two where it would not fit, because its name must not be cut."""
        name, said = Text(_name(_of(record)[0], self.names), overflow="fold"), _said_of(record)
        if name.cell_len + 2 + said.cell_len <= self.terminal.width:
            return [name.append("  ").append(said)]
        return [name, Text("  ", overflow="ellipsis", no_wrap=True).append(said)]


def described(record: Result | Reading, names: Mapping[str, str] = MappingProxyType({})) -> Text:
    """Return one line about what finished. names: as of a console."""
    return Text(f"{_name(_of(record)[0], names)}  ", overflow="ellipsis", no_wrap=True).append(_said_of(record))


def _name(work: Work, names: Mapping[str, str]) -> str:
    return foreign.line(names.get(work.key, work.label) if names else work.label)


def _of(record: Result | Reading) -> tuple[Work, float | None]:
    """Return what a record is of, and the seconds that it took."""
    from bench.records.result import Result

    if isinstance(record, Result):
        return record.cell, record.seconds.total if record.seconds else None
    return record.question, record.seconds


def _said_of(record: Result | Reading) -> Text:
    """Return what became of a cell or a question: score, outcome, seconds."""
    from bench.records.result import Result

    text, score, seconds = Text(overflow="ellipsis", no_wrap=True), record.score, _of(record)[1]
    if score is not None:
        text.append(f"{score.score:.4g} {score.unit}", style="bold")
        text.append(f" (chance {score.chance:.3g})  ", style="dim")
        outcome = (record.outcome or "") if isinstance(record, Result) else "at chance" if score.at_chance else ""
        text.append(outcome, style=STYLES.get(outcome, ""))
        if isinstance(record, Result) and record.solved_at_step is not None:
            text.append(f" at step {record.solved_at_step}")
    elif isinstance(record, Result) or record.gradient_flow is None:
        first = foreign.first_line(record.error or "")
        return text.append(record.status, style="red").append(f"  {first}" if first else "")
    else:
        text.append(", ".join(f"{name} {each.verdict}" for name, each in record.gradient_flow.profiles.items()))
    if seconds is not None:
        text.append(f"  {seconds:.1f} s", style="dim")
    return text


def _identity(work: Work) -> str:
    """Return what stands for work whatever its corpus turns out to be."""
    return f"{work.label} {work.recipe.batch_size}" if isinstance(work, Cell) else work.key
