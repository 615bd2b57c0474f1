"""Groups of accounts that may be one hand, and what their odd windows say together. Pure.

Three ways lead to a group, none of which is evidence by itself: one means of payment, one client and the same
days of sign-up, one template of even windows. What is tested is another thing each time, or the other half.
A classroom is such a group, and its test says nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

from inbond.guard.detect.families import ELICITATION, PAYMENT, REPLAY, WHOLE
from inbond.guard.detect.memory import Account, Memory

Kind = Literal["payment", "cohort", "template"]
SHARED: Final = 3
"""Parties on one means of payment that are more than a household."""
_FEWEST: Final[Mapping[Kind, int]] = {"payment": 2, "cohort": 3, "template": 3}
_COHORT_DAYS: Final = 3
_TWICE: Final = 2


@final
@dataclass(frozen=True)
class Group:
    """``trials`` and ``hits`` (256ths) by family. ``cards`` are the means of payment that SHARED of its
    parties use."""

    kind: Kind
    key: int
    members: tuple[str, ...]
    trials: tuple[int, int, int, int]
    hits: tuple[int, int, int, int]
    cards: frozenset[int]

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.key:016x}"

    def carries(self, account: Account, families: Sequence[int]) -> bool:
        """Whether a member shows itself what the ``families`` show of the group. A group's guilt is not
        enough: strangers who signed up the same day, or tried a text once, are in it too."""
        if self.kind == "payment":
            return True
        if self.kind == "template" and account.template_windows < _TWICE:
            return False
        return (
            (ELICITATION in families and account.eliciting_requests > 0)
            or (REPLAY in families and account.foreign_requests > 0)
            or (PAYMENT in families and account.payment in self.cards)
        )


def groups(memory: Memory) -> list[Group]:
    """All groups that are worth a test, in order of their names."""
    found: dict[tuple[Kind, int], list[str]] = {}
    for name in sorted(memory.accounts):
        for key in _keys(memory.accounts[name]):
            found.setdefault(key, []).append(name)
    tested = (
        _group(kind, key, members, memory.accounts)
        for (kind, key), members in sorted(found.items())
        if len(members) >= _FEWEST[kind]
    )
    return [group for group in tested if group is not None]


def _keys(account: Account) -> Iterator[tuple[Kind, int]]:
    if account.payment:
        yield "payment", account.payment
    if account.client and account.created:
        yield "cohort", (account.client ^ account.created // _COHORT_DAYS * 0x9E3779B97F4A7C15) % 2**64
    if not account.registered:
        for leader, _ in account.leaders:
            yield "template", leader


def _group(kind: Kind, key: int, names: Sequence[str], accounts: Mapping[str, Account]) -> Group | None:
    members = [accounts[name] for name in names]
    parties = {account.party: account.payment for account in reversed(members)}
    if len(parties) < _FEWEST[kind]:
        return None
    users: dict[int, int] = {}
    for payment in parties.values():
        if payment:
            users[payment] = users.get(payment, 0) + 1
    known = sum(users.values())
    # One card's group is found by what it is tested for: it counts from the second party on, and the party
    # that has not come yet counts as a miss.
    odd = sum(account.odd for account in members)
    unregistered = [account for account in members if not account.registered]
    inside = kind == "template"
    at = sum(account.in_template for account in members) if inside else odd
    return Group(
        kind,
        key,
        tuple(names),
        (at, at, known, sum(account.odd for account in unregistered)),
        (
            sum(account.elicited_in_template if inside else account.elicited_odd for account in members),
            sum(account.replayed_in_template if inside else account.replayed_odd for account in members),
            (known - len(users)) * WHOLE,
            sum(account.template_odd for account in unregistered),
        ),
        frozenset(payment for payment, count in users.items() if count >= SHARED),
    )
