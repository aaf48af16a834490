"""Where a page's numbers come from, and what a reader has to be warned of."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bench.records.asked import Asked, AskedCell, unanswered
from bench.records.recipe import as_text
from bench.records.result import ANSWERS, LEARNING, SHORT, Result
from bench.records.sweep import Sweep
from reports.summary import Group


def command(sweep: dict[str, Any]) -> str:
    """Write the command line that asks for a sweep again."""
    parts = ["python", "-m", "bench.run"]
    first = ("tasks", "models", "lengths", "seeds", "learning_rates", "budget")
    for name in (*first, *sorted(set(sweep) - set(first))):
        value = sweep.get(name)
        text = ",".join(map(str, value)) if isinstance(value, list) else as_text(value)
        if value is not None or _says_none(name, sweep):
            parts += [f"--{name.replace('_', '-')}", text]
    return shlex.join(parts)


def _says_none(name: str, sweep: dict[str, Any]) -> bool:
    """Whether a sweep asks for none where the default is something."""
    return name in sweep and name in Sweep.model_fields and Sweep.model_fields[name].default is not None


def missing(asked: Iterable[AskedCell], results: Iterable[Result]) -> list[str]:
    """List the labels of the cells that some sweep asked for and that have no result of any kind."""
    return [item.cell.label for item in unanswered(asked, (result.cell for result in results))]


def provenance(results: Sequence[Result], sweeps: Sequence[Asked]) -> dict[str, Any]:
    """Collect commands, and counts of cells by machine, by versions and by data."""
    made = [result.provenance for result in results if result.provenance]
    machines = Counter((p.device, p.platform, p.python, p.threads) for p in made)
    versions = Counter(
        (", ".join(f"{name} {version}" for name, version in sorted(p.libraries.items())), p.git_commit, p.git_dirty)
        for p in made
    )
    data = Counter((r.cell.task, r.cell.data.name, r.cell.data.sha256) for r in results if r.cell.data)
    started = sorted(p.started for p in made)
    return {
        "commands": [{"command": command(asked.sweep), "cells": len(asked.cells)} for asked in sweeps],
        "machines": _counted(machines),
        "versions": _counted(versions),
        "data": _counted(data),
        "started": [started[0], started[-1]] if started else [],
        "unknown": len(results) - len(made),
    }


def _counted(counts: Counter[Any]) -> list[list[Any]]:
    return [[*key, count] for key, count in sorted(counts.items(), key=lambda item: (-item[1], repr(item[0])))]


# -- warnings ----------------------------------------------------------------------------------------------------------

Warned = dict[str, Any]


def warnings(
    results: Sequence[Result], groups: Sequence[Group], sweeps: Sequence[Asked], corrupt: Sequence[str]
) -> list[Warned]:
    """Collect what limits the numbers, the gravest first, with the indices of the groups or cells concerned.

    held: the cells of each text, beside `texts`.
    """
    absent = missing((item for asked in sweeps for item in asked.cells), results)
    limits = [
        _of_cells("failed", "no answer: never averaged away, counted beside n", results,
                  lambda r: r.status not in ANSWERS),
        _of_cells("diverged", "an answer without a value: counted in n, shown, never averaged", results,
                  lambda r: r.status == "diverged"),
        _listed("not run yet", "asked for by a command below, but not in the store", absent),
        _listed("corrupt records", "left out, because their checksum does not hold", corrupt),
        *_mixed(results),
        _of_groups("one seed", "no spread over seeds can be given: another seed may tell another story", groups,
                   lambda g: len(g.seeds) == 1),
        _of_groups("equals the trivial baseline", f"skill below {LEARNING:g}, or the interval holds chance: nothing "
                   "was learned that the trivial baseline does not know", groups, lambda g: g.equals_chance),
        _of_groups("limited by the budget", f"at chance after fewer than {SHORT:,} steps: says nothing about the "
                   "model's limits", groups, lambda g: g.outcome == "budget-limited"),
        _of_groups("rate at the grid's edge", "the chosen learning rate is the smallest or largest that was tried: a "
                   "better one may lie outside", groups, lambda g: g.on_edge),
        _noted(results),
    ]  # fmt: skip
    return [warned for warned in limits if warned is not None]


def _of_cells(title: str, why: str, results: Sequence[Result], which: Callable[[Result], bool]) -> Warned | None:
    concerned = [index for index, result in enumerate(results) if which(result)]
    return {"title": title, "why": why, "cells": concerned, "of": len(results)} if concerned else None


def _of_groups(title: str, why: str, groups: Sequence[Group], which: Callable[[Group], bool]) -> Warned | None:
    concerned = [index for index, group in enumerate(groups) if which(group)]
    return {"title": title, "why": why, "groups": concerned, "of": len(groups)} if concerned else None


def _listed(title: str, why: str, texts: Sequence[str]) -> Warned | None:
    return {"title": title, "why": why, "texts": list(texts)} if texts else None


def _noted(results: Sequence[Result]) -> Warned | None:
    """What models said, each beside the cells whose model said it."""
    notes = sorted({note for result in results for note in result.notes})
    warned = _listed("said by the models", "of their size, and of what was measured", notes)
    held = [[index for index, result in enumerate(results) if note in result.notes] for note in notes]
    return warned and warned | {"held": held}


def _mixed(results: Sequence[Result]) -> list[Warned]:
    """Versions and machines of which there are several, each beside its cells.

    Groups never mix devices, torch versions, code, or versions of task, model and recipe. They may mix other libraries
    and commits.
    """
    tallies: dict[str, dict[str, list[int]]] = {}

    def count(index: int, what: str, value: str) -> None:
        tallies.setdefault(what, {}).setdefault(value, []).append(index)

    for index, result in enumerate(results):
        cell, made = result.cell, result.provenance
        count(index, "recipe versions", str(cell.recipe.version))
        count(index, f"versions of task {cell.task}", str(cell.versions.task))
        count(index, f"versions of model {cell.model}", str(cell.versions.model))
        if cell.foreign:
            count(index, f"code of {' and '.join(cell.foreign)}", cell.code[:8] if cell.code else "not recorded")
        if cell.data:
            count(index, f"data of task {cell.task}", f"{cell.data.name} {cell.data.sha256[:8]}")
        if made:
            count(index, "devices", made.device)
            count(index, "python versions", made.python)
            count(index, "git commits", f"{made.git_commit or 'no checkout'}{' (changed)' if made.git_dirty else ''}")
            for name, version in made.libraries.items():
                count(index, f"versions of {name}", version)
    why = "numbers made under different ones are not quite alike; what may change a score never shares a group"
    return [
        {
            "title": f"mixed {what}",
            "why": why,
            "texts": [
                f"{value}: {len(held)} cell{'s' if len(held) > 1 else ''}" for value, held in sorted(values.items())
            ],
            "held": [held for _, held in sorted(values.items())],
        }
        for what, values in tallies.items()
        if len(values) > 1
    ]
