"""The allowance: what the run of a broadcast may make on this host.

An early run is started for a guess. A host without room for the guess may have room for what then
comes, so that is asked again, and only then said.
"""

import contextlib
from dataclasses import dataclass, field
from uuid import UUID

from streams import capacity
from streams.board import record
from streams.capacity import Plan
from streams.ladder import cost
from streams.ladder.reduce import copy_only
from streams.ladder.renditions import Rendition
from streams.ladder.source import Source
from streams.models import Run
from streams.sources import Choice
from streams.supervisor.roles import Unavailable


@dataclass(frozen=True)
class Allowance:
    """`choice`: with all that the profile gives a source; `shed`: how many renditions less."""

    choice: Choice
    plan: Plan
    shed: int
    run_id: UUID
    _granted: dict[Source, tuple[Rendition, ...]] = field(default_factory=dict)

    @property
    def adaptive(self) -> bool:
        """Whether the run may turn out to suit another source than it is made for."""
        whole = self.plan.renditions == self.choice.ladder(self.choice.source)
        copies = self.plan.copy_only and self.plan.renditions[0].video == "copy"
        return self.choice.adaptive and (whole or copies)

    def ladder(self, source: Source) -> tuple[Rendition, ...]:
        """What would be made of a source now."""
        whole = self.choice.ladder(source)
        if not self.plan.copy_only:
            return whole
        if source is self.choice.source:
            return self.plan.renditions
        if source not in self._granted:
            with contextlib.suppress(Unavailable), record():
                self._granted[source] = self._ask(source, whole)
        return self._granted.get(source, copy_only(whole))

    def _ask(self, source: Source, whole: tuple[Rendition, ...]) -> tuple[Rendition, ...]:
        """Claims the room that it finds: others ask in the same moment."""
        with capacity.deciding(self.run_id) as load:
            plan = capacity.plan(source, whole, self.shed, load)
            Run.objects.filter(pk=self.run_id).update(cpu=plan.cores)
        return plan.renditions

    def known(self, source: Source, made: tuple[Rendition, ...]) -> Plan:
        """The plan of a run that turned out to suit this source."""
        whole = self.choice.ladder(source)
        reduced = self.plan.copy_only and len(copy_only(whole)) < len(whole)
        note = self.plan.note if reduced or not self.plan.copy_only else ""
        cores = cost.of(source, made) * self.plan.factor
        return Plan(made, cores, self.plan.factor, reduced, note)

    def missing(self, source: Source) -> float:
        """Cores that the qualities it goes without would take."""
        whole = self.choice.ladder(source)
        return max(0.0, cost.of(source, whole) - cost.of(source, self.plan.renditions))
