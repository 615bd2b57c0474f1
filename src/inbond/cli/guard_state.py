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
    """The answer of the state that the file ``config`` names, or that lies in the workspace; ``empty`` where
    there is none. Raises as ``serve.ask_state``."""
    from inbond.guard.config import read_config
    from inbond.guard.serve import ask_state

    shared = config is not None and read_config(config).state is not None
    if not shared and not (workspace.guard / "state.db").exists():
        return empty
    return ask_state(config, workspace.guard, question)


def standing(workspace: Workspace, account: str, config: Path | None) -> tuple[Tier, str]:
    """An account's tier as detection has it, and the digest of the facts it rests on ("" for none)."""
    from inbond.guard import observe

    found = ask(workspace, config, lambda state: state.tier(account), None)
    if found is None:
        return 0, ""
    return observe.tier_of(found), str(observe.from_bytes(found)["verdict"]["facts"])
