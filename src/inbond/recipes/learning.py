"""From records to a trained and measured student: capture, start, train, evaluate.

``Bench`` opens models at most once and only when a stage has to be made.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.ledger.manifest import Identity
from inbond.ledger.records import Row, read_rows
from inbond.recipes import (
    across,
    beginning,
    context,
    crew,
    mixture,
    narrowing,
    remote,
    scoring,
    teaching,
    training,
)
from inbond.recipes.accelerated import Accelerated
from inbond.recipes.answers import Datasets
from inbond.recipes.models import TeacherSource
from inbond.recipes.objective import alternatives, is_across, kept
from inbond.recipes.outside import Outside
from inbond.recipes.recipe import Recipe
from inbond.recipes.trail import Artifact, Made, Trail
from inbond.recipes.watch import time_left
from inbond.teachers.opening import Weights
from inbond.teachers.protocols import ScoresTokens, TokenSequence
from inbond.workspace import write_json

if TYPE_CHECKING:
    from inbond.evaluate.agreement import HeldOut
    from inbond.teachers.local import Local

START_VERSION = 2
CAPTURE_VERSION = TRAIN_VERSION = 4


@dataclass(frozen=True)
class Bench:
    """What the learning stages work with. ``base`` is the model that init: model starts from, ``outside``
    prompts that are none of the run's domain, ``pairs`` the answers that are preferred to others: rows 2i and
    2i + 1 are the chosen and the rejected one of pair i, ``vocabulary`` the tokens that the student has of
    its teacher's (None: all). ``accelerated``: by which processes it is trained (None: this one);
    ``further``: the targets of further teachers by their number, where they are known already."""

    trail: Trail
    recipe: Recipe
    teacher: TeacherSource
    base: Weights | None
    data: Datasets
    outside: Sequence[Outside]
    pairs: Artifact | None = None
    vocabulary: Artifact | None = None
    mixed: tuple[mixture.Part, ...] = ()
    accelerated: Accelerated | None = None
    further: Mapping[int, Artifact] | None = None

    @cached_property
    def whole(self) -> Local:
        """The teacher's weights."""
        return self.teacher.open_local()

    @cached_property
    def local(self) -> Local:
        """The teacher as the student learns from it: its weights, with the student's tokens alone where those
        are fewer."""
        if self.vocabulary is None:
            return self.whole
        return narrowing.smaller(self.whole, self.teacher, self.vocabulary)

    @cached_property
    def tokenizer(self) -> Any:
        """The student's: the teacher's tokenizer, whole or pruned, or the base's when the teacher is only an
        API or has another vocabulary."""
        if self.teacher.weights is not None and not self.across:
            return self.local.tokenizer
        assert self.base is not None, "checked before the first stage"
        from inbond.teachers.local import load_tokenizer

        return load_tokenizer(self.base.folder())

    @cached_property
    def captured(self) -> Mapping[int, Artifact]:
        """Targets of further teachers; a stage of its own for each."""
        return mixture.capture(self) if self.further is None else self.further

    def close(self) -> None:
        """Lets go of the teacher, for whoever needs its memory; it is opened again when it is asked for."""
        for name in ("whole", "local"):
            vars(self).pop(name, None)

    @property
    def across(self) -> bool:
        """Whether the student has a vocabulary of its own."""
        return is_across(self.recipe)

    @property
    def comparable(self) -> bool:
        """Whether the student can be compared with its teacher token by token."""
        return self.teacher.weights is not None and not self.across

    @cached_property
    def train_rows(self) -> list[Row]:
        return read_rows(self.data.train.folder)

    @cached_property
    def held_out(self) -> list[Row]:
        """Held-out answers of the teacher; own data is not what agreement with it is measured on."""
        every = read_rows(self.data.held_out.folder)
        rows = [row for row in (every[number] for number in mixture.led(every)) if not row.origin.own]
        if not rows:
            raise InputError(
                expected="at least one held-out answer of the first teacher",
                found="no answer of the first teacher was held out: only own data or another teacher's",
                fix="raise held_out, or add prompts",
            )
        return rows

    @property
    def tokens(self) -> dict[str, Any]:
        """The size of the real vocabulary and the id that fills up batches."""
        from inbond.teachers.tokens import pad_id

        return {"vocabulary": len(self.tokenizer), "pad_id": pad_id(self.tokenizer)}

    def encode(self, rows: Sequence[Row]) -> list[TokenSequence]:
        """Rows as the student sees them, and the teacher too unless its vocabulary is another."""
        return across.encode(self.tokenizer, rows)

    def encode_for_teacher(self, rows: Sequence[Row]) -> list[TokenSequence]:
        """Rows as the teacher sees them: with its own vocabulary, or its context, where it has one."""
        if self.across:
            return across.encode(self.local.tokenizer, rows)
        return context.encode_seen(self.tokenizer, self.recipe, rows, self.encode(rows))

    def prepared(self, rows: Sequence[Row], units: Sequence[Hashable] | None = None) -> HeldOut:
        """The teacher over these rows, for students to be compared with."""
        from inbond.evaluate import agreement

        both = self.encode(rows), self.encode_for_teacher(rows)
        return agreement.prepare(self.local.model, both[0], seen=both[1], units=units, **self.tokens)


