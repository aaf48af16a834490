"""The gradient probe against answers known beforehand, finite differences and brute force."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from bench.probes import credit, probing
from bench.probes import flow as gradients
from bench.probes.credit import overlap
from bench.probes.distances import by_distance, credited_distances, spread
from bench.probes.flow import half_life, measure, theil_sen, verdict
from models.attention import Attention
from models.base import SequenceModel
from models.gru import GRU
from models.lstm import LSTM, MemoryCell
from models.oracle import Oracle
from models.rnn import RNN
from models.transformer import Transformer
from models.window import Window
from tasks.adding import Adding
from tasks.base import Batch, Features, Objective, Reads, Spec, Task, generator
from tasks.copying import Copying
from tasks.ner import NER
from tasks.running_average import RunningAverage
from tests.support.batches import a_batch

MODELS: dict[str, Callable[[Spec], SequenceModel]] = {
    "rnn": lambda spec: RNN(spec, hidden=3),
    "rnn relu, 2 layers": lambda spec: RNN(spec, hidden=8, activation="relu", layers=2),
    "gru after": lambda spec: GRU(spec, hidden=3),
    "gru before": lambda spec: GRU(spec, hidden=3, reset="before"),
    "lstm": lambda spec: LSTM(spec, hidden=3),
    "lstm, 2 layers": lambda spec: LSTM(spec, hidden=3, layers=2),
    "attention": lambda spec: Attention(spec, hidden=3),
    "transformer": lambda spec: Transformer(spec, hidden=4, heads=2),
}
QUANTITIES = {
    "rnn": {"hidden"},
    "rnn relu, 2 layers": {"hidden.0", "hidden.1"},
    "gru after": {"hidden"},
    "gru before": {"hidden"},
    "lstm": {"hidden", "cell"},
    "lstm, 2 layers": {"hidden.0", "cell.0", "hidden.1", "cell.1"},
    "attention": {"hidden", "cell", "context"},
    "transformer": {"residual.0", "residual.1"},
}


def seeded(make: Callable[[Spec], SequenceModel], spec: Spec) -> SequenceModel:
    """A model whose biases are moved off zero, so that none of them is tested at 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make(spec)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bias" in name:
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator(0, name))
    return model


def norms(model: SequenceModel, task: Task, sequences: int = 8) -> dict[str, list[float | None]]:
    """log10 of the median norm at every distance (a short task keeps them all)."""
    flow = measure(model, task, task.probe_batch(sequences))
    return {name: profile.log10_median for name, profile in flow.profiles.items()}


# -- known answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [0.8, 1.0, 1.5])
def test_the_scaled_orthogonal_recurrence_has_slope_log_rho(rho: float) -> None:
    """h_t = ρ Q h_{t−1} + …: g(k) = ρ^k g(0), over 1,000 steps."""
    task = RunningAverage(1001)
    linear = seeded(lambda spec: RNN(spec, hidden=8, activation="identity", recurrent_scale=rho), task.spec)
    flow = measure(linear, task, task.probe_batch(2))
    hidden = flow.profiles["hidden"]
    assert flow.distances[-1] == 1000
    assert hidden.rate == pytest.approx(math.log10(rho), abs=1e-6)
    assert hidden.verdict == {0.8: "vanishing", 1.0: "healthy", 1.5: "exploding"}[rho]
    assert hidden.zeros == hidden.nonfinite == 0


def test_norms_whose_squares_leave_the_range_of_float64() -> None:
    rows = [[3e200, 4e200], [3e-200, 4e-200], [0.0, 0.0], [math.inf, 1.0], [math.nan, 1.0]]
    values = torch.tensor(rows, dtype=torch.float64)
    assert values[0].square().isinf().all()
    assert not values[1].square().any()
    found = probing.norms_of([values[None]])[0].tolist()
    assert found[:3] == pytest.approx([5e200, 5e-200, 0], rel=1e-12, abs=0)
    assert math.isinf(found[3])
    assert math.isnan(found[4])
    assert probing.norms_of([values[:2], values[1:3]]).tolist() == [found[:2], found[1:3]]


