import io
import itertools
import json
import math
import re
import struct
import xml.etree.ElementTree as ElementTree

import altair
import pytest

from bench.records.result import Picture
from reports.figures import drawing, figures, layout
from reports.figures.flow import against_distance
from reports.figures.inside import runs
from reports.figures.training import BINS, stretches
from reports.summary import groups
from reports.summary.profiles import Point, departures, over_seeds, pieces
from reports.text import notes
from reports.view import View
from reports.view.looks import SPARE
from tests.support.measured import make_flow, make_measured, make_profile
from tests.support.results import make_result


def drawn(results, **wanted):
    return {figure.name: figure.spec for figure in figures.figures(View.of(results, **wanted))}


def rows(spec, **having):
    """All rows of a spec's data with these fields."""
    return [
        row
        for data in spec["datasets"].values()
        for row in data
        if all(row.get(name) == value for name, value in having.items())
    ]


@pytest.fixture(scope="module")
def results():
    """Two tasks, two models, two lengths, every kind of record."""
    return [
        make_measured("adding", model, length, slope=slope, solved_at=at, score=0.005 if at else 0.16)
        for (model, slope), (length, at) in itertools.product((("rnn", -1.0), ("gru", -0.1)), ((10, 150), (100, None)))
    ] + [make_measured("char_lm", "lstm", 10, score=2.9)]


@pytest.fixture(scope="module")
def specs(results):
    return drawn(results)


# -- every figure ------------------------------------------------------------------------------------------------------


def test_what_is_drawn(specs):
    per_task = [
        "learning-curves",
        "gradient-input",
        "gradient-through-training",
        "gradient-norm",
        "jacobian",
        "lyapunov",
        "context-use",
    ]
    expected = {"score", "skill", "steps-to-solve", "cost", "memory-horizon"}
    expected |= {f"{task}-{name}" for task in ("adding", "char_lm") for name in per_task}
    expected |= {f"adding-{kind}-{model}" for kind in ("gates", "attention") for model in ("rnn", "gru")}
    expected |= {"char_lm-gates-lstm", "char_lm-attention-lstm"}
    assert set(specs) == expected


def test_every_figure_renders_without_a_warning(specs, tmp_path, capfd):
    for name, drawn_spec in specs.items():
        figures.write(name, figures.as_json(drawn_spec), tmp_path)
        svg, png, spec = ((tmp_path / f"{name}.{ending}").read_bytes() for ending in ("svg", "png", "vl.json"))
        assert ElementTree.parse(io.BytesIO(svg)).getroot().tag.endswith("svg")
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", png[16:24])
        assert 350 < width / figures.PIXELS < 1150, name
        assert 150 < height / figures.PIXELS < 1150, name
        assert json.loads(spec) == drawn_spec
    written = capfd.readouterr()
    assert written.err == ""
    assert written.out == ""


def test_every_figure_is_valid_vega_lite(specs):
    for name, spec in specs.items():
        if not name.startswith("char_lm-"):  # drawn by the same functions as those of adding
            shell = {key: value for key, value in spec.items() if key != "datasets"}
            assert altair.Chart.from_dict(shell, validate=True), name


def test_every_figure_says_its_n(specs):
    for name, spec in specs.items():
        text = " ".join(spec["title"]["subtitle"])
        assert "n = 1" in text or "one seed" in text, name


# -- gradient norm against distance ------------------------------------------------------------------------------------


def test_drawn_values_are_the_stored_ones(results):
    view = View.of(results[:4])
    spec = layout.spec(against_distance(view.topics[0], "input", view.looks))
    for result in results[:4]:
        # The data sets of one figure hold both lengths and both moments: each stored profile must be among them.
        for flow in result.gradient_flow:
            stored = {
                (k, value)
                for k, value in zip(flow.distances, flow.profiles["input"].log10_median, strict=True)
                if value >= -16
            }
            found = {(row["distance"], row.get("log10_norm")) for row in rows(spec, model=result.cell.model)}
            assert stored <= found


def test_marks_where_a_line_leaves_the_axis():
    steep = make_flow(0, slope=-1.0)  # below 1e-16 from distance 17 on
    rising = make_flow(0, slope=0.5)  # above 1e6 from distance 13 on
    results = [make_measured("adding", "rnn", flows=[steep]), make_measured("adding", "gru", flows=[rising])]
    spec = drawn(results)["adding-gradient-input"]
    marks = {(r["model"], r["distance"], r["mark"], r["drawn"]) for r in rows(spec) if "mark" in r}
    assert marks == {("rnn", 17, "▼", -16), ("gru", 13, "▲", 6)}
    assert {row["drawn"] for row in rows(spec, model="rnn", distance=17)} == {-16}
    assert not rows(spec, model="rnn", distance=18)  # the line does not run along the edge


