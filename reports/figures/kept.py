"""Figures on the disk: only those are drawn whose results, looks or code have changed since, on several cores."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import cache
from importlib.metadata import version
from pathlib import Path

from reports.figures import figures
from reports.figures.figures import ENDINGS, Figure
from reports.view import Topic, View, delivery

LEDGER = "drawn.json"  # beside the figures: the hash of what each was drawn from
FEW = 6  # figures that one process draws sooner than others start
ROOT = Path(__file__).parents[2]
CODE = ("reports", "bench/records")  # folders whose code decides what a figure shows


def current(every: Sequence[Figure], view: View, folder: Path) -> Iterator[tuple[Figure, bool]]:
    """Bring the figures of a folder up to date; give each as it is ready, and whether it had to be drawn.

    Raises:
        OSError: the folder cannot be written.
    """
    known = _ledger(folder / LEDGER)
    topics = {topic.name: _topic(topic) for topic in view.topics}
    wanted = {figure.name: digest(figure, view, topics) for figure in every}
    stale = [figure for figure in every if not _whole(figure.name, wanted[figure.name], known, folder)]
    yield from ((figure, False) for figure in every if figure not in stale)
    try:
        for figure in _draw(stale, folder):
            known[figure.name] = wanted[figure.name]
            yield figure, True
    finally:  # what is drawn stays drawn, also where the command is interrupted
        if stale:
            delivery.write(folder / LEDGER, json.dumps(known, indent=1, sort_keys=True))


def _whole(name: str, hashed: str, known: Mapping[str, str], folder: Path) -> bool:
    return known.get(name) == hashed and all((folder / f"{name}.{ending}").exists() for ending in ENDINGS)


def _ledger(path: Path) -> dict[str, str]:
    """Read what was drawn; nothing where the file is missing or no ledger."""
    try:
        held = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in held.items()} if isinstance(held, dict) else {}


def _draw(stale: Sequence[Figure], folder: Path) -> Iterator[Figure]:
    workers = min(os.cpu_count() or 1, len(stale))
    if len(stale) <= FEW or workers == 1:
        for figure in stale:
            figures.write(figure.name, figures.as_json(figure.spec), folder)
            yield figure
        return
    # Processes, because the library that draws uses one core whatever the number of threads.
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        waiting: dict[Future[None], Figure] = {}
        for figure in stale:
            waiting[pool.submit(figures.write, figure.name, figures.as_json(figure.spec), folder)] = figure
        for done in as_completed(waiting):
            done.result()
            yield waiting[done]
    finally:
        pool.shutdown(cancel_futures=True)


# -- what a figure is drawn from ---------------------------------------------------------------------------------------


def digest(figure: Figure, view: View, topics: Mapping[str, str]) -> str:
    """Hash all that decides what a figure shows: code and its libraries, results, names, order and looks.

    topics: the hash of each topic, by its name.
    """
    parts = [code(), figure.name, figure.beside, repr(sorted(view.looks.items()))]
    return _hash([*parts, *(topics[topic.name] for topic in figure.topics)])


@cache
def code() -> str:
    """Hash the code that draws, and the versions of the libraries that it draws with."""
    paths = sorted(path for name in CODE for path in (ROOT / name).rglob("*.py"))
    texts = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    return _hash([version("altair"), version("vl-convert-python"), *texts])


def _topic(topic: Topic) -> str:
    names = [(m.label, m.difference, m.place, m.group.identity) for m in topic.members]
    lines = [(line.label, line.solved, [member.place for member in line.members]) for line in topic.lines]
    results = [result.model_dump_json() for group in topic.groups for result in group.results]
    return _hash([topic.name, repr(topic.heading), repr(names), repr(lines), *results])


def _hash(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()
