"""The blocks of `models.parts.blocks` in plain torch, around the equations of one memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Written = Callable[[Any, Tensor], Tensor]  # memory, y (batch, time, d) -> what it adds to the stream (batch, time, d)


def normed(norm: Any, u: Tensor) -> Tensor:
    centred = u - u.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias


def affine(linear: Any, x: Tensor) -> Tensor:
    return x @ linear.weight.T + linear.bias


def features(model: Any, x: Tensor, memory: Written) -> Tensor:
    """Features of x (batch, time, width) at every step, sequence by sequence: (batch · time, d)."""
    u = affine(model.body.entry, x)
    for block in model.body.blocks:
        v = u + memory(block.memory, normed(block.norm_memory, u))
        risen = affine(block.rise, normed(block.norm_feed_forward, v)).clamp(min=0)
        u = v + affine(block.fall, risen)
    return normed(model.body.norm, u).flatten(0, 1)


def decay_of_gradients(memory: Any, y: Tensor) -> Tensor:
    """‖∂ Σ h_T / ∂h_t‖ of one sequence y (1, time, d), for distances 0 … time − 1."""
    states = [h for h, *_ in memory.unroll(y)]
    gradients = torch.autograd.grad(states[-1].sum(), states)
    return torch.stack([g.norm() for g in gradients[::-1]])
