"""Cells on a GPU: each test runs on a pretended one (`tests.support.pretend`), and on a real one where there is one.

TOLERANCE. The same seed gives the same weights and batches on any device, and float32 is float32 on all of them (TF32
is off), but sums are taken in another order: some 1e-6 of a gradient. Adam divides a gradient by its own size, so that
where it is nearly zero its sign counts, and training slowly parts. Over the six steps of these cells that should stay
far below 1e-3 of a score; over thousands it would not, which is why a report's group never mixes devices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from lightning.fabric.accelerators import mps
from lightning.pytorch.accelerators import CPUAccelerator, MPSAccelerator

from bench.engines.devices import visible
from bench.engines.local import LocalEngine
from bench.engines.worker import CELLS_PER_WORKER
from bench.records.job import Job, Surroundings
from bench.records.result import Result
from bench.trial import build, faults, trial
from bench.trial.recorder import Recorder
from models.base import SequenceModel
from models.parts.attention import causal_attention
from tasks.base import Task, generator
from tests.support import pretend
from tests.support.jobs import a_job, run

TOLERANCE = 1e-3
EXAMPLES = "tests.support.gpu_examples"
MODELS = ["rnn", "gru", "lstm", "attention", "transformer"]
TASKS = ["copying", "adding", "running_average", "char_lm:corpus=python", "ner:corpus=generated"]
# Paths of their own: step by step, both directions, several layers, an activation that cuDNN lacks, several heads.
MORE = [
    "gru:reset=before", "gru:bidirectional=true:layers=2", "rnn:activation=sigmoid", "transformer:heads=3", "oracle",
]  # fmt: skip
on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="NOT TESTED ON A GPU: none can be seen")
ON_GPU = Surroundings(accelerator="gpu")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A pretended GPU; what the host waits for."""
    pretend.found(monkeypatch, peak=123 << 20)
    with pretend.gpu() as waits:
        yield waits


def on_the_pretended(job: Job) -> Result:
    with pytest.MonkeyPatch.context() as monkeypatch, pretend.gpu():
        pretend.found(monkeypatch, peak=123 << 20)
        result = trial.run(job, ON_GPU).result
    assert result.provenance is not None
    assert result.provenance.device == "Pretended GPU"
    assert result.peak_memory_mb == (123 if result.status == "ok" else None), "of the GPU, not of the process"
    return result


def on_the_real(job: Job) -> Result:
    result = trial.run(job, ON_GPU).result
    assert result.provenance is not None
    assert result.provenance.device == torch.cuda.get_device_name()
    assert (result.status == "ok") == (result.peak_memory_mb is not None)
    assert result.peak_memory_mb is None or 0 < result.peak_memory_mb < 1000
    return result


@pytest.fixture(
    params=[
        pytest.param(on_the_pretended, id="pretended"),
        pytest.param(on_the_real, id="real", marks=[pytest.mark.gpu, on_a_gpu]),
    ]
)
def gpu(request: pytest.FixtureRequest) -> Callable[[Job], Result]:
    """Measures a cell on a GPU, pretended or real."""
    measure: Callable[[Job], Result] = request.param
    return measure


def a_cell(model: str, task: str = "adding", **values: Any) -> Job:
    return a_job(model, task=task, **{"length": 8, "hidden": 6, "steps": 6, "evaluate_every": 3, "probes": 3} | values)


def assert_agree(found: Result, expected: Result) -> None:
    """Scores, losses and gradient flow, within the tolerance; at initialisation, where the weights are the same bit for
    bit and the probe runs on the CPU, gradient flow exactly."""
    assert (found.status, found.error, expected.status) == ("ok", None, "ok")
    assert found.score is not None
    assert expected.score is not None
    assert found.score.score == pytest.approx(expected.score.score, rel=TOLERANCE, abs=TOLERANCE)
    assert found.curves.train_loss == pytest.approx(expected.curves.train_loss, rel=TOLERANCE)
    assert found.curves.gradient_norm == pytest.approx(expected.curves.gradient_norm, rel=TOLERANCE)
    assert [flow.step for flow in found.gradient_flow] == [flow.step for flow in expected.gradient_flow]
    assert found.gradient_flow[0] == expected.gradient_flow[0]
    for ours, theirs in zip(found.gradient_flow, expected.gradient_flow, strict=True):
        for name, profile in ours.profiles.items():
            logs = [(a, b) for a, b in zip(profile.log10_median, theirs.profiles[name].log10_median, strict=True)]
            assert all((a is None) == (b is None) for a, b in logs)
            assert all(a == pytest.approx(b, abs=0.01) for a, b in logs if a is not None), name


