import pytest

from bench.records.paper import Claim, Paper
from bench.records.sweep import Sweep
from reports.summary import verdicts
from tests.support.results import make_result


def a_paper(*values, quantity="score", spread=None, models=("gru",), task="copying"):
    claimed = tuple(
        Claim(task=task, model=model, length=100, quantity=quantity, value=value, spread=spread, where="table 1")
        for model, value in zip(models, values, strict=True)
    )
    sweep = Sweep(tasks=task, models=",".join(models), lengths=(100,))
    return Paper(title="A table", source="Somebody 1997", sweeps=(sweep,), claims=claimed)


def held(paper, results):
    return verdicts.verdicts(paper, results, lambda claim: (claim.task, claim.model))


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
