"""What a reader takes away from the page, and how the legend shows and hides models."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from bench.store import Store
from reports.page import page as dashboard
from reports.view import View
from tests.support.results import make_result


def downloaded(page, button):
    with page.expect_download() as waiting:
        button.click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_text("utf-8")


def copied(page, button):
    """What a button copies: from the clipboard, or from the text shown where there is none."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button.click()
    page.locator("[role=status]", has_text="copied").last.wait_for()
    return page.evaluate("navigator.clipboard.readText()")


# -- learning curves ---------------------------------------------------------------------------------------------------


def test_learning_curves_show_medians_and_seeds(opened, full_path):
    page = opened(full_path, "#learning=topic=copying&length=10").page
    section = page.locator("#learning")
    assert section.locator("svg.chart").count() == 3
    assert section.locator("path.band").count() == 15  # five models, three quantities
    assert section.locator("path.line.thin").count() == 0
    section.get_by_label("lines").check()
    assert section.locator("path.band").count() == 0
    assert section.locator("path.line.thin").count() == 60  # four seeds of each
    assert "seeds=lines" in page.url
    section.get_by_label("Task").focus()
    section.get_by_label("Task").select_option("adding")
    assert "adding, T = 10: training loss" in section.inner_text()
    assert page.evaluate("document.activeElement.tagName") == "SELECT"


def test_numbers_of_a_learning_curve_are_the_seeds_own(opened, tmp_path):
    results = [
        make_result("adding", "gru", seed=seed).model_copy(
            update={"curves": make_result().curves.model_copy(update={"train_loss": (loss, loss / 2)})}
        )
        for seed, loss in enumerate((1.0, 2.0, 4.0))
    ]
    store = Store(tmp_path / "results", create=True)
    dashboard.write(View.of(results), store, tmp_path / "page.html")
    page = opened(tmp_path / "page.html").page
    name, text = downloaded(page, page.get_by_role("button", name="training loss against training step as CSV"))
    assert name == "adding-training-loss-against-training-step.csv"
    rows = list(csv.DictReader(io.StringIO(text)))
    medians = [
        (row["step"], row["training loss"], row["least"], row["largest"]) for row in rows if row["what"] == "median"
    ]
    assert medians == [("1", "2", "1", "4"), ("2", "1", "0.5", "2")]
    assert [row["training loss"] for row in rows if row["what"] == "seed 2"] == ["4", "2"]


# -- the legend --------------------------------------------------------------------------------------------------------


def lines_of(page, section, label):
    index = page.evaluate(
        "(label) => JSON.parse(document.getElementById('data').textContent).looks[label].index", label
    )
    return page.locator(f"#{section} svg.chart .look-{index}").count()


@pytest.mark.parametrize("key", [None, "Space"])
def test_the_legend_hides_a_model_everywhere(opened, full_path, key):
    page = opened(full_path).page
    button = page.locator("#learning .legend").get_by_role("button", name="gru")
    assert button.get_attribute("aria-pressed") == "true"
    if key is None:
        button.click()
    else:
        button.focus()
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.value") == "gru"  # the focus stays
    for section in ("learning", "curves", "gradients"):
        assert page.locator(f"#{section} .legend button[value=gru]").get_attribute("aria-pressed") == "false"
        assert lines_of(page, section, "gru") == 0
        assert lines_of(page, section, "lstm") > 0
    assert "hide=model=gru" in page.url
    again = opened(full_path, f"#{page.url.split('#')[1]}").page
    assert lines_of(again, "curves", "gru") == 0
    page.locator("#curves .legend button[value=gru]").click()
    assert lines_of(page, "learning", "gru") > 0
    assert "hide" not in page.url


