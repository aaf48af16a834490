"""How a command ends: one message for the user, and the exit code of what went wrong."""

from __future__ import annotations

import pytest
from cyclopts import App

from bench.catalog import CatalogError
from bench.cli import command
from bench.engines.base import AddressError, EngineError
from bench.merge import MergeError
from bench.mirror.login import LoginError
from bench.publish import PublishError
from bench.records.errors import BenchError, UsageError
from bench.store import StoreError
from bench.trial.checkpoint import CheckpointError

CODES: dict[type[Exception], int] = {
    CatalogError: 2,
    LoginError: 2,
    AddressError: 2,
    EngineError: 1,
    MergeError: 2,
    PublishError: 2,
    StoreError: 2,
    UsageError: 2,
    CheckpointError: 2,
}


def ending(error: BaseException | None) -> int:
    app = App(name="it")

    @app.default
    def work() -> int:
        if error is not None:
            raise error
        return 3

    return command.run(app, [], "bench.it")


@pytest.mark.parametrize(("kind", "code"), CODES.items(), ids=lambda value: getattr(value, "__name__", str(value)))
def test_an_error_for_the_user_is_one_message_and_its_exit_code(
    kind: type[Exception], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert issubclass(kind, BenchError)
    assert ending(kind("what, expected, got")) == code
    assert capsys.readouterr() == ("", "bench.it: what, expected, got\n")


def test_an_interrupt_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "bench.it: interrupted; the same command again resumes\n"


def test_a_fault_of_the_suite_is_not_hidden() -> None:
    with pytest.raises(ValueError, match="our own"):
        ending(ValueError("our own"))


def test_what_the_command_returns_is_its_exit_code() -> None:
    assert ending(None) == 3
