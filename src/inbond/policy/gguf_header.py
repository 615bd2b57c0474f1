"""The metadata of a GGUF header: a list of typed key-values, and nothing of the weights. Hostile input. Pure
but for the open file that it is given.

Every length is checked against the file before it is believed; whatever is wrong is a ValueError: what that
means is for whoever asked. Source: the GGUF specification, versions 2 and 3 (little-endian).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, final

MAGIC = b"GGUF"
VERSIONS = (2, 3)
_SCALARS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_GENERAL = "general."
_MOST_TEXT = _MOST_ITEMS = 1 << 26
_MOST_ENTRIES = 1 << 20
_MOST_KEPT = 10_000
"""Texts of one array that are kept."""


@final
class Header:
    """A header that is read from its beginning: first ``key_values``, then whatever follows them.

    Raises ValueError when the file is no GGUF, or of a version that is not known.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        file.seek(0)
        magic = file.read(4)
        if magic != MAGIC:
            raise ValueError(f"it is not a GGUF file: it begins with {magic!r}, not {MAGIC!r}")
        self.version: int = self.number("<I")
        if self.version not in VERSIONS:
            raise ValueError(f"version {self.version}, where 2 and 3 are known")
        self.tensors: int = self.number("<Q")
        self._pairs: int = self.number("<Q")
        if max(self.tensors, self._pairs) > _MOST_ENTRIES:
            raise ValueError(f"it claims {self.tensors} tensors and {self._pairs} metadata entries")

    def key_values(self) -> Iterator[tuple[str, Any]]:
        """All metadata in order, each key once. An array is given as its length; of texts under ``general.``,
        as a list."""
        seen: set[str] = set()
        for _ in range(self._pairs):
            key = self.text()
            if key in seen:
                raise ValueError(f"{key!r:.80} is given twice")
            seen.add(key)
            yield key, self._value(self.number("<I"), keep=key.startswith(_GENERAL))

    def text(self) -> str:
        """A text with its length before it."""
        length: int = self.number("<Q")
        if length > _MOST_TEXT:
            raise ValueError(f"a text of {length} bytes")
        try:
            return self._exactly(length).decode()
        except UnicodeDecodeError as error:
            raise ValueError("a text that is not UTF-8") from error

    def number(self, form: str) -> Any:
        """A number as ``struct`` names it."""
        return struct.unpack(form, self._exactly(struct.calcsize(form)))[0]

    def _value(self, kind: int, *, keep: bool) -> Any:
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY:
            raise ValueError(f"metadata of the unknown type {kind}")
        item, count = self.number("<I"), self.number("<Q")
        if count > _MOST_ITEMS:
            raise ValueError(f"an array of {count} items")
        if item in _SCALARS:
            self._skip(count * struct.calcsize(_SCALARS[item]))
        elif item != _STRING:
            raise ValueError(f"an array of the type {item}")
        elif keep and count <= _MOST_KEPT:
            return [self.text() for _ in range(count)]
        else:
            for _ in range(count):
                self._skip(self.number("<Q"))
        return count

    def _skip(self, length: int) -> None:
        self._check(length)
        self._file.seek(length, os.SEEK_CUR)

    def _exactly(self, length: int) -> bytes:
        self._check(length)
        return self._file.read(length)

    def _check(self, length: int) -> None:
        if length > self._size - self._file.tell():
            raise ValueError("the file ends in its header: it was cut short")


def general(file: BinaryIO) -> dict[str, Any]:
    """The ``general.`` values of a header. Raises ValueError as ``Header``."""
    return {key: value for key, value in Header(file).key_values() if key.startswith(_GENERAL)}
