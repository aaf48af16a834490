"""A page in headless Chromium, driven by Playwright, and all that it asked for or complained of."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlsplit


class Opened:
    """A page in the browser, and all that it asked for or complained of."""

    def __init__(self, browser, path: Path, address: str = "", **context):
        self.page = browser.new_page(**({"viewport": {"width": 1280, "height": 900}} | context))
        self.page.set_default_timeout(10_000)
        self.requests, self.complaints = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append("dialog"), dialog.dismiss()))
        self.path = path
        started = time.perf_counter()
        self.page.goto(path.as_uri() + address)
        self.page.wait_for_selector("html[data-ready=yes]", state="attached")
        self.seconds = time.perf_counter() - started

    def close(self):
        """Every test ends here: the page asked for nothing and complained of nothing."""
        self.page.close()
        assert [url for url in self.requests if urlsplit(url).path != urlsplit(self.path.as_uri()).path] == []
        assert self.complaints == []

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def shown(self):
        """The cells shown in the table, by key."""
        return self.page.locator("#all-cells tbody tr").count()

    def differing(self):
        """The settings that the comparison says differ."""
        article = self.page.locator("#compare article", has_text="Settings that differ")
        return article.locator("tbody th").all_inner_texts()

    def column(self, name):
        """The texts of a column of the table of cells."""
        heads = self.page.locator("#all-cells thead th").all_inner_texts()
        place = [head.strip(" ▲▼\n") for head in heads].index(name) + 1
        return self.page.locator(f"#all-cells tbody td:nth-child({place})").all_inner_texts()


def keys_of(page, kind, **wanted):
    """Keys of the groups or cells with these fields, as the page's data hold them."""
    script = """([kind, wanted]) => {
        const data = JSON.parse(document.getElementById('data').textContent);
        const full = (one) => kind === 'groups' ? one : { ...data.groups[one.group], ...one };
        const fits = (one) => Object.entries(wanted).every(([name, value]) =>
            (name === 'task' ? data.topics[one.topic].task : one[name]) === value);
        return data[kind].map(full).filter(fits).map((one) => one.key);
    }"""
    return page.evaluate(script, [kind, wanted])
