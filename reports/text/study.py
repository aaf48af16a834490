"""The tables of a study: what was learned, how far back, how fast, and what gradients said of it before."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from bench.records.result import ANSWERS, below_learning
from reports.summary import study
from reports.summary.cells import ON_EDGE
from reports.summary.grouping import ALPHA
from reports.summary.outcomes import LEARNS
from reports.summary.statistics import typical, wilson
from reports.summary.study import Lines, Setting
from reports.text import words
from reports.text.layout import Column, Table
from reports.text.studies import Row


def tables(rows: Sequence[Row], pairs: Iterable[Sequence[str]] = (), beside: Sequence[Row] = ()) -> list[Table]:
    """Lay out the tables of a study, its cells told apart. pairs: models that were to be compared. beside: cells of
    somebody else, which are shown with the study's; what is said of the study as a whole leaves them out."""
    every = [*rows, *beside]
    made = study.settings(every)
    by_task = study.lines(made)
    solved = {task: lines for task, lines in by_task.items() if any(map(study.solvable, lines.values()))}
    out = [_learned(task, lines, task in solved) for task, lines in by_task.items()]
    if len(_lengths(solved)) > 1:  # at one length alone T* would say "none" of what shorter ones were not asked
        out.append(_reach(solved))
    if solved:
        out.append(_longest(solved))
    if told := {task: lines for task, lines in by_task.items() if any(map(_horizon, lines.values()))}:
        out.append(_horizons(told))
    if compared := study.compared(made, pairs):
        out.append(_compared(compared))
    out += [_gradients(task, lines) for task, lines in by_task.items()]
    own = study.lines(study.settings(rows))
    out += [*_correlated(own), *_flat(own)]
    return [*out, *_rates(rows, every, by_task), *_speed(by_task), *_failed(every), _run(rows)]


def _row(line: Sequence[Setting], lengths: Sequence[int], say: Callable[[Setting], str]) -> list[str]:
    at = {setting.length: setting for setting in line}
    return [say(at[length]) if length in at else "" for length in lengths]


def _lengths(by_task: dict[str, Lines]) -> list[int]:
    return sorted({length for lines in by_task.values() for length in study.lengths(lines)})


def _learned(task: str, lines: Lines, solvable: bool) -> Table:
    lengths = study.lengths(lines)
    columns = [Column("model", "left"), *(Column(f"T={length}", "left") for length in lengths)]
    rows = [[model, *_row(line, lengths, _outcome if solvable else _score)] for model, line in lines.items()]
    first = next(row for line in lines.values() for setting in line for row in setting.rows)
    direction = {True: ", higher is better", False: ", lower is better"}.get(first["higher_is_better"], "")
    if solvable:
        columns.append(Column("steps ∝ T^b"))
        for row, line in zip(rows, lines.values(), strict=True):
            row.append(words.number(study.exponent(line), 2))
    said = (
        "seeds that solved, of those that answered, and the median step of all (of one that did not solve: more than "
        "the budget); where none solved, median skill, range (0: knows nothing, 1: perfect; = : below .05, unrounded)"
        if solvable
        else f"median score over seeds and its range{direction}; n in brackets"
    )
    return Table(f"{task} ({first['metric']}{direction})", tuple(columns), tuple(map(tuple, rows)), (said,))


def _outcome(setting: Setting) -> str:
    if setting.solved:
        step = setting.solved_at
        at = f"at {step:,.0f}" if math.isfinite(step) else f"> {setting.budget:,}"
        return f"{setting.solved}/{setting.n} {at}{_without(setting)}"
    return f"0/{setting.n} {_spread(setting, 'skill', ' =')}{_without(setting)}"


def _score(setting: Setting) -> str:
    return f"{_spread(setting, 'score')} [{setting.n}]{_without(setting)}"


def _spread(setting: Setting, column: str, mark: str = "") -> str:
    values = setting.values(column)
    if not values:
        return words.NOTHING
    write = words.skill if column == "skill" else words.number
    text, span = write(setting.typical(column)), _span(write, values)
    skill = setting.typical("skill")
    said = mark if mark and skill is not None and below_learning(skill) else ""
    return f"{text}{said}" if span == text else f"{text}{said} ({span})"


def _without(setting: Setting) -> str:
    """Name the seeds that have no score."""
    states = [row["status"] for row in setting.rows if row["status"] != "ok"]
    return "".join(f", {states.count(state)} {state.replace('_', ' ')}" for state in dict.fromkeys(states))