# -- charts and tables -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chart_is_a_file_of_its_own(opened, full_path, scheme):
    page = opened(full_path, color_scheme=scheme).page
    name, text = downloaded(page, page.get_by_role("button", name=re.compile("Download adding: mean .* as SVG")).first)
    assert re.fullmatch(r"adding-mean-squared-error-.*against-length\.svg", name)
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    nodes = list(root.iter())
    assert not [node for node in nodes if "class" in node.attrib or "style" in node.attrib]
    colours = {node.get(which, "") for node in nodes for which in ("fill", "stroke")}
    assert not [colour for colour in colours if colour not in ("", "none") and not colour.startswith("rgb(")]
    words = "".join(root.itertext())
    assert all(model in words for model in ("rnn", "gru", "lstm", "attention", "transformer"))
    ground = nodes[2].get("fill")
    assert (ground == "rgb(255,255,255)") == (scheme == "light")


def test_every_chart_offers_its_numbers(opened, full_path):
    page = opened(full_path).page
    charts = page.locator("figure:has(svg.chart)").count()
    assert page.locator("figure:has(svg.chart) .take button", has_text="CSV").count() == charts > 20
    _, text = downloaded(page, page.get_by_role("button", name=re.compile("Download adding: mean .* as CSV")).first)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {(row["model"], row["T"]) for row in rows} == {
        (model, length)
        for model in ("rnn", "gru", "lstm", "attention", "transformer")
        for length in ("10", "100", "1000")
    }


def test_numbers_hold_no_formula(opened, tmp_path):
    store = Store(tmp_path / "results", create=True)
    dashboard.write(View.of([make_result("adding", '=cmd|"x",1')]), store, tmp_path / "page.html")
    page = opened(tmp_path / "page.html").page
    _, text = downloaded(page, page.get_by_role("button", name=re.compile("Download adding: mean .* as CSV")).first)
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["model"] == '\'=cmd|"x",1'


def test_tables_are_copied(opened, full_path):
    page = opened(full_path, "#cells=topic=adding&model=gru&length=10").page
    text = copied(page, page.get_by_role("button", name="Copy the cells shown as Markdown"))
    lines = text.splitlines()
    assert len(lines) == 2 + 4
    assert lines[0].startswith("|  | ") or "| task | model |" in lines[0]
    assert {line.count("|") for line in lines} == {lines[0].count("|")}
    text = copied(page, page.get_by_role("button", name="Copy the cells shown as LaTeX"))
    assert text.count(r" \\") == 1 + 4
    assert r"\begin{tabular}" in text
    text = copied(page, page.get_by_role("button", name="Copy all tasks in one table as LaTeX"))
    assert r"\label{tab:results}" in text


# -- warnings, sorting -------------------------------------------------------------------------------------------------


def test_a_warning_leads_to_its_cells(opened, tmp_path):
    store = Store(tmp_path / "results", create=True)
    results = [make_result("adding", "rnn"), make_result("adding", "gru", torch="2.12.0"),
               make_result("adding", "lstm", status="error", error="no", score=None)]  # fmt: skip
    dashboard.write(View.of(results), store, tmp_path / "page.html")
    one = opened(tmp_path / "page.html")
    page = one.page
    page.locator("#counts a").click()
    page.locator(".warning", has_text="mixed versions of torch").get_by_role("link", name="2.12.0: 1 cell").click()
    page.locator("#shown", has_text="2.12.0").wait_for()
    assert one.column("model") == ["gru"]
    page.locator(".warning", has_text="failed").get_by_role("link", name="Show this cell in the table").click()
    page.locator("#shown", has_text="failed").wait_for()
    assert one.column("model") == ["lstm"]
    page.get_by_role("button", name="All cells").click()
    assert one.shown() == 3


def test_sorting_keeps_units_apart(opened, full_path):
    one = opened(full_path, "#cells=sort=-score")
    units = one.column("unit")
    assert len(set(units)) > 2
    runs = [unit for place, unit in enumerate(units) if place == 0 or units[place - 1] != unit]
    known = [unit for score, unit in zip(one.column("score"), units, strict=True) if score != "—"]
    runs = [unit for place, unit in enumerate(known) if place == 0 or known[place - 1] != unit]
    assert "sorted by score within each of" in one.text("#shown")
    metrics = 5
    assert len(runs) <= metrics
