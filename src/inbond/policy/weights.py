"""The registry of models whose licence was looked up: by a file's digest, or by name.

A name is exact, or, with a ``*`` at its end, all names of one organisation (or host) that begin so; the
longest that fits decides. Upper and lower case count, and so does every letter: a lookalike matches
nothing. Order of belief: the digest of every weight file, else what is declared (by a name in the
registry, or by a card or metadata that came with the files), else nothing, and the gate asks. Two
declarations that differ count as nothing. Pure but for ``shipped``; reading files is ``declared``'s.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.policy.facts import LicenceFinding, Modality
from inbond.policy.faults import first_fault
from inbond.policy.licences import normalise
from inbond.types import ModelName, parse_model_name

DIFFERS = "LicenseRef-inbond-differs-by-checkpoint"
"""The licence of a row whose names alone do not tell it. Who has read a card may add its exact name."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WeightsFile(_Strict):
    """A weight file that we had in hand: its digest, and its size in bytes."""

    name: str
    digest: str
    bytes: int


class Model(_Strict):
    """One entry: a licence, the names and files it holds for, and where that was read. ``bases`` are the
    models that its weights descend from, whose licences reach it too; terms that a card adds to its
    licence are joined to it with AND."""

    title: str
    licence: str
    names: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    modality: Modality | None = None
    original: str | None = None
    source: str
    read_on: date
    evidence: Literal["F", "D", "S", "R"]
    files: tuple[WeightsFile, ...] = ()

    @property
    def told(self) -> str:
        """Where it was read, and how sure that is."""
        weak = {"S": "; as others list it", "R": "; from memory, not checked"}
        return self.source + weak.get(self.evidence, "")


class _File(_Strict):
    model: tuple[Model, ...]


@dataclass(frozen=True)
class Registry:
    """All entries: by file digest, by exact name and by how a name begins; and the file behind each."""

    by_digest: Mapping[str, Model]
    by_name: Mapping[str, Model]
    by_prefix: Mapping[str, Model]
    owners: Mapping[str, str]

    @property
    def sizes(self) -> frozenset[int]:
        """Sizes in bytes of all known files: a file of another size need not be hashed."""
        return frozenset(file.bytes for model in self.by_digest.values() for file in model.files)

    def named(self, name: ModelName) -> Model | None:
        """The model of this name. A Hub name matches without a revision or at ``main``: any other
        revision may hold other weights (anyone can open a pull request), and is known only as such."""
        key = _key(name)
        return None if key is None else self.by_name.get(key) or self._beginning(key)

    def exactly(self, name: ModelName) -> Model | None:
        """The model whose very name this is, and not one of many that begin alike."""
        return self.by_name.get(_key(name) or "")

    def _beginning(self, key: str) -> Model | None:
        if "@" in key:
            return None
        fitting = (self.by_prefix.get(key[:length]) for length in range(len(key), 0, -1))
        return next((model for model in fitting if model is not None), None)


@dataclass(frozen=True)
class Declaration:
    """What came with the files: licences as written, base models as URIs, and where it was read."""

    licences: tuple[str, ...]
    bases: tuple[str, ...]
    source: str


def parse_registry(file: str, data: bytes) -> Registry:
    """Reads one file. Raises InputError naming ``file`` and the field."""
    return registry_of([(file, data)])


def registry_of(files: Iterable[tuple[str, bytes]], below: Registry | None = None) -> Registry:
    """Builds a registry from (file name, bytes), on top of the one ``below``.

    Raises InputError for a file that cannot be read, for a digest or name that two rows claim, for a
    row that would change what ``below`` says of a name, and for bases that go round in a circle.
    """
    by_digest = dict(below.by_digest) if below else {}
    by_name = dict(below.by_name) if below else {}
    by_prefix = dict(below.by_prefix) if below else {}
    owners = dict(below.owners) if below else {}
    for file, data in files:
        for model in _read(file, data):
            rows = [(by_digest, item.digest) for item in model.files]
            rows += [(by_prefix if text.endswith("*") else by_name, _row_key(text)) for text in model.names]
            for index, key in rows:
                if key in index:
                    raise _claimed_twice(key, index[key], owners[key], model, file)
                if below is not None and index is not by_digest:
                    _keep_below(key, below, model, file)
                index[key], owners[key] = model, file
    whole = Registry(by_digest, by_name, by_prefix, owners)
    _no_circles(whole)
    return whole


def _read(file: str, data: bytes) -> tuple[Model, ...]:
    try:
        models = _File.model_validate(tomllib.loads(data.decode("utf-8"))).model
        for text in (name for model in models for name in (*model.names, *model.bases)):
            _row_key(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError, InputError) as error:
        raise InputError(
            expected=f"a registry of models in {file}", found=first_fault(error), fix="correct it"
        ) from error
    return models


