"""From prompts to records: ask the teacher, filter, split."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inbond.digest import Digest, of_bytes, of_value
from inbond.engine import filters
from inbond.engine.completions import Completions, Failure, FailurePolicy, Progress, complete_all
from inbond.engine.filters import Candidate
from inbond.engine.journal import Journal
from inbond.engine.split import split
from inbond.errors import InputError
from inbond.ledger.drawing import FURTHER
from inbond.ledger.manifest import Identity
from inbond.ledger.records import Row, read_rows, write_rows
from inbond.recipes import planting
from inbond.recipes.context import seen
from inbond.recipes.objective import alternatives
from inbond.recipes.own import Own, mix_in
from inbond.recipes.planned import Planned
from inbond.recipes.reasoning import said
from inbond.recipes.receipts import collected
from inbond.recipes.recipe import Recipe
from inbond.recipes.trail import Artifact, Made, Trail
from inbond.recipes.watch import how_asking_goes
from inbond.teachers.protocols import Completes, Form, Price, Reply, Request, Sampling
from inbond.types import Origin, Prompt, Record, prompt_to_json

GENERATE_VERSION = FILTER_VERSION = 1
_DAY_S = 86_400.0


def sampling(recipe: Recipe) -> Sampling:
    """How answers are drawn. Repeated samples differ by their number, which moves the seed."""
    generate = recipe.generate
    return Sampling(generate.max_tokens, generate.temperature, generate.top_p, generate.seed)


def generate(
    trail: Trail,
    plan: Planned,
    asked: Sequence[Prompt],
    terms: Digest,
    source: Path | None = None,
    existing: Artifact | None = None,
    number: int = 0,
) -> Artifact:
    """The teacher's answers as a record set: everything that came, before any filter. ``source`` is the file
    of the prompts; records of an earlier run are noted as such. ``existing`` holds the text that the teacher
    works on, a record for each prompt; None when it answers. ``number`` is that of a further teacher."""
    recipe, teacher, scored = plan.recipe, plan.teacher, alternatives(plan.recipe)
    config = {
        "teacher": teacher.pinned,
        "runtime": teacher.runtime,
        "sampling": sampling(recipe).to_json(),
        "samples": recipe.generate.samples,
        "terms": terms,
    }
    config |= {"top_logprobs": scored} if scored else {}
    config |= planting.noted(teacher.mark)
    context = recipe.prompts.context
    config |= {"reasoning": "keep"} if recipe.generate.reasoning == "keep" else {}
    config |= {"context": of_bytes(context.encode())} if context is not None else {}
    forms = plan.forms
    config |= {"forms": of_value([form.to_json() for form in forms.values()])} if forms else {}
    inputs = {"prompts": of_value([prompt_to_json(prompt) for prompt in asked])}
    if existing is not None:
        config, inputs = config | {"role": recipe.generate.role}, inputs | {"source": existing.id}
    behind = f"-{number}" if number else ""
    identity = Identity(f"generate{behind}", GENERATE_VERSION, config, inputs)

    earlier = trail.record_set(source) if source is not None else None

    def make(folder: Path) -> Made:
        plan.check_models()
        completes = teacher.open_completes(scored)
        check_cap(recipe, completes)
        mark = planting.id_in(config)
        requests = [
            one for prompt in asked for one in requests_for(recipe, completes.identity, prompt, mark, forms)
        ]
        with Journal.open(trail.workspace.journal) as journal:
            done = asyncio.run(ask("generate", trail, recipe, completes, requests, journal))
            entries = journal.find({request.id for request in requests})
        enough(done, recipe)
        role = recipe.generate.role
        how = (
            sampling(recipe).to_json() | planting.noted(teacher.mark) | ({FURTHER: number} if number else {})
        )
        origin = Origin(recipe.teacher, teacher.channel, role, how, terms)
        rows, kept = [], recipe.generate.reasoning
        picked = planting.pick(teacher.mark, asked, done.outcomes, kept)
        for place in picked.places:
            reply, prompt = done.outcomes[place], place // recipe.generate.samples
            assert isinstance(reply, Reply), "only replies are picked"
            parents = () if existing is None else (prompt,)
            rows.append(_row(asked[prompt], reply, said(reply, kept), origin, parents))
        cost = sum(entry.cost_usd for entry in entries.values())
        facts = {**_counts(done, asked, rows, cost), "identity": completes.identity}
        facts |= {"scores": _scores_digest(done)} if scored else {}
        facts |= {"prompts_from": earlier.id} if earlier else {}
        facts |= {"prompts_named": recipe.prompts.named} if number else {}
        facts |= {"parents": [existing.id]} if existing is not None else {}
        # A receipt is for the prompt that was sent; the record's lacks the context.
        sent = picked.places if context is None else ()
        proofs = collected(
            teacher.name, [requests[n] for n in sent], [done.outcomes[n] for n in sent], scored
        )
        proofs.write(folder)
        facts |= picked.write(folder, teacher.mark)
        return Made({**facts, **proofs.facts()}, write_rows(folder, rows))

    stage = f"generate {number}" if number else "generate"
    artifact = trail.stage(stage, f"data/answers{behind}", identity, make)
    if not scored:
        retain(trail, recipe)
    return artifact


def _scores_digest(done: Completions) -> Digest:
    """Over what the host said of its answers' tokens: targets follow from what the journal keeps."""
    replies = (outcome for outcome in done.outcomes if isinstance(outcome, Reply))
    return of_value([of_bytes(repr(reply.top_logprobs).encode()) for reply in replies])


