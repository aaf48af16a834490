"""What a paper's sweeps and claims stand for in cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import catalog
from bench.records.cell import Cell
from bench.records.entry import Entry
from bench.records.errors import UsageError
from bench.records.paper import Claim, Paper, PaperError
from bench.records.recipe import Scalar, as_text
from bench.records.sweep import Sweep
from bench.runner.plan import plan

# Of a shortened paper: the fewest steps of a sweep's cells divided by the one, at least the other.
SHORT, LEAST = 10, 20
ANY_RATE = 0.01
ROOT = Path(__file__).resolve().parents[2]

Recipes = dict[tuple[str, str, int], list[dict[str, Scalar]]]  # of task, model and length, without learning rates


def known(folders: Sequence[str]) -> dict[str, Path]:
    """Name every TOML file in these folders, here and beside the suite; one in the current folder comes first."""
    places = [base / folder for base in (ROOT, Path.cwd()) for folder in folders]
    return {path.stem: path for place in places for path in sorted(place.glob("*.toml"))}


def found(what: str, name: str, folders: Sequence[str]) -> Path:
    """Return the path that a user means by a path, or by the name of a file in these folders. what: the file is.

    Raises:
        UsageError: there is no file of this name; the message holds the nearest.
    """
    path = Path(name)
    if path.suffix == ".toml" or path.is_file():
        return path
    at_hand = known(folders)
    if name not in at_hand:
        raise UsageError(catalog.unknown(what, name, at_hand))
    return at_hand[name]


def named(task: Entry, model: Entry, length: int) -> tuple[str, str]:
    """Return task and model as records name them: known options only, defaults left out."""
    cell = plan(Sweep(tasks=(task,), models=(model,), lengths=(length,)))[0].cell
    return cell.task, cell.model


def label(claim: Claim) -> tuple[str, str]:
    """Return task and model of a claim as records name them."""
    return named(Entry.parse(claim.task), Entry.parse(claim.model), claim.length)


def tuning(sweep: Sweep, content: Paper) -> Sweep:
    """Return the sweep that tries the learning rates, on the paper's seeds for it."""
    return sweep.model_copy(update={"seeds": content.tuning})


def cells(content: Paper) -> list[Cell]:
    """Return the cells of a paper; where rates are tried on other seeds, one of the rates for every reported cell."""
    sweeps = list(content.sweeps)
    if content.tuning:
        sweeps = [sweep.model_copy(update={"learning_rates": (ANY_RATE,)}) for sweep in content.sweeps]
        sweeps += [tuning(sweep, content) for sweep in content.sweeps]
    return list({item.cell.key: item.cell for sweep in sweeps for item in plan(sweep)}.values())


def place(content: Paper) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """Return what sorts rows of cells as a paper's sweeps name them: by task, model, length, seed, then rate."""
    names = [
        named(task, model, sweep.lengths[0])
        for sweep in content.sweeps
        for task in sweep.tasks
        for model in sweep.models
    ]
    tasks, models = (list(dict.fromkeys(column)) for column in zip(*names, strict=True))

    def at(row: dict[str, Any]) -> tuple[Any, ...]:
        return tasks.index(row["task"]), models.index(row["model"]), row["length"], row["seed"], row["learning_rate"]

    return at


def shortened(content: Paper) -> Paper:
    """Return a paper of one seed, its cells of a tenth of the fewest steps: other cells, which show that it runs."""
    sweeps, claims = [], list(content.claims)
    for sweep in content.sweeps:
        planned = [item.cell for item in plan(sweep)]
        steps = max(LEAST, min(cell.recipe.steps for cell in planned) // SHORT)
        sweeps.append(sweep.model_copy(update={"seeds": (planned[0].seed,), "steps": steps}))
        for place, claim in enumerate(content.claims):
            if any(_about(cell, claim) for cell in planned):
                recipe = {name: value for name, value in claim.recipe.items() if name != "evaluate_every"}
                claims[place] = claim.model_copy(update={"recipe": recipe | {"steps": steps}})
    return content.model_copy(update={"sweeps": tuple(sweeps), "claims": tuple(claims)})


def _check_pairs(content: Paper, name: str, recipes: Recipes) -> None:
    """Check that a study can compare its pairs: models as records name them, each at one recipe."""
    models = {model for _, model, _ in recipes}
    for model in dict.fromkeys(model for pair in content.pairs for model in pair):
        if model not in models:
            raise PaperError(
                f"the paper {name}: pairs: {model} has another name in results. They have {', '.join(sorted(models))}"
            )
    for (task, model, length), known in recipes.items() if content.pairs else ():
        if len(known) > 1:
            raise PaperError(
                f"the paper {name}: {task} / {model} / T{length} has {len(known)} recipes, and pairs compare models at "
                "one. Leave pairs out, or give each recipe a file of its own"
            )


def checked(content: Paper, name: str) -> Paper:
    """Return a paper whose every claim is about one recipe of one cell. name: of the paper, for messages.

    Raises:
        PaperError: a claim is about none, or about several; or a pair cannot be compared.
    """
    recipes: Recipes = {}
    for sweep in content.sweeps:
        for item in plan(sweep):
            recipe = {key: value for key, value in item.cell.recipe.values.items() if key != "learning_rate"}
            known = recipes.setdefault((item.cell.task, item.cell.model, item.cell.length), [])
            known.extend([recipe] * (recipe not in known))
    _check_pairs(content, name, recipes)
    for number, claim in enumerate(content.claims, start=1):
        known = recipes.get((*label(claim), claim.length), [])
        meant = [recipe for recipe in known if _is(recipe, claim)]
        if len(meant) != 1:
            place = f"the paper {name}: claim {number}, {claim.task} / {claim.model} / T{claim.length},"
            raise PaperError(f"{place} is about {_which(known, meant)}")
    return content


def _about(cell: Cell, claim: Claim) -> bool:
    """Whether a claim is about a cell."""
    return (cell.task, cell.model, cell.length) == (*label(claim), claim.length) and _is(cell.recipe.values, claim)


def _is(recipe: dict[str, Scalar], claim: Claim) -> bool:
    return all(as_text(recipe[name]) == as_text(value) for name, value in claim.recipe.items())


def _which(known: list[dict[str, Scalar]], meant: list[dict[str, Scalar]]) -> str:
    """Say which recipes a claim may be about, by the fields in which they differ."""
    differing = [name for name in known[0] if len({as_text(recipe[name]) for recipe in known}) > 1] if known else []
    fields = "; ".join(", ".join(f"{name} = {as_text(recipe[name])}" for name in differing) for recipe in known)
    shown = f" There are {fields}." if fields else ""
    if meant:
        return f"{len(meant)} recipes.{shown} Say which, as in recipe = {{{differing[0]} = {meant[0][differing[0]]}}}."
    return f"a recipe that no sweep runs.{shown} Correct its recipe, or add it to a sweep."
