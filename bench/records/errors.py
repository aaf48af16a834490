"""The base of every error whose message is for the user: what, expected, got, how to fix."""

from __future__ import annotations

from typing import ClassVar


class BenchError(Exception):
    """What was asked for cannot be done. A command shows the message alone and ends with `exit_code`."""

    exit_code: ClassVar[int] = 2


class UsageError(BenchError):
    """A command line, a configuration or a request that cannot be followed."""
