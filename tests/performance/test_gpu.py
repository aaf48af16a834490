"""The script that measures on a GPU, tried out without one; its figures then mean nothing."""

from __future__ import annotations

import re

import pytest
import torch

from tests.performance import gpu, harness
from tests.support import pretend


def test_the_script_runs_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "tried out on a CPU" in lines[0]
    for pattern in (
        r"lstm 4: suite / plain loop, per step +\d+\.\d+ .*target <= 1",
        r"transformer 4: per step, peak memory +\d+\.\d+ s +\d+\.\d MB",
        r"transformer: score beside the CPU's, apart +0\.000 .*holds",
        r"lstm 4, 1 at a time: cells per hour +\d+ +1\.00 times one at a time",
        r"lstm 4, 2 at a time: cells per hour +\d+ +\d+\.\d\d times one at a time",
    ):
        assert any(re.match(pattern, line) for line in lines), pattern
    assert len(lines) == 1 + 2 + 2 + 2 + 2


def test_both_loops_run_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a pretended one. The suite's comes last, with torch's settings as the suite wants them."""
    pretend.found(monkeypatch)
    with pretend.gpu() as waits:
        assert harness.plain("lstm", 4, 2, "cuda") > 0
        assert not [wait for wait in waits if "performance/harness.py" not in wait], "it waits for nothing, and may not"
        assert torch.backends.cudnn.allow_tf32
        assert harness.suite("lstm", 4, 2, "cuda") > 0
        assert not torch.backends.cudnn.allow_tf32


def test_all_that_is_promised_is_measured() -> None:
    assert gpu.FULL.models == ("rnn", "gru", "lstm", "attention", "transformer")
    assert [length for length, _ in gpu.FULL.steps] == [10, 100, 1000]
    assert (min(gpu.FULL.lengths), max(gpu.FULL.lengths)) == (10, 10_000)
    assert gpu.FULL.packed == (("lstm", 100), ("transformer", 1000))
    assert gpu.FULL.counts == (1, 2, 4, 8, 16)
    assert gpu.FULL.cells % max(gpu.FULL.counts) == 0, "no process idles while others have the GPU"


def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "tests.performance.gpu: no NVIDIA GPU and torch with CUDA can be seen here. Run it where there is one.\n"
    )
