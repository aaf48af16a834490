"""What one batched product for several seeds of a gru would save: `python -m tests.performance.stacked [--quick]`.

The forward loop of `models.parts.kernels.gated` over T steps, of S seeds one after another, and of all of them in one
loop whose products are batched over seeds; one thread, alternating. Printed: seconds of the S loops over those of the
one, so that 2 is twice as quick. No cell runs so: a seed's numbers would depend on which others run beside it, because
a batched product rounds in another order.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import median

from tests.performance.report import as_a_worker, clock, heading

SCRIPT = "tests.performance.stacked"
SEEDS, HIDDEN, REPEATS = (2, 4, 8), 71, 9
CELLS = ((10, 32), (100, 32), (1000, 8))  # length, sequences per step, as in the default sweep


def main(words: Sequence[str] | None = None) -> None:
    """Print one line per length and number of seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one length, two seeds: only tries the script out")
    quick = parser.parse_args(words).quick
    print(heading(SCRIPT), flush=True)
    for length, batch in CELLS[:1] if quick else CELLS:
        for seeds in SEEDS[:1] if quick else SEEDS:
            ratios = [one / two for one, two in (measured(length, batch, seeds) for _ in range(REPEATS))]
            print(
                f"gru {length}, {seeds} seeds: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                flush=True,
            )


def measured(length: int, batch: int, seeds: int) -> tuple[float, float]:
    """Return the seconds of the loops one after another, and those of the stacked one."""
    import torch

    generator = torch.Generator().manual_seed(0)
    drive = torch.randn(length, seeds, batch, 3 * HIDDEN, generator=generator)
    across = torch.randn(seeds, HIDDEN, 3 * HIDDEN, generator=generator) / HIDDEN**0.5
    with torch.no_grad():
        began = clock()
        alone = [steps(drive[:, seed].clone(), across[seed]) for seed in range(seeds)]
        between = clock()
        together = steps(drive.clone(), across)
        ended = clock()
    torch.testing.assert_close(torch.stack(alone, dim=1), together, rtol=1e-3, atol=1e-3)
    return between - began, ended - between


def steps(gates, across):  # type: ignore[no-untyped-def]
    """Run all steps: gates (time, …, batch, 3 · hidden) hold what the inputs give, and become r, z and q."""
    import torch

    n = across.shape[-2]
    drive = gates[..., 2 * n :].clone()
    gates[..., 2 * n :] = 0
    candidate, h = torch.empty_like(drive), torch.empty_like(drive)
    before = h.new_zeros(h.shape[1:])
    add = torch.Tensor.addmm_ if across.dim() == 2 else torch.Tensor.baddbmm_
    views = (gates, gates[..., : 2 * n], *gates.chunk(3, dim=-1), drive, candidate, h)
    for all_t, rz_t, r_t, z_t, q_t, drive_t, candidate_t, h_t in zip(*(v.unbind(0) for v in views), strict=True):
        add(all_t, before, across)
        rz_t.sigmoid_()
        torch.addcmul(drive_t, r_t, q_t, out=candidate_t).tanh_()
        torch.lerp(candidate_t, before, z_t, out=h_t)
        before = h_t
    return h


if __name__ == "__main__":
    as_a_worker(SCRIPT)
    main()
