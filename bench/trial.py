"""One cell, measured: build, fit, test, record. The one place that turns an exception into a status."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import inspect
import logging
import platform
import resource
import subprocess
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback

from bench import catalog, checkpoint, tracking
from bench.recorder import Recorder
from bench.result import Finished, Provenance, Result, Size, Status
from bench.sweep import Cell, Entry, Job, Recipe, Source, Surroundings
from models.base import SequenceModel, count_parameters
from tasks.base import Task, effective_context, generator

# Optimisation steps per Lightning batch, at most. A block costs one pass through Lightning's loop, so 25 steps pay for
# it together; more would make progress reports coarse.
BLOCK = 25
LIBRARIES = ("torch", "lightning", "torchmetrics", "numpy")
# torch has no type of its own for memory of the CPU: Linux says "can't allocate", Windows "not enough". CUDA and its
# libraries, which keep memory beside torch's, are short of it in words of theirs.
OUT_OF_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def build(cell: Cell, source: Source | None) -> tuple[Task, SequenceModel]:
    """The task and the model of a cell, the model's weights drawn from the cell's seed. source: where its data lie.

    Raises:
        ValueError: an option is out of its range, the parameter budget fits no model, data are not the cell's.
        OSError, ImportError: data or an optional dependency are not there.
    """
    recipe = cell.recipe
    task_entry, model_entry = Entry.parse(cell.task), Entry.parse(cell.model)
    task_card, model_card = catalog.card("task", task_entry.name), catalog.card("model", model_entry.name)
    options: dict[str, Any] = {}
    if source is not None:
        options = {"corpus": source.corpus, "folder": source.folder}
    given = [(key, value) for key, value in task_entry.options if key not in options]
    task: Task = task_card.load()(
        cell.length, seed=cell.seed, batch_size=recipe.batch_size, **(task_card.values(given) | options)
    )
    if cell.data is not None and (task.data is None or task.data.sha256 != cell.data.sha256):
        raise ValueError(f"the data of {cell.task} changed since the sweep began: expected sha256 {cell.data.sha256}")
    model_class = model_card.load()
    if not (inspect.isclass(model_class) and issubclass(model_class, SequenceModel)):
        raise ValueError(f"{model_entry.name} must be a subclass of models.base.SequenceModel")
    torch.manual_seed(generator(cell.seed, "initialisation").initial_seed())
    model: SequenceModel = model_class(
        task.spec,
        learning_rate=recipe.learning_rate,
        clip=recipe.clip,
        **({"hidden": recipe.hidden} if recipe.hidden else {"parameters": recipe.parameters}),
        **model_card.values(model_entry.options),
    )
    if recipe.bptt is not None:
        model.truncate(recipe.bptt)
    return task, model


def check(jobs: list[Job]) -> list[str]:
    """One message for every distinct fault that keeps a task or model from being built."""
    messages: dict[str, None] = {}
    for cell, source in jobs:
        try:
            build(cell, source)
        except (ValueError, TypeError, OSError) as error:
            messages[str(error)] = None
        except Exception:  # a fault of the model's own code becomes its cell's row, with where it happened
            continue
    return list(messages)


def observer(surroundings: Surroundings) -> tracking.Observer | None:
    """What a process hands to `run` with each cell, so that it is mirrored to W&B; None where it is not."""
    return tracking.opened(surroundings.mirroring)


def run(
    job: Job,
    surroundings: Surroundings,
    report: Callable[[int, int], None] = lambda step, steps: None,
    observer: tracking.Observer | None = None,
) -> Finished:
    """Measure one cell. Never raises for what the cell does: that becomes its status.

    report: called after every block of optimisation steps with (step, steps). observer: hears what happens meanwhile.
    """
    recorder = Recorder(job[0].recipe, report, observer)
    if observer is not None:
        observer.begins(job[0])
    finished = replace(_attempt(job, surroundings, recorder), said=tuple(recorder.said))
    if observer is not None:
        observer.ends(finished.result)
    return finished


def _attempt(job: Job, surroundings: Surroundings, recorder: Recorder) -> Finished:
    """A cell's result, whatever it does."""
    try:
        return _measure(job, surroundings, recorder)
    except Exception as error:
        status = status_of(error)
        text = "".join(_lines(error))
    result = Result(
        cell=job[0],
        status=status,
        error=text,
        steps=recorder.steps,
        curves=recorder.curves([]),
        gradient_flow=tuple(recorder.flows),
        seconds=recorder.seconds(),
        provenance=provenance(recorder.started, surroundings),
    )
    return Finished(result)


