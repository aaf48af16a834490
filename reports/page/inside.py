"""Gates, attention and Jacobians as the page holds them: a letter for each value, from 0 to Z."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from bench.records.result import Closeup, Jacobian, Picture, Result
from reports.page.series import short
from reports.text.inside import FAINTEST, answers, columns, is_attention, named, percent, read, said_of

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # from 0 to 100 %


def inside(results: Sequence[Result]) -> dict[str, Any]:
    """Collect gates, attention and Jacobians of the first seed that holds them; nothing where no seed does."""
    seen = next((result for result in results if result.pictures), None)
    moved = next((result for result in results if result.jacobians), None)
    held: dict[str, Any] = {}
    if seen is not None:
        held |= {"seed": seen.cell.seed, "pictures": [_picture(picture) for picture in seen.pictures]}
        if seen.closeup is not None:
            held["closeup"] = _closeup(seen.closeup)
    if moved is not None:
        ends = [moved.jacobians[0], *moved.jacobians[1:][-1:]]  # at initialisation, and after training
        held |= {"jacobian_seed": moved.cell.seed, "jacobians": [_jacobian(each) for each in ends]}
    return held


def written(values: Iterable[float], attention: bool) -> str:
    """Write percent as letters: of gates evenly, of attention by powers of ten between FAINTEST and 100."""
    last = len(LETTERS) - 1
    span = 2 - math.log10(FAINTEST)
    shares = (1 - (2 - math.log10(max(value, FAINTEST))) / span if attention else value / 100 for value in values)
    return "".join(LETTERS[round(last * min(1.0, share))] for share in shares)


def _picture(picture: Picture) -> dict[str, Any]:
    attention = is_attention(picture.name)
    return {
        "title": named(picture.name),
        "attention": attention,
        "steps": picture.steps,
        "rows": [written(row, attention) for row in percent(picture)],
        "note": said_of(picture),
    }


def _closeup(closeup: Closeup) -> dict[str, Any]:
    shown = [*closeup.gates.items(), *closeup.attention.items()]
    return {
        "steps": closeup.steps,
        "columns": columns(closeup),
        "read": read(closeup),
        "answers": answers(closeup),
        "pictures": [
            {
                "title": named(name),
                "attention": is_attention(name),
                "rows": [written([value / 100 for value in row], is_attention(name)) for row in rows],
            }
            for name, rows in shown
        ],
    }


def _jacobian(jacobian: Jacobian) -> dict[str, Any]:
    lists = {name: getattr(jacobian, name) for name in ("lowest", "median", "highest", "lyapunov")}
    values = {name: [short(value, 3) for value in held] for name, held in lists.items()}
    return {"step": jacobian.step, "steps": jacobian.steps, **values}
