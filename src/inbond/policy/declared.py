"""What files declare about themselves: a folder's README.md, a GGUF file's metadata, and digests.

This is the gate's eye on the disk, called by the command line and by recipes; the rules themselves
do no I/O. What cannot be read declares nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

from inbond.digest import Digest, of_file
from inbond.errors import InputError
from inbond.policy.facts import LicenceFinding
from inbond.policy.foreign import CARD_LIMIT, front_matter, gguf_general, hub_name, strings
from inbond.policy.weights import Declaration, Registry, find
from inbond.types import ModelName

_WEIGHT_SUFFIXES = frozenset({".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".h5"})


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
            front = front_matter(file.read(CARD_LIMIT))
    except (FileNotFoundError, ValueError):
        return None
    if front is None:
        return None
    bases = tuple(hub_name(base) for base in strings(front.get("base_model")))
    licences = strings(front.get("license"))
    if licences == ("other",):  # the Hub's way to say that the name is in another field
        licences = strings(front.get("license_name")) or licences
    return Declaration(licences, bases, f"license in {path.name}")


def read_adapter(path: Path) -> Declaration | None:
    """The base model that an adapter's configuration names; None when there is no such file."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return Declaration((), ("an adapter configuration that cannot be read",), path.name)
    base = value.get("base_model_name_or_path") if isinstance(value, dict) else None
    return Declaration((), tuple(hub_name(text) for text in strings(base)), path.name)


def read_gguf(path: Path) -> Declaration | None:
    """``general.license`` and the base models in a GGUF header; None when the file is not a GGUF."""
    with path.open("rb") as file:
        try:
            values = gguf_general(file)
        except ValueError:
            return None
    bases = tuple(
        hub_name(value)
        for key, value in values.items()
        if key.startswith("general.base_model.") and key.endswith(".repo_url") and isinstance(value, str)
    )
    licences = strings(values.get("general.license"))
    return Declaration(licences, bases, f"general.license in {path.name}")
