"""What every model shares."""

from models.base.embedding import Embedding
from models.base.model import PARAMETER_NORMS_EVERY, SequenceModel
from models.base.optimisation import OPTIMISERS, PENALTIES, SCHEDULES, Optimisation, Series, hidden_states, trapezoid
from models.base.recurrence import Carried, Recurrence, States
from models.base.sizing import TOLERANCE, count_on_meta, count_parameters

__all__ = [
    "OPTIMISERS",
    "PARAMETER_NORMS_EVERY",
    "PENALTIES",
    "SCHEDULES",
    "TOLERANCE",
    "Carried",
    "Embedding",
    "Optimisation",
    "Recurrence",
    "SequenceModel",
    "Series",
    "States",
    "count_on_meta",
    "count_parameters",
    "hidden_states",
    "trapezoid",
]
