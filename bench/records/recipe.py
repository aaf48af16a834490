"""The recipe of a cell: its budget and how it is optimised.

The one place where a field of a recipe is defined. Flags of the command line and their help, keys of a configuration,
columns of tables, settings on a page and at W&B, and the command that asks for a sweep again all follow from
`Recipe.model_fields`. A field's description is the help of its flag; a field without one is set by the budget, or by a
grid. A field's title is its name on a page. Imports nothing of ours but the base of records, and no torch.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer

from bench.records.entry import Entry
from bench.records.frozen import Frozen, Natural, Positive, Rate

CLIPS = "a number above 0 (of the norm; also norm:NUMBER), value:NUMBER or none"
# Sequences of a held-out set that a task draws: whole batches, in all of which there are powers of two.
HELD_OUT = (64, 128, 256, 512, 1024)
MOST, LONG, FEWER = 1024, 3000, 256  # at most; from which length on fewer have to do; and how many these are
Scalar = bool | int | float | str | None


class ByValue(Frozen):
    """Clipping of every element of a gradient to [−value, value]."""

    value: Rate


Clip = Rate | ByValue | None


def as_clip(given: Any) -> Any:
    """Return the clip that is asked for as a number, `norm:1`, `value:0.5`, `none`, or a table.

    Raises:
        ValueError: it is none of them.
    """
    if given is None or isinstance(given, ByValue):
        return given
    if isinstance(given, dict) and given.keys() == {"value"}:
        given = f"value:{given['value']}"
    if isinstance(given, str) and given.strip() == "none":
        return None
    kind, _, rest = given.rpartition(":") if isinstance(given, str) else ("", "", given)
    try:
        number = float("nan" if isinstance(rest, bool) else rest)
    except (TypeError, ValueError):
        number = float("nan")
    if kind not in ("", "norm", "value") or not 0 < number < float("inf"):
        raise ValueError(f"expected {CLIPS}, got {given!r}")
    return ByValue(value=number) if kind == "value" else number


def as_text(value: Any) -> str:
    """Return a field of a recipe, or its JSON, as it is written on the command line."""
    if isinstance(value, ByValue):
        value = value.model_dump()
    if isinstance(value, dict):
        return f"value:{value['value']}"
    return "none" if value is None else str(value)


def _as_held_out(given: int | None) -> int | None:
    """Return the size of a held-out set that is asked for; the usual one is not written.

    Raises:
        ValueError: it is no power of two from 64 to 1,024.
    """
    if given is not None and given not in HELD_OUT:
        raise ValueError(f"expected one of {', '.join(map(str, HELD_OUT))}, got {given}")
    return given


def _unless_none(given: Any) -> Any:
    return None if given == "none" else given


def _sorted(text: str) -> str:
    return Entry.parse(text).text


Function = Annotated[str, AfterValidator(_sorted)]  # an entry of models.base.optimisation


class Training(Frozen):
    """The fields of a recipe that were added after schema 1; a sweep has the same ones. A field at its default is not
    written, so that older recipes keep their text and their keys."""

    bptt: Annotated[Positive | None, Field(description="Cut the gradient every N steps of a sequence (never).")] = None
    optimiser: Annotated[
        Function, Field(description="adam (the default), adamw, sgd or rmsprop, with options: adamw:weight_decay=0.1.")
    ] = "adam"
    schedule: Annotated[
        Function,
        Field(description="Of the learning rate: trapezoid (the default), constant, linear or cosine:warm_up=0.05."),
    ] = "trapezoid"
    penalty: Annotated[
        Function | None, BeforeValidator(_unless_none), Field(description="Added to the loss: pascanu, or none.")
    ] = None
    train_lengths: Annotated[
        Literal["fixed", "uniform"],
        Field(description="fixed (the default), or uniform: each training batch draws its length, up to --lengths."),
    ] = "fixed"
    stop: Annotated[
        Literal["solved", "never"], Field(description="solved (the default): train no longer; never: take all steps.")
    ] = "solved"
    sequences: Annotated[
        Positive | None,
        Field(title="training sequences", description="Train on N sequences, again and again (each one new)."),
    ] = None

    held_out: Annotated[
        int | None,
        AfterValidator(_as_held_out),
        Field(
            title="held-out sequences",
            description=f"Sequences of each held-out set that is drawn ({MOST:,}; from length {LONG:,} on {FEWER}).",
        ),
    ] = None

    @model_serializer(mode="wrap")
    def _without_defaults(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = serialize(self)
        for name, field in Training.model_fields.items():
            if name in written and written[name] == field.default:
                del written[name]
        return written


class Recipe(Training):
    """Budget and optimisation of one cell, fully resolved.

    steps: optimisation steps (0: gradients at initialisation only). batch_size: sequences, or windows of text.
    learning_rate: the peak of the schedule. clip: the total gradient norm above which gradients are scaled down, or the
    largest value of an element; None: neither. parameters: budget of the body, or None where `hidden` fixes the width.
    evaluate_every: steps between validations. probes: snapshots of gradient flow. version: raised where the numbers of
    an optimiser, schedule or penalty changed that the recipe names.

    optimiser, schedule, penalty: entries of `models.base.optimisation`, their options sorted, without defaults.
    """

    steps: Annotated[Natural, Field(description="Optimisation steps; 0: initialisation only.")]
    batch_size: Annotated[Positive, Field(description="Sequences per optimisation step.")]
    learning_rate: Rate
    clip: Annotated[Clip, Field(description="Largest gradient norm (1.0); value:0.5: largest element; none: never.")]
    parameters: Annotated[
        Positive | None, Field(title="parameter budget", description="Parameters of every model's body (16000).")
    ]
    hidden: Annotated[
        Positive | None,
        Field(title="hidden size asked for", description="Equal hidden size instead of equal parameters."),
    ]
    evaluate_every: Annotated[Positive, Field(title="evaluated every (steps)")]
    probes: Natural
    version: Annotated[int, Field(title="recipe version")] = 1

    @property
    def values(self) -> dict[str, Scalar]:
        """Every field, at its default too, as a number, text or None: the older ones first."""
        return {name: _scalar(getattr(self, name)) for name in FIELDS}

    @property
    def largest_norm(self) -> float | None:
        """The gradient norm above which gradients are scaled down; None where they are not clipped by norm."""
        return self.clip if isinstance(self.clip, float) else None


FIELDS: tuple[str, ...] = (
    *(name for name in Recipe.model_fields if name not in Training.model_fields),
    *Training.model_fields,
)


def label(name: str) -> str:
    """Return a field's name on a page."""
    return Recipe.model_fields[name].title or name.replace("_", " ")


def _scalar(value: Any) -> Scalar:
    return as_text(value) if isinstance(value, ByValue) else value
