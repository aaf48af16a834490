"""What a command line and a configuration file say: the sweep that is asked for, and how and where it runs."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from bench.records import toml
from bench.records.entry import Entry
from bench.records.errors import UsageError
from bench.records.frozen import Frozen
from bench.records.recipe import as_text
from bench.records.sweep import Sweep

Asked = TypeVar("Asked", bound=Frozen)
MOST_PARTS = 10_000  # of a sweep, for --shard


class Settings(Frozen):
    """How and where a sweep runs; no part of what is measured. A field's description is the help of its flag."""

    engine: Annotated[
        Literal["local", "ray"], Field(description="local: this machine (the default); ray: a cluster.")
    ] = "local"
    address: Annotated[str | None, Field(description="The Ray cluster's HOST:PORT, or auto.")] = None
    workers: Annotated[int | None, Field(ge=1, description="Worker processes (default: one per core).")] = None
    cells_per_gpu: Annotated[int | None, Field(ge=1, description="Cells that share a GPU (1).")] = None
    accelerator: Annotated[Literal["auto", "cpu", "gpu"], Field(description="auto, cpu or gpu.")] = "auto"
    shard: Annotated[str | None, Field(description="I/N: run only part I of N; join with python -m bench.merge.")] = (
        None
    )
    store: Annotated[str, Field(description="Folder of results (results).")] = "results"
    data: Annotated[str | None, Field(description="Folder of corpora (default: BENCH_DATA, the cache, download).")] = (
        None
    )
    timeout: Annotated[float | None, Field(gt=0, description="Seconds a cell may take.")] = None
    checkpoint_every: Annotated[
        float | None,
        Field(
            ge=0,
            allow_inf_nan=False,
            description="Seconds after which a long cell can go on if it dies (300); 0: never.",
        ),
    ] = None
    retry_failed: Annotated[bool, Field(description="Run failed cells again.")] = False
    wandb: Annotated[
        Literal["auto", "online", "offline", "off"],
        Field(description="Mirror to W&B: auto (the default), online, offline or off."),
    ] = "auto"

    @field_validator("shard")
    @classmethod
    def _shard(cls, value: str | None) -> str | None:
        if value is None:
            return None
        index, _, count = value.partition("/")
        if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
            raise ValueError(f"expected I/N with I from 1 to N, as in 2/8, got {value!r}")
        if int(count) > MOST_PARTS:
            raise ValueError(f"expected at most {MOST_PARTS:,} parts, got {value!r}")
        return f"{int(index)}/{int(count)}"

    @field_validator("store", "data")
    @classmethod
    def _folder(cls, value: str | None) -> str | None:
        if value is not None and (not value.strip() or "\0" in value):
            raise ValueError(f"expected the path of a folder, got {value!r}")
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.address is not None and self.engine != "ray":
            raise ValueError("--address is where a Ray cluster answers: add --engine ray, or leave it out")
        if self.checkpoint_every and self.address is not None:
            raise ValueError("--checkpoint-every and --address exclude each other: checkpoints stay on this machine")
        if self.cells_per_gpu is not None and self.accelerator == "cpu":
            raise ValueError("--cells-per-gpu and --accelerator cpu exclude each other: leave one of them out")
        if self.cells_per_gpu is not None and self.workers is not None:
            raise ValueError("--cells-per-gpu and --workers exclude each other: both say how many cells run at a time")
        return self

    @property
    def part(self) -> tuple[int, int] | None:
        """The part of the sweep to run, from 1, and the number of parts; None: the whole sweep."""
        index, _, count = (self.shard or "").partition("/")
        return (int(index), int(count)) if self.shard else None


def configured(values: Mapping[str, Any]) -> tuple[Sweep, Settings]:
    """Return the sweep and the settings that these values describe.

    Raises:
        UsageError: an unknown name, or a value that does not fit.
    """
    fields = {*Sweep.model_fields, *Settings.model_fields}
    for name, value in values.items():
        if name not in fields:
            if isinstance(value, dict):
                raise UsageError(
                    f"the configuration has a table [{name}]: expected its keys at the top, without tables."
                )
            near = difflib.get_close_matches(name, fields, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(sorted(fields))}."
            raise UsageError(f"unknown key {name!r} in the configuration.{hint}")
    sweep = checked(Sweep, {name: value for name, value in values.items() if name in Sweep.model_fields})
    return sweep, checked(Settings, {name: value for name, value in values.items() if name in Settings.model_fields})


def checked(kind: type[Asked], values: Mapping[str, Any]) -> Asked:
    """Return the record of a kind that these values describe.

    Raises:
        UsageError: a value does not fit.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        raise UsageError("\n".join(map(_fault, error.errors()))) from None


def _fault(error: Any) -> str:
    """Return one fault of the configuration in one line: what, expected, got."""
    name = f"--{str(error['loc'][0]).replace('_', '-')}: " if error["loc"] else ""
    message = error["msg"].removeprefix("Value error, ")
    choices = str(error.get("ctx", {}).get("expected", ""))
    near = difflib.get_close_matches(str(error["input"]), re.findall(r"'([^']+)'", choices), n=1)
    hint = f". Did you mean {near[0]!r}?" if near else ""
    got = "" if "got" in message or not error["loc"] else f", got {error['input']!r}"
    return f"{name}{message[:1].lower()}{message[1:]}{got}{hint}"


def from_toml(path: Path) -> dict[str, Any]:
    """Return the values in a configuration file.

    Raises:
        UsageError: it cannot be read, is not TOML, or gives a key twice.
    """
    content = toml.read(path, "configuration", hint="Correct --config.")
    values = {name.replace("-", "_"): value for name, value in content.items()}
    for name in content:
        if name.replace("-", "_") != name and name.replace("-", "_") in content:
            raise UsageError(f"the configuration {path} gives {name} and {name.replace('-', '_')}: give one of the two")
    return values


def as_toml(sweep: Sweep, settings: Settings) -> str:
    """Return the text of a configuration file that gives the same sweep and settings."""
    values = sweep.described() | settings.model_dump()
    if not isinstance(sweep.clip, float):
        values["clip"] = as_text(sweep.clip)
    shown = {name: _json(value) for name, value in values.items() if value is not None}
    for name, entries in (("tasks", sweep.tasks), ("models", sweep.models)):
        shown[name] = f"[{', '.join(map(_entry, entries))}]"
    return "".join(f"{name} = {value}\n" for name, value in shown.items())


def _json(value: Any) -> str:
    """Return a value as JSON, which is TOML too, except for null and for escaped pairs of surrogates."""
    return json.dumps(value, ensure_ascii=False)


def _entry(entry: Entry) -> str:
    """Return an entry as text, or as a table where a value holds a comma or a colon, which separate options."""
    if not any(mark in str(value) for _, value in entry.options for mark in ",:"):
        return _json(entry.text)
    fields = [f"{_json(key)} = {_json(value)}" for key, value in (("name", entry.name), *entry.options)]
    return f"{{{', '.join(fields)}}}"
