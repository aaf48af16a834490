"""No terminal, no lost reader and no full disk stops a command; no text commands a terminal."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cyclopts import App
from rich.text import Text

from bench.cli import command
from bench.cli.console import Console
from bench.cli.output import Outlet
from bench.cli.terminal import Terminal
from tests.support.hostile import HOSTILE, is_safe

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "? +-0.5 <= 3 x 4 - ok ?"),
        ("latin-1", "\xfc \xb10.5 <= 3 \xd7 4 - ok ?"),
        ("cp1252", "\xfc \xb10.5 <= 3 \xd7 4 – ok ?"),
        ("utf-8", "ü ±0.5 ≤ 3 × 4 – ok ?"),
    ],
)
def test_what_cannot_be_shown_is_replaced(encoding: str, shown: str) -> None:
    raw = io.BytesIO()
    outlet = Outlet(io.TextIOWrapper(raw, encoding=encoding))
    print("ü ±0.5 ≤ 3 × 4 – ok \ud800", file=outlet, end="", flush=True)
    assert raw.getvalue().decode(encoding) == shown


class Failing(io.StringIO):
    """A stream that fails after some writes."""

    def __init__(self, error: Exception, after: int) -> None:
        super().__init__()
        self.error, self.left = error, after

    def write(self, text: str) -> int:
        if not self.left:
            raise self.error
        self.left -= 1
        return super().write(text)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 0, ""),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device"),
        (ValueError("I/O operation on closed file"), 1, "closed file"),
    ],
)
def test_a_command_goes_on_where_its_output_is_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int, said: str
) -> None:
    app, done = App(name="it"), []

    @app.default
    def work() -> int:
        for number in range(5):
            print(number)
            done.append(number)
        return 0

    monkeypatch.setattr(sys, "stdout", Failing(error, after=2))
    assert command.run(app, [], "bench.it") == code
    assert done == [0, 1, 2, 3, 4]
    assert said in capsys.readouterr().err


def test_a_command_that_failed_keeps_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(name="it")

    @app.default
    def work() -> int:
        print("x")
        return 7

    monkeypatch.setattr(sys, "stdout", Failing(OSError(errno.ENOSPC, "full"), after=0))
    assert command.run(app, [], "bench.it") == 7


SCRIPT = """
import sys
from cyclopts import App
from bench.cli import command
from bench.cli.terminal import Terminal
app = App(name="it")
@app.default
def work() -> int:
    terminal = Terminal()
    for _ in range(20_000):
        terminal.print("a line ± of output")
    open(sys.argv[1], "w").write("done")
    return 0
sys.exit(command.run(app, [], "bench.it"))
"""


@pytest.mark.parametrize(
    ("redirected", "code", "said"),
    [("| head -n 1", 0, ""), (">&-", 0, ""), ("> /dev/full", 1, "No space left"), (">&- 2>&-", 0, "")],
)
def test_real_streams(tmp_path: Path, redirected: str, code: int, said: str) -> None:
    (tmp_path / "it.py").write_text(SCRIPT, encoding="utf-8")
    line = f'set -o pipefail; "{sys.executable}" it.py done.txt {redirected}'
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == code
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "Exception ignored" not in ran.stderr
    assert (tmp_path / "done.txt").read_text() == "done"


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("width", [60, 200])
def test_text_cannot_command_a_terminal(text: str, width: int) -> None:
    file = io.StringIO()
    terminal = Terminal(file=file, width=width)
    Console(terminal).note(text)
    assert len(file.getvalue()) < 25_000
    terminal.print(Text(text, style="bold"))
    assert is_safe(file.getvalue())


def test_styles_are_the_terminals_own() -> None:
    file = io.StringIO()
    Terminal(file=file, force_terminal=True, color_system="standard").print(Text("red \x1b[2J", style="red"))
    assert file.getvalue() == "\x1b[31mred \\x1b[2J\x1b[0m\n"


def test_a_message_cannot_command_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    app = App(name="it")

    @app.default
    def work() -> int:
        raise command.BenchError(f"unknown {HOSTILE[0]} http://user:pass@host")

    assert command.run(app, [], "bench.it") == 2
    said = capsys.readouterr().err
    assert is_safe(said)
    assert "pass" not in said
