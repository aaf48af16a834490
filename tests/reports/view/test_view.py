"""What a report shows, worked out once: topics, their headings, members and lines, and how models are drawn."""

from __future__ import annotations

import pytest

from reports.view import View
from reports.view.looks import LOOKS, SPARE, looks
from reports.view.topic import slug
from reports.view.view import Order
from tests.support.full_store import make_full_results
from tests.support.results import make_result


def only_topic(results, **wanted):
    (topic,) = View.of(results, **wanted).topics
    return topic


# -- headings ----------------------------------------------------------------------------------------------------------


def test_a_heading_names_task_measure_and_what_differs():
    topics = View.of([make_result(clip=clip) for clip in (1.0, 0.5)]).topics
    measure = "mean squared error ↓ (squared value) · solved if ≤ 0.01"
    assert [topic.heading.differs for topic in topics] == [("clip 0.5",), ("clip 1",)]
    assert [topic.title for topic in topics] == ["adding · clip 0.5", "adding · clip 1"]
    assert [topic.heading.full for topic in topics] == [
        f"adding · {measure} · clip 0.5",
        f"adding · {measure} · clip 1",
    ]
    assert [topic.name for topic in topics] == ["adding-clip-0.5", "adding-clip-1"]


def test_what_differs_is_told_without_a_score():
    topics = View.of(
        [make_result(score=None, status="error", error="x", device=name) for name in ("cpu", "H200")]
    ).topics
    assert [(topic.heading.measure, topic.title) for topic in topics] == [
        ("", "adding · device H200"), ("", "adding · device cpu"),
    ]  # fmt: skip


def test_a_separator_inside_a_name_belongs_to_the_name():
    result = make_result()
    unit = result.score.model_copy(update={"unit": "share · solved if"})
    topic = only_topic([result.model_copy(update={"score": unit})])
    assert topic.title == "adding"
    assert topic.heading.measure == "mean squared error ↓ (share · solved if) · solved if ≤ 0.01"


def test_names_of_files_differ_where_slugs_do_not():
    results = [make_result(device="cpu/1", clip=None), make_result(device="cpu 1", clip=None)]
    assert [topic.name for topic in View.of(results).topics] == ["adding-device-cpu-1", "adding-device-cpu-1-2"]


def test_a_name_that_is_hostile_to_files():
    assert slug("../../etc/passwd") == "etc-passwd"
    assert slug("<script>alert(1)</script>") == "script-alert-1-script"
    assert slug("...") == "task"


# -- members and lines -------------------------------------------------------------------------------------------------


def test_members_stand_at_their_places():
    view = View.of(make_full_results(seeds=1))
    assert [member.place for member in view.members] == list(range(75))
    assert [member for topic in view.topics for line in topic.lines for member in line.members if
            view.members[member.place] is not member] == []  # fmt: skip


def test_two_versions_of_a_model_are_two_lines():
    topic = only_topic([make_result(), make_result(model_version=2), make_result(model="rnn")])
    assert topic.labels == ["gru (version 1)", "gru (version 2)", "rnn"]


def test_two_codes_of_one_name_are_never_averaged():
    """Results of one's own class before and after an edit, and of before its code was recorded: three lines."""
    pairs = {None: (0.1, 0.11), "ab" * 32: (0.02, 0.03), "cd" * 32: (0.05, 0.06)}
    made = [
        make_result(model="my.net:Net", code=code, score=score, seed=seed)
        for code, scores in pairs.items()
        for seed, score in enumerate(scores)
    ]
    topic = only_topic(made)
    name = "my.net:Net (code {})".format
    assert topic.labels == [name("abababab"), name("cdcdcdcd"), name("not recorded")]
    assert sorted(group.values for group in topic.groups) == sorted(pairs.values())
    assert only_topic(made[:2]).labels == ["my.net:Net"]


def test_lines_join_what_the_budget_sets_by_length_and_nothing_else():
    results = [
        make_result(length=10, steps=1000),
        make_result(length=100, steps=600, batch_size=8),
        make_result(length=100, steps=5000),
        make_result(length=10, clip=None),
    ]
    joined, alone = sorted(View.of(results).topics, key=lambda topic: -len(topic.members))
    lines = [line for topic in (joined, alone) for line in topic.lines]
    assert [[(group.identity.length, group.step_budget) for group in line.groups] for line in lines] == [
        [(10, 1000), (100, 5000)],
        [(10, 1000)],
    ]
    differences = [member.difference for member in joined.members]
    assert differences == ["", "batch size 32, steps 5000", "batch size 8, steps 600"]


def test_members_and_lines_stand_in_the_order_asked_for():
    order = Order(models=("rnn", "lstm", "gru"))
    results = [make_result(model=name, length=n) for name in ("gru", "lstm:layers=2", "mine", "rnn") for n in (10, 100)]
    topic = only_topic(results[1:], order=order)  # the gru was not run at length 10
    names = ["rnn", "lstm:layers=2", "gru", "mine"]
    assert topic.labels == names
    assert [member.label for member in topic.members] == ["rnn", "lstm:layers=2", "mine", *names]


def test_results_stand_by_group_rate_and_seed_whatever_order_they_come_in():
    results = [make_result(seed=seed, learning_rate=rate) for rate in (0.1, 0.01) for seed in (1, 0)]
    wanted = [(0.01, 0), (0.01, 1), (0.1, 0), (0.1, 1)]
    assert [(r.cell.recipe.learning_rate, r.cell.seed) for r in View.of(results).results] == wanted


def test_reference_scores_stand_weakest_first():
    assert [name for name, _, _ in only_topic([make_result("char_lm")]).references] == ["bigram", "order 7"]


def test_nothing_is_a_view():
    view = View.of([])
    assert (view.topics, view.results, view.looks) == ((), (), {})


# -- once --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("part", "times"), [(slice(None), 1), (slice(1), 2)])
def test_groups_are_made_once_and_once_more_for_the_looks_of_a_part(monkeypatch, part, times):
    results = [make_result(), make_result(model="rnn")]
    counted = []
    monkeypatch.setattr("reports.view.view.groups", lambda *given: counted.append(1) or [])
    View.of(results[part], everything=results)
    assert len(counted) == times


def test_a_part_of_a_store_is_told_apart_as_the_store_is():
    first = make_result()
    other = first.model_copy(update={"score": first.score.model_copy(update={"metric": "another"})})
    (topic,) = View.of([first], everything=[first, other]).topics
    assert topic.heading.title.startswith("adding · measure mean_squared_error") or topic.groups[0].identity.scale


# -- looks -------------------------------------------------------------------------------------------------------------


def test_looks_differ_and_stay():
    given = looks(["rnn", "lstm:layers=2", "mine"])
    assert given["rnn"] == LOOKS["rnn"] == looks(["rnn"])["rnn"]
    assert given["mine"] != given["lstm:layers=2"]
    together = [*LOOKS.values(), *SPARE]
    assert len({look.colour for look in together}) == len(together)
    default = [LOOKS[name] for name in ("rnn", "gru", "lstm", "attention", "transformer")]
    assert len({look.dash for look in default}) == len({look.shape for look in default}) == 5


def test_a_range_of_trained_lengths_is_named_also_alone():
    assert only_topic([make_result(train_lengths="uniform")]).heading.differs == ("train lengths uniform",)
    both = View.of([make_result(train_lengths=how) for how in ("uniform", "fixed")]).topics
    assert sorted(topic.heading.differs for topic in both) == [("train lengths fixed",), ("train lengths uniform",)]
    assert [len(topic.groups) for topic in both] == [1, 1]
