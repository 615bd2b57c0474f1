"""The NOTICE text to hand on with a model or data, from its whole lineage and not from one run alone. Pure.

It lists what the terms on file ask because of each ancestor. It cannot hold a notice or a licence text that
came with an ancestor's own files: those are to be added as they are, and it says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inbond.ledger.flow import Duty
from inbond.ledger.trace import Ancestor
from inbond.report.exports import names
from inbond.report.exports.facts import Exported
from inbond.report.notice import ASKED_BY
from inbond.report.owed import owed
from inbond.report.text import one_line
from inbond.report.wording import DISCLAIMER


def notice(exported: Exported) -> str:
    """Plain text, the same for the same lineage."""
    name = names.title(exported.target).name
    what = "model" if exported.target.kind == "model" else "data"
    lines = [
        one_line(name),
        f"What this {what} was made from, as Inbond {exported.version} knew it on {exported.at[:10]}.",
        "",
        *(_origins(exported.trace.ancestors, what)),
    ]
    asked = [due for due in exported.trace.obligations if due.kind in ASKED_BY]
    others = [due for due in exported.trace.obligations if due.kind not in ASKED_BY]
    lines += _section("To be kept by whoever hands it on", asked)
    lines += _section("Conditions that also come with it", others)
    unknown = [each.node for each in exported.trace.ancestors if each.stance is None and not _own(each)]
    if unknown:
        lines += ["", "Of these the terms are not known here, so that nothing above is about them:"]
        lines += [
            f"  - {one_line(node.id)} ({one_line(node.licence or 'no licence given')})" for node in unknown
        ]
    if exported.trace.unknowns:
        lines += ["", "Not established:"]
        lines += [f"  - {one_line(item.about)}: {one_line(item.what)}" for item in exported.trace.unknowns]
    lines += ["", "Notices and licence texts that came with the originals are to be added as they are."]
    return "\n".join([*lines, DISCLAIMER]) + "\n"


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


def _section(title: str, dues: Sequence[Duty]) -> Iterator[str]:
    if not dues:
        return
    yield from ("", f"{title}:")
    for each in owed(dues):
        yield f"  - {each.text}"
        yield f"    [{each.told}]"
