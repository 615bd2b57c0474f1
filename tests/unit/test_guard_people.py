"""What a person decides at the command line: signed, listed, taken back; and what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from inbond.cli.main import run
from inbond.digest import Digest
from inbond.guard import observe
from inbond.guard.detect.judge import Judged
from inbond.guard.state_sqlite import SqliteState
from inbond.types import Reason, Verdict
from inbond.workspace import Workspace
from tests.guard_report_examples import RING, watch

DIGEST = Digest("sha256:" + "a" * 64)
Guard = Callable[..., Any]


@pytest.fixture
def guard(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> Guard:
    def call(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert run(["guard", *arguments, "--home", str(workspace.home), "--json"]) == code
        return json.loads(capsys.readouterr().out)

    return call


def stands(workspace: Workspace, tier: int, *others: str) -> None:
    """What detection left in the guard's state."""
    verdict = Verdict("suspension-proposed", (Reason("r", "seen", "x"),), DIGEST, "v")

    async def write() -> None:
        state = SqliteState(workspace.guard / "state.db")
        kept = observe.to_bytes(Judged(tier, verdict, 600), 600)
        assert await state.fold(600, b"", dict.fromkeys(("acme/川", *others), kept))
        await state.close()

    asyncio.run(write())


LIFT = ("guard", "lift", "acme/川", "--by", "Chie", "--reason", "a red team")
SUSPEND = ("suspend", "acme/川", "--by", "Ben", "--reason", "replay across 40 accounts")


def test_from_a_proposal_to_an_answered_appeal(workspace: Workspace, guard: Guard) -> None:
    stands(workspace, 3)
    (found,) = guard(*SUSPEND)["accounts"]
    assert (found["account"], found["verdict"]) == ("acme/川", DIGEST)
    (case,) = guard("appeal")["accounts"]
    assert (case["account"], case["suspended"], case["appeals"]) == ("acme/川", True, [])
    assert case["suspension"]["by"] == "Ben"
    made = guard("appeal", "acme/川", "--text", "私たちは学校です。")
    answered = guard("appeal", made["id"], "--decide", "lifted", "--by", "Chie", "--reason", "they are")
    assert (answered["id"], answered["outcome"]) == (made["id"], "lifted")
    (case,) = guard("appeal")["accounts"]
    assert (case["suspended"], case["lifted"]["by"]) == (False, "Chie")
    assert case["appeals"][0]["text"] == "私たちは学校です。"
    assert case["appeals"][0]["answer"] == "they are"
    assert run(["verify", "--home", str(workspace.home), "-q"]) == 0


def test_a_restricted_account_may_appeal_and_be_lifted(workspace: Workspace, guard: Guard) -> None:
    stands(workspace, 2)
    made = guard("appeal", "acme/川", "--text", "We are auditors.")
    due = datetime.fromisoformat(made["due"]) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < due < timedelta(hours=24)
    (lifted,) = guard("lift", "acme/川", "--by", "Chie", "--reason", "so they are", "--days", "90")[
        "accounts"
    ]
    until = datetime.fromisoformat(lifted["until"]) - datetime.now(UTC)
    assert timedelta(days=89, hours=23) < until < timedelta(days=90)
    (case,) = guard("appeal")["accounts"]
    assert (case["suspended"], case["suspension"]) == (False, None)
    assert (case["lifted"]["until"], case["lifted"]["reason"]) == (lifted["until"], "so they are")
    assert (case["appeals"][0]["outcome"], case["appeals"][0]["by"]) == ("lifted", "Chie")
    found = guard("report")["standing"]["acme/川"]
    assert (found["tier"], found["lifted_until"]) == (2, lifted["until"]), "detection is shown as it is"
    assert run(["verify", "--home", str(workspace.home), "-q"]) == 0


