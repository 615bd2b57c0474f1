"""What verdicts are made of: outcomes, rules, stances, obligations, and every text on file."""

from __future__ import annotations

import typing
from collections import Counter

from inbond.policy import fields, obligations
from inbond.policy.conditions import WHEN_TEXT
from inbond.policy.library import shipped
from inbond.policy.schema import Stance, Terms
from inbond.policy.stances import OUTCOMES
from manual.reference.words import code, described, opening, said, table


def page() -> str:
    pages = said("pages")
    closed = [[code(name), words] for name, words in fields.SENSITIVE.items()]
    return (
        opening("Verdicts: rules, stances, obligations, texts", "verdicts")
        + "## Outcomes\n\nThe worst finding decides.\n\n"
        + table(["outcome", "exit code", "meaning"], described("outcomes", OUTCOMES))
        + "\n## Rules\n\nWhat a reason was found by: `rule` in `inbond check --json`.\n\n"
        + table(["rule", "looks at"], described("rules", said("rules")))
        + f"\n## Stances\n\n{pages['stances']}\n\n"
        + table(["stance", "the text"], described("stances", typing.get_args(Stance)))
        + "\n## Obligations\n\n"
        + table(["kind", "meaning"], described("obligations", obligations.KINDS))
        + "\nWhen one is due:\n\n"
        + table(["`when`", ""], [[code(name), words] for name, words in WHEN_TEXT.items()])
        + "\n## Fields of use\n\nTags for `--domain` and `purpose.domains` that some text closes:\n\n"
        + table(["tag", "means"], closed)
        + f"\nTags that no text on file closes: {', '.join(map(code, sorted(fields.ORDINARY)))}.\n"
        + _texts()
    )


def _texts() -> str:
    found = sorted(shipped().terms.terms.values(), key=lambda each: (each.kind, each.title.lower()))
    counts = Counter(each.kind for each in found)
    rows = [
        [
            f"{each.title} ({code(each.id)})",
            _stance(each, "outputs"),
            _stance(each, "derived_weights"),
            f"{each.evidence}, {each.read_on}",
        ]
        for each in found
    ]
    return (
        f"\n## Texts on file\n\n{counts['licence']} licences and {counts['service']} hosts' terms. "
        f"{said('pages')['texts'].strip()}\n\n"
        + table(["text", "training on outputs", "starting from weights", "evidence, read on"], rows)
    )


def _stance(text: Terms, topic: typing.Literal["outputs", "derived_weights"]) -> str:
    position = text.position(topic)
    return "–" if position is None else position.stance + (", with exceptions" if position.exceptions else "")
