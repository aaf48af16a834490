"""A GPU that is not there: tensors that say they are on one, hold their numbers on the CPU, and mind what CUDA minds.

While it is on, `device="cuda"` works as on a GPU, but for speed: what mixes tensors of two devices is refused as CUDA
refuses it, and whatever would make the host wait for the GPU is noted with the line that asked for it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.accelerators import cuda as lightning_cuda
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

ROOT = Path(__file__).parents[2]
GPU, META, CPU = torch.device("cuda", 0), torch.device("meta"), torch.device("cpu")
aten = torch.ops.aten
# The value, or the shape, of what they return is known only once the GPU is done.
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "unique_dim", "_unique2", "bincount"}
INDEXING = {"index", "index_put_", "index_put"}
COPIES = {"_to_copy", "copy_"}


class OnGPU(torch.Tensor):
    """A tensor that is `held` on the CPU. To torch's own C++ it is on `meta`, for which every build has what it takes;
    to Python it is on the first GPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> OnGPU:
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.size(), held.stride(), held.storage_offset(), dtype=held.dtype, device=META
        )
        made.held = held
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return GPU

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["held"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], meta: None, size: Any, stride: Any) -> OnGPU:
        return OnGPU(inner["held"])

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        raise AssertionError("a tensor of the pretended GPU outlived it")


class _Devices(TorchFunctionMode):
    """Before C++ reads the arguments: it would look for CUDA itself."""

    def __init__(self, operations: _Operations) -> None:
        super().__init__()
        self.operations, self.waits = operations, operations.waits

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.device, torch._C._nn._parse_to):  # these only name one
            return func(*args, **kwargs)
        if func is torch.Tensor.new_tensor:
            func, args, kwargs = torch.tensor, args[1:], {"dtype": args[0].dtype, "device": args[0].device} | kwargs
        if func in (torch.tensor, torch.as_tensor) and _is_gpu(kwargs.get("device")):
            self.waits.append(_where("tensor from Python numbers"))
            kwargs.pop("device")
            return OnGPU(func(*args, **kwargs))
        if func is torch.Tensor.tolist and isinstance(args[0], OnGPU):
            self.waits.append(_where("tolist"))
            return args[0].held.tolist()
        leaves, before = _leaves([args, *kwargs.values()]), self.operations.concerned
        self.operations.concerned = any(isinstance(leaf, OnGPU) or _is_gpu(leaf) for leaf in leaves)
        try:
            return func(*map(_to_meta, args), **{key: _to_meta(value) for key, value in kwargs.items()})
        finally:
            self.operations.concerned = before


