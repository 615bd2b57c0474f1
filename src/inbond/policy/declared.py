"""What files declare about themselves: a folder's README.md, a GGUF file's metadata, and digests.

This is the gate's eye on the disk, called by the command line and by recipes; the rules themselves do no
I/O. What is not there declares nothing. What is there and cannot be read or used is an unknown licence or
base: the gate asks, and never takes a broken card for an empty one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from inbond.digest import Digest, of_file
from inbond.errors import InputError
from inbond.policy import foreign
from inbond.policy.facts import LicenceFinding
from inbond.policy.foreign import CARD_LIMIT, Told
from inbond.policy.weights import Declaration, Registry, find
from inbond.types import ModelName

_CANNOT = "what cannot be read"
_WEIGHT_SUFFIXES = frozenset({".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".h5"})
_LARGEST = 1 << 25
"""Bytes of a configuration that are read at most."""


def find_licence(name: ModelName, registry: Registry) -> LicenceFinding:
    """The licence of a model's weights, looking at its files when the name is of files on this disk.

    Raises InputError when ``path:`` or ``gguf:`` names nothing that can be read.
    """
    if name.scheme not in ("path", "gguf"):
        return find(name, [], [], registry)
    path = Path(name.name).expanduser()
    try:
        files = _weight_files(path) if name.scheme == "path" else [path]
        declarations: list[Declaration | None] = [
            read_gguf(file) for file in files if file.suffix == ".gguf" or name.scheme == "gguf"
        ]
        if name.scheme == "path":
            declarations += [
                read_card(path / "README.md"),
                read_adapter(path / "adapter_config.json"),
                read_config(path / "config.json", registry),
            ]
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
    """``license`` and ``base_model`` in a model card's YAML front matter; None when there is no card, or
    nothing but prose. A card that cannot be read declares a licence and a base that nobody knows."""
    return _read(path, CARD_LIMIT, foreign.read_card, f"license in {path.name}", ("licence", "base"))


def read_adapter(path: Path) -> Declaration | None:
    """The base model that an adapter's configuration names; None when there is no such file."""
    return _read(path, _LARGEST, foreign.read_adapter, path.name, ("base",))


def read_config(path: Path, registry: Registry) -> Declaration | None:
    """What the weights were loaded from, as ``config.json`` says, where that is a model of the registry or a
    folder called like one; None when it says nothing of it. Most such folders are just somebody's disk."""
    found = _read(path, _LARGEST, foreign.read_config, path.name, ("base",))
    if found is None or any(base.startswith(_CANNOT) for base in found.bases):
        return found
    bases = tuple(known for base in found.bases if (known := _called(base, registry)) is not None)
    return replace(found, bases=bases) if bases else None


def _called(base: str, registry: Registry) -> str | None:
    """The registry's model of that name, or whose folder is called so, whoever made it."""
    if registry.knows(base):
        return base
    last = base.rstrip("/").rpartition("/")[2].removeprefix("hf:")
    owners = dict.fromkeys(key.partition("/")[0] for key in (*registry.by_name, *registry.by_prefix))
    named = (f"{owner}/{last}" for owner in owners if owner.startswith("hf:"))
    return next((name for name in named if registry.knows(name)), None)


def read_gguf(path: Path) -> Declaration:
    """``general.license`` and the base models in a GGUF header. A header that cannot be read declares a
    licence and a base that nobody knows."""
    where = f"general.license in {path.name}"
    with path.open("rb") as file:
        try:
            return _declaration(foreign.read_gguf(file), where)
        except ValueError as error:
            return _unreadable(("licence", "base"), where, error)


def _read(
    path: Path, most: int, reader: Callable[[bytes], Told | None], where: str, tells: tuple[str, ...]
) -> Declaration | None:
    try:
        with path.open("rb") as file:
            data = file.read(most)
    except FileNotFoundError:
        return None
    try:
        told = reader(data)
    except ValueError as error:
        return _unreadable(tells, where, error)
    return None if told is None else _declaration(told, where)


def _declaration(told: Told, where: str) -> Declaration:
    """A licence or base that is there and cannot be used stands as its text, which no registry knows."""
    licences = (*told.licences, *(_unusable(text) for text in told.open("licence")))
    bases = (*(foreign.hub_name(text) for text in (*told.bases, *told.sources)), *told.open("base"))
    return Declaration(licences, tuple(dict.fromkeys(bases)), where)


def _unusable(text: str) -> str:
    """``text`` as a licence that is none: license-expression would take most words for an id."""
    return f"(({text.replace('(', '').replace(')', '')}"


def _unreadable(tells: tuple[str, ...], where: str, error: ValueError) -> Declaration:
    why = f"{_CANNOT} ({' '.join(str(error).split())[:120]})"
    return Declaration(
        (_unusable(why),) if "licence" in tells else (), (why,) if "base" in tells else (), where
    )
