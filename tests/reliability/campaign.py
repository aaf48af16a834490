"""The full campaign behind docs/reliability.md: `python -m tests.reliability.campaign [--kills 100] [--seed 1]`.

Prints one Markdown row per promise: what was done, and what was seen. Exit code 1 where a promise does not hold.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.reliability import damage, resumes, runners, several
from tests.reliability.runners import ROOT

LIBRARIES = ("torch", "lightning", "pydantic", "safetensors", "pytest")
KILLED = ("lost", "duplicate", "changed", "torn", "weights_of_another", "blocked")
Row = tuple[str, str, str, str, bool]  # number, promise, test, figure, holds

# Rows whose full test is the one of the normal run.
TESTS = [
    ("2, 9", "resume does only what is missing, bit-equal", "test_workers.py", "killed_sweep_resumes"),
    ("6", "one worker's death is one cell's affair", "test_workers.py", "killed_worker or stuck_in_native"),
    ("7", "a poison cell is bounded; every status by a real cause", "test_workers.py", "poison or every_status"),
    ("10", "identity", "test_identity.py", "another_cell or measured_anew or eyes_only"),
    ("11", "old results stay readable", "test_identity.py", "golden"),
    ("14", "honest aggregates", "test_identity.py", "averaged_away"),
    ("15", "a full or read-only disk", "test_publishing.py", "disk or limit_on"),
    ("17", "no code comes from data", "test_safety.py", "not secret and not search"),
    ("19", "no secret leaks", "test_safety.py", "secret or search"),
    ("20", "1,000 cells: memory, open files, zombies", "test_workers.py", "thousand"),
]


def publishers(folder: Path, kills: int, seed: int) -> list[Row]:
    """Row 1: publishers killed at random times and at every call."""
    command = [sys.executable, "-m", "tests.reliability.kills", str(folder), str(kills), "200", str(seed)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = []
    for kind, tally in json.loads(run.stdout).items():
        bad = {name: tally[name] for name in KILLED}
        figure = f"{tally['kills']} kills, {tally['records']} records: " + _counts(bad)
        what = "3 publishers on one store, 200 cells, killed at random times"
        test = what if kind == "random" else "a runner (lease, result, lease) killed before and after each of its calls"
        rows.append(("1", "exactly one result per cell", test, figure, not any(bad.values())))
    return rows


def whole_runners(folder: Path, kills: int, seed: int) -> list[Row]:
    """Row 2: parents and workers killed."""
    seen = runners.killed_and_resumed(folder, kills=kills, cells=120, seed=seed)
    bad = {name: getattr(seen, name) for name in ("recomputed", "lost", "changed", "orphans", "failures")}
    figure = (
        f"{seen.kills} kills: {_counts(bad)}; slowest death of a worker after its parent {seen.slowest_death:.2f} s"
    )
    test = "parent or worker processes killed at random times, fake trials; the same command again"
    return [("2", "resume does only what is missing", test, figure, seen.clean)]


def several_runners(folder: Path, kills: int, seed: int) -> list[Row]:
    """Rows 1 and 5: three whole runners on one store."""
    rows = []
    for count, what in (
        (0, "nobody killed"),
        (kills, "runners or workers killed at random times, half of them on hosts of their own"),
    ):
        seen = several.campaign(folder / str(count), kills=count, cells=200, seed=seed)
        names = ("lost", "duplicate", "changed", "late", "blocked", "left")
        figure = f"{seen.kills} kills, {seen.executions} executions of {seen.cells} cells: "
        figure += _counts({name: getattr(seen, name) for name in names})
        test = f"3 runners on one store, 200 cells a sweep, fake trials; {what}"
        rows.append(("1, 5", "one result per cell, work done once, no lease blocks", test, figure, seen.clean))
    return rows


def several_askers(folder: Path, kills: int, seed: int) -> list[Row]:
    """Rows 1 and 5, of questions to stored models."""
    seen = several.campaign(folder, kills=kills, cells=200, seed=seed, ask=True)
    names = ("lost", "duplicate", "changed", "late", "blocked", "left")
    figure = f"{seen.kills} kills, {seen.executions} executions of {seen.cells} questions: "
    figure += _counts({name: getattr(seen, name) for name in names})
    test = "3 runners of bench.evaluate on one store, 200 questions, fake trials; runners or workers killed"
    return [("1, 5", "one reading per question, and no result changes", test, figure, seen.clean)]


def long_cells(folder: Path, kills: int, seed: int) -> list[Row]:
    """Rows 1, 2 and 9 with checkpoints in the middle of cells."""
    rows = []
    for count in (1, 3):
        seen = resumes.campaign(folder / str(count), kills, count, seed)
        bad = {name: getattr(seen, name) for name in ("lost", "changed", "failures", "left")}
        figure = f"{seen.kills} kills, {seen.resumptions} cells went on in the middle: {_counts(bad)}"
        test = f"real cells with checkpoints, {count} runner{'s' * (count > 1)} on one store, runners or workers killed"
        rows.append(("1, 2, 9", "resumed cells end bit-equal to undisturbed ones", test, figure, seen.clean))
    return rows


def failing_calls(folder: Path) -> list[Row]:
    """Row 3."""
    seen = damage.every_failing_call(folder)
    bad = {name: getattr(seen, name) for name in ("torn", "unsaid", "stuck", "left")}
    test = "the k-th call fails, every k, with EIO, ENOSPC, EDQUOT, EROFS; writes whole and by halves"
    return [("3", "no torn record is ever readable", test, f"{seen.calls} failed calls: {_counts(bad)}", seen.clean)]


def damaged_records() -> list[Row]:
    """Row 4."""
    records = [damage.a_record()]
    records += [path.read_bytes() for path in (ROOT / "tests" / "golden").rglob("cells/*.json")]
    tried = unnoticed = 0
    for record in records:
        for seen in (damage.every_flip(record), damage.every_truncation(record)):
            tried += seen.tried
            unnoticed += seen.unnoticed
    test = f"every byte flipped by three masks, every truncation, {len(records)} records"
    return [("4", "corruption is found", test, f"{tried} damaged records: {unnoticed} unnoticed", not unnoticed)]


def normal_tests() -> list[Row]:
    """The rows that the normal test run holds in full."""
    rows: list[Row] = []
    for number, promise, file, keyword in TESTS:
        started = time.perf_counter()
        path = f"tests/reliability/{file}"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", path, "-k", keyword]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        summary = [line for line in run.stdout.splitlines() if line.strip()][-1] if run.stdout.strip() else "no output"
        passed = run.stdout.count(".", 0, run.stdout.find("[100%]"))
        figure = f"{passed} tests pass, {time.perf_counter() - started:.0f} s" if not run.returncode else summary
        rows.append((number, promise, f"`{path}`: {keyword}", figure, run.returncode == 0))
    return rows


def _counts(bad: dict[str, int]) -> str:
    return " · ".join(f"{name.replace('_', ' ')} {count}" for name, count in bad.items())


def main() -> int:
    """Run all of it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    print(f"`python -m tests.reliability.campaign --kills {arguments.kills} --seed {arguments.seed}`, ", end="")
    print(f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {versions}, {platform.system()}.\n")
    print("| # | promise | test | figure | |\n|---|---|---|---|---|")
    holds = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts: list[Callable[[], list[Row]]] = [
            lambda: publishers(folder / "publishers", arguments.kills, arguments.seed),
            lambda: whole_runners(folder / "runners", max(10, arguments.kills // 5), arguments.seed),
            lambda: several_runners(folder / "several", arguments.kills, arguments.seed),
            lambda: several_askers(folder / "askers", max(10, arguments.kills // 5), arguments.seed),
            lambda: long_cells(folder / "long", max(6, arguments.kills // 5), arguments.seed),
            lambda: failing_calls(folder / "failing"),
            damaged_records,
            normal_tests,
        ]
        for part in parts:
            for number, promise, test, figure, held in part():
                holds = holds and held
                print(
                    f"| {number} | {promise} | {test} | {figure} | {'holds' if held else 'FALLS SHORT'} |", flush=True
                )
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
