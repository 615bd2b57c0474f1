"""How often the student passes its own verifier: on questions about articles that nothing was learnt from.

Asked before training and after, one greedy answer each, in no form: what is measured is what its weights can
do alone. Every question about a held-out article counts, also those that no answer of the teacher passed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inbond.digest import Digest
from inbond.engine.verifying import verdicts
from inbond.engine.verifying.ruling import Ruling
from inbond.forensics.exact import interval
from inbond.ledger.manifest import Identity
from inbond.recipes.articles import Question
from inbond.recipes.compared import Compared
from inbond.recipes.trail import Artifact, Made
from inbond.workspace import write_json

if TYPE_CHECKING:
    from inbond.recipes.verifying import Checks

PASSING: Final = "passing"
_VERSION: Final = 1
_FILE: Final = "passing.json"
_TIMES: Final = ("before", "after")


def measure(compared: Compared, checks: Checks | None) -> Artifact | None:
    """The student's pass rates; None where no articles were held out. Raises InputError when the verifier
    cannot be run."""
    if checks is None or checks.questions is None:
        return None
    bench, recipe = compared.bench, compared.bench.recipe
    held = checks.questions.held_out(recipe.held_out)
    asked = [question for question in checks.questions.by_id.values() if question.article in held]
    config = {
        "verifier": checks.identity(),
        "asked": sorted(question.id for question in asked),
        "max_tokens": recipe.generate.max_tokens,
    }
    inputs = {"start": compared.begun.id, "trained": compared.trained.id}

    def make(folder: Path) -> Made:
        rulings = {time: _rule(compared, checks, asked, time) for time in _TIMES}
        found = {
            "asked": [{"question": each.kind, "article": each.article} for each in asked],
            # Not the reasons: they quote what was said, and this file is no text to be erased.
            **{
                time: [{"outcome": each.outcome, "kind": each.kind} for each in rulings[time]]
                for time in _TIMES
            },
        }
        write_json(folder / _FILE, found)
        return Made({"questions": len(asked), "articles": len(held)})

    return bench.trail.stage("pass", PASSING, Identity(PASSING, _VERSION, config, inputs), make)


def _rule(compared: Compared, checks: Checks, asked: Sequence[Question], time: str) -> list[Ruling]:
    from inbond.evaluate.samples import greedy
    from inbond.teachers.tokens import encode_prompt

    bench = compared.bench
    model = compared.before if time == "before" else compared.after
    bench.trail.watcher.say(f"pass: {len(asked)} held-out questions answered, {time} training")
    prompts = [encode_prompt(bench.tokenizer, question.prompt) for question in asked]
    replies = greedy(model, bench.tokenizer, prompts, bench.recipe.generate.max_tokens)
    verifier = checks.chosen.open()
    try:
        return verdicts.rule_all(
            verifier, zip(replies, (question.expected for question in asked), strict=True)
        )
    finally:
        verifier.close()


def told(artifact: Artifact) -> dict[str, Any]:
    """By the kind of question: articles, of how many of them every reply passed before and after training,
    with 95% intervals (Clopper and Pearson; an article is one draw), how many were gained and lost, and why
    the others failed after it."""
    found = json.loads((artifact.folder / _FILE).read_bytes())
    by_kind: dict[str, list[int]] = defaultdict(list)
    for place, each in enumerate(found["asked"]):
        by_kind[each["question"]].append(place)
    return {kind: _told(found, places) for kind, places in by_kind.items()}


def _told(found: Mapping[str, Any], places: Sequence[int]) -> dict[str, Any]:
    whole: dict[str, dict[Digest, bool]] = {time: {} for time in _TIMES}
    for time in _TIMES:
        for place in places:
            article = found["asked"][place]["article"]
            right = found[time][place]["outcome"] == "passed"
            whole[time][article] = whole[time].get(article, True) and right
    before, after = (whole[time] for time in _TIMES)
    kinds = [found["after"][place] for place in places]
    reasons = sorted(f"{each['outcome']}: {each['kind']}" for each in kinds if each["outcome"] != "passed")
    return {
        "articles": len(after),
        **{time: _rate(sum(whole[time].values()), len(whole[time])) for time in _TIMES},
        "gained": sum(after[each] and not before[each] for each in after),
        "lost": sum(before[each] and not after[each] for each in after),
        "reasons": {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)},
    }


def _rate(passed: int, articles: int) -> dict[str, float]:
    low, high = interval(passed, articles)
    return {"passed": passed, "rate": passed / articles, "low": low, "high": high}
