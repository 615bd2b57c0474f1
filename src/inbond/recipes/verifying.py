"""From answers to those that are right: rules on each, keeps the rulings, and keeps what passed.

Two stages. The rulings are records of their own (prompt, answer, ruling), whose origin is the verifier; what
passed descends from the answer that it is and from the ruling that let it through, so that ``trace`` tells
both who wrote a record and what verified it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inbond.briefing import ruling
from inbond.digest import Digest, canonical, of_bytes
from inbond.engine import prompts
from inbond.engine.verifying import verdicts
from inbond.engine.verifying.opening import Chosen, Rules
from inbond.engine.verifying.ruling import Ruling, read
from inbond.engine.verifying.sandbox import Limits
from inbond.errors import InputError, TamperedError
from inbond.ledger.manifest import Identity
from inbond.ledger.records import Row, read_rows, write_rows
from inbond.recipes import passing
from inbond.recipes.articles import Questions
from inbond.recipes.passing import PASSING
from inbond.recipes.recipe import Recipe
from inbond.recipes.sections.verify import Verify
from inbond.recipes.trail import Artifact, Made, Trail
from inbond.report.verified import VerifiedFacts
from inbond.types import Message, Origin, Prompt, Record

VERDICTS, VERIFY = "verdicts", "verify"
_VERSION = 2


@dataclass(frozen=True)
class Checks:
    """A recipe's verification: its section, the verifier, and what is expected of each prompt's answers, by
    the prompt's id. None for ``expected`` where nothing is, or the same of all. ``questions`` are those that
    were asked about articles."""

    section: Verify
    chosen: Chosen
    expected: dict[Digest, Any] | None
    questions: Questions | None = None

    def of(self, row: Row) -> Any:
        """What is expected of an answer."""
        return self.section.expect if self.expected is None else self.expected[row.record.prompt_id]

    def identity(self) -> dict[str, Any]:
        """All that decides the rulings, but the answers."""
        expected = self.section.expect if self.expected is None else sorted(self.expected.items())
        # Not canonical JSON: what is expected may be a number beyond it.
        return {**self.chosen.to_json(), "expected": of_bytes(json.dumps(expected, sort_keys=True).encode())}


def read_checks(
    recipe: Recipe,
    folder: Path,
    asked: Sequence[Prompt],
    file: Path | None,
    questions: Questions | None = None,
) -> Checks | None:
    """What the recipe verifies, read early: None where it does not. ``folder`` is where its relative paths
    start, ``file`` has the prompts ``asked``, if they are from one; ``questions`` are those about articles.
    Raises InputError, MissingExtraError."""
    section = recipe.verify
    if section is None:
        return None
    limits = Limits(section.timeout_s, section.memory_mb, section.output_bytes)
    if section.kind == "briefing":
        assert questions is not None, "the recipe has articles"
        rules = Rules(ruling.NAME, ruling.source())
        told = {id_: question.expected for id_, question in questions.by_id.items()}
        return Checks(section, Chosen(section.kind, limits, rules=rules), told, questions)
    chosen = Chosen(section.kind, limits, section.function, folder)
    assert chosen.tool, "found now, or told now"
    expected = None
    if section.answers is not None:
        expected = _expected(recipe, file, asked, section.answers)
    return Checks(section, chosen, expected)


def _expected(recipe: Recipe, file: Path | None, asked: Sequence[Prompt], field: str) -> dict[Digest, Any]:
    """By prompt, the field of its row. Raises InputError for a row without it, and for two rows with one
    prompt that expect different things."""
    source = recipe.prompts
    rows = prompts.read_rows(file, source.items, source.dataset, source.split, source.limit)
    found: dict[Digest, Any] = {}
    for (place, row), prompt in zip(rows, asked, strict=False):
        if row.get(field) is None:
            raise InputError(
                expected=f"the field {field!r} in every row, as verify.answers names it",
                found=f"{place}: fields {', '.join(map(repr, row))}",
                fix="add it, or correct verify.answers",
            )
        _check_json(place, field, row[field])
        id_ = Record(prompt, "").prompt_id
        if found.setdefault(id_, row[field]) != row[field]:
            raise InputError(
                expected="one answer to a prompt",
                found=f"{place}: {row[field]!r:.80} to a prompt that expects {found[id_]!r:.80} elsewhere",
                fix="correct one of them, or let the prompts differ",
            )
    return found


def _check_json(place: str, field: str, value: Any) -> None:
    """Raises InputError for what no other process can be told: a date of a dataset, say."""
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            expected=f"a value of JSON in the field {field!r}, which verify.answers names",
            found=f"{place}: {type(value).__name__} ({error})",
            fix="write it as text or as a number",
        ) from error


def verify(trail: Trail, answered: Artifact, checks: Checks | None) -> Artifact:
    """The answers that passed; all of them where nothing is verified.

    Raises InputError when the verifier cannot be run on this machine, or fewer than two answers passed.
    """
    if checks is None:
        return answered
    ruled = trail.stage(
        "verify",
        "data/verdicts",
        Identity(VERDICTS, _VERSION, checks.identity(), {"answers": answered.id}),
        lambda folder: _rule(trail, answered, checks, folder),
    )
    inputs = {"answers": answered.id, "verdicts": ruled.id}
    return trail.stage(
        "keep",
        "data/verified",
        Identity(VERIFY, _VERSION, {"keep": checks.section.keep}, inputs),
        lambda folder: _keep(answered, ruled, checks.section, folder),
    )


def _rule(trail: Trail, answered: Artifact, checks: Checks, folder: Path) -> Made:
    rows = read_rows(answered.folder)
    verifier = checks.chosen.open()
    try:
        rulings = verdicts.rule_all(
            verifier,
            ((row.record.completion, checks.of(row)) for row in rows),
            lambda done: trail.watcher.advance("verify", done, len(rows), checks.chosen.tool),
        )
    finally:
        verifier.close()
    origin = Origin(checks.chosen.tool, "self-hosted", "verifier", checks.chosen.to_json(), None)
    told = [
        Row(Record(_conversation(row.record), canonical(ruling.to_json()).decode()), origin, (number,))
        for number, (row, ruling) in enumerate(zip(rows, rulings, strict=True))
    ]
    by_prompt = [[rulings[number] for number in numbers] for numbers in _groups(rows).values()]
    facts = {
        "tool": checks.chosen.tool,
        "prompts": len(by_prompt),
        "pass_at": verdicts.pass_rates(by_prompt),
        **_by_question(rows, rulings, checks.questions),
        **verdicts.counted(rulings),
    }
    return Made(facts, write_rows(folder, told))


def _by_question(
    rows: Sequence[Row], rulings: Sequence[Ruling], questions: Questions | None
) -> dict[str, Any]:
    """How many replies to each kind of question there are, and how many of them passed."""
    if questions is None:
        return {}
    found: dict[str, dict[str, int]] = {}
    for row, one in zip(rows, rulings, strict=True):
        counts = found.setdefault(questions.by_id[row.record.prompt_id].kind, {"answers": 0, "passed": 0})
        counts["answers"] += 1
        counts["passed"] += one.outcome == "passed"
    return {"questions": found}


def _keep(answered: Artifact, ruled: Artifact, section: Verify, folder: Path) -> Made:
    rows, rulings = read_rows(answered.folder), read_rulings(ruled.folder)
    tokens = [row.completion_tokens or len(row.record.completion) for row in rows]
    kept = verdicts.chosen(section.keep, _groups(rows), rulings, tokens)
    if len(kept) < 2:
        raise InputError(
            expected="at least two answers that pass, to learn from and to hold out",
            found=f"{len(kept)} of {len(rows)}: {ruled.facts['outcomes']}, {ruled.facts['reasons']}",
            fix="look at the reasons (inbond export rewards, or data/verdicts): is the verifier right, and "
            "can the teacher do this? More generate.samples help a teacher that sometimes can",
        )
    whole = [replace(rows[number], parents=(number, len(rows) + number)) for number in kept]
    facts = {"rows": len(whole), "parents": [answered.id, ruled.id]}
    return Made(facts, write_rows(folder, whole))


def read_rulings(folder: Path) -> list[Ruling]:
    """The rulings of a record set of them, in the order of the answers. Raises TamperedError."""
    found = [read(json.loads(row.record.completion)) for row in read_rows(folder)]
    rulings = [ruling for ruling in found if ruling is not None]
    if len(rulings) != len(found):
        raise TamperedError(
            expected=f"rulings in {folder}", found="something else", fix="run the recipe with --fresh"
        )
    return rulings


def _groups(rows: Sequence[Row]) -> dict[Digest, list[int]]:
    """The numbers of each prompt's answers."""
    groups: dict[Digest, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        groups[row.record.prompt_id].append(number)
    return groups


def _conversation(record: Record) -> tuple[Message, ...]:
    """What a ruling is on, as its prompt."""
    asked = (Message("user", record.prompt),) if isinstance(record.prompt, str) else record.prompt
    return (*asked, Message("assistant", record.completion))


def verified_in(trail: Trail) -> VerifiedFacts | None:
    """What a run's verifier found of the answers, and how many were kept; None without one."""
    made = {artifact.manifest.identity.stage: artifact for artifact in trail.artifacts}
    if VERIFY not in made:
        return None
    ruled, kept = made[VERDICTS].facts, made[VERIFY]
    told = {name: ruled[name] for name in ("tool", "prompts", "outcomes", "reasons", "pass_at")}
    keep = kept.manifest.identity.config["keep"]
    student = passing.told(made[PASSING]) if PASSING in made else None
    return VerifiedFacts(
        **told, keep=keep, kept=kept.facts["rows"], questions=ruled.get("questions"), student=student
    )
