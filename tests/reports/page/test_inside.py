"""Gates, attention and Jacobians on the page."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from bench.store import Store
from reports.page import page as dashboard
from reports.page.inside import LETTERS, inside, written
from reports.page.payload import payload
from reports.view import View
from tests.support.measured import make_closeup, make_measured
from tests.support.results import make_result

HOSTILE = "</script><img src=x>"


def test_values_are_written_as_letters_from_0_to_100_percent():
    assert written([0, 50, 100], attention=False) == "0" + LETTERS[30] + "Z"
    assert written([0, 0.01, 1, 100], attention=True) == "00" + LETTERS[30] + "Z"


def test_what_is_inside_is_of_the_first_seed_that_holds_it():
    first = make_result("adding", "gru", seed=0)
    second = make_measured("adding", "gru", seed=1).model_copy(update={"closeup": make_closeup()})
    held = inside([first, second])
    assert (held["seed"], held["jacobian_seed"]) == (1, 1)
    assert [picture["title"] for picture in held["pictures"]] == ["input gate", "forget gate", "attention"]
    assert held["closeup"]["answers"] == ["longer → a", "<& → b"]
    assert held["closeup"]["columns"] == [0, 1, None, 2, 3, 4]
    assert [one["step"] for one in held["jacobians"]] == [0, second.steps]
    assert inside([first]) == {}


@pytest.fixture
def path(tmp_path):
    results = [
        make_measured("adding", "gru", 10).model_copy(update={"closeup": make_closeup()}),
        make_measured("adding", "lstm", 10),
        make_measured("ner", "gru", 10).model_copy(update={"closeup": make_closeup(symbols={"input": (HOSTILE,) * 5})}),
    ]
    store = Store(tmp_path / "results", create=True)
    view = View.of(results)
    names = {topic.name: [f"{topic.name}-gates-gru", f"{topic.name}-lyapunov"] for topic in view.topics}
    dashboard.write(view, store, tmp_path / "index.html", (), names)
    return tmp_path / "index.html"


def test_symbols_stand_beside_gates_and_attention(opened, path):
    page = opened(path, "#inside=topic=adding&model=gru").page
    section = page.locator("#inside")
    figure = section.locator("figure", has_text="attention, block 0, head 1, with symbols")
    assert figure.locator("text.symbol").all_text_contents() == ["a", "b", "…", "␣", "longer", "<&"]
    assert "longer → a" in figure.locator("svg").text_content()
    assert figure.locator("rect.left-out").count() == 1
    assert section.locator("figure", has_text="Lyapunov spectrum").count() == 2
    assert section.locator("figure", has_text="singular values").count() == 2
    section.get_by_label("Gates and attention of").select_option("lstm")
    assert section.locator("text.symbol").count() == 0
    assert section.locator("figure", has_text="lstm: forget gate").count() == 1


def test_numbers_of_a_gate_are_its_own(opened, path):
    page = opened(path, "#inside=topic=adding&model=gru").page
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download gru: forget gate, with symbols as CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text("utf-8"))))
    first = [(row["step"], row["symbol"], float(row["percent, rounded to 62 levels"])) for row in rows[:5]]
    assert [(step, symbol) for step, symbol, _ in first] == [
        ("0", "a"), ("1", "b"), ("7", "␣"), ("8", "longer"), ("9", "<&"),
    ]  # fmt: skip
    assert [percent for _, _, percent in first] == pytest.approx([0, 25, 50, 75, 100], abs=1)


def test_figures_and_their_data_are_linked(opened, path):
    page = opened(path).page
    links = page.locator("#inside a").evaluate_all("nodes => nodes.map((node) => node.getAttribute('href'))")
    assert "figures/adding-gates-gru.vl.json" in links
    assert "figures/adding-lyapunov.svg" in links
    assert all(link.startswith("figures/") for link in links)


def test_a_strangers_symbols_are_text(opened, path):
    page = opened(path).page
    page.locator("#inside").get_by_label("Task").select_option(index=1)
    assert HOSTILE in page.locator("#inside text.symbol").first.text_content()
    assert page.evaluate("document.images.length") == 0


def test_a_page_without_any_has_no_such_section(opened, full_path):
    page = opened(full_path).page
    assert not page.locator("#inside").is_visible()
    assert not page.locator('nav a[href="#inside"]').is_visible()


def test_a_links_address_cannot_lead_elsewhere():
    view = View.of([make_result("adding", "gru")])
    content = payload("x", view, drawn={view.topics[0].name: ["../../etc", "javascript:alert(1)"]})
    assert [*content["topics"][0]["figures"].values()] == ["figures/..%2F..%2Fetc", "figures/javascript%3Aalert%281%29"]