def _reach(by_task: dict[str, Lines]) -> Table:
    notes = (
        "T*: the largest length that more than half of the seeds solve, as they do every shorter one; ≥ where it is "
        "the longest that was run, none where it is not even the shortest. Seeds solved: of all, at every length",
        *_allowed(by_task),
    )
    made = _by_model("How far back: T*", by_task, _reached, notes)
    rows = tuple((*row, _solved(row[0], by_task)) for row in made.rows)
    return replace(made, columns=(*made.columns, Column("seeds solved")), rows=rows)


def _solved(model: str, by_task: dict[str, Lines]) -> str:
    held = [setting for lines in by_task.values() for setting in lines.get(model, ())]
    return f"{sum(setting.solved for setting in held)}/{sum(setting.n for setting in held)}"


def _longest(by_task: dict[str, Lines]) -> Table:
    """Lay out what every model took at the longest length of all."""
    length = _lengths(by_task)[-1]

    def say(line: Sequence[Setting]) -> str:
        at = next((setting for setting in line if setting.length == length), None)
        if at is None:
            return ""
        steps = at.values("solved_at_step")
        between = f" at {_span(words.whole, steps)}" if steps else ""
        seconds = at.typical("seconds")
        return f"{at.solved}/{at.n}{between}" + ("" if seconds is None else f", {words.number(seconds, 0)} s")

    note = (
        "seeds that solved, their steps from the quickest to the slowest, and the seconds that a cell took, learning "
        "and measuring: the median over all seeds, with whatever else the machine did meanwhile"
    )
    made = _by_model(f"What T={length} took", by_task, say, (note,))
    return replace(made, columns=tuple(column._replace(align="left") for column in made.columns))


def _span(write: Callable[[float], str], values: Sequence[float]) -> str:
    """Write values from the least to the largest; one where they read alike."""
    low, high = write(min(values)), write(max(values))
    return low if low == high else f"{low} to {high}"


def _horizons(by_task: dict[str, Lines]) -> Table:
    notes = ("median over seeds, at the longest length that was run; only some scores tell it",)
    return _by_model("Memory horizon: last positions used", by_task, _horizon, notes)


def _by_model(
    title: str,
    by_task: dict[str, Lines],
    say: Callable[[Sequence[Setting]], str],
    notes: tuple[str, ...],
) -> Table:
    """Lay out what is said of every model, a column per task."""
    columns = (Column("model", "left"), *map(Column, by_task))
    rows = tuple((model, *(say(lines.get(model, [])) for lines in by_task.values())) for model in study.models(by_task))
    return Table(title, columns, rows, notes)


def _horizon(line: Sequence[Setting]) -> str:
    steps = line[-1].typical("memory_horizon") if line else None
    return "" if steps is None else f"{words.whole(steps)} of {line[-1].length}"


def _allowed(by_task: dict[str, Lines]) -> tuple[str, ...]:
    """Say what the fewest seeds of a setting allow."""
    n = min(setting.n for lines in by_task.values() for line in lines.values() for setting in line)
    if not n:
        return ()
    low, high = wilson(n, n)
    return (f"with n = {n}, {n}/{n} solved stands for a rate of solving between {low:.2f} and {high:g} (Wilson)",)


def _reached(line: Sequence[Setting]) -> str:
    if not line:
        return ""
    far = study.reach(line)
    return "none" if not far else f"≥ {far}" if far == line[-1].length else str(far)


def _compared(made: Sequence[study.Comparison]) -> Table:
    title = "Pairs named in advance"
    few = [each for each in made if each.p is None]
    pairs = ", ".join(dict.fromkeys(f"{each.first} – {each.second}" for each in few))
    unsaid = f"nothing is said with fewer than {study.ENOUGH} seeds on a side: {pairs}"
    tested = [each for each in made if each.p is not None]
    if not tested:
        return Table(title, (Column("", "left"),), ((unsaid,),))
    rows = tuple(
        (
            each.task, f"{each.first} – {each.second}", _places(each.first_at), _places(each.second_at),
            each.better or words.NOTHING, _p(each.p), _p(each.corrected),
        )
        for each in tested
    )  # fmt: skip
    columns = (
        Column("task", "left"), Column("models", "left"), Column("first at T", "left"), Column("second at T", "left"),
        Column("better", "left"), Column("p"), Column("p, Holm"),
    )  # fmt: skip
    seeds = " or ".join(str(n) for n in sorted({n for each in tested for n in each.n}))
    notes = (
        f"{seeds} seeds on a side; exact two-sided permutation of them within each length, on steps to solve where any "
        "seed solved, else on scores, all lengths together; Holm over all that could be tested",
        "first at T: the lengths at which the median of the first model is ahead. Better: ahead at more lengths, where "
        f"p by Holm is below {ALPHA:g}",
        *([unsaid] if few else []),
    )
    return Table(title, columns, rows, notes)


