"""The hash chain, pure: making the next entry, checking a sequence of them, tree heads.

What is checked, rule by rule:

1. every entry's text is a well-formed event, and its ``seq`` is its position in the store;
2. the first has no ``prev``, every other names the digest of the one before it;
3. the key that signed it was introduced: by an earlier event, or by itself in a ``key.introduced``
   event that carries its own public key;
4. the signature is that key's, over that event's digest;
5. if a public key is pinned, every event is signed by it or by a key that it has introduced,
   directly or through others.

Appending a ``key.introduced`` event signed by an old key is therefore how a new key takes over.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from inbond import digest
from inbond.digest import Digest
from inbond.errors import InputError, NewerFormatError, TamperedError
from inbond.ledger import events
from inbond.ledger.attest import PublicKey, Signer
from inbond.ledger.events import Entry, Event
from inbond.ledger.formats import refuse_newer

HEAD_FORMAT: Final = "inbond.head/1"
UNVOUCHED: Final = (
    "a key that no earlier one vouches for: the owner may have lost the old key, or somebody else wrote "
    "here; ask the owner for the new public key, and compare with a tree head that you kept (docs/keys.md)"
)
"""What to do about signatures of a key that the reader has no reason to trust."""


def next_entry(
    previous: Entry | None, *, at: str, kind: str, body: Mapping[str, Any], signer: Signer
) -> tuple[Event, Entry]:
    """The event that follows ``previous``, read and as a store keeps it. Raises InputError as ``encode``."""
    position = previous.position + 1 if previous else 0
    prev = previous.digest if previous else None
    key = signer.public.id
    text = events.encode(position, at, kind, body, prev, key)
    made = digest.of_bytes(text)
    event = Event(position, at, kind, body, prev, key, made)
    return event, Entry(position, text, signer.sign(events.FORMAT, made))


def introduced_key(event: Event) -> PublicKey | None:
    """The key that a ``key.introduced`` event brings, None when it brings none that can be used."""
    pem = event.body.get("public_key") if event.kind == events.KEY_INTRODUCED else None
    if not isinstance(pem, str):
        return None
    try:
        key = PublicKey.from_pem(pem.encode())
    except ValueError:
        return None
    return key if event.body == events.introduction(key) else None


def brought_key(entry: Entry) -> PublicKey | None:
    """The key that an entry brings, None for most. Raises as ``events.decode`` for one of that kind that
    cannot be read."""
    if not events.may_introduce(entry):
        return None
    return introduced_key(events.decode(entry.text))


def is_introduction(entry: Entry) -> bool:
    """Whether an entry brings a key. Raises as ``brought_key``."""
    return brought_key(entry) is not None


def vouched_for(entries: Iterable[Entry], pinned: PublicKey | None) -> dict[Digest, PublicKey]:
    """The keys that a ledger's introductions bring, in the ledger's order and without its other events: the
    pinned one and those that it introduced, directly or through others; without a pin all of them.

    What cannot be read, or is not signed by a key that stands already, brings none. Raises NewerFormatError.
    """
    keys = {pinned.id: pinned} if pinned else {}
    for entry in entries:
        try:
            event = events.decode(entry.text)
        except TamperedError:
            continue
        brought = introduced_key(event)
        if brought is None:
            continue
        itself = brought if pinned is None and brought.id == event.key else None
        by = keys.get(event.key) or itself
        if by is not None and by.verifies(events.FORMAT, event.digest, entry.signature):
            keys.setdefault(brought.id, brought)
    return keys


@final
class ChainCheck:
    """Goes through a ledger entry by entry, keeps every problem, and goes on after each."""

    def __init__(self, pinned: PublicKey | None = None) -> None:
        self.problems: list[str] = []
        self.digests: list[bytes] = []
        self.keys: dict[Digest, PublicKey] = {}
        self.self_introduced: list[Event] = []
        self.notes: list[str] = []
        self._replaced: dict[Digest, str] = {}
        self._trusted: set[Digest] | None = {pinned.id} if pinned else None
        self._untrusted_seen: set[Digest] = set()
        self._previous: Digest | None = None
        self._expected = 0

    def add(self, entry: Entry) -> Event | None:
        """Checks one entry and returns the event, or None when it cannot be read. Raises NewerFormatError:
        what follows on an event that this Inbond cannot understand, it cannot judge."""
        at_position = self._expected
        if entry.position != at_position:
            self._gap(entry.position, at_position)
        skipped = entry.position != at_position
        self._expected = entry.position + 1
        previous, self._previous = self._previous, entry.digest
        self.digests.append(digest.to_raw(entry.digest))
        try:
            event = events.decode(entry.text)
        except NewerFormatError as error:
            raise NewerFormatError(
                expected=f"event {entry.position} to be {error.expected}", found=error.found, fix=error.fix
            ) from error
        except TamperedError as error:
            self.problems.append(f"event {entry.position}: it cannot be read: found {error.found}")
            return None
        if event.seq != entry.position:
            self.problems.append(f"{event.name}: it stands at position {entry.position} of the ledger")
        if not skipped and event.prev != previous:
            self.problems.append(
                f"{event.name}: it does not follow the event before it "
                f"(names {event.prev or 'none'}, that one is {previous or 'none'})"
            )
        self._check_signature(event, entry.signature)
        return event

    @property
    def untrusted(self) -> bool:
        """Whether something was signed by a key that the pinned one does not vouch for."""
        return bool(self._untrusted_seen)

    def _gap(self, found: int, expected: int) -> None:
        if found < expected:
            self.problems.append(f"event {found}: it stands in the ledger more than once, or out of order")
        elif found == expected + 1:
            self.problems.append(f"event {expected}: it is missing")
        else:
            self.problems.append(f"events {expected} to {found - 1}: they are missing")

    def _check_signature(self, event: Event, signature: bytes) -> None:
        brought = introduced_key(event)
        if event.kind == events.KEY_INTRODUCED and brought is None:
            self.problems.append(f"{event.name}: the public key in it is not one")
        own = brought is not None and brought.id == event.key
        key = self.keys.get(event.key) or (brought if own else None)
        if key is None:
            self.problems.append(f"{event.name}: it is signed by {event.key}, a key that no event introduces")
        elif not key.verifies(events.FORMAT, event.digest, signature):
            self.problems.append(f"{event.name}: its signature does not fit what it says")
        elif brought is not None:
            self._introduce(event, brought, own=own)
        self._check_trust(event)
        self._note_replaced(event)

    def _note_replaced(self, event: Event) -> None:
        """A key that another took over from has nothing to say but who takes over."""
        if event.kind != events.KEY_INTRODUCED and (by := self._replaced.pop(event.key, None)):
            self.notes.append(
                f"{event.name}: it and perhaps later ones are signed by {event.key}, a key that {by} replaced"
            )

    def _introduce(self, event: Event, key: PublicKey, *, own: bool) -> None:
        if own and key.id not in self.keys:
            self.self_introduced.append(event)
        if not own:
            self._replaced.setdefault(event.key, event.name)
        self.keys.setdefault(key.id, key)
        if self._trusted is not None and event.key in self._trusted:
            self._trusted.add(key.id)

    def _check_trust(self, event: Event) -> None:
        if self._trusted is None or event.key in self._trusted or event.key in self._untrusted_seen:
            return
        self._untrusted_seen.add(event.key)
        self.problems.append(
            f"{event.name}: it and perhaps later ones are signed by {event.key}, "
            "which is neither the key given with --key nor one that it has introduced"
        )


# Tree heads ----------------------------------------------------------------------------------------


@final
@dataclass(frozen=True)
class TreeHead:
    """A short commitment to the first ``size`` events: their Merkle root (RFC 9162 hashing, leaves are
    the events' raw digests). ``key`` and ``signature`` are None when nobody signed it."""

    size: int
    root: Digest
    at: str
    key: Digest | None = None
    signature: bytes | None = None

    @property
    def digest(self) -> Digest:
        """What the signature is made over: all but the signature."""
        return digest.of_value(self._signed())

    def _signed(self) -> dict[str, Any]:
        return {"format": HEAD_FORMAT, "size": self.size, "root": self.root, "at": self.at, "key": self.key}

    def to_json(self) -> dict[str, Any]:
        signature = None if self.signature is None else base64.b64encode(self.signature).decode()
        return {**self._signed(), "signature": signature}


def make_head(digests: Sequence[bytes], at: str, signer: Signer | None) -> TreeHead:
    """The head over the events with these raw digests, signed if a signer is given."""
    root = digest.merkle_root(digests)
    if signer is None:
        return TreeHead(len(digests), root, at)
    unsigned = TreeHead(len(digests), root, at, signer.public.id)
    signature = signer.sign(HEAD_FORMAT, unsigned.digest)
    return TreeHead(unsigned.size, root, at, unsigned.key, signature)


_HEAD_FIELDS = {"format", "size", "root", "at", "key", "signature"}


def head_from_json(value: Any) -> TreeHead:
    """Reads a head as ``to_json`` writes it. Raises InputError when it is not one."""
    try:
        refuse_newer(value.get("format"), HEAD_FORMAT, "a tree head")
        if set(value) != _HEAD_FIELDS or value["format"] != HEAD_FORMAT:
            raise ValueError(f"fields {sorted(value)}, format {value.get('format')!r}")
        if type(value["size"]) is not int or not 0 <= value["size"] < 2**53:
            raise ValueError(f"size {value['size']!r:.80}")
        digest.to_raw(value["root"])
        if not isinstance(value["at"], str) or not re.fullmatch(r"[0-9T:.Z-]{20,27}", value["at"]):
            raise ValueError(f"at {value['at']!r}")
        if (value["key"] is None) != (value["signature"] is None):
            raise ValueError("a key without a signature, or a signature without a key")
        if value["key"] is None:
            return TreeHead(value["size"], value["root"], value["at"])
        digest.to_raw(value["key"])
        signature = base64.b64decode(value["signature"], validate=True)
        if base64.b64encode(signature).decode() != value["signature"]:
            raise ValueError("base64 with bits to spare")
    except NewerFormatError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error) as error:
        raise InputError(
            expected=f"a tree head of format {HEAD_FORMAT}",
            found=f"{error}"[:200],
            fix="save one with: inbond verify --save-head FILE",
        ) from error
    return TreeHead(value["size"], value["root"], value["at"], value["key"], signature)


