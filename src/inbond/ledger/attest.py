"""Keys and signatures: Ed25519, one key a user in use, kept under the configuration folder.

A signature is made over a short purpose, a zero byte and the raw 32 bytes of a digest, so that what
was signed as an event can never be shown as a tree head, nor the other way round. Envelopes that other
tools read are signed as DSSE says (github.com/secure-systems-lab/dsse, v1), over bytes that begin with
``DSSEv1``: no purpose does. Tokens are signed as JWS says (RFC 7515), over letters of base64url and a dot, of
which neither of the others consists. A key's id is the digest of its raw 32-byte public key.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from inbond import digest
from inbond.digest import Digest
from inbond.errors import InputError
from inbond.workspace import PRIVATE_DIR, PRIVATE_FILE, config_folder, locked, write_bytes, writing

Purpose = Literal["inbond.event/1", "inbond.head/1"]
"""What a signature is for; the name of the format that is signed."""

ALGORITHM: Final = "ed25519"
_PRIVATE_NAME: Final = "signing.pem"
_RETIRED: Final = "signing-*.pem"
_TOKEN = re.compile(rb"[\w-]+\.[\w-]+")
_RAW = serialization.Encoding.Raw, serialization.PublicFormat.Raw


def _message(purpose: Purpose, signed: Digest) -> bytes:
    return purpose.encode() + b"\x00" + digest.to_raw(signed)


def envelope_message(payload_type: str, payload: bytes) -> bytes:
    """What is signed of a DSSE envelope: its pre-authentication encoding, PAE."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@final
@dataclass(frozen=True)
class PublicKey:
    """An Ed25519 public key, 32 raw bytes."""

    raw: bytes

    @cached_property
    def id(self) -> Digest:
        return digest.of_bytes(self.raw)

    @cached_property
    def _key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.raw)

    @classmethod
    def from_pem(cls, data: bytes) -> PublicKey:
        """Reads what ``to_pem`` writes. Raises ValueError when it is not an Ed25519 public key in PEM."""
        try:
            key = serialization.load_pem_public_key(data)
        except UnsupportedAlgorithm as error:
            raise ValueError(str(error)) from error
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError(f"a {type(key).__name__}")
        return cls(key.public_bytes(*_RAW))

    def to_pem(self) -> str:
        """SubjectPublicKeyInfo in PEM, as other tools read it."""
        kind = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_bytes(serialization.Encoding.PEM, kind).decode()

    def verifies(self, purpose: Purpose, signed: Digest, signature: bytes) -> bool:
        """Whether ``signature`` was made by this key, for this purpose, over this digest."""
        return self._made(signature, _message(purpose, signed))

    def verifies_envelope(self, payload_type: str, payload: bytes, signature: bytes) -> bool:
        """Whether ``signature`` was made by this key over a DSSE envelope of this type and payload."""
        return self._made(signature, envelope_message(payload_type, payload))

    def verifies_token(self, text: bytes, signature: bytes) -> bool:
        """Whether ``signature`` was made by this key over a JWS signing input (RFC 7515, 5.1)."""
        return self._made(signature, text)

    def _made(self, signature: bytes, message: bytes) -> bool:
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


@final
@dataclass(frozen=True)
class Signer:
    """A private key in memory. Never printed, never stored but by KeyStore."""

    private: Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"Signer({self.public.id})"

    @cached_property
    def public(self) -> PublicKey:
        return PublicKey(self.private.public_key().public_bytes(*_RAW))

    def sign(self, purpose: Purpose, signed: Digest) -> bytes:
        """64 bytes, always the same for the same purpose and digest."""
        return self.private.sign(_message(purpose, signed))

    def sign_envelope(self, payload_type: str, payload: bytes) -> bytes:
        """64 bytes, the signature of a DSSE envelope."""
        return self.private.sign(envelope_message(payload_type, payload))

    def sign_token(self, text: bytes) -> bytes:
        """64 bytes, the signature of a JWS signing input."""
        assert _TOKEN.fullmatch(text), "nothing else looks like it"
        return self.private.sign(text)


@final
@dataclass(frozen=True)
class Rotation:
    """A change of keys. ``kept`` is the file that holds the old private key from now on."""

    old: PublicKey
    new: PublicKey
    kept: Path


