"""How time and memory of a training step grow with length: `python -m tests.performance.exponents [--figure FILE]`.

One line per model of the suite, at 16,000 parameters, and for torch's own `nn.GRU` and `nn.LSTM` of the same width, on
8 sequences of adding, one thread. For each length a process of its own tells the seconds of a step (the least of three
after a first) and the memory it took beyond what it held before. The exponent b of time or memory ∝ T^b is the slope
between the two longest lengths: at short ones a constant hides it. `--figure` draws the lines of some files of such
output, and measures nothing.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import catalog
from bench.engines.local import ALLOCATOR
from tests.performance.report import as_a_worker, heading
from tests.performance.scan import BATCH, step

SCRIPT = "tests.performance.exponents"
LENGTHS = (100, 1_000, 10_000)
TORCHS = {"nn.GRU": ("GRU", 71), "nn.LSTM": ("LSTM", 61)}  # name, hidden units
CONTROLS = {"oracle", "window"}  # nothing of them is trained
STEPS = 3


def main(words: Sequence[str] | None = None) -> None:
    """Print one line per model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short lengths and two models: only tries it out")
    parser.add_argument(
        "--models", default=",".join([*TORCHS, *(n for n in catalog.names("model") if n not in CONTROLS)])
    )
    parser.add_argument("--lengths", default=",".join(map(str, LENGTHS)))
    parser.add_argument("--figure", type=Path, help="an SVG to draw from the files that follow")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--one", nargs=2, metavar=("MODEL", "LENGTH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if arguments.one:
        print(*measured(arguments.one[0], int(arguments.one[1])))
        return
    if arguments.figure:
        arguments.figure.write_text(drawn([line for file in arguments.files for line in points(file.read_text())]))
        return
    lengths = (20, 40) if arguments.quick else tuple(map(int, arguments.lengths.split(",")))
    print(heading(SCRIPT), flush=True)
    for name in ("nn.GRU", "gru") if arguments.quick else arguments.models.split(","):
        rows = [_in_a_process(name, length) for length in lengths]
        (shorter, least), (longer, most) = rows[-2:]
        by = math.log(lengths[-1] / lengths[-2])
        shown = "  ".join(f"T={t}: {s:.4f} s {m / 2**20:.0f} MiB" for t, (s, m) in zip(lengths, rows, strict=True))
        exponents = f"time T^{math.log(longer / shorter) / by:.2f}  memory T^{math.log(most / least) / by:.2f}"
        print(f"{name:<12} {exponents}   {shown}", flush=True)


def points(text: str) -> list[dict[str, Any]]:
    """Read the points of lines that this script has printed: model, T, seconds and MiB of a step."""
    found = []
    for line in text.splitlines():
        for length, seconds, memory in re.findall(r"T=(\d+): ([\d.]+) s (\d+) MiB", line):
            found.append({"model": line.split()[0], "T": int(length), "s": float(seconds), "MiB": int(memory)})
    return found


def drawn(rows: Sequence[dict[str, Any]]) -> str:
    """Draw seconds and memory of a step against length, a line per model, as SVG."""
    import altair
    import vl_convert

    names = [*dict.fromkeys(row["model"] for row in rows)]
    across = altair.X("T:Q", title="length T", scale=altair.Scale(type="log"), axis=_decades(1, 5))
    colour = altair.Color("model:N", sort=names, scale=altair.Scale(scheme="category20"))
    lines = altair.Chart(altair.Data(values=list(rows))).mark_line(point=True).properties(width=320, height=360)
    log = altair.Scale(type="log")
    seconds = altair.Y("s:Q", title="seconds of a training step", scale=log, axis=_decades(-3, 3))
    memory = altair.Y("MiB:Q", title="memory of it, MiB", scale=log, axis=_decades(0, 5))
    chart = lines.encode(x=across, y=seconds, color=colour) | lines.encode(x=across, y=memory, color=colour)
    picture: str = vl_convert.vegalite_to_svg(chart.to_dict())
    return picture


def _decades(least: int, most: int) -> Any:
    import altair

    return altair.Axis(values=[10.0**power for power in range(least, most + 1)], format=",", gridColor="#dddddd")


def _in_a_process(name: str, length: int) -> tuple[float, float]:
    command = [sys.executable, "-m", SCRIPT, "--one", name, str(length)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | ALLOCATOR)
    seconds, memory = map(float, run.stdout.split())
    return seconds, memory


def measured(name: str, length: int) -> tuple[float, float]:
    """The seconds of a training step, and the bytes that the process took for it beyond those it held."""
    run = torchs(*TORCHS[name], length) if name in TORCHS else step(name, length, "cpu", None)
    before = _peak()
    run()
    return min(run() for _ in range(STEPS)), max(_peak() - before, 1.0)


def torchs(kind: str, hidden: int, length: int) -> Callable[[], float]:
    """A training step of torch's own module with a linear head."""
    import torch

    from tasks.adding import Adding
    from tests.performance.report import clock

    task = Adding(length, batch_size=BATCH)
    batch = task.training_batch(0)
    torch.manual_seed(0)
    body: Any = getattr(torch.nn, kind)(2, hidden, batch_first=True)
    head = torch.nn.Linear(hidden, 1)
    parameters = [*body.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)

    def run() -> float:
        begun = clock()
        optimizer.zero_grad()
        task.spec.objective.loss(head(batch.reads.pick(body(batch.inputs)[0])), batch).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return clock() - begun

    return run


def _peak() -> float:
    """The most bytes that this process has held."""
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    as_a_worker(SCRIPT)
    main()
