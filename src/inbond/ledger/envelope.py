"""Signed statements that other tools read: in-toto Statement v1 in a DSSE envelope. Pure.

Envelopes are kept one a line, as canonical JSON (``attestation.jsonl``). A statement's payload is the
canonical JSON of ``{_type, subject, predicateType, predicate}``. Specifications:
github.com/in-toto/attestation (Statement v1), github.com/secure-systems-lab/dsse (v1).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from inbond import digest
from inbond.digest import Digest
from inbond.errors import TamperedError
from inbond.ledger.attest import PublicKey, Signer
from inbond.ledger.events import refuse_secrets

NAME: Final = "attestation.jsonl"
"""In the folder of an artifact that is handed out: statements about all its other files."""
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
_STATEMENT_FIELDS = {"_type", "subject", "predicateType", "predicate"}


@final
@dataclass(frozen=True)
class Envelope:
    """One signed payload. ``key`` is the id of the key that is said to have signed: a hint, no proof."""

    payload_type: str
    payload: bytes
    key: Digest
    signature: bytes

    def to_json(self) -> dict[str, Any]:
        """As DSSE lays it out: payload and signature in base64."""
        return {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": self.payload_type,
            "signatures": [{"keyid": self.key, "sig": base64.b64encode(self.signature).decode()}],
        }

    def signed_by(self, key: PublicKey) -> bool:
        """Whether this key signed it, payload and type."""
        return key.verifies_envelope(self.payload_type, self.payload, self.signature)


def statement(
    subjects: Mapping[str, Digest], predicate_type: str, predicate: Mapping[str, Any]
) -> dict[str, Any]:
    """An in-toto Statement v1 about files (or artifacts), each a name with its digest."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": digest_set(value)} for name, value in sorted(subjects.items())],
        "predicateType": predicate_type,
        "predicate": dict(predicate),
    }


def digest_set(value: Digest) -> dict[str, str]:
    """A digest as in-toto writes it: ``{"sha256": "<hex>"}``."""
    return {"sha256": value.removeprefix(digest.PREFIX)}


def seal(content: Mapping[str, Any], signer: Signer) -> Envelope:
    """Puts a statement into an envelope and signs it. Raises InputError as ``digest.canonical``, and when
    something in it looks like a credential: statements are made to be handed out."""
    refuse_secrets(content["predicate"], "predicate")
    payload = digest.canonical(dict(content))
    signature = signer.sign_envelope(PAYLOAD_TYPE, payload)
    return Envelope(PAYLOAD_TYPE, payload, signer.public.id, signature)


def encode(envelopes: Iterable[Envelope]) -> bytes:
    """The bytes of a file of envelopes, one a line."""
    return b"".join(digest.canonical(each.to_json()) + b"\n" for each in envelopes)


def decode(data: bytes) -> list[Envelope]:
    """Reads a file of envelopes. Raises TamperedError, saying which line, unless ``encode`` wrote it: every
    byte counts, so that no change goes unnoticed."""
    lines = data.split(b"\n")
    if lines.pop() != b"" or not lines:
        raise _malformed("it does not end with a whole line")
    envelopes = [_decode_line(line, number) for number, line in enumerate(lines, 1)]
    if encode(envelopes) != data:
        raise _malformed("it is not laid out as it was written")
    return envelopes


def _decode_line(line: bytes, number: int) -> Envelope:
    try:
        value = digest.parse(line)
        (signature,) = value["signatures"]
        return Envelope(
            str(value["payloadType"]),
            base64.b64decode(value["payload"], validate=True),
            Digest(str(signature["keyid"])),
            base64.b64decode(signature["sig"], validate=True),
        )
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error) as error:
        raise _malformed(
            f"line {number} is not an envelope ({type(error).__name__}: {error})"[:200]
        ) from error


def open_statement(sealed: Envelope) -> dict[str, Any]:
    """The statement in an envelope, whoever signed it. Raises TamperedError when there is none in it."""
    try:
        value = digest.parse(sealed.payload)
        intact = digest.canonical(value) == sealed.payload
    except ValueError as error:
        raise _malformed(f"a payload that is not canonical JSON ({error})"[:200]) from error
    if not intact:
        raise _malformed("a payload that is not canonical JSON, so that it can be read in two ways")
    if sealed.payload_type != PAYLOAD_TYPE or not isinstance(value, dict) or set(value) != _STATEMENT_FIELDS:
        raise _malformed("a payload that is not an in-toto statement")
    if value["_type"] != STATEMENT_TYPE or not isinstance(value["predicate"], dict):
        raise _malformed("a payload that is not an in-toto statement of version 1")
    return value


def subjects_of(content: Mapping[str, Any]) -> dict[str, Digest]:
    """The names and digests that a statement is about. Raises TamperedError when they cannot be read."""
    try:
        found = [
            (str(each["name"]), Digest(digest.PREFIX + each["digest"]["sha256"]))
            for each in content["subject"]
        ]
        for _, value in found:
            digest.to_raw(value)
    except (ValueError, TypeError, KeyError) as error:
        raise _malformed("subjects without a name and a SHA-256 digest") from error
    if len(dict(found)) != len(found):
        raise _malformed("subjects that are named twice")
    return dict(found)


def _malformed(found: str) -> TamperedError:
    return TamperedError(
        expected="in-toto statements in DSSE envelopes, one a line, as Inbond writes them",
        found=found,
        fix="get the folder again from where it came from",
    )
