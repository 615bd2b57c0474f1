"""A student in other formats: each file an artifact of its own, written, checked against the student,
measured beside its teacher in the same runtime, and signed.

A file that does not say what the student says is refused, and what it was is removed.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from inbond import __version__
from inbond.digest import of_bytes
from inbond.errors import InputError
from inbond.ledger import envelope, manifest, pins
from inbond.ledger.attested import MODEL, PROVENANCE
from inbond.ledger.ledger import now
from inbond.ledger.manifest import Identity, Manifest
from inbond.ledger.records import Row, read_rows
from inbond.policy import foreign
from inbond.recipes.models import find_weights
from inbond.recipes.plan import student_folder
from inbond.recipes.sections.export import Export
from inbond.recipes.trail import Artifact, Made, Trail
from inbond.teachers.opening import Weights
from inbond.types import parse_model_name
from inbond.workspace import write_json

if TYPE_CHECKING:
    from inbond.edge.runner import Child, Runtime
    from inbond.edge.saving import Pace
    from inbond.edge.source import About, Source

FORMAT_VERSION = 1
CHECK: Final = "check.json"
ONNX: Final = "onnx"
BUILD_TYPE: Final = "urn:inbond:export:1"
_CARD: Final = "README.md"


@final
@dataclass(frozen=True)
class Shop:
    """What files are made from: a run's student, its held-out records, and its teacher's weights where they
    are at hand."""

    trail: Trail
    student: Manifest
    folder: Path
    held_out: Artifact | Manifest
    settings: Export
    teacher: Weights | None

    @property
    def rows(self) -> list[Row]:
        """Held-out answers to different prompts, the first few."""
        by_prompt: dict[Any, Row] = {}
        for row in read_rows(self.trail.folder / "data/held_out"):
            by_prompt.setdefault(row.record.prompt_id, row)
        return list(by_prompt.values())[: self.settings.prompts]

    @cached_property
    def source(self) -> Source:
        """The student's folder."""
        from inbond.edge.source import Source

        return Source(self.folder)

    @cached_property
    def tokenizer(self) -> Any:
        from inbond.teachers.local import load_tokenizer

        return load_tokenizer(self.folder)

    @cached_property
    def model(self) -> Any:
        """The student under transformers."""
        from inbond.teachers.local import load_model

        return load_model(self.folder)

    @cached_property
    def about(self) -> About:
        """By the student's card: licences are never guessed here."""
        from inbond.edge.source import About

        card = foreign.front_matter((self.folder / _CARD).read_bytes()) or {}
        licence, base = card.get("license"), card.get("base_model")
        bases = [base] if isinstance(base, str) else list(base or ())
        if licence == "other":
            licence = card.get("license_name")
        return About(
            f"{self.trail.run}",
            self.student.id,
            str(licence) if licence else None,
            tuple((str(name), f"https://huggingface.co/{name}") for name in bases),
            f"Inbond {__version__}, run {self.trail.run}",
        )


def of_run(trail: Trail, settings: Export) -> Shop:
    """The shop of a finished run. Raises InputError when it has no student, or its records were erased."""
    folder = student_folder(parse_model_name(f"run:{trail.run}"), trail.workspace)
    student, held_out = manifest.read(folder), manifest.read(trail.folder / "data/held_out")
    assert student is not None, "a student's folder is complete"
    if held_out is None:
        raise InputError(
            expected=f"held-out records of {trail.run}, to compare files with its student on",
            found="none",
            fix="run its recipe again",
        )
    return Shop(trail, student, folder, held_out, settings, _teacher(trail))


def _teacher(trail: Trail) -> Weights | None:
    """The teacher's weights where they can be found; without them nothing is measured beside."""
    start = manifest.read(trail.folder / "start")
    pinned = str(start.identity.config.get("teacher", "")) if start is not None else ""
    name = pinned.partition(" sha256:")[0]
    try:
        return find_weights(parse_model_name(name), trail.workspace)
    except InputError:
        return None


def make_all(shop: Shop) -> list[Artifact]:
    """Every file that the settings ask for. Raises as ``make_one``."""
    kinds = [*dict.fromkeys(shop.settings.gguf), *([ONNX] if shop.settings.onnx else [])]
    return [make_one(shop, kind) for kind in kinds]


