"""Which ledger a workspace writes to: its own ``ledger.db``, or one that it shares with other workspaces.

A workspace that is begun while INBOND_LEDGER names a database joins the ledger there, with an event
``workspace.joined`` {name, workspace}. ``ledger.json`` in the workspace then says which ledger that is, by
that event's place and digest, so that neither a forgotten variable nor another database under the same
address can split its history. Format ``inbond.membership/1``: {format, ledger, workspace, position, digest}.

A shared ledger is one chain. Every event but a key's introduction names its workspace, by a random id, in
``body.workspace``; the paths in it are relative to that workspace. Whoever reads the events of one workspace
gets them without that field, just as from a ledger of its own.

Whoever may write to a shared ledger can write any id into an event. So a workspace's events are those that
its ``Writers`` signed; ``verify`` names all others. And whoever hands out a folder can write any server into
its ``ledger.json``: only INBOND_LEDGER, which is the user's own, says which one is spoken to.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, final

from inbond import digest
from inbond.digest import Digest
from inbond.errors import InputError, TamperedError
from inbond.ledger import heeding
from inbond.ledger.address import Address, parse
from inbond.ledger.chain import introduced_key
from inbond.ledger.events import KEY_INTRODUCED, Entry, Event, decode, may_introduce
from inbond.ledger.postgres import PostgresStore
from inbond.ledger.sqlite import SqliteStore
from inbond.ledger.store import EventStore
from inbond.workspace import Workspace, write_json, writing

ENVIRONMENT: Final = "INBOND_LEDGER"
JOINED: Final = "workspace.joined"
FORMAT: Final = "inbond.membership/1"
_FIELD: Final = "workspace"
_FIELDS = {"format", "ledger", "workspace", "position", "digest"}


@final
@dataclass(frozen=True)
class Membership:
    """Which ledger, as an address without user and password; under which id; and the event of joining."""

    ledger: str
    workspace: str
    position: int
    digest: Digest


@final
@dataclass(frozen=True)
class Reading:
    """A ledger opened to be read. ``member`` is None for a ledger of the workspace's own, or when the
    workspace has not joined the shared one."""

    store: EventStore
    member: Membership | None

    def events(self) -> Iterator[Event]:
        """The workspace's events in order. Raises as ``events_of``."""
        return events_of(self.store.read(), self.workspace)

    def heeded(self, kinds: Collection[str], further: Collection[Digest] = ()) -> Iterator[Event]:
        """The workspace's events of these kinds that count, in order. Raises as ``events_of``."""
        shared = self.workspace is not None
        entries = heeding.heeded(self.store.read(), kinds, further, shared=shared)
        return (event for event in events_of(entries, self.workspace) if event.kind in kinds)

    @property
    def workspace(self) -> str | None:
        """Its id in the shared ledger."""
        return self.member.workspace if self.member else None


def begun(workspace: Workspace) -> bool:
    """Whether a folder is a workspace that has a ledger, of its own or a shared one."""
    return place(workspace).is_file()


def place(workspace: Workspace) -> Path:
    """The file that makes a folder a workspace: its own ledger, or its membership of a shared one."""
    return workspace.membership if workspace.membership.exists() else workspace.ledger


def find_address(workspace: Workspace, environment: Mapping[str, str]) -> Address | None:
    """Where the shared ledger is that the workspace writes to, or will join; None for a ledger of its own.

    That is what INBOND_LEDGER says, and never what the workspace says, which may come from anybody: who is
    asked gets to know user and password. ``check`` tells whether it is the ledger that was joined. Raises
    InputError for an address that cannot be read, when the variable is not set though the workspace shares a
    ledger, and when it is set though the workspace has one of its own.
    """
    named = environment.get(ENVIRONMENT)
    member = read(workspace)
    if not named:
        if member is not None:
            raise _unnamed(workspace, parse(member.ledger))
        return None
    if member is not None:
        return parse(named)
    if workspace.ledger.exists():
        raise InputError(
            expected=f"a new workspace, to share the ledger that {ENVIRONMENT} names",
            found=f"a ledger of its own at {workspace.ledger}",
            fix=f"unset {ENVIRONMENT} to go on with that one, or begin another workspace with --home",
        )
    return parse(named)


def _unnamed(workspace: Workspace, address: Address) -> InputError:
    place = replace(address, sslmode=None)
    return InputError(
        expected=f"{ENVIRONMENT} to name the shared ledger of {workspace.home}: no server is spoken to just "
        "because a folder names it",
        found=f"it is not set; the folder names {place}",
        fix=f"if you trust that server with your password: export {ENVIRONMENT}={shlex.quote(str(place))}",
    )


def open_to_read(workspace: Workspace, environment: Mapping[str, str]) -> Reading:
    """Opens the workspace's ledger to be read. Raises as ``find_address``, and as the stores' own
    ``open_existing``; TamperedError when it is not the ledger that was joined."""
    alone = workspace.ledger.exists() and not workspace.membership.exists()
    address = None if alone else find_address(workspace, environment)
    if address is None:
        return Reading(SqliteStore.open_existing(workspace.ledger), None)
    member = read(workspace)
    store = PostgresStore.open_existing(address)
    try:
        if member is not None:
            check(store, member, address)
    except BaseException:
        store.close()
        raise
    return Reading(store, member)


def events_in(workspace: Workspace, environment: Mapping[str, str]) -> list[Event]:
    """The events of a workspace's ledger, whole and in order; none where there is no ledger. Makes nothing.
    Raises as ``open_to_read``, TamperedError for an event that cannot be read."""
    if not begun(workspace):
        return []
    reading = open_to_read(workspace, environment)
    with contextlib.closing(reading.store):
        return list(reading.events())


