"""Checkpoints of long cells: what a cell needs to go on where it was after its process died.

A file `<key>.pt` below the store: the sha256 of what follows, then tensors and plain containers as `torch.save` writes
them. It is read with `weights_only=True`, so nothing in it is ever executed. One that is cut, altered or hostile is
refused with a line for people; one of another cell, suite, device or library version is passed over. Either way the
cell starts from its first step. On a CPU a cell that went on ends bit-equal to one that was never interrupted:
training batch s depends on (seed, s) only, and all else that training reads is in the file, except for what a model
keeps outside of its `state_dict`.
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
    """A file that is no checkpoint, or one that was cut or altered."""


def pack(content: dict[str, Any]) -> bytes:
    """Return tensors and plain containers as the bytes of a file."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    body = buffer.getvalue()
    return MARK + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def unpack(file: bytes) -> dict[str, Any]:
    """Return what `pack` was given.

    Raises:
        CheckpointError: the bytes are cut, altered, or hold more than tensors and plain containers.
    """
    body = file[_HEADER:]
    if file[:_HEADER] != MARK + hashlib.sha256(body).hexdigest().encode() + b"\n":
        raise CheckpointError("it is cut or altered")
    try:
        with warnings.catch_warnings():  # torch warns of what it then refuses: one message is enough
            warnings.simplefilter("ignore")
            content = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile file may raise anything at all
        raise CheckpointError(f"it holds what no checkpoint holds ({type(error).__name__})") from None
    if not isinstance(content, dict) or content.keys() != PARTS:
        raise CheckpointError("it holds something else")
    return content


class Keeper(Callback):
    """Writes one cell's checkpoints, and reads the last one. plan: None where none is kept. origin: where and with what
    the cell runs; a cell goes on only from a checkpoint of the same origin. recorder: the cell's; lines for people go
    to its `said`."""

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
        self._content: dict[str, Any] | None = None

    def resume(self, task: Task, model: SequenceModel) -> int:
        """Put everything back as in the last checkpoint, and return its step; 0 where there is none to go on from."""
        self._content = self._find(task.block)
        if self._content is None:
            return 0
        step: int = self._content["step"]
        model.load_state_dict(self._content["model"])
        self.recorder.restore(self._content["recorder"], model)
        task.first_step = step
        if not self._content["recorder"]["paused"]:
            self.recorder.said.append(f"{self.cell.label} goes on from step {step} of {self.cell.recipe.steps}")
        return step

    def _find(self, block: int) -> dict[str, Any] | None:
        if self.plan is None:
            return None
        path = self._path(self.plan)
        try:
            content = unpack(self.files.read(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (CheckpointError, OSError) as error:
            self.recorder.said.append(
                f"the checkpoint {path} is refused: {error}. {self.cell.label} starts from its first step"
            )
            return None
        own = content["cell"] == self.cell.key and content["origin"] == self.origin
        return content if own and content["step"] % block == 0 else None

    def _path(self, plan: Checkpointing) -> Path:
        return plan.folder / f"{self.cell.key}.pt"

    # -- Lightning's hooks --------------------------------------------------------------------------------------------

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Set Lightning's own counts of steps and of batches, which its limits and its validations go by."""
        if self._content is not None:
            loop = trainer.fit_loop.epoch_loop
            loop.manual_optimization.optim_step_progress.total.completed = self._content["step"]
            loop.batch_progress.total.ready = self._content["step"] // self.recorder.task.block

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Put back the optimiser's state, and torch's random numbers."""
        if self._content is None:
            return
        trainer.optimizers[0].load_state_dict(self._content["optimizer"])
        torch.set_rng_state(self._content["random"]["cpu"])
        if self._content["random"]["cuda"]:
            torch.cuda.set_rng_state_all(self._content["random"]["cuda"])
        self._content = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Write a checkpoint, if it is time: between blocks of steps, when validations and probes so far are done."""
        if self.plan is not None and trainer.global_step and time.monotonic() - self._last >= self.plan.every:
            self._write(trainer, pl_module, self.plan)

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Write a checkpoint where the cell is paused."""
        if self.plan is not None and self.recorder.paused is not None:
            self._write(trainer, pl_module, self.plan)

    def _write(self, trainer: Trainer, pl_module: Any, plan: Checkpointing) -> None:
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
            self.files.make_folder(plan.folder)
            self.files.put(self._path(plan), pack(content))
        except OSError as error:  # no reason to lose the cell
            self.recorder.said.append(f"no checkpoint of {self.cell.label} can be kept: {error}")
            self.plan = None
        self._last = time.monotonic()


def suite(*classes: type) -> str:
    """Return a hash of the sources of this suite and of `classes`, 12 hexadecimal digits: no cell may be measured half
    by one version and half by another."""
    return sources(*classes)[:12]
