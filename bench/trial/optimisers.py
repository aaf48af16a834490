"""Whether a model's own methods and optimiser can be used, and a note in the record about what trained it."""

from __future__ import annotations

import torch
from torch.optim import Optimizer

from bench.probes.undisturbed import undisturbed
from bench.records.recipe import Recipe
from bench.trial.faults import InvalidError
from models.base import SequenceModel, count_parameters

SCORED = "scores come from the base's; what goes before or after belongs in on_validation_start or on_validation_end"
TARGETS = "it is handed the targets, and a model reads a batch's inputs and reads only"
# Methods of Lightning that a model's base takes over, that are never called beside it, or that would see what is asked.
TAKEN = {
    "training_step": "losses, norms and the schedule come from the base's",
    "optimizer_step": "it would never be called",
    "optimizer_zero_grad": "it would never be called",
    "lr_scheduler_step": "it would never be called; --schedule says how the rate goes",
    "configure_gradient_clipping": "it would never be called; --clip says how gradients are clipped",
    **dict.fromkeys(("validation_step", "test_step"), SCORED),
    **dict.fromkeys((f"on_{of}_epoch_{end}" for of in ("validation", "test") for end in ("start", "end")), SCORED),
    **dict.fromkeys((f"on_{of}_batch_{end}" for of in ("validation", "test") for end in ("start", "end")), TARGETS),
    **dict.fromkeys(("on_before_batch_transfer", "on_after_batch_transfer", "transfer_batch_to_device"), TARGETS),
}


def honoured(model: SequenceModel, recipe: Recipe) -> list[str]:
    """Return notes on what trains a model, where that is not what its recipe says; none as a rule.

    Raises:
        InvalidError: the model has a method or an optimiser of its own that training would not use, or a method that
            would stand between the test and its score.
    """
    kind = type(model)
    for method, why in TAKEN.items():
        if getattr(kind, method) is not getattr(SequenceModel, method) or method in vars(model):
            article = "an" if method[0] in "aeiou" else "a"
            raise InvalidError(f"{kind.__name__} has {article} {method} of its own: {why}. Leave it out")
    if model.automatic_optimization:
        raise InvalidError(f"{kind.__name__} sets automatic_optimization: its base optimises by hand. Leave it out")
    if kind.configure_optimizers is SequenceModel.configure_optimizers or not count_parameters(model):
        return []
    if recipe.optimiser != Recipe.model_fields["optimiser"].default:
        raise InvalidError(
            f"{kind.__name__} brings its own optimiser, so --optimiser {recipe.optimiser} cannot be honoured: leave "
            f"one of the two out"
        )
    with undisturbed(model):
        optimiser = _single(model.configure_optimizers(), kind.__name__)
    rates = sorted({float(group["lr"]) for group in optimiser.param_groups}, reverse=True)
    if type(optimiser) is torch.optim.Adam and rates == [model.learning_rate]:
        return []
    return [
        f"trained by its own {type(optimiser).__name__} at a peak rate of {' and '.join(f'{r:g}' for r in rates)}; the "
        f"recipe names {recipe.optimiser} at {model.learning_rate:g}"
    ]


def _single(returned: object, name: str) -> Optimizer:
    """Return the one optimiser among all that Lightning lets `configure_optimizers` return.

    Raises:
        InvalidError: none, several, schedulers, or one that evaluates the loss several times a step.
    """
    owner = f"{name}.configure_optimizers"
    if isinstance(returned, dict):
        if returned.keys() - {"optimizer"}:
            raise InvalidError(f"{owner} returns a scheduler: --schedule says how the rate goes. Return the optimiser")
        returned = returned.get("optimizer")
    if isinstance(returned, list | tuple):
        if any(not isinstance(each, Optimizer) for each in returned):
            raise InvalidError(f"{owner} returns schedulers: --schedule says how the rate goes. Return the optimiser")
        if len(returned) != 1:
            raise InvalidError(f"{owner}: expected one optimiser, got {len(returned)}. Make groups of one optimiser")
        returned = returned[0]
    if not isinstance(returned, Optimizer):
        raise InvalidError(f"{owner}: expected an optimiser of torch, got {type(returned).__name__}")
    if isinstance(returned, torch.optim.LBFGS):
        raise InvalidError(f"{owner}: LBFGS evaluates the loss several times a step, which training here does not do")
    return returned
