import pytest

from bench.records.errors import UsageError
from bench.records.paper import Claim, Paper
from bench.records.reading import Question, Reading
from bench.records.sweep import Sweep
from reports.summary import verdicts
from tests.support.results import make_result


def a_paper(*values, quantity="score", spread=None, models=("gru",), task="copying", **keywords):
    claimed = tuple(
        Claim(task=task, model=model, length=100, quantity=quantity, value=value, spread=spread, where="it", **keywords)
        for model, value in zip(models, values, strict=True)
    )
    sweep = Sweep(tasks=task, models=",".join(models), lengths=(100,))
    return Paper(title="A table", source="Somebody 1997", sweeps=(sweep,), claims=claimed)


def held(paper, results, readings=()):
    return verdicts.verdicts(paper, results, lambda claim: (claim.task, claim.model), readings)


def with_extras(result, **extras):
    return result.model_copy(update={"score": result.score.model_copy(update={"extras": extras})})


def readings_of(results, length, *scores):
    return [
        Reading(
            question=Question.of(result.cell, "ab" * 32, length),
            status="ok",
            score=result.score.model_copy(update={"score": score, "extras": {"exact": score / 2}}),
        )
        for result, score in zip(results, scores, strict=True)
    ]


def seeds(*scores, model="gru", task="copying", **keywords):
    return [
        make_result(task, model, 100, seed, score=score, relative=0.01, **keywords) for seed, score in enumerate(scores)
    ]


@pytest.mark.parametrize(
    ("value", "spread", "scores", "word"),
    [
        (0.72, None, (0.70, 0.72, 0.74), "reproduced"),
        (0.80, 0.07, (0.70, 0.72, 0.74), "reproduced"),  # the intervals meet
        (0.80, 0.05, (0.70, 0.72, 0.74), "contradicted"),
        (0.60, 0.05, (0.70, 0.72, 0.74), "better"),
        (0.80, None, (0.12, 0.125, 0.13), "not at this budget"),
        (0.125, None, (0.70, 0.72, 0.74), "better"),
        (0.72, None, (), "not run here"),
    ],
)
def test_a_verdict_for_each_case(value, spread, scores, word):
    paper = a_paper(value, spread=spread)
    (verdict,) = held(paper, seeds(*scores))
    assert verdict.word == word
    assert (verdict.ours is None) == (not scores)
    if scores:
        assert verdict.ours.n == len(scores)


def test_lower_scores_are_better_where_they_are():
    (verdict,) = held(a_paper(0.05, task="adding"), seeds(0.001, 0.002, 0.003, task="adding"))
    assert verdict.word == "better"
    (verdict,) = held(a_paper(0.0001, task="adding"), seeds(0.001, 0.002, 0.003, task="adding"))
    assert verdict.word == "contradicted"


def test_a_published_number_that_equals_chance_is_marked():
    (verdict,) = held(a_paper(0.126), seeds(0.125, 0.124, 0.126))
    assert (verdict.word, verdict.equals_chance) == ("reproduced", True)


def test_the_order_of_models_is_a_verdict_of_its_own():
    """gru above lstm above rnn, as published; every number another one."""
    models = ("gru", "lstm", "rnn")
    paper = a_paper(0.99, 0.95, 0.9, models=models)
    results = [
        result
        for model, score in zip(models, (0.8, 0.6, 0.4), strict=True)
        for result in seeds(score, score + 0.01, score + 0.02, model=model)
    ]
    assert [verdict.word for verdict in held(paper, results)] == ["order reproduced"] * 3
    turned = a_paper(0.9, 0.95, 0.99, models=models)
    assert [verdict.word for verdict in held(turned, results)] == ["contradicted"] * 3


def test_steps_to_solve_count_those_that_never_came():
    results = [
        *seeds(1.0, 1.0, solved_at=200),
        make_result("copying", "gru", 100, 2, score=0.5, relative=0.01, solved_at=None),
    ]
    (verdict,) = held(a_paper(200, quantity="solved_at_step"), results)
    assert verdict.word == "reproduced"
    (verdict,) = held(a_paper(100, quantity="solved_at_step"), results)
    assert verdict.word == "contradicted"


def test_the_count_says_all_words_in_their_order():
    made = held(a_paper(0.72, 0.9, models=("gru", "lstm")), seeds(0.70, 0.72, 0.74))
    assert verdicts.counted(made) == "1 not run here, 1 reproduced"


# -- which quantity ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "spread", "word"),
    [(0.29, None, "reproduced"), (0.20, 0.07, "reproduced"), (0.20, 0.05, "contradicted"), (0.40, 0.05, "better")],
)
def test_an_error_is_one_less_the_accuracy(error, spread, word):
    (verdict,) = held(a_paper(error, quantity="error", spread=spread), seeds(0.70, 0.72, 0.74))
    assert verdict.word == word
    ours = verdict.ours
    assert (ours.value, ours.low, ours.high) == pytest.approx((0.28, 0.26, 0.30))
    assert ours.chance == pytest.approx(0.875)
    assert ours.higher_is_better is False


