"""How an account stands now: the tier that is enforced, and whether a person suspended it. What enforcement
asks on every request, out of memory; the ledger and the state are read beside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, final

from inbond.digest import Digest
from inbond.errors import InbondError
from inbond.guard import actions, appeals
from inbond.guard.actions import Steps, Tier
from inbond.guard.appeals import Case
from inbond.guard.budget import Scopes
from inbond.guard.callers import Caller
from inbond.guard.config import ModelPolicy
from inbond.guard.observe import Change
from inbond.guard.wire import Asked
from inbond.ledger.ledger import Ledger

JUDGED: Final = "guard.judged"


@final
@dataclass(frozen=True)
class Standing:
    """``tier`` is what is enforced: detection's, or less where a person lifted it. ``suspended``: the account
    is shut out, and may appeal."""

    tier: Tier = 0
    suspended: bool = False

    @property
    def steps(self) -> Steps:
        """What follows from the tier."""
        return actions.steps(self.tier)


def under(caller: Caller, taken: Steps) -> Scopes:
    """The limits that are left to a caller."""
    return actions.restricted(caller.scopes, taken)


def asks(asked: Asked, taken: Steps) -> Asked:
    """A request without what is not given any more."""
    if taken.logprobs:
        return asked
    return replace(asked, value=actions.without_logprobs(asked.value))


def shows(policy: ModelPolicy, taken: Steps) -> ModelPolicy:
    """A model's policy, by which no reasoning is shown any more."""
    if taken.reasoning or policy.reasoning == "seal":
        return policy  # what is sealed shows nothing, and agents need it back
    return policy.model_copy(update={"reasoning": "strip"})


@final
class Standings:
    """Answers for every account. ``tier`` is detection's; the ledger says what people decided."""

    def __init__(
        self,
        tier: Callable[[str], Awaitable[Tier]],
        ledger: Ledger,
        clock: Callable[[], float],
        operators: Collection[Digest] = (),
    ) -> None:
        """``operators`` are ids of keys whose decisions count besides those of the ledger's own chain."""
        self._operators = operators
        self._tier = tier
        self._ledger = ledger
        self._clock = clock
        self._read = -1
        self._cases: Mapping[str, Case] = {}

    async def of(self, caller: Caller) -> Standing:
        """How a caller stands."""
        tier, case = await self._tier(caller.name), self._cases.get(caller.name)
        if case is None:
            return Standing(tier)
        now = datetime.fromtimestamp(self._clock(), UTC)
        return Standing(case.enforced(tier, now), case.suspended(now))

    async def look(self) -> None:
        """Reads the ledger again if it grew. A ledger that cannot be read leaves things as they were."""
        try:
            await asyncio.to_thread(self._look)
        except InbondError:
            return

    def _look(self) -> None:
        length = self._ledger.length()
        if length != self._read:
            self._cases = appeals.cases(self._ledger.heeded(appeals.KINDS, self._operators))
            self._read = length

    def told(self, changes: Sequence[Change]) -> None:
        """Writes changes of tiers into the ledger, with all that they rest on."""
        self._ledger.record_many((JUDGED, judged(change)) for change in changes)


def judged(change: Change) -> dict[str, Any]:
    """The body of a change's event."""
    return {
        "account": change.account,
        "was": change.was,
        "tier": change.judged.tier,
        "window": change.window,
        "verdict": change.judged.verdict.to_json(),
    }
