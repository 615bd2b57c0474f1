"""What the site reads beside its pages: the lineage that follows the ledger, the guard, verifications."""

from __future__ import annotations

import json
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn")

import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from inbond.digest import of_bytes
from inbond.errors import TamperedError
from inbond.ledger import asking, events, following
from inbond.ledger.attest import KeyStore
from inbond.ledger.events import Entry
from inbond.ledger.following import Following
from inbond.ledger.inventory import gather
from inbond.ledger.ledger import Ledger
from inbond.ledger.told import KINDS, Told, kind_of
from inbond.ui import home_pages
from inbond.ui.beside import Beside
from inbond.ui.safety import Rules
from inbond.ui.serve import listen
from inbond.ui.site import build
from inbond.ui.verifying import Verifier
from inbond.workspace import Workspace
from tests.guard_report_examples import RING, TEXT, decide, watch
from tests.ui_scene import HOSTILE, RESULT, make, write
from tests.unit.test_trace_workspace import Maker, first_run

HERE = "http://127.0.0.1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        workspace = make(tmp_path_factory.mktemp("made") / "bond")
        watch(workspace)
        decide(workspace)
        yield workspace


def visitor(workspace: Workspace, patience_s: float = 60) -> TestClient:
    return TestClient(build(workspace, Rules(), patience_s), base_url=HERE, raise_server_exceptions=False)


# The ledger, followed -------------------------------------------------------------------------------


def nobody(_done: int, _total: int) -> None:
    return


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(max_size=9), st.text(max_size=30), max_size=4), st.sampled_from(sorted(KINDS)))
def test_a_kind_is_told_without_reading_the_event(body: dict[str, str], kind: str) -> None:
    body = {"x" + name: f'","kind":"{value}","prev":null' for name, value in body.items()}
    key = of_bytes(b"key")
    for prev in (None, key):
        text = events.encode(3, "2026-11-23T00:00:00.000000Z", kind, body, prev, key)
        assert kind_of(Entry(3, text, b"")) == kind


def test_an_event_that_does_not_end_as_one_is_not_passed_over() -> None:
    with pytest.raises(TamperedError):
        kind_of(Entry(0, b'{"kind":"note.made"}', b""))


def test_following_gives_what_reading_all_gives_and_reads_only_what_is_new(
    workspace: Workspace, ledger: Ledger
) -> None:
    maker, follows = Maker(workspace, ledger), Following(workspace)
    assert follows.read_on(nobody).inventory.artifacts == {}
    first_run(maker)
    assert follows.read_on(nobody).inventory == gather(ledger.events())
    assert follows.fresh > 3
    ledger.record("note.made", {"n": 1})
    before = follows.read_on(nobody)
    assert follows.fresh == 0
    maker.run("b", "hf:lab/other", [], [], weights=b"b")
    after = follows.read_on(nobody)
    assert follows.fresh == 5
    assert after.inventory == gather(ledger.events())
    assert "b" in after.decided
    assert "b" not in before.decided, "a copy stays as it was"
    assert after.at == Told.of(ledger.events()).at


def test_a_ledger_that_was_put_in_its_place_is_read_anew(tmp_path: Path) -> None:
    keys, one, other = KeyStore(tmp_path / "keys"), Workspace(tmp_path / "one"), Workspace(tmp_path / "two")
    for workspace, run, count in ((one, "a", 4), (other, "b", 2)):
        workspace.create()
        with Ledger.open(workspace, keys) as ledger:
            ledger.record("gate.decided", {"run": run, "plan": {}, "verdict": {}})
            ledger.record_many([("note.made", {"n": n}) for n in range(count)])
    follows = Following(one)
    assert set(follows.read_on(nobody).decided) == {"a"}
    for path in one.home.glob("ledger.db*"):
        path.unlink()
    shutil.copy(other.ledger, one.ledger)
    assert set(follows.read_on(nobody).decided) == {"b"}
    assert follows.mark == following.mark_of(one)


