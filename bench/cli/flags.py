"""The flags of `python -m bench.run`: one for each field that a sweep or its settings hold, with the field's help."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin

from cyclopts import Parameter
from pydantic import BaseModel

from bench.cli.settings import Settings
from bench.records.recipe import FIELDS, Recipe
from bench.records.sweep import Sweep


def helps() -> dict[str, str]:
    """Return the help of every flag, by its field's name: the sweep's own, then the recipe's, then the settings'."""
    own = [name for name in Sweep.model_fields if name not in Recipe.model_fields]
    asked = [name for name in FIELDS if name in Sweep.model_fields]
    return (
        {name: Sweep.model_fields[name].description or "" for name in own}
        | {name: Recipe.model_fields[name].description or "" for name in asked}
        | {name: field.description or "" for name, field in Settings.model_fields.items()}
    )


def flagged(command: Callable[..., int], more: Mapping[str, str]) -> Callable[..., int]:
    """Give a command that takes any keywords the flags of `helps`, before those that it has itself. more: what the help
    of a flag says besides, by name."""
    own = [p for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD]
    derived = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(name, text))
        for name, text in ((name, f"{text} {more.get(name, '')}".strip()) for name, text in helps().items())
    ]
    signature = inspect.Signature([*derived, *own], return_annotation=int)
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()} | {"return": int}
    return command


def _annotation(name: str, text: str) -> Any:
    """Return what cyclopts converts: numbers and switches, and all else as text, which the field reads itself."""
    model: type[BaseModel] = Sweep if name in Sweep.model_fields else Settings
    kind = _kind(model.model_fields[name].annotation)
    parameter = Parameter(help=text, negative="") if kind is bool else Parameter(help=text)
    return Annotated[kind | None, parameter]


def _kind(annotation: Any) -> type:
    """Return bool, int or float where a field holds nothing else (or None); else str."""
    kinds = {part for part in _plain(annotation) if part is not type(None)}
    kind = kinds.pop() if len(kinds) == 1 else str
    return kind if kind in (bool, int, float) else str


def _plain(annotation: Any) -> tuple[Any, ...]:
    """Return the types that an annotation allows, without what it says of their range."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if isinstance(annotation, type) or not get_args(annotation):
        return (annotation,)
    return tuple(plain for part in get_args(annotation) for plain in _plain(part))
