"""Tables of stored models asked at other lengths: skill and passes, effective lengths, gradient flow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from bench.records.result import GradientProfile
from reports.summary import Group
from reports.summary.asked import Asked, worse_than_chance
from reports.summary.profiles import of_all, verdicts
from reports.text import words
from reports.text.layout import Column, Table
from reports.view.asked import AskedTopic

WORSE = "<"
WHOLE = 1000  # sequences; where a test has fewer, the interval stands in the cell
QUANTITY = "input"  # the one whose gradient every model has
NOTES = (
    f"cell: skill (0 = chance, 1 = perfect or the best reference score), and how many of the seeds pass the threshold "
    f"(k/n) · [ ]: the trained length, by the cell's own test · {words.EQUALS_CHANCE} : merely equals chance · "
    f"{WORSE} : worse than chance · {words.NOTHING}: not defined · empty: not asked",
    "T: the trained length; ≤ T: each training batch drew its length, up to T",
    "effective: the longest tested length such that most seeds pass there and at every tested one from the trained one "
    "(of ≤ T: from the shortest) on; ≥: the longest that was tested · ratio: in trained lengths",
)
COLUMNS = (
    "task", "model", "data", "device", "train_lengths", "learning_rate", "trained", "tested", "own_test", "n", "passed",
    "score", "interval", "low", "high", "values", "skill", "equals_chance", "worse_than_chance", "metric", "unit",
    "higher_is_better", "chance", "best", "test_n", "status", "said", "memory_horizon", "effective_length",
    "effective_ratio", "gradient_rate", "gradient_half_life", "gradient_ratio", "gradient_verdict",
)  # fmt: skip


class Cell(NamedTuple):
    """What stands at one tested length. lines: its text; own: the trained length; mark: that the score merely equals
    chance or is worse, else empty; skill: None without a score."""

    lines: tuple[str, ...]
    own: bool = False
    mark: str = ""
    skill: float | None = None

    @property
    def text(self) -> str:
        """The cell as it stands in a table, with its marks."""
        first, *rest = self.lines or ("",)
        marked = f"{self.mark}{first}"
        return "\n".join([f"[{marked}]" if self.own else marked, *rest])


def cell(row: Asked, length: int) -> Cell:
    """Write what the models of a row answered at a tested length."""
    own, group = length == row.trained, row.at.get(length)
    if group is None:
        return Cell((words.NOTHING,) if length in row.words else (), own)
    if group.score is None:
        return Cell((words.outcome(group, short=True).partition("\n")[0],), own)
    lines = [f"{words.skill(group.skill)} {_passed(group)}".rstrip()]
    lines += [f"±{_half(group):.2f}"] if group.scores[0].test_n < WHOLE and group.interval is not None else []
    horizon = row.horizon(length)
    lines += [f"K {words.number(horizon)}"] if row.carried and horizon is not None else []
    mark = WORSE if worse_than_chance(group) else words.EQUALS_CHANCE if group.equals_chance else ""
    return Cell(tuple(lines), own, mark, group.skill)


def _passed(group: Group) -> str:
    if group.solved is not None:
        return f"{group.solved}/{group.n + group.failed}"
    return f"n={group.n}" if group.n > 1 else ""


def _half(group: Group) -> float:
    low, high = sorted(group.interval_skill)
    return (high - low) / 2


def trained(row: Asked) -> str:
    """Write the trained length, or the range of lengths."""
    return f"≤{row.trained}" if row.uniform else str(row.trained)


def effective(row: Asked) -> tuple[str, str]:
    """Write the effective length and its ratio to the trained one; empty where there is none to be told."""
    if row.effective is None:
        return "", ""
    length, ratio, last = row.effective
    if not length:
        return "none", ""
    return f"{'≥' if last else ''}{length}", f"{'≥' if last else ''}{words.number(ratio)}"


def grid(topic: AskedTopic, lengths: Sequence[int]) -> Table:
    """Lay out trained lengths as rows, tested lengths as columns. lengths: the tested ones that are shown."""
    columns = [Column("model", "left"), Column("T")]
    columns += [Column(f"at {length}", "left") for length in lengths]
    ends = [effective(row) for _, row in topic.rows]
    told = any(length for length, _ in ends)
    columns += [Column("effective"), Column("ratio")] if told else []
    rows = [
        (_named(member.label, member.difference), trained(row), *(cell(row, length).text for length in lengths))
        + (end if told else ())
        for (member, row), end in zip(topic.rows, ends, strict=True)
    ]
    names = [member.label for member, _ in topic.rows]
    gaps = frozenset(index for index in range(1, len(names)) if names[index] != names[index - 1])
    title = f"asked at other lengths · {topic.topic.heading.full}"
    return Table(title, tuple(columns), tuple(rows), tuple(said(topic)), gaps)


def _named(label: str, difference: str) -> str:
    return "\n".join(filter(None, (label, difference)))


def said(topic: AskedTopic) -> Iterator[str]:
    """Write what cells cannot say: why something is not defined, what is carried over, how large tests were."""
    sizes = {
        length: score.test_n
        for _, row in topic.rows
        for length, group in sorted(row.at.items())
        for score in group.scores
        if length != row.trained
    }
    if sizes and min(sizes.values()) < WHOLE:
        first = min(length for length, size in sizes.items() if size < WHOLE)
        yield f"tested on {max(sizes.values()):,} or more, from T = {first:,} on {min(sizes.values()):,}; ±: in skill"
    for reason, where in _refusals(topic).items():
        yield f"{words.NOTHING} {', '.join(where)}: {reason}"
    for text in dict.fromkeys(row.carried for _, row in topic.rows if row.carried):
        yield f"{text}; K: last steps that a model of this score remembers; so no effective length"


def _refusals(topic: AskedTopic) -> dict[str, list[str]]:
    """Collect why something is not defined, each with where."""
    held: dict[str, dict[str, list[str]]] = {}
    for member, row in topic.rows:
        for length, text in row.words.items():
            held.setdefault(text, {}).setdefault(f"{member.label} of T = {trained(row)}", []).append(str(length))
    return {
        text: [f"{name} at {', '.join(lengths)}" for name, lengths in where.items()] for text, where in held.items()
    }


# -- gradient flow -----------------------------------------------------------------------------------------------------

FLOW_NOTE = (
    "cell: slope of log10 of the input's gradient norm per step of distance, median over seeds, and the verdict over "
    "the reach of that length · [ ]: the trained length, at the end of training"
)


def flows(topic: AskedTopic) -> Table | None:
    """Lay out the gradient flow at every length at which it was asked for; None where it was not."""
    if not topic.probed:
        return None
    rows = []
    for member, row in topic.rows:
        if row.flows:
            cells = []
            for length in topic.probed:
                text = _flow(profiles(row, length))
                cells.append(f"[{text}]" if text and length == row.trained else text)
            rows.append((_named(member.label, member.difference), trained(row), *cells))
    columns = (Column("model", "left"), Column("T"), *(Column(f"at {length}", "left") for length in topic.probed))
    return Table(f"gradients at other lengths · {topic.topic.heading.full}", columns, tuple(rows), (FLOW_NOTE,))


def profiles(row: Asked, length: int) -> list[GradientProfile]:
    """Pick the profiles of the input's gradient at a length, a seed each; at the trained one, those of the record."""
    held = row.flows.get(length, ())
    if length == row.trained:
        held = tuple(seed.gradient_flow[-1] for seed in row.group.seeds if seed.gradient_flow) or held
    return [flow.profiles[QUANTITY] for flow in held if QUANTITY in flow.profiles]


