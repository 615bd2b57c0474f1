"""Manifests: what an artifact consists of. Written last, so that its existence means complete.

Format ``inbond.manifest/1``: ``manifest.json`` in the artifact's folder, canonical JSON plus a
newline. An artifact's id is the digest of its stage's name and version, its config and the ids of
its inputs; the manifest adds the digest of every file, and the Merkle root of its records if any.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from inbond.digest import Digest, canonical, of_bytes, of_file, of_value, parse
from inbond.errors import TamperedError
from inbond.workspace import opened, write_bytes

FORMAT = "inbond.manifest/1"
NAME = "manifest.json"
_NOT_THERE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


@dataclass(frozen=True)
class Identity:
    """All that decides an artifact's bytes: the stage, its version, its config, its inputs' ids."""

    stage: str
    version: int
    config: Mapping[str, Any]
    inputs: Mapping[str, Digest]

    def to_json(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "version": self.version,
            "config": dict(self.config),
            "inputs": dict(self.inputs),
        }

    @property
    def id(self) -> Digest:
        return of_value(self.to_json())


@dataclass(frozen=True)
class Manifest:
    """A complete artifact. ``files`` maps relative POSIX paths to digests; ``facts`` are the stage's own."""

    identity: Identity
    files: Mapping[str, Digest]
    records_root: Digest | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> Digest:
        return self.identity.id

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "id": self.id,
            "identity": self.identity.to_json(),
            "files": dict(self.files),
            "records_root": self.records_root,
            "facts": dict(self.facts),
        }

    @property
    def digest(self) -> Digest:
        """Digest of the manifest file itself, as the ledger records it."""
        return of_bytes(encode(self))


def encode(manifest: Manifest) -> bytes:
    """The bytes of the manifest's file."""
    return canonical(manifest.to_json()) + b"\n"


def write(folder: Path, manifest: Manifest) -> None:
    """Completes an artifact. Raises UnwritableError."""
    write_bytes(folder / NAME, encode(manifest))


def digest_files(folder: Path) -> dict[str, Digest]:
    """Digests of all files below ``folder`` but the manifest, by relative path, sorted."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / NAME)
    return {path.relative_to(folder).as_posix(): of_file(path) for path in paths}


def read(folder: Path) -> Manifest | None:
    """The manifest in ``folder``, or None when there is none (the artifact is not complete).

    Raises TamperedError when it is there but cannot be read, or is not what we wrote.
    """
    path = folder / NAME
    try:
        with opened(path) as file:
            data = file.read()
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise TamperedError(
            expected="a manifest that can be read",
            found=f"{path}: {error.strerror}",
            fix="let this user read it, or remove the artifact's folder and run the recipe again",
        ) from error
    try:
        value = parse(data)
        identity = Identity(**value["identity"])
        manifest = Manifest(identity, value["files"], value["records_root"], value["facts"])
        intact = encode(manifest) == data
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        intact = False
    if not intact:
        raise TamperedError(
            expected=f"a manifest of format {FORMAT}",
            found=f"{path} is not one, or was changed",
            fix="remove the artifact's folder and run the recipe again",
        )
    return manifest