def test_a_person_reads_who_is_suspended_and_how_long_an_appeal_has(
    workspace: Workspace, guard: Guard, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["guard", "appeal", "--home", str(workspace.home)]) == 0
    assert capsys.readouterr().out == "Nobody is suspended, and nobody appealed.\n"
    stands(workspace, 3)
    guard(*SUSPEND)
    id_ = guard("appeal", "acme/川", "--text", "no")["id"]
    assert run(["guard", "appeal", "--home", str(workspace.home)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("acme/川: suspended, signed by Ben on ")
    assert second.startswith(f"  appeal {id_}: open, to be answered by 20")
    assert second.endswith(" UTC, 23 h 59 min left: no")
    assert run([*LIFT, "--home", str(workspace.home)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("acme/川 is let in again; nothing beyond tier 1 is enforced until ")
    assert run([*LIFT, "--home", str(workspace.home)]) == 0
    assert capsys.readouterr().out.startswith("acme/川 is lifted: nothing beyond tier 1 is enforced until ")
    assert run(["guard", "appeal", "--home", str(workspace.home)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("acme/川: lifted by Chie until ")
    assert second == f"  appeal {id_}: lifted by Chie: a red team"
    assert run(["guard", "appeal", "--home", str(workspace.home), "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_of_several_accounts_each_result_is_told(
    workspace: Workspace, guard: Guard, capsys: pytest.CaptureFixture[str]
) -> None:
    stands(workspace, 3, "acme/a b", "acme/山")
    words = ("--by", "Ben", "--reason", "one ring")
    found = guard("suspend", "acme/川", "acme/nobody", "acme/a b", "acme/川", *words, code=2)["accounts"]
    assert [each["account"] for each in found] == ["acme/川", "acme/nobody", "acme/a b"]
    assert [each.get("verdict") for each in found] == [DIGEST, None, DIGEST]
    assert found[1]["error"]["found"] == "tier 0"
    assert found[0]["event"] != found[2]["event"]
    assert [case["account"] for case in guard("appeal")["accounts"]] == ["acme/川", "acme/a b"]
    at = ("--home", str(workspace.home))
    assert run(["guard", "suspend", "acme/川", "acme/山", *words, *at]) == 2
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "acme/山 is suspended."
    assert said.out.splitlines()[1].startswith("To take it back: inbond guard lift 'acme/山' --by NAME")
    assert said.err.startswith(
        "acme/川 is left as it is: expected no suspension of acme/川 yet; found the one"
    )
    assert run(["guard", "suspend", "acme/川", "acme/山", *words, *at, "--quiet"]) == 2
    said = capsys.readouterr()
    assert said.out == "", "nothing was done"
    assert len(said.err.splitlines()) == 2, "and of each it is said why, also to who wants it quiet"
    assert run(["guard", "lift", "acme/川", "acme/a b", "acme/山", *words, *at]) == 0
    said = capsys.readouterr()
    assert [line.partition(" is let in again")[0] for line in said.out.splitlines()] == [
        "acme/川", "acme/a b", "acme/山",
    ]  # fmt: skip
    assert said.err == ""
    assert run(["verify", *at, "-q"]) == 0


def test_a_group_is_decided_of_as_the_report_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(tmp_path / "bond")
    watch(workspace, 30)
    ring, at = "payment:8367cd66fdd136bb", ("--home", str(workspace.home), "--json")

    def call(verb: str, *words: str, code: int = 0) -> Any:
        assert run(["guard", verb, *words, "--by", "Ben", "--reason", "read", *at]) == code
        return json.loads(capsys.readouterr().out)

    (lone,) = call("suspend", RING[0])["accounts"]
    found = call("suspend", "--group", ring)["accounts"]
    assert {each["account"] for each in found} == set(RING)
    (left,) = [each for each in found if "error" in each]
    assert (left["account"], lone["account"]) == (RING[0], RING[0])
    assert left["error"]["expected"] == f"no suspension of {RING[0]} yet"
    assert call("suspend", "--group", ring, code=2)["accounts"][0]["error"], "nothing was signed"
    both = call("suspend", RING[0], "--group", ring, code=2)["accounts"]
    assert len(both) == len(RING), "each once"
    lifted = call("lift", "--group", ring, "--days", "2")["accounts"]
    assert {each["account"] for each in lifted if each["until"]} == set(RING)
    error = call("lift", "--group", "payment:0", code=2)["error"]
    assert (error["expected"], error["found"]) == (
        "the id of a group past tier 0, as the report names it", "payment:0",
    )  # fmt: skip
    assert ring in error["fix"]


def test_a_group_of_which_nobody_shows_anything_is_nobodys_matter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = SimpleNamespace(id="payment:1", members=())
    monkeypatch.setattr("inbond.guard.detect.judge.clusters", lambda _: (quiet,))
    words = ["guard", "lift", "--group", "payment:1", "--by", "B", "--reason", "r", "--home", str(tmp_path)]
    assert run([*words, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["found"] == "payment:1, of which none does"


def test_a_ring_of_three_hundred_is_signed_at_once(workspace: Workspace, guard: Guard) -> None:
    names = [f"ring/{number}" for number in range(300)]
    stands(workspace, 3, *names)
    found = guard("suspend", *names, "--by", "Ben", "--reason", "one ring")["accounts"]
    assert [each["account"] for each in found] == names
    assert len({each["event"] for each in found}) == 300
    assert sum(case["suspended"] for case in guard("appeal")["accounts"]) == 300


@pytest.mark.parametrize("verb", ["suspend", "lift"])
def test_somebody_must_be_named(workspace: Workspace, guard: Guard, verb: str) -> None:
    stands(workspace, 3)
    error = guard(verb, "--by", "Ben", "--reason", "x", code=2)["error"]
    assert error["expected"] == "accounts as TENANT/ACCOUNT, or --group with the id of a group"
    assert error["found"] == "neither"


@pytest.mark.parametrize(
    ("tier", "arguments", "found"),
    [
        (2, SUSPEND, "tier 2"),
        (0, SUSPEND, "tier 0"),
        (3, ("suspend", "acme/川", "--by", " ", "--reason", "x"), "no by"),
        (0, ("lift", "acme/川", "--by", "Ben", "--reason", "x"), "acme/川, at tier 0"),
        (3, ("lift", "acme/山", "--by", "Ben", "--reason", "x"), "acme/山, at tier 0"),
        (2, ("lift", "acme/川", "--by", "Ben", "--reason", " "), "no reason"),
        (3, ("appeal", "acme/川"), "neither"),
        (3, ("appeal", "acme/川", "--text", "a", "--decide", "lifted"), "both"),
        (3, ("appeal", "--text", "a"), "neither account nor id"),
        (1, ("appeal", "acme/川", "--text", "a"), "acme/川, at tier 1, watched"),
        (3, ("appeal", "acme/山", "--text", "a"), "acme/山, at tier 0, none"),
        (3, ("appeal", "x", "--decide", "maybe", "--by", "b", "--reason", "r"), "'maybe'"),
        (3, ("appeal", "x", "--decide", "lifted", "--by", "b", "--reason", "r"), "x, which is not known"),
    ],
)
def test_what_is_refused(
    workspace: Workspace, guard: Guard, tier: int, arguments: tuple[str, ...], found: str
) -> None:
    stands(workspace, tier)
    assert guard(*arguments, code=2)["error"]["found"] == found


def test_reading_makes_no_ledger(workspace: Workspace, guard: Guard, tmp_path: Path) -> None:
    assert guard("appeal") == {"accounts": []}
    assert guard("appeal", "acme/川", "--text", "a", code=2)["error"]["expected"]
    assert not workspace.home.exists()
    assert list(tmp_path.iterdir()) == []
