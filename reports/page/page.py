"""The report's page: one self-contained file that needs no network and no server.

It holds the data as inert JSON, and a style and a script of ours (`reports/page/`) that a strict
Content-Security-Policy names by their hashes. The script inserts every text as text and evaluates nothing.
docs/decisions/0009-page.md says why.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from bench.records import foreign
from bench.store import Store
from reports.page.payload import payload
from reports.view import View, delivery
from reports.view.asked import AskedTopic

SCRIPTS = (
    "text.js", "elements.js", "draw.js", "marks.js", "take.js", "legend.js", "overview.js", "learning.js", "curves.js",
    "gradients.js", "inside.js", "asked.js", "choice.js", "compare.js", "cells.js", "provenance.js", "main.js",
)  # fmt: skip
POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; base-uri 'none'; form-action 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def write(
    view: View,
    store: Store,
    path: Path,
    answered: Sequence[AskedTopic] = (),
    drawn: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write the page of a store's view. Whole or not at all: an older page stays until the new one is there.

    answered: what the view's models said at other lengths. drawn: names of the figures in the folder `figures` beside
    the page, by the name of their topic.

    Raises:
        OSError: `path` cannot be written.
    """
    sweeps = store.sweeps()  # read first: it adds to what is corrupt
    corrupt = [broken.name for broken in store.corrupt]
    content = payload(store.path.resolve().name, view, sweeps, corrupt, answered, drawn)
    text = page(foreign.throughout(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    delivery.write(path, text)


def page(content: dict[str, Any]) -> str:
    """Make the text of the page. content: as `reports.page.payload` makes it."""
    colours = (f".look-{look['index']} {{ --model: {look['colour']}; }}\n" for look in content["looks"].values())
    style = _part("page.css") + "".join(colours)
    script = "(() => {\n'use strict';\n" + "\n".join(_part(name) for name in SCRIPTS) + "\n})();\n"
    filled = {
        "POLICY": POLICY.format(script=_hash(script), style=_hash(style)),
        "STYLE": style,
        "DATA": inert(content),
        "SCRIPT": script,
    }
    # In one pass: what was filled in is never searched again.
    pieces = _part("page.html").split("%%")
    return "".join(filled[piece] if odd % 2 else piece for odd, piece in enumerate(pieces))


def inert(content: Any) -> str:
    """Write JSON that cannot end the script element around it: no <, >, & and no line separators of JavaScript."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


# Lone surrogates (a broken file name, say) have no UTF-8; they stay escaped as well.
_ESCAPES = {code: f"\\u{code:04x}" for code in (*map(ord, "<>&\u2028\u2029"), *range(0xD800, 0xE000))}


def _part(name: str) -> str:
    return (resources.files("reports") / "page" / "script" / name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