def check(store: EventStore, member: Membership, address: Address) -> None:
    """Raises TamperedError unless the store holds the event with which this very workspace joined."""
    found = next(store.read(member.position), None)
    if found is None or found.digest != member.digest:
        wrong = f"not {member.digest}" if found else "missing"
    elif not _is_joining(decode(found.text), member.workspace):
        wrong = f"not that of joining as {member.workspace}"
    else:
        return
    raise TamperedError(
        expected=f"the ledger at {address} to be the one that this workspace joined",
        found=f"another one, or one that was changed: event {member.position} is {wrong}",
        fix=f"correct {ENVIRONMENT} (the workspace joined {member.ledger}), or restore the database, or the "
        "workspace's ledger.json, from a backup",
    )


# What the workspace keeps ---------------------------------------------------------------------------


def read(workspace: Workspace) -> Membership | None:
    """The workspace's membership, None when it has none. Raises InputError when it cannot be read, or the
    workspace has a ledger of its own as well."""
    path = workspace.membership
    try:
        member = _decode(json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            expected=f"a membership of format {FORMAT} at {path}",
            found=f"{error}"[:200],
            fix="restore the file from a copy of the workspace, or pip install --upgrade inbond",
        ) from error
    if workspace.ledger.exists():
        raise InputError(
            expected=f"one ledger in {workspace.home}",
            found=f"{path.name}, which names a shared one, and {workspace.ledger.name}",
            fix="remove the one that does not belong there",
        )
    return member


def _decode(value: Any) -> Membership:
    if set(value) != _FIELDS or value["format"] != FORMAT:
        raise ValueError(f"fields {sorted(value)}, format {value.get('format')!r}")
    member = Membership(value["ledger"], value["workspace"], value["position"], value["digest"])
    digest.to_raw(member.digest)
    if not re.fullmatch(r"[0-9a-f]{16}", member.workspace):
        raise ValueError(f"workspace {member.workspace!r:.40}")
    if isinstance(member.position, bool) or not isinstance(member.position, int) or member.position < 0:
        raise ValueError(f"position {member.position!r:.40}")
    parse(member.ledger)
    return member


def write(workspace: Workspace, member: Membership) -> None:
    """Keeps the membership. Raises UnwritableError."""
    value = {
        "format": FORMAT,
        "ledger": member.ledger,
        "workspace": member.workspace,
        "position": member.position,
        "digest": member.digest,
    }
    write_json(workspace.membership, value)


@contextlib.contextmanager
def joining(workspace: Workspace) -> Iterator[None]:
    """Held while a workspace joins, so that two processes that begin it together join once."""
    with writing(workspace.home):
        handle = os.open(workspace.home, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def new_id() -> str:
    """A workspace's id: 64 random bits in hex."""
    return secrets.token_hex(8)


# What events say ------------------------------------------------------------------------------------


def stamped(body: Mapping[str, Any], workspace: str | None) -> Mapping[str, Any]:
    """A body as a shared ledger keeps it; unchanged where the ledger is the workspace's own."""
    assert _FIELD not in body, "a shared ledger writes this field"
    return body if workspace is None else {**body, _FIELD: workspace}


def unstamped(event: Event) -> Event:
    """The event without its workspace's id; its digest is still that of the whole."""
    if _FIELD not in event.body:
        return event
    return replace(event, body={name: value for name, value in event.body.items() if name != _FIELD})


def events_of(entries: Iterable[Entry], workspace: str | None) -> Iterator[Event]:
    """The events of one workspace among these, a ledger's from its beginning; what others wrote under its id
    is passed over. Raises TamperedError at one that cannot be read, NewerFormatError."""
    writers = Writers(workspace)
    for entry in entries:
        if may_be_of(entry, workspace):
            event = decode(entry.text)
            if is_of(event, workspace) and writers.allow(event):
                yield unstamped(event)


def may_be_of(entry: Entry, workspace: str | None) -> bool:
    """False only where ``is_of`` would be, without reading the event: others' events are many. Canonical
    JSON writes a field in one way."""
    if workspace is None:
        return True
    return f'"{_FIELD}":"{workspace}"'.encode() in entry.text or may_introduce(entry)


def is_of(event: Event, workspace: str | None) -> bool:
    """Whether the event speaks of this workspace; introductions of keys concern all."""
    return event.kind == KEY_INTRODUCED or event.body.get(_FIELD) == workspace


def _is_joining(event: Event, workspace: str) -> bool:
    return event.kind == JOINED and event.body.get(_FIELD) == workspace


@final
class Writers:
    """Whose events count for a workspace of a shared ledger: those of the key that signed its joining, and of
    keys that it introduced, directly or through others. All, where the ledger is the workspace's own.

    It is shown the workspace's events in order, and takes them at their word: ``chain`` checks signatures.
    """

    def __init__(self, workspace: str | None) -> None:
        self._workspace = workspace
        self._first: Digest | None = None
        self._introduced: dict[Digest, set[Digest]] = {}

    def allow(self, event: Event) -> bool:
        """Takes in one of the workspace's events, or an introduction, which concerns all; whether it
        counts."""
        if self._workspace is None:
            return True
        if event.kind == KEY_INTRODUCED:
            if brought := introduced_key(event):
                self._introduced.setdefault(event.key, set()).add(brought.id)
            return True
        if self._first is None and _is_joining(event, self._workspace):
            self._first = event.key
        return self._first is not None and self.may_write(event.key)

    def may_write(self, key: Digest) -> bool:
        """Whether events of this key count from here on; any key's may before the workspace has joined."""
        if self._first is None:
            return True
        known, found = set[Digest](), {self._first}
        while found:
            known |= found
            found = {new for old in found for new in self._introduced.get(old, ())} - known
        return key in known
