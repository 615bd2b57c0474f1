"""What commands and pages read of a guard: the evidence that its state keeps, and what people decided."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.guard import appeals, observe
from inbond.guard.appeals import Case
from inbond.guard.detect import memory as memories
from inbond.guard.detect.memory import Memory
from inbond.guard.state import State
from inbond.guard.state_opening import FILE
from inbond.guard.state_sqlite import SqliteState
from inbond.ledger import membership
from inbond.workspace import Workspace

_LOOKS: Final = 5
Standing = dict[str, dict[str, Any]]
"""What the state keeps of accounts (``observe.from_bytes``), by name."""


async def of_one_window(state: State) -> tuple[bytes, dict[str, bytes]]:
    """Memory and verdicts as of one window, though a guard may fold the next one meanwhile."""
    for _ in range(_LOOKS):
        window, memory = await state.memory()
        tiers = await state.tiers()
        if (await state.memory())[0] == window:
            break
    return memory, tiers


def understood(memory: bytes, tiers: Mapping[str, bytes]) -> tuple[Memory, Standing]:
    """What ``of_one_window`` read. Raises InputError for what another version wrote."""
    try:
        return memories.from_bytes(memory), {name: observe.from_bytes(data) for name, data in tiers.items()}
    except ValueError as error:
        raise InputError(
            expected="a guard's state of this version",
            found=str(error),
            fix="ask with the Inbond that serves, or move the state away",
        ) from error


def cases_in(workspace: Workspace, operators: Collection[Digest] = ()) -> dict[str, Case]:
    """What people decided of all accounts, as a guard heeds it: by keys of the ledger's own chain, and of the
    ``operators``. Raises as ``membership.open_to_read``."""
    if not membership.begun(workspace):
        return {}
    reading = membership.open_to_read(workspace, os.environ)
    with contextlib.closing(reading.store):
        return appeals.cases(reading.heeded(appeals.KINDS, operators))


def lies_in(folder: Path) -> bool:
    """Whether a guard of this ``folder`` keeps a state of its own there."""
    return (folder / FILE).is_file()


def window_in(folder: Path) -> int | None:
    """The last window that the guard of this ``folder`` folded; None: none. Changes nothing. Raises
    InputError and StateLostError."""

    async def ask() -> int | None:
        state = SqliteState(folder / FILE, to_read=True)
        try:
            return await state.folded()
        finally:
            await state.close()

    return asyncio.run(ask())


def standing_in(folder: Path) -> tuple[Memory, Standing]:
    """The memory and the verdicts that the guard of this ``folder`` keeps. Changes nothing. Raises as
    ``window_in``."""

    async def ask() -> tuple[bytes, dict[str, bytes]]:
        state = SqliteState(folder / FILE, to_read=True)
        try:
            return await of_one_window(state)
        finally:
            await state.close()

    return understood(*asyncio.run(ask()))