def retain(trail: Trail, recipe: Recipe) -> None:
    """Erases the run's old text from the journal, each time and only once nothing more is read from it:
    earlier, what was paid for would have to be asked again."""
    if recipe.generate.retain_days is None or not trail.workspace.journal.exists():
        return
    which: dict[str, Any] = {
        "run": recipe.name,
        "older_than": time.time() - recipe.generate.retain_days * _DAY_S,
    }
    with Journal.open(trail.workspace.journal) as journal:
        if journal.erasable(**which):
            journal.erase(**which)


def requests_for(
    recipe: Recipe,
    teacher: str,
    prompt: Prompt,
    mark: Digest | None = None,
    forms: Mapping[Digest, Form] | None = None,
) -> list[Request]:
    """All that is asked with one prompt, in its context. ``teacher`` is an identity, ``mark`` the id of the
    key that the answers are marked with, ``forms`` what answers are held to, by their prompts' ids."""
    how, shown = sampling(recipe), seen(recipe, prompt)
    form = forms.get(Record(prompt, "").prompt_id) if forms else None
    samples = range(recipe.generate.samples)
    return [Request(teacher, shown, how, sample, form, mark) for sample in samples]


def check_cap(recipe: Recipe, teacher: Completes) -> None:
    """Raises InputError for a spend cap that nothing could hold: a remote teacher without a price."""
    cap = recipe.generate.spend_cap_usd
    if cap is not None and recipe.teacher.startswith("api:") and teacher.price == Price():
        raise InputError(
            expected=f"a price for {recipe.teacher}, since generate.spend_cap_usd is set",
            found="none: its cost would be counted as 0",
            fix="name the host's price in hosts.yaml (USD per million tokens), or remove the cap",
        )


async def ask(
    stage: str,
    trail: Trail,
    recipe: Recipe,
    teacher: Completes,
    requests: Sequence[Request],
    journal: Journal,
) -> Completions:
    """Asks as the recipe says, through the journal, and closes the teacher. Raises as ``complete_all``."""
    policy = FailurePolicy(
        attempts=recipe.generate.attempts,
        timeout_s=recipe.generate.timeout_s,
        spend_cap_usd=recipe.generate.spend_cap_usd,
        retry_answered=recipe.generate.retry_refused,
    )
    try:
        return await complete_all(
            teacher, requests, journal, policy, run=recipe.name, on_progress=_show(trail, stage)
        )
    finally:
        await teacher.close()


def _show(trail: Trail, stage: str) -> Callable[[Progress], None]:
    def show(progress: Progress) -> None:
        trail.watcher.advance(stage, progress.done, progress.total, how_asking_goes(progress))

    return show


def _row(prompt: Prompt, reply: Reply, text: str, origin: Origin, parents: tuple[int, ...]) -> Row:
    return Row(
        Record(prompt, text),
        origin,
        parents,
        prompt_tokens=reply.prompt_tokens or 0,
        completion_tokens=reply.completion_tokens or 0,
        finish=reply.finish,
    )


def _counts(
    done: Completions, asked: Sequence[Prompt], rows: Sequence[Row], cost_usd: float
) -> dict[str, Any]:
    """Tokens are those of all answers, chosen or not; money is what all askings cost, failed and earlier
    ones too."""
    replies = [one for one in done.outcomes if isinstance(one, Reply)]
    return {
        "prompts": len(asked),
        "answers": len(rows),
        "prompt_tokens": sum(one.prompt_tokens or 0 for one in replies),
        "completion_tokens": sum(one.completion_tokens or 0 for one in replies),
        "failures": dict(done.failures),
        "cost_usd": cost_usd,
    }


def enough(done: Completions, recipe: Recipe) -> None:
    """Raises InputError when too many requests stayed without an answer; all answers are kept."""
    failed = [outcome for outcome in done.outcomes if isinstance(outcome, Failure)]
    if len(failed) <= recipe.generate.max_failed * len(done.outcomes) and len(failed) < len(done.outcomes):
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(done.failures.items()))
    raise InputError(
        expected=f"answers to all but {recipe.generate.max_failed:.0%} of {len(done.outcomes)} requests",
        found=f"{len(failed)} without one ({reasons}; the last: {failed[-1].text:.200})",
        fix="run the same command again: answers are kept and only what failed is asked again; "
        "or raise generate.max_failed or the spend cap",
    )


