"""What all tests share."""

import gc
import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)
os.environ["WANDB_MODE"] = "disabled"  # nothing is mirrored unless a test says so, and nothing ever uploaded


def pytest_collection_finish() -> None:
    """Keep the garbage collector from looking through all that was imported, again and again."""
    gc.freeze()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real corpora named by BENCH_DATA."""
    folder = os.environ.get("BENCH_DATA")
    if not folder:
        pytest.skip("NOT TESTED ON REAL CORPORA: set BENCH_DATA to a folder that holds them")
    return Path(folder)