def test_zero_and_not_finite_go_to_opposite_edges():
    logs = [0.0, None, None, None]
    flows = {
        "rnn": make_profile(logs, zeros=24),
        "gru": make_profile(logs, nonfinite=24),
        "lstm": make_profile(logs, zeros=3, nonfinite=3),
    }
    results = [
        make_measured("adding", name, flows=[make_flow(0, longest=3, hidden=profile)])
        for name, profile in flows.items()
    ]
    marks = {r["model"]: r["mark"] for r in rows(drawn(results)["adding-gradient-hidden"]) if "mark" in r}
    assert marks == {"rnn": "▼", "gru": "▲"}  # of the lstm it cannot be told


def test_a_quantity_that_is_zero_beyond_distance_0_is_not_drawn():
    flow = make_flow(0, longest=3, context=make_profile([0.0, None, None, None], zeros=24))
    assert "adding-gradient-context" not in drawn([make_measured("adding", "attention", flows=[flow])])


def test_seeds_are_a_band_and_every_seed_a_line():
    results = [
        make_measured("adding", "gru", seed=seed, flows=[make_flow(0, slope)])
        for seed, slope in enumerate((-0.1, -0.2, -0.4))
    ]
    spec = drawn(results)["adding-gradient-input"]
    (band,) = [row for row in rows(spec, model="gru", distance=10) if "to" in row]
    assert (band["drawn"], band["to"]) == (-4.0, -1.0)
    assert {row["seed"]: row["log10_norm"] for row in rows(spec, distance=10) if "seed" in row} == {0: -1, 1: -2, 2: -4}
    (middle,) = [r for r in rows(spec, model="gru", distance=10) if "log10_norm" in r and "seed" not in r]
    assert middle["log10_norm"] == -2.0
    assert "n = 3 seeds" in " ".join(spec["title"]["subtitle"])


def test_wedge_and_credit():
    credit = [0.0] * 21
    credit[15] = 1.0
    flow = make_flow(0, reach=15, credit=tuple(credit))
    spec = drawn([make_measured("copying", "gru", flows=[flow])])["copying-gradient-input"]
    assert rows(spec, distance=15, drawn=-6, to=3)
    (bar,) = [row for row in rows(spec) if "credit" in row]
    assert (bar["distance"], bar["credit"]) == (15, 1.0)
    said = " ".join(spec["title"]["subtitle"])
    lines = [layer for drawn_panel in panels(spec) for layer in drawn_panel["layer"] if layer["mark"]["type"] == "line"]
    assert len(lines) == 1  # the model's: no line that no caption explains
    assert "Grey wedge" in said
    assert "(dotted)" in said
    assert "true credit" in said


def test_pieces_and_departures():
    points = [Point(k, value, value, value) for k, value in enumerate((0, -20, -20, -20, 0, 9, 0))]
    assert [[point.distance for point in piece] for piece in pieces(points, -16, 6)] == [[0, 1], [3, 4, 5, 6]]
    assert departures(points, -16, 6) == [(1, False), (5, True)]


def test_over_seeds_keeps_common_distances_only():
    short, long = make_flow(longest=2), make_flow(longest=4)
    assert [point.distance for point in over_seeds([short, long], "input")] == [0, 1, 2]
    assert over_seeds([short], "cell") == []


# -- the others --------------------------------------------------------------------------------------------------------


def test_heat_map_holds_every_snapshot():
    flows = [make_flow(step, -0.1 - step / 1000) for step in (0, 25, 400)]
    spec = drawn([make_measured("adding", "gru", flows=flows)])["adding-gradient-through-training"]
    for flow in flows:
        stored = dict(zip(flow.distances, flow.profiles["input"].log10_median, strict=True))
        assert {row["distance"]: row["log10_norm"] for row in rows(spec, step=flow.step)} == stored


def test_clipped_steps_are_counted():
    norms = tuple(2.0 if step % 4 == 0 else 0.5 for step in range(1000))
    found = stretches(norms, 1.0)
    assert len(found) == BINS
    assert sum(row["clipped"] for row in found) == 250
    assert (found[0]["step"], found[-1]["to"]) == (1, 1000)
    assert found[0]["high"] == math.log10(2)
    assert sum(row["clipped"] for row in stretches(norms, None)) == 0
    assert [row["step"] for row in stretches((0.0, None, 1.0), 1.0)] == [3]
    spec = drawn([make_measured("adding", "gru")])["adding-gradient-norm"]
    assert "50 % clipped" in json.dumps(spec["concat"])


