"""Write into the pages what commands print: `python docs/printed.py`.

A page holds `<!-- python -m reports.compare memory --format markdown -->`, then what that prints, then `<!-- end -->`.
With `: How far back` behind the command, it holds the table alone whose heading begins so.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
MARKED = re.compile(
    r"(?P<start><!-- python -m (?P<module>reports\.\w+) (?P<words>[^:\n]*?)(?:: (?P<heading>[^\n]*?))? -->\n)"
    r".*?(?P<end><!-- end -->)",
    re.DOTALL,
)


def printed(module: str, words: str, heading: str | None) -> str:
    """Return what a report command prints, or of it one table, without the heading."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = importlib.import_module(module).main(shlex.split(words))
    if code:
        raise SystemExit(f"python -m {module} {words} ended with exit code {code}")
    text = out.getvalue().strip()
    if heading is None:
        return text
    parts = [part for part in re.split(r"^### ", text, flags=re.M) if part.startswith(heading)]
    if len(parts) != 1:
        raise SystemExit(f"python -m {module} {words}: expected one table {heading!r}, got {len(parts)}")
    return parts[0].partition("\n")[2].strip()


def filled(page: str) -> str:
    """Return a page with every marked part as its command prints it now."""

    def put(found: re.Match[str]) -> str:
        made = printed(found["module"], found["words"], found["heading"])
        return f"{found['start']}\n{made}\n\n{found['end']}"

    return MARKED.sub(put, page)


if __name__ == "__main__":
    for path in PAGES:
        text = path.read_text("utf-8")
        if (made := filled(text)) != text:
            path.write_text(made, "utf-8")
            print(path.relative_to(ROOT))
