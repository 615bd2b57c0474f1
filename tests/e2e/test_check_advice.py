"""``inbond check --advice SESSION``: what a panel said is shown and kept, and changes nothing."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.cli.advising import Advice
from inbond.cli.check import check_facts
from inbond.cli.main import run
from inbond.cli.output import Output
from inbond.digest import Digest
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.policy.facts import Facts
from inbond.recipes.options import PlanOptions, read_options
from inbond.recipes.plan import facts_of, my_library
from inbond.roundtable import transcript
from inbond.roundtable.events import decode, encode, make
from inbond.roundtable.protocol import fold, session
from inbond.roundtable.question import Question
from inbond.roundtable.verdict import ADVICE, advice_body, advice_of
from inbond.workspace import Workspace
from tests import roundtable_scripted as scripted
from tests import roundtable_simulated as simulated
from tests.roundtable_host import serving, votes

ASKED = "Is a student of this model a competitor 競合?"
REVIEW = ("--teacher", "api:api.example.com/model-x")
Say = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A workspace in which three models voted on it, two for no."""
    place = tmp_path / "bond"
    models = {"ada": votes("no"), "bob": votes("no"), "cyd": votes("yes")}
    with serving(models) as (host, _):
        seats = [word for name in models for word in ("--seat", f"{name}=api:{host}/{name}")]
        options = [
            "--option",
            "yes",
            "--option",
            "no",
            "--language",
            "ja",
            "--rounds",
            "1",
            "--writer",
            "code",
        ]
        assert (
            run(["roundtable", "ask", ASKED, *options, *seats, "--name", "nine", "--home", str(place)]) == 0
        )
    capsys.readouterr()
    return place


@pytest.fixture
def check(home: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    def said(*arguments: str) -> tuple[int, Any, str]:
        code = run(["check", *arguments, "--home", str(home)])
        text = capsys.readouterr()
        run(["check", *arguments, "--home", str(home), "--json"])
        return code, json.loads(capsys.readouterr().out), text.out + text.err

    return said


def test_a_review_shows_what_was_asked_and_found_and_stays_a_review(home: Path, check: Say) -> None:
    code, bare, _ = check(*REVIEW)
    advised_code, value, text = check(*REVIEW, "--advice", "nine")
    assert (code, advised_code, value["outcome"]) == (3, 3, "review")
    *reasons, advice = value["reasons"]
    assert {**value, "reasons": reasons} == bare
    assert (advice["rule"], advice["advice"], advice["stance"]) == (ADVICE, True, None)
    assert (advice["question"], advice["panel_outcome"], advice["panel_answer"]) == (ASKED, "majority", "no")
    assert (advice["seated"], advice["voted"], advice["tally"]) == (3, 3, {"yes": 1, "no": 2})
    assert "Majority of the seats: “no” with 2 of 3 votes and of 3 seats" in advice["finding"]
    digest = transcript.read(home / "sessions" / "nine" / transcript.NAME)[-1].digest
    assert advice["transcript"] == digest
    assert text.startswith("A PERSON MUST DECIDE\n")
    words = " ".join(text.split())
    assert "Advice of a panel (it changes nothing above" in words
    assert f"asked: {ASKED} found: majority: no seats: 3 seated, 3 voted (yes 1, no 2)" in words
    assert digest in text
    with Ledger.open(Workspace(home), KeyStore.default()) as ledger:
        assert [*ledger.events("gate.decided")] == [], "a check that accepts nothing writes nothing"


def test_an_acceptance_is_recorded_with_the_advice_and_for_the_same_findings(home: Path, check: Say) -> None:
    code, _, _ = check(*REVIEW, "--advice", "nine", "--accept", "Ada: the panel and I agree")
    assert code == 0
    check(*REVIEW, "--accept", "Ada: I agree")
    with Ledger.open(Workspace(home), KeyStore.default()) as ledger:
        decided = [event.body for event in ledger.events("gate.decided")]
        accepted = [event.body for event in ledger.events("gate.accepted")]
    kept = decided[0]["advice"]
    assert (kept["rule"], kept["session"], kept["panel_outcome"]) == (ADVICE, "nine", "majority")
    assert "advice" not in decided[-1]
    assert decided[0]["verdict"] == decided[-1]["verdict"], "the verdict on record is the gate's alone"
    assert accepted[0]["findings"] == accepted[-1]["findings"]
    assert ASKED not in repr(decided)
    assert run(["verify", "--home", str(home)]) == 0


def test_a_deny_stays_a_deny_whatever_a_panel_says_and_whoever_accepts(check: Say) -> None:
    deny = ("--teacher", "api:api.openai.com/gpt-4o", "--competes", "yes", "--base", "none")
    code, value, text = check(*deny, "--advice", "nine", "--accept", "Ada: the panel permits it")
    assert (code, value["outcome"]) == (4, "deny")
    assert "cannot be accepted away" in text


def test_it_goes_beside_a_recipe(check: Say) -> None:
    code, bare, _ = check("demo")
    advised_code, value, _ = check("demo", "--advice", "nine")
    assert (advised_code, value["outcome"]) == (code, bare["outcome"])
    assert value["reasons"][-1]["rule"] == ADVICE


@pytest.mark.parametrize(
    ("harm", "code", "words"),
    [
        ("none", 2, "a session of this workspace, its folder, or a transcript"),
        ("unfinished", 2, "nine, which is not finished"),
        ("edited", 4, "line 3"),
        ("written anew", 4, "one that was written anew proves nothing"),
        ("elsewhere", 2, "of which its ledger does not speak"),
    ],
)
def test_what_is_no_advice_is_refused(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], harm: str, code: int, words: str
) -> None:
    place = home / "sessions" / "nine" / transcript.NAME
    lines = place.read_bytes().splitlines(keepends=True)
    wanted, used = "nine", home
    if harm == "none":
        wanted = "ten"
    elif harm == "unfinished":
        place.write_bytes(b"".join(lines[:-1]))
    elif harm == "edited":
        place.write_bytes(b"".join([*lines[:2], lines[2].replace(b"asked", b"asket"), *lines[3:]]))
    elif harm == "written anew":
        place.write_bytes(rewritten(lines))
    else:
        wanted, used = str(place), tmp_path / "other"
    assert run(["check", *REVIEW, "--advice", wanted, "--home", str(used)]) == code
    told = capsys.readouterr()
    assert words in told.err
    assert "fix:" in told.err
    assert told.out == ""


