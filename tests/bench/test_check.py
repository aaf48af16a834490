from __future__ import annotations

import pytest

from bench.check import main

BROKEN = "tests.support.broken"


def lines(capsys: pytest.CaptureFixture[str], mark: str) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith(mark)]


def test_a_model_that_keeps_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tests.support.examples:Mean"]) == 0
    text = capsys.readouterr().out
    assert text.endswith("The contract is kept.\n")
    for task in ("running_average", "adding", "copying", "char_lm", "ner"):
        assert f"holds   {task}" in text
    assert "broken" not in text


def test_a_model_that_reads_ahead(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{BROKEN}:Ahead"]) == 1
    broken = lines(capsys, "broken")
    assert {line.split()[1] for line in broken} == {"running_average", "copying", "char_lm"}, "not where it may"
    assert all("answers depend on what they may: Ahead: an answer read at step" in line for line in broken)


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (
            "Restarts",
            "Restarts: body.layers.0.0: run and step part at step 1 of a sequence from step 1 on: they differ",
        ),
        ("OtherStates", "OtherStates: states and encode give other features: they differ by up to"),
    ],
)
def test_a_model_whose_ways_part(model: str, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Layer and step are named, on each task."""
    assert main([f"{BROKEN}:{model}", "--length", "8"]) == 1
    broken = lines(capsys, "broken")
    assert len(broken) == 5
    assert all(f"run, step, states and encode agree, cut or not: {what}" in line for line in broken)


def test_a_model_that_diverges_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Its record has no error: that a model diverged is an answer of a sweep, and no answer of a check."""
    assert main(["tests.support.examples:Diverges:healthy=0", "--length", "8"]) == 1
    assert len(lines(capsys, "broken")) == 5


def test_a_model_that_draws_as_it_answers_is_not_accused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tests.support.broken:Drawing", "--length", "8"]) == 0
    assert all("it answers otherwise when it is asked again" in line for line in lines(capsys, "note"))


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("Global", "the same batches are drawn again: Global: training batch 1 differs"),
        ("Empty:where=test", "the test set can be scored: Empty: the test set holds nothing to score"),
    ],
)
def test_a_task_that_is_broken(entry: str, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{BROKEN}:{entry}"]) == 1
    (line,) = lines(capsys, "broken")
    assert what in line


def test_a_task_of_the_suite_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adding", "--length", "6"]) == 0


def test_a_note_is_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{BROKEN}:OwnRate"]) == 0
    assert all("trained by its own SGD" in line for line in lines(capsys, "note"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "unknown task or model: 'nothing'"),
        (["tests.support.examples:NoModel"], "must be a subclass of"),
        (["tests.support.examples:Absent"], "class in tests.support.examples"),
        ([], "bench.check: "),
        (["gru", "--length", "0"], 'Invalid value "0" for --length. Must be >= 1.'),
        (["gru", "--length=-3"], 'Invalid value "-3" for --length. Must be >= 1.'),
        (["gru:="], "cannot read option '=' in 'gru:='"),
        (["gru:\x01=1"], "holds a control character"),
    ],
)
def test_bad_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told


def test_a_notation_that_lacks_a_word_is_found_before_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tests.support.letters:Short", "--length", "8"]) == 1
    (broken,) = lines(capsys, "broken")
    assert "an example can be written: ValueError: notation: expected a word for each id, got 2 words and ids" in broken


def test_a_method_that_is_not_there_is_named_with_its_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tests.support.letters:NoDraw"]) == 1
    (broken,) = lines(capsys, "broken")
    assert "NoDraw lacks draw(generator, batch_size) -> Batch: implement what each task must" in broken
