"""The keys of envelopes on disk: one private file, whose newest key seals and whose others still open.

A key takes over from the one before it when that is old enough, at a start of the guard; a key is forgotten
when every envelope of its own has expired. Replicas that are to open each other's envelopes share the file.
"""

from __future__ import annotations

import base64
import itertools
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from inbond.errors import InputError
from inbond.guard.envelopes import KEY_BYTES, Ring, SealKey, new_key
from inbond.workspace import PRIVATE_DIR, PRIVATE_FILE, locked, write_json, writing

_DAY_S: Final = 86_400.0


@final
@dataclass(frozen=True)
class Lifetimes:
    """For how many days a key seals, and in how many seconds an envelope expires."""

    key_days: float
    envelope_s: float


def fresh_ring(now: float) -> Ring:
    """A ring in memory alone: its envelopes last as long as the process."""
    return Ring((new_key(secrets.token_bytes, now),))


def open_ring(path: Path, lifetimes: Lifetimes, now: float) -> Ring:
    """The ring of the file, made now if there is none, and turned if it is time. Processes that start
    together end up with one. Raises InputError when the file is no ring, or can be read by others;
    UnwritableError."""
    with writing(path.parent):
        path.parent.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
    with locked(path.parent / f".{path.name}.lock"):
        known = _read(path) if path.exists() else ()
        keys = turned(known, lifetimes, now)
        if keys != known:
            write_json(path, {"keys": [_to_json(key) for key in keys]}, PRIVATE_FILE)
    return Ring(keys)


def turned(known: tuple[SealKey, ...], lifetimes: Lifetimes, now: float) -> tuple[SealKey, ...]:
    """The keys as they should be: a new last one where the last is old, and none whose envelopes have all
    expired. A clock that went back makes no key and drops none."""
    keys = known
    if not keys or now - keys[-1].made >= lifetimes.key_days * _DAY_S:
        keys = (*keys, new_key(secrets.token_bytes, now, frozenset(key.id for key in keys)))
    kept = tuple(key for key, after in itertools.pairwise(keys) if after.made + lifetimes.envelope_s > now)
    return (*kept, keys[-1])


def _to_json(key: SealKey) -> dict[str, Any]:
    return {"id": key.id.hex(), "secret": base64.b64encode(key.secret).decode(), "made": key.made}


def _read(path: Path) -> tuple[SealKey, ...]:
    try:
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            raise InputError(
                expected=f"keys of envelopes at {path} that only their owner can read",
                found=f"mode {mode:04o}",
                fix=f"chmod 600 {path}; if others may have read it, move it away and new ones are made",
            )
        data = path.read_bytes()
    except OSError as error:
        raise _no_ring(path, error.strerror or str(error)) from None
    try:
        keys = tuple(_key(found) for found in json.loads(data)["keys"])
        return Ring(keys).keys
    except (ValueError, TypeError, KeyError, RecursionError, AssertionError):
        raise _no_ring(path, "something else, or a part of them") from None


def _key(found: Any) -> SealKey:
    """Raises ValueError, TypeError, KeyError."""
    key = SealKey(
        bytes.fromhex(found["id"]), base64.b64decode(found["secret"], validate=True), float(found["made"])
    )
    if len(key.id) != 4 or len(key.secret) != KEY_BYTES:
        raise ValueError("an id has 4 bytes, a key 32")
    return key


def _no_ring(path: Path, found: str) -> InputError:
    return InputError(
        expected=f"keys of envelopes at {path}",
        found=found,
        fix="put the file back from a backup, or move it away: new keys are made, and reasoning that "
        "clients hold sealed is dropped from their next requests",
    )
