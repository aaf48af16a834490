"""What every command does around its work: an error for the user ends with one message and the error's exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, UnusedCliTokensError

from bench.cli.output import EXIT_UNSEEN, patient
from bench.records import foreign
from bench.records.errors import BenchError

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def run(app: App, arguments: Sequence[str] | None, name: str) -> int:
    """Run a command line, from `arguments` or from the process's own; return its exit code.

    name: the command's, for messages.

    Where the reader of stdout leaves (`| head`), having seen enough, nothing changes. Where stdout cannot be written
    for another reason, as on a full disk, a command that went well ends with exit code 1.
    """
    with patient() as outlets:
        code = _run(app, arguments, name)
        lost = outlets.lost()
        if lost is not None and not isinstance(lost, BrokenPipeError):
            print(f"{name}: stdout took no more ({lost.strerror}); everything else was done", file=sys.stderr)
            code = code or EXIT_UNSEEN
    return code


def _run(app: App, arguments: Sequence[str] | None, name: str) -> int:
    app.suppress_keyboard_interrupt = False  # else an interrupted command ends without a word
    try:
        return int(app(arguments, exit_on_error=False, print_error=False, result_action="return_value") or 0)
    except UnusedCliTokensError as error:
        code, message = EXIT_USAGE, f"{error} Separate the values of one flag by commas: --lengths 10,100"
    except CycloptsError as error:
        code, message = EXIT_USAGE, str(error)
    except BenchError as error:
        code, message = error.exit_code, str(error)
    except KeyboardInterrupt:
        code, message = EXIT_INTERRUPTED, "interrupted; the same command again resumes"
    print(f"{name}: {foreign.block(message.strip())}", file=sys.stderr)
    return code