def test_unsolved_runs_carry_their_budget(specs):
    spec = specs["steps-to-solve"]
    kinds = {(row["model"], row["length"], row["kind"]): row["value"] for row in rows(spec) if "model" in row}
    assert kinds == {
        ("rnn", 10, "solved"): 150, ("rnn", 10, "middle"): 150, ("rnn", 100, "censored"): 1000,
        ("gru", 10, "solved"): 150, ("gru", 10, "middle"): 150, ("gru", 100, "censored"): 1000,
    }  # fmt: skip


def test_unsolved_runs_stand_above_solved_ones_whatever_their_budgets():
    results = [
        make_measured("adding", "gru", 10, steps=1000, solved_at=900, score=0.005),
        make_measured("adding", "gru", 100, steps=300),
        make_measured("adding", "rnn", 100, steps=300),
    ]
    (drawn_panel,) = panels(drawn(results)["steps-to-solve"])
    points = [layer for layer in drawn_panel["layer"] if layer["mark"].get("filled") is False]
    places = [layer["encoding"]["y"]["value"] for layer in points]
    assert len(set(places)) == 2  # a row of their own for each model
    assert all(place < 0 for place in places)  # above the frame


def test_points_stay_at_their_length():
    results = [make_measured("adding", m, 10, solved_at=100, score=0.005) for m in ("rnn", "gru", "lstm", "attention")]
    spec = drawn(results)["steps-to-solve"]
    assert {row["length"] for row in rows(spec) if "length" in row} == {10}
    (drawn_panel,) = panels(spec)
    aside = [layer["mark"]["xOffset"] for layer in drawn_panel["layer"] if "xOffset" in layer["mark"]]
    assert len(set(aside)) == 4
    assert max(map(abs, aside)) < 8  # less than the width of a point


def test_the_exponent_stands_in_the_heading():
    steps = {10: 100, 100: 200, 1000: 400}  # 100 · 2^log10(T/10): b = log10 2
    line = [make_measured("adding", "gru", n, solved_at=at, score=0.005) for n, at in steps.items()]
    assert "b: gru 0.30" in json.dumps(drawn(line)["steps-to-solve"]["concat"])


def legend_symbols(spec):
    return re.findall(r'role-legend-symbol".*?</g>', figures.svg(spec))


def test_the_legend_shows_shapes_whole_and_lines_dashed(specs):
    shapes, lines = legend_symbols(specs["score"]), legend_symbols(specs["adding-gradient-input"])
    assert len(shapes) == 3  # rnn, gru, lstm
    assert not any("stroke-dasharray" in symbol for symbol in shapes)
    assert len(lines) == 2
    assert all("stroke-dasharray" in symbol for symbol in lines)


def test_score_and_chance(specs):
    spec = specs["score"]
    assert {row["value"] for row in rows(spec, kind="middle", model="rnn")} == {0.005, 0.16}
    assert {row["value"] for row in rows(spec, reference="chance")} == {1 / 6, 4.85}
    assert {row["value"] for row in rows(spec, reference="solved")} == {0.01}


def test_no_line_is_drawn_through_a_length_that_was_not_measured():
    lengths = {"gru": (10, 20, 50, 100), "rnn": (10, 20, 100)}
    results = [make_result("adding", model, n) for model, held in lengths.items() for n in held]
    failed = make_result("adding", "rnn", 5, status="error", score=None, error="boom")
    lstm = [make_result("adding", "lstm", n) for n in (2, 10)]
    spec = drawn([*results, failed, *lstm])["score"]
    lines = {(row["model"], row["length"]): row["piece"] for row in rows(spec) if "piece" in row}
    assert len({lines["gru", n] for n in lengths["gru"]}) == 1
    assert lines["rnn", 10] == lines["rnn", 20] != lines["rnn", 100]
    assert lines["lstm", 2] != lines["lstm", 10]  # at 5, asked for and on the axis, nothing was measured


def axis_titles(spec, channel):
    axes = [layer["encoding"].get(channel, {}).get("axis") for drawn in panels(spec) for layer in drawn["layer"]]
    return {" ".join(axis["title"]) for axis in axes if axis and axis["title"]}


def panels(spec):
    """All panels of a spec, grid by grid."""
    return [drawn for part in spec.get("vconcat", [spec]) for drawn in part["concat"]]


