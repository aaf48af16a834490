"""The page's file: inert data, strict policy, bounded size, the same bytes each time, no torch."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys

import pytest

from bench.records.recipe import ByValue
from bench.store import Store
from reports.page import page
from reports.page import series as page_series
from reports.page.cells import group_key
from reports.page.origins import command, missing
from reports.page.payload import payload
from reports.summary import groups
from reports.summary.grouping import compare
from reports.view import View
from tests.support.factories import an_asked
from tests.support.full_store import make_full_results
from tests.support.results import make_result

HOSTILE = "</script><img src=x onerror=alert(1)>&\u2028<!--%%DATA%%\ud800"


def make_content(results, sweeps=(), corrupt=()):
    return payload("results", View.of(results), sweeps, corrupt)


@pytest.fixture(scope="module")
def full():
    return make_full_results()


@pytest.fixture(scope="module")
def full_content(full):
    return make_content(full)


@pytest.fixture(scope="module")
def full_page(full_content):
    return page.page(full_content)


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


# -- the file ----------------------------------------------------------------------------------------------------------


def test_three_hundred_cells_stay_below_three_megabytes(full, full_page):
    assert len(full) == 300
    assert len(full_page.encode()) < 3_000_000


def test_the_data_of_the_file_is_the_payload(full_content, full_page):
    assert data_of(full_page) == json.loads(json.dumps(full_content))


def test_the_same_results_give_the_same_bytes(full, full_page):
    assert page.page(make_content(list(reversed(full)))) == full_page


def test_the_policy_allows_the_two_inlined_parts_and_nothing_else(full_page):
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', full_page)[1]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    for name, tag in (("script-src", "script"), ("style-src", "style")):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", full_page, re.S)[1]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert directives.pop(name) == f"'sha256-{digest}'"
    assert directives == {
        "default-src": "'none'", "base-uri": "'none'", "form-action": "'none'", "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }  # fmt: skip


def test_nothing_is_fetched_and_no_text_becomes_code_or_markup(full_page):
    own = full_page.replace("http://www.w3.org/2000/svg", "")
    script = re.search(r"<script>(.*?)</script>", own, re.S)[1]
    style = re.search(r"<style>(.*?)</style>", own, re.S)[1]
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "fetch(",
                 "XMLHttpRequest", "import(", "setTimeout('", "createContextualFragment", "DOMParser"):  # fmt: skip
        assert word not in script
    assert "url(" not in style
    assert "@import" not in style
    assert not re.search(r"""\s(src|style|on\w+)=""", own.replace(script, "").replace(style, ""))


def test_a_block_of_data_cannot_be_left():
    text = page.inert({HOSTILE: [HOSTILE]})
    assert json.loads(text) == {HOSTILE: [HOSTILE]}
    assert not set("<>&\u2028\u2029") & set(text)
    text.encode()  # a lone surrogate has no UTF-8


def test_hostile_names_change_nothing_of_the_file_but_the_data():
    results = [make_result(), make_result(status="error", error=HOSTILE, score=None, seed=1)]
    content = make_content(results) | {"title": HOSTILE}
    plain, hostile = page.page(make_content(results)), page.page(content)
    strip = re.compile(r'(id="data">).*?(</script>)', re.S)
    assert data_of(hostile)["title"] == HOSTILE
    assert strip.sub("", hostile) == strip.sub("", plain)


def test_writing_replaces_the_page_whole_and_leaves_nothing_else(store, tmp_path):
    for result in (make_result(), make_result(model="rnn", status="error", error="no", score=None)):
        store.publish(result)
    path = tmp_path / "results" / "report" / "index.html"
    page.write(View.of(store.results()), store, path)
    first = path.read_bytes()
    path.write_text("older")
    page.write(View.of(store.results()), store, path)
    assert path.read_bytes() == first
    assert os.listdir(path.parent) == ["index.html"]
    assert data_of(first.decode())["title"] == "results"


def test_a_view_keeps_the_colours_of_the_whole_store(store, tmp_path):
    results = [make_result(model=name) for name in ("b_new", "a_new")]
    page.write(View.of(results), store, tmp_path / "all.html")
    page.write(View.of(results[:1], everything=results), store, tmp_path / "view.html")
    everywhere, view = (data_of((tmp_path / name).read_text("utf-8"))["looks"] for name in ("all.html", "view.html"))
    assert everywhere == view


def test_an_empty_store_has_a_page(store, tmp_path):
    page.write(View.of([]), store, tmp_path / "empty.html")
    assert data_of((tmp_path / "empty.html").read_text("utf-8"))["cells"] == []


def test_the_page_is_made_without_torch(tmp_path):
    store = Store(tmp_path / "results", create=True)
    store.publish(make_result())
    script = (
        "import sys; from pathlib import Path; from bench.store import Store; from reports.page import page;"
        "from reports.view import View;"
        f"s = Store({str(store.path)!r}); page.write(View.of(s.results()), s, Path({str(tmp_path / 'index.html')!r}));"
        "sys.exit(bool({'torch', 'lightning', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# -- what it says ------------------------------------------------------------------------------------------------------


def test_every_cell_and_group_is_there_once(full, full_content):
    assert sorted(cell["key"] for cell in full_content["cells"]) == sorted(r.cell.key for r in full)
    held = [place for group in full_content["groups"] for place in group["cells"]]
    assert sorted(held) == list(range(300))
    for group in full_content["groups"]:
        for place in group["cells"]:
            assert full_content["groups"][full_content["cells"][place]["group"]] is group


def test_indices_of_topics_lines_and_settings_point_where_they_should(full_content):
    rows, names = full_content["settings"]["rows"], full_content["settings"]["names"]
    for place, cell in enumerate(full_content["cells"]):
        group = full_content["groups"][cell["group"]]
        topic = full_content["topics"][group["topic"]]
        setting = dict(zip(names, rows[place], strict=True))
        assert (setting["task"], setting["model"]) == (topic["task"], group["model"])
        assert (setting["length"], setting["seed"]) == (group["length"], cell["seed"])
    for topic in full_content["topics"]:
        for line in topic["lines"]:
            assert {full_content["groups"][place]["label"] for place in line["groups"]} == {line["label"]}


def test_settings_and_headings_name_what_differs_between_recipes():
    fields = ({}, {"bptt": 50}, {"stop": "never"}, {"penalty": "pascanu"}, {"clip": ByValue(value=0.5)})
    results = [make_result("adding", "lstm", **given) for given in fields]
    content = make_content(results)
    names, rows = content["settings"]["names"], content["settings"]["rows"]
    differing = {name for name, *values in zip(names, *rows, strict=True) if len(set(values)) > 1}
    assert differing == {"bptt", "stop", "penalty", "clip"}
    titles = " ".join(topic["title"] for topic in content["topics"])
    assert all(text in titles for text in ("bptt 50", "stop never", "penalty pascanu", "clip value:0.5"))


def test_tests_are_those_of_the_summary_and_need_four_seeds_a_side(full, full_content):
    by_key = {group_key(group): group for group in groups(full)}
    assert full_content["tests"]
    for first, second, p, what, differ in full_content["tests"]:
        assert differ == (p < 0.05)
        ours, theirs = (by_key[full_content["groups"][place]["key"]] for place in (first, second))
        assert min(ours.n, theirs.n) >= 4
        assert p == pytest.approx(compare(ours, theirs), rel=1e-2)
        assert what == ("steps to solve" if ours.solved or theirs.solved else "score")
    assert make_content(make_full_results(seeds=3))["tests"] == []


def test_the_key_of_a_group_does_not_depend_on_its_neighbours():
    alone, _ = make_result(), make_result(model="rnn")
    assert make_content([alone])["groups"][0]["key"] in {g["key"] for g in make_content([alone, _])["groups"]}


def test_failed_and_diverged_cells_are_there_with_their_error(full_content):
    found = {cell["outcome"]: cell for cell in full_content["cells"]}
    assert "in step 17" in found["out of memory"]["error"]
    assert found["out of memory"]["first_line"] == "RuntimeError: out of memory"
    assert "score" not in found["diverged"]


def test_profiles_keep_zero_infinity_and_unknown_apart():
    assert [page_series.coded(x) for x in (-1.234, float("-inf"), float("inf"), float("nan"), -250.0)] == [
        -123, page_series.ZERO, page_series.INFINITE, None, page_series.ZERO + 1,
    ]  # fmt: skip


def test_a_profile_keeps_its_ends_and_its_true_credit(full, full_content):
    flow = next(r.gradient_flow for r in full if r.cell.length == 1000 and r.gradient_flow)
    chosen = [flow[0].distances[index] for index in page_series.kept(flow[0].distances, flow[0].credit, 32)]
    assert len(chosen) == 32
    assert {0, 1, 1000, flow[0].distances[len(flow[0].distances) // 2]} <= set(chosen)
    assert all(len(held) <= 32 for held in full_content["distances"])
    assert all(len(cell.get("flow", {})) <= 3 for cell in full_content["cells"])


def test_curves_are_thinned_to_a_hundred_points(full_content):
    for cell in full_content["cells"]:
        for name in ("validation", "loss", "norm", "high"):
            assert len(cell.get("curves", {}).get(name, [])) <= 100
    cell = next(cell for cell in full_content["cells"] if cell["steps"] == 1000)
    assert len(cell["curves"]["loss"]) == 100


def test_warnings_name_what_limits_the_numbers():
    results = [
        make_result(score=0.166, steps=300),  # one seed, equals chance, limited by the budget
        make_result(model="rnn", learning_rate=0.001, torch="2.12.0"),
        make_result(model="rnn", learning_rate=0.01, score=0.1, torch="2.12.0"),
        make_result(model="lstm", status="error", error="no", score=None),
        make_result(model="transformer", status="diverged", score=None),
    ]
    content = make_content(results, corrupt=["broken.json"])
    found = {warned["title"]: warned for warned in content["warnings"]}
    assert set(found) == {
        "failed", "diverged", "corrupt records", "mixed versions of torch", "one seed", "equals the trivial baseline",
        "limited by the budget", "rate at the grid's edge",
    }  # fmt: skip
    assert [content["cells"][place]["outcome"] for place in found["failed"]["cells"]] == ["error"]
    assert found["mixed versions of torch"]["texts"] == ["2.12.0: 2 cells", "2.13.0+cpu: 3 cells"]
    assert [content["groups"][place]["model"] for place in found["rate at the grid's edge"]["groups"]] == ["rnn"]


def test_commands_and_cells_that_never_ran():
    stored, absent = make_result("ner"), make_result("ner", seed=1)
    wanted = an_asked(unknown=[stored.cell, absent.cell])
    assert missing(wanted.cells, [stored]) == [absent.cell.label]
    sweep = {"clip": 1.0, "lengths": [10, 100], "models": ["lstm:layers=2", "a;b"], "seeds": None, "tasks": ["ner"]}
    asked = "python -m bench.run --tasks ner --models 'lstm:layers=2,a;b' --lengths 10,100 --clip 1.0"
    assert command(sweep) == asked
    assert command(sweep | {"clip": None}) == asked.replace("--clip 1.0", "--clip none")
    assert command(sweep | {"clip": {"value": 0.5}}) == asked.replace("--clip 1.0", "--clip value:0.5")
    assert command(sweep | {"of another version": None}) == asked


def test_a_link_to_a_group_stays_good():
    """The name of a group that was linked to before identities knew of code and scale."""
    first = make_result()
    other = first.model_copy(update={"score": first.score.model_copy(update={"metric": "another"})})
    assert [group_key(group) for group in groups([first])] == ["g-3ac93b70001c"]
    assert len({group_key(group) for group in groups([first, other])} | {"g-3ac93b70001c"}) == 3
