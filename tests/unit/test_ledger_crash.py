"""kill -9 while appending: what was acknowledged is kept, the rest is whole or absent."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.ledger.sqlite import SqliteStore
from inbond.ledger.verify import verify_workspace
from inbond.workspace import Workspace
from tests.unit.test_sqlite_store import start_writer


def _kept(home: Path) -> list[str]:
    store = SqliteStore.open_existing(home / "ledger.db")
    try:
        return [f"{entry.position} {entry.digest}" for entry in store.read()]
    finally:
        store.close()


@pytest.mark.slow
def test_kill_9_while_appending_loses_nothing_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(7)
    workspace = Workspace(tmp_path / "bond")
    acknowledged: list[str] = []
    for round_ in range(8):
        writer = start_writer(tmp_path, "a", 1_000_000)
        assert writer.stdout is not None
        if round_ != 3:  # in one round the blow may fall before anything was written
            acknowledged.append(writer.stdout.readline().strip())
        time.sleep(chance.uniform(0, 0.25))
        writer.kill()
        lines = writer.communicate()[0].split("\n")
        acknowledged += lines[:-1]  # a line without its end was not yet said
        assert writer.returncode == -9
        report = verify_workspace(workspace)
        assert report.problems == ()
        assert set(acknowledged) <= set(_kept(workspace.home))
    assert len(acknowledged) > 8
    with Ledger.open(workspace, KeyStore(tmp_path / "keys")) as ledger:
        bodies = [event.body["number"] for event in ledger.events("w.a")]
    assert len(bodies) % 2 == 0, "two events that were recorded together stay together"
    assert bodies[::2] == bodies[1::2]
