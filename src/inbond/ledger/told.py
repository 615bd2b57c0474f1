"""What a ledger tells of lineage, taken in event by event, so that a reader may go on from where it stopped.

Bounded by what lies in the workspace, not by how many events there are: a later event about a path takes the
place of the earlier one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, final

from inbond.ledger import declaration, events, findings
from inbond.ledger.events import Entry, Event
from inbond.ledger.inventory import Inventory
from inbond.policy.gate import DECIDED

KINDS: Final = frozenset(
    (
        DECIDED, events.STAGE_COMPLETED, events.STAGE_DISCARDED, events.FILE_WRITTEN, events.TEXT_ERASED,
        declaration.DECLARED, declaration.WITHDRAWN, findings.FINDING_REPORTED,
    )
)  # fmt: skip
"""The kinds of event that lineage hangs on; ``Told.add`` passes over all others."""
_SAID: Final = (declaration.DECLARED, declaration.WITHDRAWN, findings.FINDING_REPORTED)
_TAIL: Final = re.compile(
    rb'"format":"inbond\.event/1","key":"sha256:[0-9a-f]{64}","kind":"([a-z0-9.-]{1,140})",'
    rb'"prev":(?:null|"sha256:[0-9a-f]{64}"),"seq":\d{1,19}}\Z'
)
_LONGEST_TAIL: Final = 400


def kind_of(entry: Entry) -> str:
    """An entry's kind, without reading the rest: canonical JSON writes it in one way, behind the body. Raises
    as ``events.decode`` for an entry that does not end as events do."""
    found = _TAIL.search(entry.text, max(0, len(entry.text) - _LONGEST_TAIL))
    return found[1].decode() if found else events.decode(entry.text).kind


@final
@dataclass
class Told:
    """``decided`` are the bodies of gates by run; ``said`` what was declared, withdrawn and found, in order;
    ``completed`` when each artifact was complete, by its folder; ``at`` the time of the last event of all."""

    inventory: Inventory = field(default_factory=Inventory)
    decided: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    said: list[Event] = field(default_factory=list)
    completed: dict[str, str] = field(default_factory=dict)
    at: str = ""

    @classmethod
    def of(cls, told: Iterable[Event]) -> Self:
        """What these events tell, a whole ledger's in order."""
        made = cls()
        for event in told:
            made.add(event)
        return made

    def add(self, event: Event) -> None:
        """Takes in the next event."""
        self.at = event.at
        self.inventory.add(event)
        if event.kind == events.STAGE_COMPLETED:
            self.completed[str(event.body.get("folder"))] = event.at
        elif event.kind == DECIDED and "run" in event.body:
            self.decided[str(event.body["run"])] = event.body
        elif event.kind in _SAID:
            self.said.append(event)

    def copy(self) -> Told:
        """As it is now; what is added later is not in it."""
        own = self.inventory
        taken = Inventory(
            dict(own.artifacts), dict(own.files), dict(own.erased), dict(own.briefed), list(own.problems),
            list(own.notes),
        )  # fmt: skip
        return Told(taken, dict(self.decided), list(self.said), dict(self.completed), self.at)
