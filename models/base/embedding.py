"""Inputs as vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tasks.base import Features, Inputs, Mixed, Tokens


class Embedding(nn.Module):
    """Inputs as vectors: real features pass as they are; each column of token ids has a learned table.

    (batch, time, features), (batch, time, columns), or the one behind the other (`Mixed`) -> (batch, time, width)
    """

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        features = inputs.features if isinstance(inputs, Mixed) else inputs
        tokens = inputs.tokens if isinstance(inputs, Mixed) else inputs
        columns = tokens.columns if isinstance(tokens, Tokens) else ()
        self.real = features.size if isinstance(features, Features) else 0
        self.tables = nn.ModuleList(nn.Embedding(column.size, column.width) for column in columns)
        self.width = self.real + sum(column.width for column in columns)

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.tables:
            return inputs
        if self.real:
            ids = inputs[..., self.real :].long()
            return torch.cat([inputs[..., : self.real], self._embedded(ids)], dim=-1)
        return self._embedded(inputs)

    def _embedded(self, ids: Tensor) -> Tensor:
        """ids (…, columns) -> (…, width of the tables)."""
        if len(self.tables) == 1:
            return self.tables[0](ids[..., 0])
        return torch.cat([table(ids[..., i]) for i, table in enumerate(self.tables)], dim=-1)

    def padding(self, device: torch.device) -> Tensor:
        """Return the vector (width,) of a padded position: every number and every id 0."""
        kind = torch.get_default_dtype() if self.real else torch.long
        return self(torch.zeros(1, self.real + len(self.tables), dtype=kind, device=device))[0]