def _places(lengths: Sequence[int]) -> str:
    return ", ".join(map(str, lengths)) or words.NOTHING


def _p(value: float | None) -> str:
    return words.NOTHING if value is None else f"{value:.3f}" if value >= 0.001 else "<0.001"


def _gradients(task: str, lines: Lines) -> Table:
    lengths = study.lengths(lines)
    columns = (Column("model", "left"), *(Column(f"T={length}", "left") for length in lengths))
    rows = tuple((model, *_row(line, lengths, _half_lives)) for model, line in lines.items())
    note = "– : the gradient does not fall, or its half-life is longer than ten sequences; medians over seeds"
    return Table(f"{task}: half-life of the gradient, steps, before → after training", columns, rows, (note,))


def _half_lives(setting: Setting) -> str:
    columns = ("initial_gradient_half_life", "gradient_half_life")
    return " → ".join(_half_life(setting, column) for column in columns)


def _half_life(setting: Setting, column: str) -> str:
    middle = setting.half_life(column)
    return words.number(middle) if math.isfinite(middle) else "–"


def _correlated(by_task: dict[str, Lines]) -> list[Table]:
    """Show the rank correlation of gradient and skill: of all tasks, as it was asked for, then of each."""
    of = {"all": [*by_task.values()]} if len(by_task) > 1 else {}
    of |= {task: [lines] for task, lines in by_task.items()}
    found = {
        name: study.gradients_and_skill([setting for lines in tasks for line in lines.values() for setting in line])
        for name, tasks in of.items()
    }
    rows = tuple(
        (name, f"{one.mean:.2f}", f"{one.low:.2f} to {one.high:.2f}", str(one.settings), str(one.models))
        for name, one in found.items()
        if one is not None
    )
    if not rows:
        return []
    columns = (
        Column("tasks", "left"), Column("rank correlation"), Column("95 % interval"), Column("settings"),
        Column("models"),
    )  # fmt: skip
    notes = [
        "rate · D*: powers of ten by which the gradient changes over the task's reach before training; skill after "
        "it. One point per model, medians over seeds; Spearman's correlation within each task and length that all its "
        "models have, averaged; interval: models drawn anew. Above 0: where the gradient falls less, more is learned",
    ]
    if len(rows) > 1:
        notes.append("the question was about all tasks; of several looks at single ones, some stand out by chance")
    return [Table("Does the gradient before training say who learns?", columns, rows, tuple(notes))]


def _flat(by_task: dict[str, Lines]) -> list[Table]:
    """Show how far the gradient changes after training, where a task was solved and where it was not."""
    rows = []
    for task, lines in by_task.items():
        changes: dict[bool, list[float]] = {True: [], False: []}  # by whether most seeds solved
        for setting in (setting for line in lines.values() for setting in line):
            if setting.fall_after is not None:
                changes[setting.by_majority].append(setting.fall_after)
        if any(changes.values()) and any(map(study.solvable, lines.values())):
            rows.append((task, *_changes(changes[True]), *_changes(changes[False])))
    if not rows:
        return []
    columns = (
        Column("task", "left"), Column("solved"), Column("flat"), Column("change"), Column("not solved"),
        Column("flat"), Column("change"),
    )  # fmt: skip
    note = (
        "settings that more than half of the seeds solved, and the others; change: powers of ten by which the gradient "
        "changes over the task's reach, medians over seeds, below 0 where it falls; flat: by less than one"
    )
    return [Table("The gradient after training", columns, tuple(rows), (note,))]


def _changes(changes: Sequence[float]) -> tuple[str, str, str]:
    """Return how many settings there are, how many are flat, and from where to where their gradients change."""
    span = _span("{:.2f}".format, changes) if changes else words.NOTHING
    return str(len(changes)), str(sum(abs(change) < 1 for change in changes)), span


