"""The public keys of those who issue receipts: JWKS (RFC 7517, 8037), as a provider serves them and as a
customer keeps them. Pure but for ``read_issuer_keys``."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from inbond import digest
from inbond.digest import Digest
from inbond.errors import InputError
from inbond.ledger.attest import PublicKey

WELL_KNOWN: Final = "/.well-known/inbond/keys.json"
MOST_BYTES: Final = 65_536
Keys = Mapping[Digest, PublicKey]


def encode(keys: Iterable[PublicKey]) -> bytes:
    """The key in use first, then those that signed before it: their receipts stay good."""
    return digest.canonical({"keys": [to_jwk(key) for key in keys]})


def to_jwk(key: PublicKey) -> dict[str, str]:
    """An octet key pair (RFC 8037); ``kid`` is the key's id, the digest of its 32 bytes."""
    x = base64.urlsafe_b64encode(key.raw).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.id, "x": x}


def decode(data: bytes) -> dict[Digest, PublicKey]:
    """The Ed25519 keys in a key set, by id; keys of other kinds are passed over, as RFC 7517 asks.

    Raises ValueError when it is no key set, or a key's id is not its own.
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES:,} bytes")
    try:
        value = json.loads(data)
        listed = value["keys"]
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("no JSON object with keys") from error
    if not isinstance(listed, list):
        raise ValueError("keys that are no list")
    mine = [item for item in listed if isinstance(item, dict) and item.get("crv") == "Ed25519"]
    return {key.id: key for key in map(_from_jwk, mine)}


def _from_jwk(item: Mapping[str, Any]) -> PublicKey:
    x, kid = item.get("x"), item.get("kid")
    if item.get("kty") != "OKP" or not isinstance(x, str) or "d" in item:
        raise ValueError("an Ed25519 key that is no public OKP key")
    raw = base64.urlsafe_b64decode(x + "=" * (-len(x) % 4))
    key = PublicKey(raw)
    if len(raw) != 32 or to_jwk(key)["x"] != x or kid != key.id:
        raise ValueError(f"a key whose kid is not the digest of its 32 bytes: {kid!r:.80}")
    return key


def read_issuer_keys(path: Path) -> dict[Digest, PublicKey]:
    """Reads a file that pins them: a key set, or one public key in PEM. Raises InputError."""
    try:
        data = path.read_bytes()
        if data.lstrip().startswith(b"-----BEGIN"):
            key = PublicKey.from_pem(data)
            return {key.id: key}
        found = decode(data)
        if not found:
            raise ValueError("no Ed25519 key in it")
    except (OSError, ValueError) as error:
        raise InputError(
            expected=f"the public keys of an issuer of receipts at {path}: a JWK set, or one key in PEM",
            found=str(error),
            fix=f"save what the provider serves at {WELL_KNOWN}, or publishes elsewhere",
        ) from error
    return found
