from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tasks.base import Batch, Evaluation, Reads
from tasks.base.metrics import BLOCKS, RatioMetric, per_sequence, ratio_of_sums
from tests.support.batches import a_batch

ROOT = Path(__file__).parents[3]


class Share(RatioMetric):
    """Right reads over reads, per sequence."""

    def sums(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        return per_sequence((outputs == batch.targets).float(), batch.reads), batch.reads.counts


READ = torch.tensor([[True, False, True], [False, False, False], [False, True, True]])


def test_per_sequence_sums_reads_row_by_row() -> None:
    assert per_sequence(torch.tensor([1.0, 2.0, 3.0, 4.0]), Reads(READ)).tolist() == [3.0, 0.0, 7.0]


def test_ratio_is_of_the_sums_not_a_mean_of_ratios() -> None:
    metric = Share()
    metric.update(torch.tensor([1, 1, 1, 1]), a_batch(torch.tensor([1, 0, 0, 0]), READ))
    metric.update(torch.tensor([1]), a_batch(torch.tensor([1]), torch.tensor([[True, False]])))
    evaluation = metric.compute()
    assert isinstance(evaluation, Evaluation)
    assert evaluation.score == pytest.approx(2 / 5)
    assert evaluation.n == 4
    assert evaluation.blocks == ((1.0, 2.0), (0.0, 0.0), (0.0, 2.0), (1.0, 1.0))


def test_a_fresh_pass_forgets_the_last() -> None:
    metric = Share()
    metric.update(torch.tensor([1]), a_batch(torch.tensor([0])))
    assert metric.compute().score == 0
    metric.reset()
    metric.update(torch.tensor([1]), a_batch(torch.tensor([1])))
    assert metric.compute().score == 1


@pytest.mark.parametrize("units", [1, 63, 64, 65, 1024])
def test_blocks_are_at_most_64_even_and_keep_the_sums(units: int) -> None:
    numerators = torch.arange(units, dtype=torch.float64)
    evaluation = ratio_of_sums(numerators, torch.full_like(numerators, 2.0))
    assert len(evaluation.blocks) == min(units, BLOCKS)
    sizes = [denominator / 2 for _, denominator in evaluation.blocks]
    assert max(sizes) - min(sizes) <= 1
    assert sum(numerator for numerator, _ in evaluation.blocks) == float(numerators.sum())
    assert evaluation.score == pytest.approx((units - 1) / 4)


def test_nothing_over_nothing_is_zero() -> None:
    assert ratio_of_sums(torch.zeros(3), torch.zeros(3)).score == 0


def test_a_score_of_two_processes_is_that_of_one() -> None:
    """Lightning joins what the processes counted."""

    def score(processes: str) -> str:
        command = [sys.executable, "-m", "tests.support.two_devices", processes]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr
        return next(line for line in done.stdout.splitlines() if line.startswith("score "))

    assert score("2") == score("1")
