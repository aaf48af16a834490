"""What a scan gains over an lstm in training: `python -m tests.performance.scan [--quick]`.

A training step (forward, backward, clipping, Adam) of models whose recurrences run by `models.parts.scan`, beside the
lstm's on the same batch of adding, one thread: at equal state, one block of `--hidden 61` each; then at equal
parameters, every model of the suite that carries a state. All of a row alternate, pair by pair; a ratio above 1 says
how many times as fast as the lstm.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.performance.report import as_a_worker, clock, heading

SCRIPT = "tests.performance.scan"
HIDDEN, BATCH = 61, 8
TARGET = 1.5  # times as fast as the lstm on a CPU, at equal state
ON_GPU = 10.0
EQUAL_STATE = ("mingru:blocks=1", "lru:blocks=1", "gru")
EQUAL_PARAMETERS = ("rnn", "gru", "mingru", "minlstm", "lru", "mamba", "deltanet", "indrnn", "lem")
TARGETED = ("mingru:blocks=1",)


@dataclass(frozen=True)
class Ratio:
    """Seconds of a step of `name`, and of the lstm in the same pairs."""

    name: str
    seconds: Sequence[float]
    lstm: Sequence[float]
    target: float | None = None

    def __str__(self) -> str:
        ratios = [theirs / ours for ours, theirs in zip(self.seconds, self.lstm, strict=True)]
        middle = median(ratios)
        line = f"{self.name:<44} {middle:8.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        line += f"   {median(self.seconds):.4f} s per step, lstm {median(self.lstm):.4f} s"
        if self.target is None:
            return line
        return f"{line}   target >= {self.target:g}   {'holds' if middle >= self.target else 'falls short'}"


def main(words: Sequence[str] | None = None) -> None:
    """Print one line per model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="length 100, one pair: only tries the script out")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--length", type=int, default=10_000)
    arguments = parser.parse_args(words)
    length, pairs = (100, 1) if arguments.quick else (arguments.length, arguments.pairs)
    print(heading(SCRIPT, "" if arguments.device == "cpu" else "on a GPU"), flush=True)
    target = TARGET if arguments.device == "cpu" else ON_GPU
    for name in EQUAL_STATE:
        row = f"{name} {length}, hidden {HIDDEN}: times the lstm's speed"
        aim = target if name in TARGETED else None
        print(measured(row, name, length, pairs, arguments.device, HIDDEN, aim), flush=True)
    for name in EQUAL_PARAMETERS:
        row = f"{name} {length}, 16,000 parameters: the same"
        print(measured(row, name, length, pairs, arguments.device, None, None), flush=True)


def measured(
    row: str, name: str, length: int, pairs: int, device: str, hidden: int | None, target: float | None
) -> Ratio:
    """Steps of `name` and of the lstm, alternately, after one of each that is not counted."""
    ours, lstm = step(name, length, device, hidden), step("lstm", length, device, hidden)
    ours()
    lstm()
    seconds: list[float] = []
    of_lstm: list[float] = []
    for pair in range(pairs):
        turns = [(ours, seconds), (lstm, of_lstm)]
        for run, into in turns if pair % 2 else turns[::-1]:
            into.append(run())
    return Ratio(row, seconds, of_lstm, target)


def step(name: str, length: int, device: str, hidden: int | None) -> Callable[[], float]:
    """A function that makes one training step of the model and tells its seconds. name: with options, as a cell's."""
    import torch

    from bench import catalog
    from tasks.adding import Adding
    from tasks.base import Batch

    entry, _, options = name.partition(":")
    card = catalog.card("model", entry)
    pairs = (option.partition("=") for option in options.split(",") if option)
    values = card.values((key, value) for key, _, value in pairs)
    task = Adding(length, batch_size=BATCH)
    torch.manual_seed(0)
    model: Any = card.load()(task.spec, hidden=hidden, **values).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    batch = task.transfer_batch_to_device(task.training_batch(0), torch.device(device), 0)
    assert isinstance(batch, Batch)

    def run() -> float:
        begun = clock()
        optimizer.zero_grad()
        task.spec.objective.loss(model(batch), batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        return clock() - begun

    return run


if __name__ == "__main__":
    as_a_worker(SCRIPT)
    main()