def test_the_axis_of_scores_names_the_metric(specs):
    assert axis_titles(specs["score"], "y") == {"mean squared error", "bits per character"}


def test_every_axis_has_a_title(specs):
    for name, spec in specs.items():
        for channel in ("x", "y"):
            assert axis_titles(spec, channel), (name, channel)


def test_names_of_reference_lines_stand_outside_of_the_panel(specs):
    texts = [layer for drawn in panels(specs["score"]) for layer in drawn["layer"] if layer["mark"]["type"] == "text"]
    assert len(texts) == 4  # chance and solved, chance and skill 1
    assert all(layer["encoding"]["x"] == {"value": "width"} and layer["mark"]["dx"] > 0 for layer in texts)


def test_triangles_of_several_models_at_one_edge_do_not_hide_each_other():
    results = [make_result("adding", model, 10, score=9.0) for model in ("rnn", "gru", "lstm")]
    (drawn_panel,) = panels(drawn(results)["skill"])
    marks = [layer["mark"] for layer in drawn_panel["layer"] if layer["mark"].get("fontSize") == 13]
    assert len({mark["dx"] for mark in marks}) == 3


def test_cost(specs):
    values = {row["value"] for row in rows(specs["cost"], kind="middle")}
    assert values == {0.01, 400.0}


def test_recall_by_place():
    result = make_measured("copying", "gru", score=0.5)
    score = result.score.model_copy(update={"extras": {"recall_0": 0.9, "recall_1": 0.1, "cross_entropy": 1.0}})
    spec = drawn([result.model_copy(update={"score": score})])["copying-recall"]
    assert {row["length"]: row["value"] for row in rows(spec, kind="middle")} == {0: 0.9, 1: 0.1}


def test_the_axis_of_scores_has_its_name(specs):
    (drawn_panel,) = panels(specs["char_lm-context-use"])
    assert {layer["encoding"]["y"]["axis"]["title"][0] for layer in drawn_panel["layer"]} == {"bits per character"}


def fills(spec, panel):
    """Colours of a panel's rectangles, as they are rendered."""
    text = figures.svg(spec).partition(f"concat_{panel}_layer_0_marks")[2].partition("</g>")[0]
    return [colour.replace(" ", "") for colour in re.findall(r'fill="([^"]+)"', text)]


def test_a_closed_gate_is_white_an_open_one_dark():
    picture = Picture(name="input", steps=(0, 1, 2), rows=((0, 50, 100),))
    result = make_measured("adding", "gru").model_copy(update={"pictures": (picture,)})
    assert fills(drawn([result])["adding-gates-gru"], 0) == ["rgb(255,255,255)", "rgb(107,174,214)", "rgb(8,48,107)"]


def test_the_line_of_one_is_told_from_that_of_initialisation(specs):
    (drawn_panel, *_) = panels(specs["adding-jacobian"])
    (rule,) = [layer["mark"] for layer in drawn_panel["layer"] if layer["mark"]["type"] == "rule"]
    (line,) = [layer["encoding"] for layer in drawn_panel["layer"] if layer["mark"]["type"] == "line"]
    assert rule["color"] not in line["color"]["scale"]["range"]
    dashes = line["strokeDash"]["scale"]["range"]
    assert len({str(dash) for dash in (*dashes, rule["strokeDash"])}) == 3
    assert "(dotted)" in " ".join(specs["adding-jacobian"]["title"]["subtitle"])


def test_attention_that_is_spread_evenly_says_so_and_columns_say_their_steps():
    flat = Picture(name="attention", steps=(0, 8, 16), rows=((0, 0, 0),))
    pointed = Picture(name="attention", steps=(0, 1, 2), rows=((0, 99, 1),))
    results = [
        make_measured("copying", "attention", length).model_copy(update={"pictures": (picture,)})
        for length, picture in ((10, pointed), (1000, flat))
    ]
    said = [drawn_panel["title"]["subtitle"] for drawn_panel in panels(drawn(results)["copying-attention-attention"])]
    assert " ".join(said[0]) == "largest weight 99 %, uncoloured: below 0.5 %"
    assert " ".join(said[1]) == "every weight below 0.5 %: spread evenly, 8 steps a column"


def test_every_head_of_attention_is_a_row_of_panels():
    heads = tuple(Picture(name=f"attention.{head}", steps=(0, 1), rows=((0, 100),)) for head in range(2))
    made = drawn([make_measured("adding", "transformer").model_copy(update={"pictures": heads})])
    assert "adding-gates-transformer" not in made
    titles = [" ".join(drawn_panel["title"]["text"]) for drawn_panel in panels(made["adding-attention-transformer"])]
    assert titles == ["attention, head 0, T = 10", "attention, head 1, T = 10"]