def check_head(
    head: TreeHead, digests: Sequence[bytes], keys: Iterable[PublicKey]
) -> tuple[list[str], list[str]]:
    """Compares a head saved earlier with the ledger of today: (problems, notes).

    ``digests`` are the raw digests of all of today's events, ``keys`` those that may have signed it. Raises
    InputError for a head that covers nothing.
    """
    refuse_empty(head)
    problems, notes = check_signature(head, {key.id: key for key in keys}, "the saved head")
    if head.size > len(digests):
        problems.append(
            f"the saved head covers {head.size} events, the ledger holds {len(digests)}: "
            f"{head.size - len(digests)} were cut off"
        )
    elif digest.merkle_root(digests[: head.size]) != head.root:
        problems.append(
            f"the first {head.size} events are not those that the saved head of {head.at} covers: "
            "some were changed and signed again"
        )
    return problems, notes


def refuse_empty(head: TreeHead) -> None:
    """Raises InputError for a head of no events: every ledger begins with it, so that it proves nothing."""
    if head.size == 0:
        raise InputError(
            expected="a tree head that covers events",
            found="one of size 0, which covers nothing",
            fix="save one with: inbond verify --save-head FILE",
        )


def check_signature(
    head: TreeHead, keys: Mapping[Digest, PublicKey], what: str
) -> tuple[list[str], list[str]]:
    """Whether one of these keys signed a head: (problems, notes). ``what`` is how messages speak of it."""
    if head.key is None or head.signature is None:
        return [], [f"{what} is not signed: it is as good as the way you got it"]
    if (key := keys.get(head.key)) is None:
        return [f"{what} is signed by {head.key}, a key that nobody here vouches for"], []
    if not key.verifies(HEAD_FORMAT, head.digest, head.signature):
        return [f"{what} has a signature that does not fit what it says"], []
    return [], []
