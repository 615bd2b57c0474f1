"""What a finished run says of itself: the result object, and the input of report and card."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from inbond import __version__
from inbond.ledger.attest import KeyStore
from inbond.policy import licences, weights
from inbond.recipes import comparison, handed, own_answers, paired, probing
from inbond.recipes.environment import environment
from inbond.recipes.finished import Finished, init_words, label_of, lineage
from inbond.recipes.gate_views import gate_views
from inbond.recipes.learnt import curves, learning
from inbond.recipes.limits import limits_of
from inbond.recipes.measuring import read_evaluation
from inbond.recipes.objective import is_across
from inbond.recipes.reading import to_yaml
from inbond.recipes.recipe import Recipe
from inbond.recipes.sections.data import Prompts
from inbond.recipes.trail import Artifact, Trail
from inbond.report.data import (
    CardFacts,
    DataFacts,
    DataSource,
    Dropped,
    LedgerFacts,
    Metrics,
    ModelFacts,
    ReportData,
    SamplePair,
    StageFacts,
    VerdictView,
)
from inbond.report.gates import headline
from inbond.types import ModelName, parse_model_name

_WHY = {
    "empty": "the answer had no text",
    "truncated": "the answer was cut off at generate.max_tokens",
    "refused": "the teacher refused to answer",
    "secret": "it holds what looks like a key or a password",
    "personal data": "it holds what looks like personal data",
    "wrong language": "the answer is not in one of filters.languages",
    "duplicate": "another record says exactly the same",
    "near duplicate": "another record says nearly the same",
}
_NO_WEIGHTS = "the teacher's weights are not on this machine, so its whole distribution is not known"
_ONLY_PROBED = (
    "the teacher answered through its API; the weights named as capture.reference were used for the probe "
    "of its host alone, and nothing else was compared with them"
)


_OTHER_TOKENS = (
    "teacher and student have different vocabularies, so that their tokens cannot be compared one by one"
)


def bits_per_byte(found: Mapping[str, Any]) -> dict[str, float]:
    """Of the held-out text under the teacher and the student before and after training; empty where one
    vocabulary allows a closer comparison."""
    sums = found["agreement"].get("per_byte", {})
    return {
        f"bits_per_byte_{name}": sum(one["nats"]) / math.log(2) / max(1, sum(one["sizes"]))
        for name, one in sums.items()
    }


def metrics(finished: Finished) -> dict[str, Any]:
    """The numbers of result.json; None for what was not measured."""
    found = read_evaluation(finished.evaluation)
    before, after = found["agreement"]["before"], found["agreement"]["after"]
    student, teacher = found["models"]["student"], found["models"].get("teacher", {})
    speedup = student["tokens_per_s"] / teacher["tokens_per_s"] if teacher else None
    return {
        "kl_before": before.get("kl"),
        "kl_after": after.get("kl"),
        "agreement_before": before.get("agreement"),
        "agreement_after": after.get("agreement"),
        "text_loss_before": before.get("text_loss"),
        "text_loss_after": after.get("text_loss"),
        **bits_per_byte(found),
        "diversity_ratio": next(
            (gate.found.get("ratio") for gate in finished.gates if gate.name == "diversity"), None
        ),
        "teacher_params": teacher.get("parameters"),
        "student_params": student["parameters"],
        "speedup": speedup,
    }


def result(finished: Finished, student: Artifact | None) -> dict[str, Any]:
    """The object that ``run`` prints and keeps as result.json. No student: a gate kept it in."""
    artifacts, asked = finished.trail.artifacts, [made.facts for made in finished.asked]
    return {
        "run": finished.recipe.name,
        "outcome": "stopped" if any(gate.stops for gate in finished.gates) else "done",
        "verdict": finished.decision.verdict.outcome,
        "gates": {
            view.name: {"outcome": view.verdict["outcome"], "action": view.action, "line": headline(view)}
            for view in gate_views(finished.recipe, finished.gates, finished.trained)
            if view.verdict
        },
        "stopped_by": [gate.name for gate in finished.gates if gate.stops],
        "student": str(student.folder) if student else None,
        "metrics": metrics(finished),
        "seconds": {artifact.stage: artifact.seconds for artifact in artifacts},
        "tokens": sum(facts["prompt_tokens"] + facts["completion_tokens"] for facts in asked),
        "cost": sum(facts["cost_usd"] for facts in asked),
        **_own_answers(finished),
        **({"preferences": paired.told(finished.pairs)} if finished.pairs else {}),
        **({"verified": finished.verified.to_json()} if finished.verified else {}),
        "artifacts": {artifact.stage: artifact.id for artifact in artifacts},
        **({"files": told} if (told := handed.files(finished)) else {}),
        "report": str(finished.trail.folder / "report.html"),
    }


def _own_answers(finished: Finished) -> dict[str, Any]:
    if finished.recipe.on_policy is None:
        return {}
    return {"own_answers": own_answers.told(finished.recipe, own_answers.noted(finished.trained))}


def completed(finished: Finished, student: Artifact | None) -> dict[str, Any]:
    """The body of the event that ends the run."""
    return comparison.completed(_ended(finished, student))


def _ended(finished: Finished, student: Artifact | None) -> comparison.Ended:
    return comparison.Ended(
        finished.recipe,
        result(finished, student),
        finished.answers,
        finished.data.held_out,
        finished.decision.verdict.facts,
        {gate.name: gate.verdict["facts"] for gate in finished.gates if gate.stops},
        student.id if student else None,
    )


def report_data(finished: Finished) -> ReportData:
    """The input of the page, the card and the notice. The ledger's head is that of now."""
    recipe, found = finished.recipe, read_evaluation(finished.evaluation)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return ReportData(
        name=recipe.name,
        created=now,
        inbond_version=__version__,
        teacher=_teacher(finished, found["models"].get("teacher")),
        student=_student(finished, found["models"]["student"]),
        student_init=init_words(finished),
        metrics=_metrics(finished, found),
        data=_data(finished),
        ledger=ledger_facts(finished.trail),
        verdicts=_verdicts(finished),
        curves=curves(finished.trained),
        samples=tuple(SamplePair(**sample) for sample in found["samples"]),
        stages=tuple(StageFacts(a.stage, a.seconds, a.id, a.status) for a in finished.trail.artifacts),
        lineage=lineage(finished),
        speed_how=f"Greedy decoding of 24 tokens, batch 1, float32 under transformers, {_whom(finished)}, "
        "median of 3; memory is what loading and answering once adds to a fresh process.",
        recipe_yaml=to_yaml(without_items(recipe)),
        environment=environment(),
        limits=limits_of(finished),
        card=_card(finished),
        gates=gate_views(recipe, finished.gates, finished.trained),
        runs=comparison.rows(_ended(finished, None), now, finished.trail.ledger),
        learning=learning(finished),
        files=handed.shown(finished),
    )


