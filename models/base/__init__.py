"""What every model shares."""

from models.base.embedding import Embedding
from models.base.model import PARAMETER_NORMS_EVERY, SequenceModel
from models.base.optimisation import OPTIMISERS, PENALTIES, SCHEDULES, Optimisation, hidden_states, trapezoid
from models.base.sizing import TOLERANCE, count_on_meta, count_parameters

__all__ = [
    "OPTIMISERS",
    "PARAMETER_NORMS_EVERY",
    "PENALTIES",
    "SCHEDULES",
    "TOLERANCE",
    "Embedding",
    "Optimisation",
    "SequenceModel",
    "count_on_meta",
    "count_parameters",
    "hidden_states",
    "trapezoid",
]
