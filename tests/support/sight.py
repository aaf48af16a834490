"""Models that read what they may not (`CHEATS`), and models that look as if they did and do not (`INNOCENT`).

Each is one function from embedded inputs (batch, time, width) to states (batch, time, features), of a module that holds
what it needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.base import SequenceModel
from tasks.base import Batch, Reads, Spec

H = 6


class Sight(SequenceModel):
    """A model of one layer and one function of its outputs."""

    version = 1
    decorate: Callable[[int], nn.Module] = staticmethod(lambda hidden: nn.Identity())

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **({"hidden": H} | common))
        self.assemble(
            lambda hidden: nn.ModuleList([nn.Linear(self.width, hidden), type(self).decorate(hidden)]), lambda body: H
        )
        self.calls = 0
        self.numbers = torch.Generator().manual_seed(0)
        self.cache: dict[str, Tensor] = {}
        self.register_buffer("running", torch.zeros(H))

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick(self.see(torch.tanh(self.body[0](x)), self.body[1]), reads)  # type: ignore[index]

    def see(self, h: Tensor, layer: Any) -> Tensor:
        raise NotImplementedError


def sight(see: Callable[[Any, Tensor, Any], Tensor], decorate: Any = None) -> type[SequenceModel]:
    """The model that sees by this function of itself, its states and its layer."""
    fields: dict[str, Any] = {"see": see} | ({} if decorate is None else {"decorate": staticmethod(decorate)})
    return type("Seen", (Sight,), fields)


def mask(h: Tensor) -> Tensor:
    steps = torch.arange(h.size(1))
    return steps[None, :] <= steps[:, None]


def attend(h: Tensor, masked: bool, fill: float = -torch.inf) -> Tensor:
    scores = h @ h.transpose(1, 2)
    return (scores.masked_fill(~mask(h), fill) if masked else scores).softmax(-1) @ h


def counted(total: Tensor) -> Tensor:
    return total / torch.arange(1, total.size(1) + 1)[:, None]


def by_value(self: Any, h: Tensor, layer: Any) -> Tensor:
    return h[h[:, 0, 0].argsort()]


def by_length(self: Any, h: Tensor, layer: Any) -> Tensor:
    return h[(h[..., 0] > h[:, :1, 0]).sum(1).argsort(descending=True)]


def remembers(self: Any, h: Tensor, layer: Any) -> Tensor:
    before = self.cache.get("last", torch.zeros(H, dtype=h.dtype))
    self.cache["last"] = h.mean((0, 1)).detach()
    return h + before


def future_after_training(self: Any, h: Tensor, layer: Any) -> Tensor:
    return h if not self.training else h + h.flip(1)


def batch_beside_a_counter(self: Any, h: Tensor, layer: Any) -> Tensor:
    """Statistics of the batch in training, nothing in their place after; a buffer moves, which no answer reads."""
    if self.training:
        self.running.add_(1)
        return (h - h.mean((0, 1))) / (h.std((0, 1)) + 0.1)
    return h


def future_beside_a_counter(self: Any, h: Tensor, layer: Any) -> Tensor:
    self.running.add_(1)
    return future_after_training(self, h, layer)


def fading(self: Any, h: Tensor, layer: Any) -> Tensor:
    return h + 1e-6 * h.roll(-1, 1)


class FutureInTheEmbedding(Sight):
    """Its equations are causal; what they are given is not."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, **common)
        self.embedding.register_forward_hook(lambda module, given, x: x + x.roll(-1, 1))

    def see(self, h: Tensor, layer: Any) -> Tensor:
        return h


class Told(Sight):
    """Reads the answers in the batch."""

    def see(self, h: Tensor, layer: Any) -> Tensor:
        return h

    def decode(self, features: Tensor, batch: Batch) -> Tensor:
        return self.head(features) + batch.targets.reshape(len(features), -1)[:, :1]


