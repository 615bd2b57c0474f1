"""The registry of models whose licence was looked up: by a file's digest, or by an exact name.

Order of belief: the digest of every weight file, else what is declared (by an exact name in the
registry, or by a card or metadata that came with the files), else nothing, and the gate asks. Two
declarations that differ count as nothing. Pure but for ``shipped``; reading files is ``declared``'s.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.policy.facts import LicenceFinding
from inbond.policy.licences import normalise
from inbond.types import ModelName, parse_model_name


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WeightsFile(_Strict):
    """A weight file that we had in hand: its digest, and its size in bytes."""

    name: str
    digest: str
    bytes: int


class Model(_Strict):
    """One entry: a licence, the exact names and files it holds for, and where that was read."""

    title: str
    licence: str
    names: tuple[str, ...] = ()
    original: str | None = None
    source: str
    read_on: date
    evidence: Literal["F", "D", "S", "R"]
    files: tuple[WeightsFile, ...] = ()


class _File(_Strict):
    model: tuple[Model, ...]


@dataclass(frozen=True)
class Registry:
    """All entries, by file digest and by exact name."""

    by_digest: dict[str, Model]
    by_name: dict[str, Model]

    @property
    def sizes(self) -> frozenset[int]:
        """Sizes in bytes of all known files: a file of another size need not be hashed."""
        return frozenset(file.bytes for model in self.by_digest.values() for file in model.files)

    def named(self, name: ModelName) -> Model | None:
        """The model of exactly this name. A Hub name matches without a revision or at ``main``: any
        other revision may hold other weights (anyone can open a pull request)."""
        key = _key(name)
        return self.by_name.get(key) if key else None


@dataclass(frozen=True)
class Declaration:
    """What came with the files: licences as written, base models as URIs, and where it was read."""

    licences: tuple[str, ...]
    bases: tuple[str, ...]
    source: str


def parse_registry(file: str, data: bytes) -> Registry:
    """Reads a registry. Raises InputError naming ``file`` and the field."""
    try:
        models = _File.model_validate(tomllib.loads(data.decode("utf-8"))).model
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise InputError(
            expected=f"a registry of weights in {file}", found=str(error), fix="correct the field it names"
        ) from error
    by_digest: dict[str, Model] = {}
    by_name: dict[str, Model] = {}
    for model in models:
        keys = [(by_digest, file.digest) for file in model.files]
        keys += [(by_name, _key(parse_model_name(name)) or name) for name in model.names]
        for index, key in keys:
            if key in index:
                raise InputError(
                    expected=f"each digest and name once in {file}",
                    found=f"{key} under {index[key].title!r} and {model.title!r}",
                    fix="remove one of them",
                )
            index[key] = model
    return Registry(by_digest, by_name)


@lru_cache(maxsize=1)
def shipped() -> Registry:
    """The registry that comes with Inbond."""
    return parse_registry("weights.toml", (resources.files("inbond.policy") / "weights.toml").read_bytes())


def find(
    name: ModelName, digests: Sequence[Digest], declarations: Sequence[Declaration], registry: Registry
) -> LicenceFinding:
    """The licence of ``name``, given the digests of all its weight files (empty: not read)."""
    subject = str(name)
    known = {registry.by_digest[item].licence for item in digests if item in registry.by_digest}
    if digests and len(known) == 1 and all(item in registry.by_digest for item in digests):
        model = registry.by_digest[digests[0]]
        return LicenceFinding(subject, known.pop(), "digest", model.source)
    return _declared(subject, registry.named(name), declarations, registry)


def _declared(
    subject: str, model: Model | None, declarations: Sequence[Declaration], registry: Registry
) -> LicenceFinding:
    said = [(item.source, _conjunction(item.licences)) for item in declarations if item.licences]
    if model is not None:
        said.append((model.source, model.licence))
    bases = tuple(
        base_finding(base, registry) for base in dict.fromkeys(b for item in declarations for b in item.bases)
    )
    if not said:
        return LicenceFinding(subject, None, "none", "no licence is declared and no digest is known", bases)
    licences = {licence for _, licence in said}
    if len(licences) > 1 or None in licences:
        sources = "; ".join(f"{source} says {licence or 'no SPDX expression'}" for source, licence in said)
        return LicenceFinding(subject, None, "none", f"declarations cannot be used: {sources}", bases)
    return LicenceFinding(subject, licences.pop(), "declared", "; ".join(s for s, _ in said), bases)


def base_finding(text: str, registry: Registry) -> LicenceFinding:
    """The licence of a declared base model, by its exact name alone."""
    try:
        model = registry.named(parse_model_name(text))
    except InputError:
        model = None
    if model is None:
        return LicenceFinding(text, None, "none", "a declared base model that our registry does not know")
    return LicenceFinding(text, model.licence, "declared", model.source)


def _conjunction(licences: Sequence[str]) -> str | None:
    """Several licences on one card all apply until someone says otherwise."""
    if len(licences) == 1:
        return normalise(licences[0])
    return normalise(" AND ".join(f"({licence})" for licence in licences))


def _key(name: ModelName) -> str | None:
    if name.scheme == "hf":
        return f"hf:{name.name}" if name.revision in (None, "main") else None
    if name.scheme == "pypi":
        package = re.sub(r"[-_.]+", "-", name.name).lower()
        return f"pypi:{package}=={name.revision}#{name.file}"
    return None
