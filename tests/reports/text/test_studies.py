"""Files of results, ours and a stranger's."""

from __future__ import annotations

import gzip

import pytest

from bench.records.row import COLUMNS
from reports.text import studies
from tests.support.hostile import HOSTILE, is_safe
from tests.support.results import make_result

HEAD = "task,model,length,seed,status,step_budget,chosen"
ROW = "adding,gru,10,0,ok,1000,1"


def held(tmp_path, text, name="theirs.csv.gz"):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode() if isinstance(text, str) else text))
    return path


def refused(path):
    with pytest.raises(studies.StudyError) as caught:
        studies.read(path)
    assert is_safe(str(caught.value))
    assert len(str(caught.value)) < 3000
    return str(caught.value)


def test_rows_come_back_as_they_were(tmp_path):
    results = [make_result(seed=seed, solved_at=200) for seed in range(3)] + [
        make_result("char_lm", "rnn", seed=100, score=None, status="diverged", clip=None)
    ]
    rows = studies.rows(results, {results[0].cell.key})
    path = tmp_path / "memory.csv.gz"
    path.write_bytes(studies.packed(rows))
    back = studies.read(path)
    assert [row["chosen"] for row in back] == [1, 0, 0, 0]
    assert [{name: row[name] for name in COLUMNS if name not in studies.TEXTS} for row in back] == [
        {name: row[name] for name in COLUMNS if name not in studies.TEXTS} for row in rows
    ]
    assert [row["task"] for row in back] == [row["task"] for row in rows]
    assert studies.packed(rows) == path.read_bytes(), "the same rows give the same bytes"


def test_columns_that_are_lacking_are_none(tmp_path):
    (row,) = studies.read(held(tmp_path, f"{HEAD}\n{ROW}\n"))
    assert (row["task"], row["length"], row["score"]) == ("adding", 10, None)


def test_two_recipes_and_two_versions_are_two_models(tmp_path):
    of = [f"{ROW},{clip},{version}" for clip, version in (("1.0", 1), ("", 1), ("", 2))]
    other = f"{ROW.replace('gru', 'rnn')},0.5,1"
    rows = studies.read(held(tmp_path, "\n".join([f"{HEAD},clip,model_version", *of, other])))
    assert [row["model"] for row in rows] == [
        "gru (clip 1.0, model version 1)",
        "gru (clip none, model version 1)",
        "gru (clip none, model version 2)",
        "rnn",
    ]


def test_a_cell_that_failed_before_it_knew_its_device_stands_with_its_seeds(tmp_path):
    failed = ROW.replace(",0,ok,", ",1,error,")
    rows = studies.read(held(tmp_path, f"{HEAD},device\n{ROW},cpu\n{failed},\n"))
    assert [row["model"] for row in rows] == ["gru", "gru"]


