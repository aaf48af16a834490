"""What a report shows of a store, worked out once."""

from reports.view.view import View

__all__ = ["View"]