# -- a cell ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("task", TASKS)
def test_a_cell_agrees_with_the_cpus(task: str, model: str, gpu: Callable[[Job], Result]) -> None:
    job = a_cell(model, task)
    assert_agree(gpu(job), run(job).result)


@pytest.mark.parametrize("model", MORE)
def test_other_paths_agree_with_the_cpus(model: str, gpu: Callable[[Job], Result]) -> None:
    job = a_cell(model, "ner:corpus=generated")
    assert_agree(gpu(job), run(job).result)


def test_truncated_back_propagation_agrees_with_the_cpus(gpu: Callable[[Job], Result]) -> None:
    job = a_cell("lstm", "running_average", bptt=3)
    assert_agree(gpu(job), run(job).result)


@pytest.mark.parametrize("model", ["lstm", "transformer"])
def test_the_same_cell_twice(model: str, gpu: Callable[[Job], Result]) -> None:
    assert_agree(gpu(a_cell(model)), gpu(a_cell(model)))


def test_a_parameter_without_a_gradient(gpu: Callable[[Job], Result]) -> None:
    found = gpu(a_cell(f"{EXAMPLES}:Idle", probes=0))
    assert (found.status, found.error) == ("ok", None)
    assert set(found.curves.parameter_norms["idle"]) == {0.0}


def test_a_tensor_on_the_wrong_device_is_refused(gpu: Callable[[Job], Result]) -> None:
    found = gpu(a_cell(f"{EXAMPLES}:Forgets"))
    assert found.status == "error"
    assert "xpected all tensors to be on the same device" in str(found.error)


# -- waiting for the GPU -----------------------------------------------------------------------------------------------


def noted(monkeypatch: pytest.MonkeyPatch, kind: type, hook: str, waits: list[str]) -> list[list[str]]:
    """For what the host waits in each call of a hook, from now on."""
    calls: list[list[str]] = []
    original = getattr(kind, hook)

    def watched(*arguments: Any, **options: Any) -> Any:
        before = len(waits)
        outputs = original(*arguments, **options)
        calls.append(waits[before:])
        return outputs

    monkeypatch.setattr(kind, hook, watched)
    return calls


class Waits(NamedTuple):
    """For what the host waits in each block of three optimisation steps: while its batches go to the GPU (those of
    evaluation too), in its steps, and after them."""

    sending: list[list[str]]
    steps: list[list[str]]
    after: list[list[str]]


def waited(model: str, task: str, waits: list[str], monkeypatch: pytest.MonkeyPatch) -> Waits:
    hooks = ((Task, "transfer_batch_to_device"), (SequenceModel, "training_step"), (Recorder, "on_train_batch_end"))
    found = Waits(*(noted(monkeypatch, kind, hook, waits) for kind, hook in hooks))
    result = trial.run(a_cell(model, task, probes=0), ON_GPU).result
    assert (result.status, len(found.steps), len(found.after)) == ("ok", 2, 2)
    assert len(found.sending) > 2, "two blocks, and what is held out"
    return found


