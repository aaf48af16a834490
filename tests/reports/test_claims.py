from bench.records.paper import Claim, Paper
from bench.records.sweep import Sweep
from reports import claims
from reports.summary.measured import Ours
from reports.summary.verdicts import Verdict
from reports.text import formats


def test_the_table_says_what_was_claimed_and_what_came_out():
    claimed = Claim(task="copying", model="gru", length=100, quantity="score", value=0.126, where="table 1")
    sweep = Sweep(tasks="copying", models="gru", lengths=(100,))
    paper = Paper(title="A table", source="Somebody 1997", sweeps=(sweep,), claims=(claimed,), departures=("no clip",))
    ours = Ours(0.125, 0.124, 0.126, 3, chance=0.125, equals_chance=True, higher_is_better=True)
    made = [Verdict(claimed, ours, "reproduced", equals_chance=True), Verdict(claimed, None, "not run here", False)]
    table = claims.table(paper, made)
    assert table.rows[0][4:11] == ("0.126", "=", "0.125", "0.124 to 0.126", "3", "0.125", "reproduced")
    assert table.rows[1][6:11] == ("", "", "0", "", "not run here")
    assert "otherwise than in the source: no clip" in table.notes
    shown = formats.plain(lambda console: formats.print_table(table, console))
    for text in ("Somebody 1997", "reproduced", "not run here", "table 1"):
        assert text in shown


def test_the_table_says_which_recipe_and_which_length_is_meant():
    claimed = Claim(
        task="copying", model="gru", length=100, recipe={"steps": 600, "clip": "none"}, tested=200, quantity="exact",
        value=0.1, where="table 1",
    )  # fmt: skip
    paper = Paper(
        title="A table",
        source="Somebody",
        claims=(claimed,),
        sweeps=(Sweep(tasks="copying", models="gru", lengths=(100,)),),
    )
    table = claims.table(paper, [Verdict(claimed, None, "not run here", False)])
    assert table.rows[0][:4] == ("100 → 200", "copying", "gru", "exact (steps 600, clip none)")
