"""``inbond roundtable judge``: pairs of answers into preferences for training."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, check_place, open_workspace
from inbond.errors import InputError

if TYPE_CHECKING:
    from inbond.roundtable.judge.holding import Kept
    from inbond.roundtable.judge.progress import Standing

_EVERY_S = 2.0
_UNDECIDED = 3
_MINUTE_S, _HOUR_S = 60, 3600


def judge(
    pairs: Annotated[Path, typer.Argument(help='JSON lines: {"prompt", "a", "b"} each.')],
    judges: Annotated[
        list[str] | None,
        typer.Option("--judge", metavar="NAME=URI", help="A judge; again for each.", show_default=False),
    ] = None,
    constitution: Annotated[
        str, typer.Option(help="A file of principles, or default: helpful, honest, harmless.")
    ] = "default",
    family: Annotated[
        list[str] | None,
        typer.Option(
            "--family",
            metavar="NAME=FAMILY",
            help="A judge's family, besides what its model's name tells; again for each.",
            show_default=False,
        ),
    ] = None,
    each_principle: Annotated[
        bool, typer.Option("--each-principle", help="A preference by each principle, not one by all.")
    ] = False,
    budget: Annotated[
        float | None, typer.Option(min=0, help="USD, for all judges and all interruptions.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for one reply.")] = 300.0,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=16, help="Tokens of one reply.")] = 1024,
    file: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the preferences here too.", show_default=False),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Judge pairs of answers by a constitution, for preference training.

    Each judge is asked by each principle in both orders; one that contradicts itself abstains there, none
    judges its own family, and canaries in the batch try the judges. Killed or stopped, the same command goes
    on and asks only for what is missing. Exits 3 when no pair was decided, or the budget ends.

    Example: inbond roundtable judge pairs.jsonl --judge ann=api:localhost:8080/m1 --judge kai=gguf:m2.gguf
    --out preferences.jsonl
    """
    from inbond.roundtable.judge.holding import PREFERENCES, split_judge
    from inbond.workspace import write_bytes

    workspace, out = open_workspace(home), Output(as_json, quiet)
    if file is not None:
        check_place("--out", file, workspace, pairs)
    named = [split_judge(text) for text in judges or ()]
    families = _families(family or ())
    kept = asyncio.run(
        _held(
            pairs, constitution, (named, families), (budget, timeout, max_tokens), each_principle, home, out
        )
    )
    preferences = kept.folder / PREFERENCES
    if file is not None:
        write_bytes(file, preferences.read_bytes())
    places = {"folder": str(kept.folder), "preferences": str(file or preferences)}
    told = [*kept.findings.lines(), f"Preferences: {kept.preferences:,} in {places['preferences']}"]
    counts = {"preferences_written": kept.preferences}
    out.result({**kept.findings.to_json(), **counts, **places}, "\n".join(told))
    return 0 if kept.preferences else _UNDECIDED


async def _held(
    pairs: Path,
    constitution: str,
    who: tuple[list[tuple[str, str]], dict[str, str]],
    bounds: tuple[float | None, float, int],
    each_principle: bool,
    home: Path | None,
    out: Output,
) -> Kept:
    """What can be wrong in files is found before a model is opened."""
    from inbond.cli.students import students_of
    from inbond.engine.completions import FailurePolicy
    from inbond.ledger.attest import KeyStore
    from inbond.ledger.ledger import Ledger
    from inbond.roundtable.judge.asking import check_names
    from inbond.roundtable.judge.batch import Batch
    from inbond.roundtable.judge.constitution import read_constitution
    from inbond.roundtable.judge.hearing import Asking
    from inbond.roundtable.judge.holding import hold, seated
    from inbond.roundtable.judge.pairs import read_pairs
    from inbond.roundtable.seating import opener
    from inbond.teachers.protocols import Sampling

    batch = Batch(read_pairs(pairs), read_constitution(constitution))
    check_names([name for name, _ in who[0]])
    budget, timeout_s, max_tokens = bounds
    how = Asking(FailurePolicy(timeout_s=timeout_s), budget, Sampling(max_tokens, temperature=0.0))
    workspace = open_workspace(home)
    async with seated(*who, opener(os.environ, students_of(workspace))) as judges:
        questions = sum(len(batch.items(judge)) for judge in judges)
        principles = len(batch.constitution.principles)
        out.say(
            f"Pairs: {len(batch.pairs):,}, canaries: {len(batch.canaries)}, "
            f"principles: {principles}, judges: {len(judges)}; questions: {questions:,}"
        )
        with Ledger.open(workspace, KeyStore.default()) as ledger:
            return await hold(
                batch,
                judges,
                workspace,
                ledger,
                how,
                each_principle=each_principle,
                on_progress=_telling(out),
            )


def _families(given: Iterable[str]) -> dict[str, str]:
    """What was said of each judge's families, several of one judge with commas between."""
    found: dict[str, str] = {}
    for text in given:
        name, family = _split_family(text)
        found[name] = f"{found[name]}, {family}" if name in found else family
    return found


def _split_family(text: str) -> tuple[str, str]:
    from inbond.roundtable.judge.families import FILE

    name, equals, family = (part.strip() for part in text.partition("="))
    if not equals or not name or not family:
        raise InputError(
            expected="a judge's family as NAME=FAMILY",
            found=repr(text[:120]),
            fix=f"for example --family ann=qwen; the families are in {FILE} (docs/roundtable-judge.md)",
        )
    return name, family


def _telling(out: Output) -> Callable[[Standing], None]:
    """Says now and then how far it is, how fast, how long the rest takes and what it cost."""
    last = float("-inf")

    def tell(now: Standing) -> None:
        nonlocal last
        at = time.monotonic()
        if at - last < _EVERY_S:
            return
        last = at
        share = f"{now.done / now.total:.0%}" if now.total else "all"
        failed = f", {now.failed:,} failed" if now.failed else ""
        left = f", {_span(now.seconds_left)} left" if now.seconds_left else ""
        cost = f", {now.cost_usd:.4f} USD" if now.cost_usd else ""
        rate = f", {now.a_second:.1f} a second" if now.a_second else ""
        out.say(f"{now.done:,} of {now.total:,} replies ({share}){rate}{left}{cost}{failed}")

    return tell


def _span(seconds: float) -> str:
    if seconds >= _HOUR_S:
        return f"{seconds / _HOUR_S:.1f} h"
    return f"{seconds / _MINUTE_S:.0f} min" if seconds >= _MINUTE_S else f"{seconds:.0f} s"
