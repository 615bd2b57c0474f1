"""Receipts: a provider's signature over what was asked of it and what it answered. Pure.

A receipt is a compact JWS (RFC 7515). Its header is exactly ``{alg, kid, typ}`` with alg EdDSA, over Ed25519;
``kid`` is the id of the key. Its claims name the issuer, the customer and the terms, and hold salted digests:
whoever has the text can check it, and nobody learns a text from a receipt. Format, with test vectors:
docs/receipts.md.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, Final, Literal, final

from inbond import digest, strict_json
from inbond.digest import Digest
from inbond.errors import InputError, TamperedError
from inbond.ledger.attest import PublicKey, Signer

HEADER: Final = "inbond-receipt"
"""Of an answer; and of a comment in a stream of events, before the token."""
KEY: Final = "inbond-receipt-key"
"""Under which a client keeps, with a receipt, the key that the host gave for it, as a JWK."""
TYPE: Final = "inbond-receipt+jwt"
MOST_BYTES: Final = 6_144
"""Servers and clients in use take a header of 8 KiB, its name and line end included."""
Of = Literal["request", "answer", "text"]

_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_SALT = re.compile(r"[\w-]{22}", re.ASCII)
_FIX: Final = "ask the provider; without a receipt that verifies, only your own record says it"


@final
@dataclass(frozen=True)
class Salted:
    """A digest of a value behind 128 random bits: it proves a text that one has and reveals none."""

    salt: str
    digest: Digest

    @classmethod
    def make(cls, of: Of, value: Any, salt: str) -> Salted:
        """Raises InputError for a value that no canonical JSON can hold: a number beyond a double's."""
        return cls(salt, digest.of_bytes(_opening(of, salt) + decoded(value) + b"}"))

    def fits(self, of: Of, value: Any) -> bool:
        """Whether it is the digest of this value."""
        try:
            return Salted.make(of, value, self.salt) == self
        except InputError:
            return False

    def to_json(self) -> dict[str, str]:
        return {"salt": self.salt, "digest": self.digest}


@final
class Payloads:
    """The digest of a stream, the list of its data payloads, as they pass. Equal to ``Salted.make`` of it."""

    def __init__(self, salt: str) -> None:
        self._salt = salt
        self._state = digest.Running(_opening("answer", salt) + b"[")
        self._first = True

    def add(self, payload: str) -> None:
        self._state.add((("" if self._first else ",") + encode_basestring(payload)).encode())
        self._first = False

    @property
    def salted(self) -> Salted:
        """Of all payloads so far. Nothing is added after it."""
        self._state.add(b"]}")
        return Salted(self._salt, self._state.digest)


def _opening(of: Of, salt: str) -> bytes:
    """Canonical JSON of ``{of, salt, value}`` up to the value."""
    assert _SALT.fullmatch(salt), "a salt has nothing to escape"
    return f'{{"of":"{of}","salt":"{salt}","value":'.encode()


