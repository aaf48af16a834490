"""Results made by hand, so that every statistic has a known answer."""

from __future__ import annotations

from bench.records.cell import Cell, DataIdentity, Recipe, Versions
from bench.records.result import Provenance, Result, Score, Seconds, Size

# metric, unit, higher is better, chance, best, solved threshold
METRICS = {
    "copying": ("recall_accuracy", "fraction correct", True, 0.125, 1.0, 0.99),
    "adding": ("mean_squared_error", "squared value", False, 1 / 6, 0.0, 0.01),
    "running_average": ("relative_squared_error", "fraction of variance", False, 1.0, 0.0, 0.01),
    "char_lm": ("bits per character", "bits", False, 4.85, 2.19, None),
    "ner": ("span F1", "F1", True, 0.0, 1.0, None),
}


FLOORS = {"char_lm": {"bigram": 3.6, "order 7": 2.19}, "ner": {"gazetteer": 0.427}}


def make_blocks(score: float, relative: float = 0.1, count: int = 64) -> tuple[tuple[float, float], ...]:
    """Blocks whose ratio is `score`, alternately this share above and below it."""
    return tuple((score * 16 * (1 + relative * (-1) ** index), 16.0) for index in range(count))


def make_result(
    task: str = "adding",
    model: str = "gru",
    length: int = 10,
    seed: int = 0,
    *,
    score: float | None = 0.15,
    validation: float | None = None,
    relative: float = 0.1,
    solved_at: int | None = None,
    status: str = "ok",
    error: str | None = None,
    learning_rate: float = 0.01,
    device: str | None = "cpu",
    torch: str = "2.13.0+cpu",
    data: DataIdentity | None = None,
    chance: float | None = None,
    body: int = 15_998,
    seconds: float = 4.2,
    model_version: int = 1,
    code: str | None = None,
    **recipe: object,
) -> Result:
    """A result; `relative` is the spread of its test blocks, further keywords are fields of the recipe.

    validation: defaults to the score. device None: a failed cell that does not know where it ran.
    """
    metric, unit, higher, usual, best, threshold = METRICS[task]
    if data is None and task in FLOORS:
        data = DataIdentity(name={"char_lm": "tinyshakespeare", "ner": "litbank"}[task], sha256="ab12cd34" * 8)
    fields = {
        "steps": 1000, "batch_size": 32, "clip": 1.0, "parameters": 16_000, "hidden": None, "evaluate_every": 50,
        "probes": 6, **recipe,
    }  # fmt: skip
    cell = Cell(
        task=task,
        model=model,
        length=length,
        seed=seed,
        recipe=Recipe(learning_rate=learning_rate, **fields),
        versions=Versions(task=1, model=model_version),
        data=data,
        code=code,
    )
    has_score = status == "ok" and score is not None
    return Result(
        cell=cell,
        status=status,
        error=error,
        score=Score(
            score=score,
            metric=metric,
            unit=unit,
            higher_is_better=higher,
            chance=usual if chance is None else chance,
            best=best,
            solved_threshold=threshold,
            validation_score=score if validation is None else validation,
            test_n=1024,
            counted="sequences",
            blocks=make_blocks(score, relative),
            floors=FLOORS.get(task, {}),
            extras={},
        )
        if has_score
        else None,
        solved_at_step=solved_at,
        steps=solved_at or fields["steps"],
        tokens_seen=1,
        size=Size(parameters=body + 100, parameters_body=body, hidden=64, state_bytes=None),
        seconds=Seconds(**(dict.fromkeys(Seconds.model_fields, 0.1) | {"total": seconds})),
        provenance=None
        if device is None
        else Provenance(
            started="2026-01-01T00:00:00+00:00",
            device=device,
            platform="Linux x86_64",
            python="3.12.0",
            libraries={"torch": torch},
            threads=1,
            git_commit=None,
            git_dirty=None,
        ),
    )
