"""Pictures of gradients that vanish and explode, and of what each step of an unrolled network adds to them."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, inf, log10

import torch
from torch import nn

from bench.lectures.shown import GREY, Shown, look, powers
from bench.probes import unrolled
from models.base import SequenceModel
from reports.figures.layout import Drawing
from reports.figures.slides import Axis, Cell, Line, Panel, Table, lines, tables

HEALTHY = (-6.0, 3.0)  # Hanna's band, as powers of ten
FEW = 8  # sequences that a picture is taken on
SHARE = "Norm of the derivative of the answer with respect to the state k steps earlier, as a share of that at k = 0."


def products(cells: Sequence[Shown], title: str) -> Drawing:
    """Draw the gradient of the state k steps earlier, at initialisation, and the band in which one can learn."""
    drawn = [_flow(cell, number) for number, cell in enumerate(cells)]
    return lines(title, [SHARE], [_panel(drawn, (*HEALTHY, "good to learn from: 1e-6 to 1e3"))])


def activations(cells: Sequence[Shown], title: str) -> Drawing:
    """Draw the gradient of the state k steps earlier, at initialisation, and (‖U‖/4)^k, which no sigmoid exceeds."""
    drawn = [_flow(cell, number) for number, cell in enumerate(cells)]
    _, model = cells[0].built()
    largest = float(torch.linalg.matrix_norm(recurrent(model), 2))
    bound = [(k, k * log10(largest / 4)) for k, _ in drawn[0].points]
    said = f"Dashed: the slope of a sigmoid is at most 1/4; ‖U‖ = {largest:.2f}, the largest singular value."
    return lines(title, [SHARE, said], [_panel([*drawn, Line("(‖U‖/4)^k", bound, GREY, (6, 5))], None)])


def recurrent(model: SequenceModel) -> nn.Parameter:
    """Return U of a network of one layer."""
    (found,) = (parameter for name, parameter in model.named_parameters() if "weight_hh" in name)
    return found


def _flow(cell: Shown, number: int) -> Line:
    flow = cell.result.gradient_flow[0]
    values = flow.profiles["hidden"].log10_median
    known = [(k, value) for k, value in zip(flow.distances, values, strict=True) if value is not None]
    colour, dash, _ = look(cell, number)
    return Line(cell.label, [(k, value - known[0][1]) for k, value in known], colour, dash)


def _panel(drawn: Sequence[Line], band: tuple[float, float, str] | None) -> Panel:
    values = [value for line in drawn for _, value in line.points]
    x = Axis("steps back, k", 0, max(line.points[-1][0] for line in drawn))
    y = Axis("gradient of the state, 1 at k = 0", floor(min(values)), ceil(max(values) + 0.2), power=True)
    return Panel("", drawn, x, y, band)


def influence(cells: Sequence[Shown], title: str) -> Drawing:
    """Shade the unrolled network of each model by ‖∂h_t/∂x_1‖, as a share of the largest."""
    rows = []
    for cell in cells:
        task, model = cell.built()
        norms = unrolled.influence(model, task.probe_batch(FEW))
        shares = (norms / norms.max()).tolist()
        rows.append((cell.label, [Cell(_percent(share), share) for share in shares]))
    heads = [str(t) for t in range(1, len(rows[0][1]) + 1)]
    said = "Norm of the derivative of h_t with respect to the first input, in % of its largest over the steps."
    return tables(title, [said], [Table("influence of the first input on h_t, %", heads, rows, "step t")])


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.005 else "<1"


def copies(cells: Sequence[Shown], title: str) -> Drawing:
    """Draw ‖∂ℓ/∂U^(t)‖ of each unrolled copy as a bar, a panel per model, and the norm of their sum."""
    panels = []
    for cell in cells:
        task, model = cell.built()
        each = unrolled.copies(model, task.probe_batch(FEW), recurrent(model))
        bars = [(t, value) for t, value in enumerate(powers(each.norm(dim=1).tolist()), start=1) if value > -inf]
        (total,) = powers([float(each.sum(0).norm())])
        x = Axis("copy t of U, at step t", 0.4, len(each) + 0.6, ticks=[1, *range(5, len(each) + 1, 5)])
        low, high = floor(min(value for _, value in bars)), ceil(total + 0.7)
        line = Line("", bars, look(cell, 0).colour)
        rule = total, "norm of their sum: the gradient of U"
        panels.append(Panel("", [line], x, Axis("‖∂ℓ/∂U^(t)‖", low, high, power=True), bars=True, rule=rule))
    said = "Bars: gradient of the loss with respect to U^(t), as if step t had its own U. No bar: it is 0, as h_0 is."
    return lines(title, [said], panels)
