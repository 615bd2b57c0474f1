"""Whose decisions a guard heeds: those of its ledger's own keys, and of operators that its file names."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inbond.cli.main import run
from inbond.guard import appeals
from inbond.guard.callers import hash_of, parse_callers
from inbond.guard.standing import Standing, Standings
from inbond.ledger import events
from inbond.ledger.attest import KeyStore, Signer
from inbond.ledger.events import Entry
from inbond.ledger.ledger import Ledger
from inbond.ledger.sqlite import SqliteStore
from inbond.workspace import Workspace

WHO = "t/a"
TEXT = f'tenants: {{t: {{accounts: {{a: {{keys: ["{hash_of("k")}"]}}}}}}}}'
LIFTED = {"account": WHO, "by": "Eve", "reason": "r", "days": 30}
SUSPENDED = {"account": WHO, "verdict": "v", "by": "Chie", "reason": "r"}


@contextlib.contextmanager
def opened(workspace: Workspace, keys: Path) -> Iterator[Ledger]:
    with Ledger.open(workspace, KeyStore(keys)) as ledger:
        yield ledger


def stands(workspace: Workspace, keys: Path, *operators: str) -> Standing:
    """How the account stands with a guard that has these keys."""

    async def found() -> Standing:
        async def tier(_: str) -> int:
            return 3

        with opened(workspace, keys) as ledger:
            standings = Standings(tier, ledger, time.time, operators)  # type: ignore[arg-type]
            await standings.look()
            caller = parse_callers("c", TEXT.encode()).find("k")
            assert caller is not None
            return await standings.of(caller)

    return asyncio.run(found())


def test_a_key_that_introduces_itself_lifts_nobody(workspace: Workspace, tmp_path: Path) -> None:
    own, eve = tmp_path / "own", tmp_path / "eve"
    with opened(workspace, own) as ledger:
        ledger.record(appeals.SUSPENDED, SUSPENDED)
    with opened(workspace, eve) as ledger:
        assert not ledger.heeds()
        ledger.record(appeals.LIFTED, LIFTED)
    assert stands(workspace, own) == Standing(3, suspended=True)
    assert stands(workspace, eve) == Standing(3, suspended=True), "it is the ledger that says whose count"
    known = KeyStore(eve).signer().public.id
    assert stands(workspace, own, known) == Standing(1, suspended=False)


def test_a_key_that_took_over_is_heeded_and_so_is_what_the_old_one_signed(
    workspace: Workspace, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    with opened(workspace, own) as ledger:
        ledger.record(appeals.SUSPENDED, SUSPENDED)
    KeyStore(own).rotate()
    assert stands(workspace, own).suspended
    with opened(workspace, own) as ledger:
        assert ledger.heeds(), "the old one introduces it with its first event"
        ledger.record(appeals.LIFTED, LIFTED)
        assert ledger.heeds()
    assert stands(workspace, own) == Standing(1)


def test_a_signature_that_does_not_fit_is_no_decision(workspace: Workspace, tmp_path: Path) -> None:
    own = tmp_path / "own"
    with opened(workspace, own) as ledger:
        ledger.record(appeals.SUSPENDED, SUSPENDED)
    signer, at = KeyStore(own).signer(), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    store = SqliteStore.open(workspace.ledger)

    def forged(last: Entry | None) -> list[Entry]:
        assert last is not None
        text = events.encode(
            last.position + 1, at, appeals.LIFTED, LIFTED, last.digest, signer.public.id
        )  # the right name, and somebody else's hand
        other = KeyStore(tmp_path / "eve").signer()
        return [Entry(last.position + 1, text, _signed(other, text))]

    store.append(forged)
    store.close()
    assert stands(workspace, own).suspended


def _signed(signer: Signer, text: bytes) -> bytes:
    return signer.sign(events.FORMAT, Entry(0, text, b"").digest)


def test_the_command_line_signs_nothing_that_no_guard_heeds(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(workspace, tmp_path / "own") as ledger:
        ledger.record(appeals.SUSPENDED, SUSPENDED)
    lift = ["guard", "lift", WHO, "--by", "Eve", "--reason", "r", "--home", str(workspace.home), "--json"]
    assert run(lift) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    mine = KeyStore.default().signer().public.id
    assert error["found"] == f"yours, {mine}, which introduces itself"
    assert f'put operators: ["{mine}"] into guard.yaml' in error["fix"]
    config = tmp_path / "guard.yaml"
    config.write_text(f'operators: ["{mine}"]')
    assert run([*lift, "--config", str(config)]) == 0
    assert run(["guard", "appeal", "--home", str(workspace.home), "--json", "--config", str(config)]) == 0
    capsys.readouterr()
    assert stands(workspace, tmp_path / "own", mine) == Standing(1)


def test_what_a_command_prints_to_be_followed_says_where(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.unit.test_guard_people import SUSPEND
    from tests.unit.test_guard_people import stands as put

    put(workspace, 3)
    config = tmp_path / "my guard.yaml"
    config.write_text("")
    words = ["guard", *SUSPEND, "--home", str(workspace.home), "--config", str(config)]
    assert run(words) == 0
    printed = capsys.readouterr().out
    back = f"--by NAME --reason WHY --config '{config}' --home {workspace.home}"
    assert back in printed


@pytest.mark.parametrize("verb", ["suspend", "lift"])
def test_without_a_guards_state_nobody_is_said_to_be_at_tier_0(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    words = ["guard", verb, WHO, "--by", "B", "--reason", "r", "--home", str(workspace.home), "--json"]
    assert run(words) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["expected"] == "the state of a guard, which says how an account stands"
    assert error["found"] == f"none in {workspace.guard}"
    assert "--config names their guard.yaml" in error["fix"]
    assert not workspace.home.exists(), "to ask makes nothing"


def test_a_home_where_nothing_can_be_made_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "guard.yaml"
    config.write_text("tenants: {}")
    words = ["guard", "serve", "--upstream", "http://h", "--config", str(config), "--home", "/proc/x"]
    assert run(words) == 2
    assert "error: expected a place where folders can be made" in capsys.readouterr().err
