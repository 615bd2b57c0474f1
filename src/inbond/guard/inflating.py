"""An answer that comes compressed although none was asked for so: gzip is unpacked here, piece by piece, and
its end is looked for. Pure.

The HTTP library unpacks too, and takes a gzip that was cut for a whole one: half an answer would be passed
on, signed and paid as if it were all of it. Other encodings are refused.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final, Literal, final

PIECE: Final = 65_536
"""Bytes that are unpacked at once: a thousandth of them may be enough to make a piece."""
_GZIP: Final = 16 + zlib.MAX_WBITS


def encoding_of(headers: Iterable[str]) -> Literal["identity", "gzip", "other"]:
    """How an answer is packed, out of its Content-Encoding headers. What is packed twice is ``other``."""
    found = [each.strip().lower() for header in headers for each in header.split(",")]
    named = [each for each in found if each not in ("", "identity")]
    if not named:
        return "identity"
    return "gzip" if named in (["gzip"], ["x-gzip"]) else "other"


class BrokenEncodingError(ValueError):
    """What came is not gzip, or not all of it."""


@final
class Gzip:
    """RFC 1952: one member or several. Nothing at all is an empty answer, as servers send it."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What these bytes unpack to, in pieces of at most PIECE bytes. Raises BrokenEncodingError."""
        more = bool(data)
        while more:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            piece = self._piece(data)
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            more = bool(data) or (len(piece) == PIECE and not self._member.eof)  # zlib may hold some back
            if piece:
                yield piece

    def _piece(self, data: bytes) -> bytes:
        self._begun = True
        try:
            return self._member.decompress(data, PIECE)
        except zlib.error as error:
            raise BrokenEncodingError(f"it is no gzip: {error}") from None

    def finish(self) -> None:
        """Raises BrokenEncodingError when more should have come."""
        if self._begun and not self._member.eof:
            raise BrokenEncodingError("it was cut")
