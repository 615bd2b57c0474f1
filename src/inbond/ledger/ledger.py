"""The ledger as recipes see it: record an event, read them back, take a tree head.

Every call is durable when it returns. The user's public key enters the ledger in an event of its own
before the first event that it signs, so that a copied workspace verifies anywhere, offline. A key that
took over from another is introduced by that other, as long as its file is at hand; else by itself.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, final

from inbond import digest
from inbond.digest import Digest
from inbond.errors import InputError, TamperedError
from inbond.ledger import chain, envelope, events, heeding, membership
from inbond.ledger.address import Address
from inbond.ledger.attest import KeyStore, Signer
from inbond.ledger.chain import TreeHead
from inbond.ledger.envelope import Envelope
from inbond.ledger.events import Entry, Event
from inbond.ledger.membership import Membership
from inbond.ledger.postgres import PostgresStore
from inbond.ledger.sqlite import SqliteStore
from inbond.ledger.store import EventStore
from inbond.workspace import Workspace


def now() -> str:
    """UTC in RFC 3339 with microseconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@final
class Ledger:
    """An open ledger. Safe to share between threads; other processes may append at the same time."""

    def __init__(self, store: EventStore, keys: KeyStore, workspace: str | None = None) -> None:
        """``workspace`` is its id in a ledger that it shares with others, None in one of its own."""
        self._store = store
        self._keys = keys
        self._workspace = workspace
        self._signer: Signer | None = None
        self._introduced = False
        self._turn = threading.Lock()
        self._kept: list[Entry] = []
        self._read_to = 0

    @classmethod
    def open(cls, workspace: Workspace, keys: KeyStore) -> Ledger:
        """Opens the workspace's ledger, made now if there is none; the key is made at the first event. A new
        workspace joins the shared ledger that INBOND_LEDGER names, if it does.

        Raises UnwritableError, InputError when a newer version wrote it or the keys would lie inside
        the workspace, TamperedError when it is not a database; for a shared ledger also as
        ``membership.find_address`` and ``membership.check``.
        """
        if keys.folder.resolve().is_relative_to(workspace.home.resolve()):
            raise InputError(
                expected="signing keys outside the workspace, which is made to be copied and shown",
                found=f"{keys.folder} inside {workspace.home}",
                fix="set XDG_CONFIG_HOME, or --home, to another folder",
            )
        workspace.create()
        address = membership.find_address(workspace, os.environ)
        if address is None:
            return cls(SqliteStore.open(workspace.ledger), keys)
        with contextlib.ExitStack() as opened:
            store = PostgresStore.open(address)
            opened.callback(store.close)
            with membership.joining(workspace):
                member = membership.read(workspace)
                if member is None:
                    ledger = cls._join(workspace, address, store, keys)
                else:
                    membership.check(store, member, address)
                    ledger = cls(store, keys, member.workspace)
            opened.pop_all()
        return ledger

    @classmethod
    def _join(cls, workspace: Workspace, address: Address, store: EventStore, keys: KeyStore) -> Ledger:
        """A kill before the membership is kept leaves an event of a workspace that never was."""
        ledger = cls(store, keys, membership.new_id())
        assert ledger._workspace is not None
        event = ledger.record(membership.JOINED, {"name": workspace.home.resolve().name})
        joined = Membership(str(replace(address, sslmode=None)), ledger._workspace, event.seq, event.digest)
        membership.write(workspace, joined)
        return ledger

    def record(self, kind: str, body: Mapping[str, Any]) -> Event:
        """Appends one event and returns it. Raises as ``record_many``."""
        return self.record_many([(kind, body)])[0]

    def record_many(self, items: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Event]:
        """Appends events, each a (kind, body), all or none, and returns them.

        Raises InputError for a kind or body that cannot be kept (naming the field if it looks like a
        credential), and for a key that is not one of the workspace's in a shared ledger; NewerFormatError
        when a newer Inbond wrote the last event; UnwritableError when the disk or the key folder refuses;
        TamperedError when the ledger is damaged.
        """
        wanted = list(items)
        if not wanted:
            return []
        signer = self._signer or self._keys.signer()
        self._signer = signer
        signed = [(kind, membership.stamped(body, self._workspace), signer) for kind, body in wanted]
        voucher = None if self._introduced else self._voucher(signer)
        if not self._introduced:
            self._check_writer(signer if voucher is None else voucher)
        if voucher is not None:
            signed.insert(0, (events.KEY_INTRODUCED, events.introduction(signer.public), voucher))
        made = self._append(signed)
        self._introduced = True
        return [membership.unstamped(event) for event in made[len(signed) - len(wanted) :]]

    def _append(self, signed: Sequence[tuple[str, Mapping[str, Any], Signer]]) -> list[Event]:
        made: list[Event] = []

        def build(last: Entry | None) -> list[Entry]:
            entries: list[Entry] = []
            made.clear()
            if last is not None:
                # A newer Inbond's events are not added to by one that cannot tell what they mean.
                with contextlib.suppress(TamperedError):
                    events.decode(last.text)
            for kind, body, by in signed:
                event, last = chain.next_entry(last, at=now(), kind=kind, body=body, signer=by)
                made.append(event)
                entries.append(last)
            return entries

        self._store.append(build)
        return made

    def check_writable(self) -> None:
        """Raises, as ``record_many`` would, unless an event could be appended now. Appends none."""
        self._append([])

    def introduce(self) -> Event | None:
        """Lets the key that the user's key took over from bring it in now, and not with the next event. None
        when the ledger knows it, or no key at hand that could. Raises as ``record_many``."""
        signer = self._keys.signer()
        voucher = self._voucher(signer)
        if voucher is None or voucher is signer:
            return None
        return self._append([(events.KEY_INTRODUCED, events.introduction(signer.public), voucher)])[0]

    def introductions(self) -> list[Entry]:
        """The events that brought keys into the ledger, for others to check signatures by."""
        return [entry for entry in self._store.read() if chain.is_introduction(entry)]

    def seal(self, statement: Mapping[str, Any]) -> Envelope:
        """The statement in an envelope that the user's key signs. Raises as ``head``."""
        if self._signer is None:
            self._signer = self._keys.signer()
        return envelope.seal(statement, self._signer)

    def length(self) -> int:
        """How many entries the ledger holds, others' included. Raises as ``events``."""
        last = self._store.last()
        return 0 if last is None else last.position + 1

    def events(self, kind: str | None = None) -> Iterator[Event]:
        """All events of the workspace in order, or those of one kind. Raises TamperedError at one that cannot
        be read; links and signatures are checked by ``verify``, not here."""
        for event in membership.events_of(self._entries(), self._workspace):
            if kind is None or event.kind == kind:
                yield event

    @property
    def shared(self) -> bool:
        """Whether other workspaces write to it too."""
        return self._workspace is not None

    def heeded(self, kinds: Collection[str], further: Collection[Digest] = ()) -> Iterator[Event]:
        """The workspace's events of these kinds that count (``heeding``), in order. Raises as ``events``."""
        entries = heeding.heeded(self._entries(), kinds, further, shared=self.shared)
        for event in membership.events_of(entries, self._workspace):
            if event.kind in kinds:
                yield event

    def heeds(self, further: Collection[Digest] = ()) -> bool:
        """Whether what the user's key signs here counts. Raises as ``record_many``."""
        signer = self._keys.signer()
        vouches = self._voucher(signer) or signer  # who would introduce it, with the next event
        known = (signer.public.id, vouches.public.id)
        return any(heeding.counts(self._entries(), key, further, shared=self.shared) for key in known)

    def _entries(self) -> Iterable[Entry]:
        return self._store.read() if self._workspace is None else self._mine()

    def _mine(self) -> list[Entry]:
        """The workspace's entries in a shared ledger, which holds many others and is far away: what was
        read once is kept, and only what is new is asked for."""
        with self._turn:
            for entry in self._store.read(self._read_to):
                self._read_to = entry.position + 1
                if membership.may_be_of(entry, self._workspace):
                    self._kept.append(entry)
            return list(self._kept)

    def head(self) -> TreeHead:
        """The signed head over all events of now. Raises as ``record_many``."""
        if self._signer is None:
            self._signer = self._keys.signer()
        return chain.make_head(raw_digests(self._store), now(), self._signer)

    def close(self) -> None:
        """Frees the database. May be called twice."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _voucher(self, signer: Signer) -> Signer | None:
        """Who introduces this key: None when the ledger knows it, else the latest key before it that the
        ledger knows, else nobody but itself."""
        known: set[Digest] = set()
        for entry in self._entries():
            brought = chain.brought_key(entry)
            if brought is not None:
                known.add(brought.id)
                if brought.id == signer.public.id:  # most often it is the first event's
                    return None
        before = self._keys.retired() if known else ()
        return next((old for old in before if old.public.id in known), signer)

    def _check_writer(self, signer: Signer) -> None:
        """In a shared ledger what this key signed has to count for the workspace."""
        writers = membership.Writers(self._workspace)
        for entry in self._entries() if self._workspace else ():
            with contextlib.suppress(TamperedError):
                event = events.decode(entry.text)
                if membership.is_of(event, self._workspace):
                    writers.allow(event)
        if not writers.may_write(signer.public.id):
            raise InputError(
                expected="the key that began this workspace in the shared ledger, or one that it introduced",
                found=f"the key {signer.public.id}, whose events would not count here",
                fix="put the key back that began it, or begin a workspace of your own with --home",
            )


def raw_digests(store: EventStore) -> list[bytes]:
    """The leaves of the tree: each event's digest, raw."""
    return [digest.to_raw(entry.digest) for entry in store.read()]
