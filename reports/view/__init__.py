"""What a report shows of a store, worked out once."""

from reports.view.topic import Topic
from reports.view.view import View

__all__ = ["Topic", "View"]