def test_equal_neighbours_of_a_picture_are_one_rectangle():
    assert runs((0, 1, 2, 3), (5, 5, 9, 9)) == [
        {"step": 0, "to": 3, "percent": 5},
        {"step": 2, "to": 4, "percent": 9},
    ]


# -- views ---------------------------------------------------------------------------------------------------


def test_a_view_keeps_the_colours_of_the_store():
    everything = [make_measured("adding", name) for name in ("aaa", "zzz")]
    whole = drawn(everything)["score"]
    part = drawn(everything[1:], everything=everything)["score"]

    def colours(spec):
        text = json.dumps(spec["concat"])
        return {look.colour for look in SPARE if look.colour in text}

    assert colours(part) < colours(whole)
    assert colours(part) == {SPARE[1].colour}


def test_settings_of_one_task_are_figures_of_their_own():
    results = [make_measured("adding", "gru", clip=clip) for clip in (1.0, 0.5)]
    names = {name for name in drawn(results) if name.endswith("-gradient-input")}
    assert names == {"adding-clip-1-gradient-input", "adding-clip-0.5-gradient-input"}


def test_results_without_a_score_or_gradient_draw_what_they_can():
    assert set(drawn([make_result("adding", "gru", status="error", score=None, error="boom")])) <= {"cost"}
    untrained = make_result("adding", "gru", steps=0, score=None).model_copy(update={"gradient_flow": (make_flow(),)})
    assert set(drawn([untrained])) == {"adding-gradient-input"}
    assert "gradient" not in " ".join(drawn([make_result("adding", "gru")]))


def test_a_diverged_cell_with_infinite_gradients_is_drawn():
    profile = make_profile([None] * 21, nonfinite=168, verdict="exploding")
    flow = make_flow(0).model_copy(update={"profiles": {"input": profile}})
    result = make_measured("adding", "rnn", status="diverged", flows=[flow], norms=(None, None))
    marks = [row["mark"] for row in rows(drawn([result])["adding-gradient-input"]) if "mark" in row]
    assert marks == ["▲"]


def test_axis_of_powers_has_few_ticks():
    axis = drawing.power_axis("norm", -16, 6).to_dict()
    assert axis["values"] == [-16, -12, -8, -4, 0, 4]


def test_a_missing_cell_leaves_an_empty_panel_that_says_so():
    results = [
        make_measured("adding", "gru", 10),
        make_measured("adding", "rnn", 10),
        make_measured("adding", "gru", 100),
    ]
    made = drawn(results)
    for name in ("adding-gradient-norm", "adding-gradient-through-training"):
        assert "rnn, T = 100: no record" in json.dumps(made[name]["concat"]), name


def test_memory_that_more_context_harms_is_the_best_context_and_the_caption_says_so():
    points = ((20, 3.160), (50, 3.170), (100, 3.262))
    harmed = make_result("char_lm", "transformer", 100, score=3.262, relative=0.001)
    learned = make_result("char_lm", "gru", 100, score=2.9, relative=0.001)
    chance = make_result("char_lm", "rnn", 100, score=4.85, relative=0.001)
    results = [
        harmed.model_copy(update={"context_use": points, "memory_horizon": 100}),
        learned.model_copy(update={"context_use": ((20, 3.0), (100, 2.9)), "memory_horizon": 100}),
        chance.model_copy(update={"context_use": ((20, 4.85), (100, 4.85)), "memory_horizon": 1}),
    ]
    spec = drawn(results)["memory-horizon"]
    assert {row["model"]: row["value"] for row in rows(spec, kind="middle")} == {"transformer": 20, "gru": 100}
    said = "more context makes the score worse: transformer at T = 100 (best with 20)"
    assert said in json.dumps(spec)
    assert said in json.dumps(drawn(results)["char_lm-context-use"])
    assert said in notes.references(View.of(results).topics[0])


def test_an_interval_that_reaches_down_to_zero_ends_at_the_edge_of_a_log_axis():
    results = [make_result(seed=s, score=score) for s, score in enumerate((0.001, 0.01, 0.03, 0.06, 0.10))]
    assert groups(results)[0].interval.low == 0
    (bar,) = rows(drawn(results)["score"], kind="interval")
    assert 0 < bar["low"] < bar["high"]
