"""Reads the head of a GGUF file and checks that what it promises is there. Nothing is executed.

llama.cpp may end the whole process on a broken file, so a file is looked at here first: magic,
version, metadata, and every tensor's extent against the file's size. Source: the GGUF
specification, versions 2 and 3 (little-endian).
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, final

from inbond.errors import InputError

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SCALARS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_MOST_ITEMS = 1 << 26
_MOST_TEXT = 1 << 26
_MOST_TENSORS = 1 << 20
_MOST_DIMENSIONS = 4

# Elements and bytes of one block, by ggml type.
_BLOCKS: dict[int, tuple[int, int]] = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110),
    22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8),
    29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """One tensor's head. ``offset`` counts from the start of the data section, in bytes."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int

    @property
    def bytes(self) -> int:
        """Size of its data; a type we do not know counts one byte, so only its start is checked."""
        elements, size = _BLOCKS.get(self.kind, (0, 0))
        return math.prod(self.shape) // elements * size if elements else 1


@dataclass(frozen=True)
class GgufHead:
    """Metadata (arrays are given as their length) and tensors of one file."""

    version: int
    metadata: dict[str, Any]
    tensors: tuple[Tensor, ...]


def read_head(path: Path) -> GgufHead:
    """Reads and checks. Raises InputError when the file is missing, no GGUF, cut short or broken."""
    try:
        size = os.path.getsize(path)
        with path.open("rb") as file:
            return _Reader(path, file, size).head()
    except OSError as error:
        raise InputError(
            expected=f"a GGUF file at {path}",
            found=error.strerror or str(error),
            fix="check the path and its rights",
        ) from error


@final
class _Reader:
    """One pass over a file's head. Every length is checked against the file before it is believed."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self._path = path
        self._file = file
        self._size = size

    def head(self) -> GgufHead:
        magic = self._file.read(4)
        if magic != MAGIC:
            raise self._broken(f"it begins with {magic!r}, not {MAGIC!r}")
        version = self._number("<I")
        if version not in _VERSIONS:
            raise self._broken(f"version {version}, where 2 and 3 are known")
        tensors, pairs = self._number("<Q"), self._number("<Q")
        if tensors > _MOST_TENSORS or pairs > _MOST_TENSORS:
            raise self._broken(f"it claims {tensors} tensors and {pairs} metadata entries")
        metadata: dict[str, Any] = {}
        for _ in range(pairs):
            key = self._text()
            metadata[key] = self._value(self._number("<I"))
        heads = tuple(self._tensor() for _ in range(tensors))
        self._check_extents(heads, metadata.get("general.alignment", 32))
        if not heads or not isinstance(metadata.get("general.architecture"), str):
            raise self._broken("it names no architecture or holds no tensors")
        return GgufHead(version, metadata, heads)

    def _check_extents(self, tensors: tuple[Tensor, ...], alignment: Any) -> None:
        if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20 or alignment % 8:
            raise self._broken(f"an alignment of {alignment}")
        start = -(-self._file.tell() // alignment) * alignment
        for tensor in tensors:
            end = start + tensor.offset + tensor.bytes
            if tensor.offset % alignment or end > self._size:
                raise self._broken(
                    f"tensor {tensor.name!r} would end at byte {end} of {self._size}: "
                    "the file was cut short or changed"
                )

    def _tensor(self) -> Tensor:
        name = self._text()
        dimensions = self._number("<I")
        if not 0 < dimensions <= _MOST_DIMENSIONS:
            raise self._broken(f"tensor {name!r} has {dimensions} dimensions")
        shape = tuple(self._number("<Q") for _ in range(dimensions))
        kind, offset = self._number("<I"), self._number("<Q")
        if not all(shape) or math.prod(shape) > 1 << 48:
            raise self._broken(f"tensor {name!r} has the shape {shape}")
        return Tensor(name, shape, kind, offset)

    def _value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self._number(_SCALARS[kind])
        if kind == _STRING:
            return self._text()
        if kind == _ARRAY:
            return self._skip_array()
        raise self._broken(f"metadata of the unknown type {kind}")

    def _skip_array(self) -> int:
        kind: int = self._number("<I")
        length: int = self._number("<Q")
        if length > _MOST_ITEMS:
            raise self._broken(f"an array of {length} items")
        if kind in _SCALARS:
            self._skip(struct.calcsize(_SCALARS[kind]) * length)
        elif kind == _STRING:
            for _ in range(length):
                self._skip(self._number("<Q"))
        else:
            raise self._broken(f"an array of the type {kind}")
        return length

    def _skip(self, count: int) -> None:
        if count > self._size - self._file.tell():
            raise self._broken("it ends within its metadata: the file was cut short")
        self._file.seek(count, os.SEEK_CUR)

    def _text(self) -> str:
        length = self._number("<Q")
        if length > _MOST_TEXT:
            raise self._broken(f"a text of {length} bytes")
        data = self._file.read(length)
        if len(data) != length:
            raise self._broken("it ends within its metadata: the file was cut short")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise self._broken("a text that is not UTF-8") from error

    def _number(self, form: str) -> Any:
        data = self._file.read(struct.calcsize(form))
        if len(data) != struct.calcsize(form):
            raise self._broken("it ends within its metadata: the file was cut short")
        return struct.unpack(form, data)[0]

    def _broken(self, found: str) -> InputError:
        return InputError(
            expected=f"a whole GGUF file (version 2 or 3) at {self._path}",
            found=found,
            fix="fetch the file again and compare its SHA-256 with the publisher's",
        )
