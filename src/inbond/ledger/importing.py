"""Reads foreign files as declared evidence: which file is which kind, and what it is about.

Reads the disk and writes nothing: the caller records what comes back. Hostile input: sizes are bounded,
nothing is executed, and whatever is malformed is an InputError that names the file.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import final

from inbond.digest import Digest, of_bytes, of_file
from inbond.errors import InputError
from inbond.ledger import boms, cards, lineage_file, pins
from inbond.ledger.declaration import Declared, Draft
from inbond.ledger.lineage import NodeKind
from inbond.ledger.scopes import Scope, on_disk
from inbond.policy import foreign
from inbond.types import parse_model_name

_LARGEST = 1 << 25
"""Bytes of a file that is read whole."""
_CARD, _CONFIG, _ADAPTER = "README.md", "config.json", "adapter_config.json"
_BOMS = ("*.cdx.json", "*.spdx.json", "bom.json", "*.bom.json")
_LINEAGE = ("*.lineage.toml", "*.lineage.json", "lineage.toml", "lineage.json")
_NAMED_WITHIN = ("bom", lineage_file.FORM)
_SNAPSHOT = re.compile(r"(models|datasets)--([\w.-]+?)--([\w.-]+)")


def read_path(path: Path, name: str | None = None) -> list[Declared]:
    """What a file, or the known files of a folder, say of lineage. ``name`` is the model or data that they
    are about; by default the folder's own (``path:``, or that of a Hub snapshot), or the file's (``gguf:``).

    Raises InputError: nothing there, nothing said, malformed, too large, or saying too much; a name for files
    that name what they are about themselves.
    """
    if name is not None:
        name = _given_name(name)
    try:
        if path.is_dir():
            return _read_folder(path, name)
        declared = _read_file(path, name, _kind(path.parent))
        assert declared is not None, "a file that says nothing is refused"
        if name is not None and declared.form in _NAMED_WITHIN:
            raise _no_name(path, name)
        return [declared]
    except OSError as error:
        raise InputError(
            expected=f"a file or folder that can be read at {path}",
            found=str(error),
            fix="correct the path, or its permissions",
        ) from error


def places_of(path: Path) -> frozenset[str]:
    """What a person may mean by ``path``: the text itself, a whole path, the id of the document there."""
    found = {str(path), str(path.resolve())}
    with contextlib.suppress(OSError, ValueError, InputError):
        id_ = boms.document_id(foreign.json_object(_bytes(path)))
        found |= {id_} if id_ else set()
    return frozenset(found)


def _given_name(name: str) -> str:
    if name.startswith("run:"):
        raise InputError(
            expected="a name of something that this workspace did not make",
            found=f"--name {name}",
            fix="what a run was made from is recorded; give the name under which it was handed on",
        )
    if not name.startswith("data:") or not name[5:].strip():
        try:
            parse_model_name(name)
        except InputError as error:
            raise InputError(
                expected="a name such as hf:org/name, or data:org/name",
                found=repr(name),
                fix="write the scheme first",
            ) from error
    return on_disk(name, Path.cwd()) if name.startswith(("path:", "gguf:")) else name


def _no_name(path: Path, name: str) -> InputError:
    return InputError(
        expected=f"no --name for {path}: BOMs and lineage files name what they are about",
        found=f"--name {name}",
        fix="leave it out",
    )


def _read_folder(folder: Path, name: str | None) -> list[Declared]:
    names = [_CARD, _CONFIG, _ADAPTER, "*.gguf", *_BOMS, *_LINEAGE]
    paths = list(dict.fromkeys(path for pattern in names for path in sorted(folder.glob(pattern))))
    kind, found = _kind(folder), []
    for path in paths:
        declared = _read_file(path, name, kind, must=False)
        if declared is not None:
            found.append(declared)
    if not found:
        raise InputError(
            expected=f"files in {folder} that say something of lineage: {', '.join(names)}",
            found=f"{len(paths)} of them, and none says anything" if paths else "none of them",
            fix="name another folder, or a single file",
        )
    if name is not None and all(item.form in _NAMED_WITHIN for item in found):
        raise _no_name(folder, name)
    return found


def _read_file(path: Path, name: str | None, kind: NodeKind | None, *, must: bool = True) -> Declared | None:
    reading = _Reading(path, name, kind, must)
    try:
        if path.suffix == ".gguf":
            return reading.gguf()
        return reading.whole(_bytes(path))
    except ValueError as error:
        raise _malformed(reading.read, error) from error


@final
class _Reading:
    """One file. ``must``: it is an error when it says nothing."""

    def __init__(self, path: Path, name: str | None, kind: NodeKind | None, must: bool) -> None:
        self._path = path
        self._name = name
        self._kind = kind
        self._must = must
        self.read = f"{path.absolute().parent.name}/{path.name}"
        self._draft = Draft(self.read)

    def gguf(self) -> Declared:
        subject = self._subject("model", f"gguf:{self._path.resolve()}")
        with self._path.open("rb") as file:
            cards.draw_gguf(self._draft, subject, file)
        digest = of_file(self._path)
        self._draft.node(subject, "model", None, [digest])
        return self._draft.declared("gguf", subject, digest, self._place)

    def whole(self, data: bytes) -> Declared | None:
        """What a file says that is read whole."""
        digest, name = of_bytes(data), self._path.name
        boms.refuse_other_forms(self.read, name, data)
        if name == _CONFIG:
            told = foreign.read_config(data)
            subject = self._subject("model")
            said = cards.draw_config(self._draft, subject, told)
            return self._finish("config", subject, digest, said=said)
        if name == _ADAPTER:
            subject = self._subject("model")
            cards.draw_adapter(self._draft, subject, foreign.read_adapter(data))
            return self._finish("adapter", subject, digest)
        if self._path.suffix == ".toml":
            return self._lineage(data, digest)
        if self._path.suffix == ".json":
            return self._document(data, digest)
        return self._card(data, digest)

    def _document(self, data: bytes, digest: Digest) -> Declared:
        values = foreign.json_object(data)
        if not boms.is_bom(values):
            if "format" in values:
                return self._lineage(data, digest)
            raise ValueError("it is no CycloneDX, no SPDX and no lineage file")
        about = boms.read_bom(self._draft, values, digest)
        return self._draft.declared("bom", about, digest, boms.document_id(values) or self._place)

    def _lineage(self, data: bytes, digest: Digest) -> Declared:
        return lineage_file.parse(self.read, data, digest, self._place, self._there)

    def _card(self, data: bytes, digest: Digest) -> Declared | None:
        told = foreign.read_card(data)
        if told is None:
            return self._finish("card", "", digest, said=False)
        kind = self._kind or cards.kind_of(told)
        subject = self._subject(kind)
        cards.draw_card(self._draft, subject, kind, told, Scope(digest))
        return self._finish("card", subject, digest)

    @property
    def _place(self) -> str:
        return str(self._path.resolve())

    def _subject(self, kind: NodeKind, default: str = "") -> str:
        """The name that was given, if it can be of this kind."""
        if self._name is None:
            return default or _subject(self._path.parent, kind)
        if self._name.startswith("data:") != (kind == "data"):
            raise InputError(
                expected=f"a name of {'data' if kind == 'data' else 'a model'}: {self.read} is about one",
                found=f"--name {self._name}",
                fix="give data:org/name" if kind == "data" else "give hf:org/name",
            )
        return self._name

    def _there(self, id_: str) -> str:
        """The id of what a lineage file calls so. Raises InputError for files that are not there."""
        if not id_.startswith(("path:", "gguf:")):
            return id_
        whole = on_disk(id_, self._path.resolve().parent)
        if not Path(whole.partition(":")[2]).exists():
            raise InputError(
                expected=f"{id_}, which {self.read} names",
                found=f"nothing at {whole.partition(':')[2]}",
                fix="correct the path; one that is not whole begins where the file lies",
            )
        return whole

    def _finish(self, form: str, subject: str, digest: Digest, *, said: bool = True) -> Declared | None:
        if said:
            _add_digests(self._draft, subject, self._path.parent)
            return self._draft.declared(form, subject, digest, self._place)
        if self._must:
            raise InputError(
                expected=f"something about lineage in {self._path}",
                found="nothing: no front matter, or no base",
                fix="import another file, or write a lineage file (docs/import.md)",
            )
        return None


def _add_digests(draft: Draft, subject: str, folder: Path) -> None:
    """What tells these very weights, by which they are joined with what was recorded."""
    if not any(folder.glob(pins.WEIGHTS)) or draft.nodes[subject].kind != "model":
        return
    files = {
        path.name: of_file(path) for path in folder.iterdir() if pins.decides(path.name) and path.is_file()
    }
    draft.node(subject, "model", None, pins.names(files))


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise InputError(
            expected=f"a file of at most {_LARGEST >> 20} MiB at {path}", found="a larger one", fix="split it"
        )
    return data


def _malformed(read: str, error: ValueError) -> InputError:
    if isinstance(error, InputError):
        return error
    return InputError(
        expected=f"a card, a configuration, a GGUF file, a BOM or a lineage file at {read}",
        found=" ".join(str(error).split())[:300],
        fix="correct the file, or get it again from where it was published",
    )


def _kind(folder: Path) -> NodeKind | None:
    """What a folder holds, when its files tell."""
    if any(folder.glob(pins.WEIGHTS)) or (folder / _CONFIG).exists() or (folder / _ADAPTER).exists():
        return "model"
    snapshot = _snapshot(folder)
    return ("data" if snapshot[0] == "datasets" else "model") if snapshot else None


def _subject(folder: Path, kind: NodeKind) -> str:
    snapshot = _snapshot(folder)
    if snapshot is None:
        return f"{'path' if kind == 'model' else 'data'}:{folder.resolve()}"
    what, organisation, name = snapshot
    if what == "datasets":
        return f"data:{organisation}/{name}"
    return f"hf:{organisation}/{name}@{folder.absolute().name}"


def _snapshot(folder: Path) -> tuple[str, str, str] | None:
    """Organisation and name of a folder as the Hub's cache lays it out: models--org--name/snapshots/rev."""
    parts = folder.absolute().parts
    match = _SNAPSHOT.fullmatch(parts[-3]) if len(parts) > 2 and parts[-2] == "snapshots" else None
    return (match[1], match[2], match[3]) if match else None