@pytest.mark.parametrize(("rho", "power"), [(0.8, 2.037035976e-10), (1.5, 4.065611775e17)])
def test_the_hundredth_power_to_six_digits(rho: float, power: float) -> None:
    task = RunningAverage(101)
    model = seeded(lambda spec: RNN(spec, hidden=8, activation="identity"), task.spec).double()
    noise = torch.randn(8, 8, dtype=torch.float64, generator=generator(0, "orthogonal"))
    model.body.cells[0][0].kernel.weight_hh_l0.data = rho * torch.linalg.qr(noise).Q
    found = norms(model, task)["hidden"]
    assert found[100] is not None
    assert found[0] is not None
    assert 10 ** (found[100] - found[0]) == pytest.approx(power, rel=5e-7)


def test_an_lstm_that_only_remembers_keeps_its_cell_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights 0, forget and output gates open, input gate shut, c_0 ≠ 0: c_t = c_0, ∂s/∂c = w (1 − tanh² c_0)."""
    start = 0.7
    task = RunningAverage(300)
    model = LSTM(task.spec, hidden=5)
    (cell,) = model.body.cells[0]
    assert isinstance(cell, MemoryCell)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        for block, bias in enumerate((-50.0, 50.0, 0.0, 50.0)):  # i, f, c̃, o
            cell.kernel.bias_ih_l0[5 * block : 5 * block + 5] = bias
    monkeypatch.setattr(
        MemoryCell, "zero_state", lambda self, x: (x.new_zeros(len(x), 5), x.new_full((len(x), 5), start))
    )
    found = norms(model, task)
    expected = math.log10(float(model.head.weight.detach().norm()) * (1 - math.tanh(start) ** 2))
    cells = [value for value in found["cell"] if value is not None]
    assert len(cells) == len(found["cell"]) > 100
    assert cells == pytest.approx([expected] * len(cells), abs=1e-6)
    # The hidden state is read at the last step and reaches no later one.
    assert found["hidden"][0] is not None
    assert found["hidden"][1:] == [None] * (len(found["hidden"]) - 1)


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_sigmoid_network_obeys_its_bound(scale: float) -> None:
    """‖∂h_t/∂h_{t−k}‖ ≤ (‖U‖/4)^k, for a sigmoid's slope is at most ¼."""
    task = Adding(60)
    model = seeded(lambda spec: RNN(spec, hidden=6, activation="sigmoid", recurrent_scale=scale), task.spec)
    found = norms(model, task)["hidden"]
    assert found[0] == pytest.approx(math.log10(float(model.head.weight.detach().norm())), abs=1e-6)
    for distance, value in enumerate(found):
        assert value is not None
        assert value <= found[0] + distance * math.log10(scale / 4) + 1e-5
    assert found[20] is not None
    assert found[20] > found[0] + 20 * math.log10(scale / 40), "a bound this far off tests nothing"


def test_the_loss_weight_is_the_error_or_the_missing_probability() -> None:
    adding, copying = Adding(10), Copying(5)
    for task, expected in (
        (adding, lambda outputs, targets: 2 * (outputs.squeeze(1) - targets).abs()),
        (copying, lambda outputs, targets: 1 - outputs.softmax(1).gather(1, targets[:, None]).squeeze(1)),
    ):
        model = seeded(MODELS["gru after"], task.spec)
        batch = task.probe_batch(8)
        asked = batch.answered(task.answer_steps(batch))
        outputs = model(asked).detach()
        assert measure(model, task, batch).loss_weight == pytest.approx(
            float(expected(outputs, asked.targets).mean()), rel=1e-4
        )


# -- controls ----------------------------------------------------------------------------------------------------------

TASKS: dict[str, Task] = {
    "adding": Adding(30),
    "adding anywhere": Adding(30, marks="anywhere"),
    "adding early": Adding(30, marks="early"),
    "running_average": RunningAverage(30),
    "copying": Copying(20),
    "copying, loss=all": Copying(20, loss="all"),
    "ner": NER(30, corpus="generated"),
}


@pytest.mark.parametrize("name", TASKS)
def test_an_oracles_credit_alignment_is_one(name: str) -> None:
    task = TASKS[name]
    flow = measure(Oracle(task.spec), task, task.probe_batch(8))
    assert flow.credit_alignment == pytest.approx(1, abs=1e-12)
    assert flow.loss_weight == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("model", ["gru after", "attention", "transformer"])
