"""Envelopes: hidden reasoning that a client carries and cannot read, move or edit. Pure.

AES-256-GCM, with a key for each envelope: HMAC-SHA256 of the ring's key over 12 of its 24 random bytes, the
other 12 being the nonce, so that no number of envelopes wears a key out. Layout, before base64url::

    version 1 | key id 4 | random 24 | expires 8 | owner 16 | place 16 | ciphertext of padded text | tag 16

All before the ciphertext is associated data. ``owner`` stands for tenant and account, ``place`` for model and
conversation: both are MACs salted with the random bytes, so that two envelopes tell nobody else whether they
belong together. The text is padded with its length to a power of two, of 1,024 bytes at least: the length
tells its order of magnitude (which the count of tokens tells anyway) and no more.

What an opened envelope proves, and its order: authentic under a key of the ring, then not expired, then
whose. Only one that is authentic, current and another's is ``foreign``. Whatever else is wrong is
``rejected``, which is no ground for suspicion: histories get cut, keys retire, models change.
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
_HEAD: Final = struct.Struct(">B4s24sQ16s16s")
_VERSION: Final = 1
_LEAST: Final = 1_024
_TAG: Final = 16

Outcome = Literal["ok", "rejected", "foreign"]


@final
@dataclass(frozen=True)
class Binding:
    """Whose reasoning it is, of which model, after what was said (``conversation.prefixes``)."""

    tenant: str
    account: str
    model: str
    conversation: Digest


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
        """The key of the two MACs, apart from that of the text."""
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
    """``text`` only where the outcome is ok."""

    outcome: Outcome
    text: str | None = None


_REJECTED: Final = Opened("rejected")


def seal(ring: Ring, binding: Binding, text: str, *, expires: int, random: bytes) -> str:
    """An envelope. ``expires`` in seconds since 1970; ``random`` are 24 bytes that are never used again."""
    assert len(random) == RANDOM_BYTES
    key = ring.newest
    owner, place = _marks(key, random, binding)
    head = _HEAD.pack(_VERSION, key.id, random, expires, owner, place)
    data = _cipher(key, random).encrypt(random[12:], _padded(text), head)
    return f"{MARK}{base64.urlsafe_b64encode(head + data).decode().rstrip('=')}."


def open_sealed(ring: Ring, binding: Binding, envelope: str, *, now: float) -> Opened:
    """Opens an envelope for whom ``binding`` names. Raises nothing, whatever it is given."""
    raw = _raw(envelope)
    if raw is None or len(raw) < _HEAD.size + _LEAST + _TAG:
        return _REJECTED
    version, key_id, random, expires, owner, place = _HEAD.unpack_from(raw)
    key = ring.find(key_id)
    if version != _VERSION or key is None:
        return _REJECTED
    try:
        padded = _cipher(key, random).decrypt(random[12:], raw[_HEAD.size :], raw[: _HEAD.size])
    except InvalidTag:
        return _REJECTED
    our_owner, our_place = _marks(key, random, binding)
    if expires <= now:
        return _REJECTED
    if not hmac.compare_digest(owner, our_owner):
        return Opened("foreign")
    if not hmac.compare_digest(place, our_place):
        return _REJECTED
    return Opened("ok", _unpadded(padded))


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


def _marks(key: SealKey, random: bytes, binding: Binding) -> tuple[bytes, bytes]:
    """What stands for the owner and for the place."""
    return (
        _mark(key, random, b"owner", binding.tenant, binding.account),
        _mark(key, random, b"place", binding.model, binding.conversation),
    )


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
