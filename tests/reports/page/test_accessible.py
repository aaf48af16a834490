"""What a screen reader is told, what a keyboard reaches, and that nothing overflows to the side."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.opened import Opened, keys_of

NAMED = {"button", "link", "combobox", "searchbox", "radio", "checkbox", "image", "figure", "table", "columnheader"}


def told(page):
    """(role, name) of everything that a screen reader is told of, in order."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    value = lambda node, field: (node.get(field) or {}).get("value", "")  # noqa: E731
    return [(value(node, "role"), str(value(node, "name")).strip()) for node in nodes if not node.get("ignored")]


@pytest.fixture(scope="module")
def compared(browser, full_path):
    """A page on which two groups are compared, so that every section is filled."""
    opened = Opened(browser, full_path)
    page = opened.page
    keys = [keys_of(page, "groups", task="char_lm", model=model, length=100)[0] for model in ("gru", "lstm")]
    page.evaluate(f"location.hash = '#compare={','.join(keys)}'")
    page.wait_for_selector("#compare svg.chart")
    yield page
    opened.close()


def test_everything_that_is_told_has_a_name(compared):
    assert [role for role, name in told(compared) if role in NAMED and not name] == []


def test_a_chart_is_one_picture_and_not_a_thousand_parts(compared):
    roles = Counter(role for role, _ in told(compared))
    assert roles["graphics-symbol"] == 0
    charts = compared.locator("svg.chart").count()
    assert roles["figure"] >= charts
    assert roles["image"] == charts + 1  # and the colour scale of skill


def test_buttons_of_one_section_are_told_apart(compared):
    names = compared.locator("button").evaluate_all(
        """nodes => nodes.filter((node) => node.offsetParent)
            .map((node) => `${node.closest('section').id}: ${node.ariaLabel || node.textContent}`)"""
    )
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_every_table_has_heads_of_columns_and_rows(compared):
    for table in compared.locator("table").all():
        assert table.locator("thead th").count() == table.locator("thead th[scope=col]").count() > 1
        assert table.locator("caption").count() == 1
        if table.get_attribute("id") != "all-cells":  # there, each row's box says which cell it is
            assert table.locator("tbody th[scope=row]").count() == table.locator("tbody tr").count()


def test_what_scrolls_can_be_scrolled_with_a_keyboard(compared):
    outside = """nodes => nodes.filter((node) => node.scrollWidth > node.clientWidth + 1
        && /auto|scroll/.test(getComputedStyle(node).overflowX) && node.tabIndex < 0).map((node) => node.className)"""
    assert compared.locator("main *").evaluate_all(outside) == []


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_overflows_to_the_side(compared, width):
    compared.set_viewport_size({"width": width, "height": 900})
    assert compared.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    beyond = """nodes => nodes.filter((node) => node.getBoundingClientRect().right > innerWidth + 1
        && !node.closest('.scroll') && !node.closest('svg')).map((node) => node.outerHTML.slice(0, 80))"""
    assert compared.locator("main *").evaluate_all(beyond) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(opened, full_path, scheme):
    page = opened(full_path, color_scheme=scheme).page
    ratios = page.evaluate("""() => {
        const probe = document.body.appendChild(document.createElement('i'));
        const light = (name) => {
            probe.className = '';
            const value = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
            const wide = value.length === 4 ? value.replace(/[0-9a-f]/gi, '$&$&') : value;
            const parts = [1, 3, 5].map((at) => parseInt(wide.slice(at, at + 2), 16) / 255)
                .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
        };
        const ratio = ([a, b]) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
        const texts = ['--ink', '--quiet', '--link'].map((name) => [name, '--paper']);
        const pairs = [...texts, ['--ink', '--soft'], ['--ink', '--warn']];
        return pairs.map((pair) => [pair.join(' on '), ratio(pair)]);
    }""")
    assert [pair for pair, ratio in ratios if ratio < 4.5] == []
