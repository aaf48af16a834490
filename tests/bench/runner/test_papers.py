"""What a paper's claims and sweeps stand for, and that every paper of the suite can be run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import catalog
from bench.records.cell import Cell
from bench.records.entry import Entry
from bench.records.job import Job
from bench.records.paper import Paper, PaperError, read
from bench.runner import papers
from bench.runner.plan import plan
from bench.trial.build import build
from tasks.base import synthetic
from tests.support.jobs import run

FOLDER = Path(__file__).resolve().parents[3] / "papers"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))
HEAD = 'title = "A table"\nsource = "Somebody"\n'
SWEEP = '[[sweeps]]\ntasks = "copying"\nmodels = "{models}"\nlengths = [10]\nsteps = {steps}\nhidden = {hidden}\n'
CLAIM = """
[[claims]]
task = "copying"
model = "gru:layers=2"
length = 10
quantity = "score"
value = 0.5
where = "here"
"""


def a_paper(folder: Path, *sweeps: str, beside: str = "") -> Paper:
    path = folder / "mine.toml"
    path.write_text(HEAD + "".join(sweeps) + CLAIM + beside)
    return papers.checked(read(path), "mine")


def a_sweep(steps: int = 100, hidden: int = 8, models: str = "gru:layers=2") -> str:
    return SWEEP.format(steps=steps, hidden=hidden, models=models)


# -- claims and recipes ------------------------------------------------------------------------------------------------


def test_a_claim_that_may_be_about_two_recipes_must_say_which(tmp_path: Path) -> None:
    both = (a_sweep(100), a_sweep(300, 16))
    with pytest.raises(PaperError) as caught:
        a_paper(tmp_path, *both)
    assert str(caught.value) == (
        "the paper mine: claim 1, copying / gru:layers=2 / T10, is about 2 recipes. There are steps = 100, hidden = 8; "
        "steps = 300, hidden = 16. Say which, as in recipe = {steps = 100}."
    )
    assert a_paper(tmp_path, *both, beside="recipe = {hidden = 16}\n").claims[0].recipe == {"hidden": 16}
    with pytest.raises(PaperError, match=r"is about a recipe that no sweep runs. There are steps = 100, hidden = 8; "):
        a_paper(tmp_path, *both, beside="recipe = {hidden = 3}\n")


def test_two_sweeps_of_one_recipe_are_one(tmp_path: Path) -> None:
    assert a_paper(tmp_path, a_sweep(), a_sweep()).claims
    rates = (a_sweep() + "learning-rates = [0.01]\n", a_sweep() + "learning-rates = [0.003]\n")
    assert a_paper(tmp_path, *rates).claims, "the rate is chosen within a cell"


def test_cells_of_a_paper_are_counted_once(tmp_path: Path) -> None:
    content = a_paper(tmp_path, a_sweep() + "seeds = [0, 1]\n", a_sweep() + "seeds = [1, 2]\n")
    assert sorted(cell.seed for cell in papers.cells(content)) == [0, 1, 2]
    tuned = content.model_copy(update={"tuning": (100,)})
    assert sorted(cell.seed for cell in papers.cells(tuned)) == [0, 1, 2, 100]


def test_a_claim_is_named_as_records_name_it(tmp_path: Path) -> None:
    (claim,) = a_paper(tmp_path, a_sweep()).claims
    again = claim.model_copy(update={"task": "copying:symbols=10", "model": "gru:reset=after:layers=2"})
    assert papers.label(claim) == papers.label(again) == ("copying", "gru:layers=2")


def test_a_shortened_claim_is_about_the_shortened_cell(tmp_path: Path) -> None:
    content = a_paper(tmp_path, a_sweep(1000), a_sweep(3000), beside="recipe = {steps = 3000}\n")
    short = papers.checked(papers.shortened(content), "mine")
    assert [cell.recipe.steps for cell in papers.cells(short)] == [100, 300]
    assert short.claims[0].recipe == {"steps": 300}


# -- the papers of the suite -------------------------------------------------------------------------------------------


def test_the_papers_are_there() -> None:
    assert {"bai2018", "chrono", "cogscale", "hochreiter1997", "indrnn", "mingru", "nanogpt"} <= set(NAMES)
    assert {"nnrnn", "positions", "truncated"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_of_a_paper_is_about_one_recipe_and_stands_somewhere(name: str) -> None:
    content = papers.checked(read(FOLDER / f"{name}.toml"), name)
    assert content.claims
    assert content.departures
    assert len({(claim.where, claim.value) for claim in content.claims}) == len(content.claims)
    papers.checked(papers.shortened(content), name)


def short_form(cell: Cell) -> Cell:
    """A cell of the same model and, where it reads no text, task: two steps, a few short sequences, 16 units."""
    text = catalog.card("task", Entry.parse(cell.task).name).fallback is not None
    task = "copying" if text else cell.task
    length = min(cell.length, max(catalog.card("task", Entry.parse(task).name).minimum_length, 4))
    fewer = {"steps": 2, "evaluate_every": 2, "batch_size": min(4, cell.recipe.batch_size), "probes": 0}
    recipe = cell.recipe.model_copy(update=fewer | {"hidden": 16, "parameters": None})
    return cell.model_copy(update={"length": length, "recipe": recipe, "task": task})


def different(name: str) -> list[Cell]:
    """One shortened cell of every task and model of a paper."""
    content = papers.shortened(read(FOLDER / f"{name}.toml"))
    cells = {(item.cell.task, item.cell.model): item.cell for sweep in content.sweeps for item in plan(sweep)}
    return list(cells.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_short_form_of_a_paper_can_be_trained(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "HELD_OUT_SEQUENCES", 64)
    for cell in different(name):
        result = run(Job(short_form(cell))).result
        assert result.status in ("ok", "diverged"), f"{cell.label}: {result.error}"


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_of_a_paper_can_be_built(name: str) -> None:
    for cell in different(name):
        if catalog.card("task", Entry.parse(cell.task).name).fallback is None:
            build(cell, None)


# -- pairs of a study --------------------------------------------------------------------------------------------------


def a_study(folder: Path, *sweeps: str, pair: str) -> Paper:
    path = folder / "mine.toml"
    path.write_text(f"{HEAD}pairs = [{pair}]\n" + "".join(sweeps))
    return papers.checked(read(path), "mine")


def test_pairs_are_named_as_results_name_them(tmp_path: Path) -> None:
    sweep = a_sweep(models="rnn:carry=1,gru")
    with pytest.raises(
        PaperError, match=r"pairs: rnn:carry=1 has another name in results. They have gru, rnn:carry=1.0"
    ):
        a_study(tmp_path, sweep, pair='["rnn:carry=1", "gru"]')
    assert a_study(tmp_path, a_sweep(models="rnn:carry=1.0,gru"), pair='["rnn:carry=1.0", "gru"]').pairs


def test_pairs_compare_models_at_one_recipe(tmp_path: Path) -> None:
    both = [a_sweep(steps, models="rnn,gru") for steps in (100, 300)]
    with pytest.raises(PaperError, match="copying / rnn / T10 has 2 recipes, and pairs compare models at one"):
        a_study(tmp_path, *both, pair='["rnn", "gru"]')
