"""What a task is. `tasks.base.task` says how its parts fit together."""

from tasks.base.batch import Batch, Block, Reads, Replacement, first_sequences, joined
from tasks.base.language import NextToken
from tasks.base.metrics import RatioMetric, per_sequence, ratio_of_sums
from tasks.base.objectives import (
    Accuracy,
    Continuation,
    Recall,
    RelativeSquaredError,
    SquaredError,
    log_frequencies,
    log_odds,
)
from tasks.base.spec import Column, Data, Evaluation, Features, Feed, Inputs, Mixed, Objective, Predict, Spec, Tokens
from tasks.base.synthetic import SyntheticTask, choose
from tasks.base.task import Split, Task, UnscorableError, generator
from tasks.base.transcription import FramewiseTranscription, Transcription
from tasks.base.written import Example, Notation, Row

__all__ = [
    "Accuracy",
    "Batch",
    "Block",
    "Column",
    "Continuation",
    "Data",
    "Evaluation",
    "Example",
    "Features",
    "Feed",
    "FramewiseTranscription",
    "Inputs",
    "Mixed",
    "NextToken",
    "Notation",
    "Objective",
    "Predict",
    "RatioMetric",
    "Reads",
    "Recall",
    "RelativeSquaredError",
    "Replacement",
    "Row",
    "Spec",
    "Split",
    "SquaredError",
    "SyntheticTask",
    "Task",
    "Tokens",
    "Transcription",
    "UnscorableError",
    "choose",
    "first_sequences",
    "generator",
    "joined",
    "log_frequencies",
    "log_odds",
    "per_sequence",
    "ratio_of_sums",
]
