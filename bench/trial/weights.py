"""A model's final weights as bytes, and back. Numbers that several names share (tied weights) are stored once."""

from __future__ import annotations

from collections.abc import Mapping

import safetensors.torch
import torch
from torch import Tensor, nn


def packed(model: nn.Module) -> bytes:
    """Return the numbers of a model's `state_dict` as safetensors."""
    numbers = model.state_dict()
    for name in tied(numbers):
        del numbers[name]
    # Tensors that overlap in part have memory of their own in the file.
    owners = [value.untyped_storage().data_ptr() for value in numbers.values()]
    return safetensors.torch.save({
        name: value.clone(memory_format=torch.contiguous_format) if owners.count(owner) > 1 else value.contiguous()
        for (name, value), owner in zip(numbers.items(), owners, strict=True)
    })  # fmt: skip


def restore(model: nn.Module, weights: bytes, leaving: str) -> None:
    """Give a model the numbers that `packed` made. leaving: names with this beginning are passed over.

    Raises:
        SafetensorError, RuntimeError: these are no weights, or not of this model.
    """
    numbers = {name: value for name, value in safetensors.torch.load(weights).items() if not name.startswith(leaving)}
    for name, first in tied(model.state_dict()).items():
        if name not in numbers and first in numbers:
            numbers[name] = numbers[first]
    model.load_state_dict(numbers)


def tied(numbers: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the names whose numbers are those of an earlier name, each with the earlier name."""
    first: dict[tuple[object, ...], str] = {}
    later: dict[str, str] = {}
    for name, value in numbers.items():
        if value.numel() == 0:
            continue
        place = (value.device, value.data_ptr(), value.dtype, value.shape, value.stride())
        if place in first:
            later[name] = first[place]
        else:
            first[place] = name
    return later
