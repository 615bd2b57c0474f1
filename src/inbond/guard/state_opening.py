"""Which state a configuration means, and opening it: for the guard that serves, and for commands that ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

from inbond.guard.config import GuardConfig, read_config
from inbond.guard.state import State
from inbond.guard.state_sqlite import SqliteState
from inbond.workspace import PRIVATE_DIR, write_bytes, writing

T = TypeVar("T")
FILE: Final = "state.db"
_NAME: Final = "data-set"


def open_state(config: GuardConfig | None, folder: Path) -> State:
    """The state that a configuration names; without one that of a single process, in the guard's ``folder``.
    Raises InputError, UnwritableError."""
    if config is None or config.state is None:
        return SqliteState(folder / FILE)
    from inbond.guard.state_redis import RedisState  # an optional dependency

    return RedisState(config.state, remembered(folder))


def remembered(folder: Path) -> str:
    """The name of the data set that the guard of this ``folder`` last worked with; "" for none."""
    try:
        return (folder / _NAME).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def remember(folder: Path, name: str) -> None:
    """Keeps that name, for the next start. Raises UnwritableError."""
    if name and name != remembered(folder):
        with writing(folder):
            folder.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
        write_bytes(folder / _NAME, name.encode())


def ask_state(config: Path | None, folder: Path, question: Callable[[State], Awaitable[T]], empty: T) -> T:
    """The answer of the state that the file ``config`` names, or that lies in the guard's ``folder``: for a
    command, which opens and closes it; ``empty`` where there is none, since asking makes nothing. Raises as
    ``read_config``, ``open_state`` and the state."""
    settings = read_config(config) if config is not None else None
    alone = settings is None or settings.state is None
    if alone and not (folder / FILE).exists():
        return empty

    async def asked() -> T:
        state = open_state(settings, folder)
        try:
            return await question(state)
        finally:
            await state.close()

    return asyncio.run(asked())
