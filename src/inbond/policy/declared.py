"""What files declare about themselves: a folder's README.md, a GGUF file's metadata, and digests.

This is the gate's eye on the disk, called by the command line and by recipes; the rules themselves
do no I/O. GGUF metadata is read by a small reader of our own: the header is a list of typed
key-values, and nothing of the weights is touched. What cannot be read declares nothing.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from inbond.digest import Digest, of_file
from inbond.errors import InputError
from inbond.policy.facts import LicenceFinding
from inbond.policy.weights import Declaration, Registry, find
from inbond.types import ModelName

_WEIGHT_SUFFIXES = frozenset({".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".h5"})
_CARD_LIMIT = 1 << 20

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


def find_licence(name: ModelName, registry: Registry) -> LicenceFinding:
    """The licence of a model's weights, looking at its files when the name is of files on this disk.

    Raises InputError when ``path:`` or ``gguf:`` names nothing that can be read.
    """
    if name.scheme not in ("path", "gguf"):
        return find(name, [], [], registry)
    path = Path(name.name).expanduser()
    try:
        files = _weight_files(path) if name.scheme == "path" else [path]
        declarations = [read_gguf(file) for file in files if file.suffix == ".gguf" or name.scheme == "gguf"]
        if name.scheme == "path":
            declarations += [read_card(path / "README.md"), read_adapter(path / "adapter_config.json")]
        digests = _known_digests(files, registry)
    except OSError as error:
        raise InputError(
            expected=f"weights that can be read at {path}",
            found=str(error),
            fix="correct the path, or the permissions",
        ) from error
    return find(name, digests, [item for item in declarations if item is not None], registry)


def _weight_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in _WEIGHT_SUFFIXES)


def _known_digests(files: list[Path], registry: Registry) -> list[Digest]:
    """Digests of all files, or none: hashing gigabytes is only worth it when sizes are those we know."""
    if not all(file.stat().st_size in registry.sizes for file in files):
        return []
    return [of_file(file) for file in files]


def read_card(path: Path) -> Declaration | None:
    """``license`` and ``base_model`` in a model card's YAML front matter; None when there is no card."""
    try:
        with path.open("rb") as file:
            text = file.read(_CARD_LIMIT).decode("utf-8-sig", errors="replace")
    except FileNotFoundError:
        return None
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---":
        return None
    end = next((i for i, line in enumerate(lines[1:], 1) if line.strip() == "---"), None)
    if end is None:
        return None
    try:
        front = yaml.safe_load("\n".join(lines[1:end]))
    except (yaml.YAMLError, RecursionError):
        return None
    if not isinstance(front, dict):
        return None
    bases = tuple(_hub_name(base) for base in _strings(front.get("base_model")))
    return Declaration(_strings(front.get("license")), bases, f"license in {path.name}")


def read_adapter(path: Path) -> Declaration | None:
    """The base model that an adapter's configuration names; None when there is no such file."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return Declaration((), ("an adapter configuration that cannot be read",), path.name)
    base = value.get("base_model_name_or_path") if isinstance(value, dict) else None
    return Declaration((), tuple(_hub_name(text) for text in _strings(base)), path.name)


def read_gguf(path: Path) -> Declaration | None:
    """``general.license`` and the base models in a GGUF header; None when the file is not a GGUF."""
    with path.open("rb") as file:
        try:
            values = {key: value for key, value in _key_values(file) if key.startswith("general.")}
        except (ValueError, EOFError):
            return None
    bases = tuple(
        _hub_name(value)
        for key, value in values.items()
        if key.startswith("general.base_model.") and key.endswith(".repo_url") and isinstance(value, str)
    )
    licences = _strings(values.get("general.license"))
    return Declaration(licences, bases, f"general.license in {path.name}")


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


def _strings(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(item for item in items if isinstance(item, str) and item)


def _hub_name(text: str) -> str:
    """``org/name`` as the Hub writes it, also out of a Hub address; anything else stays what it was."""
    for prefix in ("https://huggingface.co/", "http://huggingface.co/", "https://hf.co/", "hf:"):
        text = text.removeprefix(prefix)
    return f"hf:{text.strip('/')}"
