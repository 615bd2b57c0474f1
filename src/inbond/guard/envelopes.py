"""Envelopes: hidden reasoning that a client carries and cannot read, move or edit. Pure.

AES-256-GCM, with a key for each envelope: HMAC-SHA256 of the ring's key over 12 of its 24 random bytes, the
other 12 being the nonce, so that no number of envelopes wears a key out. Layout, before base64url::

    version 2 | key id 4 | random 24 | expires 8 | owner 16 | tenant 16 | org 16 | place 16
    | ciphertext of padded text | tag 16

All before the ciphertext is associated data. ``owner`` stands for tenant and account, ``org`` for the
verified organisation (the tenant's again where nobody verified one), ``place`` for model and conversation:
all are MACs salted with the random bytes, so that two envelopes tell nobody else whether they belong
together. The text is padded with its length to a power of two, of 1,024 bytes at least: the length tells its
order of magnitude (which the count of tokens tells anyway) and no more.

What an opened envelope proves, and its order: authentic under a key of the ring, then not expired, then
whose. Only one that is authentic, current and of strangers is ``foreign``: colleagues of one tenant, or of
one verified organisation, hand histories to each other. Whatever else is wrong is ``rejected``, which is no
ground for suspicion: histories get cut, keys retire, models change. A foreign one has a number, the same
wherever it is handed back, so that one that stays in a history counts once and one that went round is known.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from inbond.digest import Digest

MARK: Final = "ibs1."
"""How an envelope begins; it ends in a full stop, so that envelopes can stand one after the other."""
ENVELOPE: Final = re.compile(r"ibs1\.([A-Za-z0-9_-]*)\.")
RANDOM_BYTES: Final = 24
KEY_BYTES: Final = 32
_HEAD: Final = struct.Struct(">B4s24sQ16s16s16s16s")
_VERSION: Final = 2
_LEAST: Final = 1_024
_TAG: Final = 16

Outcome = Literal["ok", "rejected", "foreign"]


@final
@dataclass(frozen=True)
class Binding:
    """Whose reasoning it is, of which model, after what was said (``conversation.prefixes``). ``org`` is the
    tenant's verified organisation, None where nobody checked."""

    tenant: str
    account: str
    model: str
    conversation: Digest
    org: str | None = None


@final
@dataclass(frozen=True)
class SealKey:
    """``id`` has 4 bytes, ``secret`` 32; ``made`` is in seconds since 1970."""

    id: bytes
    secret: bytes
    made: float

    def __repr__(self) -> str:
        return f"SealKey({self.id.hex()})"

    @cached_property
    def marking(self) -> bytes:
        """The key of the MACs, apart from that of the text."""
        return hmac.digest(self.secret, b"inbond seal marks", "sha256")


@final
@dataclass(frozen=True)
class Ring:
    """All keys that open, the oldest first; the last one seals."""

    keys: tuple[SealKey, ...]

    def __post_init__(self) -> None:
        assert self.keys, "a ring has a key"
        assert len(self._by_id) == len(self.keys), "ids are distinct"

    @property
    def newest(self) -> SealKey:
        return self.keys[-1]

    def find(self, key_id: bytes) -> SealKey | None:
        return self._by_id.get(key_id)

    @cached_property
    def _by_id(self) -> Mapping[bytes, SealKey]:
        return {key.id: key for key in self.keys}


@final
@dataclass(frozen=True)
class Opened:
    """``text`` only where the outcome is ok; ``number`` only where it is foreign: 64 bits that stand for the
    envelope and tell nothing of it without the key that made it."""

    outcome: Outcome
    text: str | None = None
    number: int | None = None


_REJECTED: Final = Opened("rejected")


def seal(ring: Ring, binding: Binding, text: str, *, expires: int, random: bytes) -> str:
    """An envelope. ``expires`` in seconds since 1970; ``random`` are 24 bytes that are never used again."""
    assert len(random) == RANDOM_BYTES
    key = ring.newest
    head = _HEAD.pack(_VERSION, key.id, random, expires, *_marks(key, random, binding))
    data = _cipher(key, random).encrypt(random[12:], _padded(text), head)
    return f"{MARK}{base64.urlsafe_b64encode(head + data).decode().rstrip('=')}."


def open_sealed(ring: Ring, binding: Binding, envelope: str, *, now: float) -> Opened:
    """Opens an envelope for whom ``binding`` names. Raises nothing, whatever it is given."""
    raw = _raw(envelope)
    if raw is None or len(raw) < _HEAD.size + _LEAST + _TAG:
        return _REJECTED
    version, key_id, random, expires, *marks = _HEAD.unpack_from(raw)
    key = ring.find(key_id)
    if version != _VERSION or key is None:
        return _REJECTED
    try:
        padded = _cipher(key, random).decrypt(random[12:], raw[_HEAD.size :], raw[: _HEAD.size])
    except InvalidTag:
        return _REJECTED
    ours = _marks(key, random, binding)
    if expires <= now:
        return _REJECTED
    owner, tenant, org, place = map(hmac.compare_digest, marks, ours)
    if not (owner or tenant or org):
        return Opened("foreign", number=_number(key, random))
    return Opened("ok", _unpadded(padded)) if owner and place else _REJECTED


def new_key(random: Callable[[int], bytes], made: float, taken: frozenset[bytes] = frozenset()) -> SealKey:
    """A key whose id is none of ``taken``. ``random`` gives so many bytes of the system's randomness."""
    while (key_id := random(4)) in taken:
        pass
    return SealKey(key_id, random(KEY_BYTES), made)


def _raw(envelope: str) -> bytes | None:
    """Its bytes, if it is written in the one way in which they are written."""
    found = ENVELOPE.fullmatch(envelope)
    if found is None:
        return None
    text = found[1]
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    return raw if base64.urlsafe_b64encode(raw).decode().rstrip("=") == text else None


def _cipher(key: SealKey, random: bytes) -> AESGCM:
    return AESGCM(hmac.digest(key.secret, b"inbond seal text" + random[:12], "sha256"))


def _marks(key: SealKey, random: bytes, binding: Binding) -> tuple[bytes, bytes, bytes, bytes]:
    """What stands for the owner, the tenant, the organisation and the place."""
    org = (b"org", binding.org) if binding.org is not None else (b"no org", binding.tenant)
    return (
        _mark(key, random, b"owner", binding.tenant, binding.account),
        _mark(key, random, b"tenant", binding.tenant),
        _mark(key, random, *org),
        _mark(key, random, b"place", binding.model, binding.conversation),
    )


def _number(key: SealKey, random: bytes) -> int:
    """From 1 to 2^63 - 1: fits a signed column, and 0 can stand for none."""
    return (int.from_bytes(_mark(key, random, b"number")[:8]) >> 1) or 1


def _mark(key: SealKey, random: bytes, kind: bytes, *names: str) -> bytes:
    parts = [name.encode("utf-8", "surrogatepass") for name in names]
    data = kind + random + b"".join(len(part).to_bytes(4) + part for part in parts)
    return hmac.digest(key.marking, data, "sha256")[:16]


def _padded(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    size = max(_LEAST, 1 << (len(data) + 3).bit_length())
    return (len(data).to_bytes(4) + data).ljust(size, b"\0")


def _unpadded(padded: bytes) -> str:
    length = int.from_bytes(padded[:4])
    assert length <= len(padded) - 4, "we sealed it ourselves"
    return padded[4 : 4 + length].decode("utf-8", "surrogatepass")
