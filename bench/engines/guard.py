"""A guard over a process: it finds what a cell changed there that would change the numbers of later cells.

A process is compared with what it was before its first cell: torch's modes and flags, global hooks, the functions and
classes that cells compute with, threads, timers, and Python's own settings. Random numbers are not compared, since
every cell seeds its own. What cannot be seen (a native thread, a kernel registered for another) reaches no other entry
either, because classes of one's own have processes that serve nothing else. What their modules remember would reach
their next seed, so that is compared too (`bench.engines.remembered`).
"""

from __future__ import annotations

import builtins
import gc
import os
import resource
import signal
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

import numpy
import torch
import torch.nn.modules.module as hooks
import torch.optim.optimizer as optimizer

from bench.engines.remembered import Memory

# Modules that define what cells compute with; the modules below them count too.
WATCHED = (
    "torch.nn", "torch.optim", "torch.autograd", "torch.linalg", "torch.special", "torch.fft", "torch.distributions",
    "lightning.pytorch", "torchmetrics", "numpy.random", "bench", "models", "tasks",
)  # fmt: skip
ALONE = ("torch", "torch._tensor", "torch._C._nn", "torch.functional", "torch.random", "torch.utils.data", "numpy",
         "builtins", "math", "random", "functools", "itertools", "hashlib")  # fmt: skip
OPEN = (torch.Tensor, torch.nn.Module, torch.nn.Parameter)  # one more attribute changes all their instances
# torch's settings, by the names of their getters, as far as this version of torch has them.
FLAGS = (
    "_get_cublas_allow_bf16_reduced_precision_reduction", "_get_cublas_allow_fp16_reduced_precision_reduction",
    "_get_cublas_allow_tf32", "_get_cudnn_allow_tf32", "_get_cudnn_benchmark", "_get_cudnn_deterministic",
    "_get_cudnn_enabled", "_get_cudnn_sdp_enabled", "_get_deterministic_algorithms",
    "_get_deterministic_algorithms_warn_only", "_get_deterministic_fill_uninitialized_memory",
    "_get_flash_sdp_enabled", "_get_float32_matmul_precision", "_get_math_sdp_allow_fp16_bf16_reduction",
    "_get_math_sdp_enabled", "_get_mem_efficient_sdp_enabled", "_get_mkldnn_deterministic", "_get_mkldnn_enabled",
    "_get_nnpack_enabled", "_get_onednn_allow_tf32", "_get_overrideable_sdp_enabled", "_get_sdp_priority_order",
    "_get_cpu_allow_fp16_reduced_precision_reduction", "_get_graph_executor_optimize", "_get_qengine",
    "_len_torch_dispatch_stack", "_len_torch_function_stack", "_get_torch_function_state",
)  # fmt: skip
PRECISIONS = [(backend, kind) for backend in ("mkldnn", "cuda") for kind in ("all", "matmul", "conv", "rnn")]
# The suite's own mirror starts threads and sets variables when it likes; as a run begins it loads these packages, which
# add a finder of modules, and filters for warnings of their own.
OF_WANDB = "wandb"
BROUGHT = frozenset({OF_WANDB, "urllib3", "requests", "opentelemetry"})
CALLED = (ModuleType, staticmethod, classmethod, property)
BUILTINS = frozenset(vars(builtins)) - {"__doc__", "__spec__", "__loader__", "__package__", "__name__"}
CACHES = frozenset({"__slotnames__", "__annotations__", "__annotations_cache__"})  # Python's own, when first asked for
LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_DATA, resource.RLIMIT_NOFILE, resource.RLIMIT_STACK)


class Guard:
    """A process as it should be: made when the process has loaded what cells need and is set as cells set it."""

    def __init__(self) -> None:
        self._settings = dict(_settings())
        self._loaded: set[str] = set()
        self._places: list[_Place] = [_Place(each.__name__, vars(each), strict=True) for each in OPEN]
        self._memory = Memory(())
        self._learn()

    def _learn(self) -> None:
        """Add the modules that were loaded since the last call, as they are now."""
        for name in sys.modules.keys() - self._loaded:
            self._loaded.add(name)
            if name in ALONE or name.startswith(WATCHED):
                names = vars(sys.modules[name])
                self._places.append(_Place(name, names))
                own = {value for value in names.values() if isinstance(value, type) and value.__module__ == name}
                self._places += [_Place(f"{name}.{each.__name__}", vars(each)) for each in own]

    def remember(self, modules: Iterable[ModuleType]) -> None:
        """Take down what modules of one's own hold, unless these were taken down before."""
        loaded = list(modules)
        if self._memory.modules != loaded:
            self._memory = Memory(loaded)

    def changes(self) -> list[str]:
        """Return the names of what is not as it was; what was loaded since the last call is compared from now on."""
        now = dict(_settings())
        changed = [name for name, value in self._settings.items() if now[name] != value]
        for place in self._places:
            changed += place.changes()
        changed += self._memory.changes()
        self._learn()
        return changed