class _Operations(TorchDispatchMode):
    """Where each operation is carried out. concerned: whether what torch is doing has to do with the GPU; else, `meta`
    means `meta`, on which models count their parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self.concerned = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = func.overloadpacket.__name__
        tensors = [leaf for leaf in _leaves([args, *kwargs.values()]) if isinstance(leaf, Tensor)]
        here = [tensor for tensor in tensors if not isinstance(tensor, OnGPU)]
        there = len(tensors) > len(here)
        target = kwargs.get("device")
        if not there and not (target == META and self.concerned):
            return func(*args, **kwargs)
        if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
            with self:  # in inference mode, operations made of others come here whole
                return func.decompose(*args, **kwargs)
        if name not in COPIES | INDEXING:
            self._refuse_two_devices(func, here)
        self._note(name, args, kwargs, there)
        arrives = there if target is None else target == META
        if name == "copy_":
            arrives = isinstance(args[0], OnGPU)
        if target == META:
            kwargs["device"] = CPU
        result = func(*_each(_held, args), **{key: _each(_held, value) for key, value in kwargs.items()})
        if torch.Tag.inplace_view in func.tags:  # the shape of the tensor itself changes too
            with torch._C._DisableTorchDispatch():
                func(*args, **kwargs)
        if not arrives:
            return args[0] if name == "copy_" else result
        known = {id(tensor.held): tensor for tensor in tensors if isinstance(tensor, OnGPU)}  # written to in place
        inference = torch.is_inference_mode_enabled() and all(tensor.is_inference() for tensor in known.values())
        with torch.inference_mode(inference):  # a view of an ordinary tensor is one, wherever it is taken
            return _each(lambda each: known[id(each)] if id(each) in known else _sent(each), result)

    def _refuse_two_devices(self, func: Any, here: list[Tensor]) -> None:
        allowed = 0 if torch.Tag.pointwise in func.tags else -1  # a number of the CPU, in operations by element
        if any(tensor.dim() > allowed for tensor in here):
            raise RuntimeError(f"{func}: expected all tensors to be on the same device, but found cuda:0 and cpu")

    def _note(self, name: str, args: Any, kwargs: dict[str, Any], there: bool) -> None:
        copied = name == "_to_copy" and (kwargs.get("device") or META) != (META if there else CPU)
        copied |= name == "copy_" and isinstance(args[0], OnGPU) != isinstance(args[1], OnGPU)
        # To the GPU, a copy that may return early does; to the host, where somebody reads it, it may not.
        to_gpu = not there or (name == "copy_" and isinstance(args[0], OnGPU))
        early = to_gpu and bool(kwargs.get("non_blocking") or (name == "copy_" and len(args) > 2 and args[2]))
        masked = name in INDEXING and any(isinstance(i, OnGPU) and i.dtype == torch.bool for i in args[1])
        if name in WAITING or masked or (copied and not early):
            self.waits.append(_where(name))


def _is_gpu(device: Any) -> bool:
    return (isinstance(device, torch.device) and device.type == "cuda") or (
        isinstance(device, str) and device.partition(":")[0] == "cuda"
    )


def _leaves(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _leaves(value)
        else:
            yield value


def _each(change: Callable[[Any], Any], value: Any) -> Any:
    """With every leaf of lists and tuples changed."""
    if isinstance(value, list | tuple):
        return (list if isinstance(value, list) else tuple)(_each(change, part) for part in value)
    return change(value)


def _held(value: Any) -> Any:
    return value.held if isinstance(value, OnGPU) else value


def _sent(value: Any) -> Any:
    return OnGPU(value) if isinstance(value, Tensor) else value


def _to_meta(value: Any) -> Any:
    return META if _is_gpu(value) else value


def _where(name: str) -> str:
    """What, and the innermost line of this repository outside of this file that asked for it."""
    ours = [frame for frame in traceback.extract_stack() if Path(frame.filename).is_relative_to(ROOT)]
    asked = [frame for frame in ours if frame.filename != __file__ and "site-packages" not in frame.filename]
    if not asked:
        return name
    return f"{name} at {Path(asked[-1].filename).relative_to(ROOT)}:{asked[-1].lineno} in {asked[-1].name}"


@contextmanager
def gpu() -> Iterator[list[str]]:
    """The pretended GPU is on; yields what the host has waited for, as it grows."""
    operations = _Operations()
    swapping = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)  # a parameter that moves stays the same object
    try:
        with operations, _Devices(operations):
            yield operations.waits
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swapping)


def found(monkeypatch: pytest.MonkeyPatch, peak: int = 0) -> None:
    """torch.cuda and Lightning say that there is one GPU, whose memory peaked at `peak` bytes."""
    answers: dict[str, Callable[..., Any]] = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "set_device": lambda device: None,
        "get_device_name": lambda device=None: "Pretended GPU",
        "get_device_capability": lambda device=None: (7, 0),
        "synchronize": lambda: None,
        "reset_peak_memory_stats": lambda device=None: None,
        "max_memory_allocated": lambda device=None: peak,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    monkeypatch.setattr(torch.backends.cudnn, "is_acceptable", lambda tensor: False)  # a build with CUDA has it
    monkeypatch.setattr(lightning_cuda, "num_cuda_devices", lambda: 1)
    monkeypatch.setattr(lightning_cuda, "_clear_cuda_memory", lambda: None)
