"""The speech task: phones of unknown durations as noisy spectra; their sequence is asked for, without alignment."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Generator, Tensor

from tasks.base import Batch, Features, Notation, Spec, Split, SyntheticTask, Transcription
from tasks.base import generator as stream
from tasks.base.transcription import BLANK, constant_error
from tasks.glyphs.lines import Setting, set_line

BANDS = 12
# The two bands, from 0, in which each phone is loud: low and high resonances as vowels have them.
RESONANCES = ((1, 9), (2, 10), (3, 8), (4, 6), (4, 9), (2, 6), (1, 5), (3, 5))
PHONES = len(RESONANCES)
SHORTEST, LONGEST = 2, 5  # frames
PAUSES = 0.2  # share of phones with a pause before them
MEASURED = 200_000  # frames of the utterances that chance is measured on


class Speech(SyntheticTask):
    """Hear an utterance frame by frame, and write down its phones.

    Rule: of 8 phones the first is uniform, each other uniform over those that differ from the one before. A phone lasts
    2 … 5 frames, uniformly. The first begins after 1 or 2 silent frames; each other, with probability .2, after a pause
    of as many. An utterance has as many phones as fit, and its last frame is silent. A frame holds the energies of 12
    bands: two bumps of width 1 at the phone's resonances, times the loudness of the utterance (.6 … 1), and normal
    noise. Two equal phones never touch, so that L phones need L of the T frames.

    The first utterance of `Speech(12).training_batch(0)`, the loudest band of each frame, and its phones (1 … 8) where
    they begin; the transcript is that of the second row alone, every frame is read:

        step    0 1 2 3 4 5 6 7 8 9 10 11
        band    10 0 1 1 8 8 9 3 8 4  1  6
        phone   · · 7 · 3 · · · · ·  ·  ·

    length T is the number of frames.

    noise: standard deviation of a band's noise.

    Score (errors per symbol, the phone error rate; lower is better): insertions, deletions and substitutions over
    phones, decoded as `tasks.base.Transcription` says, which also trains: connectionist temporal classification.

    chance: the least error of a constant transcript, measured on utterances of their own: of all beginnings of 1 2 … 8
    repeated. Phones are exchangeable and their number does not depend on them. Saying nothing scores 1. best 0. Solved
    at .05, one error in twenty phones: noise leaves the least possible error unknown. For the same reason there is no
    exact solution, and no credit. Training rests on a plateau first, where a model says one phone for every utterance:
    near chance. At T = 20 some seeds leave it within 200 steps, others not within 600.

    Source: Graves et al. 2006 (Connectionist temporal classification), section 5, phones of TIMIT. Utterances are ours.
    """

    version = 1
    minimum_length = 8

    def __init__(self, length: int, *, noise: float = 0.2, **common: Any) -> None:
        super().__init__(length, **common)
        if noise < 0:
            raise ValueError(f"Speech: option 'noise' expects at least 0, got {noise}")
        self.noise = noise
        self.notation = Notation(
            targets=["-", *(str(1 + phone) for phone in range(PHONES))],
            features=[f"band{band}" for band in range(BANDS)],
            shades=(0.0, 1.0),
        )
        self.spec = Spec(inputs=Features(BANDS), outputs=1 + PHONES, objective=Transcription(), steps=length)
        phones, setting = self._phones(stream(0, "chance", "Speech", length), max(32, MEASURED // length))
        constant = torch.arange(phones.size(1)) % PHONES + 1
        self.chance = constant_error(constant, 1 + phones, setting.held)
        self.best = 0.0
        self.solved_threshold = 0.05

    def draw(self, generator: Generator, batch_size: int) -> Batch:
        phones, setting = self._phones(generator, batch_size)
        spoken = phones.gather(1, setting.glyph.clamp(min=0))
        loudness = 0.6 + 0.4 * torch.rand(batch_size, 1, 1, generator=generator)
        spectra = loudness * TEMPLATES[spoken] * (setting.glyph >= 0)[..., None]
        noise = self.noise * torch.randn(spectra.shape, generator=generator)
        symbols = (1 + phones) * (torch.arange(phones.size(1)) < setting.held[:, None])
        reads = self.read_last(batch_size, self.length, self.length)
        return Batch(spectra + noise, symbols, reads, setting.held)

    def frames(self, split: Literal["training"] | Split) -> Tensor:
        phones, setting = self._phones(*self.first_draw(split))
        return torch.where(setting.glyph >= 0, 1 + phones.gather(1, setting.glyph.clamp(min=0)), BLANK)[0]

    def _phones(self, generator: Generator, batch_size: int) -> tuple[Tensor, Setting]:
        """Draw phones (batch, more than fit), and when they sound."""
        size = (batch_size, self.length // SHORTEST)
        steps = torch.randint(1, PHONES, size, generator=generator)
        steps[:, 0] = torch.randint(PHONES, (batch_size,), generator=generator)
        durations = torch.randint(SHORTEST, LONGEST + 1, size, generator=generator)
        pauses = torch.randint(1, 3, size, generator=generator)
        pauses[:, 1:] *= torch.rand(size[0], size[1] - 1, generator=generator) < PAUSES
        return steps.cumsum(1) % PHONES, set_line(pauses, durations, self.length)


def _templates() -> Tensor:
    """The spectra (phones, bands): exp(−(b − r)²/2) around both resonances r."""
    distance = torch.arange(BANDS)[:, None] - torch.tensor(RESONANCES)[:, None, :]
    return (-distance.square() / 2).exp().sum(2)


TEMPLATES = _templates()
