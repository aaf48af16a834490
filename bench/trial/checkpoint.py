"""Checkpoints of long cells: what a cell needs to go on where it was, should its process die.

A file `<key>.pt` below the store: the sha256 of what follows, then tensors and plain containers as `torch.save` writes
them. It is read with `weights_only=True`, so nothing in it is ever executed. One that is cut, altered or hostile is
refused and said aloud; one of another cell, suite, device or library version is passed over. Either way the cell starts
from its first step. On a CPU a cell that went on ends bit-equal to one that was never interrupted: training batch s
depends on (seed, s) only, and all else that training reads is in the file. What a model keeps outside of its
`state_dict` is not.
"""

from __future__ import annotations

import hashlib
import io
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback

from bench.records.cell import Cell
from bench.records.errors import BenchError
from bench.records.job import Checkpointing
from bench.store.files import Files
from bench.trial.recorder import Recorder
from bench.trial.sources import sources
from models.base import SequenceModel
from tasks.base import Task

MARK = b"long-range-bench checkpoint 1 "
_HEADER = len(MARK) + 65
PARTS = frozenset({"cell", "origin", "step", "model", "optimizer", "recorder", "random"})


class CheckpointError(BenchError):
    """A file that is no checkpoint, or no longer one."""


def pack(content: dict[str, Any]) -> bytes:
    """Tensors and plain containers as the bytes of a file."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    body = buffer.getvalue()
    return MARK + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def unpack(file: bytes) -> dict[str, Any]:
    """What `pack` was given.

    Raises:
        CheckpointError: the bytes are cut, altered, or hold more than tensors and plain containers.
    """
    body = file[_HEADER:]
    if file[:_HEADER] != MARK + hashlib.sha256(body).hexdigest().encode() + b"\n":
        raise CheckpointError("it is cut or altered")
    try:
        with warnings.catch_warnings():  # torch's, of what it finds odd before it refuses: one message is enough
            warnings.simplefilter("ignore")
            content = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile file may raise anything at all
        raise CheckpointError(f"it holds what no checkpoint holds ({type(error).__name__})") from None
    if not isinstance(content, dict) or content.keys() != PARTS:
        raise CheckpointError("it holds something else")
    return content


class Keeper(Callback):
    """Writes one cell's checkpoints and finds the last. plan: None where none is kept. origin: where and with what the
    cell runs; a checkpoint goes on only where that is the same. recorder: of the cell; it hears what is to be said."""

    def __init__(
        self,
        cell: Cell,
        plan: Checkpointing | None,
        origin: dict[str, Any],
        recorder: Recorder,
        files: Files | None = None,
    ) -> None:
        self.cell, self.plan, self.recorder = cell, plan, recorder
        self.origin = origin
        self.files = files or Files()
        self._last = time.monotonic()
        self._found: dict[str, Any] | None = None

    def resume(self, task: Task, model: SequenceModel) -> int:
        """The step to go on from, everything put back as it was there; 0: there is nothing to go on from."""
        self._found = self._find(task.block)
        if self._found is None:
            return 0
        step: int = self._found["step"]
        model.load_state_dict(self._found["model"])
        self.recorder.restore(self._found["recorder"], model)
        task.first_step = step
        self.recorder.said.append(f"{self.cell.label} goes on from step {step} of {self.cell.recipe.steps}")
        return step

    def _find(self, block: int) -> dict[str, Any] | None:
        if self.plan is None:
            return None
        path = self._path(self.plan)
        try:
            found = unpack(self.files.read(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (CheckpointError, OSError) as error:
            self.recorder.said.append(
                f"the checkpoint {path} is refused: {error}. {self.cell.label} starts from its first step"
            )
            return None
        own = found["cell"] == self.cell.key and found["origin"] == self.origin
        return found if own and found["step"] % block == 0 else None

    def _path(self, plan: Checkpointing) -> Path:
        return plan.folder / f"{self.cell.key}.pt"

    # -- Lightning's hooks --------------------------------------------------------------------------------------------

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Lightning's own counts of steps and of batches, which its limits and its validations go by."""
        if self._found is not None:
            loop = trainer.fit_loop.epoch_loop
            loop.manual_optimization.optim_step_progress.total.completed = self._found["step"]
            loop.batch_progress.total.ready = self._found["step"] // self.recorder.task.block

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """The optimiser's state, and torch's random numbers where a model draws any."""
        if self._found is None:
            return
        trainer.optimizers[0].load_state_dict(self._found["optimizer"])
        torch.set_rng_state(self._found["random"]["cpu"])
        if self._found["random"]["cuda"]:
            torch.cuda.set_rng_state_all(self._found["random"]["cuda"])
        self._found = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Between blocks of steps: validations and probes of the steps so far are done."""
        if self.plan is None or trainer.global_step == 0 or time.monotonic() - self._last < self.plan.every:
            return
        content = {
            "cell": self.cell.key,
            "origin": self.origin,
            "step": trainer.global_step,
            "model": pl_module.state_dict(),
            "optimizer": trainer.optimizers[0].state_dict(),
            "recorder": self.recorder.state(),
            "random": {
                "cpu": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state_all() if pl_module.device.type == "cuda" else [],
            },
        }
        try:
            self.files.make_folder(self.plan.folder)
            self.files.put(self._path(self.plan), pack(content))
        except OSError as error:  # no reason to lose the cell
            self.recorder.said.append(f"no checkpoint of {self.cell.label} can be kept: {error}")
            self.plan = None
        self._last = time.monotonic()


def suite(*classes: type) -> str:
    """Of the sources of this suite and of `classes`, 12 hexadecimal digits: a cell is never measured half by one
    version, half by another."""
    return sources(*classes)[:12]