CHEATS: dict[str, type[SequenceModel]] = {
    "bidirectional": sight(
        lambda self, h, layer: layer(h)[0], lambda hidden: nn.GRU(H, H // 2, batch_first=True, bidirectional=True)
    ),
    "centred convolution": sight(
        lambda self, h, layer: layer(h.transpose(1, 2)).transpose(1, 2), lambda hidden: nn.Conv1d(H, H, 3, padding=1)
    ),
    "statistics over time": sight(lambda self, h, layer: (h - h.mean(1, keepdim=True)) / (h.std(1, keepdim=True) + 1)),
    "statistics over the batch": sight(lambda self, h, layer: h - h.mean(0, keepdim=True)),
    "batch normalisation without running statistics": sight(
        lambda self, h, layer: layer(h.transpose(1, 2)).transpose(1, 2),
        lambda hidden: nn.BatchNorm1d(H, track_running_stats=False),
    ),
    "instance normalisation": sight(
        lambda self, h, layer: layer(h.transpose(1, 2)).transpose(1, 2), lambda hidden: nn.InstanceNorm1d(H)
    ),
    "attention without a mask": sight(lambda self, h, layer: attend(h, masked=False)),
    "attention with a soft mask": sight(lambda self, h, layer: attend(h, masked=True, fill=-6.0)),
    "attention off by one": sight(
        lambda self, h, layer: ((h @ h.transpose(1, 2)).masked_fill(~mask(h).roll(-1, 0), -1e9)).softmax(-1) @ h
    ),
    "sorted by value": sight(by_value),
    "sorted by length": sight(by_length),
    "largest over time": sight(lambda self, h, layer: h + h.amax(1, keepdim=True)),
    "flip": sight(lambda self, h, layer: h + h.flip(1)),
    "sum from the right": sight(lambda self, h, layer: h.flip(1).cumsum(1).flip(1)),
    "roll over the batch": sight(lambda self, h, layer: h + h.roll(1, 0)),
    "sum over the batch": sight(lambda self, h, layer: h.cumsum(0)),
    "reshaped wrongly": sight(lambda self, h, layer: h.reshape(h.size(1), h.size(0), H).transpose(0, 1)),
    "a spectrum": sight(lambda self, h, layer: torch.fft.rfft(h, dim=1).abs().mean(1, keepdim=True) + h),
    "a state from batch to batch": sight(remembers),
    "the future in training only": sight(future_after_training),
    "the future in training only, beside a counter": sight(future_beside_a_counter),
    "statistics over the batch in training only": sight(
        lambda self, h, layer: h - h.mean(0, keepdim=True) if self.training else h
    ),
    "statistics over the batch in training only, beside a counter": sight(batch_beside_a_counter),
    "a millionth of the next step": sight(fading),
    "the future in the embedding": FutureInTheEmbedding,
    "the targets": Told,
}


def scan(self: Any, h: Tensor, layer: Any) -> Tensor:
    """A leaky sum in chunks of four, the last state carried."""
    state, parts = torch.zeros(h.size(0), 1, H), []
    for chunk in h.split(4, 1):
        powers = 0.9 ** torch.arange(chunk.size(1) + 1)
        decay = torch.tril(powers[(torch.arange(chunk.size(1))[:, None] - torch.arange(chunk.size(1))).clamp(min=0)])
        out = decay.to(h.dtype) @ chunk + powers[1:, None].to(h.dtype) * state
        state = out[:, -1:]
        parts.append(out)
    return torch.cat(parts, 1)


def spectral(self: Any, h: Tensor, layer: Any) -> Tensor:
    """A causal convolution by Fourier transforms, in single precision."""
    n, kernel = h.size(1), 0.8 ** torch.arange(h.size(1), dtype=torch.float32)
    product = torch.fft.rfft(h.float(), 2 * n, dim=1) * torch.fft.rfft(kernel, 2 * n)[:, None]
    return torch.fft.irfft(product, 2 * n, dim=1)[:, :n].to(h.dtype)


def running(self: Any, h: Tensor, layer: Any) -> Tensor:
    """Hand-written statistics of the batch, as they run where it is scored."""
    if self.training:
        with torch.no_grad():
            self.running.lerp_(h.mean((0, 1)).to(self.running.dtype), 0.1)
        return h - h.mean((0, 1))
    return h - self.running


def closed(hidden: int) -> nn.Module:
    """Batch normalisation whose scale begins at 0, as at the end of a residual branch."""
    layer = nn.BatchNorm1d(H)
    nn.init.zeros_(layer.weight)
    return layer


def clocked(self: Any, h: Tensor, layer: Any) -> Tensor:
    return h * torch.sin(torch.arange(h.size(1), dtype=h.dtype) / 3)[:, None]


def cached(self: Any, h: Tensor, layer: Any) -> Tensor:
    """A cache that each pass empties before it begins."""
    self.cache.clear()
    outputs = []
    for step in h.unbind(1):
        self.cache["state"] = torch.tanh(step + self.cache.get("state", torch.zeros_like(step)))
        outputs.append(self.cache["state"])
    return torch.stack(outputs, 1)


def noisy_weights(self: Any, h: Tensor, layer: Any) -> Tensor:
    weight = layer.weight + 0.1 * torch.randn_like(layer.weight) if self.training else layer.weight
    return h @ weight.T


def counts_its_passes(self: Any, h: Tensor, layer: Any) -> Tensor:
    self.calls += 1
    return h * self.calls


def draws_by_itself(self: Any, h: Tensor, layer: Any) -> Tensor:
    return h @ torch.randn(H, H, generator=self.numbers).to(h.dtype) + float(np.random.rand())


def drawn_anew(self: Any, h: Tensor, layer: Any) -> Tensor:
    return torch.cos(h @ torch.randn(H, H, dtype=h.dtype))


INNOCENT: dict[str, type[SequenceModel]] = {
    "dropout": sight(lambda self, h, layer: layer(h), lambda hidden: nn.Dropout(0.5)),
    "dropout that never rests": sight(lambda self, h, layer: nn.functional.dropout(h, 0.5, True)),
    "dropout of one's own": sight(lambda self, h, layer: nn.functional.dropout(h, 0.3, self.training)),
    "causal convolution": sight(
        lambda self, h, layer: layer(nn.functional.pad(h.transpose(1, 2), (2, 0))).transpose(1, 2),
        lambda hidden: nn.Conv1d(H, H, 3),
    ),
    "a padded convolution that is cut": sight(
        lambda self, h, layer: layer(h.transpose(1, 2))[..., : h.size(1)].transpose(1, 2),
        lambda hidden: nn.Conv1d(H, H, 3, padding=2),
    ),
    "a scan in chunks": sight(scan),
    "a convolution by transforms": sight(spectral),
    "random features that stay": sight(
        lambda self, h, layer: torch.cos(layer(h)), lambda hidden: nn.Linear(H, H).requires_grad_(False)
    ),
    "random features drawn anew": sight(drawn_anew),
    "random numbers of its own": sight(draws_by_itself),
    "layer normalisation": sight(lambda self, h, layer: layer(h), lambda hidden: nn.LayerNorm(H)),
    "batch normalisation": sight(
        lambda self, h, layer: layer(h.transpose(1, 2)).transpose(1, 2), lambda hidden: nn.BatchNorm1d(H)
    ),
    "batch normalisation that is still closed": sight(
        lambda self, h, layer: h + layer(h.transpose(1, 2)).transpose(1, 2), closed
    ),
    "running statistics by hand": sight(running),
    "statistics of one's own beside a counter": sight(
        lambda self, h, layer: layer(h.transpose(1, 2)).transpose(1, 2) + 0 * self.running.add_(1).sum(),
        lambda hidden: nn.BatchNorm1d(H),
    ),
    "causal largest": sight(lambda self, h, layer: h.cummax(1).values),
    "causal pooling": sight(
        lambda self, h, layer: nn.functional.max_pool1d(nn.functional.pad(h.transpose(1, 2), (2, 0)), 3, 1)
        .transpose(1, 2)
    ),
    "a clock": sight(clocked),
    "a cache for each pass": sight(cached),
    "weight noise in training": sight(noisy_weights, lambda hidden: nn.Linear(H, H)),
    "a count of passes": sight(counts_its_passes),
    "masked attention": sight(lambda self, h, layer: attend(h, masked=True)),
    "attention masked by a large number": sight(lambda self, h, layer: attend(h, masked=True, fill=-1e9)),
    "single precision inside": sight(lambda self, h, layer: attend(h.float(), masked=True).to(h.dtype)),
    "a mean so far": sight(lambda self, h, layer: counted(h.cumsum(1))),
    "what is left of the whole": sight(
        lambda self, h, layer: h.sum(1, keepdim=True) - h.flip(1).cumsum(1).flip(1)
    ),
    "packed by length": sight(
        lambda self, h, layer: nn.utils.rnn.pad_packed_sequence(
            layer(nn.utils.rnn.pack_padded_sequence(
                h, torch.full((len(h),), h.size(1)), batch_first=True, enforce_sorted=False))[0], batch_first=True)[0],
        lambda hidden: nn.GRU(H, H, batch_first=True),
    ),
    "not in double precision": sight(lambda self, h, layer: h @ torch.ones(H, H, dtype=torch.float32)),
}  # fmt: skip
