"""What every command but `bench.run` does around its work: bad usage ends with one message and exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

EXIT_USAGE = 2


def run(app: App, arguments: Sequence[str] | None, name: str, *faults: type[Exception]) -> int:
    """Run a command line, from `arguments` or from the process's own; its exit code. name: of the command, for
    messages. faults: errors of its own that are the user's to mend."""
    expected: tuple[type[Exception], ...] = (CycloptsError, *faults)
    try:
        return int(app(arguments, exit_on_error=False, print_error=False, result_action="return_value") or 0)
    except expected as error:
        print(f"{name}: {str(error).strip()}", file=sys.stderr)
        return EXIT_USAGE