def _rates(rows: Sequence[Row], every: Sequence[Row], by_task: dict[str, Lines]) -> list[Table]:
    """Lay out the learning rates that were chosen, where there was a choice. rows: of the study, of which `every` has
    those of somebody else besides."""
    grid = {row["learning_rate"] for row in every} - {None}
    if len(grid) < 2:
        return []

    outcomes: dict[tuple[str, str, int], set[str]] = {}
    for row in every:
        if not row["chosen"]:
            outcomes.setdefault((row["task"], row["model"], row["length"]), set()).add(row["outcome"])
    blind = {place for place, seen in outcomes.items() if not seen & LEARNS}

    def say(setting: Setting) -> str:
        own = sorted({row["learning_rate"] for row in setting.rows} & grid)
        said = ", ".join(map(words.rate, own)) + ("*" if any(row[ON_EDGE] for row in setting.rows) else "")
        return f"({said})" if (setting.task, setting.model, setting.length) in blind else said

    lengths = _lengths(by_task)
    columns = (Column("task", "left"), Column("model", "left"), *(Column(f"T={length}") for length in lengths))
    made = tuple(
        (task, model, *_row(line, lengths, say)) for task, lines in by_task.items() for model, line in lines.items()
    )
    tried = sorted({row["learning_rate"] for row in rows} - {None})
    chose = len(tried) > 1 and not all(row["chosen"] for row in rows)
    notes = [f"the study chose among {', '.join(map(words.rate, tried))}"] if chose else []
    if any(row[ON_EDGE] for row in every if row["chosen"]):
        notes.append("*: the smallest or the largest that was tried, so another may be better")
    if blind:
        notes.append("( ): no rate learned on the seeds that chose, so that it means little")
    return [Table("Learning rates", columns, made, tuple(notes))]


def _speed(by_task: dict[str, Lines]) -> list[Table]:
    """Lay out how many optimisation steps a model makes in a second."""
    every = _lengths(by_task)

    def say(model: str, length: int) -> str:
        made = [setting for lines in by_task.values() for setting in lines.get(model, ()) if setting.length == length]
        return words.number(typical(value for setting in made for value in setting.values("steps_per_second")))

    rows = tuple((model, *(say(model, length) for length in every)) for model in study.models(by_task))
    if all(text == words.NOTHING for row in rows for text in row[1:]):
        return []
    columns = (Column("model", "left"), *(Column(f"T={length}") for length in every))
    note = "median over tasks and seeds, with whatever else the machine did meanwhile"
    return [Table("Optimisation steps per second", columns, rows, (note,))]


def _failed(rows: Iterable[Row]) -> list[Table]:
    held = [row for row in rows if row["status"] != "ok"]
    if not held:
        return []
    columns = (
        Column("task", "left"), Column("T"), Column("model", "left"), Column("seed"), Column("rate"),
        Column("status", "left"), Column("reported", "left"),
    )  # fmt: skip
    made = tuple(
        (
            row["task"], str(row["length"]), row["model"], str(row["seed"]),
            words.rate(row["learning_rate"]) if row["learning_rate"] else "", row["status"].replace("_", " "),
            "yes" if row["chosen"] else "only to choose a rate",
        )
        for row in held
    )  # fmt: skip
    failed = sum(row["status"] not in ANSWERS for row in held)
    return [Table(f"Cells that diverged or failed: {len(held)} ({failed} failed)", columns, made)]


def _run(rows: Sequence[Row]) -> Table:
    """Say what the cells took, and with what they were made."""
    reported = [row for row in rows if row["chosen"]]
    hours = sum(row["seconds"] or 0 for row in rows) / 3600
    seeds = sorted({row["seed"] for row in reported})
    said = (
        ("cells", f"{len(rows):,}, of which {len(reported):,} are reported; the others are only to choose a rate"),
        ("seeds reported", ", ".join(map(str, seeds))),
        ("steps at most", _each(reported, "step_budget")),
        ("hours", f"{hours:.1f} of one core, without rates that were stopped on the way"),
        *((name, _each(rows, name)) for name in ("device", "torch", "lightning", "python")),
    )
    return Table("What was run", (Column("", "left"), Column("", "left")), said)


def _each(rows: Iterable[Row], column: str) -> str:
    """Write the values of a column, each once."""
    values = {row[column] for row in rows} - {None}
    ordered = sorted(values, key=lambda value: (str(type(value)), value))
    return ", ".join(f"{value:,}" if isinstance(value, int) else str(value) for value in ordered) or words.NOTHING