def make_one(shop: Shop, kind: str) -> Artifact:
    """One file of a type, or found again. Raises InputError for a student that cannot be written so or a
    runtime that declines, DeniedError when the file is not faithful, MissingExtraError."""
    place = ONNX if kind == ONNX else f"gguf-{kind}"
    identity = Identity(
        place.partition("-")[0],
        FORMAT_VERSION,
        {
            "type": kind,
            "weights": pins.pin(shop.student.files),
            "prompts": shop.settings.prompts,
            "tokens": shop.settings.tokens,
        },
        {"student": shop.student.id, "held_out": shop.held_out.id},
    )

    def make(folder: Path) -> Made:
        path = folder / (f"{shop.trail.run}.onnx" if kind == ONNX else f"{shop.trail.run}-{kind}.gguf")
        try:
            _write(shop.source, shop.about, kind, path)
            found = _checked(shop, kind, path)
        except Exception:
            path.unlink(missing_ok=True)
            raise
        write_json(folder / CHECK, found)
        for beside in sorted(shop.folder.iterdir()):
            if beside.stem in ("README", "LICENSE", "LICENCE", "NOTICE"):
                shutil.copyfile(beside, folder / beside.name)
        return Made({"file": path.name, "bytes": found["bytes"], "type": kind})

    def attest(small: Manifest) -> bytes:
        return _attestation(shop, small)

    return shop.trail.stage(place.replace("-", " "), place, identity, make, attest=attest)


def read_check(made: Artifact) -> dict[str, Any]:
    """What was found when the file was made; ``file`` within the run's folder."""
    value: dict[str, Any] = json.loads((made.folder / CHECK).read_bytes())
    return {**value, "file": f"{made.folder.name}/{made.facts['file']}"}


def withdraw_all(trail: Trail) -> None:
    """Removes every file, where an earlier attempt made some: their student was kept in."""
    for folder in sorted([*trail.folder.glob("gguf-*"), *trail.folder.glob(ONNX)]):
        trail.withdraw(folder.name)


def _runtime(kind: str) -> Runtime:
    return "onnxruntime" if kind == ONNX else "llama.cpp"


def _write(source: Source, about: About, kind: str, path: Path) -> None:
    from inbond.edge import gguf_writer, onnx_writer

    if kind == ONNX:
        onnx_writer.write(source, about, path)
    else:
        gguf_writer.write(source, about, kind, path)  # type: ignore[arg-type]


def _checked(shop: Shop, kind: str, path: Path) -> dict[str, Any]:
    """What the file is worth. Raises DeniedError when it is not what the student is."""
    from inbond.edge import faithful
    from inbond.edge.runner import Child
    from inbond.teachers.tokens import encode_prompt

    prompts = [encode_prompt(shop.tokenizer, row.record.prompt) for row in shop.rows]
    stage, watcher = kind, shop.trail.watcher

    def show(done: int, total: int) -> None:
        watcher.advance(stage, done, total, "prompts compared with the student")

    with Child(_runtime(kind), path) as child:
        encode = _plainly(shop.tokenizer)
        texts = faithful.check_tokens(child, encode, [row.record.completion for row in shop.rows])
        said = faithful.compare(child, shop.model, prompts, shop.settings.tokens, show)
        faithful.check(said, kind)
        return {
            "type": kind,
            "runtime": _runtime(kind),
            "bytes": path.stat().st_size,
            "faithful": {**asdict(said), "texts_tokenised": texts},
            **_saving(shop, kind, child, prompts[0]),
        }


def _plainly(tokenizer: Any) -> Any:
    """How the student's tokenizer cuts text, without special tokens."""
    return lambda text: tokenizer.encode(text, add_special_tokens=False)


def _saving(shop: Shop, kind: str, child: Child, prompt: Sequence[int]) -> dict[str, Any]:
    """The student's file and its teacher's in turns: the teacher's own where it is a GGUF, else its weights
    written in the same type."""
    from inbond.edge import saving
    from inbond.edge.runner import Child

    tokens = shop.settings.tokens
    with tempfile.TemporaryDirectory() as folder:
        theirs = _teachers_file(shop, kind, Path(folder))
        if theirs is None or shop.teacher is None:
            (ours,) = saving.paces([child], [prompt], tokens)
            return {"student": _told(ours), "teacher": None, "speedup": None}
        asked = _teachers_prompt(shop.teacher, shop.rows[0])
        with Child(_runtime(kind), theirs) as other:
            ours, their = saving.paces([child, other], [prompt, asked], tokens)
        return {
            "student": _told(ours),
            "teacher": {"file": theirs.name, "bytes": theirs.stat().st_size, **_told(their)},
            "speedup": ours.tokens_per_s / their.tokens_per_s,
        }


def _told(pace: Pace) -> dict[str, Any]:
    energy = pace.joules_per_token
    return {**asdict(pace), "energy": "cannot be read here" if energy is None else f"{energy:.3g} J a token"}


def _teachers_file(shop: Shop, kind: str, folder: Path) -> Path | None:
    """A file of the teacher for the same runtime; None when there is none and none can be made."""
    from inbond.edge.source import Source

    teacher = shop.teacher
    if teacher is None:
        return None
    if kind != ONNX and teacher.kind == "gguf":
        return teacher.path
    path = folder / f"teacher.{kind}"
    try:
        _write(Source(teacher.folder()), shop.about, kind, path)
    except InputError:
        return None
    return path


def _teachers_prompt(teacher: Weights, row: Row) -> list[int]:
    from inbond.teachers.local import load_tokenizer
    from inbond.teachers.tokens import encode_prompt

    return encode_prompt(load_tokenizer(teacher.folder()), row.record.prompt)


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
