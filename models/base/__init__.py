"""What every model shares."""

from models.base.embedding import Embedding
from models.base.model import PARAMETER_NORMS_EVERY, SequenceModel, Series
from models.base.optimisation import DECAY, WARM_UP, schedule
from models.base.recurrence import Carried, Recurrence, States
from models.base.sizing import TOLERANCE, count_on_meta, count_parameters

__all__ = [
    "DECAY",
    "PARAMETER_NORMS_EVERY",
    "TOLERANCE",
    "WARM_UP",
    "Carried",
    "Embedding",
    "Recurrence",
    "SequenceModel",
    "Series",
    "States",
    "count_on_meta",
    "count_parameters",
    "schedule",
]
