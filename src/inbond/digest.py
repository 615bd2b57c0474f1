"""The only place where bytes are hashed.

A digest is written ``sha256:<64 hex digits>``. Files are hashed as they are, values as canonical
JSON (RFC 8785), sets of records as a Merkle tree with the hashing of RFC 9162, section 2.1.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NewType

import rfc8785

from inbond.errors import InputError

Digest = NewType("Digest", str)

PREFIX = "sha256:"
_BLOCK = 1 << 20
_FORM = re.compile(r"sha256:[0-9a-f]{64}")
_LARGEST_INTEGER = 2**53 - 1


def of_bytes(data: bytes) -> Digest:
    """Digest of the bytes as they are."""
    return Digest(PREFIX + hashlib.sha256(data).hexdigest())


def of_file(path: Path) -> Digest:
    """Digest of a file's bytes, read in blocks. Raises OSError as ``open`` does."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            state.update(block)
    return Digest(PREFIX + state.hexdigest())


def canonical(value: Any) -> bytes:
    """Canonical JSON (RFC 8785) of dicts, lists, strings, finite numbers, booleans and None.

    Raises InputError for what canonical JSON cannot hold: NaN, integers of more than 53 bits,
    lone surrogates, keys that are not strings, nesting that is too deep, other types.
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise InputError(
            expected="a value that canonical JSON (RFC 8785) can hold",
            found=str(error),
            fix="use strings, finite numbers, integers under 2^53, booleans, null, lists and objects",
        ) from error


def parse(data: bytes) -> Any:
    """Reads back what ``canonical`` wrote: ``canonical(parse(data)) == data``.

    Plain ``json.loads`` would turn the float 1e17, which RFC 8785 writes as an integer, into an
    integer that canonical JSON refuses. Raises ValueError when ``data`` is not JSON in UTF-8.
    """
    try:
        return json.loads(data.decode(), parse_int=_parse_integer)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _parse_integer(text: str) -> int | float:
    number = int(text)
    return number if abs(number) <= _LARGEST_INTEGER else float(text)


def of_value(value: Any) -> Digest:
    """Digest of a value's canonical JSON. Raises InputError as ``canonical`` does."""
    return of_bytes(canonical(value))


def to_raw(digest: Digest) -> bytes:
    """The 32 bytes behind a digest. Raises InputError when it is not one, written in exactly one way."""
    if not _FORM.fullmatch(digest):
        raise InputError(
            expected="a digest such as sha256:<64 hex digits>", found=repr(digest), fix="copy it again, whole"
        )
    return bytes.fromhex(digest.removeprefix(PREFIX))


def from_raw(raw: bytes) -> Digest:
    """The digest that is written for 32 raw bytes."""
    assert len(raw) == 32, "a SHA-256 digest has 32 bytes"
    return Digest(PREFIX + raw.hex())


def leaf_hash(data: bytes) -> bytes:
    """RFC 9162, 2.1.1: the hash of one entry, set apart from inner nodes by a zero byte."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 9162, 2.1.1: the hash of an inner node over the hashes of its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def merkle_root(leaves: Iterable[bytes]) -> Digest:
    """Root of the Merkle tree over ``leaves`` (each entry's bytes, in order), RFC 9162, 2.1.1."""
    level: Sequence[bytes] = [leaf_hash(leaf) for leaf in leaves]
    if not level:
        return of_bytes(b"")
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        # An odd node rises unchanged: the same tree as the RFC's split at the largest power of two.
        level = paired + list(level[len(paired) * 2 :])
    return from_raw(level[0])
