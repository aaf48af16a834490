"""The command `python -m bench.doctor`: what is wrong with this machine or a store, and what to do about it.

Exit code: 0, or 1 where something is wrong, or 2 for bad usage. Values of environment variables and the contents of
credential files are never shown.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from bench import catalog
from bench.cli import command
from bench.cli.terminal import Terminal
from bench.mirror import login
from bench.store import Store
from bench.store.store import KINDS

EXIT_WRONG = 1
PYTHON = (3, 11)
REQUIRED = (
    "torch", "lightning", "torchmetrics", "pandas", "numpy", "pydantic", "cyclopts", "rich", "pooch", "requests",
    "safetensors",
)  # fmt: skip
# Releases on the package index that steal credentials.
MALICIOUS = {("lightning", "2.6.2"), ("lightning", "2.6.3")}
LITTLE_SPACE = 500 * 2**20

app = App(name="python -m bench.doctor", help="What is wrong here, and what to do about it.", version_flags=[])


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. remedy: what to do, where there is something to do."""

    mark: Literal["ok", "note", "wrong"]
    what: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.mark:<6}{self.what:<14}{self.found}{f'. {self.remedy}' if self.remedy else ''}"


# -- the machine ------------------------------------------------------------------------------------------------------


def interpreter() -> Iterator[Finding]:
    """Look at Python and the packages that the suite needs."""
    version = platform.python_version()
    if sys.version_info[:2] < PYTHON:
        yield Finding("wrong", "Python", version, f"Install Python {'.'.join(map(str, PYTHON))} or newer")
    else:
        yield Finding("ok", "Python", version)
    installed: dict[str, str] = {}
    for name in REQUIRED:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding("wrong", name, "not installed", "Run `pip install -c constraints.txt -e .`")
    for name, version in installed.items():
        if (name, version) in MALICIOUS:
            yield Finding("wrong", name, f"{version}, a release that steals credentials", "Remove it, then renew keys")
    shown = ", ".join(f"{name} {installed[name]}" for name in REQUIRED[:3] if name in installed)
    yield Finding("ok", "libraries", shown)


def processors() -> Iterator[Finding]:
    """Look at cores and GPUs."""
    cores = len(os.sched_getaffinity(0)) if platform.system() == "Linux" else os.cpu_count() or 1
    yield Finding("ok", "cores", f"{cores}: as many workers by default")
    import torch

    count = torch.cuda.device_count()
    for index in range(count):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        yield Finding("ok", "GPU", f"{index}: {name}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free")
    if not count and shutil.which("nvidia-smi"):
        built = torch.version.cuda or "no CUDA"
        remedy = "Install a torch whose CUDA fits the driver, or take --accelerator cpu"
        yield Finding("note", "GPU", f"there is a driver, but torch ({built}) sees none", remedy)
    elif not count:
        yield Finding("ok", "GPU", "none: cells run on the cores")


def weights_and_biases() -> Iterator[Finding]:
    """Look for a login to W&B, without showing it."""
    try:
        importlib.metadata.version("wandb")
    except importlib.metadata.PackageNotFoundError:
        yield Finding("ok", "W&B", "not installed: nothing is mirrored")
        return
    if login.logged_in():
        yield Finding("ok", "W&B", "there is a login")
    else:
        yield Finding("note", "W&B", "no login: a mirror stays on this machine", "Run `wandb login` to have it online")


def corpora(folder: Path | None) -> Iterator[Finding]:
    """Look for the corpora that tasks read by default."""
    from tasks.corpora import resolving

    for name in catalog.names("task"):
        card = catalog.card("task", name)
        if card.fallback is None:
            continue
        wanted = str(card.options["corpus"].default)
        try:
            corpus = resolving.resolve(wanted, fallback=card.fallback, folder=folder, download=False)
        except resolving.CorpusError as error:
            yield Finding("wrong", "corpus", f"{wanted} ({name}): {error}")
            continue
        if wanted == card.fallback:
            yield Finding("ok", "corpus", f"{wanted} ({name}) is part of this suite")
        elif corpus.source == wanted:
            yield Finding("ok", "corpus", f"{wanted} ({name}) is in {corpus.folder}")
        else:
            remedy = f"It is downloaded when first needed; without a network {corpus.name!r} stands in. Or give --data"
            yield Finding("note", "corpus", f"{wanted} ({name}) is not here", remedy)


# -- the store --------------------------------------------------------------------------------------------------------