def _vocabulary(bench: Bench) -> dict[str, Digest]:
    """The student's tokens as an input of a stage, where they are not all of its teacher's."""
    return {} if bench.vocabulary is None else {"vocabulary": bench.vocabulary.id}


def capture(bench: Bench) -> Artifact | None:
    """The teacher's targets for the training records; None when the objective needs none, or the teacher is
    asked while training."""
    recipe = bench.recipe
    if recipe.train.taught == 0 or recipe.capture.targets == "online":
        return None
    keep = kept(recipe)
    config = {"teacher": bench.teacher.pinned, "shard": recipe.capture.shard, **keep.to_json()}
    if alternatives(recipe):
        assert bench.base is not None, "checked before the first stage"
        config |= {"scores": bench.data.answers.facts["scores"], "base": bench.base.digest}
    identity = Identity("capture", CAPTURE_VERSION, config, teaching.source(bench) | _vocabulary(bench))

    def make(folder: Path) -> Made:
        scorer, sequences, facts = _scorer(bench, folder)
        show = meter(bench.trail, "capture", "label tokens/s")
        shards = scoring.capture(bench, scorer, sequences, folder, show)
        tokens = sum(sequence.labels for sequence in sequences)
        size = sum(path.stat().st_size for path in folder.glob("targets-*"))
        return Made({"label_tokens": tokens, "shards": shards, "bytes": size, **keep.to_json(), **facts})

    return bench.trail.stage("capture", "targets", identity, make, resumable=True)


def _scorer(bench: Bench, folder: Path) -> tuple[ScoresTokens, list[TokenSequence], dict[str, Any]]:
    """Who scores which sequences: the teacher's weights all of them, its host what it said itself."""
    if not alternatives(bench.recipe):
        rows = teaching.rows(bench)
        led = [rows[number] for number in mixture.led(rows)]
        return bench.local, bench.encode_for_teacher(led), {}
    journal = bench.trail.workspace.journal
    found = remote.gather(journal, bench.recipe, bench.data.answers, teaching.rows(bench), bench.tokenizer)
    found.write(folder)
    bench.trail.watcher.say(f"capture: {found.in_words()}")
    return found.scores, found.known, found.facts


def start(bench: Bench) -> Artifact:
    """How the student begins: which layers are kept, measured on a probe of the training records."""
    settings = bench.recipe.student
    config = {
        "teacher": bench.teacher.pinned,
        "seed": bench.recipe.train.seed,
        **settings.model_dump(mode="json", exclude={"heads", "neurons", "vocabulary"}),
        **settings.model_dump(mode="json", include={"heads", "neurons"}, exclude_none=True),
    }
    if bench.base is not None:
        config["base_weights"] = bench.base.digest
    inputs = {"train": bench.data.train.id, **_vocabulary(bench)}
    identity = Identity("start", START_VERSION, config, inputs)

    def make(folder: Path) -> Made:
        facts: dict[str, Any] = {"init": settings.init}
        if settings.init == "prune":
            facts |= beginning.choose(bench, meter(bench.trail, "start", "layers/s"))
        write_json(folder / beginning.START, facts)
        return Made({name: fact for name, fact in facts.items() if name != "width"})

    return bench.trail.stage("start", "start", identity, make)


def fresh_student(bench: Bench, begun: Artifact) -> Any:
    """The student as it begins, where models run. The same every time it is made. Raises InputError."""
    from inbond.teachers.local import device

    return beginning.fresh(bench, begun).to(device())


def train(bench: Bench, begun: Artifact, targets: Artifact | None) -> Artifact:
    """The trained weights with their curves. Resumes from the newest checkpoint of this very stage."""
    recipe = bench.recipe
    settings = teaching.settings(recipe)
    settings |= {"teacher": bench.teacher.pinned, "targets": recipe.capture.targets}
    settings |= training.measurements(recipe)
    reference = teaching.reference(bench, begun)
    inputs = {**teaching.source(bench), "held_out": bench.data.held_out.id, "start": begun.id}
    if targets is not None:
        inputs["targets"] = targets.id
    inputs |= {f"targets-{number}": found.id for number, found in bench.captured.items()}
    if reference is not None:
        inputs["reference"] = reference.id
    identity = Identity("train", TRAIN_VERSION, settings, inputs)

    ground = training.Ground(begun, targets, reference)

    def make(folder: Path) -> Made:
        if bench.accelerated is not None:
            return crew.train(bench, bench.accelerated, ground, identity.id, folder)
        return training.train(bench, ground, identity.id, folder)

    artifact = bench.trail.stage("train", "trained", identity, make)
    shutil.rmtree(bench.trail.work, ignore_errors=True)
    return artifact


def meter(trail: Trail, stage: str, unit: str) -> Callable[[int, int], None]:
    """Progress with rate and time left, for work that counts up."""
    started = time.monotonic()

    def show(done: int, total: int) -> None:
        rate = done / max(time.monotonic() - started, 1e-9)
        left = time_left((total - done) / rate) if rate and done < total else "done"
        trail.watcher.advance(stage, done, total, f"{rate:,.1f} {unit}, {left}")

    return show
