"""Entity spans: decoded from whole documents, scored, and the objective of tagging them.

Tags are numbers: 0 is O; the types are numbered from 0, and type k begins with 2k+1 (B) and goes on with 2k+2 (I).

Strict decoding (IOB2, as CoNLL-style papers mean "strict"): a span is a B and the unbroken run of I of its type
behind it; an I that follows anything else belongs to no span. Lenient decoding (the conlleval script, Tjong Kim Sang &
De Meulder 2003): such an I begins a span. A predicted span is correct only if both its ends and its type are.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torchmetrics import Metric

from tasks.base import Batch, Evaluation, Objective
from tasks.base.metrics import ratio_of_sums
from tasks.base.objectives import log_odds

NEAR, FAR = 1, 2


def begin(kind: int) -> int:
    """Return the number of the tag B of a type."""
    return 2 * kind + 1


def inside(kind: int) -> int:
    """Return the number of the tag I of a type."""
    return 2 * kind + 2


def span_ends(tags: Tensor, documents: Tensor, lenient: bool = False) -> Tensor:
    """Return the last token (tokens,) of the span that begins at each token; −1 where none begins.

    tags, documents (tokens,): tag numbers, and a number that changes from one document to the next.
    """
    kind = (tags + 1) // 2
    goes_on = torch.zeros_like(tags, dtype=torch.bool)
    is_inside = (tags[1:] > 0) & (tags[1:] % 2 == 0)
    goes_on[1:] = is_inside & (kind[1:] == kind[:-1]) & (documents[1:] == documents[:-1])
    # A run is a tag and all I that continue it; it is a span if its first tag may begin one.
    first = (~goes_on).nonzero().squeeze(1)
    last = torch.cat([first[1:], first.new_tensor([len(tags)])]) - 1
    begins = tags[first] > 0 if lenient else tags[first] % 2 == 1
    ends = torch.full_like(tags, -1)
    ends[first] = torch.where(begins, last, -1)
    return ends


def span_score(predicted: Tensor, gold: Tensor, documents: Tensor, groups: Tensor, lenient: bool = False) -> Evaluation:
    """Return span F1 = 2·correct / (predicted + gold) over all documents; arguments (tokens,), in order.

    A span belongs to the group of its first token (0 none, 1 near, 2 far). `n` is the number of gold spans;
    `blocks` of the evaluation are equal stretches of tokens; a span belongs to the stretch of its first token.
    """
    predicted_ends, gold_ends = (span_ends(tags, documents, lenient) for tags in (predicted, gold))
    claimed, true = predicted_ends >= 0, gold_ends >= 0
    correct = true & (predicted_ends == gold_ends) & ((predicted + 1) // 2 == (gold + 1) // 2)
    extras = {"precision": _ratio(correct, claimed), "recall": _ratio(correct, true)}
    for name, group in (("near", NEAR), ("far", FAR)):
        if (groups == group).any():
            extras[f"recall_{name}"] = _ratio(correct & (groups == group), true & (groups == group))
    evaluation = ratio_of_sums(2.0 * correct.double(), claimed.double() + true.double(), extras)
    return evaluation._replace(n=int(true.sum()))


def _ratio(part: Tensor, whole: Tensor) -> float:
    return int(part.sum()) / max(1, int(whole.sum()))


class SpanF1(Metric):
    """Span F1 over documents that arrive in order, cut into batches anywhere.

    A span may lie across two batches, so tags are kept until `compute` and decoded on whole documents.
    """

    full_state_update = False
    predicted: list[Tensor]
    targets: list[Tensor]

    def __init__(self, lenient: bool = False) -> None:
        super().__init__()
        self.lenient = lenient
        self.add_state("predicted", default=[], dist_reduce_fx="cat")
        self.add_state("targets", default=[], dist_reduce_fx="cat")

    def update(self, outputs: Tensor, batch: Batch) -> None:
        """Keep predicted and gold tags, in the order of the text.

        outputs (reads, tags): scores. targets of the batch (reads, 3): tag, document, group.
        """
        self.predicted.append(outputs.argmax(-1))
        self.targets.append(batch.targets)

    def compute(self) -> Evaluation:
        """Return span F1 of all documents. Extras: precision, recall, and recall near and far if there are groups."""
        gold, documents, groups = torch.cat(self.targets).cpu().unbind(1)
        return span_score(torch.cat(self.predicted).cpu(), gold, documents, groups, self.lenient)


@final
class SpanTagging(Objective):
    """Cross-entropy on the tag, in nats; strict span F1 on whole documents.

    targets (reads, 3): tag, document (an index that changes between documents), group (0 none, 1 near, 2 far).
    """

    metric_name = "span F1"
    unit = "F1"
    counted = "gold spans"
    higher_is_better = True

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of outputs (reads, tags) against the tags."""
        return cross_entropy(outputs, batch.targets[:, 0])

    def metric(self) -> SpanF1:
        """Return a fresh strict `SpanF1`."""
        return SpanF1()

    def answer(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the log odds of the true tag, z_y − logsumexp_{j≠y} z_j: (batch, tags) -> (batch,)."""
        return log_odds(outputs, batch.targets[:, 0])
