from __future__ import annotations

from pathlib import Path

import pytest
import torch

import bench
from bench.lectures import inside, training
from bench.lectures.gradients import copies, influence
from bench.lectures.pictures import PICTURES
from bench.lectures.shown import Shown, look, powers
from bench.store import Store
from reports.figures.layout import Drawing
from reports.view.looks import LOOKS

ASKED = {"hidden": 4, "steps": 20, "workers": 1, "wandb": "off"}


def shown(folder: Path, label: str = "", **asked: object) -> list[Shown]:
    frame = bench.measure(store=folder, **(ASKED | asked))
    store = Store(folder)
    results = [store.answer(key) for key in frame["key"]]
    return [Shown(result, label or result.cell.model, store, None) for result in results if result]


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Shown]]:
    """Trained cells by what they are for."""
    folder = tmp_path_factory.mktemp("pictures")
    adding = {"tasks": "adding", "lengths": [7]}
    return {
        "recurrent": shown(folder, **adding, models="rnn,lstm"),
        "rates": shown(folder, **adding, models="rnn", learning_rates=[1e-3, 1e-2]),
        "average": shown(folder, tasks="running_average", lengths=[6], models="rnn"),
        "attention": shown(folder, tasks="translation", lengths=[3], models="seq2seq:attention=true"),
    }


def words(drawing: Drawing) -> list[str]:
    return [row["word"] for rows in drawing.datasets.values() for row in rows if row.get("word")]


def points(drawing: Drawing) -> list[list[tuple[float, float]]]:
    every = ([(row["x"], row["y"]) for row in rows if row.keys() == {"x", "y"}] for rows in drawing.datasets.values())
    return [line for line in every if line]


def test_gates_are_marked_at_every_step_below_what_is_read(cells) -> None:
    lstm = [cell for cell in cells["recurrent"] if cell.label == "lstm"]
    said = words(inside.gates(lstm, "A title"))
    assert len([word for word in said if word in (inside.OPEN, inside.CLOSED)]) == 3 * 7


def test_the_busiest_unit_is_the_one_whose_gates_move() -> None:
    still = torch.full((1, 4, 3), 0.9)
    moving = still.clone()
    moving[0, :, 1] = torch.tensor([0.0, 1.0, 0.0, 1.0])
    assert inside.busiest({"input": still, "forget": moving}) == 1


def test_influence_is_a_share_of_the_largest_a_row_for_each_model(cells) -> None:
    said = words(influence(cells["recurrent"], "A title"))
    assert len(said) == 2 * 7
    assert said.count("100") >= 2


def test_copies_are_bars_of_all_steps_but_the_first(cells) -> None:
    rnn = [cell for cell in cells["recurrent"] if cell.label == "rnn"]
    rows = [row for rows in copies(rnn, "A title").datasets.values() for row in rows if "floor" in row]
    assert [row["x"] for row in rows] == [2, 3, 4, 5, 6, 7]


def test_the_exact_impulse_response_is_a_power_of_alpha(cells) -> None:
    *_, exact = points(inside.impulse(cells["average"], "A title"))
    alpha = 10 ** (-1 / 6)
    scale = (1 - alpha**2) ** 0.5
    assert [value for _, value in exact] == pytest.approx([scale * alpha**k for k in range(6)], rel=1e-5)


def test_attention_weights_of_an_answer_sum_to_one(cells) -> None:
    drawing = inside.attention(cells["attention"], "A title")
    (table,) = drawing.datasets.values()
    rows = {row["y"] for row in table}
    assert rows
    for number in rows:
        assert sum(row["shade"] for row in table if row["y"] == number) == pytest.approx(1, abs=0.03)


def test_rates_stand_in_order_and_lines_are_scores(cells) -> None:
    (line,) = {tuple(line) for line in points(training.rates(cells["rates"], "A title"))}
    expected = [(cell.result.cell.recipe.learning_rate, cell.result.score.score) for cell in cells["rates"]]
    at, scores = zip(*sorted(expected), strict=True)
    assert [place for place, _ in line] == pytest.approx(powers(at))
    assert [value for _, value in line] == pytest.approx(powers(scores))


def test_clipping_shows_norm_and_loss_of_every_step(cells) -> None:
    drawn = points(training.clipping(cells["rates"][:1], "A title"))
    assert [len(line) for line in drawn] == [20, 20]
    loss = cells["rates"][0].result.curves.train_loss
    assert [value for _, value in drawn[1]] == pytest.approx(powers(loss))


def test_a_sample_is_written_letter_by_letter(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("hello\n" * 200)
    (cell,) = shown(tmp_path / "store", tasks=f"char_lm:corpus={text}", lengths=[4], models="rnn")
    sample = cell.result.sample.replace("\n", training.BREAK)[: training.LETTERS]
    assert "".join(words(training.writing([cell], "A title"))) == sample


def test_known_models_keep_their_looks_and_others_take_one_in_turn(cells) -> None:
    lstm = next(cell for cell in cells["recurrent"] if cell.label == "lstm")
    assert look(lstm, 0) == LOOKS["lstm"]
    other = Shown(lstm.result, "0.8^k", lstm.store, None)
    assert look(other, 0) != look(other, 1)


def test_what_is_not_above_zero_has_no_power() -> None:
    assert powers([100.0, 0.0, 0.1]) == pytest.approx([2, -float("inf"), -1])


def test_every_picture_has_a_name_of_its_own() -> None:
    assert len(set(PICTURES.values())) == len(PICTURES) == 12
