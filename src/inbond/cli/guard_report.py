"""``inbond guard report``: who is watched, restricted or suspended, and why."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from inbond import __version__
from inbond.cli.guard_appeal import appeal_json
from inbond.cli.guard_state import ConfigOption, ask
from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, check_place, open_workspace
from inbond.errors import InputError
from inbond.workspace import Workspace, write_bytes

if TYPE_CHECKING:
    from inbond.guard.detect.memory import Memory
    from inbond.guard.overview.numbers import Sources
    from inbond.guard.state import State
    from inbond.report.guard_view import Drawn, Entry, View

_PUBLIC: Final = 0o644
_MOST: Final = 12
_LOOKS: Final = 5


def report(
    page: Annotated[
        Path | None,
        typer.Option("--page", metavar="FILE", help="Write it as a page too (HTML).", show_default=False),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(
            "--account", metavar="TENANT/ACCOUNT", help="Of this account alone.", show_default=False
        ),
    ] = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Say who is watched, restricted, proposed for suspension or suspended, and on what evidence.

    Reads what the guard keeps and the ledger, changes nothing, and shows no prompt: none is kept.
    Tiers: 0 none, 1 watched, 2 restricted, 3 suspension proposed, which a person signs or not.

    Examples: inbond guard report; inbond guard report --page guard.html; inbond guard report
    --account acme/batch
    """
    from inbond.guard.overview.build import view
    from inbond.report.guard_page import render_guard_page

    workspace, out = open_workspace(home), Output(as_json, quiet)
    if page is not None:
        _check_page(page, workspace)
    sources = _read(workspace, config, account)
    shown = view(sources)
    if page is not None:
        write_bytes(page, render_guard_page(shown, __version__).encode(), _PUBLIC)
    written = {"page": str(page)} if page is not None else {}
    lines = [*_lines(shown), *(f"Written: page {place}" for place in written.values())]
    out.result({**_json(sources, shown), **written}, "\n".join(lines))
    return 0


def _check_page(page: Path, workspace: Workspace) -> None:
    """Raises InputError for a file that cannot be written, before anything is read."""
    check_place("--page", page, workspace)
    if not page.parent.is_dir():
        raise InputError(
            expected="--page with a file in a folder that exists",
            found=f"{page}, and no folder {page.parent}",
            fix="make the folder, or name another file",
        )


# What is read ---------------------------------------------------------------------------------------


def _read(workspace: Workspace, config: Path | None, account: str | None) -> Sources:
    """The state first: it says of whom the ledger is read."""
    from inbond.guard import appeals
    from inbond.guard.detect.judge import clusters
    from inbond.guard.overview.build import chosen
    from inbond.guard.overview.numbers import Sources
    from inbond.guard.sighted import SIGHTED
    from inbond.guard.standing import JUDGED
    from inbond.ledger import membership

    kept, tiers = _state(workspace, config)
    cases = appeals.cases(membership.events_in(workspace, os.environ))
    now = datetime.now(UTC)
    if account is not None and account in kept.accounts and account not in tiers:
        tiers[account] = _looked_at(kept, account)
    found = Sources(now, kept, tiers, clusters(kept), cases, only=account)
    names = set(chosen(found))
    events = membership.events_in(workspace, os.environ)
    judged: list[Mapping[str, Any]] = []
    sighted: list[tuple[str, Mapping[str, Any]]] = []
    for each in events:
        if each.kind == JUDGED and str(each.body.get("account")) in names:
            judged.append(each.body)
        elif each.kind == SIGHTED:
            sighted.append((each.at, each.body))
    return replace(found, judged=tuple(judged), sighted=tuple(sighted))


def _looked_at(memory: Memory, account: str) -> dict[str, Any]:
    """The verdict on an account of tier 0, which nobody keeps."""
    from inbond.guard import observe
    from inbond.guard.detect.judge import judge

    return observe.from_bytes(observe.to_bytes(judge(memory).accounts[account], memory.window))


def _state(workspace: Workspace, config: Path | None) -> tuple[Memory, dict[str, dict[str, Any]]]:
    """The memory and the verdicts kept beside it. A workspace in which no guard ran stays as it is."""
    empty: dict[str, bytes] = {}
    return _understood(*ask(workspace, config, _of_one_window, (b"", empty)))


def _understood(memory: bytes, tiers: dict[str, bytes]) -> tuple[Memory, dict[str, dict[str, Any]]]:
    from inbond.guard import observe
    from inbond.guard.detect import memory as memories

    try:
        return memories.from_bytes(memory), {name: observe.from_bytes(data) for name, data in tiers.items()}
    except ValueError as error:
        raise InputError(
            expected="a guard's state of this version",
            found=str(error),
            fix="report with the Inbond that serves, or move the state away",
        ) from error


