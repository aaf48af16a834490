"""Numbers and outcomes as text."""

from __future__ import annotations

import math

from bench.records import foreign
from bench.records.result import Result
from reports.summary import Group
from reports.summary.grouping import Reach

NOTHING = "—"
EQUALS_CHANCE = "="
ON_EDGE = "*"
LARGE = 1e9  # from here on numbers are written with an exponent


def number(value: float | None, decimals: int | None = None) -> str:
    """Write three significant digits: 2.81, 0.169, 0.0041, 4.1e-4, 1.0e300; or with this many decimals."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value and abs(value) < 1e-3 and decimals is not None and abs(value) < 0.5 * 10.0**-decimals:
        return f"{0:.{decimals}f}"
    if value and not 1e-3 <= abs(value) < LARGE:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:,.{decimals_of(value) if decimals is None else decimals}f}"


def decimals_of(value: float) -> int:
    """Count the decimals that show about three significant digits, at most four."""
    return min(4, max(0, 2 - math.floor(math.log10(abs(value))))) if value else 3


def rate(value: float) -> str:
    """Write a learning rate: 3e-4, 0.01, 0.5."""
    if value >= 0.01 or value < 1e-300:
        return f"{value:g}"
    power = math.floor(math.log10(value) + 1e-9)
    return f"{value / 10.0**power:.3g}e{power}"


def whole(value: float | None) -> str:
    """Write a whole number with its thousands set off."""
    return NOTHING if value is None else f"{value:,.0f}"


def skill(value: float | None) -> str:
    """Write a skill with two decimals; never -0.00."""
    if value is None or not math.isfinite(value) or abs(value) >= LARGE:
        return number(value)
    return f"{round(value, 2) + 0.0:.2f}"


def spread(group: Group, per_line: int = 5) -> str:
    """Write what n allows beside the score: ± half an interval (or [low, high] where a bound of the score cuts it), a
    range, or every value where the seeds are of two kinds; then the number of seeds without a value."""
    interval, parts = group.interval, []
    if group.split:
        texts = [number(value) for value in sorted(group.values)]
        parts += [" ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
    elif interval is not None and interval.kind == "range":
        parts.append(f"{number(interval.low)}–{number(interval.high)}" if interval.low < interval.high else "all equal")
    elif interval is not None and cut(group):
        parts.append(f"[{number(interval.low)}, {number(interval.high)}]")
    elif interval is not None:
        parts.append(half_width(interval.low, interval.high))
    parts += [f"{count} {word}" for count, word in ((group.diverged, "diverged"), (group.failed, "failed")) if count]
    return "\n".join(parts) if len(group.seeds) > 1 or group.values else ""


def cut(group: Group) -> bool:
    """Tell whether a bound of the score cuts the interval, so that ± would not describe it."""
    interval, score = group.interval, group.score
    if interval is None or score is None or interval.kind == "range":
        return False
    return abs(interval.high - score - (score - interval.low)) > 1e-6 * (interval.high - interval.low)


def half_width(low: float, high: float) -> str:
    """Write an interval that is symmetric about its score as ± two significant digits."""
    half = (high - low) / 2
    if half == 0:
        return "±0"
    if not 1e-3 <= half < LARGE:
        return f"±{half:.0e}".replace("e-0", "e-").replace("e+", "e")
    return f"±{half:.{max(0, 1 - math.floor(math.log10(half)))}f}"


def solved_at(group: Group) -> str:
    """Write the median step at which the seeds solved; `>budget` where the median seed did not solve.

    Blank for a task that can't be solved.
    """
    step = group.solved_at_step
    if step is None:
        return ""
    return whole(step) if math.isfinite(step) else f">{whole(group.step_budget)}"


def solved_length(far: Reach | None) -> str:
    """Write T*: `100`, or `<10` where the shortest length asked for is not solved; with `incomplete` below where cells
    are missing on which it depends. Empty where it does not apply."""
    if far is None:
        return ""
    return (str(far.length) if far.length else f"<{far.shortest}") + ("" if far.complete else "\nincomplete")


SHORT_WORDS = {
    "at chance": "chance", "budget-limited": "short", "out of memory": "memory", "unavailable": "no data",
}  # fmt: skip


def outcome(group: Group, short: bool) -> str:
    """Write a group's outcome word, short where columns must be narrow; the solve rate with its Wilson interval."""
    word = SHORT_WORDS.get(group.outcome, group.outcome) if short else group.outcome
    if group.solve_interval is None:
        return word
    low, high = group.solve_interval
    return f"{word}\n{100 * low:.0f}–{100 * high:.0f} %"


def first_line(result: Result) -> str:
    """Read the first line of an error; a diverged cell's last step."""
    if result.status == "diverged" and not result.error:
        return f"not finite at step {result.steps:,} of {result.cell.recipe.steps:,}"
    return foreign.first_line(result.error or "") or "no message"


def sentence(line: str) -> str:
    """Write a line of a caption as a sentence: a capital at its beginning, a full stop at its end."""
    text = line.strip()
    begin = text[:1].upper() if text[1:2].isalpha() else text[:1]  # `n = 1` and `b:` are no words
    return begin + text[1:] + ("" if text.endswith((".", ":", ",")) else ".")
