"""What a student's other files are made from: its folder, held-out answers to try them on, and its teacher's
weights to measure beside, where they are at hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from inbond import __version__
from inbond.errors import InputError
from inbond.ledger import manifest
from inbond.ledger.manifest import Manifest
from inbond.ledger.records import Row, read_rows
from inbond.policy import foreign
from inbond.recipes.models import find_weights
from inbond.recipes.plan import student_folder
from inbond.recipes.sections.export import Export
from inbond.recipes.trail import Trail
from inbond.teachers.opening import Weights
from inbond.types import parse_model_name

if TYPE_CHECKING:
    from inbond.edge.source import About, Source

_CARD: Final = "README.md"


@final
@dataclass(frozen=True)
class Beside:
    """A teacher to measure beside: its ``weights``, or None and ``why`` there are none."""

    weights: Weights | None
    why: str = ""


@final
@dataclass(frozen=True)
class Shop:
    """A run's student with all that its files are tried with."""

    trail: Trail
    student: Manifest
    folder: Path
    held_out: Manifest
    settings: Export
    teacher: Beside

    @cached_property
    def rows(self) -> list[Row]:
        """Held-out answers to different prompts, the first few."""
        by_prompt: dict[Any, Row] = {}
        for row in read_rows(self.trail.folder / "data/held_out"):
            by_prompt.setdefault(row.record.prompt_id, row)
        return list(by_prompt.values())[: self.settings.prompts]

    def prompts(self, tokenizer: Any) -> list[list[int]]:
        """Their prompts, each of one token at least."""
        from inbond.teachers.tokens import encode_record

        read = [encode_record(tokenizer, row.record) for row in self.rows]
        return [list(one.ids[: one.prompt_length]) for one in read]

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


def open_shop(trail: Trail, settings: Export) -> Shop:
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


def _teacher(trail: Trail) -> Beside:
    """The very weights that the student learnt from."""
    start = manifest.read(trail.folder / "start")
    pinned = str(start.identity.config.get("teacher", "")) if start is not None else ""
    name, _, digest = pinned.partition(" ")
    if not digest:
        return Beside(None, f"the weights of {name or 'its teacher'} are not here, only its API")
    try:
        weights = find_weights(parse_model_name(name), trail.workspace)
    except InputError as error:
        return Beside(None, f"{name} is not here any more: {error.found}")
    if weights.digest != digest:
        return Beside(None, f"{name} is another one now than the student learnt from")
    return Beside(weights)
