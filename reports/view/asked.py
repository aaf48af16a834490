"""A view's models at the lengths at which they were asked: topic by topic, a row for each trained length of a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from bench.records.reading import Reading
from bench.store import Store
from reports.summary import asked
from reports.summary.asked import Asked
from reports.view.topic import Member, Topic
from reports.view.view import View


@dataclass(frozen=True)
class AskedTopic:
    """A topic whose models were asked. rows: a group of seeds in its topic and its answers, by model, then by trained
    length."""

    topic: Topic
    rows: tuple[tuple[Member, Asked], ...]

    @cached_property
    def lengths(self) -> list[int]:
        """Every tested length, shortest first; a trained one is tested by its own test."""
        return sorted({length for _, row in self.rows for length in (*row.at, *row.words)})

    @cached_property
    def probed(self) -> list[int]:
        """Every length at which gradients were asked for, or were probed at the end of training, shortest first."""
        asked_at = {length for _, row in self.rows for length in row.flows}
        return sorted(asked_at | {row.trained for _, row in self.rows if row.flows})


def readings(store: Store) -> list[Reading]:
    """Read what the stored models answered, and of questions without an answer the last attempt."""
    answers = [record for record in store.kept("readings") if isinstance(record, Reading)]
    return [*answers, *store.readings.failures().values()]


def asked_topics(view: View, read: Iterable[Reading]) -> list[AskedTopic]:
    """Find the answers of a view's models. read: the readings of the store; topics without any are left out."""
    held = asked.by_cell(read)
    topics = []
    for topic in view.topics:
        place = {label: number for number, label in enumerate(topic.labels)}
        rows = [(member, row) for member in topic.members if (row := asked.asked(member.group, held)) is not None]
        rows.sort(key=lambda pair: (place.get(pair[0].label, len(place)), pair[0].label, pair[0].length))
        if rows:
            topics.append(AskedTopic(topic, tuple(rows)))
    return topics
