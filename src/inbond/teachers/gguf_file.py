"""Reads the head of a GGUF file and checks that what it promises is there. Nothing is executed.

llama.cpp may end the whole process on a broken file, so a file is looked at here first: magic,
version, metadata (``policy.gguf_header``), and every tensor's extent against the file's size. Source:
the GGUF specification, versions 2 and 3 (little-endian).
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from inbond.errors import InputError
from inbond.policy.gguf_header import Header

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

    @property
    def architecture(self) -> str:
        """As llama.cpp names it, such as llama or qwen3."""
        return str(self.metadata["general.architecture"])

    @property
    def parameters(self) -> int:
        """Numbers in all tensors: the model's size as people name it, within a few frequencies."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors)

    @property
    def context(self) -> int | None:
        """Tokens of the context that it was made for; None where the file does not say."""
        return self.own("context_length")

    def own(self, key: str) -> int | None:
        """A whole number that is positive, from the metadata under the architecture's name."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def read_head(path: Path) -> GgufHead:
    """Reads and checks. Raises InputError when the file is missing, no GGUF, cut short or broken."""
    try:
        size = os.path.getsize(path)
        with path.open("rb") as file:
            return _head(Header(file), file, size)
    except OSError as error:
        raise InputError(
            expected=f"a GGUF file at {path}",
            found=error.strerror or str(error),
            fix="check the path and its rights",
        ) from error
    except ValueError as error:
        raise InputError(
            expected=f"a whole GGUF file (version 2 or 3) at {path}",
            found=str(error),
            fix="fetch the file again and compare its SHA-256 with the publisher's",
        ) from error


def _head(header: Header, file: BinaryIO, size: int) -> GgufHead:
    metadata = {key: len(value) if isinstance(value, list) else value for key, value in header.key_values()}
    tensors = tuple(_tensor(header) for _ in range(header.tensors))
    _check_extents(tensors, metadata.get("general.alignment", 32), file.tell(), size)
    if not tensors or not isinstance(metadata.get("general.architecture"), str):
        raise ValueError("it names no architecture or holds no tensors")
    return GgufHead(header.version, metadata, tensors)


def _check_extents(tensors: tuple[Tensor, ...], alignment: Any, end_of_head: int, size: int) -> None:
    if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20 or alignment % 8:
        raise ValueError(f"an alignment of {alignment}")
    start = -(-end_of_head // alignment) * alignment
    for tensor in tensors:
        end = start + tensor.offset + tensor.bytes
        if tensor.offset % alignment or end > size:
            raise ValueError(
                f"tensor {tensor.name!r} would end at byte {end} of {size}: the file was cut short or changed"
            )


def _tensor(header: Header) -> Tensor:
    name = header.text()
    dimensions = header.number("<I")
    if not 0 < dimensions <= _MOST_DIMENSIONS:
        raise ValueError(f"tensor {name!r} has {dimensions} dimensions")
    shape = tuple(header.number("<Q") for _ in range(dimensions))
    kind, offset = header.number("<I"), header.number("<Q")
    if not all(shape) or math.prod(shape) > 1 << 48:
        raise ValueError(f"tensor {name!r} has the shape {shape}")
    return Tensor(name, shape, kind, offset)
