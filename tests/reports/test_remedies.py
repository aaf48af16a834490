import pytest

from reports import remedies
from reports.view import View
from tests.support.factories import an_asked
from tests.support.measured import make_flow, make_measured, make_profile
from tests.support.results import make_result


def seeds(model, *solved, length=100):
    return [
        make_result("copying", model, length, seed, score=1.0 if step else 0.125, solved_at=step, steps=600)
        for seed, step in enumerate(solved)
    ]


def rows(results):
    (table,) = remedies.tables(View.of(results))
    return table


def test_variants_stand_beside_the_model_sorted_by_what_they_cured():
    table = rows(
        [
            *seeds("rnn", None, None, None, None, None),
            *seeds("rnn:leak=0.1", None, None, None, 500, 550),
            *seeds("rnn:carry=1.0", 100, 150, 100, 120, 110),
            *seeds("lstm", 100, 150, 100, 120, 110),  # no variant: no table
        ]
    )
    assert [row[0] for row in table.rows] == ["rnn, as it is", "carry=1.0", "leak=0.1"]
    assert [row[1] for row in table.rows] == ["0/5", "5/5", "2/5"]
    assert [row[2] for row in table.rows] == [">600", "110", ">600"]
    assert table.rows[1][4] == "better, p 0.008"
    assert table.rows[2][4].startswith("p 0.")
    assert table.rows[0][4] == ""


def test_three_seeds_are_never_called_better():
    table = rows([*seeds("rnn", None, None, None), *seeds("rnn:carry=1.0", 100, 150, 100)])
    assert table.rows[1][4] == ""


def test_what_is_at_chance_on_both_sides_is_not_called_better():
    """Five scores below five others give p = .008 also where nobody has learned anything."""
    low = [make_result("adding", "rnn", 100, seed, score=0.1770) for seed in range(5)]
    high = [make_result("adding", "rnn:leak=0.1", 100, seed, score=0.1769) for seed in range(5)]
    assert rows([*low, *high]).rows[1][4] == "both at chance"
    learned = [make_result("adding", "rnn:leak=0.1", 100, seed, score=0.10) for seed in range(5)]
    assert rows([*low, *learned]).rows[1][4] == "better, p 0.008"


@pytest.mark.parametrize(
    ("slope", "solved_at", "said"),
    [
        (-0.01, None, "half-life changed, outcome did not: leak=0.1 at T=10"),
        (-0.25, 200, "outcome changed, half-life did not: leak=0.1 at T=10"),
        (-0.25, None, None),
    ],
)
def test_what_changed_alone_is_said(store, slope, solved_at, said):
    def flows(by):
        profile = make_profile([0.0, by, 2 * by], rate=by, verdict="vanishing")
        profile = profile.model_copy(update={"half_life": -0.30103 / by})
        return [make_flow(step, longest=2, input=profile) for step in (0, 400)]

    store.record_sweep(an_asked(tasks="adding", models="rnn,rnn:leak=0.1"))
    store.publish(make_measured("adding", "rnn", 10, flows=flows(-0.25), score=0.15))
    store.publish(make_measured("adding", "rnn:leak=0.1", 10, flows=flows(slope), score=0.15, solved_at=solved_at))
    notes = rows(store.results()).notes
    sentences = [note for note in notes if "did not: " in note]
    assert [note.partition(" (")[0] for note in sentences] == ([said] if said else [])


def test_the_command(store, capsys):
    for result in [*seeds("rnn", None, None), *seeds("rnn:carry=1.0", 100, 150)]:
        store.publish(result)
    assert remedies.main([str(store.path), "--format", "markdown"]) == 0
    assert "| carry=1.0 | 2/2 | 125 |" in capsys.readouterr().out
    assert remedies.main([str(store.path)]) == 0
    assert "remedies of rnn" in capsys.readouterr().out
