"""``inbond guard state``, and what other commands read of the guard's state: nothing is made where no guard
ran yet."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace
from inbond.errors import InputError

if TYPE_CHECKING:
    from inbond.guard.actions import Tier
    from inbond.guard.detect.memory import Memory
    from inbond.guard.state import State
    from inbond.workspace import Workspace

T = TypeVar("T")
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="guard.yaml, where replicas share their state.", show_default=False),
]


def state(
    config: ConfigOption = None,
    accept_emptied: Annotated[
        bool, typer.Option("--accept-emptied", help="Go on with a state that begins anew.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Show the state that budgets and tiers are kept in; accept one that was emptied.

    A Redis that lost its data gives every budget of the day and the month back. With when_state_is_lost:
    closed, guards that knew another data set refuse requests until somebody accepts this one. Exits 3 where
    that waits.

    Example: inbond guard state --config guard.yaml --accept-emptied
    """
    from inbond.guard.state_opening import remembered

    workspace = open_workspace(home)
    before = remembered(workspace.guard)

    async def look(found: State) -> tuple[str, bool, str | None]:
        await found.ping()
        if accept_emptied:
            await found.accept()
        return found.name, await found.accepted(), await found.doubt()

    nothing: tuple[str, bool, str | None] = ("", True, None)
    name, accepted, doubt = ask(workspace, config, look, nothing)
    waits = bool(before and name and name != before and not accepted)
    text = "the state is not the one of before: it was emptied, or another took its place" if waits else (
        f"data set {name}{', accepted' if accepted else ''}" if name else "a file of this workspace's own"
    )  # fmt: skip
    value = {"data_set": name, "before": before, "accepted": accepted, "waits": waits, "warning": doubt}
    if waits and not as_json:
        Output(as_json, quiet=False).say(text)
    else:
        Output(as_json, quiet).result(value, f"{text}\nWARNING: {doubt}" if doubt else text)
    return 3 if waits else 0


def ask(workspace: Workspace, config: Path | None, question: Callable[[State], Awaitable[T]], empty: T) -> T:
    """As ``state_opening.ask_state``, of a workspace's guard."""
    from inbond.guard.state_opening import ask_state

    return ask_state(config, workspace.guard, question, empty)


def standing(workspace: Workspace, account: str, config: Path | None) -> tuple[Tier, str]:
    """An account's tier as detection has it, and the digest of the facts it rests on ("" for none)."""
    return standings(workspace, [account], config)[account]


def standings(
    workspace: Workspace, accounts: Sequence[str], config: Path | None
) -> dict[str, tuple[Tier, str]]:
    """``standing`` of several. Raises InputError where no guard keeps a state."""
    from inbond.guard import observe

    async def look(state: State) -> dict[str, bytes | None] | None:
        return {name: await state.tier(name) for name in accounts}

    nothing: dict[str, bytes | None] | None = None
    found = ask(workspace, config, look, nothing) if accounts else {}
    if found is None:
        raise InputError(
            expected="the state of a guard, which says how an account stands",
            found=f"none in {workspace.guard}",
            fix="--home names the workspace that the guard serves from; where replicas share their state, "
            "--config names their guard.yaml",
        )
    return {
        name: (0, "")
        if data is None
        else (observe.tier_of(data), str(observe.from_bytes(data)["verdict"]["facts"]))
        for name, data in found.items()
    }


def kept(workspace: Workspace, config: Path | None) -> tuple[Memory, dict[str, dict[str, Any]]]:
    """The memory, and the verdicts kept beside it (``observe.from_bytes``), by account. A workspace in which
    no guard ran stays as it is."""
    from inbond.guard.kept import of_one_window, understood

    empty: dict[str, bytes] = {}
    return understood(*ask(workspace, config, of_one_window, (b"", empty)))


def repeated(config: Path | None, home: Path | None) -> str:
    """The options that say where to look, to stand behind a command that is printed to be followed."""
    given = (("--config", config), ("--home", home))
    return "".join(f" {name} {shlex.quote(str(path))}" for name, path in given if path is not None)
