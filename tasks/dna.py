"""The dna task: promoters and exons of a sequence of bases, told by two motifs far apart."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from tasks.base import Batch, Column, Notation, Replacement, Spec, SyntheticTask, Tokens
from tasks.entities.spans import FAR, SpanTagging, begin, inside

BASES = "ACGT"
UPSTREAM, BOX = "TTGACA", "TATAAT"  # the consensus of the −35 and of the −10 element of bacterial promoters
MOTIF = len(BOX)
START, STOP = "ATG", "TAA"
PROMOTER, EXON = 0, 1
LEAD = 8  # bases before the upstream element: 0 … LEAD−1
SPACERS = range(4, 9)  # bases between box and exon
CODONS = range(1, 5)  # between start and stop
LATER = MOTIF - 1  # steps by which a tag is read later than its base


def _ids(bases: str) -> Tensor:
    return torch.tensor([BASES.index(base) for base in bases])


class DNA(SyntheticTask):
    """Tag the bases of a promoter and of the exon behind it, where both motifs of the promoter are intact.

    Rule: 0 … 7 bases; the upstream element TTGACA; T−6 bases; the box TATAAT; 4 … 8 bases C or T; the start codon ATG;
    1 … 4 codons of A, C and G; the stop codon TAA; bases up to step T+43. All that is not stated is uniform. Each of
    the two motifs is intact with probability ½; else one of its six bases is another. Where both are intact the box is
    a promoter, and the bases from ATG to TAA, both included, are an exon. Else there is neither.

    Tags are O, B and I of promoter (P) and exon (E). That of base i is read at step i+5, so that the rest of a motif is
    in sight. Sequence 11 of `DNA(8).training_batch(0)`, one letter per step; · marks a step that is not read, and I is
    written as a small letter:

        bases CTTGTTGACAAATATAATCTCCATGAAAACGAGCGCCTAAAACCGCTCTGCG
        tags  ·····OOOOOOOOOOOOPpppppOOOOEeeeeeeeeeeeeeeeeeOOOOOOO

    length T is the number of bases from the first of the upstream element to the first of the box. (In bacteria it is
    about 23.) All tags but O need both.

    Score: span F1, strict (both ends and type), over promoters and exons, higher is better; `recall_far` beside it is
    the recall of promoters.

    chance 2/3, without the upstream element: where the box is intact, half of all spans are right, so that tagging them
    all has precision ½, recall 1; tagging a share q of them has F1 q/(q+½), which is less. best 1: a predictor that
    reads the grammar makes no mistake (but for a pair of motifs that arises by chance, one in 4^12 places). Solved at
    .99. No exact solution is stated for `window`: with the upstream element in part out of sight, where it began is
    uncertain too.

    Source: Milosavljević's lecture, segments of DNA; consensus motifs: Hawley & McClure 1983 (Compilation and analysis
    of Escherichia coli promoter DNA sequences). The grammar is ours.
    """

    version = 1
    minimum_length = 6

    def __init__(self, length: int, **common: Any) -> None:
        super().__init__(length, **common)
        exon = len(START) + 3 * max(CODONS) + len(STOP)
        self.steps_each = LEAD - 1 + length + MOTIF + max(SPACERS) + exon + LATER
        self.notation = Notation(inputs=BASES, targets="OPpEe")
        self.spec = Spec(
            inputs=Tokens((Column(len(BASES), 4),)),
            outputs=5,
            objective=SpanTagging(),
            look_ahead=True,
            steps=self.steps_each,
        )
        self.reach = length
        self.chance = 2 / 3
        self.best = 1.0
        self.solved_threshold = 0.99

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        def uniform(low: int, high: int) -> Tensor:  # from low to high, both included
            return torch.randint(low, high + 1, (batch_size, 1), generator=generator)

        lead, spacer = uniform(0, LEAD - 1), uniform(SPACERS[0], SPACERS[-1])
        coding = 3 * uniform(CODONS[0], CODONS[-1])
        size = (batch_size, self.steps_each)
        bases = torch.randint(len(BASES), size, generator=generator)
        three = torch.randint(3, size, generator=generator)
        intact = torch.ones(batch_size, 1, dtype=torch.bool)
        step = torch.arange(self.steps_each)
        for motif, first in ((UPSTREAM, lead), (BOX, lead + self.length)):
            whole = uniform(0, 1).bool()
            wrong = (torch.arange(MOTIF) == uniform(0, MOTIF - 1)) & ~whole
            drawn = torch.where(wrong, (_ids(motif) + uniform(1, 3)) % 4, _ids(motif))
            bases.scatter_(1, first + torch.arange(MOTIF), drawn)
            intact = intact & whole
        box, start = lead + self.length, lead + self.length + MOTIF + spacer
        stop = start + len(START) + coding
        bases = torch.where((step >= box + MOTIF) & (step < start), 1 + 2 * (three % 2), bases)  # C or T
        bases = torch.where((step >= start) & (step < stop), three, bases)  # A, C or G
        for codon, first in ((START, start), (STOP, stop)):
            bases.scatter_(1, first + torch.arange(3), _ids(codon).expand(batch_size, -1))
        tags = torch.zeros(size, dtype=torch.long)
        for kind, first, end in ((PROMOTER, box, box + MOTIF), (EXON, start, stop + len(STOP))):
            within = (step >= first) & (step < end) & intact
            tags = torch.where(within, torch.where(step == first, begin(kind), inside(kind)), tags)
        groups = FAR * (step == box)
        rows = torch.arange(batch_size)[:, None].expand(size)
        targets = torch.stack([tags, rows, groups], dim=-1)[:, : self.steps_each - LATER]
        reads = self.read_last(batch_size, self.steps_each, self.steps_each - LATER)
        return Batch(bases.unsqueeze(-1), targets.flatten(0, 1), reads)

    def answer_steps(self, batch: Batch) -> Tensor:
        """Return the step (batch,) at which the tag of the box's first base is read."""
        return batch.reads.unpick(batch.targets[:, 2] == FAR).int().argmax(1).cpu()

    def credit(self, batch: Batch) -> Tensor:
        """Return the credit (batch, time): the same on each base of both motifs."""
        return torch.zeros(batch.reads.mask.shape).scatter(1, self._motifs(batch), 1.0)

    def counterfactuals(self, batch: Batch) -> list[Replacement]:
        """Replace each base of both motifs in turn by the next of A C G T."""
        following = (batch.inputs + 1) % len(BASES)
        places = self._motifs(batch).to(batch.inputs.device)
        return [
            Replacement(place, batch.inputs.scatter(1, at, following.gather(1, at)))
            for place in places.unbind(1)
            for at in [place[:, None, None]]
        ]

    def _motifs(self, batch: Batch) -> Tensor:
        """The steps (batch, 12) of the bases of both motifs."""
        box = (self.answer_steps(batch) - LATER)[:, None] + torch.arange(MOTIF)
        return torch.cat([box - self.length, box], dim=1)
