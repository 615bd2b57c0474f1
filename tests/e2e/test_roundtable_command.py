"""``inbond roundtable`` as a user has it: six models over HTTP, one of them broken, and what is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from inbond.cli.main import run
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.roundtable.events import Event, encode, make
from inbond.roundtable.protocol import fold, session
from inbond.roundtable.verdict import verdict_of
from inbond.workspace import Workspace
from tests.roundtable_host import broken, serving, votes

QUESTION = "AIに対する蒸留攻撃は許されるか"
MODELS = {
    "ada": votes("いいえ"),
    "bob": votes("いいえ"),
    "cyd": votes("はい", "いいえ"),
    "dov": votes("いいえ"),
    "eve": broken,
    "fay": votes("いいえ"),
}


SEAT = ("--seat", "a=api:localhost:1/m")


@dataclass(frozen=True)
class Told:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    def told(*arguments: str) -> Told:
        code = run(["roundtable", *arguments, "--home", str(tmp_path / "bond")])
        found = capsys.readouterr()
        return Told(code, found.out, found.err)

    return told


@pytest.fixture
def host() -> Iterator[str]:
    with serving(MODELS) as (address, _):
        yield address


def asking(host: str, *more: str) -> list[str]:
    seats = [word for name in MODELS for word in ("--seat", f"{name}=api:{host}/{name}")]
    return ["ask", QUESTION, "--option", "はい", "--option", "いいえ", *seats, *more]


def test_six_seats_one_failing(say: Any, host: str) -> None:
    told = say(*asking(host), "--json")

    assert told.code == 0, told.err
    found = told.value
    assert (found["outcome"], found["winner"]) == ("unanimous", "いいえ")
    assert found["tally"] == {"はい": 0, "いいえ": 5}
    assert found["round1"] == {"はい": 1, "いいえ": 4}
    assert (found["seated"], found["voted"]) == (6, 5)
    assert [seat["name"] for seat in found["seats"]] == list(MODELS)
    by_name = {seat["name"]: seat for seat in found["seats"]}
    assert by_name["cyd"]["vote"] == "いいえ"
    assert by_name["cyd"]["first_vote"] == "はい"
    assert by_name["eve"]["status"] == "error"
    assert by_name["eve"]["vote"] is None
    assert [(each["seat"], each["by"]) for each in found["turning_points"]] == [("cyd", "dov")]
    page = Path(found["page"]).read_text(encoding="utf-8")
    assert "6席着席、5票（エラー1）" in page
    assert Path(found["transcript"]).parent == Path(found["page"]).parent
    kept = json.loads((Path(found["page"]).parent / "result.json").read_text(encoding="utf-8"))
    assert kept == {**found, "page": "page.html", "transcript": "transcript.jsonl"}
    assert "round 1: eve: error" in told.err
    assert "round 1 is over: ada: いいえ; bob: いいえ; cyd: はい" in told.err


def test_what_no_price_is_known_of_is_not_called_free(say: Any, host: str) -> None:
    told = say(*asking(host), "--name", "x")

    assert "  cost         no price known, " in told.out
    assert say("show", "x", "--json").value["unpriced"] == ["ada", "bob", "cyd", "dov", "fay"]


def test_a_verb_alone_prints_its_help_and_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["roundtable"]) == 2
    found = capsys.readouterr()
    assert "Rebuild a session from its transcript" in found.out
    assert found.err == ""


def test_whether_a_seat_may_abstain(say: Any, tmp_path: Path) -> None:
    file = tmp_path / "q.yaml"
    file.write_text("question: Q?\noptions: [a, b]\nallow_abstain: false\n")
    for number, (arguments, allowed) in enumerate(
        [
            (("--file", str(file)), False),
            (("--file", str(file), "--abstain"), True),
            (("--no-abstain",), False),
        ]
    ):
        seats = [*SEAT, "--option", "a", "--option", "b", "--rounds", "1", "--name", f"n{number}", "--quiet"]
        question = () if "--file" in arguments else ("Q?",)
        say("ask", *question, *arguments, *seats)
        opened = (tmp_path / "bond" / "sessions" / f"n{number}" / "transcript.jsonl").read_text().splitlines()
        assert json.loads(opened[0])["body"]["question"]["allow_abstain"] is allowed


def test_nothing_is_told_of_votes_before_their_round_is_over(say: Any, host: str) -> None:
    told = say(*asking(host), "--json")
    before, _, _ = told.err.partition("round 1 is over")
    assert before.count("answered") == 5
    assert "はい" not in before
    assert "いいえ" not in before


def test_replaying_needs_nobody_and_gives_the_same_page(
    say: Any, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = say(*asking(host), "--json").value
    transcript = tmp_path / "elsewhere.jsonl"
    transcript.write_bytes(Path(found["transcript"]).read_bytes())
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it asked the network"))

    told = say("replay", str(transcript), "--out", str(tmp_path / "again.html"), "--json")

    assert told.code == 0
    assert (tmp_path / "again.html").read_bytes() == Path(found["page"]).read_bytes()
    places = {"page": told.value["page"], "transcript": str(transcript)}
    assert told.value == {**found, **places}


def test_the_verdict_stands_in_the_ledger_once(say: Any, host: str, tmp_path: Path) -> None:
    found = say(*asking(host), "--json").value
    with Ledger.open(Workspace(tmp_path / "bond"), KeyStore.default()) as ledger:
        (event,) = ledger.events("roundtable.decided")
    assert event.body["winner"] in event.body["tally"]
    assert sorted(event.body["tally"].values()) == [0, 5]
    assert event.body["transcript"] == found["digest"]
    assert event.body["verdict"]["outcome"] == "unanimous"
    assert run(["verify", "--home", str(tmp_path / "bond")]) == 0


def test_the_same_question_again_is_another_session(say: Any, host: str) -> None:
    first, second = (say(*asking(host), "--json").value["session"] for _ in range(2))
    assert second == f"{first}-2"


def without_ledger(home: Path) -> None:
    """As if the session had been killed before the ledger was told of it."""
    for each in home.glob(f"{Workspace(home).ledger.name}*"):
        each.unlink()


def test_what_was_cut_off_is_gone_on_with(say: Any, host: str, tmp_path: Path) -> None:
    whole = say(*asking(host, "--name", "s"), "--json").value
    without_ledger(tmp_path / "bond")
    transcript = Path(whole["transcript"])
    lines = transcript.read_bytes().splitlines(keepends=True)
    answered = [n for n, line in enumerate(lines) if b'"kind":"answered"' in line]
    transcript.write_bytes(b"".join(lines[: answered[3] + 1]) + b'{"at":17')

    unfinished = say("show", "s", "--json")
    assert (unfinished.code, unfinished.value["outcome"]) == (3, None)
    with serving(MODELS) as (other, _):
        told = say(*asking(other, "--name", "s"))
        assert told.code == 2, "another session is not gone on with"
        assert "another that was held under this name" in told.err
    told = say(*asking(host, "--name", "s"), "--json")
    assert told.code == 0
    assert "going on where it was cut off" in told.err
    assert told.value["tally"] == whole["tally"]
    kinds = [json.loads(line)["kind"] for line in transcript.read_bytes().splitlines()]
    assert kinds.count("resumed") == 1


def test_what_was_cut_off_before_midnight_is_gone_on_with_after_it(
    say: Any, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = time.time()
    first = say(*asking(host), "--json").value["session"]
    kept = tmp_path / "bond" / "sessions" / first / "transcript.jsonl"
    without_ledger(tmp_path / "bond")
    kept.write_bytes(b"".join(kept.read_bytes().splitlines(keepends=True)[:-3]))
    monkeypatch.setattr("inbond.cli.roundtable_running.time.time", lambda: day + 86_400.0)

    assert say(*asking(host), "--json").value["session"] == first
    assert say(*asking(host), "--json").value["session"] != first


def test_a_transcript_without_its_end_is_not_finished(say: Any, host: str, tmp_path: Path) -> None:
    found = say(*asking(host), "--json").value
    cut = tmp_path / "cut" / "transcript.jsonl"
    cut.parent.mkdir()
    lines = Path(found["transcript"]).read_bytes().splitlines(keepends=True)
    cut.write_bytes(b"".join(lines[:-1]))
    without_ledger(tmp_path / "bond")

    told = say("show", str(cut.parent))

    assert told.code == 3
    assert "Not finished, summing up; the same ask goes on with it." in told.out


def test_a_changed_transcript_is_refused_with_its_line(say: Any, host: str) -> None:
    found = say(*asking(host), "--json").value
    transcript = Path(found["transcript"])
    transcript.write_bytes(transcript.read_bytes().replace("確かめる".encode(), "疑ってみる".encode(), 1))
    told = say("replay", str(transcript))
    assert told.code == 4
    assert "line " in told.err


def anew(transcript: Path, change: Any) -> None:
    """Makes all lines anew, and the verdict, so that they fit in themselves."""
    made: list[Event] = []
    for event in map(json.loads, transcript.read_text(encoding="utf-8").splitlines()):
        body = change(event["kind"], event["body"])
        prev = made[-1].digest if made else None
        if event["kind"] == "closed":
            body = {"verdict": verdict_of(session(fold(made)), made[-1].digest).to_json()}
        made.append(make(len(made), event["at"], event["kind"], body, prev))
    transcript.write_bytes(b"".join(map(encode, made)))


def test_a_ledger_that_knows_another_transcript_is_heeded(say: Any, host: str, tmp_path: Path) -> None:
    transcript = Path(say(*asking(host, "--name", "s"), "--json").value["transcript"])

    def dearer(kind: str, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "cost_usd": 5.0} if kind == "answered" else body

    anew(transcript, dearer)
    for command in (("show", "s"), ("replay", "s"), ("replay", str(transcript)), asking(host, "--name", "s")):
        told = say(*command)
        assert (told.code, told.out) == (4, "")
        assert "the transcript of s that the ledger speaks of, sha256:" in told.err
    other = ["--home", str(tmp_path / "other")]
    assert run(["roundtable", "show", str(transcript), *other]) == 0, "no ledger there speaks of it"


def test_another_name_in_it_does_not_hide_it_from_the_ledger(say: Any, host: str) -> None:
    transcript = Path(say(*asking(host, "--name", "s"), "--json").value["transcript"])
    anew(transcript, lambda kind, body: {**body, "id": "x"} if kind == "opened" else body)
    told = say("show", "s")
    assert told.code == 4
    assert "the transcript of s that the ledger speaks of, sha256:" in told.err


def test_votes_that_the_replies_beside_them_do_not_bear_out_are_refused(say: Any, host: str) -> None:
    found = say(*asking(host, "--name", "s"), "--json").value
    opening = json.loads(Path(found["transcript"]).read_bytes().splitlines()[0])["body"]
    yes, no = (each["id"] for each in opening["question"]["options"])

    def flipped(kind: str, body: dict[str, Any]) -> dict[str, Any]:
        votes_ = kind == "read" and "vote" in (body["value"] or {})
        return {**body, "value": {**body["value"], "vote": yes}} if votes_ else body

    anew(Path(found["transcript"]), flipped)
    told = say("replay", found["transcript"])
    assert told.code == 4
    assert f'value.vote: "{no}" found: "{yes}"' in " ".join(told.err.split())


def test_a_table_that_can_never_decide_is_told_so_before_it_is_asked(say: Any, host: str) -> None:
    told = say("ask", QUESTION, "--option", "はい", "--option", "いいえ",
               "--seat", f"a=api:{host}/ada", "--seat", f"b=api:{host}/bob", "--json")  # fmt: skip
    assert (told.code, told.value["outcome"]) == (3, "no-quorum")
    said = "2 seats can never decide: a quorum is 3 votes; all answers are kept all the same"
    assert told.err.index(said) < told.err.index("round 1:")


def test_a_damaged_older_one_is_left_and_another_session_is_held(say: Any, host: str) -> None:
    first = say(*asking(host), "--json").value
    place = Path(first["transcript"])
    damaged = place.read_bytes().replace("確かめる".encode(), "疑ってみる".encode(), 1)
    place.write_bytes(damaged)
    told = say(*asking(host), "--json")
    assert told.code == 0
    assert told.value["session"] == f"{first['session']}-2"
    assert f"{first['session']} is left as it is, and this is another session: an event that is" in told.err
    assert place.read_bytes() == damaged


def test_a_damaged_one_of_the_name_that_was_given_is_told_with_its_line(say: Any, host: str) -> None:
    place = Path(say(*asking(host, "--name", "s"), "--json").value["transcript"])
    place.write_bytes(place.read_bytes().replace("確かめる".encode(), "疑ってみる".encode(), 1))
    told = say(*asking(host, "--name", "s"))
    assert told.code == 4
    assert "line " in told.err
    assert str(place) in told.err
    assert "give this session another --name, and that one stays as it is" in told.err
    assert say(*asking(host, "--name", "t"), "--json").code == 0


@pytest.mark.parametrize("left", [b"", b'{"at":17'])
def test_what_a_crash_left_before_the_first_event_is_no_session(say: Any, host: str, left: bytes) -> None:
    place = Path(say(*asking(host, "--name", "s"), "--json").value["transcript"])
    other = place.parents[1] / "t" / place.name
    other.parent.mkdir()
    other.write_bytes(left)
    told = say(*asking(host, "--name", "t"), "--json")
    assert (told.code, told.value["session"]) == (0, "t")
    assert other.read_bytes().startswith(b'{"at":')


def test_an_erased_session_leaves_no_word_and_is_said_to_be_erased(
    say: Any, host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "bond"
    found = say(*asking(host, "--name", "s"), "--json").value
    assert run(["erase", "s", "--home", str(home)]) == 0
    capsys.readouterr()
    words = [QUESTION, "はい", "いいえ", "理由", "確かめる", "this model is out of order", "http"]
    left = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert left
    for word in words:
        escaped = json.dumps(word)[1:-1].encode()
        assert [path.name for path, data in left.items() if word.encode() in data or escaped in data] == []
    assert run(["verify", "--home", str(home), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == []
    for command in (("show", "s"), ("replay", "s"), ("show", str(home / "sessions" / "s"))):
        told = say(*command)
        assert told.code == 2
        assert "its text was erased on purpose on 20" in told.err
        assert (
            f"(unanimous, 6 seated, 5 voted) and the digest of its transcript, {found['digest']}" in told.err
        )
    assert run(["check", "--teacher", "api:h/m", "--advice", "s", "--home", str(home)]) == 2
    assert "its text was erased on purpose" in capsys.readouterr().err
    told = say(*asking(host, "--name", "s"))
    assert (told.code, "another that was held under this name" in told.err) == (2, True)


def test_a_tie_is_no_answer(say: Any) -> None:
    models = {name: votes("a" if n % 2 else "b") for n, name in enumerate("pqrs")}
    with serving(models) as (host, _):
        seats = [word for name in models for word in ("--seat", f"{name}=api:{host}/{name}")]
        told = say(
            "ask", "a or b?", "--option", "a", "--option", "b", "--rounds", "1", *seats, "--language", "ja"
        )
    assert told.code == 3
    assert "Tie: “a” and “b” have 2 each; 4 seated, 4 voted." in told.out


def test_show_exports_markdown_and_a_page(say: Any, host: str, tmp_path: Path) -> None:
    found = say(*asking(host), "--json").value
    told = say(
        "show", found["session"], "--markdown", str(tmp_path / "s.md"), "--page", str(tmp_path / "s.html")
    )
    assert told.code == 0
    assert "Unanimous: “いいえ” with 5 of 5 votes and of 6 seats; 6 seated, 5 voted; 1 failed." in told.out
    assert (tmp_path / "s.md").read_text(encoding="utf-8").startswith(f"# {QUESTION}\n")
    assert (tmp_path / "s.html").read_bytes() == Path(found["page"]).read_bytes()


def test_a_file_says_all_of_it_and_options_go_before(say: Any, host: str, tmp_path: Path) -> None:
    seats = "".join(f"  - {name}=api:{host}/{name}\n" for name in ("ada", "bob", "dov"))
    head = f"question: {QUESTION}\noptions: [はい, いいえ]\nlanguage: ja\nrounds: 2\n"
    text = f"{head}seats:\n{seats}writer: code\n"
    (tmp_path / "q.yaml").write_text(text, encoding="utf-8")
    found = say("ask", "--file", str(tmp_path / "q.yaml"), "--rounds", "1", "--json").value
    assert (found["rounds"], found["seated"], found["winner"]) == (1, 3, "いいえ")
    assert found["summary"]["by"] == "code"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ask"], "a question, or --file with one"),
        (["ask", "Is it?", "--seat", "a=api:localhost:1/m"], "at least two options to choose from"),
        (["ask", "Is it?", "--option", "x", "--seat", "a=api:localhost:1/m"], "at least two options"),
        (["ask", "Is it?", "--option", "x", "--option", "Ｘ ", *SEAT], "which read the same"),
        (["ask", "Is it?", "--option", "x", "--option", "y", "--seat", "nobody"], "a seat as NAME=URI"),
        (["ask", "Is it?", "--option", "x", "--option", "y", "--seat", "a=who"], "one of hf:org/name"),
        (["ask", "Is it?", "--option", "x", "--option", "y", "--rounds", "3"], "--rounds"),
        (["ask", "Is it?", "--option", "x", "--option", "y", "--language", "japanese"], "two letters"),
        (["ask", "Is it?", "--option", "x", "--option", "y", "--name", "../up"], "letters, digits, dots"),
        (["ask", "Is it?", "--option", "x", "--option", "y", *SEAT, "--timeout", "0"],
         "timeout_s"),
        (["show", "none"], "a session of this workspace"),
        (["replay", "/nowhere/t.jsonl"], "a session of this workspace"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_what_to_do(say: Any, arguments: list[str], words: str) -> None:
    told = say(*arguments)
    assert told.code == 2
    assert words in told.err
    assert "fix:" in told.err
    assert say(*arguments, "--json").value["error"]["fix"]


def test_a_file_that_is_no_transcript_is_bad_input(say: Any, tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text("question: Q?\n")
    told = say("replay", str(tmp_path / "q.yaml"))

    assert told.code == 2
    assert "expected a roundtable's transcript, which ask keeps as transcript.jsonl" in told.err


def test_a_table_whose_seats_all_fail_is_no_quorum(say: Any) -> None:
    with serving({"x": broken}) as (host, _):
        seats = [word for n in range(3) for word in ("--seat", f"s{n}=api:{host}/x")]
        told = say("ask", "はいか", "--option", "はい", "--option", "いいえ", *seats, "--json", "--quiet")
    assert (told.code, told.err) == (3, "")
    assert (told.value["outcome"], told.value["voted"]) == ("no-quorum", 0)
    assert Path(told.value["page"]).exists()


@pytest.mark.parametrize("command", ["ask", "show", "replay"])
def test_help_has_examples(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run(["roundtable", command, "--help"]) == 0
    assert f"inbond roundtable {command}" in capsys.readouterr().out.partition("Example")[2]


def test_a_session_cut_off_in_round_2_says_how_far_it_came(say: Any, host: str, tmp_path: Path) -> None:
    assert say(*asking(host, "--name", "cut"), "--json").value["rounds_held"] == 2
    without_ledger(tmp_path / "bond")
    transcript = tmp_path / "bond" / "sessions" / "cut" / "transcript.jsonl"
    lines = transcript.read_text(encoding="utf-8").splitlines(keepends=True)
    ends = [n for n, line in enumerate(lines) if '"round":2' in line and '"kind":"seated"' in line]
    transcript.write_text("".join(lines[: ends[1] + 1]), encoding="utf-8")
    told = say("show", "cut")
    assert told.code == 3
    assert "Not finished, round 2: 2 of 5 seats are done; the same ask goes on with it." in told.out
