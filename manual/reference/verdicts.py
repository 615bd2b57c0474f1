"""What verdicts are made of: outcomes, rules, stances, obligations, and every text on file."""

from __future__ import annotations

import typing
from collections import Counter

from inbond.policy import fields, obligations
from inbond.policy.conditions import WHEN_TEXT
from inbond.policy.library import shipped
from inbond.policy.schema import Stance, Terms
from inbond.policy.stances import OUTCOMES
from manual.reference.words import MADE, code, constants, must_know, table

_OUTCOMES = {
    "permit": ("0", "nothing is asked of you under this plan"),
    "permit-with-obligations": ("0", "allowed; what is listed has to be kept"),
    "review": ("3", "something is not known, or not clear; the reason says what would settle it"),
    "deny": ("4", "a text forbids it"),
}
_STANCES = {
    "express": "allows it in words",
    "silent": "does not speak of it, and nothing in it forbids it",
    "conditional": "allows it under conditions, which become obligations",
    "competing-only": "forbids what competes with its provider",
    "non-commercial": "forbids commercial use",
    "prohibited": "forbids it",
    "unclear": "cannot be told from its words",
}
_RULES = {
    "weights-licence": "the licence of the weights that a student starts from, or whose outputs it learns",
    "channel-terms": "the terms of the host that a teacher is asked through",
    "data-licence": "the licence of data that the student learns from",
    "lineage": "what the sources of the plan descend from, as far as it is known",
    "reasoning": "whether what a host shows of a model's reasoning may be learnt",
    "outgoing-licence": "two texts that no one licence of the student can satisfy",
    "unrecognised-fact": "a fact of the plan that the rules do not know",
    "nothing-to-judge": "the plan names nothing that the student is made from",
}
_OBLIGATIONS = {
    "name-prefix": "the student's name must begin with certain letters",
    "display": "a text must be shown where it is offered or described",
    "notice": "a notice must go along",
    "change-notice": "changes must be marked as yours",
    "licence-copy": "a copy of the licence must go along",
    "pass-through": "whoever receives the student must be bound to the same",
    "threshold": "something follows above a number of users, or a revenue",
    "territory": "no rights in some places",
    "field-of-use": "some fields are closed",
    "non-commercial": "no commercial use",
    "no-compete": "nothing that competes may be made",
    "register": "something has to be registered or asked for",
    "conduct": "something not to do with what the teacher says",
}


def page() -> str:
    must_know(OUTCOMES, _OUTCOMES, "outcomes")
    must_know(typing.get_args(Stance), _STANCES, "stances")
    must_know(obligations.KINDS, _OBLIGATIONS, "obligations")
    return (
        f"# Verdicts: rules, stances, obligations, texts\n\n{MADE}\nHow they come together is explained in "
        "[how terms are decided](../explanations/verdicts.md). None of this is legal advice.\n\n## Outcomes\n\nThe worst finding decides.\n\n"
        + table(["outcome", "exit code", "meaning"], [[code(name), *_OUTCOMES[name]] for name in OUTCOMES])
        + "\n## Rules\n\nWhat a reason was found by: `rule` in `inbond check --json`.\n\n"
        + table(["rule", "looks at"], [[code(name), says] for name, says in _RULES.items()])
        + "\n## Stances\n\nWhat one text says to one question. Which outcome follows is in [terms.md](../terms.md#stances).\n\n"
        + table(["stance", "the text"], [[code(name), _STANCES[name]] for name in typing.get_args(Stance)])
        + "\n## Obligations\n\n"
        + table(["kind", "meaning"], [[code(name), _OBLIGATIONS[name]] for name in obligations.KINDS])
        + "\nWhen one is due:\n\n"
        + table(["`when`", ""], [[code(name), words] for name, words in WHEN_TEXT.items()])
        + "\n## Fields of use\n\nTags for `--domain` and `purpose.domains` that some text closes:\n\n"
        + table(["tag", "means"], [[code(name), words] for name, words in fields.SENSITIVE.items()])
        + "\nTags that no text on file closes: " + ", ".join(map(code, sorted(fields.ORDINARY))) + ".\n" + _texts()
    )  # fmt: skip


def _texts() -> str:
    found = sorted(shipped().terms.terms.values(), key=lambda each: (each.kind, each.title.lower()))
    counts = Counter(each.kind for each in found)
    rows = [
        [f"{each.title} ({code(each.id)})", _stance(each, "outputs"), _stance(each, "derived_weights"), f"{each.evidence}, {each.read_on}"]
        for each in found
    ]
    return (
        f"\n## Texts on file\n\n{counts['licence']} licences and {counts['service']} hosts' terms. Evidence: **F** the text itself was read, **D** an "
        "excerpt, **S** as others quote it, **R** from memory. A dash: the text was not read for that, which makes a review.\n\n"
        + table(["text", "training on outputs", "starting from weights", "evidence, read on"], rows)
    )


def _stance(text: Terms, topic: typing.Literal["outputs", "derived_weights"]) -> str:
    position = text.position(topic)
    return "–" if position is None else position.stance + (", with exceptions" if position.exceptions else "")
