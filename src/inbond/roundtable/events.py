"""What a transcript consists of: one event a line, each chained to the line before it. Pure.

Format ``inbond.roundtable/1``: canonical JSON of ``{at, body, digest, kind, n, prev}``. ``digest`` is that of
the rest; ``prev`` the digest of the event before, null for the first. So a changed line is found where it
stands. Whoever changes every line from there on is found by the digest that the ledger holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.digest import Digest, canonical, of_value, parse
from inbond.errors import InputError, TamperedError

FORMAT: Final = "inbond.roundtable/1"
_FIELDS: Final = frozenset(("at", "body", "digest", "kind", "n", "prev"))


@final
@dataclass(frozen=True)
class Event:
    """One line. ``at`` is in seconds since 1970, ``n`` counts from 0."""

    n: int
    at: float
    kind: str
    body: Mapping[str, Any]
    prev: Digest | None
    digest: Digest


def make(n: int, at: float, kind: str, body: Mapping[str, Any], prev: Digest | None) -> Event:
    """The next event after the one whose digest is ``prev``. Raises InputError for a body that canonical JSON
    cannot hold."""
    at = round(at, 3)
    return Event(n, at, kind, body, prev, of_value(_rest(n, at, kind, body, prev)))


def encode(event: Event) -> bytes:
    """Its line, the end of the line included."""
    rest = _rest(event.n, event.at, event.kind, event.body, event.prev)
    return canonical({**rest, "digest": event.digest}) + b"\n"


def decode(line: bytes, n: int, prev: Digest | None) -> Event:
    """Reads the line that comes ``n``-th, after the event of digest ``prev``. Raises TamperedError, which
    names the line, for anything that ``encode`` did not write there; InputError for a first line that never
    was an event."""
    try:
        value = parse(line)
        rest = {name: value[name] for name in _FIELDS - {"digest"}}
        event = Event(rest["n"], rest["at"], rest["kind"], rest["body"], rest["prev"], value["digest"])
        intact = set(value) == _FIELDS and of_value(rest) == event.digest
    except (ValueError, TypeError, KeyError) as error:
        if n == 0 and not line.startswith(b'{"at":'):
            raise InputError(
                expected="a roundtable's transcript, which ask keeps as transcript.jsonl",
                found="text whose first line is no event of one",
                fix="name the transcript, its folder, or the session",
            ) from error
        raise _tampered(n, "text that is no event of a transcript") from error
    if not intact or not isinstance(event.body, dict) or encode(event) != line.rstrip(b"\n") + b"\n":
        raise _tampered(n, "an event that is not as it was written")
    if event.n != n or event.prev != prev:
        raise _tampered(n, "an event that does not follow the one before it")
    return event


def _rest(n: int, at: float, kind: str, body: Mapping[str, Any], prev: Digest | None) -> dict[str, Any]:
    return {"at": at, "body": dict(body), "kind": kind, "n": n, "prev": prev}


def _tampered(n: int, found: str) -> TamperedError:
    return TamperedError(
        expected=f"the transcript as it was written, line {n + 1}",
        found=found,
        fix="take the transcript from a copy: one that was changed by hand proves nothing",
    )
