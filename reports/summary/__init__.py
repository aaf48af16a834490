"""Groups of seeds and what may be said of them: the only place of statistics."""

from reports.summary.group import Group
from reports.summary.grouping import groups

__all__ = ["Group", "groups"]
