import pytest

from bench.records.errors import UsageError
from reports.view import View
from reports.view.names import read, renamed
from tests.support.results import make_result

LABELS = ["lstm", "gru (version 1)", "gru (version 2)", "mypackage.mymodule:Model:layers=2"]


def test_an_entry_may_hold_options_and_versions_keep_theirs():
    assert read(["mypackage.mymodule:Model:layers=2=Ours", "gru=GRU"], LABELS) == {
        "mypackage.mymodule:Model:layers=2": "Ours",
        "gru (version 1)": "GRU (version 1)",
        "gru (version 2)": "GRU (version 2)",
    }
    assert read([], LABELS) == {}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("lstm", "expects ENTRY=NAME"),
        ("=Ours", "expects ENTRY=NAME"),
        ("lstm=", "expects ENTRY=NAME"),
        ("lst=Ours", "did you mean lstm?"),
        ("lstm=gru (version 1)", "several models would be called 'gru (version 1)'"),
    ],
)
def test_bad_labels(given, expected):
    with pytest.raises(UsageError) as raised:
        read([given], LABELS)
    assert expected in str(raised.value)


def test_a_renamed_view_keeps_looks_order_and_groups():
    view = View.of([make_result("adding", model, length) for model in ("rnn", "gru") for length in (10, 100)])
    other = renamed(view, {"gru": "Ours"})
    (topic,) = other.topics
    assert topic.labels == [{"gru": "Ours"}.get(label, label) for label in view.topics[0].labels]
    assert other.looks["Ours"] == view.looks["gru"]
    assert [member.label for member in other.members if member.group.identity.model == "gru"] == ["Ours", "Ours"]
    assert other.groups == view.groups
    assert {label: group.identity.model for label, group in topic.drawn} == {"Ours": "gru", "rnn": "rnn"}
