"""From a trace to what its page and its picture show: one entry an ancestor, duties, open questions. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final

from inbond.ledger.answer import Outcome
from inbond.ledger.beside import Beside, Stands, flagged_words
from inbond.ledger.lineage import Node, Unknown, Way
from inbond.ledger.shares import Share
from inbond.ledger.texts import topic_of
from inbond.ledger.trace import Ancestor, Trace
from inbond.report import trace_picture
from inbond.report.owed import Owed, owed
from inbond.report.picture import Lineage, Tone
from inbond.report.wording import plural

MOST_ENTRIES = 200
MOST_WAYS = 12
_MOST_ITEMS, _MOST_PARTS = 120, 16
_TOPICS = {
    "outputs": "training on what it says",
    "derived_weights": "models made of its weights",
    "training_data": "training on it",
}


@final
@dataclass(frozen=True)
class Part:
    """An ancestor's part in one stage of training, in one unit, in words."""

    stage: str
    unit: str
    wrote: str
    touched: str
    by_role: str
    evidence: str


@final
@dataclass(frozen=True)
class Entry:
    """What there is to say of one node. ``anchor`` is its id in the page; ``drawn``: it is in the picture."""

    anchor: str
    name: str
    kind: str
    mark: Literal["", "target", "asked"]
    facts: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...] = ()
    parts_left_out: int = 0
    ways: tuple[str, ...] = ()
    more_ways: bool = False
    drawn: bool = False


@final
@dataclass(frozen=True)
class Open:
    """One open question. ``anchor`` is its id in the page."""

    anchor: str
    about: str
    what: str
    drawn: bool


@final
@dataclass(frozen=True)
class Tested:
    """One forensic finding in words. ``tone`` and ``badge`` say how it stands to the lineage, ``stands`` in a
    sentence."""

    test: str
    day: str
    tone: Tone
    badge: str
    words: str
    stands: str
    facts: tuple[tuple[str, str], ...]


@final
@dataclass(frozen=True)
class View:
    """All that the page shows. The numbers of what was left out are beside what is shown."""

    target: str
    asked: str | None
    outcome: Outcome
    sentence: str
    lineage: Lineage
    not_drawn: int
    entries: tuple[Entry, ...]
    entries_left_out: int
    owed: tuple[Owed, ...]
    owed_left_out: int
    conflicts: tuple[str, ...]
    unknowns: tuple[Open, ...]
    unknowns_left_out: int
    commands: tuple[tuple[str, str], ...]
    """(what for, what to type)."""
    tested: tuple[Tested, ...] = ()
    tested_left_out: int = 0
    tested_notes: tuple[str, ...] = ()
    flagged: str = ""
    """What is said at the top where findings are flagged."""


def view(found: Trace, target: Node, asked: str | None = None) -> View:
    """What to show of a trace of ``target``, in which ``asked`` was looked for. Bounded for any graph."""
    chosen = trace_picture.choose(found)
    entries = [_target(target)]
    # What is drawn has an entry whatever its place, since the picture links to it.
    first = [a for a in found.ancestors if a.node.id in chosen.nodes]
    rest = [a for a in found.ancestors if a.node.id not in chosen.nodes]
    kept = {a.node.id for a in [*first, *rest][:MOST_ENTRIES]}
    anchors = {found.target: "target"}
    for number, ancestor in enumerate(found.ancestors, start=1):
        anchors[ancestor.node.id] = f"from-{number}"
        if ancestor.node.id in kept:
            drawn = ancestor.node.id in chosen.nodes
            entries.append(_entry(ancestor, anchors[ancestor.node.id], drawn=drawn))
    questions = _open(found, chosen)
    lineage = trace_picture.picture(found, target, chosen, anchors, _asked_about(questions))
    duties = owed(found.obligations)
    return View(
        found.target, asked, found.outcome, found.sentence, lineage,
        len(found.ancestors) + 1 - len(chosen.nodes),
        tuple(entries), len(found.ancestors) - len(kept),
        tuple(duties[:_MOST_ITEMS]), max(0, len(duties) - _MOST_ITEMS),
        tuple(conflict.sentence for conflict in found.conflicts),
        tuple(questions), len(found.unknowns) - len(questions),
        tuple(_commands(found, asked)),
        *_tested(found.beside),
    )  # fmt: skip


def ways(paths: Sequence[Way]) -> list[str]:
    """Paths in words, each once: edges between the same nodes in other roles or stages read the same."""
    return list(
        dict.fromkeys(
            "".join(f"{edge.source} -{edge.relation}-> " for edge in path) + path[-1].target for path in paths
        )
    )