def test_a_name_that_no_file_can_have_is_no_study():
    assert studies.known("x" * 5000) is None
    with pytest.raises(studies.StudyError, match="no study"):
        studies.find("x" * 5000)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{HEAD},score\n{ROW},1e101\n", "line 2: score expects a number of at most 1e+100, got '1e101'"),
        ("", "expected a column 'task'"),
        (f"{HEAD},wieght\n{ROW},1\n", "unknown column 'wieght'"),
        (HEAD.replace("model,", ""), "expected a column 'model'"),
        (f"{HEAD},task\n{ROW},adding\n", "every column once"),
        (f"{HEAD}\n{ROW},9\n", "line 2: expected as many values"),
        (f"{HEAD}\nadding,gru\n", "line 2: expected as many values"),
        (f"{HEAD}\n{ROW.replace(',10,', ',ten,')}\n", "line 2: length expects a number of at most 1e+100, got 'ten'"),
        (f"{HEAD}\n{ROW.replace(',10,', ',0,')}\n", "length expects a whole number"),
        (f"{HEAD}\n{ROW.replace(',10,', ',1.5,')}\n", "length expects a whole number"),
        (f"{HEAD}\n{ROW.replace(',10,', ',True,')}\n", "length expects a whole number"),
        (f"{HEAD}\n{ROW.replace('gru', '')}\n", "expected a value in model"),
        (f"{HEAD}\n{ROW.replace(',1000,', ',0,')}\n", "step_budget expects a whole number of at least 1, got 0"),
        (f"{HEAD}\n{ROW[:-1]}2\n", "chosen expects 0 or 1, got 2"),
        (f"{HEAD}\n{ROW.replace('ok', 'fine')}\n", "status expects one of ok, diverged, "),
        (f"{HEAD},solved_at_step\n{ROW},-5\n", "solved_at_step expects a step of its budget, got -5"),
        (f"{HEAD},solved_at_step\n{ROW},1001\n", "solved_at_step expects a step of its budget, got 1001"),
        (f"{HEAD},solved_at_step\n{ROW},True\n", "solved_at_step expects a step of its budget, got True"),
        (f"{HEAD},learning_rate\n{ROW},0\n", "learning_rate expects a number above 0, got 0"),
        (f"{HEAD},higher_is_better\n{ROW},2\n", "higher_is_better expects True or False, got 2"),
        (f"{HEAD},skill\n{ROW},True\n", "skill expects a number, got True"),
        (f"{HEAD},metric\n{ROW},mse\n{ROW.replace('gru', 'rnn')},accuracy\n", "one metric of adding, got 2"),
        (f"{HEAD}\n{ROW}\n{ROW}\n", "adding gru T=10 seed 0 stands there twice"),
        (f"{HEAD},learning_rate\n{ROW},0.01\n{ROW},0.03\n", "adding gru T=10 seed 0 stands there twice"),
        (f"{HEAD},score\n{ROW},nan\n", "score expects a number"),
        (f"{HEAD},score\n{ROW},1e999\n", "score expects a number"),
        (f'{HEAD}\n"{"x" * 200_000}",gru,10,0,ok,1,1\n', "comma-separated"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_words(tmp_path, text, said):
    assert said in refused(held(tmp_path, text))


def test_what_is_no_gzip_is_refused(tmp_path):
    path = tmp_path / "plain.csv.gz"
    path.write_text(f"{HEAD}\n{ROW}\n")
    assert "gzip" in refused(path)
    whole = gzip.compress(f"{HEAD}\n{ROW}\n".encode() * 50)
    path.write_bytes(whole[:-12])
    refused(path)
    path.write_bytes(whole[:20] + b"\0\0\0\0" + whole[24:])
    refused(path)
    refused(tmp_path)


def test_a_small_file_that_unpacks_to_a_large_one_is_refused_in_bounded_memory(tmp_path):
    bomb = held(tmp_path, b"x" * 200_000_000)
    assert bomb.stat().st_size < studies.PACKED
    assert "20,000,000 bytes when unpacked" in refused(bomb)
    large = tmp_path / "large.csv.gz"
    large.write_bytes(b"\0" * (studies.PACKED + 1))
    assert "at most 1,000,000 bytes" in refused(large)


def test_hostile_text_is_safe_wherever_it_is_shown(tmp_path, capsys):
    import csv
    import io

    from reports import compare

    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEAD.split(","))
    for name in HOSTILE:
        name = name.encode("utf-8", "replace").decode()[:5000]
        writer.writerow([f"t{name}", f"m{name}", 10, 0, "ok", 10, 1])
    path = held(tmp_path, text.getvalue())
    for row in studies.read(path):
        assert is_safe(row["model"])
        assert len(row["model"]) <= 500
    assert compare.main([str(path)]) == 0
    assert is_safe(capsys.readouterr().out)
    assert compare.main([str(path), "--format", "markdown"]) == 0
    out = capsys.readouterr().out
    assert "<script>" not in out
    assert is_safe(out)


def test_more_cells_than_a_file_may_hold_are_refused(monkeypatch):
    monkeypatch.setattr(studies, "PACKED", 100)
    with pytest.raises(studies.StudyError, match="split it"):
        studies.packed(studies.rows([make_result()], ()))


def test_an_unknown_study_is_answered_with_the_nearest(tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "FOLDER", tmp_path)
    held(tmp_path, f"{HEAD}\n{ROW}\n", "memory.csv.gz")
    assert studies.find("memory") == tmp_path / "memory.csv.gz"
    with pytest.raises(studies.StudyError, match=r"no study 'memroy': did you mean memory\?"):
        studies.find("memroy")


def test_every_file_in_the_folder_of_results_is_read():
    paths = sorted(studies.FOLDER.glob("*.csv.gz"))
    assert paths
    for path in paths:
        assert studies.read(path)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([("m", length) for length in range(1, 52)], "expected at most 50 lengths, got 51: split the study"),
        ([(f"m{n}", 10) for n in range(5001)], "expected at most 5,000 settings, got 5,001: split the study"),
    ],
)
def test_more_than_a_table_shows_is_refused(tmp_path, cells, message):
    rows = (f"adding,{model},{length},0,ok,1000,1" for model, length in cells)
    assert message in refused(held(tmp_path, "\n".join([HEAD, *rows])))