@pytest.mark.parametrize("task", [TASKS["copying, loss=all"], TASKS["ner"]], ids=["copying", "ner"])
def test_replaced_tokens_are_measured_alike_one_by_one_and_together(
    model: str, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    built, batch = MODELS[model](task.spec), task.probe_batch(8)
    found = []
    for together in (1, 3 * batch.reads.mask.numel(), credit.TOGETHER):
        monkeypatch.setattr(credit, "TOGETHER", together)
        found.append(measure(built, task, batch).credit_alignment)
    assert found[0] is not None
    assert 0 < found[0] < 1
    assert found == pytest.approx([found[0]] * 3, rel=1e-9)


@pytest.mark.parametrize("window", [1, 7, 29, 30])
def test_a_windows_alignment_is_one_minus_its_error_at_the_last_step(window: int) -> None:
    """running_average: the squared weights out of sight over all of them, (q^K − q^T)/(1 − q^T) with q = α²."""
    task = RunningAverage(30)
    q = task.alpha**2
    error = (q**window - q**30) / (1 - q**30)
    flow = measure(Window(task.spec, k=window), task, task.probe_batch(8))
    assert flow.credit_alignment == pytest.approx(1 - error, abs=1e-12)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("window", [4, 12])
def test_a_windows_gradient_is_zero_beyond_it(name: str, window: int) -> None:
    task = TASKS[name]
    batch = task.probe_batch(8)
    flow = measure(Window(task.spec, k=window), task, batch)
    mean = flow.profiles["input"].log10_mean
    assert flow.distances == list(range(len(mean)))
    assert mean[window:] == [None] * (len(mean) - window)
    if name == "running_average":
        assert None not in mean[:window]


def test_a_window_scores_half_where_it_sees_one_of_two_markers() -> None:
    task = Adding(40)
    batch = task.probe_batch(64)
    seen = batch.inputs[:, 20:, 1].sum(1)  # `halves`: always one
    assert seen.tolist() == [1] * 64
    assert measure(Window(task.spec, k=20), task, batch).credit_alignment == pytest.approx(0.5)
    expected = batch.inputs[:, 30:, 1].sum(1).mean() / 2
    assert measure(Window(task.spec, k=10), task, batch).credit_alignment == pytest.approx(float(expected))


def test_an_answer_that_depends_on_nothing_has_gradient_zero() -> None:
    task = Copying(20)
    flow = measure(Window(task.spec, k=30), task, task.probe_batch(8))
    profile = flow.profiles["input"]
    assert (profile.zeros, profile.nonfinite, profile.rate, profile.verdict) == (8 * 40, 0, None, "undetermined")
    assert flow.credit_alignment == 0
    assert measure(Window(task.spec, k=31), task, task.probe_batch(8)).credit_alignment == pytest.approx(1)


# -- finite differences ------------------------------------------------------------------------------------------------


class Tap(TorchFunctionMode):
    """Runs torch as it is, numbering the results of its calls; `change` adds to one of them as it is made."""

    def __init__(self, change: tuple[int, Tensor] | None = None) -> None:
        super().__init__()
        self.results: list[Tensor] = []
        self.change = change

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        several = isinstance(result, tuple | list)
        parts = list(result) if several else [result]
        for place, part in enumerate(parts):
            if isinstance(part, Tensor):
                if self.change is not None and self.change[0] == len(self.results):
                    parts[place] = part + self.change[1]
                self.results.append(parts[place])
        return tuple(parts) if several else parts[0]


def differences(model: SequenceModel, task: Task, batch: Batch, quantity: str, distance: int) -> float:
    """‖∂s/∂q‖ at this distance for a batch of one, each number of q moved by ±ε as it is made."""
    epsilon = 1e-5
    steps = task.answer_steps(batch)
    asked = batch.answered(steps).double()
    x = probing.embedded(model, batch.inputs)
    step = int(steps) - distance

    def answer(change: tuple[int, Tensor] | None, moved: Tensor = x) -> float:
        with Tap(change):
            features, _ = model.states(moved, asked.reads)
        return float(task.spec.objective.answer(model.head(features), asked))

    answer(None)  # what models keep from one pass to the next is there from now on: equal passes make equal calls
    tap = Tap()
    with tap:
        _, series = model.states(x, asked.reads)
    whole = x if quantity == "input" else series[quantity]
    made = whole if isinstance(whole, Tensor) else whole[step]
    index = (0, step) if isinstance(whole, Tensor) else (0,)
    number = next((i for i, result in enumerate(tap.results) if result is made), -1)
    assert number >= 0 or quantity == "input"
    slopes = []
    for unit in range(made.size(-1)):
        delta = torch.zeros_like(made)
        delta[(*index, unit)] = epsilon
        ends = [answer(None, x + d) if quantity == "input" else answer((number, d)) for d in (delta, -delta)]
        slopes.append((ends[0] - ends[1]) / (2 * epsilon))
    return math.hypot(*slopes)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", [Adding, Copying])
def test_finite_differences_of_every_quantity(name: str, kind: type[Task]) -> None:
    task = kind(8)
    model = seeded(MODELS[name], task.spec).double().eval()
    batch = task.probe_batch(1)
    found = norms(model, task, 1)
    assert set(found) == {"input"} | QUANTITIES[name]
    for quantity, values in found.items():
        for distance in (0, 1, 5):
            with torch.no_grad():
                expected = differences(model, task, batch, quantity, distance)
            value = values[distance]
            assert (0.0 if value is None else 10**value) == pytest.approx(expected, rel=1e-5, abs=1e-9), quantity
            # a step's context reaches no later step, and the top lstm layer's h_t only the next one's gates
            assert (expected > 1e-8) == (quantity != "context" or distance == 0), quantity


# -- the model is left as it was ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("training", [True, False])
def test_the_probe_leaves_no_trace(name: str, training: bool) -> None:
    task = Adding(12)
    model = seeded(MODELS[name], task.spec).train(training)
    batch = task.training_batch(0)
    task.spec.objective.loss(model(batch), batch).backward()
    parameters = list(model.parameters())
    before = [(p, p.data_ptr(), p.grad, p.detach().clone()) for p in parameters]
    grads = [p.grad.clone() for p in parameters if p.grad is not None]
    assert len(grads) == len(parameters)
    random, probed = torch.get_rng_state(), task.probe_batch(8)
    first = measure(model, task, probed)
    for parameter, (same, _, grad, value) in zip(model.parameters(), before, strict=True):
        assert parameter is same
        assert parameter.grad is grad
        assert parameter.dtype == torch.float32
        assert parameter.requires_grad
        assert torch.equal(parameter, value)
    assert all(torch.equal(p.grad, g) for p, g in zip(parameters, grads, strict=True) if p.grad is not None)
    assert all(module.training is training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random)
    assert measure(model, task, probed) == first


def test_a_probe_that_fails_leaves_no_trace_either() -> None:
    model = seeded(MODELS["rnn"], Adding(5).spec)

    def fail() -> None:
        with probing.as_probe(model):
            assert next(model.parameters()).dtype == torch.float64
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert next(model.parameters()).dtype == torch.float32
    assert model.training


def test_the_probe_needs_no_gradients_switched_on() -> None:
    task = Adding(12)
    model = seeded(MODELS["lstm"], task.spec)
    batch = task.probe_batch(8)
    expected = measure(model, task, batch)
    with torch.no_grad():
        assert measure(model, task, batch) == expected
    with torch.inference_mode():
        assert measure(model, task, batch) == expected


class Mean(SequenceModel):
    """A user's model: nothing but `encode`."""

    def __init__(self, spec: Spec, **common: Any) -> None:
        super().__init__(spec, hidden=4, **common)
        self.assemble(lambda hidden: nn.Linear(self.width, hidden), lambda body: body.out_features)

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick(self.body(x).cumsum(1), reads)


def test_a_model_of_the_users_own_has_its_input_profile() -> None:
    task = Adding(20)
    flow = measure(Mean(task.spec), task, task.probe_batch(8))
    assert list(flow.profiles) == ["input"]
    profile = flow.profiles["input"]
    assert profile.rate == pytest.approx(0, abs=1e-12)
    assert profile.ratio == pytest.approx(1)
    assert (profile.verdict, profile.half_life, profile.zeros) == ("healthy", None, 0)


# -- median, mean, counts ----------------------------------------------------------------------------------------------


def test_values_by_distance_back_from_each_answer() -> None:
    series = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    found = by_distance(series, torch.tensor([3, 1]))
    assert found[0].tolist() == [4, 3, 2, 1]
    assert found[1, :2].tolist() == [6, 5]
    assert found[1, 2:].isnan().all()


def test_a_profile_holds_median_mean_and_counts() -> None:
    series = torch.tensor([[1.0, 0.0, 100.0], [2.0, 10.0, 1.0], [4.0, 20.0, 1.0]], dtype=torch.float64)
    profile = gradients._profile(series, torch.tensor([2, 2, 2]), [0, 1, 2], [0, 1, 2], 2)
    assert profile.log10_median == pytest.approx([0, 1, math.log10(2)])
    assert profile.log10_mean == pytest.approx([math.log10(34), 1, math.log10(7 / 3)])
    assert (profile.zeros, profile.nonfinite) == (1, 0)
    assert profile.ratio == pytest.approx(0.2)
    assert profile.rate == pytest.approx(math.log10(0.2))
    broken = series.clone()
    broken[0, 0] = math.inf
    profile = gradients._profile(broken, torch.tensor([2, 2, 2]), [0, 1, 2], [0, 1, 2], 2)
    assert (profile.nonfinite, profile.verdict, profile.log10_mean[2]) == (1, "exploding", None)
    # What lies behind an answer is no part of its profile.
    assert gradients._profile(broken.flip(1), torch.tensor([1, 2, 2]), [0, 1, 2], [0, 1, 2], 2).nonfinite == 0


# -- thinning ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("longest", [0, 1, 2, 100, 126, 127, 128, 129, 999, 5000])
@pytest.mark.parametrize("most", [128, 512])
def test_thinning(longest: int, most: int) -> None:
    landmarks = [distance for distance in (3, 77, 501, 502) if distance <= longest]
    kept = spread(longest, most, landmarks)
    assert kept == sorted(set(kept))
    assert {0, min(1, longest), longest, *landmarks} <= set(kept)
    assert len(kept) == longest + 1 if longest < most else most - 10 <= len(kept) <= most
    assert max((b - a for a, b in pairwise(kept)), default=1) <= 1.2 * (longest / most) + 1


def test_credited_distances_are_landmarks_while_they_are_few() -> None:
    credit = torch.tensor([[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]])
    assert credited_distances(credit, torch.tensor([3, 2])) == [0, 2]
    assert credited_distances(torch.ones(1, 33), torch.tensor([32])) == []
    assert len(credited_distances(torch.ones(1, 32), torch.tensor([31]))) == 32
    assert credited_distances(None, torch.tensor([3])) == []


def test_a_long_profile_keeps_its_landmarks() -> None:
    task = Copying(700)
    flow = measure(seeded(MODELS["rnn"], task.spec), task, task.probe_batch(2))
    assert len(flow.distances) <= 128
    assert {0, 1, 710, 719} <= set(flow.distances)
    assert all(len(profile.log10_median) == len(flow.distances) for profile in flow.profiles.values())


# -- summaries ---------------------------------------------------------------------------------------------------------


def brute_force(distances: Sequence[int], values: Sequence[float]) -> float:
    points = [(k, math.log10(v)) for k, v in zip(distances, values, strict=True) if k >= 1 and 0 < v < math.inf]
    return median((b - a) / (j - i) for n, (i, a) in enumerate(points) for j, b in points[n + 1 :])


@pytest.mark.parametrize("seed", range(5))
def test_theil_sen_by_brute_force(seed: int) -> None:
    random = torch.rand(50, generator=generator(seed, "slopes"), dtype=torch.float64)
    distances = sorted({0, 1, *(int(200 * value) for value in random[:40])})
    values = (random[: len(distances)] * 0.97 ** torch.tensor(distances)).tolist()
    values[3], values[7], values[9] = 0.0, math.inf, math.nan
    assert theil_sen(distances, torch.tensor(values, dtype=torch.float64)) == pytest.approx(
        brute_force(distances, values), rel=1e-9
    )


def test_theil_sen_of_too_little() -> None:
    assert theil_sen([0, 1], torch.tensor([1.0, 2.0])) is None
    assert theil_sen([0, 1, 2], torch.tensor([1.0, 0.0, 2.0])) is None
    assert theil_sen([0, 1, 2], torch.tensor([5.0, 1.0, 10.0])) == pytest.approx(1)


def test_half_life() -> None:
    assert half_life(-math.log10(2) / 7, 100) == pytest.approx(7)
    assert half_life(-math.log10(2) / 1000, 100) == pytest.approx(1000)
    assert half_life(-math.log10(2) / 1001, 100) is None
    assert half_life(0.0, 100) is half_life(0.1, 100) is half_life(None, 100) is None


ONES = [1.0] * 10


@pytest.mark.parametrize(
    ("rate", "reach", "values", "nonfinite", "word"),
    [
        (-0.0601, 100, ONES, 0, "vanishing"),
        (-0.0599, 100, ONES, 0, "healthy"),
        (-0.0601, 99, ONES, 0, "healthy"),
        (0.0299, 100, ONES, 0, "healthy"),
        (0.0301, 100, ONES, 0, "exploding"),
        (0.0, 100, ONES, 1, "exploding"),
        (-0.1, 100, [*ONES, math.inf], 1, "exploding"),
        (0.0, 100, [*ONES, *[math.nan] * 10], 80, "undetermined"),
        (0.0, 100, [*ONES, *[math.nan] * 9], 72, "exploding"),
        (None, 100, ONES, 0, "undetermined"),
        (-1.0, 100, [1.0] * 5, 0, "undetermined"),  # four distances ≥ 1
        (-1.0, 100, [1.0] * 6, 0, "vanishing"),
        (-1.0, 100, [*[1.0] * 5, *[0.0] * 20], 0, "undetermined"),
    ],
)
def test_verdicts(rate: float | None, reach: int, values: list[float], nonfinite: int, word: str) -> None:
    assert verdict(rate, reach, torch.tensor(values), nonfinite) == word


# -- credit ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sensitivity", "credit", "expected"),
    [
        ([[1.0, 2.0]], [[10.0, 20.0]], 1.0),
        ([[1.0, 0.0]], [[0.0, 1.0]], 0.0),
        ([[1.0, 0.0]], [[1.0, 1.0]], 0.5),
        ([[1.0, 2.0]], [[1.0, 1.0]], 0.2 + 0.5),  # squares: shares .2 and .8
        ([[0.0, 0.0]], [[1.0, 1.0]], 0.0),
        ([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]], 0.5),
        ([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 0.0]], 1.0),  # no credit in the second sequence
        ([[1e-200, 0.0]], [[1.0, 1.0]], 0.5),
        ([[1e200, 0.0]], [[1.0, 1.0]], 0.5),
    ],
)
def test_overlap(sensitivity: list[list[float]], credit: list[list[float]], expected: float) -> None:
    given = (torch.tensor(values, dtype=torch.float64) for values in (sensitivity, credit))
    assert overlap(*given) == pytest.approx(expected, abs=1e-12)