def without_items(recipe: Recipe) -> Recipe:
    """The recipe as others are shown it: prompts are data, and data can be erased."""
    teachers = tuple(
        each if each.prompts is None else each.model_copy(update={"prompts": _not_shown(each.prompts)})
        for each in recipe.teachers
    )
    return recipe.model_copy(update={"prompts": _not_shown(recipe.prompts), "teachers": teachers})


def _not_shown(prompts: Prompts) -> Prompts:
    items, seen = prompts.items, prompts.context
    told: dict[str, Any] = {} if items is None else {"items": (f"({len(items)} prompts, not shown)",)}
    told |= {} if seen is None else {"context": f"({len(seen):,} characters, not shown)"}
    return prompts.model_copy(update=told)


def _teacher(finished: Finished, found: Mapping[str, Any] | None) -> ModelFacts:
    teacher = finished.teacher
    return ModelFacts(
        str(teacher.name),
        label_of(teacher.name),
        licence=finished.facts.weights.licence,
        channel=teacher.channel,
        not_measured=None if found else _why_not(finished),
        **_size(found),
    )


def _why_not(finished: Finished) -> str:
    """Why nothing was measured against the teacher."""
    if is_across(finished.recipe):
        return _OTHER_TOKENS
    return _NO_WEIGHTS if finished.recipe.capture.reference is None else _ONLY_PROBED


def _whom(finished: Finished) -> str:
    return "the student alone" if finished.teacher.weights is None else "both models in turn"


def _student(finished: Finished, found: Mapping[str, Any]) -> ModelFacts:
    return ModelFacts(
        f"run:{finished.recipe.name}",
        finished.recipe.purpose.name or finished.recipe.name,
        licence=_outgoing_licence(finished),
        channel="self-hosted",
        **_size(found),
    )


def _size(found: Mapping[str, Any] | None) -> dict[str, Any]:
    if not found:
        return {}
    return {
        "params": found["parameters"],
        "file_bytes": found["file_bytes"],
        "memory_bytes": found["memory_bytes"],
        "tokens_per_s": found["tokens_per_s"],
    }


def _outgoing_licence(finished: Finished) -> str | None:
    """The licence that comes down with the weights, and every text that binds what was made of outputs or
    data under it; a student from scratch that nothing binds has none until someone says."""
    start = finished.facts.start
    texts = [start.licence if start else None, *finished.decision.bound_by]
    return licences.all_of_texts([text for text in texts if text is not None])