def decoded(value: Any) -> bytes:
    """Canonical JSON of what JSON was decoded to. As RFC 8785 has numbers be doubles, an integer of more than
    53 bits is the double next to it; a lone surrogate is U+FFFD. Raises InputError for infinity."""
    try:
        return digest.canonical(value)
    except InputError:
        return digest.canonical(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, Mapping):
        return {whole_text(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53:
        try:
            return float(value)
        except OverflowError:
            return float("inf")  # which canonical JSON refuses
    return value


def whole_text(text: str) -> str:
    """Joins halves of a surrogate pair; a lone half becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


# What an answer says --------------------------------------------------------------------------------


@final
@dataclass
class Texts:
    """The text of each choice of a chat or text completion, whole or piece by piece: ``content`` of its
    message or delta, else its ``text``. Reasoning, tool calls and refusals are no part of it."""

    _by_index: dict[int, list[str]] = field(default_factory=dict)

    def add(self, value: Any) -> None:
        """Takes a decoded answer, or one decoded payload of a stream. What has no choices adds nothing."""
        choices = value.get("choices") if isinstance(value, dict) else None
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._add_choice(choice)

    def _add_choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index")
        place = index if isinstance(index, int) and not isinstance(index, bool) else 0
        said = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
        text = said.get("content") if isinstance(said, dict) else None
        self._by_index.setdefault(place, []).append(text if isinstance(text, str) else "")

    @property
    def found(self) -> list[str] | None:
        """In order of the choices' index; None when there was no choice at all."""
        texts = [whole_text("".join(pieces)) for _, pieces in sorted(self._by_index.items())]
        return texts or None


# The token ------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True)
class Claims:
    """What a receipt says. ``at`` is in seconds since 1970; ``terms`` the digest of their text; ``purpose``
    and ``registration`` (its digest) are those of a registered customer; completions have a ``text``."""

    issuer: str
    id: str
    tenant: str
    model: str
    at: int
    request: Salted
    answer: Salted
    text: Salted | None = None
    terms: Digest | None = None
    purpose: str | None = None
    registration: Digest | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "iss": self.issuer,
            "jti": self.id,
            "tenant": self.tenant,
            "model": self.model,
            "iat": self.at,
            "request": self.request.to_json(),
            "answer": self.answer.to_json(),
            "text": self.text.to_json() if self.text else None,
            "terms": self.terms,
            "purpose": self.purpose,
            "registration": self.registration,
        }


@final
@dataclass(frozen=True)
class Receipt:
    """A token that was read. Nothing in it is to be believed before ``signed_by`` says so of a key that one
    has from elsewhere; ``key`` is only the id that it names."""

    claims: Claims
    key: Digest
    signed: bytes
    signature: bytes

    def signed_by(self, key: PublicKey) -> bool:
        return key.id == self.key and key.verifies_token(self.signed, self.signature)


def issue(claims: Claims, signer: Signer) -> str:
    """The token. Raises InputError when the claims come to more than a receipt may have."""
    signed = b".".join((_head(signer.public.id), _encode64(digest.canonical(claims.to_json()))))
    token = (signed + b"." + _encode64(signer.sign_token(signed))).decode()
    if len(token) > MOST_BYTES:
        raise InputError(
            expected=f"a receipt of at most {MOST_BYTES:,} bytes",
            found=f"{len(token):,}",
            fix="shorten the purpose of the registration, or the names of issuer and tenant",
        )
    return token


@lru_cache(maxsize=8)
def _head(key: Digest) -> bytes:
    return _encode64(digest.canonical({"alg": "EdDSA", "kid": key, "typ": TYPE}))


def may_be_token(text: str) -> bool:
    """Whether a text has the shape of a token: worth keeping, not yet worth believing."""
    return len(text) <= MOST_BYTES and _TOKEN.fullmatch(text) is not None


def read(token: str) -> Receipt:
    """Reads a token. Raises TamperedError, saying what is wrong, for anything that ``issue`` would not write
    but for claims that it does not know, which are passed over."""
    if not may_be_token(token):
        raise _refused(f"{len(token):,} characters that are no compact JWS")
    head_64, claims_64, signature_64 = token.split(".")
    head, signature = _object(head_64, "header"), _decode64(signature_64, "signature")
    if head.get("alg") != "EdDSA":
        raise _refused(f"the algorithm {head.get('alg')!r:.40}, where only EdDSA counts")
    if set(head) != {"alg", "kid", "typ"}:
        raise _refused(f"a header with {', '.join(sorted(map(repr, head)))[:200]}")
    if head["typ"] != TYPE:
        raise _refused(f"a token of type {head['typ']!r:.40}")
    value = _object(claims_64, "claims")
    try:
        claims = _claims(value)
        key = _digest(head["kid"], "kid")
    except (KeyError, TypeError, ValueError) as error:
        raise _refused(f"claims that are not a receipt's: {type(error).__name__} {error}"[:200]) from None
    if len(signature) != 64:
        raise _refused(f"a signature of {len(signature)} bytes")
    return Receipt(claims, key, f"{head_64}.{claims_64}".encode(), signature)


def _claims(value: Mapping[str, Any]) -> Claims:
    at = value["iat"]
    if isinstance(at, bool) or not isinstance(at, int) or not 0 <= at < 2**53:
        raise ValueError("iat is no time")
    purpose, text = value["purpose"], value["text"]
    terms, registration = value["terms"], value["registration"]
    return Claims(
        _string(value["iss"], "iss"),
        _string(value["jti"], "jti"),
        _string(value["tenant"], "tenant"),
        _string(value["model"], "model"),
        at,
        _salted(value["request"]),
        _salted(value["answer"]),
        None if text is None else _salted(text),
        None if terms is None else _digest(terms, "terms"),
        None if purpose is None else _string(purpose, "purpose"),
        None if registration is None else _digest(registration, "registration"),
    )


def _salted(value: Any) -> Salted:
    if not isinstance(value, dict) or set(value) != {"salt", "digest"}:
        raise ValueError("not a salt and a digest")
    salt = _string(value["salt"], "salt")
    if not _SALT.fullmatch(salt):
        raise ValueError("a salt that is not 16 bytes")
    return Salted(salt, _digest(value["digest"], "digest"))


def _string(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is no text")
    return value


def _digest(value: Any, name: str) -> Digest:
    try:
        digest.to_raw(value)
    except (InputError, TypeError):
        raise ValueError(f"{name} is no digest") from None
    return Digest(value)


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        value = strict_json.parse(_decode64(text, what).decode())
    except ValueError:
        raise _refused(f"a {what} that is not JSON in UTF-8, each field once") from None
    if not isinstance(value, dict):
        raise _refused(f"a {what} that is no JSON object")
    return value


def _encode64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode64(text: str, what: str) -> bytes:
    """Of all texts that decode to the same bytes, only one is let through."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        data = b""
    if _encode64(data) != text.encode():
        raise _refused(f"a {what} that is not base64url as it is written")
    return data


def _refused(found: str) -> TamperedError:
    return TamperedError(
        expected="a receipt: a compact JWS signed with Ed25519 (docs/receipts.md)", found=found, fix=_FIX
    )