@final
class KeyStore:
    """The folder that holds the user's signing key, and those that it took over from.

    The folder is 0700, key files 0600. The key appears whole or not at all: processes that start
    together take turns on a lock file and end up with one key; a crash leaves none, or a whole one. A
    crash while keys are changed leaves the old one in use, or the new one with the old one kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def default(cls) -> KeyStore:
        """The user's own: ``$XDG_CONFIG_HOME/inbond/keys``, else ``~/.config/inbond/keys``."""
        return cls(config_folder(os.environ) / "keys")

    def signer(self) -> Signer:
        """The user's signing key, made now if there is none.

        Raises UnwritableError when it cannot be made, InputError when the file is not a key or can be
        read by others.
        """
        path = self.folder / _PRIVATE_NAME
        if not path.exists():
            self._make(path)
        return _read_private(path)

    def public_keys(self) -> tuple[PublicKey, ...]:
        """The public half of the key in use, if there is one; makes none. Raises InputError as ``signer``."""
        path = self.folder / _PRIVATE_NAME
        return (_read_private(path).public,) if path.exists() else ()

    def retired(self) -> tuple[Signer, ...]:
        """The kept keys that signed before the one in use, the latest first. They sign nothing but the
        introduction of the key in use. Raises InputError as ``signer``, for each of them."""
        in_use = {key.id for key in self.public_keys()}
        kept = [_read_private(path) for path in sorted(self.folder.glob(_RETIRED), reverse=True)]
        return tuple(signer for signer in kept if signer.public.id not in in_use)

    def usable(self) -> tuple[list[Signer], list[InputError]]:
        """The key in use and the kept ones, the latest first, for whoever can do without; and what is wrong
        with those that cannot be used. Makes none."""
        signers: list[Signer] = []
        refused: list[InputError] = []
        for path in (self.folder / _PRIVATE_NAME, *sorted(self.folder.glob(_RETIRED), reverse=True)):
            try:
                signers.append(_read_private(path))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except InputError as error:
                refused.append(error)
        return signers, refused

    def last_rotation(self) -> Rotation | None:
        """The latest change of keys, None when there was none or the old key's file is gone. Raises as
        ``signer``."""
        for in_use in self.public_keys():
            for path in sorted(self.folder.glob(_RETIRED), reverse=True):
                old = _read_private(path).public
                if old != in_use:
                    return Rotation(old, in_use, path)
        return None

    def rotate(self) -> Rotation:
        """Makes a new key and keeps the old one as ``signing-<time>.pem``, to introduce the new one with.

        Raises InputError when there is no key to change, UnwritableError.
        """
        path = self.folder / _PRIVATE_NAME
        if not path.exists():
            raise InputError(
                expected=f"a signing key at {path} to change for a new one",
                found="none",
                fix="inbond keys show makes one; if yours was lost, that is how a new one begins",
            )
        with locked(self.folder / ".lock"):
            self._sweep()
            old = _read_private(path)
            kept = self.folder / f"signing-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.pem"
            write_bytes(kept, path.read_bytes(), PRIVATE_FILE)
            new = Signer(Ed25519PrivateKey.generate())
            write_bytes(path, _encode_private(new.private), PRIVATE_FILE)
        return Rotation(old.public, new.public, kept)

    def _sweep(self) -> None:
        """Removes what a kill left half-done: a file half-written, a copy of the key that is still in use."""
        in_use = (self.folder / _PRIVATE_NAME).read_bytes()
        copies = [path for path in self.folder.glob(_RETIRED) if path.read_bytes() == in_use]
        with writing(self.folder):
            for left in [*self.folder.glob(".signing*.pem.*"), *copies]:
                left.unlink()

    def _make(self, path: Path) -> None:
        with writing(self.folder):
            self.folder.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
            self.folder.chmod(PRIVATE_DIR)
        with locked(self.folder / ".lock"):
            if not path.exists():
                write_bytes(path, _encode_private(Ed25519PrivateKey.generate()), PRIVATE_FILE)


def _encode_private(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _read_private(path: Path) -> Signer:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise InputError(
            expected=f"a signing key at {path} that only its owner can read",
            found=f"mode {mode:04o}",
            fix=f"chmod 600 {path}; if others may have read it, move it away and a new one is made",
        )
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm, PermissionError) as error:
        raise _not_a_key(path, "private", str(error)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _not_a_key(path, "private", f"a {type(key).__name__}")
    return Signer(key)


def read_public_key(path: Path) -> PublicKey:
    """Reads a PEM file as ``inbond keys show`` prints it. Raises InputError."""
    try:
        return PublicKey.from_pem(path.read_bytes())
    except (ValueError, OSError) as error:
        raise _not_a_key(path, "public", str(error)) from error


def _not_a_key(path: Path, which: str, found: str) -> InputError:
    fix = {
        "public": "save the public key with: inbond keys show > key.pem",
        "private": "restore the file from a backup, or move it away and a new key is made",
    }[which]
    return InputError(expected=f"an Ed25519 {which} key in PEM at {path}", found=found, fix=fix)
