"""Plain values out of foreign files: a card's front matter, the header of a GGUF file. Hostile input.

Sizes and counts are bounded before anything is made of them, and whatever is wrong with a file is a
ValueError: what that means is for whoever asked. GGUF metadata is read by a small reader of our own: the
header is a list of typed key-values, and nothing of the weights is touched.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import yaml

CARD_LIMIT = 1 << 20
"""Bytes of a card that are read at most."""
_FRONT_LIMIT = 1 << 18

_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9
_MAX_KEYS, _MAX_STRING, _MAX_ITEMS = 10_000, 1 << 24, 1 << 24

# PyYAML's constructors let these through for values such as 2024-13-45.
_UNREADABLE = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError)


def front_matter(data: bytes) -> Mapping[Any, Any] | None:
    """The YAML front matter of a card; None when it has none. Raises ValueError when it cannot be read."""
    lines = data[:CARD_LIMIT].decode("utf-8-sig", errors="replace").splitlines()
    if not lines or lines[0].strip() != "---":
        return None
    end = next((i for i, line in enumerate(lines[1:], 1) if line.strip() == "---"), None)
    text = "\n".join(lines[1:end])
    if end is None or len(text) > _FRONT_LIMIT:
        raise ValueError("its front matter does not end" if end is None else "its front matter is too long")
    try:
        front = yaml.safe_load(text)
    except _UNREADABLE as error:
        raise ValueError(f"its front matter is not YAML: {error}") from error
    if front is not None and not isinstance(front, dict):
        raise ValueError("its front matter has no fields")
    return front or {}


def json_object(data: bytes) -> Mapping[str, Any]:
    """A JSON object. Raises ValueError when it is none, or nested too deeply."""
    try:
        values = json.loads(data.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(values, dict):
        raise ValueError("it is no JSON object")
    return values


def gguf_general(file: BinaryIO) -> dict[str, Any]:
    """The ``general.`` values of a GGUF header. Raises ValueError when it is not one, or is cut short."""
    try:
        return {key: value for key, value in _key_values(file) if key.startswith("general.")}
    except EOFError as error:
        raise ValueError("the file ends in its header") from error


def _key_values(file: BinaryIO) -> Iterator[tuple[str, Any]]:
    if file.read(4) != b"GGUF" or _number(file, "<I") not in (2, 3):
        raise ValueError("not a GGUF file of version 2 or 3")
    _number(file, "<Q")
    count = _number(file, "<Q")
    if count > _MAX_KEYS:
        raise ValueError("too many keys")
    for _ in range(count):
        key = _string(file)
        yield key, _value(file, _number(file, "<I"))


def _value(file: BinaryIO, kind: int) -> Any:
    if kind in _SCALARS:
        return _number(file, _SCALARS[kind])
    if kind == _STRING:
        return _string(file)
    if kind != _ARRAY:
        raise ValueError("unknown type")
    item, count = _number(file, "<I"), _number(file, "<Q")
    if count > _MAX_ITEMS or item == _ARRAY:
        raise ValueError("array too large or nested")
    if item in _SCALARS:
        _exactly(file, count * struct.calcsize(_SCALARS[item]))
        return None
    return [_value(file, item) for _ in range(count)]


def _string(file: BinaryIO) -> str:
    length = _number(file, "<Q")
    if length > _MAX_STRING:
        raise ValueError("string too long")
    return _exactly(file, length).decode("utf-8", errors="replace")


def _number(file: BinaryIO, form: str) -> Any:
    return struct.unpack(form, _exactly(file, struct.calcsize(form)))[0]


def _exactly(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise EOFError
    return data


def strings(value: Any) -> tuple[str, ...]:
    """The texts in a value that may be one text or a list."""
    items = value if isinstance(value, list) else [value]
    return tuple(item for item in items if isinstance(item, str) and item)


def hub_name(text: str) -> str:
    """``hf:org/name`` as the Hub writes it, also out of a Hub address; anything else stays what it was: a
    path such as /org/name is not the Hub's org/name."""
    for prefix in ("https://huggingface.co/", "http://huggingface.co/", "https://hf.co/", "hf:"):
        text = text.removeprefix(prefix)
    return f"hf:{text.rstrip('/')}"