@pytest.mark.parametrize(
    ("model", "task"),
    [*((model, "copying") for model in MODELS), *((model, "ner:corpus=generated") for model in [*MODELS, *MORE[:4]])],
)
def test_training_steps_wait_for_nothing(
    model: str, task: str, waits: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = waited(model, task, waits, monkeypatch)
    assert not any(found.sending), "batches are sent, not waited for"
    assert not any(found.steps[1:]), "but for the first, which may bring tables to the GPU"
    assert all(1 <= len(block) <= 3 for block in found.after), "losses, norms, norms by parameter: once per block"


def test_a_step_that_waits_is_seen(waits: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = waited(f"{EXAMPLES}:Waits", "adding", waits, monkeypatch).steps
    assert [len(block) for block in blocks] == [3, 3]
    assert "in encode" in blocks[-1][0]


# -- settings ----------------------------------------------------------------------------------------------------------


def test_a_cell_of_the_cpu_leaves_the_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even CUDA's own few hundred megabytes."""
    pretend.found(monkeypatch)
    for name in ("reset_peak_memory_stats", "get_device_name", "max_memory_allocated", "set_device"):
        monkeypatch.delattr(torch.cuda, name)
    found = run(a_cell("lstm")).result
    assert (found.status, found.error) == ("ok", None)
    assert found.provenance is not None
    assert found.provenance.device == "cpu"


def test_float32_is_float32(waits: list[str]) -> None:
    torch.backends.cudnn.allow_tf32 = True
    job = a_cell("lstm")
    recorder = Recorder(job.cell.recipe, build.prepare(job)[0])
    trial.trainer(job.cell.recipe, "auto", recorder)
    assert not torch.backends.cudnn.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    trial.trainer(job.cell.recipe, "cpu", recorder)
    assert torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]


def test_a_gpu_without_float64_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for apples in (MPSAccelerator, mps.MPSAccelerator):
        monkeypatch.setattr(apples, "is_available", staticmethod(lambda: True))
    job = a_cell("lstm")
    recorder = Recorder(job.cell.recipe, build.prepare(job)[0])
    assert isinstance(trial.trainer(job.cell.recipe, "auto", recorder).accelerator, CPUAccelerator)


@pytest.mark.parametrize("size", [3, 50, 52])
@pytest.mark.parametrize("queries", [1, 4, 9])
def test_attention_of_any_size_takes_the_kernel_of_bounded_memory(
    size: int, queries: int, waits: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = []
    kernel = F.scaled_dot_product_attention

    def noted(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **options: Any) -> torch.Tensor:
        shapes.append({tensor.size(-1) % 4 for tensor in (query, key, value)})
        return kernel(query, key, value, **options)

    stream = generator(0, "attention")
    query, key = torch.randn(2, 1, queries, size, generator=stream), torch.randn(2, 1, 9, size, generator=stream)
    expected = causal_attention(query, key, key, scale=0.3)
    monkeypatch.setattr(F, "scaled_dot_product_attention", noted)
    query, key = query.to("cuda:0"), key.to("cuda:0")
    found = causal_attention(query, key, key, scale=0.3)
    assert shapes == [{0}]
    torch.testing.assert_close(found.cpu(), expected)


# -- what goes wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    ],
)
def test_memory_that_others_than_torch_are_short_of(words: str) -> None:
    assert faults.status_of(RuntimeError(words)) == "out_of_memory"


@pytest.mark.parametrize(("devices", "again"), [([], True), (["GPU-a"], False)])
def test_after_an_error_on_a_gpu_its_process_is_not_used_again(devices: list[str], again: bool) -> None:
    """One in a kernel leaves the process unable to use the GPU: every cell after it would fail."""
    with LocalEngine(Surroundings(accelerator="cpu"), workers=1, devices=devices) as engine:
        (failed,) = engine.run([a_job("tests.support.examples:Raises", steps=1)])
        assert failed.result.status == "error"
        assert (engine._processes[0].served < CELLS_PER_WORKER) == again


@pytest.mark.gpu
@on_a_gpu
@pytest.mark.parametrize("once", [True, False])
def test_a_cell_that_runs_out_of_the_gpus_memory_is_tried_again_alone(once: bool, tmp_path: Path) -> None:
    hoards = f"{EXAMPLES}:Hoards:marks={tmp_path}:once={str(once).lower()}"
    jobs = [a_cell(hoards), *(a_cell("lstm", seeds=seed) for seed in range(3))]
    with LocalEngine(ON_GPU, workers=2, devices=visible()[:1]) as engine:
        found = {finished.result.cell.key: finished.result for finished in engine.run(jobs)}
    first, *others = (found[job.cell.key] for job in jobs)
    assert len(list(tmp_path.iterdir())) == 2, "once beside others, once alone"
    assert first.status == ("ok" if once else "out_of_memory")
    assert once or "out of memory" in str(first.error)
    assert [other.status for other in others] == ["ok"] * 3, "the others come to no harm"


@pytest.mark.gpu
@on_a_gpu
def test_cells_that_share_a_gpu_agree_with_the_cpus() -> None:
    jobs = [a_cell("lstm", seeds=seed) for seed in range(4)]
    with LocalEngine(ON_GPU, workers=4, devices=visible()[:1]) as engine:
        found = {finished.result.cell.key: finished.result for finished in engine.run(jobs)}
    for job in jobs:
        assert_agree(found[job.cell.key], run(job).result)
