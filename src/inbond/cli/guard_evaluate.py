"""``inbond guard evaluate``: anyone's traffic into tiers and verdicts."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption
from inbond.errors import InputError

if TYPE_CHECKING:
    from inbond.guard.evaluate import Evaluation

_EVERY_S = 2.0
_MOST = 20


def evaluate(
    file: Annotated[Path, typer.Argument(help="JSON lines, one request each; - reads standard input.")],
    _home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Judge traffic in a file: a tier and a verdict for every account, and the groups behind them.

    A line has ts, request_id, tenant, account, org, registered, ip, asn, client, payment, mail_domain,
    created, plan, model, conversation, system, prompt, prompt_tokens, output_tokens, sealed (null, ok,
    rejected, foreign) and refused; others are ignored, missing ones are unknown. Lines are in order of ts,
    or up to an hour late.
    Tiers: 0 none, 1 watched, 2 restricted, 3 suspension proposed, which a person signs or not.

    Examples: inbond guard evaluate traffic.jsonl; zcat traffic.jsonl.gz | inbond guard evaluate - --json
    """
    from inbond.guard.evaluate import evaluate as judged

    out = Output(as_json, quiet)
    if str(file) == "-":
        found = judged("standard input", sys.stdin.buffer, _progress(out, None))
    else:
        with _opened(file) as data:
            found = judged(str(file), data, _progress(out, file.stat().st_size))
    out.result(found.to_json(), "\n".join(_lines(found)))
    return 0


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise InputError(
            expected=f"a file of traffic at {file}",
            found=error.strerror or str(error),
            fix="correct the path; inbond guard simulate writes one",
        ) from error


def _progress(out: Output, whole: int | None) -> Callable[[int, int], None]:
    """Says now and then how many rows were read, how fast, and how long the rest takes."""
    began = last = time.monotonic()

    def tell(rows: int, size: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _EVERY_S:
            return
        last = now
        left = f", {(now - began) * (whole - size) / size:.0f} s left" if whole else ""
        out.say(f"{rows:,} rows, {rows / (now - began):,.0f} a second{left}")

    return tell


def _lines(found: Evaluation) -> Iterator[str]:
    from inbond.guard import actions
    from inbond.guard.detect.judge import FDR

    judgement = found.judgement
    counts = Counter(judgement.accounts.tiers.values())
    yield f"{found.requests:,} requests of {len(judgement.accounts):,} accounts"
    for tier, name in actions.NAMES.items():
        yield f"  tier {tier}, {name}: {counts[tier]:,}"
    if found.late:
        yield f"  {found.late:,} lines came more than an hour late, and count in a later window"
    for cluster in judgement.clusters[:_MOST]:
        own = f"{len(cluster.members):,} of them show it themselves"
        yield f"{cluster.id}: tier {cluster.tier}, {cluster.size:,} accounts, {own}"
        for reason in cluster.verdict.reasons:
            if reason.detail.get("seen"):
                yield f"  {reason.rule}: {reason.finding} (e-value {reason.detail['e_value']})"
    if len(judgement.clusters) > _MOST:
        yield f"... and {len(judgement.clusters) - _MOST:,} groups more; --json has all"
    yield f"False discovery rate at most {FDR}: so large a share of the groups, and of the accounts by their"
    yield "own evidence, is expected past tier 0 though all bounds were kept. Members whom a group restricts"
    yield "broke one themselves, as one that keeps them does with a probability of 1%. A bound that is broken"
    yield "is no proof that a customer is unlawful."
