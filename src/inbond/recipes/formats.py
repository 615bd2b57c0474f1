"""A student in other formats: each file an artifact of its own, written, checked against the student,
measured beside its teacher in the same runtime, and signed.

A file that does not say what the student says is refused, and what it was is removed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inbond import __version__
from inbond.digest import of_bytes
from inbond.errors import DeniedError, InputError
from inbond.ledger import envelope, manifest, pins
from inbond.ledger.attested import MODEL, PROVENANCE
from inbond.ledger.ledger import now
from inbond.ledger.manifest import Identity, Manifest
from inbond.recipes import trying
from inbond.recipes.sections.export import Export
from inbond.recipes.shop import Shop, open_shop
from inbond.recipes.trail import Artifact, Made, Trail
from inbond.recipes.trying import ONNX
from inbond.workspace import write_json

if TYPE_CHECKING:
    from inbond.edge.faithful import Faithfulness

FORMAT_VERSION = 2
CHECK: Final = "check.json"
BUILD_TYPE: Final = "urn:inbond:export:1"
_PAPERS: Final = ("README", "LICENSE", "LICENCE", "NOTICE")


def make_all(trail: Trail, settings: Export) -> DeniedError | InputError | None:
    """Every file that the settings ask for, and none of an earlier student. One that is refused, or that its
    runtime declines, does not keep the others back: the first such error is given back. Raises
    MissingExtraError."""
    shop = open_shop(trail, settings)
    kinds = [*dict.fromkeys(settings.gguf), *([ONNX] if settings.onnx else [])]
    for folder in _folders(trail):
        made = manifest.read(folder)
        if made is not None and made.identity.inputs["student"] != shop.student.id:
            trail.withdraw(folder.name)
    refused: list[DeniedError | InputError] = []
    exact = cache(lambda: trying.exact(shop))
    for kind in kinds:
        try:
            _make(shop, kind, exact)
        except (DeniedError, InputError) as error:
            refused.append(error)
    return next(iter(refused), None)


def make_one(trail: Trail, kind: str) -> Artifact:
    """One file of a finished run, or found again. Raises InputError for a student that cannot be written so
    or a runtime that declines, DeniedError when the file is not faithful, MissingExtraError."""
    shop = open_shop(trail, _as_before(trail, kind))
    return _make(shop, kind, lambda: trying.exact(shop))


def _as_before(trail: Trail, kind: str) -> Export:
    """What files of this run were tried on already: the same file, else any; as a recipe has it by default
    where there is none."""
    for folder in sorted(_folders(trail), key=lambda folder: folder.name != _place(kind)):
        made = manifest.read(folder)
        if made is not None:
            return Export(prompts=made.identity.config["prompts"], tokens=made.identity.config["tokens"])
    return Export()


def _folders(trail: Trail) -> list[Path]:
    return sorted([*trail.folder.glob("gguf-*"), *trail.folder.glob(ONNX)])


def _place(kind: str) -> str:
    return ONNX if kind == ONNX else f"gguf-{kind}"


def _identity(shop: Shop, kind: str) -> Identity:
    return Identity(
        _place(kind).partition("-")[0],
        FORMAT_VERSION,
        {
            "type": kind,
            "name": shop.trail.run,
            "weights": pins.pin(shop.student.files),
            "prompts": shop.settings.prompts,
            "tokens": shop.settings.tokens,
            "made_with": {"inbond": __version__, **trying.packages(kind)},
        },
        {"student": shop.student.id, "held_out": shop.held_out.id},
    )


def _make(shop: Shop, kind: str, exact: Callable[[], Faithfulness]) -> Artifact:
    place = _place(kind)

    def make(folder: Path) -> Made:
        path = folder / (f"{shop.trail.run}.onnx" if kind == ONNX else f"{shop.trail.run}-{kind}.gguf")
        try:
            stored = trying.write(shop.source, shop.about, kind, path)
            sister = exact() if trying.needs_exact(kind) else None
            found = trying.tried(shop, kind, path, sister)
        except Exception:
            path.unlink(missing_ok=True)
            raise
        write_json(folder / CHECK, {**found, "stored": stored})
        for paper in papers(shop.folder):
            shutil.copyfile(paper, folder / paper.name)
        return Made({"file": path.name, "bytes": found["bytes"], "type": kind})

    def attest(small: Manifest) -> bytes:
        return _attestation(shop, small)

    return shop.trail.stage(place.replace("-", " "), place, _identity(shop, kind), make, attest=attest)


def papers(student: Path) -> list[Path]:
    """What has to go with a student's file: its card, its licences, its teacher's and its notice."""
    return sorted(path for path in student.iterdir() if path.stem.removeprefix("TEACHER-") in _PAPERS)


def read_check(made: Artifact) -> dict[str, Any]:
    """What was found when the file was made; ``file`` within the run's folder."""
    value: dict[str, Any] = json.loads((made.folder / CHECK).read_bytes())
    return {**value, "file": f"{made.folder.name}/{made.facts['file']}"}


def withdraw_all(trail: Trail) -> None:
    """Removes every file, where an earlier attempt made some: their student was kept in."""
    for folder in _folders(trail):
        trail.withdraw(folder.name)


def _attestation(shop: Shop, small: Manifest) -> bytes:
    """Signed statements about the file as ``recipes.attesting`` makes them about the student: what it is, and
    what it was made from."""
    ledger = shop.trail.ledger
    files = {**small.files, manifest.NAME: small.digest}
    made = ledger.seal(envelope.statement(files, PROVENANCE, _provenance(shop, small)))
    model = {
        "name": f"{shop.trail.run} ({small.facts['type']})",
        "artifact": small.id,
        "created": now(),
        "inbond": __version__,
        "ledger": ledger.head().to_json(),
        "keys": [entry.to_json() for entry in ledger.introductions()],
        "statements": [of_bytes(made.payload)],
    }
    return envelope.encode([ledger.seal(envelope.statement(files, MODEL, model)), made])


def _provenance(shop: Shop, small: Manifest) -> Mapping[str, Any]:
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"type": small.facts["type"]},
            "internalParameters": {},
            "resolvedDependencies": [
                {
                    "name": "student",
                    "uri": f"run:{shop.trail.run}",
                    "digest": envelope.digest_set(shop.student.digest),
                    "annotations": {"artifact": shop.student.id},
                }
            ],
        },
        "runDetails": {
            "builder": {"id": "urn:inbond:builder:local:1", "version": {"inbond": __version__}},
            "metadata": {"invocationId": f"{shop.trail.run}/{small.id}", "finishedOn": now()},
        },
    }