def _metrics(finished: Finished, found: Mapping[str, Any]) -> Metrics:
    before, after = found["agreement"]["before"], found["agreement"]["after"]
    if "kl" not in before:
        loss = f"cross-entropy of its held-out text went from {before['text_loss']:.3f} to "
        loss += f"{after['text_loss']:.3f} nats a token"
        if bits := bits_per_byte(found):
            loss = (
                f"its held-out text takes {bits['bits_per_byte_before']:.3f} bits a byte before training, "
                f"{bits['bits_per_byte_after']:.3f} after, and {bits['bits_per_byte_teacher']:.3f} "
                "under its teacher"
            )
        return Metrics(
            held_out_tokens=found["held_out_tokens"],
            how=loss,
            not_measured=f"{_why_not(finished)}; {loss}",
        )
    return Metrics(
        before["kl"],
        after["kl"],
        before["agreement"],
        after["agreement"],
        after["tokens"],
        "Forward KL over the whole vocabulary at T=1 and top-1 agreement, mean over the label tokens of the "
        f"teacher's held-out answers (standard error of the KL after training: {after['kl_stderr']:.3f})."
        + handed.left_out(found.get("vocabulary")),
    )


def _data(finished: Finished) -> DataFacts:
    recipe, answers = finished.recipe, finished.answers.facts
    said = [made.facts for made in finished.data.said]
    filtered = finished.data.train.facts["filtered"]
    source = recipe.prompts
    sources = [
        DataSource(
            source.named or "the recipe's own list",
            finished.facts.data[0].licence,
            answers["prompts"],
            source.dataset,
        )
    ]
    if recipe.prompts.contextual:
        sources.append(
            DataSource(
                recipe.prompts.context_file or "the context that the teacher saw", recipe.prompts.licence
            )
        )
    sources += [
        DataSource(f"prompts of {each.teacher}: {each.prompts.named or 'a list'}", each.prompts.licence)
        for each in recipe.teachers
        if each.weight and each.prompts is not None
    ]
    sources += [DataSource(data.named, data.licence) for data in recipe.own_data]
    return DataFacts(
        sources=tuple(sources),
        prompts=sum(facts["prompts"] for facts in said),
        answers=sum(facts["answers"] for facts in said),
        dropped=dropped_rows(filtered),
        verified=finished.verified,
        train_records=finished.data.train.facts["rows"],
        held_out_records=finished.data.held_out.facts["rows"],
        split=f"By the digest of the prompt, {recipe.held_out:.0%} held out; "
        "near duplicates stay on one side.",
        own_records=finished.data.train.facts["own"],
        own_weight=recipe.own_data[0].weight if recipe.own_data else None,
        prompt_tokens=sum(facts["prompt_tokens"] for facts in said),
        completion_tokens=sum(facts["completion_tokens"] for facts in said),
        cost_usd=sum(facts["cost_usd"] for facts in said),
        failures=dict(sum((Counter(facts["failures"]) for facts in said), Counter())),
        preferences=paired.facts(finished.pairs) if finished.pairs else None,
    )


def dropped_rows(filtered: Mapping[str, Any]) -> tuple[Dropped, ...]:
    """What the filters dropped, by reason."""
    return tuple(
        Dropped(reason, _WHY.get(reason.partition(":")[0], reason), count)
        for reason, count in filtered["dropped"].items()
    )


def ledger_facts(trail: Trail) -> LedgerFacts:
    """The ledger's head as it is now, and how to check the run."""
    head = trail.ledger.head()
    key = KeyStore.default().signer().public.id
    return LedgerFacts(head.size, head.root, key, f"inbond verify run:{trail.run}")


def _verdicts(finished: Finished) -> tuple[VerdictView, ...]:
    """On the teacher's terms, and on its host's word where the student learns from that."""
    decision = finished.decision
    terms = VerdictView(
        f"May a student be made from {label_of(finished.teacher.name)} for "
        f"{finished.recipe.purpose.use} use, release: {finished.recipe.purpose.release}?",
        decision.verdict.to_json(),
        tuple(due.to_json() for due in decision.obligations),
        decision.missing,
        finished.accepted,
    )
    return (terms, _host_verdict(finished, finished.probe)) if finished.probe else (terms,)


def _host_verdict(finished: Finished, probe: Artifact) -> VerdictView:
    verdict = probing.read_verdict(probe)
    return VerdictView(
        f"Are the log-probabilities that {finished.teacher.channel} reports those of "
        f"{label_of(finished.teacher.name)}?",
        verdict.to_json(),
        accepted=probing.accepted(finished.trail, verdict),
        about="host",
    )


def _card(finished: Finished) -> CardFacts:
    facts = finished.facts
    start = finished.teacher.name if facts.base_is_teacher else None
    if facts.base is not None:
        start = parse_model_name(facts.base.subject)
    hub = _hub_id(start) if start else None
    return CardFacts(
        licence=_outgoing_licence(finished),
        base_model=hub,
        base_model_relation="finetune" if hub else None,
        languages=finished.recipe.filters.languages,
        tags=("knowledge-distillation", *(("pruned",) if finished.recipe.student.init == "prune" else ())),
    )


def _hub_id(name: ModelName) -> str | None:
    """The Hub's id of a model, when the name is one or our registry knows it under one."""
    if name.scheme == "hf":
        return name.name
    known = weights.shipped().exactly(name)
    return known.original.removeprefix("hf:") if known and known.original else None