def test_an_error_at_chance_is_marked_and_two_of_them_agree():
    (verdict,) = held(a_paper(0.875, quantity="error", spread=0.002), seeds(0.12, 0.13, 0.14))
    assert (verdict.word, verdict.equals_chance) == ("reproduced", True)
    (verdict,) = held(a_paper(0.875, quantity="error", spread=0.002), seeds(0.141, 0.142, 0.143))
    assert (verdict.word, verdict.equals_chance) == ("reproduced", True), "apart from each other, but both equal chance"


def test_a_score_can_be_named_by_its_metric_and_another_metric_is_refused():
    assert held(a_paper(0.72, quantity="recall_accuracy"), seeds(0.70, 0.72, 0.74))[0].word == "reproduced"
    with pytest.raises(UsageError, match=r"the claim 'it': no quantity 'acuracy' of copying. Known: score, rec"):
        held(a_paper(0.72, quantity="acuracy"), seeds(0.70, 0.72, 0.74))


def test_the_error_of_what_is_no_accuracy_is_refused():
    with pytest.raises(UsageError, match=r"'error' is 1 − an accuracy, and the score of adding is mean_squared_error"):
        held(a_paper(0.1, quantity="error", task="adding"), seeds(0.1, 0.1, task="adding"))


def test_an_extra_of_the_score_is_read():
    results = [with_extras(result, exact=exact) for result, exact in zip(seeds(0.8, 0.9), (0.3, 0.5), strict=True)]
    (verdict,) = held(a_paper(0.4, quantity="exact"), results)
    assert verdict.word == "reproduced"
    assert (verdict.ours.value, verdict.ours.low, verdict.ours.high) == (0.4, 0.3, 0.5)
    assert held(a_paper(0.2, quantity="exact"), results)[0].word == "better"


# -- which cell --------------------------------------------------------------------------------------------------------


def test_two_claims_on_one_cell_are_each_about_their_recipe():
    results = [*seeds(0.3, 0.31, 0.32, hidden=51), *seeds(0.8, 0.81, 0.82, hidden=44)]
    words = {hidden: held(a_paper(0.81, recipe={"hidden": hidden}), results)[0].word for hidden in (51, 44, 43)}
    assert words == {51: "contradicted", 44: "reproduced", 43: "not run here"}


def test_of_two_devices_the_one_with_more_seeds_counts():
    results = [*seeds(0.3, device="cuda"), *seeds(0.8, 0.81, 0.82)]
    for given in (results, results[::-1]):
        assert held(a_paper(0.81), given)[0].ours.n == 3


def test_a_model_is_asked_at_another_length():
    results = seeds(0.9, 0.9)
    readings = readings_of(results, 200, 0.6, 0.8)
    (verdict,) = held(a_paper(0.7, tested=200), results, readings)
    assert (verdict.word, verdict.ours.low, verdict.ours.high) == ("reproduced", 0.6, 0.8)
    assert held(a_paper(0.35, tested=200, quantity="exact"), results, readings)[0].word == "reproduced"
    assert held(a_paper(0.3, tested=200, quantity="error"), results, readings)[0].word == "reproduced"
    assert held(a_paper(0.7, tested=300), results, readings)[0].word == "not run here"
    assert held(a_paper(0.9, tested=100), results)[0].word == "reproduced", "its own length needs no reading"


# -- which comparison --------------------------------------------------------------------------------------------------


def test_of_other_data_only_the_order_is_compared():
    results = [*seeds(0.5, model="gru"), *seeds(0.7, model="lstm")]
    same = a_paper(0.5, 0.99, models=("gru", "lstm"), compared="order")
    assert [verdict.word for verdict in held(same, results)] == ["order reproduced"] * 2
    other = a_paper(0.5, 0.1, models=("gru", "lstm"), compared="order")
    assert [verdict.word for verdict in held(other, results)] == ["contradicted"] * 2


def test_steps_that_end_before_the_published_one_say_nothing():
    unsolved = seeds(0.5, 0.6)  # 1,000 steps each
    assert held(a_paper(74_000, quantity="solved_at_step"), unsolved)[0].word == "not at this budget"
    assert held(a_paper(500, quantity="solved_at_step"), unsolved)[0].word == "contradicted"
    most = [*seeds(1.0, solved_at=300), *seeds(0.5, 0.5, 0.5)[1:]]
    assert held(a_paper(500, quantity="solved_at_step"), most)[0].word == "contradicted", "two of three never did"
    assert held(a_paper(500, quantity="solved_at_step"), seeds(0.12, 0.13))[0].word == "contradicted", "at chance too"


@pytest.mark.parametrize(
    ("quantity", "value", "chance", "marked"),
    [
        ("mean_squared_error", 0.164, 1 / 6, True),
        ("mean_squared_error", 0.177, 1 / 6, True),  # worse than knowing nothing is no better
        ("mean_squared_error", 0.12, 1 / 6, False),
        ("cross_entropy", 0.0204, 0.020387, True),
        ("cross_entropy", 3.5e-5, 0.020387, False),
        ("error", 0.875, 0.875, True),
        ("exact", 0.0, 0.0, True),
        ("exact", 0.4, 0.0, False),
        ("score", 0.125, 0.125, True),
        ("score", 0.125, None, False),
    ],
)
def test_a_published_number_at_chance_is_marked_though_nothing_was_run(quantity, value, chance, marked):
    (verdict,) = held(a_paper(value, quantity=quantity, chance=chance), [])
    assert (verdict.word, verdict.equals_chance) == ("not run here", marked)
