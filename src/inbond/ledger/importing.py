"""Reads foreign files as declared evidence: which file is which kind, and what it is about.

Reads the disk and writes nothing: the caller records what comes back. Hostile input: sizes are bounded,
nothing is executed, and whatever is malformed is an InputError that names the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from inbond.digest import Digest, of_bytes, of_file
from inbond.errors import InputError
from inbond.ledger import boms, cards, lineage_file, pins
from inbond.ledger.declaration import Declared, Draft
from inbond.ledger.lineage import NodeKind
from inbond.policy.foreign import json_object

_LARGEST = 1 << 25
"""Bytes of a file that is read whole."""
_CARD, _CONFIG, _ADAPTER = "README.md", "config.json", "adapter_config.json"
_BOMS = ("*.cdx.json", "*.spdx.json", "bom.json", "*.bom.json")
_LINEAGE = ("*.lineage.toml", "*.lineage.json", "lineage.toml", "lineage.json")
_SNAPSHOT = re.compile(r"(models|datasets)--([\w.-]+?)--([\w.-]+)")


def read_path(path: Path, name: str | None = None) -> list[Declared]:
    """What a file, or the known files of a folder, say of lineage. ``name`` is the model or data that they
    are about; by default the folder's own (``path:``, or that of a Hub snapshot), or the file's (``gguf:``).

    Raises InputError: nothing there, nothing said, malformed, too large, or saying too much.
    """
    if name is not None and not re.match(r"(hf|path|gguf|pypi|api|run|data):\S", name):
        raise InputError(
            expected="a name such as hf:org/name, or data:org/name",
            found=repr(name),
            fix="write the scheme first",
        )
    try:
        if path.is_dir():
            return _read_folder(path, name)
        declared = _read_file(path, name, _kind(path.parent))
        assert declared is not None, "a file that says nothing is refused"
        return [declared]
    except OSError as error:
        raise InputError(
            expected=f"a file or folder that can be read at {path}",
            found=str(error),
            fix="correct the path, or its permissions",
        ) from error


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
    return found


def _read_file(path: Path, name: str | None, kind: NodeKind | None, *, must: bool = True) -> Declared | None:
    read = f"{path.absolute().parent.name}/{path.name}"
    draft = Draft(read)
    if path.suffix == ".gguf":
        return _read_gguf(path, name or f"gguf:{path}", draft)
    data = _bytes(path)
    digest = of_bytes(data)
    try:
        if path.suffix == ".toml":
            return lineage_file.parse(read, data, digest)
        if path.suffix == ".json":
            return _read_json(path, name, draft, data, must=must)
        what = kind or cards.kind_of(data)
        subject = name or _subject(path.parent, what)
        said = cards.read_card(draft, subject, what, data)
        return _finish(draft, "card", subject, digest, path, said=said, must=must)
    except ValueError as error:
        raise _malformed(read, error) from error


def _read_json(path: Path, name: str | None, draft: Draft, data: bytes, *, must: bool) -> Declared | None:
    digest = of_bytes(data)
    readers: dict[str, tuple[str, Callable[[Draft, str, bytes], bool]]] = {
        _CONFIG: ("config", cards.read_config),
        _ADAPTER: ("adapter", cards.read_adapter),
    }
    if path.name in readers:
        form, reader = readers[path.name]
        subject = name or _subject(path.parent, "model")
        said = reader(draft, subject, data)
        return _finish(draft, form, subject, digest, path, said=said, must=must)
    values = json_object(data)
    if "format" in values and not boms.is_bom(values):
        return lineage_file.parse(draft.read, data, digest)
    if not boms.is_bom(values):
        raise ValueError("it is no CycloneDX, no SPDX and no lineage file")
    about = boms.read_bom(draft, values)
    return draft.declared("bom", about, digest)


def _finish(
    draft: Draft, form: str, subject: str, digest: Digest, path: Path, *, said: bool, must: bool
) -> Declared | None:
    if said:
        _add_digests(draft, subject, path.parent)
        return draft.declared(form, subject, digest)
    if must:
        raise InputError(
            expected=f"something about lineage in {path}",
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


def _read_gguf(path: Path, subject: str, draft: Draft) -> Declared:
    try:
        with path.open("rb") as file:
            cards.read_gguf(draft, subject, file)
    except ValueError as error:
        raise _malformed(draft.read, error) from error
    digest = of_file(path)
    draft.node(subject, "model", None, [digest])
    return draft.declared("gguf", subject, digest)


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
        return f"path:{folder}" if kind == "model" else f"data:{folder}"
    what, organisation, name = snapshot
    if what == "datasets":
        return f"data:{organisation}/{name}"
    return f"hf:{organisation}/{name}@{folder.absolute().name}"


def _snapshot(folder: Path) -> tuple[str, str, str] | None:
    """Organisation and name of a folder as the Hub's cache lays it out: models--org--name/snapshots/rev."""
    parts = folder.absolute().parts
    match = _SNAPSHOT.fullmatch(parts[-3]) if len(parts) > 2 and parts[-2] == "snapshots" else None
    return (match[1], match[2], match[3]) if match else None
