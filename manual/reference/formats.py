"""The file formats and their versions: which there are is found in the code, what they are is said here."""

from __future__ import annotations

import re

from manual.reference.words import MADE, SOURCE, code, must_know, table

_SAYS = {
    "alternatives": ("the answers that a mark chose among", "`alternatives.jsonl` beside marked answers"),
    "briefing": ("a finished briefing", "`briefings/ID/briefing.json`"),
    "briefing-made": ("the body of the event about a briefing", "ledger"),
    "briefing-day": ("a day's briefings, related ones put together", "day page"),
    "campaign": ("a token that says two sightings are of one campaign", "`guard share` files"),
    "canaries": ("texts that were planted in training data", "`canaries.json`"),
    "capacity": ("who decided: the capacity gate", "verdicts"),
    "checkpoint": ("where training stands", "`.checkpoint` of a run"),
    "crew": ("what the processes of one training are told", "a temporary folder"),
    "detect": ("the rules of the guard's detection", "verdicts, `guard.judged`"),
    "diversity": ("who decided: the diversity gate", "verdicts"),
    "eu-summary": ("section 2.5 of the EU's summary, as JSON", "`export eu-summary`"),
    "event": ("an event of the ledger", "`ledger.db`"),
    "finding": ("a forensic finding in an event", "ledger"),
    "forensics-report": ("a forensic report", "`forensics test --out`"),
    "generality": ("who decided: the generality gate", "verdicts"),
    "head": ("a tree head: how many events, and the root over them", "`verify --save-head`"),
    "judging": ("a batch of judged pairs", "`judgings/NAME/`"),
    "lineage": ("a lineage that a person wrote down, or a whole graph", "`*.lineage.toml`, exports"),
    "manifest": ("an artifact: its files, digests, recipe part and inputs", "`manifest.json` of every artifact"),
    "mark": ("what is left of a request for detection: numbers, no text", "guard state"),
    "membership": ("which shared ledger a workspace writes to", "`ledger.json`"),
    "memory": ("what detection remembers between windows", "guard state"),
    "model": ("a pulled model: licence, source, digests", "`model.json` in the cache"),
    "piece": ("a token that stands for a piece of a template", "`guard share` files"),
    "preference": ("a chosen and a rejected answer", "`preferences.jsonl`"),
    "proof": ("that a ledger holds one record or event", "`verify --save-proof`"),
    "receipts": ("signed receipts of a host for its answers", "`receipts.jsonl` beside records"),
    "records": ("records, their lineage and origins", "`records.jsonl`, `lineage.parquet`, `origins.json`"),
    "registration": ("a registered purpose of an account, signed by the provider", "`guard register --out`"),
    "remote-tokens": ("what a host said of its own tokens", "`remote-tokens.json` of a run"),
    "roundtable": ("an event of a session's transcript", "`sessions/NAME/transcript.jsonl`"),
    "targets": ("a shard of a teacher's distribution, byte by byte in [targets.md](../targets.md)", "`targets/` of a run"),
}  # fmt: skip
_NAME = re.compile(r"inbond\.([a-z-]+)/([0-9]+)")


def page() -> str:
    found: dict[str, int] = {}
    for path in SOURCE.rglob("*.py"):
        for name, version in _NAME.findall(path.read_text("utf-8")):
            found[name] = max(found.get(name, 0), int(version))
    must_know(found, _SAYS, "manual/reference/formats.py")
    rows = [[code(f"inbond.{name}/{found[name]}"), *_SAYS[name]] for name in sorted(found)]
    return (
        f"# File formats\n\n{MADE}\nA format's name ends in its version. What a newer Inbond wrote is refused with exit code 2 "
        "and the advice to upgrade; it is never called changed, and never guessed at.\n\n"
        + table(["format", "what it is", "where"], rows)
        + "\n## In other words\n\nRecords also come and go as chat lines, ShareGPT, Alpaca, TRL and Hugging Face folders "
        "([interchange.md](../interchange.md)); lineage as CycloneDX, SPDX, PROV, Croissant and cards "
        "([export.md](../export.md), [import.md](../import.md)); statements about a student as in-toto in DSSE envelopes "
        "([verify.md](../verify.md)).\n"
    )
