"""The history of a cell's training: its curves so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.mirror.tracking import Observer
from bench.probes.as_record import rounded
from bench.records.result import Curves

ROWS = 40  # of norms by parameter that a record holds, roughly: it stays small


@dataclass
class History:
    """The curves of one cell, in plain containers: a checkpoint holds them as they are.

    steps: taken so far. tokens: positions trained on. validation: (step, score). validation_n: units scored at each.
    losses, norms: one value per step, the gradient norm before clipping. clipped: steps at which clipping acted.
    parameter_norms: by step, the gradient norm of each parameter.
    """

    steps: int = 0
    tokens: int = 0
    validation: list[tuple[int, float]] = field(default_factory=list)
    validation_n: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    clipped: int = 0
    parameter_norms: dict[int, list[float]] = field(default_factory=dict)

    @property
    def validated(self) -> int | None:
        """The step of the last validation; None before the first."""
        return self.validation[-1][0] if self.validation else None

    def curves(self, parameter_names: list[str]) -> Curves:
        """Return the curves as the record holds them."""
        every = -(-len(self.parameter_norms) // ROWS) or 1
        kept = dict(list(self.parameter_norms.items())[::every]) if parameter_names else {}
        columns = zip(parameter_names, zip(*kept.values(), strict=True), strict=False)
        return Curves(
            validation=tuple((step, rounded(score)) for step, score in self.validation),
            validation_n=tuple(self.validation_n) if len(set(self.validation_n)) > 1 else (),
            train_loss=tuple(map(rounded, self.losses)),
            gradient_norm=tuple(map(rounded, self.norms)),
            clipped=self.clipped,
            parameter_steps=tuple(kept),
            parameter_norms={name: tuple(map(rounded, column)) for name, column in columns},
        )

    def tell(self, observer: Observer, parameter_names: list[str], first: int = 0) -> None:
        """Tell an observer what training did from step `first` on."""
        rows = {
            step: dict(zip(parameter_names, map(rounded, norms), strict=True))
            for step, norms in self.parameter_norms.items()
            if step >= first
        }
        observer.trained(first, [*map(rounded, self.losses[first:])], [*map(rounded, self.norms[first:])], rows)
