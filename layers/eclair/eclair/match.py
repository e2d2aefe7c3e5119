"""Which package sets does a changed statement concern? Old and new ranges -> features -> sets -> the sets queue."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from eclair.model import FeatureId, JudgeRequest, KeyRange, PackageKey, SetId, StatementChange
from eclair.ports import Queues, Sets
from eclair.verdict import key_ranges

BATCH = 500
"""How many judge requests are handed to the queue at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The use case over its ports."""

    sets: Sets
    queues: Queues

    def __call__(self, changes: Sequence[StatementChange]) -> int:
        """Queue the sets that hold a feature inside the old or new ranges; return how many."""
        concerned: defaultdict[SetId, set[PackageKey]] = defaultdict(set)
        for package, ranges in _ranges(changes).items():
            for feature in self.sets.features_in(package, ranges):
                for set_id in self._sets_with(feature.id):
                    concerned[set_id].add(package)
        requests = (JudgeRequest(set=set_id, packages=tuple(sorted(some))) for set_id, some in concerned.items())
        while batch := list(islice(requests, BATCH)):
            self.queues.judge(batch)
        return len(concerned)

    def _sets_with(self, feature: FeatureId) -> tuple[SetId, ...]:
        page = self.sets.sets_with(feature)
        found = page.items
        while page.next:
            page = self.sets.sets_with(feature, page=page.next)
            found += page.items
        return found


def _ranges(changes: Sequence[StatementChange]) -> dict[PackageKey, tuple[KeyRange, ...]]:
    found: defaultdict[PackageKey, dict[KeyRange, None]] = defaultdict(dict)
    for change in changes:
        for statement in (change.old, change.new):
            if statement is not None:
                found[statement.package].update(dict.fromkeys(key_ranges(statement)))
    return {package: tuple(ranges) for package, ranges in found.items()}
