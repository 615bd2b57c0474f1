"""Proofs that stand on their own, pure: made from a ledger, checked without it.

Format ``inbond.proof/1``, one JSON file:

- ``head``: the tree head (``inbond.head/1``) of the ledger on the day;
- ``keys``: the events that introduced the ledger's keys, each ``{event, signature}``;
- ``artifact``: null, or ``{event, signature, path}``: a ``stage.completed`` event and its way up to the head;
- ``record``: null, or ``{id, row, rows, path}``: a record and its way up to that event's ``records_root``;
- ``earlier``: null, or ``{head, path}``: a head saved earlier, and what shows that the ledger grew from it.

Paths are lists of digests as RFC 9162, 2.1.3 and 2.1.4, orders them. An event's place in the tree is its
``seq``. No text of a record is in it: whoever has the record can compute its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from inbond import digest
from inbond.digest import Digest
from inbond.errors import InputError, NewerFormatError, TamperedError
from inbond.ledger import chain, events
from inbond.ledger.attest import PublicKey
from inbond.ledger.chain import TreeHead
from inbond.ledger.events import Entry, Event, entry_from_json
from inbond.ledger.formats import refuse_newer

FORMAT: Final = "inbond.proof/1"
MOST_BYTES: Final = 16 << 20
"""No proof is larger: a path has one digest for each doubling of the tree."""
Path = tuple[Digest, ...]
_FIELDS = {"format", "head", "keys", "artifact", "record", "earlier"}


@final
@dataclass(frozen=True)
class Shown:
    """What was found by looking at something that stands on its own: every problem, what it proves when there
    is none, what it does not prove, what else is worth knowing, and the ledger's head in it, if any."""

    problems: tuple[str, ...]
    proved: tuple[str, ...]
    not_proved: tuple[str, ...]
    notes: tuple[str, ...]
    head: TreeHead | None

    @property
    def ok(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Nothing is proved as long as there is a problem."""
        return {
            "ok": self.ok,
            "problems": list(self.problems),
            "proved": list(self.proved) if self.ok else [],
            "not_proved": list(self.not_proved),
            "notes": list(self.notes),
            "head": self.head.to_json() if self.head else None,
        }


@final
@dataclass(frozen=True)
class Placed:
    """An event with its way up to the head."""

    entry: Entry
    path: Path


@final
@dataclass(frozen=True)
class Member:
    """A record with its way up to the root of its record set."""

    id: Digest
    row: int
    rows: int
    path: Path


@final
@dataclass(frozen=True)
class Earlier:
    """A head saved earlier with what shows that the ledger grew from it."""

    head: TreeHead
    path: Path


@final
@dataclass(frozen=True)
class Proof:
    """Everything that is proven, and by what."""

    head: TreeHead
    keys: tuple[Entry, ...]
    artifact: Placed | None = None
    record: Member | None = None
    earlier: Earlier | None = None

    def to_json(self) -> dict[str, Any]:
        """``proof_from_json`` reads it."""
        artifact, record, earlier = self.artifact, self.record, self.earlier
        return {
            "format": FORMAT,
            "head": self.head.to_json(),
            "keys": [entry.to_json() for entry in self.keys],
            "artifact": {**artifact.entry.to_json(), "path": list(artifact.path)} if artifact else None,
            "record": {"id": record.id, "row": record.row, "rows": record.rows, "path": list(record.path)}
            if record
            else None,
            "earlier": {"head": earlier.head.to_json(), "path": list(earlier.path)} if earlier else None,
        }


# Making --------------------------------------------------------------------------------------------


def place(entries: Sequence[Entry], position: int) -> Placed:
    """The entry at ``position`` under the head over all of them."""
    leaves = [digest.to_raw(entry.digest) for entry in entries]
    return Placed(entries[position], _path(digest.inclusion_proof(leaves, position)))


def member(ids: Sequence[bytes], row: int) -> Member:
    """The record in ``row`` of a record set with these raw ids."""
    path = _path(digest.inclusion_proof(ids, row))
    return Member(digest.from_raw(ids[row]), row, len(ids), path)


def grown(entries: Sequence[Entry], earlier: TreeHead) -> Earlier:
    """That these entries begin with those of a head saved earlier, which is no larger."""
    leaves = [digest.to_raw(entry.digest) for entry in entries]
    return Earlier(earlier, _path(digest.consistency_proof(leaves, earlier.size)))


def _path(raw: Sequence[bytes]) -> Path:
    return tuple(digest.from_raw(node) for node in raw)


# Reading -------------------------------------------------------------------------------------------


def proof_from_json(value: Any) -> Proof:
    """Reads a proof as ``Proof.to_json`` writes it. Raises InputError when it is not one, NewerFormatError
    when it or an event in it is of a newer Inbond; whether what it says is true is for ``check``."""
    try:
        if isinstance(value, dict):
            refuse_newer(value.get("format"), FORMAT, "a proof")
        if not isinstance(value, dict) or value.get("format") != FORMAT or set(value) != _FIELDS:
            raise ValueError(f"fields {sorted(value)}"[:200])
        artifact, record, earlier = value["artifact"], value["record"], value["earlier"]
        return Proof(
            chain.head_from_json(value["head"]),
            tuple(entry_from_json(entry) for entry in value["keys"]),
            None if artifact is None else Placed(entry_from_json(artifact), _read_path(artifact["path"])),
            None if record is None else _read_member(record),
            None
            if earlier is None
            else Earlier(chain.head_from_json(earlier["head"]), _read_path(earlier["path"])),
        )
    except NewerFormatError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, TamperedError) as error:
        found = error.found if isinstance(error, (InputError, TamperedError)) else str(error)
        raise InputError(
            expected=f"a proof of format {FORMAT}",
            found=found[:200],
            fix="get the file again, or have it made again with: inbond verify TARGET --save-proof FILE",
        ) from error


def _read_path(value: Any) -> Path:
    if not isinstance(value, list):
        raise ValueError(f"a path {value!r:.80}")
    for node in value:
        digest.to_raw(node)
    return tuple(value)


def _read_member(value: Mapping[str, Any]) -> Member:
    digest.to_raw(value["id"])
    for name in ("row", "rows"):
        if type(value[name]) is not int or value[name] < 0:
            raise ValueError(f"{name} {value[name]!r:.80}")
    return Member(value["id"], value["row"], value["rows"], _read_path(value["path"]))


# Checking ------------------------------------------------------------------------------------------


@final
class _Check:
    """Goes through a proof, keeps every problem and what each part shows."""

    def __init__(self, proof: Proof, pinned: PublicKey | None, kept: TreeHead | None) -> None:
        self.proof = proof
        self.kept = kept
        self.keys = chain.vouched_for(proof.keys, pinned)
        self.problems: list[str] = []
        self.proved: list[str] = []
        self.notes: list[str] = []
        self.unvouched = False

    def head(self) -> None:
        head, kept = self.proof.head, self.kept
        same = kept is not None and (kept.size, kept.root) == (head.size, head.root)
        if head.signature is None and not same:
            self.problems.append("its tree head is not signed, so nothing vouches for the ledger behind it")
        self._signature(head, "its tree head")
        if kept is not None:
            self._signature(kept, "the head you gave")
        if same and kept is not None:
            self.proved.append(f"the ledger of {head.size:,} events is that of the head you gave")
        elif kept is not None and not self._is_earlier(kept):
            self.problems.append(
                f"it says nothing of the head you gave ({kept.size} events, {kept.root}): ask for a proof "
                "made with inbond verify --head THAT_HEAD --save-proof FILE"
            )

    def _is_earlier(self, kept: TreeHead) -> bool:
        earlier = self.proof.earlier
        return earlier is not None and (kept.size, kept.root) == (earlier.head.size, earlier.head.root)

    def _signature(self, head: TreeHead, what: str) -> None:
        problems, _ = chain.check_signature(head, self.keys, what)
        self.problems += problems
        self.unvouched = self.unvouched or (head.key is not None and head.key not in self.keys)

    def earlier(self, earlier: Earlier) -> None:
        old, new = earlier.head, self.proof.head
        path = [digest.to_raw(node) for node in earlier.path]
        if old.size == 0:
            self.problems.append("the earlier tree head covers no event: every ledger begins with that")
        self._signature(old, "the earlier tree head")
        if old.signature is None and self.kept is None:
            self.notes.append("the earlier tree head is not signed: compare it with your own, with --head")
        if not digest.proves_consistency(old.size, old.root, new.size, new.root, path):
            self.problems.append(
                f"the ledger of {new.size} events did not grow from the one of {old.size} events of "
                f"{old.at}: some were changed, cut or signed again"
            )
        self.proved.append(
            f"the ledger of {new.size:,} events begins with the {old.size:,} events of the head of {old.at}"
        )

    def artifact(self, placed: Placed) -> Event | None:
        head, entry = self.proof.head, placed.entry
        event = events.decode(entry.text)  # it was read already
        path = [digest.to_raw(node) for node in placed.path]
        leaf = digest.to_raw(entry.digest)
        if not digest.proves_inclusion(leaf, event.seq, head.size, path, head.root):
            self.problems.append(f"{event.name}: it is not in the ledger of that head")
        key = self.keys.get(event.key)
        if key is None:
            self.unvouched = True
            self.problems.append(
                f"{event.name}: it is signed by {event.key}, a key that nobody here vouches for"
            )
        elif not key.verifies(events.FORMAT, event.digest, entry.signature):
            self.problems.append(f"{event.name}: its signature does not fit what it says")
        if event.kind != events.STAGE_COMPLETED:
            self.problems.append(f"{event.name}: it records no artifact")
            return None
        body = event.body
        self.proved.append(
            f"{event.name} of {event.at}, in the ledger of {head.size:,} events with the root {head.root}, "
            f"recorded the artifact {body.get('artifact')} in {body.get('folder')}, manifest "
            f"{body.get('manifest')}"
        )
        return event

    def record(self, found: Member, event: Event | None) -> None:
        root = event.body.get("records_root") if event else None
        path = [digest.to_raw(node) for node in found.path]
        leaf = digest.to_raw(found.id)
        if not isinstance(root, str) or not digest.proves_inclusion(
            leaf, found.row, found.rows, path, Digest(root)
        ):
            self.problems.append(f"the record {found.id} is not in the artifact that the event recorded")
        self.proved.append(f"the record {found.id} is one of that artifact's records")


_NOT_PROVED = (
    "that what was recorded was true when it was recorded",
    "when it happened: times are those of the machine that wrote",
    "that the artifact was not discarded or replaced by a later event",
)


def check(
    proof: Proof, *, key: PublicKey | None = None, head: TreeHead | None = None, record: Digest | None = None
) -> Shown:
    """Checks a proof without the ledger: against a public key and a head got some other way, and whether it
    is about ``record``, where these are given. Raises InputError for a head that covers nothing."""
    if head is not None:
        chain.refuse_empty(head)
    found = _Check(proof, key, head)
    found.head()
    if proof.artifact is None and proof.record is None and proof.earlier is None:
        found.problems.append("it proves nothing: no artifact, no record and no earlier tree head is in it")
    if proof.earlier is not None:
        found.earlier(proof.earlier)
    event = found.artifact(proof.artifact) if proof.artifact is not None else None
    if proof.record is not None:
        found.record(proof.record, event)
    if record is not None and (proof.record is None or proof.record.id != record):
        found.problems.append(f"it is not about the record {record}")
    note = who_signed(key, "proof")
    if found.unvouched:
        found.notes.append(chain.UNVOUCHED)
    return Shown(tuple(found.problems), tuple(found.proved), _NOT_PROVED, (note, *found.notes), proof.head)


def who_signed(key: PublicKey | None, what: str) -> str:
    """What the signatures of something that brings its own keys are worth."""
    if key is not None:
        return f"signatures were checked against the key given: {key.id}"
    return (
        f"signatures were checked against the keys that the {what} itself brings: that proves that nothing "
        "was changed since signing, not who signed; give a public key with --key to check who"
    )