def _flow(held: Sequence[GradientProfile]) -> str:
    if not held:
        return ""
    rate = of_all([profile.rate for profile in held])
    return " ".join(filter(None, ["" if rate is None else f"{rate:.2g}", _verdict(held)]))


def _verdict(held: Sequence[GradientProfile]) -> str:
    counts = verdicts(held)
    return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{count} {word}" for word, count in counts.items())


# -- values ------------------------------------------------------------------------------------------------------------


def values(topic: AskedTopic) -> Iterator[dict[str, Any]]:
    """Yield a row of `COLUMNS` for every trained and tested length of a model, unrounded."""
    for member, row in topic.rows:
        for length in sorted({*row.at, *row.words, *row.flows}):
            held, group, key = profiles(row, length), row.at.get(length), row.group.identity
            yield dict.fromkeys(COLUMNS) | {
                "task": key.task,
                "model": member.label,
                "data": key.data,
                "device": key.device,
                "train_lengths": "uniform" if row.uniform else "fixed",
                "trained": row.trained,
                "tested": length,
                "own_test": length == row.trained,
                "status": "undefined" if length in row.words else group.outcome if group else None,
                "said": row.words.get(length) or row.carried or None,
                "memory_horizon": row.horizon(length),
                "effective_length": row.effective.length if row.effective else None,
                "effective_ratio": row.effective.ratio if row.effective else None,
                "gradient_rate": of_all([profile.rate for profile in held]) if held else None,
                "gradient_half_life": of_all([profile.half_life for profile in held]) if held else None,
                "gradient_ratio": of_all([profile.ratio for profile in held]) if held else None,
                "gradient_verdict": _verdict(held) if held else None,
                "learning_rate": row.group.learning_rate,
                **(_scores(group) if group else {}),
            }


def _scores(group: Group) -> dict[str, Any]:
    interval, shared = group.interval, group.reference
    scale = ("metric", "unit", "higher_is_better", "chance", "best", "test_n")
    return {
        "n": group.n,
        "passed": group.solved,
        "score": group.score,
        "interval": interval.kind if interval else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "values": " ".join(map(str, group.values)),
        "skill": group.skill,
        "equals_chance": group.equals_chance,
        "worse_than_chance": worse_than_chance(group),
        **({name: getattr(shared, name) for name in scale} if shared else {}),
    }