def disk(path: Path) -> Iterator[Finding]:
    """Look at the free space where the store is or will be."""
    there = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.is_dir())
    free = shutil.disk_usage(there).free
    mark: Literal["ok", "wrong"] = "wrong" if free < LITTLE_SPACE else "ok"
    yield Finding(mark, "disk", f"{free / 2**30:.1f} GiB free at {there}", "Free some space" if mark == "wrong" else "")


def store(path: Path) -> Iterator[Finding]:
    """Look whether a store can be written, is whole, and holds nothing that is left over."""
    if not path.exists():
        yield Finding("note", "store", f"there is none at {path}", "`python -m bench.run` makes it")
        return
    opened = Store(path)
    try:
        links = opened.files.has_links(path / "cells")
        with opened.files.lock(path / "cells") as locked:
            pass
    except OSError as error:
        yield Finding("wrong", "store", f"{path} cannot be written: {error.strerror}", "Mend that, or take another")
    else:
        yield from _links(links)
        yield from _locks(locked)
    results = opened.results()
    yield Finding("ok", "store", f"{len(results)} cells are whole in {path}")
    opened.sweeps()
    for kind in KINDS:
        yield Finding("ok", kind, f"{sum(1 for _ in opened.kept(kind))} are whole")
    unanswered = len(opened.readings.failures())
    if unanswered:
        yield Finding("note", "readings", f"{unanswered} questions failed", "bench.evaluate --retry-failed asks again")
    for foreign in opened.foreign:
        yield Finding("note", "sweep", f"{foreign} is in the words of another version", "It is not counted")
    for record in opened.corrupt:
        remedy = "The sweep's next run moves it aside and measures the cell again"
        yield Finding("wrong", "corrupt", str(record), remedy)
    for weights in opened.orphans():
        yield Finding("note", "orphan", f"{weights} has no record", "Its cell's next run replaces it, or remove it")
    for result in results:
        if result.weights_sha256 is not None:
            yield from _weights(opened, result.cell.key, result.weights_sha256)
    for leftover in opened.leftovers():
        yield Finding("note", "leftover", f"{leftover} of a writer that died", "The next run removes it")


def _links(there: bool) -> Iterator[Finding]:
    if there:
        yield Finding("ok", "hard links", "yes: the first writer of a record wins")
        return
    remedy = "Let no two runners on different hosts write to this store, or put it on a local disk"
    yield Finding("note", "hard links", "none on this file system", remedy)


def _locks(there: bool) -> Iterator[Finding]:
    if there:
        yield Finding("ok", "locks", "yes: runners that share this store measure each cell once")
        return
    remedy = "Runners that share this store may measure a cell twice; the first result stays"
    yield Finding("note", "locks", "none on this file system, or a writer that was stopped holds one", remedy)


def _weights(opened: Store, key: str, sha256: str) -> Iterator[Finding]:
    path = opened.weights_path(key, sha256)
    remedy = f"Remove {opened.path / 'cells' / key}.json to have the cell measured again"
    held = opened.held_weights(key, sha256)
    if held is None:
        yield Finding("wrong", "weights", f"{path} is missing", remedy)
    elif hashlib.sha256(held).hexdigest() != sha256:
        yield Finding("wrong", "weights", f"{path} is not what its record says", remedy)


@app.default
def doctor(
    *,
    store_path: Annotated[Path, Parameter(name="--store", help="Folder of results.")] = Path("results"),
    data: Annotated[Path | None, Parameter(help="Folder of corpora (default: BENCH_DATA, else the cache).")] = None,
) -> int:
    """Look at Python, processors, disk, corpora, W&B and a store, and say what to do about what is wrong."""
    given = os.environ.get("BENCH_DATA")
    folder = data or (Path(given) if given else None)
    checks: list[Callable[[], Iterator[Finding]]] = [
        interpreter,
        processors,
        lambda: disk(store_path),
        lambda: store(store_path),
        lambda: corpora(folder),
        weights_and_biases,
    ]
    terminal = Terminal()
    wrong = 0
    for check in checks:
        for finding in check():
            wrong += finding.mark == "wrong"
            terminal.print(str(finding), highlight=False, markup=False, soft_wrap=True)
    terminal.print(f"{wrong} things are wrong." if wrong else "Nothing is wrong.", highlight=False)
    return EXIT_WRONG if wrong else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; bad usage ends with one message and exit code 2."""
    return command.run(app, arguments, "bench.doctor")


if __name__ == "__main__":
    sys.exit(main())
