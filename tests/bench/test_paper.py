from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import evaluate, paper
from bench.records.asked import Asked, AskedCell
from bench.records.paper import read
from bench.records.sweep import Sweep
from bench.runner import papers
from bench.runner.plan import plan
from bench.store import Store
from reports.text import studies

STUDY = """
title = "A study"
source = "here"
tuning = [100]

[[sweeps]]
tasks = "adding"
models = "rnn,rnn:leak=0.5"
lengths = [10]
learning-rates = [0.0003, 0.01]
seeds = [0, 1]
steps = 20
"""
CLAIM = """
[[claims]]
task = "adding"
model = "rnn:leak=0.5"
length = 10
quantity = "score"
value = 0.0
where = "nowhere"
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that holds the whole study."""
    folder = tmp_path_factory.mktemp("paper")
    (folder / "mine.toml").write_text(STUDY + CLAIM)
    assert paper.main([str(folder / "mine.toml"), "--store", str(folder / "store"), "--workers", "1"]) == 0
    return folder


def test_rates_are_chosen_on_seeds_that_are_not_reported(measured: Path) -> None:
    content = read(measured / "mine.toml")
    results = Store(measured / "store").results()
    tried = {(r.cell.model, r.cell.recipe.learning_rate) for r in results if r.cell.seed == 100}
    assert len(tried) == 4
    best = {}
    for result in results:
        if result.cell.seed == 100 and result.score is not None:
            best.setdefault(result.cell.model, []).append(
                (result.score.validation_score, result.cell.recipe.learning_rate)
            )
    chosen = {model: min(rates)[1] for model, rates in best.items()}
    reported = [result for result in results if result.cell.seed != 100]
    assert {(r.cell.model, r.cell.seed, r.cell.recipe.learning_rate) for r in reported} == {
        (model, seed, rate) for model, rate in chosen.items() for seed in (0, 1)
    }
    assert {result.cell.key for result in paper.Kept.of(str(measured / "store")).reported(content)} == {
        result.cell.key for result in reported
    }


def test_all_chosen_rates_of_a_sweep_run_beside_one_another(measured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (sweep,) = read(measured / "mine.toml").sweeps
    parts = [sweep.model_copy(update={"learning_rates": (rate,)}) for rate in (0.0003, 0.01)]
    runs: list[Sequence[Sweep]] = []
    monkeypatch.setattr(paper, "reported", lambda *_: parts)
    monkeypatch.setattr(paper, "measure", lambda sweeps, settings, table: runs.append(sweeps) or 0)
    assert paper.main([str(measured / "mine.toml"), "--store", str(measured / "store")]) == 0
    assert [len(sweeps) for sweeps in runs] == [1, 2]


@pytest.mark.parametrize("interrupted", [1, 2])
def test_an_interrupted_paper_goes_no_further(
    measured: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], interrupted: int
) -> None:
    runs: list[Sequence[Sweep]] = []
    monkeypatch.setattr(
        paper, "measure", lambda sweeps, settings, table: runs.append(sweeps) or 130 * (len(runs) == interrupted)
    )
    assert paper.main([str(measured / "mine.toml"), "--store", str(measured / "store")]) == 130
    assert (len(runs), capsys.readouterr().out) == (interrupted, "")


