"""Pairs from critique and revision: the teacher criticises its own answer by a principle, and rewrites it.

Answer, critique and revision are all kept: ``data/critiques`` (role judge, parent: the answer) and
``data/revisions`` (role rewriter, parents: the answer and the critique). The revision is the chosen one of
the pair, the first answer the rejected one. What the wording is: ``engine.revising``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, final

from inbond.engine import filters, revising
from inbond.engine.filters import FilterConfig
from inbond.engine.revising import Guide
from inbond.ledger.manifest import Identity
from inbond.ledger.records import Row, read_rows, write_rows
from inbond.recipes import answers, planting
from inbond.recipes.preferring import Candidate, Gathered, Setting, Source
from inbond.recipes.replies import ask_teacher
from inbond.recipes.trail import Artifact, Made
from inbond.roundtable.judge.constitution import DEFAULT, Constitution, read_constitution
from inbond.teachers.protocols import Reply, Request
from inbond.types import Message, Origin, Record, Role

CRITICISE_VERSION = REVISE_VERSION = 1
NOT_KEPT: Final = "revisions that do not keep the principle's pattern"
KEPT_BEFORE: Final = "answers that kept the principle's pattern before"
DROPPED: Final = "revisions that the filters drop"


def constitution_of(setting: Setting) -> Constitution:
    """The recipe's principles. Raises InputError that names the field."""
    source = setting.section.constitution
    return read_constitution(source if source == DEFAULT else str(setting.folder / source))


def revised(setting: Setting) -> Source:
    """Asks for critiques and revisions, and gives the pairs that come of them."""
    work = _Revision(setting)
    critiques = work.criticise()
    revisions = work.revise(critiques)
    sets = {"train": setting.data.train, "critiques": critiques, "revisions": revisions}
    # Of the filters, those that look at a text alone: a revision is meant to be near to its answer.
    config = replace(setting.plan.filters, duplicates=False, near_duplicates=None)
    return Source(
        {"filters": config.to_json(), **work.drawing}, sets, lambda: work.gather(critiques, revisions, config)
    )


@final
class _Revision:
    """The two stages, and the pairs."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._guides = tuple(
            Guide(each.id, each.text, each.critique or "", each.revision or "", each.pattern or "")
            for each in constitution_of(setting).principles
        )

    @property
    def drawing(self) -> dict[str, Any]:
        """What decides which principle an answer is criticised by."""
        section = self._setting.section
        return {
            "guides": [guide.to_json() for guide in self._guides],
            "principles": section.principles,
            "seed": section.seed,
        }

    @property
    def _asking(self) -> dict[str, Any]:
        """What decides replies."""
        setting = self._setting
        teacher = setting.plan.teacher
        return {
            "teacher": teacher.pinned,
            "runtime": teacher.runtime,
            "sampling": answers.sampling(setting.plan.recipe).to_json(),
            **planting.drawn_with(teacher.mark),
            "terms": setting.terms,
            **self.drawing,
        }

    @cached_property
    def _train(self) -> list[Row]:
        return read_rows(self._setting.data.train.folder)

    def criticise(self) -> Artifact:
        """A critique of each of the teacher's answers; a person's own text is not criticised."""
        train = self._setting.data.train
        identity = Identity("criticise", CRITICISE_VERSION, self._asking, {"train": train.id})

        def make(folder: Path) -> Made:
            mine = [number for number, row in enumerate(self._train) if not row.origin.own]
            asked = [
                revising.ask_critique(self._train[number].record, self._drawn(self._train[number]))
                for number in mine
            ]
            return self._put("criticise", folder, asked, [(number,) for number in mine], "judge", [train])

        return self._setting.trail.stage("criticise", "data/critiques", identity, make)

    def revise(self, critiques: Artifact) -> Artifact:
        """A revision of each answer that has a critique."""
        train = self._setting.data.train
        inputs = {"train": train.id, "critiques": critiques.id}
        identity = Identity("revise", REVISE_VERSION, self._asking, inputs)

        def make(folder: Path) -> Made:
            asked, parents = [], []
            for number, critique in enumerate(read_rows(critiques.folder)):
                answer = self._train[critique.parents[0]]
                said = critique.record.completion
                asked.append(revising.ask_revision(answer.record, said, self._drawn(answer)))
                parents.append((critique.parents[0], len(self._train) + number))
            return self._put("revise", folder, asked, parents, "rewriter", [train, critiques])

        return self._setting.trail.stage("revise", "data/revisions", identity, make)

    def gather(self, critiques: Artifact, revisions: Artifact, config: FilterConfig) -> Gathered:
        """The pairs, and why the others are none."""
        revised = read_rows(revisions.folder)
        above = len(self._train) + int(critiques.facts["replies"])
        clean = set(filters.apply([filters.Candidate(row) for row in revised], config).rows)
        without: Counter[str] = Counter()
        pairs = []
        for number, row in enumerate(revised):
            answer = self._train[row.parents[0]]
            text = revising.revision_of(row.record.completion)
            reason = DROPPED if number not in clean else self._unfit(answer, text)
            if reason:
                without[reason] += 1
                continue
            chosen = replace(
                row,
                record=Record(answer.record.prompt, text),
                parents=(above + number,),
                prompt_tokens=answer.prompt_tokens,
            )
            pairs.append(Candidate(chosen, replace(answer, parents=(row.parents[0],))))
        return Gathered(tuple(pairs), dict(without))

    def _unfit(self, answer: Row, text: str) -> str | None:
        guides = self._drawn(answer)
        if not revising.keep(guides, text):
            return NOT_KEPT
        told = any(guide.pattern for guide in guides)
        return KEPT_BEFORE if told and revising.keep(guides, answer.record.completion) else None

    def _drawn(self, answer: Row) -> tuple[Guide, ...]:
        section = self._setting.section
        return revising.drawn(self._guides, section.principles, answer.record, section.seed)

    def _put(
        self,
        stage: str,
        folder: Path,
        asked: Sequence[tuple[Message, ...]],
        parents: Sequence[tuple[int, ...]],
        role: Role,
        sets: Sequence[Artifact],
    ) -> Made:
        """Asks the teacher, and writes what came back as a record set."""
        setting = self._setting
        how, teacher = answers.sampling(setting.plan.recipe), setting.plan.teacher
        noted = how.to_json() | planting.drawn_with(teacher.mark)
        origin = Origin(setting.plan.recipe.teacher, teacher.channel, role, noted, setting.terms)
        done = ask_teacher(
            stage, setting.trail, setting.plan, lambda teacher: [Request(teacher, one, how) for one in asked]
        )
        rows = list(_rows(asked, done.replies, parents, origin))
        facts = {**done.facts, "replies": len(rows), "parents": [one.id for one in sets]}
        return Made(facts, write_rows(folder, rows))


def _rows(
    asked: Sequence[tuple[Message, ...]],
    replies: Sequence[Reply | None],
    parents: Sequence[tuple[int, ...]],
    origin: Origin,
) -> Iterator[Row]:
    """A row for each reply that says something."""
    for prompt, reply, above in zip(asked, replies, parents, strict=True):
        if reply is not None and reply.text.strip():
            yield Row(
                Record(prompt, reply.text),
                origin,
                above,
                reply.prompt_tokens or 0,
                reply.completion_tokens or 0,
                finish=reply.finish,
            )