def test_a_value_is_read_once_for_a_state_and_the_one_of_before_serves_meanwhile() -> None:
    mark, turn, reads = [1], threading.Event(), []

    def read() -> tuple[object, int]:
        now = mark[0]
        reads.append(now)
        turn.wait(10)
        return now, now * 10

    beside = Beside(lambda: mark[0], read, 0.01)
    assert beside.now() is None
    assert beside.now() is None
    turn.set()
    beside.begin().join(10)
    found = beside.now()
    assert found is not None
    assert (found.value, found.behind) == (10, False)
    turn.clear()
    mark[0] = 2
    found = beside.now()
    assert found is not None
    assert (found.value, found.behind) == (10, True)
    turn.set()
    beside.begin().join(10)
    found = beside.now()
    assert found is not None
    assert (found.value, found.behind) == (20, False)
    assert set(reads) == {1, 2}


def test_a_page_that_would_wait_says_how_far_the_reading_is(
    made: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, joined = threading.Event(), asking.joined

    def held(*given: Any) -> Any:
        assert go.wait(60)
        return joined(*given)

    monkeypatch.setattr(asking, "joined", held)
    site = visitor(made, 0)
    try:
        answers = [site.get(path) for path in ("/lineage", "/forensics", "/guard")]
        assert site.get("/runs/a").status_code == 200
    finally:
        go.set()
    for answer in answers:
        assert answer.status_code in (200, 503)
        if answer.status_code == 503:
            assert 'http-equiv="refresh"' in answer.text
    assert answers[0].status_code == 503


# A run's verdict, forensics ---------------------------------------------------------------------------


def test_a_run_says_what_the_gate_said_of_it(made: Workspace, tmp_path: Path) -> None:
    workspace = Workspace(Path(shutil.copytree(made.home, tmp_path / "bond")))
    site = visitor(workspace)
    assert "Keep the notice." in site.get("/runs/a").text
    verdict: dict[str, Any] = {
        "outcome": "review", "missing": ["who asks"],
        "reasons": [{"finding": HOSTILE, "clause": "2.1", "source": "terms"}, "no reason", {}],
        "obligations": [{"text": "Say so.", "when": "always"}, 7, {"text": "Say so.", "when": "always"}],
    }  # fmt: skip
    with Ledger.open(workspace, KeyStore.default()) as ledger:
        plan = {"use": "commercial", "release": "weights"}
        ledger.record("gate.decided", {"run": "a", "question": "May it?", "plan": plan, "verdict": verdict})
    said = site.get("/runs/a").text
    for words in (
        "May it? The plan: commercial use, weights handed out.",
        "terms · 2.1",
        "Say so.",
        "What you would have to do",
        "who asks",
    ):
        assert words in said
    assert HOSTILE not in said
    assert said.count("Say so.") == 1


def test_a_report_shows_its_findings(made: Workspace) -> None:
    said = visitor(made).get(f"/forensics/sha256:{'1' * 64}").text
    assert "text marked with the key 秋" in said
    assert "Evidence was found" in said
    assert "target=hf%3Alab%2Ffirst" in said
    assert HOSTILE not in said


# The guard ------------------------------------------------------------------------------------------


def test_the_guard_shows_accounts_verdicts_appeals_and_signatures(made: Workspace) -> None:
    before = {path: path.read_bytes() for path in made.guard.iterdir() if "-" not in path.name}
    site = visitor(made)
    whole = site.get("/guard").text
    assert "2 are suspended by a person" in whole
    assert "None is kept" not in whole
    listed = site.get("/guard/accounts").text
    assert "7 accounts." in listed
    assert "学校/川-窓口" in listed
    assert "1 of 7 accounts" in site.get("/guard/accounts?q=T0").text
    one = site.get("/guard/account", params={"name": RING[-1]}).text
    for words in ("suspended", "replay, read twice", "It would change with", "私たちは学校です", "Ben"):
        assert words in one, words
    assert TEXT not in one, "an appeal is anybody's text"
    quiet = site.get("/guard/account", params={"name": "acme/batch"})
    assert quiet.status_code == 200
    assert site.get("/guard/account?name=nobody/here").status_code == 400
    assert site.get("/guard/account").status_code == 404
    assert {path: path.read_bytes() for path in before} == before


# Verification ---------------------------------------------------------------------------------------


def test_verifying_says_ok_or_what_was_changed(made: Workspace, tmp_path: Path) -> None:
    workspace = Workspace(Path(shutil.copytree(made.home, tmp_path / "bond")))
    (workspace.run("a") / "trained" / "curve.json").unlink()  # no manifest lists it
    site = visitor(workspace)
    assert "Ok: nothing was changed" in site.get("/verify/now?run=a").text
    told = site.get("/verify/events")
    assert told.headers["content-type"].startswith("text/event-stream")
    number = json.loads(told.text.rpartition("data: ")[2])["result"]
    assert "Ok: nothing was changed" in site.get(f"/verify?result={number}").text
    (workspace.run("a") / "trained" / "model.safetensors").write_bytes(b"other")
    said = site.get("/verify/now").text
    assert "Not ok: 1 problem" in said
    assert "runs/a/trained/model.safetensors: it was changed" in said
    assert "no_such" in site.get("/verify/now?run=no_such").text
    assert "It could not be verified" in site.get("/verify?result=4").text
    foreign = site.get("/verify/now", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"})
    assert foreign.url.path == "/verify", "another site's link begins nothing"


def test_one_verification_at_a_time_and_none_that_nobody_looks_at(
    made: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = threading.Event()

    def slow(_target: object, _trust: object, watch: Any) -> None:
        while not turn.wait(0.01):
            watch("events", 1, 100)

    monkeypatch.setattr("inbond.ui.verifying.verify_target", slow)
    verifier = Verifier(made)
    going = verifier.begin("")
    assert going is not None
    assert verifier.begin("a") is None
    going.leave()
    assert going.over.wait(10)
    assert going.outcome is None
    again = verifier.begin("a")
    assert again is not None
    turn.set()
    assert again.over.wait(10)


# Errors, and a workspace that is written meanwhile ---------------------------------------------------


def test_an_unexpected_error_is_a_plain_page(made: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> None:
        raise RuntimeError("secret of the program")

    monkeypatch.setattr(home_pages.ledger_view, "size", wrong)
    answer = visitor(made).get("/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_pages_are_right_while_a_writer_appends_and_replaces(made: Workspace, tmp_path: Path) -> None:
    workspace = Workspace(Path(shutil.copytree(made.home, tmp_path / "bond")))
    listening, over, wrong = listen("127.0.0.1", 0), threading.Event(), list[object]()
    config = uvicorn.Config(build(workspace, Rules()), log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    served = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    keys = KeyStore.default()

    def writes() -> None:
        try:
            with Ledger.open(workspace, keys) as ledger:
                maker, number = Maker(workspace, ledger), 0
                while not over.is_set():
                    number += 1
                    first_run(maker, weights=b"%d" % number)
                    write(workspace.run(f"short-{number % 3}") / "result.json", RESULT)
                    shutil.rmtree(workspace.run(f"short-{(number + 1) % 3}"), ignore_errors=True)
        except BaseException as error:
            wrong.append(error)
            raise

    served.start()
    writer = threading.Thread(target=writes, daemon=True)
    writer.start()
    paths = (
        "/", "/runs", "/runs/a", "/runs/a/live", "/runs/short-1", "/runs/a/records?set=data/train", "/ledger",
        "/ledger/5", "/lineage", "/lineage?target=run:a&from=gpt-4o", "/forensics", "/verify", "/guard",
        "/lineage/bom?target=run:a&form=spdx",
    )  # fmt: skip
    seen: dict[int, int] = {}
    try:
        for path in paths * 6:
            status, text = fetch(f"{HERE}:{listening.getsockname()[1]}{path}")
            seen[status] = seen.get(status, 0) + 1
            # 409: a manifest was replaced and its event is not there yet, twice in a row
            assert status in (200, 404, 409, 503), f"{path}: {text[:2000]}"
            assert "Something went wrong" not in text
    finally:
        over.set()
        writer.join(30)
        server.should_exit = True
        served.join(10)
        listening.close()
    assert wrong == []
    assert seen[200] > len(paths)
