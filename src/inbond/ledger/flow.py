"""How what texts ask flows down a lineage: how far it reaches, whom it binds, and where it clashes. Pure.

A text reaches over weights, however often they are copied, and over one step of a model's own words. Past
that, another model has learnt and speaks for itself: only a text that passes itself on still binds. A host's
terms bind whoever called it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, final

from inbond.ledger.lineage import Graph, Relation
from inbond.ledger.texts import terms_of, texts_over, topics_of
from inbond.policy import licences
from inbond.policy.conditions import WHEN_TEXT
from inbond.policy.facts import Reach, Topic
from inbond.policy.library import Library
from inbond.policy.obligations import Display, Plain
from inbond.policy.outgoing import Bound, Conflict, bounds_of, conflicts
from inbond.policy.schema import TOPICS, Reading, Terms

Binds = Literal["yes", "caller", "unclear"]
"""Whom a text speaks to: whoever made the target; whoever called the host; a person has to judge."""

_SPOKEN: frozenset[Relation] = frozenset({"generated", "scored"})


@final
@dataclass(frozen=True)
class Duty:
    """An obligation with the ancestor that it comes from. ``source`` is the text and its clause."""

    kind: str
    text: str
    when: str
    source: str
    ancestor: str
    reach: Reach
    binds: Binds
    prescribed: str | None = None
    """The line that the text wants to be given word for word."""

    @property
    def named(self) -> tuple[str, str, str]:
        """What makes it the same obligation, in whatever words a verdict put it."""
        return self.kind, self.source, self.ancestor

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "text": self.text,
            "when": self.when,
            "from": self.source,
            "ancestor": self.ancestor,
            "reach": self.reach,
            "binds": self.binds,
            **({"prescribed": self.prescribed} if self.prescribed else {}),
        }


def reaches(graph: Graph, target: str) -> dict[str, Reach]:
    """For every ancestor, whether on each way to ``target`` another model lies that learnt from it (or was
    trained on it) and then spoke for itself."""
    spoke = {target: 0}
    waiting = deque([target])
    while waiting:
        node = waiting.popleft()
        for edge in graph.into[node]:
            step = int(edge.relation in _SPOKEN)
            if spoke[node] + step < spoke.get(edge.source, len(graph.nodes) + 1):
                spoke[edge.source] = spoke[node] + step
                (waiting.append if step else waiting.appendleft)(edge.source)
    del spoke[target]
    return {
        id_: "direct" if count <= (graph.nodes[id_].kind == "model") else "indirect"
        for id_, count in spoke.items()
    }


def binds(terms: Terms, reading: Reading, reach: Reach) -> Binds:
    """Whom a text speaks to that lies over an ancestor."""
    if terms.kind == "service":
        return "caller"
    return "yes" if reach == "direct" or reading.passes_on else "unclear"


def duties(graph: Graph, target: str, library: Library) -> Iterator[Duty]:
    """What the texts on file ask because of every ancestor of ``target``, the nearest first."""
    far = reaches(graph, target)
    for id_, topic, terms in _texts(graph, target, library):
        reading = terms.position(topic)
        if reading is not None:
            yield from _asked(terms, reading, id_, far[id_])


def _texts(graph: Graph, target: str, library: Library) -> Iterator[tuple[str, Topic, Terms]]:
    """Every text over every ancestor of ``target``, the nearest first, with what it is asked about."""
    near = graph.by_weights(target)
    for id_ in graph.hops(target):
        node = graph.nodes[id_]
        for topic in topics_of(graph, node, target, by_weights=id_ in near):
            for terms in texts_over(graph, node, topic, library)[0]:
                yield id_, topic, terms


def _asked(terms: Terms, reading: Reading, ancestor: str, reach: Reach) -> Iterator[Duty]:
    sure = {"S": " (as others quote it)", "R": " (from memory, not checked)"}.get(terms.evidence, "")
    bound = binds(terms, reading, reach)
    for item in reading.obligations:
        source = f"{terms.id} {item.clause}"
        line = item.prescribed if isinstance(item, Display | Plain) else None
        yield Duty(
            item.kind, f"{item.text}{sure}", WHEN_TEXT[item.when], source, ancestor, reach, bound, line
        )


def clashes(graph: Graph, target: str, library: Library) -> tuple[Conflict, ...]:
    """Each two texts over ancestors that both bind whoever hands ``target`` out, and that no one licence
    satisfies. Of a choice between licences nothing is said."""
    far = reaches(graph, target)
    bounds: list[Bound] = []
    for id_, topic, terms in _texts(graph, target, library):
        licence, reading = graph.nodes[id_].licence, terms.position(topic)
        if reading is None or (licence is not None and licences.is_choice(licence)):
            continue
        if binds(terms, reading, far[id_]) == "yes":
            bounds += bounds_of(terms.id, id_, reading)
    return conflicts(bounds)


# What is handed on ----------------------------------------------------------------------------------

_WITH_IT = ("licence-copy", "notice", "display", "pass-through")
"""Kinds of obligation that are kept by what goes with a copy, whoever hands it on."""


def own_duties(graph: Graph, target: str, library: Library) -> tuple[Duty, ...]:
    """What ``target``'s own licence asks of whoever hands it on as it is. Nothing of what a run made: its
    licence came down from its ancestors, and what they ask is said of them."""
    node = graph.nodes[target]
    if node.evidence == "recorded":
        return ()
    topic: Topic = "training_data" if node.kind == "data" else "derived_weights"
    readings = [(terms, terms.position(topic)) for terms in terms_of(node, library)[0]]
    asked = (due for terms, found in readings if found for due in _asked(terms, found, target, "direct"))
    return tuple(due for due in asked if due.kind in _WITH_IT)


@final
@dataclass(frozen=True)
class Silence:
    """A text over an ancestor that is on file and does not speak of what the lineage did. ``conditions`` are
    those that it sets wherever it does speak, each with its source."""

    ancestor: str
    text: str
    topic: Topic
    conditions: tuple[tuple[str, str], ...]


def silences(graph: Graph, target: str, library: Library) -> tuple[Silence, ...]:
    """The texts over ancestors that were read and say nothing of how they were used."""
    return tuple(
        Silence(id_, f"{terms.title} ({terms.id})", topic, tuple(_always(terms)))
        for id_, topic, terms in _texts(graph, target, library)
        if terms.position(topic) is None
    )


def _always(terms: Terms) -> Iterator[tuple[str, str]]:
    """What a text asks of everybody, on whatever it was read."""
    found = (reading for topic in TOPICS if (reading := terms.position(topic)) is not None)
    asked = (item for reading in found for item in reading.obligations if item.when == "always")
    yield from dict.fromkeys((item.text, f"{terms.id} {item.clause}") for item in asked)
