"""The kinds of events in a ledger: which there are is found in the code, what they are is said here."""

from __future__ import annotations

from manual.reference.words import MADE, code, constants, must_know, table

_SAYS = {
    "briefing.made": ("a briefing was finished: its id, the article's digest, the model, the digest of its file", "`briefing make`"),
    "data.kept": ("a run without a student is finished: what its records are", "`run`"),
    "file.written": ("a file beside the artifacts was written: its path and digest", "`run`, `roundtable`, `export`"),
    "finding.reported": ("a forensic test was reported: its numbers, and the digest of the report", "`forensics test`"),
    "gate.accepted": ("a person took a review upon themselves, with a reason", "`run`, `check --accept`"),
    "gate.decided": ("the policy gate judged a plan: the facts and the whole verdict", "`run`, `check --accept`, `check --agreement`"),
    "guard.answered": ("an appeal was answered", "`guard appeal --decide`"),
    "guard.appealed": ("an account appealed", "`guard appeal`"),
    "guard.judged": ("an account's tier changed: the verdict, without any text", "`guard serve`"),
    "guard.lifted": ("a person lifted a restriction", "`guard lift`"),
    "guard.sighted": ("another provider's file of sightings was read", "`guard share --read`"),
    "guard.suspended": ("a person suspended an account", "`guard suspend`"),
    "judgement.accepted": ("a person accepted a student that a quality gate stopped, with a reason", "`run --accept`"),
    "key.introduced": ("a public key that signs from here on, vouched for by the one before", "any that writes"),
    "lineage.declared": ("a card, header, BOM or lineage file was taken in", "`import`"),
    "lineage.withdrawn": ("what a file declared was taken back", "`import --forget`"),
    "pipeline.completed": ("all stages of a file with stages are finished", "`run`"),
    "probe.accepted": ("a person accepted a host whose word differs from its weights, with a reason", "`run --accept`"),
    "roundtable.decided": ("a panel's outcome and tally, and the digest of its transcript", "`roundtable ask`"),
    "roundtable.judged": ("a batch of pairs was judged: figures and digests", "`roundtable judge`"),
    "run.completed": ("a run is finished: its figures, and what it can be compared by", "`run`"),
    "stage.completed": ("an artifact is whole: its manifest's digest, recipe part and inputs", "`run`"),
    "stage.discarded": ("an artifact or file gives way to a new one", "`run`"),
    "text.erased": ("text is about to be removed on purpose: which files and entries", "`erase`, `run`"),
    "workspace.joined": ("a workspace writes to a shared ledger from here on", "any that writes"),
}  # fmt: skip
_PATTERN = r"[a-z]+\.[a-z-]*(ed|en|wn|kept|made)"


def page() -> str:
    found = sorted({value for _, value in constants(_PATTERN)})
    must_know(found, _SAYS, "manual/reference/events.py")
    rows = [[code(kind), *_SAYS[kind]] for kind in found]
    return (
        f"# Event kinds\n\n{MADE}\nThe ledger is a chain of events. Each is canonical JSON of "
        "`{at, body, format, key, kind, prev, seq}`, signed; `prev` is the digest of the one before. What the chain proves is "
        "[explained here](../explanations/ledgers.md). No event holds a prompt or an answer; bodies that hold what looks "
        "like a credential are refused.\n\n" + table(["kind", "what happened", "written by"], rows)
    )