# -- settings ----------------------------------------------------------------------------------------------------------


def _settings() -> Iterator[tuple[str, Any]]:
    """Yield the settings of torch, numpy and Python, each with a name for people."""
    yield "the default dtype", torch.get_default_dtype()
    yield "the default device", torch.get_default_device()
    yield "gradients", torch.is_grad_enabled()
    yield "inference mode", torch.is_inference_mode_enabled()
    yield (
        "autocast",
        [(kind, torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in ("cpu", "cuda")],
    )
    yield "anomaly detection", torch.is_anomaly_enabled()
    yield "torch's threads", (torch.get_num_threads(), torch.get_num_interop_threads())
    yield "denormal numbers", sys.float_info.min / 2 > 0
    yield "saved tensors' hooks", torch._C._autograd._top_saved_tensors_default_hooks(True)
    getters = vars(torch._C)
    for name in FLAGS:
        if name in getters:
            yield f"torch's {name.removeprefix('_get_')}", getters[name]()
    for pair in PRECISIONS:
        if "_get_fp32_precision_getter" in getters:
            yield f"torch's precision of {' '.join(pair)}", getters["_get_fp32_precision_getter"](*pair)
    for module in (hooks, optimizer):
        for name, value in vars(module).items():
            if name.startswith("_global_"):
                yield f"torch's {name}", list(value) if isinstance(value, dict) else value
    yield "numpy's errors", numpy.geterr()
    yield "threads", {thread.ident for thread in threading.enumerate() if not _of_wandb(thread)}
    yield "timers", [signal.getitimer(kind)[1] or signal.getitimer(kind)[0] > 0 for kind in (0, 1, 2)]
    yield "signal handlers", [signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGCHLD)]
    yield "tracing", (sys.gettrace(), sys.getprofile(), threading.gettrace(), threading.getprofile())
    yield "warnings filters", [each for each in warnings.filters if not _brought(each[2])]
    yield "environment variables", {k: v for k, v in os.environ.items() if not k.lower().startswith(OF_WANDB)}
    finders = [finder for finder in sys.meta_path if not _brought(type(finder))]
    yield "import paths", (list(sys.path), finders, list(sys.path_hooks))
    yield "the folder", os.getcwd()
    yield "limits", [resource.getrlimit(kind) for kind in LIMITS]
    yield "garbage collection", (gc.isenabled(), gc.get_threshold())
    yield "the recursion limit", sys.getrecursionlimit()


def _brought(kind: object) -> bool:
    return isinstance(kind, type) and kind.__module__.partition(".")[0] in BROUGHT


def _of_wandb(thread: threading.Thread) -> bool:
    target: Any = vars(thread).get("_target")
    return any(str(vars(type(each)).get("__module__")).startswith(OF_WANDB) for each in (thread, target)) or str(
        target and getattr(target, "__module__", "")
    ).startswith(OF_WANDB)


# -- code --------------------------------------------------------------------------------------------------------------


class _Place:
    """What a module or a class holds that can be called. strict: one more attribute is a change."""

    def __init__(self, name: str, names: Mapping[str, Any], *, strict: bool = False) -> None:
        self.name, self.names, self.strict = name, names, strict
        self.known = frozenset(names)
        self.held = [(key, value) for key, value in names.items() if callable(value) or isinstance(value, CALLED)]
        self.inside = [
            (key, value, value.__code__, value.__defaults__, value.__kwdefaults__)
            for key, value in self.held
            if isinstance(value, FunctionType)
        ]

    def changes(self) -> Iterator[str]:
        """Yield the names of what was replaced, removed, altered inside, or hidden by something new."""
        get = self.names.get
        for key, value in self.held:
            now = get(key)
            if now is not value and not _by_torch(now, value):
                yield f"{self.name}.{key}"
        for key, function, code, defaults, named in self.inside:
            if (
                function.__code__ is not code
                or function.__defaults__ is not defaults
                or function.__kwdefaults__ is not named
            ):
                yield f"{self.name}.{key}"
        if len(self.names) != len(self.known):
            new = self.names.keys() - self.known
            yield from (f"{self.name}.{key}" for key in new if (self.strict or key in BUILTINS) and key not in CACHES)


def _by_torch(now: Any, before: Any) -> bool:
    """Return whether torch itself wrapped an optimiser's step, as it does when the first of its class is made."""
    inside = vars(now) if isinstance(now, FunctionType) else {}
    return inside.get("hooked") is True and inside.get("__wrapped__") is before
