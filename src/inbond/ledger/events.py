"""Events: what the ledger consists of, and what may not enter one.

Format ``inbond.event/1``: canonical JSON of ``{at, body, format, key, kind, prev, seq}``. An event's
digest is that of this JSON; its signature is made over the digest by the key that ``key`` names.
Text and signature are all that a store keeps (an ``Entry``); everything else follows from them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.digest import Digest, canonical, of_bytes, parse
from inbond.errors import InputError, TamperedError
from inbond.ledger.attest import ALGORITHM, PublicKey
from inbond.ledger.formats import refuse_newer

FORMAT: Final = "inbond.event/1"
KEY_INTRODUCED: Final = "key.introduced"
STAGE_COMPLETED: Final = "stage.completed"
STAGE_DISCARDED: Final = "stage.discarded"
FILE_WRITTEN: Final = "file.written"
TEXT_ERASED: Final = "text.erased"
BRIEFING_MADE: Final = "briefing.made"

_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}(\.[a-z][a-z0-9-]{0,31}){0,3}")
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_FIELDS = {"at", "body", "format", "key", "kind", "prev", "seq"}
_INTRODUCES = f'"kind":"{KEY_INTRODUCED}"'.encode()


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """An event as a store keeps it. ``position`` is the store's own count from 0."""

    position: int
    text: bytes
    signature: bytes

    @property
    def digest(self) -> Digest:
        return of_bytes(self.text)

    def to_json(self) -> dict[str, str]:
        """As it is handed to others, without the ledger around it: ``entry_from_json`` reads it."""
        return {"event": self.text.decode(), "signature": base64.b64encode(self.signature).decode()}


def entry_from_json(value: Any) -> Entry:
    """Reads an entry from outside a ledger; its position is the one that it names itself.

    Raises InputError when it has not this form, and as ``decode``.
    """
    try:
        text, signature = value["event"].encode(), base64.b64decode(value["signature"], validate=True)
        if base64.b64encode(signature).decode() != value["signature"]:
            raise ValueError("base64 with bits to spare")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            expected='an event {"event": its text, "signature": base64}',
            found=f"{value!r:.80}",
            fix="get the file again from where it came from",
        ) from error
    return Entry(decode(text).seq, text, signature)


@final
@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the ledger, read. ``at`` is UTC in RFC 3339 with microseconds; ``prev`` is the
    digest of the event before, None for the first; ``key`` the id of the key that signed it."""

    seq: int
    at: str
    kind: str
    body: Mapping[str, Any]
    prev: Digest | None
    key: Digest
    digest: Digest

    @property
    def name(self) -> str:
        """How messages speak of it."""
        return f"event {self.seq} ({self.kind})"


def encode(seq: int, at: str, kind: str, body: Mapping[str, Any], prev: Digest | None, key: Digest) -> bytes:
    """An event's text. Raises InputError when the body is not canonical JSON, holds what looks like a
    credential, or the kind is not dotted lower-case words."""
    if not _KIND.fullmatch(kind):
        raise InputError(
            expected="an event kind of lower-case words joined by dots, such as stage.completed",
            found=repr(kind),
            fix="rename the kind",
        )
    text = canonical(
        {"at": at, "body": body, "format": FORMAT, "key": key, "kind": kind, "prev": prev, "seq": seq}
    )
    refuse_secrets(body, kind)
    return text


def decode(text: bytes) -> Event:
    """Reads an event's text. Raises NewerFormatError when a newer Inbond wrote it, else TamperedError, saying
    what is wrong, when ``encode`` did not."""
    try:
        value = parse(text)
        intact = canonical(value) == text
    except ValueError as error:
        raise _malformed(f"text that is not canonical JSON ({error})") from error
    if not intact:
        raise _malformed("text that is not canonical JSON")
    if isinstance(value, dict):
        refuse_newer(value.get("format"), FORMAT, "an event")
    if not isinstance(value, dict) or set(value) != _FIELDS:
        raise _malformed("other fields")
    if value["format"] != FORMAT:
        raise _malformed(f"format {value['format']!r:.80}")
    for name, fits in _CHECKS.items():
        if not fits(value[name]):
            raise _malformed(f"{name} {value[name]!r:.80}")
    return Event(
        value["seq"], value["at"], value["kind"], value["body"], value["prev"], value["key"], of_bytes(text)
    )


def _malformed(found: str) -> TamperedError:
    return TamperedError(
        expected=f"an event of format {FORMAT}",
        found=found,
        fix="restore the ledger from a copy; inbond verify names everything that was changed",
    )


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


_CHECKS: Final[dict[str, Callable[[object], bool]]] = {
    "seq": lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
    "at": lambda value: _matches(_AT, value),
    "kind": lambda value: _matches(_KIND, value),
    "body": lambda value: isinstance(value, dict),
    "prev": lambda value: value is None or _matches(_DIGEST, value),
    "key": lambda value: _matches(_DIGEST, value),
}


def may_introduce(entry: Entry) -> bool:
    """False only where the entry is no introduction of a key, without reading it: canonical JSON writes a
    kind in one way."""
    return _INTRODUCES in entry.text


def introduction(key: PublicKey) -> dict[str, Any]:
    """The body of the event that brings a public key into the ledger."""
    return {"algorithm": ALGORITHM, "public_key": key.to_pem(), "id": key.id}


# Credentials ---------------------------------------------------------------------------------------

_SECRET_NAME = re.compile(
    r"(.*_)?(api_?key|secret_key|private_key|access_key|signing_key|authorization|password|passwd|passphrase"
    r"|secrets?|credentials?|cookie|(access|api|auth|bearer|refresh|session|hf|hub|github|secret)_?token"
    r"|token_secret|bearer)|token"
)
_SECRET_VALUE = re.compile(
    r"bearer\s+[\w.~+/=-]{8,}|\bsk-[\w-]{20,}|\bhf_[A-Za-z0-9]{20,}|\bgh[pousr]_[A-Za-z0-9]{30,}"
    r"|\bAKIA[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----|\w://[^/\s:@]+:[^/\s@]+@",
    re.IGNORECASE,
)
_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\s.-]+")


def refuse_secrets(value: Any, where: str) -> None:
    """Raises InputError, naming the field but never its value, when something looks like a credential.

    A field is refused for its name (``api_key``, ``Authorization``, ``client_secret``, ...) when it
    holds text, so that counts such as ``{"secrets": 3}`` or ``{"tokens": 512}`` pass; and for text
    in the form of a well-known credential.
    """
    if isinstance(value, str):
        if _SECRET_VALUE.search(value):
            raise _secret(where)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            path = f"{where}.{name}"
            snake = _WORD_BREAK.sub("_", str(name)).lower()
            if _holds_text(inner) and _SECRET_NAME.fullmatch(snake):
                raise _secret(path)
            refuse_secrets(inner, path)
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            refuse_secrets(inner, f"{where}[{number}]")


def _holds_text(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_text(inner) for inner in value)
    return isinstance(value, str) and value != ""


def _secret(where: str) -> InputError:
    return InputError(
        expected="an event without credentials: the ledger is made to be shown to others",
        found=f"what looks like one in {where}",
        fix="leave it out, or record the name of the environment variable that holds it",
    )
