"""Inputs as vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tasks.base import Features, Tokens


class Embedding(nn.Module):
    """Inputs as vectors: real features pass as they are; each column of token ids has a learned table.

    (batch, time, features) or (batch, time, columns) -> (batch, time, width)
    """

    def __init__(self, inputs: Features | Tokens) -> None:
        super().__init__()
        columns = inputs.columns if isinstance(inputs, Tokens) else ()
        self.tables = nn.ModuleList(nn.Embedding(column.size, column.width) for column in columns)
        self.width = inputs.size if isinstance(inputs, Features) else sum(column.width for column in columns)

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.tables:
            return inputs
        if len(self.tables) == 1:
            return self.tables[0](inputs[..., 0])
        return torch.cat([table(inputs[..., i]) for i, table in enumerate(self.tables)], dim=-1)


def present(inputs: Tensor) -> Tensor:
    """Which positions hold a token: inputs (batch, time, columns) ids -> (batch, time); all-zero ids are padding."""
    return (inputs != 0).any(-1)
