"""`python docs/site/check.py FOLDER`: fail if a built site loads anything from another host. Links may lead there."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ELSEWHERE = re.compile(r"(?:[a-z]+:)?//", re.IGNORECASE)  # another host, by any scheme or by the page's own
LOADED = {"src", "srcset", "poster", "data", "background"}
STYLE = re.compile(r"""(?:url\(|@import)\s*["']?\s*((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)


class Page(HTMLParser):
    """Collects the addresses of what a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in what one element loads."""
        for name, value in attrs:
            text = (value or "").strip()
            if name in LOADED or (tag == "link" and name == "href"):
                self.loaded += [text] if ELSEWHERE.match(text) else []
            if name == "style":
                self.loaded += STYLE.findall(text)

    def handle_data(self, data: str) -> None:
        """Take in what a style sheet within the page loads."""
        if self.lasttag == "style":
            self.loaded += STYLE.findall(data)


def outside(text: str, ending: str) -> list[str]:
    """Return the addresses of other hosts that a page (`.html`) or a style sheet (`.css`) loads from."""
    if ending == ".css":
        return STYLE.findall(text)
    page = Page()
    page.feed(text)
    return page.loaded


def found(site: Path) -> Iterator[str]:
    """Yield a line for every file of a site that loads something from another host."""
    for path in sorted(path for path in site.rglob("*") if path.suffix in (".html", ".css")):
        for address in outside(path.read_text("utf-8"), path.suffix):
            yield f"{path.relative_to(site)} loads {address[:100]}"


def main() -> int:
    """Check the folder that the command line names."""
    site = Path(sys.argv[1])
    if not (site / "index.html").is_file():
        print(f"{site}: expected a built site, found no index.html", file=sys.stderr)
        return 2
    lines = list(found(site))
    print("\n".join(lines) or f"{site}: nothing is loaded from another host")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
