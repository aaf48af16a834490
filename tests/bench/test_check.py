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
    ],
)
def test_bad_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