def test_overlap_of_what_cannot_be_told() -> None:
    assert math.isnan(overlap(torch.ones(1, 3), torch.zeros(1, 3)))
    assert math.isnan(overlap(torch.tensor([[math.inf, 1.0]]), torch.ones(1, 2)))


def test_chance_alignment() -> None:
    """A sensitivity that is equal everywhere: 2/T in adding, 1/10 in copying."""
    adding, copying = Adding(40), Copying(20)
    batch = adding.probe_batch(8)
    assert overlap(torch.ones(8, 40), adding.credit(batch)) == pytest.approx(2 / 40)
    batch = copying.probe_batch(8)
    candidates = torch.zeros(8, 40).index_fill(1, torch.arange(10), 1.0)
    assert overlap(candidates, copying.credit(batch)) == pytest.approx(1 / 10)


class Markers(SequenceModel):
    """Sums the markers and none of the values."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec, hidden=1)
        self.assemble(lambda hidden: nn.Linear(2, hidden), lambda body: body.out_features)
        with torch.no_grad():
            self.body.weight.copy_(torch.tensor([[1e-3, 1.0]]))

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        return self.pick(self.body(x).cumsum(1), reads)


def test_credit_of_features_is_that_of_the_value_alone() -> None:
    task = Adding(40)
    assert isinstance(task.spec.inputs, Features)
    assert task.spec.inputs.value == 0
    flow = measure(Markers(task.spec), task, task.probe_batch(8))
    assert flow.credit_alignment == pytest.approx(2 / 40)


def test_no_credit_no_alignment() -> None:
    class NoCredit(Adding):
        def credit(self, batch: Batch) -> None:  # type: ignore[override]
            return None

    task = NoCredit(10)
    assert measure(seeded(MODELS["rnn"], task.spec), task, task.probe_batch(2)).credit_alignment is None


def test_objectives_answer_in_rows() -> None:
    """Backward on the sum over the batch gives each sequence its own gradient."""
    task = Adding(12)
    model = seeded(MODELS["gru after"], task.spec)
    objective: Objective = task.spec.objective
    assert objective.answer(torch.ones(3, 1), a_batch(torch.zeros(3), torch.ones(3, 1) > 0)).tolist() == [1, 1, 1]
    whole = task.probe_batch(3)
    alone = [measure(model, task, whole.select(slice(i, i + 1))) for i in range(3)]
    together = measure(model, task, whole).profiles["hidden"].log10_median
    separate = zip(*(flow.profiles["hidden"].log10_median for flow in alone), strict=True)
    assert together == pytest.approx([sorted(v for v in values if v is not None)[1] for values in separate])
