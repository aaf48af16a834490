"""The command `python -m bench.status STORE`: what was asked of a store, what is done, and how long the rest takes.

Exit code: 0, or 1 where a cell or a question failed or a file is corrupt, or 2 for bad usage. Nothing is written.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from bench.cli import command
from bench.cli.terminal import Terminal
from bench.records import foreign
from bench.records.asked import AskedCell, possible_keys
from bench.records.cell import Cell
from bench.records.estimate import Estimate, duration
from bench.records.result import ANSWERS, Result
from bench.store import Store
from bench.store.leases import Runner, runners
from bench.store.store import KINDS

EXIT_WRONG = 1
SHOWN = 10  # failed cells in full

app = App(name="python -m bench.status", help="What of a store's sweeps is done, failed, missing.", version_flags=[])


@dataclass(frozen=True)
class Progress:
    """The cells that are answered, failed and missing. stopped: how many have no result and need none, because their
    rates were stopped (`--halving`). left: estimated seconds of one worker for the missing ones."""

    answers: list[Result]
    failures: list[Result]
    missing: list[Cell]
    stopped: int
    left: float

    @property
    def text(self) -> str:
        """The progress in one line."""
        total = len(self.answers) + len(self.failures) + len(self.missing) + self.stopped
        parts = [f"{total} cells: {len(self.answers)} done{_by_status(self.answers)}"]
        if self.failures:
            parts.append(f"{len(self.failures)} failed{_by_status(self.failures)}")
        if self.stopped:
            parts.append(f"{self.stopped} stopped with their rates")
        if self.missing:
            parts.append(f"{len(self.missing)} missing")
        return ", ".join(parts)


def _by_status(results: Iterable[Result]) -> str:
    counts = Counter(result.status for result in results)
    return f" ({', '.join(f'{count} {status}' for status, count in sorted(counts.items()))})" if counts else ""


def progress(cells: Iterable[AskedCell], results: list[Result]) -> Progress:
    """Return how far `cells` are, according to the store's `results`."""
    stored = {key: result for result in results for key in possible_keys(result.cell)}
    estimate = Estimate()
    estimate.learn_from(result for result in results if result.status in ANSWERS)
    asked = list(cells)
    wanted = {item.key: item.cell for item in asked}
    going = {item.key for item in asked if item.stopped is None}  # in one sweep at least
    by_key = {stored[key].cell.key: stored[key] for key in wanted if key in stored}
    unanswered = {key: cell for key, cell in wanted.items() if key not in stored}
    missing = [cell for key, cell in unanswered.items() if key in going]
    answers = [result for result in by_key.values() if result.status in ANSWERS]
    failures = [result for result in by_key.values() if result.status not in ANSWERS]
    stopped = len(unanswered) - len(missing)
    return Progress(answers, failures, missing, stopped, sum(map(estimate.seconds, missing)))


@app.default
def status(
    store: Annotated[Path, Parameter(help="Folder of results.")] = Path("results"),
) -> int:
    """Show what was asked of a store, what is done, failed, missing and running, and the time left."""
    terminal = Terminal()

    def say(line: str) -> None:
        terminal.print(line, highlight=False, markup=False, soft_wrap=True)

    opened = Store(store)
    results = opened.results()
    at_work = runners(store)
    asked = opened.sweeps()
    for _ in opened.foreign:
        say("a sweep of another version of the suite is not counted")
    for sweep in asked:
        say(f"{_described(sweep.sweep)}\n    {progress(sweep.cells, results).text}")
    whole = progress((item for sweep in asked for item in sweep.cells), results)
    say(f"{store}: {whole.text}{_left(whole, at_work)}")
    for kind in KINDS:
        say(f"{kind}: {sum(1 for _ in opened.kept(kind))}")
    unanswered = opened.readings.failures()
    for reading in [*unanswered.values()][:SHOWN]:
        said = foreign.first_line(reading.error or "")
        say(f"unanswered: {foreign.line(reading.question.label)}  {reading.status}  {said}")
    if unanswered:
        say(f"{len(unanswered)} questions to stored models failed: bench.evaluate asks again with --retry-failed.")
    for runner in at_work:
        say(f"running: process {runner.process} on {runner.host}, {runner.workers} workers, cells: {runner.leases}")
    for result in whole.failures[:SHOWN]:
        say(f"failed: {result.cell.label}  {result.status}  {foreign.first_line(result.error or '')}")
    if len(whole.failures) > SHOWN:
        say(f"failed: and {len(whole.failures) - SHOWN} more")
    if whole.failures:
        say("To run failed cells again, give the sweep's command once more with --retry-failed.")
    for path in opened.corrupt:
        say(f"corrupt: {foreign.line(str(path))}. The sweep's next run moves it aside and measures its cell again.")
    return EXIT_WRONG if whole.failures or unanswered or opened.corrupt else 0


def _left(whole: Progress, at_work: list[Runner]) -> str:
    """Return how many cells run, and the time left, for the end of a line."""
    if not whole.missing:
        return ""
    workers = sum(runner.workers for runner in at_work)
    if not workers:
        return f", none running; about {duration(whole.left)} left on one worker"
    running = sum(runner.leases for runner in at_work)
    return f" ({running} of them running); about {duration(whole.left / workers)} left"


def _described(sweep: dict[str, Any]) -> str:
    lists = (",".join(map(str, sweep[name])) for name in ("tasks", "models", "lengths"))
    return f"{' × '.join(lists)}, budget {sweep['budget']}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; bad usage ends with one message and exit code 2."""
    return command.run(app, arguments, "bench.status")


if __name__ == "__main__":
    sys.exit(main())