@dataclass(frozen=True)
class Datasets:
    """What the student may learn from, and what it is measured on; ``answers`` is what both come from."""

    train: Artifact
    held_out: Artifact
    answers: Artifact
    further: tuple[Artifact, ...] = ()
    """Answers of further teachers."""

    @property
    def said(self) -> tuple[Artifact, ...]:
        """The answers of all teachers."""
        return (self.answers, *self.further)


@dataclass(frozen=True)
class Weighed:
    """The answers of one teacher, and what a token of them weighs."""

    answers: Artifact
    weight: float


def filter_and_split(
    trail: Trail,
    plan: Planned,
    answers: Artifact,
    own: Sequence[Own],
    verified: Artifact | None = None,
    further: Sequence[Weighed] = (),
) -> Datasets:
    """Filters the answers, or those that were ``verified``, mixes in those of further teachers and own data,
    and holds records out by the digest of their prompt."""
    said = (Weighed(verified or answers, plan.recipe.weight), *further)
    train, held_out = _sets(trail, plan, said, own, plan.recipe.held_out)
    return Datasets(train, held_out, answers, tuple(each.answers for each in further))


def filter_alone(
    trail: Trail, plan: Planned, answers: Artifact, own: Sequence[Own], further: Sequence[Weighed] = ()
) -> Artifact:
    """The same with nothing held out: there is no student to measure."""
    (kept,) = _sets(trail, plan, (Weighed(answers, plan.recipe.weight), *further), own, 0.0)
    return kept


def _sets(
    trail: Trail, plan: Planned, said: Sequence[Weighed], own: Sequence[Own], held_out: float
) -> list[Artifact]:
    """The records to learn from, and unless ``held_out`` is 0 those to measure on."""
    config = plan.filters
    values = {
        "filters": config.to_json(),
        "held_out": held_out,
        "own": [one.to_json() for one in own],
    }
    if len(said) > 1 or said[0].weight != 1:
        values["weights"] = [each.weight for each in said]
    questions = plan.questions if held_out else None
    apart = questions.held_out(held_out) if questions is not None else frozenset()
    values |= {"articles held out": sorted(apart)} if questions is not None else {}
    several = len(said) + len(own) > 1
    if several:
        values["split"] = "by source"
    inputs = {f"answers-{number}" if number else "answers": one.answers.id for number, one in enumerate(said)}
    parts: dict[str, tuple[list[Row], dict[str, Any]]] = {}

    def divide() -> None:
        rows_of = [read_rows(one.answers.folder) for one in said]
        taught = [
            Candidate(replace(row, weight=row.weight * one.weight))
            for one, rows in zip(said, rows_of, strict=True)
            for row in rows
        ]
        mixed, earlier = mix_in(trail, own, len(taught))
        sizes = [*map(len, rows_of), *(len(one.records) for one in own)]
        sources = [source for source, size in enumerate(sizes) for _ in range(size)]
        sets = [*(one.answers.id for one in said), *earlier]
        mine = [Candidate(row) for row in mixed]
        kept = filters.apply([*taught, *mine], config, trail.spread)
        if len(kept.rows) < 2:
            raise InputError(
                expected="at least two records that pass the filters, to learn from and to hold out",
                found=f"{len(kept.rows)} of {len(taught) + len(mine)}; dropped: {dict(kept.dropped)}",
                fix="add prompts, or look at why they are dropped and adjust filters",
            )
        own_rows = {place for place, number in enumerate(kept.rows) if number >= len(taught)}
        asked = [candidate.row.record.prompt for candidate in kept.kept]
        from_ = [sources[number] for number in kept.rows] if several else None
        sides = (
            split(asked, held_out, own=own_rows, sources=from_)
            if questions is None
            else questions.split(asked, apart)
        )
        facts = {"filtered": kept.to_json(), "groups": sides.groups}
        facts |= {"parents": sets} if len(sets) > 1 else {}
        for side, numbers in (("train", sides.train), ("held_out", sides.held_out)):
            rows = [_child(kept.kept[number].row, kept.rows[number], len(taught)) for number in numbers]
            parts[side] = rows, {**facts, "rows": len(rows), "own": sum(row.origin.own for row in rows)}

    def make(side: str) -> Callable[[Path], Made]:
        def write(into: Path) -> Made:
            if not parts:
                divide()
            rows, facts = parts[side]
            return Made(facts, write_rows(into, rows))

        return write

    return [
        trail.stage(
            "filter" if side == "train" else "hold out",
            f"data/{side}",
            Identity(f"filter-{side}", FILTER_VERSION, values, inputs),
            make(side),
        )
        for side in ("train", "held_out")[: 2 if held_out else 1]
    ]


def _child(row: Row, number: int, taught: int) -> Row:
    """The row as a filtered one: its parent is its row among the answers; own data keeps what it has."""
    return replace(row, parents=(number,)) if number < taught else row
