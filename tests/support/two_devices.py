"""A test pass by Lightning in as many CPU processes as the first argument says; prints the score."""

from __future__ import annotations

import sys

import torch
from lightning import Trainer

from models.lstm import LSTM
from tasks.adding import Adding


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    task = Adding(10)
    count = int(sys.argv[1])
    trainer = Trainer(
        accelerator="cpu",
        devices=count,
        strategy="ddp" if count > 1 else "auto",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.test(LSTM(task.spec, hidden=4), datamodule=task, verbose=False)
    if trainer.is_global_zero:
        print("score", float(trainer.callback_metrics["test_score"]))


if __name__ == "__main__":
    main()
