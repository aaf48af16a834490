"""Read a TOML file that somebody else may have written: one message for whatever is wrong with it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from bench.records.errors import UsageError

MOST_BYTES = 2**20


def read(
    path: Path, what: str, error: type[UsageError] = UsageError, hint: str = "Correct the path."
) -> dict[str, Any]:
    """Return the content of a TOML file. what: the file is, for messages; hint: how to correct its path.

    Raises:
        UsageError: it cannot be read, is too long or too deep, or is not TOML; as `error`.
    """
    try:
        with path.open("rb") as file:  # perhaps a device, whose end never comes
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise error(f"the {what} {path} holds more than {MOST_BYTES:,} bytes: expected keys and values")
        return tomllib.loads(text.decode("utf-8-sig").replace("\r\n", "\n"))
    except OSError as failed:
        raise error(f"cannot read the {what} {path}: {failed.strerror}. {hint}") from None
    except UnicodeDecodeError as failed:
        raise error(f"the {what} {path} is not valid TOML: byte {failed.start} is not UTF-8") from None
    except RecursionError:
        raise error(f"the {what} {path} is nested too deeply: expected keys with plain values") from None
    except ValueError as failed:
        raise error(f"the {what} {path} is not valid TOML: {failed}") from None
