"""What all records share: they are immutable and strict, and their numbers are checked."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bench.records import foreign


def _line(value: Any) -> Any:
    return foreign.line(value) if isinstance(value, str) else value


def _block(value: Any) -> Any:
    return foreign.block(value) if isinstance(value, str) else value


# Text for people, whoever wrote it: safe and short once it is in a record, whether it was just measured or is read.
Line = Annotated[str, BeforeValidator(_line)]


Block = Annotated[str, BeforeValidator(_block)]


LARGEST = 2**53  # whole numbers up to it are exact as floating-point numbers, and every format holds them

Whole = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]


Positive = Annotated[int, Field(ge=1, le=LARGEST)]


Natural = Annotated[int, Field(ge=0, le=LARGEST)]


Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Frozen(BaseModel):
    """An immutable record; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
