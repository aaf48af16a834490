"""Reads a run's data back with W&B's own reader, no network."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.records.result import Result
from bench.records.row import row


@dataclass
class Mirrored:
    """What a `.wandb` file holds. exit_code: None where the run did not end."""

    run: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None


def read(folder: Path) -> Mirrored:
    """The records of the run in `folder`, which must all parse."""
    (path,) = folder.glob("*.wandb")
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = Mirrored()
    for line in done.stdout.splitlines():
        record = json.loads(line, parse_int=_number)
        content = record.get(record["type"], {})
        if record["type"] == "run":
            found.run |= content
            found.config |= content.get("config", {}).get("update", {})
        elif record["type"] == "config":
            found.config |= content.get("update", {})
        elif record["type"] == "history":
            found.rows.append({name: value for name, value in content["item"].items() if not name.startswith("_")})
        elif record["type"] == "summary":
            found.summary |= content.get("update", {})
        elif record["type"] == "exit":
            found.exit_code = content.get("exit_code", 0)
    return found


def _number(text: str) -> int | float:
    """The reader writes large floating-point numbers without a point."""
    return float(text) if len(text) > 15 else int(text)


def rows(result: Result) -> list[dict[str, Any]]:
    """The rows a record should have on W&B, written down anew from the record."""
    task = result.cell.task.replace(":", "_")
    curves = result.curves
    made: list[dict[str, Any]] = []
    for step in range(0, len(curves.train_loss), 25):
        made.append({"step": step, f"train/{task}/loss": curves.train_loss[step]})
        made[-1][f"gradient/{task}/norm"] = curves.gradient_norm[step]
        if step in curves.parameter_steps:
            for name, norms in curves.parameter_norms.items():
                norm = norms[curves.parameter_steps.index(step)]
                made[-1][f"gradient/{task}/parameter/{name.replace('.', '/')}"] = norm
    made += [{"step": step, f"validation/{task}/score": score} for step, score in curves.validation]
    for flow in result.gradient_flow:
        when = {result.steps: "end", 0: "initial"}.get(flow.step, f"step_{flow.step}")
        for index, distance in enumerate(flow.distances):
            series = {name: profile.log10_median[index] for name, profile in flow.profiles.items()}
            values = {f"profile/{task}/{when}/{name.replace('.', '/')}": value for name, value in series.items()}
            made.append({"profile/distance": distance} | values)
    columns = row(result)
    names = ("score", "chance", "skill", "solved_at_step", "memory_horizon", "steps_per_second")
    made.append({"results/length": result.cell.length} | {f"results/{task}/{name}": columns[name] for name in names})
    return [{name: value for name, value in item.items() if value is not None} for item in made]
