"""Groups of seeds and their statistics; no other part of the reports computes any."""

from reports.summary.group import Group
from reports.summary.grouping import groups

__all__ = ["Group", "groups"]
