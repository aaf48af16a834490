"""The page in a browser: it opens, is used, and runs nothing of a stranger."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

import pytest

from bench.records.asked import Asked, AskedCell
from bench.records.cell import DataIdentity
from bench.store import Store
from reports.page import page as dashboard
from reports.view import View
from reports.view.asked import asked_topics
from tests.support.full_store import make_full, make_full_results
from tests.support.opened import keys_of
from tests.support.readings import asked_result, make_reading
from tests.support.results import make_result

SECTIONS = ("overview", "learning", "curves", "gradients", "compare", "cells", "provenance")
SECONDS = 2.0  # in which a page of 300 cells must be open


# -- opening -----------------------------------------------------------------------------------------------------------


def test_three_hundred_cells_open_in_two_seconds(opened, full_path):
    assert min(opened(full_path).seconds for _ in range(3)) < SECONDS


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_section_renders(opened, full_path, width, scheme):
    page = opened(full_path, viewport={"width": width, "height": 900}, color_scheme=scheme).page
    wanted = {"overview": 25, "learning": 3, "curves": 16, "gradients": 16, "compare": 0, "cells": 300, "provenance": 0}
    for name in SECTIONS:
        section = page.locator(f"#{name}")
        assert section.is_visible()
        assert section.locator("svg").count() >= wanted[name]
        assert len(section.inner_text()) > 100
    assert page.locator(".square").count() == 75
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.parametrize("width", [1280, 390])
def test_other_lengths_have_a_section_where_models_were_asked(opened, full_path, tmp_path, width):
    assert not opened(full_path).page.locator("#asked").is_visible()
    results = [asked_result(result) for result in make_full_results() if result.cell.task == "adding"]
    asked = [result for result in results if result.score is not None and result.cell.model == "gru"]
    readings = [make_reading(result, 300, 0.5) for result in asked]
    view = View.of(results)
    store = Store(tmp_path / "results", create=True)
    dashboard.write(view, store, tmp_path / "index.html", asked_topics(view, readings))
    page = opened(tmp_path / "index.html", viewport={"width": width, "height": 900}).page
    section = page.locator("#asked")
    assert section.is_visible()
    assert page.locator('nav a[href="#asked"]').inner_text() == "Other lengths"
    assert section.locator("tbody tr").count() == 3  # trained at 10, 100 and 1000
    assert section.locator(".is-own").count() == 3
    assert "<-2.00" in section.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_no_drawing_holds_a_number_that_is_none(opened, full_path):
    page = opened(full_path).page
    broken = "(nodes) => nodes.filter((node) => /NaN|Infinity|undefined/.test(node.outerHTML)).length"
    assert page.locator("svg").evaluate_all(broken) == 0
    assert "undefined" not in page.locator("main").inner_text()


def test_a_model_has_one_colour_everywhere(opened, full_path):
    one = opened(full_path, "#gradients=moment=end")
    page = one.page
    colours = page.evaluate("""() => {
        const found = {};
        for (const swatch of document.querySelectorAll('.legend li, .map .model, #all-cells .model')) {
            const line = swatch.querySelector('path.line');
            (found[swatch.textContent.trim()] ||= new Set()).add(getComputedStyle(line).stroke);
        }
        return Object.entries(found).map(([label, colours]) => [label, [...colours]]);
    }""")
    assert len(colours) == 5
    assert all(len(held) == 1 for _, held in colours)
    assert len({held[0] for _, held in colours}) == 5


def test_an_empty_store_says_so(opened, store):
    path = store.path / "index.html"
    dashboard.write(View.of([]), store, path)
    assert "no results yet" in opened(path).text("#overview")


@pytest.mark.parametrize(
    "results",
    [
        pytest.param([make_result(status="error", error="no", score=None, device=None)], id="only failures"),
        pytest.param([make_result(status="diverged", score=None)], id="only diverged"),
        pytest.param([make_result(score=None, steps=0)], id="untrained"),
        pytest.param([make_result(), make_result(steps=500), make_result(model_version=2)], id="look-alikes"),
        pytest.param([make_full("ner", "gru", 100, 0)], id="one cell"),
    ],
)
def test_scanty_stores_open_and_compare(opened, store, results):
    path = store.path / "index.html"
    dashboard.write(View.of(results), store, path)
    one = opened(path)
    assert one.shown() == len(results)
    assert one.page.locator(".square").count() == len(results)
    for key in [*keys_of(one.page, "groups"), *keys_of(one.page, "cells")]:
        one.page.evaluate(f"location.hash = '#compare={key}'")
    picker = one.page.locator("[data-picker=group]")
    picker.get_by_role("button").click()
    assert one.page.locator("#compare .chips li").count() >= 2
    assert not re.search(r"NaN|undefined|Infinity", one.text("main"))


# -- using it ----------------------------------------------------------------------------------------------------------


def test_a_square_leads_to_its_cells(opened, full_path):
    one = opened(full_path)
    one.page.locator(".square[aria-label^='adding · rnn · T = 1,000']").click()
    one.page.wait_for_function("document.querySelector('#shown').textContent === '4 of 300 cells'")
    assert set(one.column("model")) == {"rnn"}
    assert one.column("T") == ["1,000"] * 4
    assert any("out of memory" in text for text in one.column("outcome"))
    one.page.locator("#all-cells summary", has_text="RuntimeError").click()
    assert "in step 17" in one.text("#all-cells details[open] pre")


def test_cells_filter(opened, full_path):
    one = opened(full_path)
    assert one.shown() == 300
    one.page.get_by_label("Outcome").select_option("diverged")
    assert one.column("outcome") == ["∞ diverged"]
    one.page.get_by_label("Outcome").select_option("")
    one.page.get_by_label("Containing").fill("allocate adding")
    assert one.text("#shown") == "2 of 300 cells"
    assert "text=allocate" in one.page.url
    one.page.get_by_role("button", name="All cells").click()
    assert one.shown() == 300
    assert one.page.get_by_label("Containing").input_value() == ""


def test_cells_sort_by_number_and_by_word_with_empty_ones_last(opened, full_path):
    one = opened(full_path, "#cells=topic=adding")
    one.page.get_by_role("button", name="score", exact=True).click()
    scores = one.column("score")
    known = [float(text) for text in scores if text != "—"]
    assert known == sorted(known)
    assert scores[-3:] == ["—"] * 3
    one.page.get_by_role("button", name="score", exact=True).click()
    assert [float(text) for text in one.column("score")[:-3]] == known[::-1]
    assert one.page.locator("th[aria-sort=descending]").inner_text().strip(" ▼") == "score"
    one.page.get_by_role("button", name="model", exact=True).click()
    assert one.column("model") == sorted(one.column("model"))


def test_groups_compare_with_their_exact_test(opened, full_path):
    one = opened(full_path)
    first, second = (keys_of(one.page, "groups", task="adding", model=m, length=100)[0] for m in ("gru", "lstm"))
    picker = one.page.locator("[data-picker=group]")
    for key in (first, second):
        picker.locator("select").select_option(key)
        picker.get_by_role("button").click()
    assert urlsplit(one.page.url).fragment == f"compare={first},{second}"
    text = one.text("#compare")
    assert "p = 0.0286 (score): differ" in text  # 2 of the 70 splits of 4 + 4
    assert "1 comparison here" in text
    assert one.differing() == ["model"]
    assert one.page.locator("#compare svg.chart").count() == 4
    one.page.get_by_role("button", name="Remove A").click()
    assert urlsplit(one.page.url).fragment == f"compare={second}"


def test_three_seeds_a_side_get_no_test(opened, full_path):
    one = opened(full_path)
    first, second = (keys_of(one.page, "groups", task="adding", model=m, length=1000)[0] for m in ("rnn", "attention"))
    text = opened(full_path, f"#compare={first},{second}").text("#compare")
    assert "no test: needs at least 4 seeds a side, there are 3 and 4" in text


def test_cells_compare_through_their_boxes_with_samples_side_by_side(opened, full_path):
    one = opened(full_path, "#cells=topic=char_lm&model=gru&length=100")
    boxes = one.page.locator("#all-cells input[type=checkbox]")
    boxes.nth(0).check()
    boxes.nth(2).check()
    keys = keys_of(one.page, "cells", task="char_lm", model="gru", length=100)
    assert urlsplit(one.page.url).fragment.split("/")[0] == f"compare={keys[0]},{keys[2]}"
    assert [text.splitlines()[0] for text in one.page.locator("#compare pre.sample").all_inner_texts()] == [
        "To be, or not to be: gru 0", "To be, or not to be: gru 2",
    ]  # fmt: skip
    assert one.differing() == ["seed"]
    assert "single cells" in one.text("#compare")
    boxes.nth(0).uncheck()
    assert urlsplit(one.page.url).fragment.split("/")[0] == f"compare={keys[2]}"


def test_links_open_what_they_name(opened, full_path):
    first = opened(full_path)
    group = keys_of(first.page, "groups", task="copying", model="lstm", length=10)[0]
    cell = keys_of(first.page, "cells", task="copying", model="rnn", length=10)[1]
    address = f"#compare={group},{cell}/cells=model=lstm&sort=-T/gradients=topic=copying&length=1000&moment=middle"
    one = opened(full_path, address)
    chips = one.page.locator("#compare .chips li").all_inner_texts()
    assert [re.sub(r"\s+", " ", chip)[:1] for chip in chips[:2]] == ["A", "B"]
    assert "lstm" in chips[0]
    assert "seed 1" in chips[1]
    assert set(one.column("model")) == {"lstm"}
    assert one.column("T")[0] == "1,000"
    assert "copying, T = 1,000" in one.text("#gradients figure >> nth=0")
    assert one.page.get_by_label("middle of training").first.is_checked()
    assert one.page.locator("#compare").evaluate("(node) => Math.abs(node.getBoundingClientRect().top) < 120")
    one.page.evaluate(f"location.hash = '#compare={group}'")
    one.page.wait_for_function("document.querySelectorAll('#compare .chips li').length === 2")  # one, and "Clear"


def test_a_link_to_what_is_not_there_says_so(opened, full_path):
    assert "1 key of the address is not on this page" in opened(full_path, "#compare=0123456789abcdef").text("#compare")


@pytest.mark.parametrize(
    "address", ["#constructor", "#compare=%E0%A4%A,__proto__", "#cells=%/=/x", "#gradients=topic=no&length=x"]
)
def test_an_address_that_makes_no_sense_breaks_nothing(opened, full_path, address):
    one = opened(full_path, address)
    assert one.page.locator(".square").count() == 75
    assert one.page.locator("#gradients svg.chart").count() > 0


def test_gradients_choose_task_length_quantity_and_moment(opened, full_path):
    one = opened(full_path)
    section = one.page.locator("#gradients")
    section.get_by_label("Task").select_option("running_average")
    section.get_by_label("Length").select_option("1000")
    section.get_by_label("With respect to").select_option("hidden")
    assert "running_average, T = 1,000: gradient of the hidden state" in section.inner_text()
    assert section.locator(".legend li").all_inner_texts() == ["gru", "lstm", "rnn"]
    end = section.locator("table").inner_text()
    section.get_by_label("initialisation").check()
    assert "At training step 0." in section.inner_text()
    assert "vanishing 4/4" in section.locator("table").inner_text()
    assert section.locator("table").inner_text() != end
    assert "gradients=topic=running_average&moment=initialisation&quantity=hidden&length=1000" in one.page.url


def test_curves_switch_between_score_and_skill(opened, full_path):
    page = opened(full_path).page
    block = page.locator("#curves article", has_text="Score against length")
    before = block.locator("svg.chart").first.get_attribute("aria-label")
    block.get_by_label("skill").check()
    assert "skill" in block.locator("svg.chart").first.get_attribute("aria-label") != before


def test_no_line_runs_through_a_length_without_a_value(opened, store):
    lengths = {"gru": (10, 20, 50, 100), "rnn": (10, 20, 100)}
    results = [make_result("adding", model, length) for model, held in lengths.items() for length in held]
    dashboard.write(View.of(results), store, store.path / "page.html")
    page = opened(store.path / "page.html").page
    lines = page.locator("#curves article").first.locator("path.line:not(.legend *)")
    ends = [path.count("L") for path in lines.evaluate_all("all => all.map(one => one.getAttribute('d'))")]
    assert [count for count in ends if count] == [3, 1]  # of the gru one line, of the rnn the first two lengths alone


def test_it_works_with_a_keyboard_alone(opened, full_path):
    one = opened(full_path)
    page = one.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    for _ in range(8):  # the warnings, and seven sections
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Provenance"
    page.locator(".square").first.focus()
    page.keyboard.press("Enter")
    assert one.text("#shown") == "4 of 300 cells"
    page.get_by_role("button", name="skill", exact=True).focus()
    page.keyboard.press("Enter")
    assert page.locator("th[aria-sort=ascending]").count() == 1
    page.locator("#all-cells input").first.focus()
    page.keyboard.press("Space")
    assert "(1)" in one.text("nav")
    radio = page.locator("#gradients").get_by_label("end of training")
    radio.focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#gradients").get_by_label("middle of training").is_checked()
    assert page.evaluate("document.activeElement.type") == "radio"


def test_printed_it_holds_every_section_and_no_controls(opened, full_path):
    page = opened(full_path, viewport={"width": 1046, "height": 900}).page
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.get_by_label("Containing").is_visible()
    for name in SECTIONS:
        assert page.locator(f"#{name}").is_visible()
    rows = page.locator("#all-cells tbody tr")
    assert rows.count() == 300
    height = page.locator("#cells .scroll").evaluate("(node) => [node.scrollHeight, node.clientHeight]")
    assert height[0] == height[1]  # nothing is scrolled away
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


# -- inert -------------------------------------------------------------------------------------------------------------

HOSTILE = (
    "</script><script>window.hit=1</script><img src=x onerror=window.hit=1><svg onload=window.hit=1>"
    "\" onmouseover='window.hit=1' javascript:window.hit=1 {{hit}} %%DATA%% <!-- \u2028 __proto__"
)


def hostile_result(task="char_lm", **changes):
    """A result with the hostile text in every field that takes text."""
    result = make_full("char_lm", "lstm", 100, changes.get("seed", 0))
    base = make_result("char_lm", f"lstm:{HOSTILE}", 100, data=DataIdentity(name=HOSTILE, sha256=HOSTILE), **changes)
    cell = base.cell.model_copy(update={"task": f"{HOSTILE}{task}"})
    provenance = base.provenance.model_copy(
        update=dict.fromkeys(("started", "device", "platform", "python", "git_commit"), HOSTILE)
        | {"libraries": {"torch": HOSTILE, HOSTILE: HOSTILE}}
    )
    flows = tuple(
        flow.model_copy(
            update={"profiles": {name: p.model_copy(update={"verdict": HOSTILE}) for name, p in named.items()}}
        )
        for flow in result.gradient_flow
        for named in [{"input": flow.profiles["input"], HOSTILE: flow.profiles["cell"]}]
    )
    score = base.score and base.score.model_copy(
        update={"metric": HOSTILE, "unit": f"unit {HOSTILE}", "counted": HOSTILE, "floors": {HOSTILE: 3.0}}
        | {"extras": {HOSTILE: 1.0}}
    )
    update = {"cell": cell, "provenance": provenance, "score": score, "gradient_flow": flows, "sample": HOSTILE}
    update |= {"notes": (HOSTILE,), "curves": result.curves, "context_use": result.context_use}
    return base.model_copy(update=update)


def hostile_page(folder):
    # A folder's name can't hold a slash; everything else can come from a stranger's records.
    store = Store(folder / HOSTILE.replace("/", "∕")[:80], create=True)
    results = [hostile_result(seed=0), hostile_result(seed=1), hostile_result("other", seed=0),
               hostile_result(seed=2, status="error", error=HOSTILE, score=None),
               hostile_result(seed=3, status="diverged", score=None)]  # fmt: skip
    sweep = {"tasks": [HOSTILE], "models": [HOSTILE], "lengths": [10], "budget": HOSTILE, HOSTILE: HOSTILE}
    never_run = results[0].cell.model_copy(update={"seed": 9})
    store.record_sweep(Asked(sweep, (AskedCell(never_run),)))
    path = folder / "index.html"
    dashboard.write(View.of(results), store, path)
    return path


def test_hostile_names_in_every_text_field_run_nothing(opened, tmp_path):
    one = opened(hostile_page(tmp_path))
    page = one.page
    keys = keys_of(page, "cells") + keys_of(page, "groups")
    page.evaluate(f"location.hash = '#compare={','.join(keys)}'")
    page.wait_for_function("document.querySelectorAll('#compare .chips li').length > 3")
    for details in page.locator("summary").all():
        details.click()
    for node in page.locator(".square, #all-cells tbody tr").all():
        node.hover()
    page.locator(".square").first.click()
    for name in SECTIONS:
        assert "window.hit=1" in one.text(f"#{name}"), name
    assert page.evaluate("window.hit") is None
    assert page.evaluate("document.querySelectorAll('img, iframe, object, embed, link, base').length") == 0
    assert page.evaluate("document.scripts.length") == 2
    handlers = "(nodes) => nodes.flatMap((node) => node.getAttributeNames()).filter((name) => /^on|^style$/.test(name))"
    assert page.locator("*").evaluate_all(handlers) == []
    spilling = "(nodes) => nodes.filter((node) => node.textContent.length > 60).length"
    assert page.locator("svg .axis").evaluate_all(spilling) == 0
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("[...document.links].every((link) => link.getAttribute('href').startsWith('#'))")


def test_the_policy_stops_what_the_script_would_let_through(browser, full_path):
    """Were a text ever inserted as markup or evaluated, the browser would refuse: the second wall stands by itself."""
    page = browser.new_page()
    page.goto(full_path.as_uri())
    script = "Object.assign(document.createElement('script'), { text: 'window.hit=1' })"
    attempts = {
        "document.body.innerHTML = '<img src=x onerror=window.hit=1>'": "TrustedHTML",
        f"document.body.append({script})": "TrustedScript",
    }
    for attempt, why in attempts.items():
        with pytest.raises(Exception, match=why):
            page.evaluate(f"() => {{ {attempt} }}")
    page.evaluate("document.querySelector('h1').setAttribute('style', 'color: red')")
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") != "rgb(255, 0, 0)"
    assert page.evaluate("window.hit") is None
    page.close()


def test_the_browser_is_not_asked_to_keep_anything(opened, full_path):
    page = opened(full_path).page
    assert page.evaluate("document.cookie") == ""
    assert os.listdir(full_path.parent) == ["index.html"]