def rewritten(lines: list[bytes]) -> bytes:
    """Every line anew, a second later, so that the file fits in itself."""
    made: list[Any] = []
    before: Digest | None = None
    for n, line in enumerate(lines):
        event = decode(line.rstrip(b"\n"), n, before)
        before = event.digest
        body = {**event.body}
        if event.kind == "closed":
            body["verdict"] = {**body["verdict"], "facts": made[-1].digest}
        made.append(make(n, event.at + 1, event.kind, body, made[-1].digest if made else None))
    return b"".join(map(encode, made))


# Over outcomes and sessions -------------------------------------------------------------------------------

QUESTION = Question.make("May it?", ["Yes", "No", "Perhaps"], "en")
PLANS = {
    "permit": {"teacher": "hf:HuggingFaceTB/SmolLM2-135M-Instruct", "base": "none", "release": "service"},
    "permit-with-obligations": {"teacher": "hf:HuggingFaceTB/SmolLM2-135M-Instruct"},
    "review": {"teacher": "api:api.example.com/model-x"},
    "deny": {"teacher": "api:api.openai.com/gpt-4o", "competes": "yes", "base": "none"},
}


@cache
def facts(outcome: str) -> Facts:
    return facts_of(read_options(PlanOptions(**PLANS[outcome])), Workspace(Path("/nowhere")), my_library())


def said(outcome: str, advice: Advice | None, *, as_json: bool) -> tuple[int, str]:
    with contextlib.redirect_stdout(io.StringIO()) as text:
        code = check_facts(facts(outcome), my_library().terms, Output(as_json, False), None, None, advice)
    return code, text.getvalue()


replies = st.sampled_from([*(option.id for option in QUESTION.options), "abstain", "timeout", "nonsense"])


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([*PLANS]), st.lists(replies, min_size=1, max_size=6))
def test_no_session_changes_an_outcome(outcome: str, given_: list[str]) -> None:
    seats = scripted.seats(*(f"s{n}" for n in range(len(given_))))
    events = simulated.begin(simulated.opened(QUESTION, seats, rounds=1, writer=None))
    said_by = dict(zip((seat.name for seat in seats), given_, strict=True))
    simulated.play(events, lambda ask: reply(said_by[ask.seat]))
    found = session(fold(events))
    assert found.result is not None
    advice = Advice(advice_of(found), advice_body(found))

    code, bare = said(outcome, None, as_json=True)
    advised_code, advised = said(outcome, advice, as_json=True)
    value = json.loads(advised)
    assert value["reasons"].pop() == json.loads(json.dumps(advice.reason.to_json()))
    assert (advised_code, value) == (code, json.loads(bare))
    assert value["outcome"] == outcome
    _, text = said(outcome, None, as_json=False)
    advised_code, advised_text = said(outcome, advice, as_json=False)
    assert (advised_code, advised_text[: len(text) - 1]) == (code, text[:-1])
    assert f"{len(given_)} seated, {found.result.voted} voted" in " ".join(advised_text.split())


def reply(said_: str) -> Any:
    if said_ == "timeout":
        return simulated.failed("timeout", retryable=False)
    return simulated.answered(said_ if said_ == "nonsense" else scripted.ballot(said_))