def _row_key(text: str) -> str:
    """The key of a row's name. A pattern must name its organisation or host whole."""
    begins = text.endswith("*")
    name = parse_model_name(text[:-1] + "x" if begins else text)  # x stands for any ending
    key = _key(name)
    if key is None or (begins and (name.scheme not in ("hf", "api") or name.revision)):
        raise InputError(
            expected="names such as hf:org/name, hf:org/begin*, api:host/model or pypi:package==version#file",
            found=repr(text),
            fix="write it so; a * stands at the end only",
        )
    return key[:-1] if begins else key


def _claimed_twice(key: str, first: Model, owner: str, second: Model, file: str) -> InputError:
    return InputError(
        expected=f"each digest and name once in {owner if owner == file else f'{owner} and {file}'}",
        found=f"{key} under {first.title!r} and {second.title!r}",
        fix="remove one of them",
    )


def _keep_below(key: str, below: Registry, model: Model, file: str) -> None:
    known = below.by_name.get(key) or below._beginning(key)
    if known is not None and known.licence not in (model.licence, DIFFERS):
        raise InputError(
            expected=f"names in {file} that Inbond's own registry does not know",
            found=f"{key}, which is under {known.licence} there ({known.title}) and {model.licence} here",
            fix="remove it; what is wrong in the registry is corrected there",
        )


def _no_circles(registry: Registry) -> None:
    def walk(model: Model, path: tuple[str, ...]) -> None:
        for text in model.bases:
            if text in path:
                raise InputError(
                    expected="models that do not descend from themselves",
                    found=" <- ".join((*path, text)),
                    fix="correct bases in the registry",
                )
            base = registry.named(parse_model_name(text))
            if base is not None:
                walk(base, (*path, text))

    for model in {
        id(row): row for row in (*registry.by_name.values(), *registry.by_prefix.values())
    }.values():
        walk(model, ())


def shipped_files() -> Iterator[tuple[str, bytes]]:
    """The registry's files that come with Inbond, one an organisation: name and bytes."""
    folder = resources.files("inbond.policy") / "models"
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".toml")), key=lambda i: i.name)
    return ((f"models/{item.name}", item.read_bytes()) for item in files)


@lru_cache(maxsize=1)
def shipped() -> Registry:
    """The registry that comes with Inbond."""
    return registry_of(shipped_files())


def find(
    name: ModelName, digests: Sequence[Digest], declarations: Sequence[Declaration], registry: Registry
) -> LicenceFinding:
    """The licence of ``name``, given the digests of all its weight files (empty: not read)."""
    subject = str(name)
    known = {registry.by_digest[item].licence for item in digests if item in registry.by_digest}
    if digests and len(known) == 1 and all(item in registry.by_digest for item in digests):
        model = registry.by_digest[digests[0]]
        return LicenceFinding(
            subject, known.pop(), "digest", model.told, _bases_of(model, registry), model.modality
        )
    return _declared(subject, registry.named(name), declarations, registry)


def _declared(
    subject: str, model: Model | None, declarations: Sequence[Declaration], registry: Registry
) -> LicenceFinding:
    said = [(item.source, _conjunction(item.licences)) for item in declarations if item.licences]
    modality = model.modality if model else None
    if model is not None:
        said.append((model.told, model.licence))
    names = [base for item in declarations for base in item.bases] + list(model.bases if model else ())
    bases = tuple(base_finding(base, registry) for base in dict.fromkeys(names))
    if not said:
        return LicenceFinding(subject, None, "none", "no licence is declared and no digest is known", bases)
    licences = {licence for _, licence in said}
    if len(licences) > 1 or None in licences:
        sources = "; ".join(f"{source} says {licence or 'no SPDX expression'}" for source, licence in said)
        return LicenceFinding(subject, None, "none", f"declarations cannot be used: {sources}", bases)
    return LicenceFinding(subject, licences.pop(), "declared", "; ".join(s for s, _ in said), bases, modality)


def base_finding(text: str, registry: Registry) -> LicenceFinding:
    """The licence of a declared base model, by its name alone."""
    try:
        model = registry.named(parse_model_name(text))
    except InputError:
        model = None
    if model is None:
        return LicenceFinding(text, None, "none", "a declared base model that our registry does not know")
    return LicenceFinding(
        text, model.licence, "declared", model.told, _bases_of(model, registry), model.modality
    )


def _bases_of(model: Model, registry: Registry) -> tuple[LicenceFinding, ...]:
    return tuple(base_finding(base, registry) for base in model.bases)


def _conjunction(licences: Sequence[str]) -> str | None:
    """Several licences on one card all apply until someone says otherwise."""
    if len(licences) == 1:
        return normalise(licences[0])
    return normalise(" AND ".join(f"({licence})" for licence in licences))


def _key(name: ModelName) -> str | None:
    if name.scheme == "hf":
        return f"hf:{name.name}" if name.revision in (None, "main") else f"hf:{name.name}@{name.revision}"
    if name.scheme == "pypi":
        package = re.sub(r"[-_.]+", "-", name.name).lower()
        return f"pypi:{package}=={name.revision}#{name.file}"
    if name.scheme == "api":
        return f"api:{(name.host or '').lower()}/{name.name}"
    return None