def status_of(error: Exception) -> Status:
    """The status of a cell that raised `error`."""
    refused = any(words in str(error) for words in OUT_OF_MEMORY)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or refused:
        return "out_of_memory"
    if isinstance(error, OSError | ImportError | NotImplementedError):
        return "unavailable"
    return "error"


def _lines(error: Exception) -> list[str]:
    """What went wrong, first; then where, innermost call last. No local values: they may hold secrets."""
    frames = inspect.getinnerframes(error.__traceback__) if error.__traceback__ else []
    where = [f"  {Path(frame.filename).name}:{frame.lineno} in {frame.function}\n" for frame in frames[-8:]]
    return [f"{type(error).__name__}: {error}\n", *where]


def _measure(job: Job, surroundings: Surroundings, recorder: Recorder) -> Finished:
    cell, recipe = job[0], job[0].recipe
    gpu = on_gpu(surroundings.accelerator)
    _reset_peak_memory(gpu)
    task, model = prepare(job, recorder)
    keeper = checkpoint.Keeper(
        cell, surroundings.checkpoints, _origin(recorder, surroundings, type(task), type(model)), recorder
    )
    if not keeper.resume(task, model):
        recorder.inspect(model)
    if recipe.steps:
        _train(trainer(recipe, surroundings.accelerator, recorder, keeper), task, model, recorder)
    answered = recipe.steps > 0 and not recorder.diverged
    score = recorder.score(model) if answered else None
    if answered:
        recorder.inspect(model)
    recorder.enter("evaluation")
    sample = task.sample(model) if answered else None
    context_use = task.context_use(model) if answered else None
    horizon = None if score is None else task.memory_horizon(score.score)
    if context_use:
        horizon = effective_context(context_use, task.context_tolerance)
    weights = safetensors.torch.save({name: value.contiguous() for name, value in model.state_dict().items()})
    recorder.enter("start_up")
    state = model.state_size(cell.length)
    result = Result(
        cell=cell,
        status="diverged" if recorder.diverged else "ok",
        score=score,
        solved_at_step=recorder.solved_at,
        steps=recorder.steps,
        tokens_seen=recorder.tokens,
        curves=recorder.curves(model.parameter_names()),
        gradient_flow=tuple(recorder.flows),
        jacobians=tuple(recorder.jacobians),
        pictures=recorder.pictures(model) if answered else (),
        memory_horizon=horizon,
        context_use=tuple(context_use or ()),
        size=Size(
            parameters=count_parameters(model),
            parameters_body=count_parameters(model.body),
            hidden=model.hidden,
            state_bytes=None if state is None else 4 * state,
        ),
        seconds=recorder.seconds(),
        steps_per_second=recorder.steps_per_second,
        peak_memory_mb=_peak_memory_mb(gpu and recipe.steps > 0),
        sample=sample,
        notes=(*model.notes, *recorder.notes),
        provenance=provenance(recorder.started, surroundings),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )
    return Finished(result, weights)


def prepare(job: Job, recorder: Recorder) -> tuple[Task, SequenceModel]:
    """The task and the model of a job, the task set to hand over the recipe's steps in blocks."""
    task, model = build(*job)
    recipe = job[0].recipe
    task.block = max(size for size in range(1, BLOCK + 1) if recipe.evaluate_every % size == 0)
    task.steps = recipe.steps
    recorder.task = task
    return task, model


