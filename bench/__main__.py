"""The command `long-range-bench`, or `python -m bench`: every command of the suite by one word.

long-range-bench run --lengths 10,100     is     python -m bench.run --lengths 10,100
"""

from __future__ import annotations

import difflib
import importlib
import sys

from bench.cli import command

COMMANDS = {
    "run": "bench.run",
    "evaluate": "bench.evaluate",
    "status": "bench.status",
    "show": "bench.show",
    "check": "bench.check",
    "doctor": "bench.doctor",
    "merge": "bench.merge",
    "paper": "bench.paper",
    "lecture": "bench.lecture",
    "publish": "bench.publish",
    "report": "reports.__main__",
    "table": "reports.table",
    "figure": "reports.figure",
    "gradients": "reports.gradients",
    "remedies": "reports.remedies",
    "lengths": "reports.lengths",
    "compare": "reports.compare",
}
USAGE = f"""Usage: long-range-bench COMMAND …

COMMAND is one of: {", ".join((*COMMANDS, "list"))}. Each has --help; `list` shows tasks, models and their options.
--version: show the version.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command that the first word names, on the words behind it; return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if not words or words[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0 if words else command.EXIT_USAGE
    first, *rest = words
    if first == "--version":
        from importlib.metadata import version

        print(version("long-range-bench"))
        return 0
    if first == "list":
        first, rest = "run", ["--list", *rest]
    if first not in COMMANDS:
        near = difflib.get_close_matches(first, COMMANDS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        print(
            f"long-range-bench: unknown command {first!r}.{hint} Known: {', '.join(COMMANDS)}, list.", file=sys.stderr
        )
        return command.EXIT_USAGE
    code: int = importlib.import_module(COMMANDS[first]).main(rest)
    return code


if __name__ == "__main__":
    sys.exit(main())
