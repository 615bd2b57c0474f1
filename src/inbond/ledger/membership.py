"""Which ledger a workspace writes to: its own ``ledger.db``, or one that it shares with other workspaces.

A workspace that is begun while INBOND_LEDGER names a database joins the ledger there, with an event
``workspace.joined`` {name, workspace}. ``ledger.json`` in the workspace then says which ledger that is, by
that event's place and digest, so that neither a forgotten variable nor another database under the same
address can split its history. Format ``inbond.membership/1``: {format, ledger, workspace, position, digest}.

A shared ledger is one chain. Every event but a key's introduction names its workspace, by a random id, in
``body.workspace``; the paths in it are relative to that workspace. Whoever reads the events of one workspace
gets them without that field, just as from a ledger of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol, final

from inbond import digest
from inbond.digest import Digest
from inbond.errors import InputError, TamperedError
from inbond.ledger.address import Address, parse
from inbond.ledger.events import KEY_INTRODUCED, Entry, Event, decode
from inbond.ledger.postgres import PostgresStore
from inbond.ledger.sqlite import SqliteStore
from inbond.ledger.store import EventStore
from inbond.workspace import Workspace, write_json, writing

ENVIRONMENT: Final = "INBOND_LEDGER"
JOINED: Final = "workspace.joined"
FORMAT: Final = "inbond.membership/1"
_FIELD: Final = "workspace"
_INTRODUCTION: Final = f'"kind":"{KEY_INTRODUCED}"'.encode()
_FIELDS = {"format", "ledger", "workspace", "position", "digest"}


@final
@dataclass(frozen=True)
class Membership:
    """Which ledger, as an address without user and password; under which id; and the event of joining."""

    ledger: str
    workspace: str
    position: int
    digest: Digest


class Checkable(EventStore, Protocol):
    """A store that can be looked over."""

    def damage(self) -> list[str]:
        """What is wrong with the way the entries are kept, in words; the entries are not looked at."""


@final
@dataclass(frozen=True)
class Reading:
    """A ledger opened to be read. ``member`` is None for a ledger of the workspace's own, or when the
    workspace has not joined the shared one."""

    store: Checkable
    member: Membership | None

    def concerns(self, event: Event) -> bool:
        """Whether the event is about this workspace."""
        return is_of(event, self._workspace)

    def events(self) -> Iterator[Event]:
        """The workspace's events in order. Raises TamperedError at one that cannot be read."""
        return events_of(self.store.read(), self._workspace)

    @property
    def _workspace(self) -> str | None:
        return self.member.workspace if self.member else None


def begun(workspace: Workspace) -> bool:
    """Whether a folder is a workspace that has a ledger, of its own or a shared one."""
    return place(workspace).is_file()


def place(workspace: Workspace) -> Path:
    """The file that makes a folder a workspace: its own ledger, or its membership of a shared one."""
    return workspace.membership if workspace.membership.exists() else workspace.ledger


def find_address(workspace: Workspace, environment: Mapping[str, str]) -> Address | None:
    """Where the shared ledger is that the workspace writes to, or will join; None for a ledger of its own.

    INBOND_LEDGER overrides the address that is kept, since a server can move; ``check`` tells whether it
    is the same ledger. Raises InputError for an address that cannot be read, and when the variable is set
    though the workspace has a ledger of its own.
    """
    named = environment.get(ENVIRONMENT)
    member = read(workspace)
    if member is not None:
        return parse(named or member.ledger)
    if not named:
        return None
    if workspace.ledger.exists():
        raise InputError(
            expected=f"a new workspace, to share the ledger that {ENVIRONMENT} names",
            found=f"a ledger of its own at {workspace.ledger}",
            fix=f"unset {ENVIRONMENT} to go on with that one, or begin another workspace with --home",
        )
    return parse(named)


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
    """Raises TamperedError unless the store holds the event with which the workspace joined."""
    found = next(store.read(member.position), None)
    if found is None or found.digest != member.digest:
        raise TamperedError(
            expected=f"the ledger at {address} to be the one that this workspace joined",
            found=f"another one, or one that was changed: event {member.position} is "
            + (f"not {member.digest}" if found else "missing"),
            fix=f"correct {ENVIRONMENT}, or restore the database from a backup",
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
    """The events of one workspace among these. Raises TamperedError at one that cannot be read."""
    for entry in entries:
        if may_be_of(entry, workspace):
            event = decode(entry.text)
            if is_of(event, workspace):
                yield unstamped(event)


def may_be_of(entry: Entry, workspace: str | None) -> bool:
    """False only where ``is_of`` would be, without reading the event: others' events are many. Canonical
    JSON writes a field in one way."""
    if workspace is None:
        return True
    return f'"{_FIELD}":"{workspace}"'.encode() in entry.text or _INTRODUCTION in entry.text


def is_of(event: Event, workspace: str | None) -> bool:
    """Whether the event speaks of this workspace; introductions of keys concern all."""
    return event.kind == KEY_INTRODUCED or event.body.get(_FIELD) == workspace
