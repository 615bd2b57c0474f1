"""The NOTICE text to hand on with a model or data, from its whole lineage and not from one run alone. Pure.

The same text lies beside a run's student and comes out of ``inbond export notice``. First the lines that
texts prescribe, word for word; then what it was made from and what is to be done because of it; then what is
not established. It cannot hold a notice or licence text that came with an ancestor's own files: it says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from inbond.ledger.flow import Duty, Silence
from inbond.ledger.lineage import Relation
from inbond.ledger.trace import Ancestor
from inbond.policy.facts import Topic
from inbond.report.exports import names
from inbond.report.exports.facts import Exported
from inbond.report.owed import owed
from inbond.report.text import one_line
from inbond.report.wording import DISCLAIMER

ASKED_BY = ("notice", "change-notice", "licence-copy", "display", "name-prefix", "pass-through")
"""Kinds of obligation that are kept by words which go with the weights."""
_BEGAN: Mapping[Relation, str] = {
    "pruned": "layers of", "initialised": "the weights of", "quantized": "a quantisation of",
    "adapter": "an adapter on", "merged": "a merge with", "finetuned": "the weights of",
}  # fmt: skip
_USES: Mapping[Topic, str] = {
    "outputs": "training on what a model says",
    "derived_weights": "models made from its weights",
    "training_data": "training on the data",
}


def notice(exported: Exported) -> str:
    """Plain text, the same for the same lineage."""
    what = "model" if exported.target.kind == "model" else "data"
    dues = [*exported.own, *exported.trace.obligations]
    lines = [
        one_line(names.title(exported.target).name),
        f"What this {what} was made from, as Inbond {exported.version} knew it on {exported.at[:10]}.",
        _licence(exported, what),
        *_prescribed(exported, dues),
        "",
        *_origins(exported.trace.ancestors, what),
        *_changed(exported),
        *_section("To be kept by whoever hands it on", [due for due in dues if due.kind in ASKED_BY]),
        *_section("Conditions that also come with it", [due for due in dues if due.kind not in ASKED_BY]),
        *_silent(exported.silences),
        *_unknown(exported),
        "",
        "Notices and licence texts that came with the originals are to be added as they are.",
        DISCLAIMER,
    ]
    return "\n".join(lines) + "\n"


def asks_for_one(exported: Exported) -> bool:
    """Whether anything is asked that a NOTICE keeps or tells of."""
    return any(due.kind in ASKED_BY for due in (*exported.own, *exported.trace.obligations))


def _licence(exported: Exported, what: str) -> str:
    found = exported.target.licence
    if found is None:
        return f"Under which licence this {what} is handed on, nobody has said."
    how = "as came down to it" if exported.target.evidence == "recorded" else "as it was declared"
    said = f"This {what} is under {one_line(found)}, {how}."
    return (
        said
        if exported.licence_on_file
        else f"{said} That text is not on file here: nothing below is about it."
    )


def _prescribed(exported: Exported, dues: Sequence[Duty]) -> Iterator[str]:
    """The lines themselves. What may not reach this far is not said in the name of others."""
    name = one_line(names.title(exported.target).name)
    found = [each.prescribed for each in owed(due for due in dues if due.binds == "yes") if each.prescribed]
    if found:
        yield from ("", "Notices, as their texts prescribe them:", "")
        yield from dict.fromkeys(f"  {line.replace('{name}', name)}" for line in found)


def _own(ancestor: Ancestor) -> bool:
    """Data that a run made: what it was made from is listed, and it has no terms beside."""
    node = ancestor.node
    return node.kind == "data" and node.evidence == "recorded" and node.complete


def _origins(ancestors: Sequence[Ancestor], what: str) -> Iterator[str]:
    models = [ancestor for ancestor in ancestors if ancestor.node.kind == "model"]
    data = [ancestor for ancestor in ancestors if ancestor.node.kind == "data"]
    if not ancestors:
        yield f"This {what} descends from nothing that is known."
        return
    yield f"This {what} descends from"
    for ancestor in [*models, *data]:
        how = "its weights" if ancestor.edge == "weights" else "what it says"
        if ancestor.node.kind == "data":
            how = "what it holds"
        licence = one_line(ancestor.node.licence or ("made here" if _own(ancestor) else "no licence given"))
        roles = f", as {' and '.join(ancestor.roles)} of data" if ancestor.roles else ""
        yield f"  - {one_line(ancestor.node.id)} ({licence}): by {how}{roles}, {ancestor.evidence}"


def _changed(exported: Exported) -> Iterator[str]:
    """What became of the weights that it began with, which some texts want to be said."""
    into = exported.into(exported.trace.target)
    began = [f"{_BEGAN[edge.relation]} {one_line(edge.source)}" for edge in into if edge.relation in _BEGAN]
    if not began:
        return
    learnt = any(edge.relation in ("trained-on", "scored") for edge in into)
    yield from ("", "It was changed:")
    words = " and ".join(dict.fromkeys(began))
    yield f"  it began as {words}{', and was then trained' if learnt else ''}."


def _section(title: str, dues: Sequence[Duty]) -> Iterator[str]:
    if not dues:
        return
    yield from ("", f"{title}:")
    for each in owed(dues):
        yield f"  - {each.text}"
        yield f"    [{each.told}]"


def _silent(silences: Sequence[Silence]) -> Iterator[str]:
    if not silences:
        return
    yield from ("", "The texts on file do not speak of how these were used:")
    for each in silences:
        yield f"  - {one_line(each.ancestor)}: the {one_line(each.text)}, on {_USES[each.topic]}"
        for text, source in each.conditions:
            yield f"    It sets as a condition: {one_line(text)} [{one_line(source)}]"


def _unknown(exported: Exported) -> Iterator[str]:
    read = {each.ancestor for each in exported.silences}
    unread = [
        ancestor.node
        for ancestor in exported.trace.ancestors
        if ancestor.stance is None and not _own(ancestor) and ancestor.node.id not in read
    ]
    if unread:
        yield from ("", "Of these the terms are not known here, so that nothing above is about them:")
        for node in unread:
            yield f"  - {one_line(node.id)} ({one_line(node.licence or 'no licence given')})"
    if exported.trace.unknowns:
        yield from ("", "Not established:")
        yield from (f"  - {one_line(item.about)}: {one_line(item.what)}" for item in exported.trace.unknowns)