def _train(loop: Trainer, task: Task, model: SequenceModel, recorder: Recorder) -> None:
    """Fit and validate, then touch the test set once. A model without parameters has nothing to fit."""
    with quiet():
        if count_parameters(model):
            loop.fit(model, datamodule=task)
        if not recorder.diverged and recorder.validated != recorder.steps:
            loop.validate(model, datamodule=task, verbose=False)
        if not count_parameters(model) and task.solved(recorder.validation[-1][1]):
            recorder.solved_at = 0
        if not recorder.diverged:
            recorder.enter("evaluation")
            loop.test(model, datamodule=task, verbose=False)


def trainer(recipe: Recipe, accelerator: str, recorder: Recorder, *callbacks: Callback) -> Trainer:
    """Lightning's loop for one cell: nothing on disk, no bar, no logger; what is to be kept, `recorder` keeps."""
    assert recorder.task is not None
    gpu = on_gpu(accelerator)
    _full_precision(gpu)
    with quiet():
        return Trainer(
            max_steps=recipe.steps,
            min_epochs=0,  # a solved cell may stop in its first epoch, which is its only one
            accelerator="cuda" if gpu else "cpu",
            devices=1,
            deterministic=True,
            val_check_interval=recipe.evaluate_every // recorder.task.block,
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[*callbacks, recorder],
        )


# -- surroundings -----------------------------------------------------------------------------------------------------


def on_gpu(accelerator: str) -> bool:
    """Whether cells train on a GPU. CUDA's only: scores are summed in float64, which Apple's have not."""
    return accelerator == "gpu" or (accelerator == "auto" and torch.cuda.is_available())


def _full_precision(gpu: bool) -> None:
    """float32 means float32 on a GPU too: by default cuDNN's recurrent kernels round products to TF32's 10 bits."""
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    # Where deterministic algorithms are asked for, torch fills all new memory, which shows who reads what was never
    # written. On a GPU that would be one more kernel for many a tensor.
    torch.utils.deterministic.fill_uninitialized_memory = not gpu  # type: ignore[attr-defined]


def provenance(started: datetime, surroundings: Surroundings) -> Provenance:
    """Where a cell's numbers come from."""
    gpu = on_gpu(surroundings.accelerator) and torch.cuda.is_available()
    commit, dirty = _git()
    return Provenance(
        started=started.isoformat(timespec="seconds"),
        device=torch.cuda.get_device_name() if gpu else "cpu",
        platform=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        libraries=_libraries(),
        threads=torch.get_num_threads(),
        git_commit=commit,
        git_dirty=dirty,
    )


@functools.cache
def _libraries() -> dict[str, str]:
    """Versions of what computes; looking them up reads the installed packages' own files."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def _origin(recorder: Recorder, surroundings: Surroundings, *classes: type) -> dict[str, Any]:
    """What must be the same where a cell goes on, for its numbers to be those of one process."""
    here = provenance(recorder.started, surroundings)
    return here.model_dump(exclude={"started", "git_commit", "git_dirty"}) | {"suite": checkpoint.suite(*classes)}


@functools.cache
def _git() -> tuple[str | None, bool | None]:
    """Commit of the suite's own checkout and whether it was changed; None where it is no checkout."""

    def git(*arguments: str) -> str:
        folder = Path(__file__).parent
        return subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return None, None


@contextlib.contextmanager
def quiet() -> Any:
    """Lightning's tips off: they concern choices that are made here on purpose."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        logger.setLevel(level)


def _reset_peak_memory(gpu: bool) -> None:
    """Start the process's peak memory anew (Linux), so that it is this cell's and not an earlier one's. A process that
    does without the GPU takes no memory of it, not even for CUDA itself."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    if gpu:
        torch.cuda.reset_peak_memory_stats()


def _peak_memory_mb(gpu: bool) -> float:
    """Peak of the GPU's memory, or of the process (Linux: since the cell began; elsewhere: since the process began)."""
    if gpu:
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return round(int(line.split()[1]) / 1024, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if platform.system() == "Darwin" else 1024), 1)
