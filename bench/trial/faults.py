"""What an exception in a cell means: the cell's status, and the text of its error."""

from __future__ import annotations

import inspect
from pathlib import Path

import torch

from bench.records import foreign
from bench.records.result import Status
from bench.trial.sources import CodeChangedError
from tasks.base import UnscorableError

# torch has no type of its own for memory of the CPU: Linux says "can't allocate", Windows "not enough". CUDA and its
# libraries, which keep memory beside torch's, have error texts of their own.
OUT_OF_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


class InvalidError(Exception):
    """A task or a model broke its contract, so that a score would mean nothing. Its text is one sentence for people."""


def status_of(error: Exception) -> Status:
    """Return the status of a cell that raised `error`."""
    if isinstance(error, InvalidError | UnscorableError | CodeChangedError):
        return "invalid"
    refused = any(words in foreign.message(error) for words in OUT_OF_MEMORY)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or refused:
        return "out_of_memory"
    if isinstance(error, OSError | ImportError | NotImplementedError):
        return "unavailable"
    return "error"


def described(error: Exception) -> str:
    """Return what went wrong, then where, innermost call last. No local values, because they may hold secrets."""
    if isinstance(error, InvalidError | UnscorableError):
        return f"{foreign.message(error)}\n"
    frames = inspect.getinnerframes(error.__traceback__) if error.__traceback__ else []
    where = [f"  {Path(frame.filename).name}:{frame.lineno} in {frame.function}\n" for frame in frames[-8:]]
    return "".join([f"{type(error).__name__}: {foreign.message(error)}\n", *where])
