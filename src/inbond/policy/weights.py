"""The registry of models whose licence was looked up: by a file's digest, or by name.

A name is exact, or, with a ``*`` at its end, all names of one organisation (or host) that begin so; the
longest that fits decides. Upper and lower case count, and so does every letter: a lookalike matches
nothing. Order of belief: the digest of every weight file, else what is declared (by a name in the
registry, or by a card or metadata that came with the files), else nothing, and the gate asks. Two
declarations that differ count as nothing. Pure but for ``shipped``; reading files is ``declared``'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.policy import files as disk
from inbond.policy.facts import LicenceFinding, Modality
from inbond.policy.licences import normalise
from inbond.policy.strict import Day, Strict, first_fault, toml_values
from inbond.types import ModelName, parse_model_name

DIFFERS = "LicenseRef-inbond-differs-by-checkpoint"
"""The licence of a row whose names alone do not tell it. Who has read a card may add its exact name."""


class WeightsFile(Strict):
    """A weight file that we had in hand: its digest, and its size in bytes."""

    name: str
    digest: str
    bytes: int


class Model(Strict):
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
    read_on: Day
    evidence: Literal["F", "D", "S", "R"]
    files: tuple[WeightsFile, ...] = ()

    @property
    def told(self) -> str:
        """Where and when it was read, and how sure that is."""
        weak = {"S": "; as others list it", "R": "; from memory, not checked"}
        return f"{self.source}, read on {self.read_on}{weak.get(self.evidence, '')}"


class _File(Strict):
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
        return None if key is None else self.by_name.get(key) or self.beginning(key)

    def knows(self, text: str) -> bool:
        """Whether ``text`` is the name of a model of this registry."""
        try:
            return self.named(parse_model_name(text)) is not None
        except InputError:
            return False

    def exactly(self, name: ModelName) -> Model | None:
        """The model whose very name this is, and not one of many that begin alike."""
        return self.by_name.get(_key(name) or "")

    def named_rows(self) -> tuple[tuple[str, Model], ...]:
        """Every exact name and every beginning, with its row."""
        return (*self.by_name.items(), *self.by_prefix.items())

    def beginning(self, key: str) -> Model | None:
        """The row of the longest beginning that fits; none for a revision."""
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


def registry_of(files: Iterable[tuple[str, bytes]], below: Registry | None = None) -> Registry:
    """Builds a registry from (file name, bytes), on top of the one ``below``.

    Raises InputError for a file that cannot be read, for a digest or name that two rows claim, for a
    row that would change what ``below`` says of a name or of one of its revisions, for a beginning that
    names of ``below`` have too, and for bases that go round in a circle.
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
                    _keep_below(key, below, model, file, begins=index is by_prefix)
                index[key], owners[key] = model, file
    whole = Registry(by_digest, by_name, by_prefix, owners)
    _no_circles(whole)
    return whole


def _read(file: str, data: bytes) -> tuple[Model, ...]:
    try:
        models = _File.model_validate(toml_values(data)).model
        for text in (name for model in models for name in (*model.names, *model.bases)):
            _row_key(text)
    except (ValueError, InputError) as error:
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


def _keep_below(key: str, below: Registry, model: Model, file: str, *, begins: bool) -> None:
    """Refuses a row that says of a name that is known something else than what is known. A revision is a
    name of the model that it is of. An exact name may settle what a family's names alone do not tell."""
    bare = key.partition("@")[0]
    known = below.by_name.get(bare) or below.beginning(bare)
    if known is None and begins:
        known = next((row for name, row in below.named_rows() if name.startswith(key)), None)
    if known is None or _same(known, model) or (known.licence == DIFFERS and not begins):
        return
    raise InputError(
        expected=f"names in {file} that Inbond's own registry does not know",
        found=f"{key}{'*' if begins else ''}, where it has {known.title}, under {known.licence}"
        f"{_unlike(known, model)}",
        fix="remove it; what is wrong in the registry is corrected there",
    )


def _same(known: Model, model: Model) -> bool:
    return known.licence == model.licence and not _unlike(known, model)


def _unlike(known: Model, model: Model) -> str:
    """What a row says otherwise besides the licence, for the sentence that refuses it."""
    pairs = (
        ("licence", known.licence, model.licence),
        ("modality", known.modality, model.modality),
        ("bases", known.bases, model.bases),
        ("original", known.original, model.original),
    )
    return "".join(
        f"; {field} {mine or 'not given'} here, {theirs or 'not given'} there"
        for field, theirs, mine in pairs
        if theirs != mine
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


@lru_cache(maxsize=1)
def shipped() -> Registry:
    """The registry that comes with Inbond."""
    return registry_of([(f"models/{name}", data) for name, data in disk.shipped("models")])


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
    return _declared(name, declarations, registry)


def _declared(name: ModelName, declarations: Sequence[Declaration], registry: Registry) -> LicenceFinding:
    subject, model = str(name), registry.named(name)
    said = [(item.source, _conjunction(item.licences)) for item in declarations if item.licences]
    modality = model.modality if model else None
    if model is not None:
        said.append((model.told, model.licence))
    names = [base for item in declarations for base in item.bases] + list(model.bases if model else ())
    bases = tuple(base_finding(base, registry) for base in dict.fromkeys(names))
    if not said:
        return _nothing_said(name, bases, registry)
    licences = {licence for _, licence in said}
    if len(licences) > 1 or None in licences:
        sources = "; ".join(f"{source} says {licence or 'no SPDX expression'}" for source, licence in said)
        return LicenceFinding(subject, None, "none", f"declarations cannot be used: {sources}", bases)
    return LicenceFinding(subject, licences.pop(), "declared", "; ".join(s for s, _ in said), bases, modality)


def _nothing_said(name: ModelName, bases: tuple[LicenceFinding, ...], registry: Registry) -> LicenceFinding:
    """No licence. Of a revision of a model that is known, what is known of that stands beside it as of
    weights that it descends from, so that a revision is never judged more mildly than its model."""
    bare = f"hf:{name.name}"
    model = registry.named(parse_model_name(bare)) if name.scheme == "hf" and name.revision else None
    if model is None:
        return LicenceFinding(str(name), None, "none", "no licence is declared and no digest is known", bases)
    source = f"this revision is not in our registry, which knows {bare} only as it is by default"
    return LicenceFinding(
        str(name), None, "none", source, (base_finding(bare, registry), *bases), model.modality
    )


def base_finding(text: str, registry: Registry) -> LicenceFinding:
    """The licence of a declared base model, by its name alone."""
    unknown = "a declared base model that our registry does not know"
    try:
        found = _declared(parse_model_name(text), [], registry)
    except InputError:
        return LicenceFinding(text, None, "none", unknown)
    if found.licence is None and not found.bases:
        return LicenceFinding(text, None, "none", unknown)
    return replace(found, subject=text)


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