def _target(node: Node) -> Entry:
    facts = [
        ("What it is", f"the {node.kind} that was asked about"),
        ("Licence", trace_picture.licence_words(node) or "not known"),
    ]
    return Entry("target", node.id, node.kind, "target", tuple(facts + _source(node)), drawn=True)


def _entry(ancestor: Ancestor, anchor: str, *, drawn: bool) -> Entry:
    node = ancestor.node
    roles = f", as {' and '.join(ancestor.roles)}" if ancestor.roles else ""
    topic = _TOPICS[topic_of(node, by_weights=ancestor.edge == "weights")]
    facts = [
        ("How", f"{ancestor.edge}, {plural(ancestor.hops, 'hop')} away{roles}"),
        ("Evidence", ancestor.evidence),
        ("Licence", trace_picture.licence_words(node) or "not known"),
        (
            "Terms on file",
            f"{ancestor.stance}, about {topic}" if ancestor.stance else f"not known, about {topic}",
        ),
        *_source(node),
    ]
    said = ways(ancestor.paths.paths)
    parts = tuple(part(share) for share in ancestor.shares[:_MOST_PARTS])
    return Entry(
        anchor, node.id, node.kind, "asked" if ancestor.asked else "", tuple(facts), parts,
        len(ancestor.shares) - len(parts), tuple(said[:MOST_WAYS]),
        ancestor.paths.cut or len(said) > MOST_WAYS, drawn,
    )  # fmt: skip


def _source(node: Node) -> list[tuple[str, str]]:
    return [("Read in", node.source)] if node.source else []


def part(share: Share) -> Part:
    """A share in words: what is not established is no number."""
    roles = [f"{role} {found.words}" for role, found in share.touch.by_role.items()]
    return Part(
        share.stage.words, share.unit, share.touch.authored.words, share.touch.touched.words,
        ", ".join(roles) or "no role declared", share.evidence,
    )  # fmt: skip


def _tested(beside: Beside) -> tuple[tuple[Tested, ...], int, tuple[str, ...], str]:
    """At most _MOST_ITEMS findings, those that are flagged first."""
    shown = tuple(
        Tested(
            each.finding.test, each.day, *_STANDS[each.stands], _sentence(each.finding.words), each.words,
            (
                ("Numbers", each.numbers),
                ("What the test supposes", each.finding.null),
                ("Known by", f"the {each.by} of what was tested ({each.report.suspect})"),
                ("Report", each.report.digest),
            ),
        )
        for each in beside.findings[:_MOST_ITEMS]
    )  # fmt: skip
    flagged = len(beside.flagged)
    words = flagged_words(flagged) if flagged else ""
    return shown, len(beside.findings) - len(shown), beside.notes[:_MOST_ITEMS], words


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"


def _open(found: Trace, chosen: trace_picture.Chosen) -> list[Open]:
    """At most _MOST_ITEMS open questions, those that the picture shows among them."""
    drawn = {group[0] for group in chosen.open.values()}
    order = sorted(found.unknowns, key=lambda unknown: unknown not in drawn)[:_MOST_ITEMS]
    shown = set(order)
    return [
        Open(f"open-{number}", unknown.about, unknown.what, unknown in drawn)
        for number, unknown in enumerate(found.unknowns, start=1)
        if unknown in shown
    ]


def _asked_about(questions: Sequence[Open]) -> Mapping[Unknown, str]:
    return {Unknown(question.about, question.what): question.anchor for question in questions}


def _commands(found: Trace, asked: str | None) -> list[tuple[str, str]]:
    name = shlex.quote(found.target)
    looked = f" --from {shlex.quote(asked)}" if asked else ""
    run = found.target.partition("@")[0]
    commands = [("Everything here as data, not cut", f"inbond trace {name}{looked} --json")]
    what = ("The signatures and files behind what was recorded", "inbond verify")
    if run.startswith("run:"):
        what = ("The signatures and files of this run", f"inbond verify {shlex.quote(run)}")
    return [*commands, what]


_STANDS: Mapping[Stands, tuple[Tone, str]] = {
    "agrees": ("plain", "the lineage says so too"),
    "agrees-in-part": ("plain", "the lineage says so in part"),
    "contradicts": ("care", "not what the lineage says"),
    "unexplained": ("care", "not explained by the lineage"),
    "does-not-show": ("plain", "does not show what the lineage says"),
    "cannot-be-held": ("plain", "cannot be held against the lineage"),
    "says-nothing": ("plain", "says nothing for or against the lineage"),
}

OUTCOMES: Mapping[Outcome, tuple[Tone, str]] = {
    "yes": ("plain", "Yes"),
    "no": ("plain", "No"),
    "cannot-tell": ("care", "Cannot tell"),
}
"""Descent is neither good nor bad: only what cannot be told calls for care."""
