"""A browser for the tests of the page: headless Chromium. Debian: `apt-get install -y chromium`."""

from __future__ import annotations

import shutil

import pytest

from bench.store import Store
from reports.page import page as dashboard
from reports.view import View
from tests.support.full_store import make_full_results
from tests.support.opened import Opened

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip(
            "THE PAGE IS NOT TESTED IN A BROWSER: no Chromium found. Install it with `apt-get install -y chromium` "
            "(Debian) and run the tests again."
        )
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip(
            "THE PAGE IS NOT TESTED IN A BROWSER: no playwright. Install it with `pip install -e '.[dev]'`; no browser "
            "need be downloaded."
        )
    # No sandbox: Chromium refuses to run as root, as tests in a container do, with one. The page is our own.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def full_path(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("full") / "results", create=True)
    path = store.path / "report" / "index.html"
    dashboard.write(View.of(make_full_results()), store, path)
    return path


@pytest.fixture
def opened(browser, request):
    """Opens pages, and closes them with the checks of `close`."""
    held = []

    def opened(path, address="", **context):
        held.append(Opened(browser, path, address, **context))
        return held[-1]

    yield opened
    for one in held:
        one.close()
