"""What the controls share: they answer by a task's own solution, so that their scores are known beforehand."""

from __future__ import annotations

from abc import ABC
from typing import Any

from torch import Tensor, nn

from models.base import Embedding, SequenceModel
from tasks.base import Column, Features, Inputs, Mixed, Reads, Spec, Tokens


class Control(SequenceModel, ABC):
    """A model without trained parameters: y = predict(x, window), where the task's `Spec` has a solution.

    x holds real features as they are, or the first column of token ids one-hot. Budget, hidden size and learning rate
    mean nothing here: the body is empty, hidden is 0, and nothing is trained.

    Raises:
        NotImplementedError: the task has no exact solution.
    """

    def __init__(self, spec: Spec, *, window: int | None, **common: Any) -> None:
        """window: how many of the last steps the predictor sees; None: all."""
        super().__init__(spec, **common)
        if spec.predict is None:
            raise NotImplementedError(
                f"{type(self).__name__} answers by a task's exact solution, and this task has no exact solution. "
                f"Choose a task that has one (adding, copying …) or a model that learns."
            )
        self.window = window
        self.embedding = one_hot(spec.inputs)
        self.width = self.embedding.width
        self.hidden = 0
        self.body = nn.Identity()
        self.head = nn.Identity()  # type: ignore[assignment]  # the features are the answers already

    def encode(self, x: Tensor, reads: Reads) -> Tensor:
        predict = self.spec.predict  # of the task that is answered: another length has another solution
        assert predict is not None, "a task without one is refused"
        return self.pick(predict(x, self.window), reads)


def one_hot(inputs: Inputs) -> Embedding:
    """Make an embedding without trained numbers: features as they are, the first column of tokens one-hot."""
    if isinstance(inputs, Features):
        return Embedding(inputs)
    tokens = inputs.tokens if isinstance(inputs, Mixed) else inputs
    size = tokens.columns[0].size if tokens.symbols is None else tokens.symbols
    one_column = Tokens((Column(size, size),))
    embedding = Embedding(Mixed(inputs.features, one_column) if isinstance(inputs, Mixed) else one_column)
    for table in embedding.parameters():
        nn.init.eye_(table.requires_grad_(False))
    return embedding