async def _of_one_window(state: State) -> tuple[bytes, dict[str, bytes]]:
    """Memory and verdicts as of one window, though a guard may fold the next one meanwhile."""
    for _ in range(_LOOKS):
        window, memory = await state.memory()
        tiers = await state.tiers()
        if (await state.memory())[0] == window:
            break
    return memory, tiers


# What is said ---------------------------------------------------------------------------------------


def _json(sources: Sources, shown: View) -> dict[str, Any]:
    """All accounts past tier 0 or suspended, not cut; with --account that one, with its history."""
    from inbond.guard.detect.judge import FDR
    from inbond.guard.overview.sightings import resembling

    names = {*sources.standing, *sources.cases} if sources.only is None else {sources.only}
    return {
        "sentence": shown.sentence,
        "as_of": shown.as_of,
        **{name: value for name, value in shown.counts.items() if name != "only_people"},
        "false_discovery_rate": float(FDR),
        "by_tenant": {
            each.name: {
                "accounts": each.accounts,
                "requests": each.requests,
                "tier": each.tier,
                "past_tier_0": each.past,
                "suspended": each.suspended,
            }
            for each in shown.tenants
        },
        "standing": {name: _standing(sources, name) for name in sorted(names) if _is_told(sources, name)},
        "clusters": [
            {
                "id": each.id,
                "kind": each.kind,
                "tier": each.tier,
                "size": each.size,
                "members": list(each.members),
                "verdict": each.verdict.to_json(),
            }
            for each in sources.clusters
            if sources.only is None or sources.only in each.members
        ],
        "sightings": [each.to_json() for each in resembling(sources.sighted, sources.now, sources.only)],
        "history": list(sources.judged) if sources.only is not None else [],
    }


def _is_told(sources: Sources, name: str) -> bool:
    return bool(sources.tier(name)) or sources.matters(name) or name == sources.only


def _standing(sources: Sources, name: str) -> dict[str, Any]:
    kept, case = sources.standing.get(name, {}), sources.cases.get(name)
    ceiling = sources.ceiling(name)
    return {
        "tier": sources.tier(name),
        "suspended": sources.suspended(name),
        "since": kept.get("since"),
        "window": kept.get("window"),
        "verdict": kept.get("verdict"),
        "lifted_until": ceiling.until.isoformat() if ceiling is not None else None,
        "appeals": [appeal_json(each) for each in (case.appeals if case is not None else ())],
    }


def _lines(shown: View) -> Iterator[str]:
    """For a person at a terminal: bounded, without colours."""
    yield shown.sentence
    if shown.as_of:
        yield f"As of {shown.as_of}; no prompt is kept, so none can be shown."
    for each in shown.objections[:_MOST]:
        yield f"appeal {each.id} of {each.account}: {each.state}"
        if each.command:
            yield f"  {each.command}"
    yield from _more(len(shown.objections) - _MOST + shown.objections_left_out, "appeals")
    for entry in shown.entries[:_MOST]:
        yield from _entry(entry, long=shown.only is not None)
    yield from _more(max(0, len(shown.entries) - _MOST) + shown.entries_left_out, "accounts")
    for group in shown.clusters[:_MOST]:
        yield from _group(group)
    yield from _more(shown.clusters_left_out, "groups")
    for told in shown.sightings:
        yield f"sighting of a group like {told.cluster}, claimed by {told.provider}: no evidence by itself"
    yield from _more(shown.sightings_left_out, "sightings")
    yield f"False discovery rate at most {shown.rate}: so large a share of the accounts and groups at a tier"
    yield "is expected to be there wrongly, where lawful traffic keeps the bounds that the verdicts state."


def _entry(entry: Entry, *, long: bool) -> Iterator[str]:
    seen = dict.fromkeys([*entry.said.families, *entry.others.families])
    yield f"{entry.name}: {entry.standing}" + (f"; seen: {', '.join(seen)}" if seen else "")
    if not long:
        yield from (f"  {what}: {command}" for what, command in entry.commands[:1])
        return
    said = [*entry.said.seen, *entry.said.unseen, *entry.said.shown, *entry.steps]
    said += [f"{at}: {what}" for at, what in entry.moments]
    yield from (f"  {line}" for line in said)
    yield from (f"  {what}: {command}" for what, command in entry.commands)


def _group(group: Drawn) -> Iterator[str]:
    size = len(group.nodes) + group.more + group.quiet
    own = len(group.nodes) + group.more
    yield f"{group.id}: {group.standing}, {size:,} accounts, {own:,} of them show it themselves"


def _more(count: int, what: str) -> Iterator[str]:
    if count > 0:
        yield f"... and {count:,} {what} more; --page shows more, --json all"
