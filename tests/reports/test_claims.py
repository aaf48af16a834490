from bench.records.paper import Claim, Paper
from bench.records.sweep import Sweep
from reports import claims
from reports.summary.verdicts import Ours, Verdict
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
