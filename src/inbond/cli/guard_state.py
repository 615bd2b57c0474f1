"""What a command reads of the guard's state: nothing is made where no guard ran yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from inbond.guard.actions import Tier
    from inbond.guard.state import State
    from inbond.workspace import Workspace

T = TypeVar("T")
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="guard.yaml, where replicas share their state.", show_default=False),
]


def ask(workspace: Workspace, config: Path | None, question: Callable[[State], Awaitable[T]], empty: T) -> T:
    """As ``state_opening.ask_state``, of a workspace's guard."""
    from inbond.guard.state_opening import ask_state

    return ask_state(config, workspace.guard, question, empty)


def standing(workspace: Workspace, account: str, config: Path | None) -> tuple[Tier, str]:
    """An account's tier as detection has it, and the digest of the facts it rests on ("" for none)."""
    from inbond.guard import observe

    found = ask(workspace, config, lambda state: state.tier(account), None)
    if found is None:
        return 0, ""
    return observe.tier_of(found), str(observe.from_bytes(found)["verdict"]["facts"])