def test_a_paper_that_is_measured_runs_nothing_and_says_what_came_out(
    measured: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(path.name for path in (measured / "store").rglob("*.json"))
    assert paper.main([str(measured / "mine.toml"), "--store", str(measured / "store"), "--workers", "1"]) == 0
    out = capsys.readouterr().out
    assert "A study · here" in out
    assert "1 claims: 1 " in out
    assert sorted(path.name for path in (measured / "store").rglob("*.json")) == before
    (measured / "papers").mkdir()
    (measured / "papers" / "mine.toml").write_text(STUDY + CLAIM)
    monkeypatch.chdir(measured)
    assert paper.main(["--list", "--format", "csv", "--store", "store"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("mine,"))
    assert line.startswith("mine,8,8,0.0,1 ")


def test_quick_is_one_seed_and_a_tenth_of_the_steps() -> None:
    study = read(papers.ROOT / "studies" / "remedies.toml")
    for whole, quick in zip(study.sweeps, papers.shortened(study).sweeps, strict=True):
        steps = {item.cell.recipe.steps for item in plan(whole)}
        cells = [item.cell for item in plan(quick)]
        assert {cell.seed for cell in cells} == {0}
        assert {10 * cell.recipe.steps for cell in cells} == steps


def test_all_papers_and_studies_can_be_read() -> None:
    known = papers.known(paper.FOLDERS)
    assert "remedies" in known
    for path in known.values():
        for sweep in read(path).sweeps:
            assert plan(sweep)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected the name of a paper. Known: "),
        (["remedy"], "unknown paper: 'remedy'. Did you mean 'remedies'?"),
        (["nowhere.toml"], "cannot read the paper nowhere.toml"),
    ],
)
def test_bad_names_end_with_one_message(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert paper.main(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]


def test_a_seed_cannot_both_choose_and_be_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.toml").write_text(STUDY.replace("[100]", "[1]"))
    assert paper.main([str(tmp_path / "bad.toml")]) == 2
    assert "tuning: expected seeds that no sweep reports, got 1 in both" in capsys.readouterr().err


def test_the_verdicts_join_the_report(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert paper.main([str(measured / "mine.toml"), "--store", str(measured / "store"), "--dry-run"]) == 0
    out = capsys.readouterr().out
    page = measured / "store" / "report" / "mine.md"
    assert str(page) in out.replace("\n", "")
    text = page.read_text()
    assert text.startswith("### A study · here")
    assert "1 claims: 1 " in text
    assert "All 8 cells are stored." in text
    assert "All 8 cells are stored." in out.replace("\n", " ")


def test_a_quick_one_joins_no_report(measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = tmp_path / "short.toml"
    short.write_text((STUDY + CLAIM).replace("tuning = [100]", "").replace("rnn,rnn:leak=0.5", "rnn:leak=0.5"))
    words = [str(short), "--store", str(tmp_path / "store"), "--workers", "1", "--quick"]
    assert paper.main(words) == 0
    assert "1 claims: 1 " in capsys.readouterr().out
    assert not (tmp_path / "store" / "report").exists()


def test_models_that_are_asked_at_another_length_answer_claims(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = tmp_path / "asked.toml"
    asked.write_text(STUDY + CLAIM.replace("length = 10", "length = 10\ntested = 20"))
    store = str(measured / "store")
    assert paper.main([str(asked), "--store", store, "--dry-run"]) == 0
    assert "1 claims: 1 not run here" in capsys.readouterr().out
    assert evaluate.main([store, "--lengths", "20", "--models", "rnn:leak=0.5", "--workers", "1"]) == 0
    capsys.readouterr()
    assert paper.main([str(asked), "--store", store, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "10 → 20" in out
    assert "not run here" not in out


def test_a_store_without_results_and_a_paper_half_run_say_so(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    Store(empty, create=True)
    for store in (str(empty), str(tmp_path / "nowhere")):
        assert paper.main([str(measured / "mine.toml"), "--store", store, "--dry-run"]) == 0
        out = " ".join(capsys.readouterr().out.split())
        assert (
            f"1 claims: 1 not run here. 0 of 8 cells are stored in {store} (the folder holds none of its results); "
            in out
        )
        assert "the others take about " in out
    assert not (tmp_path / "nowhere").exists()
    half = tmp_path / "half.toml"
    half.write_text((STUDY + CLAIM).replace("seeds = [0, 1]", "seeds = [0, 1, 2, 3]"))
    assert paper.main([str(half), "--store", str(measured / "store"), "--dry-run"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "1 claims: 1 " in out
    assert "not run here" not in out
    assert f"8 of 12 cells are stored in {measured / 'store'}; the others take about " in out


def test_a_study_without_results_says_what_is_missing(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plain.toml").write_text(STUDY)
    assert paper.main([str(tmp_path / "plain.toml"), "--store", str(tmp_path / "none"), "--dry-run"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith(f"0 of 8 cells are stored in {tmp_path / 'none'} (the folder holds none of its results); the")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("claims", [CLAIM, ""])
def test_a_report_that_cannot_be_written_is_one_message(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], claims: str
) -> None:
    (tmp_path / "mine.toml").write_text(STUDY + claims)
    shutil.copytree(measured / "store", tmp_path / "store", ignore=shutil.ignore_patterns("report"))
    (tmp_path / "store" / "report").write_text("in the way")
    assert paper.main([str(tmp_path / "mine.toml"), "--store", str(tmp_path / "store"), "--dry-run"]) == 2
    said = capsys.readouterr().err
    assert f"cannot write {tmp_path / 'store' / 'report' / 'mine.'}" in said
    assert "what was measured is stored" in said


def test_a_rate_that_was_stopped_needs_no_result(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = read(measured / "mine.toml")
    results = Store(measured / "store").results()
    used = {(r.cell.model, r.cell.recipe.learning_rate) for r in results if r.cell.seed != 100}
    store = Store(tmp_path / "store", create=True)
    cells = []
    for result in results:
        kept = (result.cell.model, result.cell.recipe.learning_rate) in used
        if kept:
            store.publish(result)
        if result.cell.seed == 100:
            cells.append(AskedCell(result.cell, stopped=None if kept else 5))
    store.record_sweep(Asked.of(papers.tuning(content.sweeps[0], content), cells))
    assert paper.main([str(measured / "mine.toml"), "--store", str(store.path), "--dry-run"]) == 0
    assert "All 8 cells are stored, but for 2 whose rates were stopped." in " ".join(capsys.readouterr().out.split())


def test_a_study_without_variants_or_pairs_ends_in_its_tables(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "plain.toml"
    study.write_text(STUDY.replace("rnn,rnn:leak=0.5", "rnn"))
    assert paper.main([str(study), "--store", str(measured / "store"), "--dry-run"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "adding (mean_squared_error, lower is better) model T=10 " in out
    assert "What was run cells 4, of which 2 are reported" in out


def test_of_a_study_that_tunes_on_no_seeds_of_their_own_one_rate_is_reported(measured: Path, tmp_path: Path) -> None:
    study = tmp_path / "untuned.toml"
    study.write_text(STUDY.replace("tuning = [100]\n", "").replace("seeds = [0, 1]", "seeds = [100]"))
    assert paper.main([str(study), "--store", str(measured / "store"), "--dry-run"]) == 0
    rows = studies.read(measured / "store" / "report" / "untuned.csv.gz")
    assert sorted((row["model"], row["chosen"]) for row in rows) == [
        (model, chosen) for model in ("rnn", "rnn:leak=0.5") for chosen in (0, 1)
    ]


def test_results_count_whichever_sweep_measured_them(
    measured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another paper with some of the same cells needs no run of its own."""
    results = Store(measured / "store").results()
    rate = next(r.cell.recipe.learning_rate for r in results if (r.cell.model, r.cell.seed) == ("rnn", 0))
    other = tmp_path / "other.toml"
    text = (
        (STUDY + CLAIM).replace("tuning = [100]\n", "").replace("[0.0003, 0.01]", f"[{rate}]").replace("[0, 1]", "[0]")
    )
    other.write_text(text.replace("rnn:leak=0.5", "rnn").replace('models = "rnn,rnn"', 'models = "rnn"'))
    assert paper.main([str(other), "--store", str(measured / "store"), "--dry-run"]) == 0
    assert "not run here" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ('quantity = "score"', 'quantity = "scroe"'),
            "no quantity 'scroe' of adding. Known: score, mean_squared_error",
        ),
        (
            ('quantity = "score"', 'quantity = "error"'),
            "quantity 'error' is 1 − an accuracy, and the score of adding is",
        ),
        (("value =", "valeu ="), "[[claims]] 1: unknown key 'valeu'. Did you mean 'value'?"),
        (('model = "rnn:leak=0.5"', 'model = "gru"'), "claim 1 names no cell of a sweep: adding / gru / T10."),
        (
            ("length = 10\nquantity", "length = 11\nquantity"),
            "claim 1 names no cell of a sweep: adding / rnn:leak=0.5 / T11",
        ),
        (("where =", "recipe = {steps = 3}\nwhere ="), "is about a recipe that no sweep runs."),
    ],
)
def test_a_claim_that_cannot_be_held_is_one_message(
    measured: Path, tmp_path: Path, change: tuple[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(STUDY + CLAIM.replace(*change))
    assert paper.main([str(bad), "--store", str(measured / "store"), "--dry-run"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]


def test_every_paper_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert paper.main(["--list", "--format", "csv", "--store", str(tmp_path / "none")]) == 0
    lines = {line.split(",")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert {path.stem for path in (papers.ROOT / "papers").glob("*.toml")} < lines.keys()
    assert lines["cogscale"].startswith("cogscale,36,0,")
    assert lines["cogscale"].endswith(",12 not run here")


@pytest.fixture(scope="module")
def file_of_it(measured: Path) -> Path:
    """The file of results of the whole study."""
    (measured / "first.toml").write_text(STUDY)
    assert paper.main([str(measured / "first.toml"), "--store", str(measured / "store"), "--dry-run"]) == 0
    return measured / "store" / "report" / "first.csv.gz"


def ran(store: Path) -> set[tuple[str, int, float]]:
    return {(r.cell.model, r.cell.seed, r.cell.recipe.learning_rate) for r in Store(store).results()}


def test_cells_of_a_file_are_not_measured_again(
    file_of_it: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two seeds more, in a new store: the rates are those of the file, and both make one file."""
    before = studies.cells(file_of_it)
    rates = {(row["model"], row["learning_rate"]) for row in before if row["chosen"]}
    (tmp_path / "more.toml").write_text(STUDY.replace("[0, 1]", "[0, 1, 2, 3]"))
    command = [str(tmp_path / "more.toml"), "--known", str(file_of_it), "--store", str(tmp_path / "store")]
    assert paper.main([*command, "--dry-run"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"8 of 12 cells are stored in {tmp_path / 'store'} or known; the others take" in out
    assert paper.main([*command, "--workers", "1"]) == 0
    assert "All 12 cells are stored." in capsys.readouterr().out
    assert ran(tmp_path / "store") == {(model, seed, rate) for model, rate in rates for seed in (2, 3)}
    after = studies.cells(tmp_path / "store" / "report" / "more.csv.gz")
    assert [row for row in after if row["seed"] not in (2, 3)] == before
    assert [(row["model"], row["seed"]) for row in after if row["chosen"]] == [
        (model, seed) for model in ("rnn", "rnn:leak=0.5") for seed in range(4)
    ]


def test_rates_are_tried_where_a_file_reports_none(file_of_it: Path, tmp_path: Path) -> None:
    """A failed cell is measured again; a rate that has no row was stopped, where its setting is reported."""
    rows = studies.cells(file_of_it)
    rate = next(row["learning_rate"] for row in rows if row["chosen"] and row["model"] == "rnn")
    left = [dict(row) for row in rows if row["model"] == "rnn" and row["learning_rate"] == rate]
    left += [row | {"chosen": 0} for row in rows if row["model"] != "rnn" and row["seed"] == 100]
    failed = next(row for row in left if row["model"] == "rnn" and row["seed"] == 1)
    failed["status"] = "timeout"
    (tmp_path / "part.csv.gz").write_bytes(studies.packed(left))
    (tmp_path / "first.toml").write_text(STUDY)
    command = [str(tmp_path / "first.toml"), "--known", str(tmp_path / "part.csv.gz"), "--store", str(tmp_path / "s")]
    assert paper.main([*command, "--workers", "1"]) == 0
    other = {(row["model"], row["seed"], row["learning_rate"]) for row in rows if row["model"] != "rnn"}
    assert ran(tmp_path / "s") == {("rnn", 1, rate)} | other
    made = studies.cells(tmp_path / "s" / "report" / "first.csv.gz")
    same = ("key", "status", "score", "chosen")
    assert [[row[name] for name in same] for row in made] == [
        [row[name] for name in same] for row in rows if row["model"] != "rnn" or row["learning_rate"] == rate
    ]


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (STUDY.replace("tuning = [100]", ""), "--known expects a study whose rates are chosen on seeds of their own"),
        (STUDY.replace("steps = 20", "steps = 30"), "holds no cell of this study: other tasks,"),
    ],
)
def test_a_file_that_cannot_be_continued_is_one_message(
    file_of_it: Path, tmp_path: Path, study: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.toml").write_text(study)
    assert paper.main([str(tmp_path / "other.toml"), "--known", str(file_of_it), "--store", str(tmp_path / "s")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "s").exists()


def test_a_row_that_is_not_of_its_key_is_refused(
    file_of_it: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *others = studies.cells(file_of_it)
    (tmp_path / "mixed.csv.gz").write_bytes(studies.packed([first | {"task": "copying"}, *others]))
    (tmp_path / "first.toml").write_text(STUDY)
    command = [str(tmp_path / "first.toml"), "--known", str(tmp_path / "mixed.csv.gz"), "--store", str(tmp_path / "s")]
    assert paper.main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"the row with key {first['key']} says copying, rnn, 10, " in line
