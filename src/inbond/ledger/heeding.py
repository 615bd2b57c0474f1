"""Whose decisions count: events that change what others may do are heeded only with a signature of the key
that began the ledger, of one that it introduced, directly or through others, or of one named besides. Pure.

Anybody who can write to a ledger's file can append an event, with a key that introduces itself. ``verify``
would tell; a server that acts on events within seconds cannot wait for that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import final

from inbond.digest import Digest
from inbond.errors import TamperedError
from inbond.ledger import chain, events
from inbond.ledger.attest import PublicKey
from inbond.ledger.events import Entry, Event


def heeded(
    entries: Iterable[Entry],
    kinds: Collection[str],
    further: Collection[Digest] = (),
    *,
    shared: bool = False,
) -> Iterator[Entry]:
    """A ledger's entries from its beginning, in order, without those of these ``kinds`` that do not count.
    ``further`` are ids of keys that count as well. In a ledger that is ``shared`` the key that began it is
    somebody's: there only signatures are looked at, and ``membership.Writers`` says whose count."""
    marks = [f'"kind":"{kind}"'.encode() for kind in kinds]
    keys = _Keys(further, any_key=shared)
    for entry in entries:
        if events.may_introduce(entry):
            keys.learn(entry)
        elif any(mark in entry.text for mark in marks):
            event = events.decode(entry.text)
            if event.kind in kinds and not keys.vouch(event, entry):
                continue
        yield entry


def counts(
    entries: Iterable[Entry], key: Digest, further: Collection[Digest] = (), *, shared: bool = False
) -> bool:
    """Whether what this key signs next would count. The first key of a ledger does."""
    keys = _Keys(further, any_key=shared)
    for entry in entries:
        if events.may_introduce(entry):
            keys.learn(entry)
    return keys.would_count(key)


@final
class _Keys:
    def __init__(self, further: Collection[Digest], *, any_key: bool) -> None:
        self._known: dict[Digest, PublicKey] = {}
        self._trusted = set(further)
        self._any_key = any_key

    def learn(self, entry: Entry) -> None:
        """Takes in the key that an entry brings, if it brings one that can be believed."""
        try:
            event = events.decode(entry.text)
        except TamperedError:
            return
        brought = chain.introduced_key(event)
        if brought is None:
            return
        itself = brought if brought.id == event.key else None
        by = self._known.get(event.key) or itself
        if by is None or not by.verifies(events.FORMAT, event.digest, entry.signature):
            return
        if self._any_key or event.key in self._trusted or not self._known:
            self._trusted.add(brought.id)
        self._known.setdefault(brought.id, brought)

    def would_count(self, key: Digest) -> bool:
        return self._any_key or not self._known or key in self._trusted

    def vouch(self, event: Event, entry: Entry) -> bool:
        """Whether a key that counts signed it."""
        key = self._known.get(event.key) if event.key in self._trusted else None
        return key is not None and key.verifies(events.FORMAT, event.digest, entry.signature)
