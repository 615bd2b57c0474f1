"""``inbond trace`` with forensic findings: beside the lineage, and flagged where it does not say so."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbond.cli.main import run as inbond
from inbond.digest import of_bytes
from inbond.ledger import findings
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.ledger.manifest import Manifest
from inbond.types import OWN, Origin, Record
from inbond.workspace import Workspace
from tests.forensic_reports import KEY, MARK, file, finding, report
from tests.unit.test_trace_workspace import FIRST, Command, Maker, command, maker, rows

if TYPE_CHECKING:
    from tests.postgres_server import Server

__all__ = ["command", "maker"]

MARKED = Origin(
    "hf:lab/first", "self-hosted", "author", {"mark": {"scheme": "green-list/1", "id": KEY}}, None
)
OTHER = Origin("hf:lab/second", "self-hosted", "author", {}, None)
TOO, PART = "The lineage says so too: ", "The lineage says so in part: "
OTHERWISE, CLOSED = "The lineage says otherwise: ", ", and nothing is left open."
NOT_SHOWN = "It does not show what the lineage says: "
NO_CONTRADICTION = ". But a test sees less than a lineage may say, so that this is no contradiction."
CANNOT, NOTHING = (
    "It cannot be held against the lineage, because ",
    "It says nothing for or against the lineage.",
)
ONE, TWO, THREE, SEVEN, EIGHT, NINE = ("sha256:" + digit * 64 for digit in "123789")
LINEAGE = ("answer", "ancestors", "edges", "obligations", "conflicts", "unknowns")


def run_of(maker: Maker, name: str, who: Origin, weights: bytes, words: str = "") -> dict[str, Manifest]:
    """A run of three answers of one origin, two of them kept."""
    answers = [
        replace(row, record=Record(row.record.prompt, f"{row.record.completion} {words or name}"))
        for row in rows((who, (), 10), (who, (), 20), (who, (), 30))
    ]
    learnt = [replace(answers[number], parents=(number,)) for number in (0, 2)]
    return maker.run(name, who.teacher, answers, learnt, weights=weights)


def told(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["stands"], each["words"]) for each in found["findings"]]


# What is shown ---------------------------------------------------------------------------------------


def test_without_findings_their_fields_are_empty(maker: Maker, command: Command) -> None:
    run_of(maker, "a", MARKED, b"a")
    found = command("trace", "run:a")
    assert (found["findings"], found["contradictions"], found["findings_notes"]) == ([], [], [])


def test_a_finding_has_its_numbers_its_date_and_its_report(maker: Maker, command: Command) -> None:
    run_of(maker, "a", MARKED, b"a")
    whole = report("run:a", finding(MARK), digest=None)
    maker.ledger.record(findings.FINDING_REPORTED, findings.body_of(whole))
    (each,) = command("trace", "run:a")["findings"]
    assert each["test"] == "radioactivity"
    assert each["outcome"] == "consistent-with"
    assert each["p"] == pytest.approx(10**-12.5)
    assert each["adjusted_p"] == pytest.approx(10**-12.2)
    assert (each["at"], each["known_by"]) == ("2026-11-23T06:00:00.000000Z", "name")
    assert each["report"] == findings.body_of(whole)["report"]
    assert each["about"] == MARK


def test_a_suspect_is_known_by_its_digest_and_else_by_its_name(maker: Maker, command: Command) -> None:
    made = run_of(maker, "a", MARKED, b"the first weights")
    weights = str(made["train"].files["model.safetensors"])
    file(maker.ledger, "path:/somewhere/else", finding(MARK), digest=weights)
    file(maker.ledger, "run:a", finding(MARK), digest=str(of_bytes(b"other weights")))
    file(maker.ledger, "run:a", finding(MARK))
    file(maker.ledger, "run:ab", finding(MARK))
    found = command("trace", "run:a")
    assert [each["suspect"]["name"] for each in found["findings"]] == ["path:/somewhere/else", "run:a"]
    assert [each["known_by"] for each in found["findings"]] == ["digest", "name"]
    assert found["findings_notes"] == ["other weights under the name run:a were tested too (1 report)"]


def test_what_was_found_of_an_ancestor_is_pointed_to(maker: Maker, command: Command) -> None:
    run_of(maker, "a", MARKED, b"a")
    file(maker.ledger, "hf:lab/first", finding(MARK))
    found = command("trace", "run:a")
    assert found["findings"] == []
    assert found["findings_notes"] == [
        "hf:lab/first, which is behind run:a, was tested too (1 report): "
        "inbond trace hf:lab/first shows what was found"
    ]


def test_the_terminal_flags_at_the_top_and_shows_them_below(
    maker: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    run_of(maker, "a", MARKED, b"a")
    run_of(maker, "b", OTHER, b"b")
    file(maker.ledger, "run:b", finding(MARK))
    file(maker.ledger, "run:b", finding({"kind": "model", "name": "hf:lab/second"}, "cannot-tell", "degree",
         log10_p=None, adjusted_log10_p=None))  # fmt: skip
    capsys.readouterr()
    assert inbond(["trace", "run:b", "--home", str(maker.workspace.home)]) == 0
    answer, flag, rest = capsys.readouterr().out.split("\n\n", 2)
    assert answer.startswith("Yes: run:b was made from the weights of hf:lab/second")
    assert flag == (
        "Flagged: 1 forensic finding is not what the lineage says. See the forensic findings below."
    )
    section = " ".join(rest.partition("Forensic findings\n")[2].split())
    assert section.startswith(
        "(tests of the model itself, evidence of a kind of their own: they are no lineage"
    )
    assert (
        "- FLAGGED: radioactivity, 2026-11-23: consistent with: the suspect learnt from what the mark"
        in section
    )
    assert "(p 3.2e-13, 6.3e-13 adjusted, 12,000 pairs, at the level 1e-05)" in section
    assert "The lineage does not explain it: the records with this mark (data:runs/a/data/" in section
    assert "degree, 2026-11-23: a score, which alone decides nothing: the suspect" in section
    assert "guilt" not in section


def test_what_was_tested_and_has_no_lineage_is_said_to_be(
    ledger: Ledger, command: Command, tmp_path: Path
) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"weights")
    file(ledger, "path:other", finding(MARK), digest=str(of_bytes(b"weights")))
    for name in ("path:other", str(weights)):
        error = command("trace", name, code=2)["error"]
        assert error["found"].endswith(
            "; there are forensic findings about it, and no lineage to hold them against"
        )
        assert "inbond import" in error["fix"]
    assert "forensic" not in command("trace", "path:another", code=2)["error"]["found"]


# How they stand --------------------------------------------------------------------------------------


def test_a_mark_of_records_behind_it_agrees(maker: Maker, command: Command) -> None:
    run_of(maker, "a", MARKED, b"a")
    file(maker.ledger, "run:a", finding(MARK))
    found = command("trace", "run:a")
    words = "run:a descends from data:runs/a/data/train, with records that carry this mark."
    assert told(found) == [("agrees", f"{TOO}{words}")]
    assert found["contradictions"] == []


def test_a_mark_of_records_that_are_not_behind_it_is_flagged(maker: Maker, command: Command) -> None:
    run_of(maker, "a", MARKED, b"a")
    run_of(maker, "b", OTHER, b"b")
    file(maker.ledger, "run:b", finding(MARK))
    found = command("trace", "run:b")
    (flagged,) = found["contradictions"]
    assert flagged == {
        "finding": 0,
        "declared": "The lineage has 3 models and data behind run:b; it is left open what else hf:lab/second "
        "and data:prompts of run:b may come from.",
        "words": "The lineage does not explain it: the records with this mark (data:runs/a/data/answers and "
        "data:runs/a/data/train), from hf:lab/first, are not behind run:b. But it is left open what "
        "else hf:lab/second and data:prompts of run:b may come from.",
        "stands": "unexplained",
        "closed": False,
    }
    assert found["findings"][0]["stands"] == "unexplained"


WHOLE = """format = "inbond.lineage/1"
[[node]]
id = "hf:lab/student"
kind = "model"
complete = true
digests = ["sha256:{}"]
[[node]]
id = "hf:lab/teacher"
kind = "model"
complete = true
digests = ["sha256:{}"]
[[node]]
id = "hf:lab/base"
kind = "model"
complete = true
[[node]]
id = "hf:lab/cousin"
kind = "model"
complete = true
[[node]]
id = "hf:lab/stranger"
kind = "model"
complete = true
[[node]]
id = "data:lab/answers"
kind = "data"
complete = true
[[node]]
id = "data:lab/elsewhere"
kind = "data"
complete = true
digests = ["sha256:{}"]
[[edge]]
source = "hf:lab/base"
target = "hf:lab/student"
relation = "finetuned"
[[edge]]
source = "hf:lab/base"
target = "hf:lab/cousin"
relation = "finetuned"
[[edge]]
source = "hf:lab/teacher"
target = "data:lab/answers"
relation = "generated"
[[edge]]
source = "data:lab/answers"
target = "hf:lab/student"
relation = "trained-on"
stage = "SFT"
""".format("1" * 64, "2" * 64, "3" * 64)


@pytest.fixture
def closed(command: Command, tmp_path: Path) -> Path:
    """A lineage that is declared whole."""
    path = tmp_path / "closed.toml"
    path.write_text(WHOLE)
    command("import", str(path))
    return path


def model(name: str, digest: str | None = None) -> dict[str, str]:
    return {"kind": "model", "name": name, **({"id": digest} if digest else {})}


ABSENT = {"absent": "yes"}


CASES = {
    "a mark of others": (
        finding(MARK), "contradicts",
        f"{OTHERWISE}the records with this mark (data:runs/a/data/answers and data:runs/a/data/train), from "
        f"hf:lab/first, are not behind hf:lab/student{CLOSED}",
    ),
    "a mark that nobody knows": (
        finding({**MARK, "id": NINE}), "cannot-be-held",
        f"{CANNOT}no records here are known to carry this mark.",
    ),
    "no mark": (finding(MARK, "no-evidence"), "says-nothing", NOTHING),
    "too few": (finding(MARK, "cannot-tell"), "says-nothing", NOTHING),
    "weights of an ancestor": (
        finding(model("hf:lab/base"), test="derivation"), "agrees",
        f"{TOO}hf:lab/student was made from the weights of hf:lab/base.",
    ),
    "weights of an ancestor, not seen": (
        finding(model("hf:lab/base"), "no-evidence", "derivation"), "does-not-show",
        f"{NOT_SHOWN}hf:lab/student was made from the weights of hf:lab/base{NO_CONTRADICTION}",
    ),
    "weights of a sibling": (
        finding(model("hf:lab/cousin"), test="derivation"), "agrees-in-part",
        f"{PART}hf:lab/student and hf:lab/cousin were both made from the weights of hf:lab/base, which shows "
        "alike.",
    ),
    "weights of a teacher": (
        finding(model("hf:lab/teacher"), test="derivation"), "contradicts",
        f"{OTHERWISE}hf:lab/teacher is behind hf:lab/student for what it says, and not by its "
        f"weights{CLOSED}",
    ),
    "weights of a stranger": (
        finding(model("hf:lab/stranger"), test="derivation"), "contradicts",
        f"{OTHERWISE}hf:lab/student was not made from the weights of hf:lab/stranger{CLOSED}",
    ),
    "weights of others under a known name": (
        finding(model("hf:lab/teacher", EIGHT), test="derivation"), "cannot-be-held",
        f"{CANNOT}what is known here as hf:lab/teacher has other weights.",
    ),
    "weights of a model that nobody knows": (
        finding(model("hf:who/knows"), test="derivation"), "cannot-be-held",
        f"{CANNOT}no model here is known as hf:who/knows.",
    ),
    "words of a teacher, by its digest": (
        finding(model("other", TWO), test="degree"), "agrees",
        f"{TOO}hf:lab/student descends from hf:lab/teacher.",
    ),
    "words of a stranger": (
        finding(model("hf:lab/stranger"), test="likelihood"), "contradicts",
        f"{OTHERWISE}hf:lab/stranger is not behind hf:lab/student{CLOSED}",
    ),
    "words of a sibling": (
        finding(model("hf:lab/cousin"), test="likelihood"), "agrees-in-part",
        f"{PART}hf:lab/cousin is not behind hf:lab/student, but hf:lab/base is behind both.",
    ),
    "another model than declared": (
        finding(model("x", ONE), test="equality"), "contradicts",
        f"{OTHERWISE}hf:lab/student is known as the model with the digest {ONE}, and it answers differently.",
    ),
    "another model than its name says": (
        finding(model("hf:lab/student"), test="equality"), "cannot-be-held",
        f"{CANNOT}hf:lab/student is not declared to have those weights.",
    ),
    "another model than some other one": (
        finding(model("hf:lab/teacher"), test="equality"), "says-nothing",
        "It says nothing against the lineage, which does not say that hf:lab/student is hf:lab/teacher.",
    ),
    "no difference": (finding(model("x", ONE), "no-evidence", "equality"), "says-nothing", NOTHING),
    "the order of its data": (
        finding({"kind": "records", "name": "data:lab/answers"}, test="order"), "agrees",
        f"{TOO}hf:lab/student descends from data:lab/answers.",
    ),
    "the order of others": (
        finding({"kind": "records", "id": THREE}, test="order"), "contradicts",
        f"{OTHERWISE}data:lab/elsewhere is not behind hf:lab/student{CLOSED}",
    ),
    "records that nobody knows": (
        finding({"kind": "records", "name": "mine.jsonl", "id": SEVEN}), "cannot-be-held",
        f"{CANNOT}no records here are known as mine.jsonl.",
    ),
    "its data not learnt": (
        finding({"kind": "records", "name": "data:lab/answers", **ABSENT}, test="non-membership"),
        "does-not-show", f"{NOT_SHOWN}hf:lab/student descends from data:lab/answers{NO_CONTRADICTION}",
    ),
    "others not learnt": (
        finding({"kind": "records", "name": "data:lab/elsewhere", "id": THREE, **ABSENT}), "agrees",
        "The lineage does not say otherwise: data:lab/elsewhere is not behind hf:lab/student.",
    ),
    "whether it learnt": (
        finding({"kind": "records", "name": "data:lab/answers", **ABSENT}, "no-evidence"),
        "says-nothing", NOTHING,
    ),
    "something else": (
        finding({"kind": "rumour"}), "cannot-be-held",
        f"{CANNOT}it does not say of which mark, records or model it speaks.",
    ),
}  # fmt: skip


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_finding_is_held_against_the_lineage(maker: Maker, command: Command, case: str) -> None:
    found, stands, words = CASES[case]
    run_of(maker, "a", MARKED, b"a")
    file(maker.ledger, "hf:lab/student", found)
    shown = command("trace", "hf:lab/student")
    assert told(shown) == [(stands, words)]
    assert [each["closed"] for each in shown["contradictions"]] == [True] * (stands == "contradicts")
    assert all(each["stands"] == stands for each in shown["contradictions"])


def test_the_target_may_have_written_the_marked_records_itself(maker: Maker, command: Command) -> None:
    run_of(maker, "a", MARKED, b"a")
    file(maker.ledger, "hf:lab/first", finding(MARK))
    words = (
        "the records with this mark are from hf:lab/first itself, which may have been asked with the mark on."
    )
    assert told(command("trace", "hf:lab/first", code=3)) == [("cannot-be-held", f"{CANNOT}{words}")]


def test_who_wrote_marked_records_may_be_behind_it_by_others(maker: Maker, command: Command) -> None:
    run_of(maker, "a", MARKED, b"a")
    run_of(maker, "b", FIRST, b"b")
    file(maker.ledger, "run:b", finding(MARK))
    ((stands, words),) = told(command("trace", "run:b"))
    assert stands == "agrees-in-part"
    assert words.startswith(f"{PART}hf:lab/first, where records with this mark are from, is behind run:b")


def test_records_that_came_back_under_another_origin_are_known_again(maker: Maker, command: Command) -> None:
    """Marked answers were handed out as a file, and the file was given to another run."""
    run_of(maker, "a", MARKED, b"a", "the same")
    own = Origin("data:mine.jsonl", OWN, "author", {}, None)
    run_of(maker, "b", replace(own, teacher="hf:lab/second", channel="self-hosted"), b"b", "the same")
    file(maker.ledger, "run:b", finding(MARK))
    ((stands, words),) = told(command("trace", "run:b"))
    assert stands == "agrees-in-part"
    assert words == (
        "The lineage says so in part: some of the records of data:runs/a/data/answers and "
        "data:runs/a/data/train are behind run:b under another origin (2 in data:runs/b/data/train)."
    )


def test_a_runs_records_are_known_by_every_digest_of_theirs(maker: Maker, command: Command) -> None:
    made = run_of(maker, "a", OTHER, b"a")
    kept = made["generate"]
    names = [kept.id, kept.digest, kept.records_root, kept.files["records.jsonl"]]
    for name in names:
        file(maker.ledger, "run:a", finding({"kind": "records", "id": str(name)}, test="training order"))
    assert told(command("trace", "run:a")) == [
        ("agrees", "The lineage says so too: run:a descends from data:runs/a/data/train.")
    ] * len(names)


def test_held_out_records_of_a_run_are_not_behind_it(maker: Maker, command: Command) -> None:
    made = run_of(maker, "a", OTHER, b"a")
    held_out = [
        replace(row, record=Record(row.record.prompt, "held out"), parents=(1,))
        for row in rows((OTHER, (), 20))
    ]
    inputs = {"answers": made["generate"].id}
    kept = maker.stage("a", "data/heldout", "filter-heldout", {}, inputs, held_out)
    file(maker.ledger, "run:a", finding({"kind": "records", "id": kept.id}, test="dataset inference"))
    ((stands, words),) = told(command("trace", "run:a"))
    assert stands == "unexplained"
    assert "data:runs/a/data/heldout is not behind run:a" in words


# What they may not change ----------------------------------------------------------------------------

ABOUT = st.fixed_dictionaries(
    {"kind": st.sampled_from(["mark", "records", "model", "else"])},
    optional={
        "id": st.sampled_from([str(KEY), "sha256:" + "1" * 64, "sha256:" + "2" * 64, "x"]),
        "name": st.sampled_from(
            ["run:a", "run:b", "hf:lab/first", "hf:lab/second", "data:runs/a/data/train"]
        ),
        "absent": st.just("yes"),
        "differs": st.just("yes"),
    },
)
FOUND = st.builds(
    finding, ABOUT, st.sampled_from(["consistent-with", "no-evidence", "cannot-tell"]),
    st.sampled_from(["radioactivity", "derivation", "equality", "order", "non-membership"]),
)  # fmt: skip
SUSPECTS = st.sampled_from(["run:a", "run:b", "hf:lab/first", "data:runs/b/data/train", "nobody"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.tuples(SUSPECTS, st.lists(FOUND, max_size=4)), max_size=4))
def test_findings_change_nothing_of_what_is_said_of_lineage(
    workspace: Workspace, ledger: Ledger, found: list[tuple[str, list[dict[str, Any]]]]
) -> None:
    """Also over several examples, which add up in one ledger."""
    from inbond.cli.trace import open_lineage

    if not workspace.run("a").exists():
        maker = Maker(workspace, ledger)
        run_of(maker, "a", MARKED, b"a")
        run_of(maker, "b", OTHER, b"b")
    before = open_lineage(workspace)
    bare = replace(before, filed=findings.Filed())
    for number, (name, each) in enumerate(found):
        file(ledger, name, *each, at=f"2026-11-{number + 10}T06:00:00Z")
    after = open_lineage(workspace)
    assert after.graph == before.graph
    for target in ("run:a", "run:b", "hf:lab/first"):
        for asked in (None, "hf:lab/first", "gpt-4o"):
            plain, beside = bare.ask(target, asked), after.ask(target, asked)
            assert replace(beside, beside=plain.beside) == plain
            one, two = plain.to_json(), beside.to_json()
            assert {name: one[name] for name in LINEAGE} == {name: two[name] for name in LINEAGE}
            places = [item["finding"] for item in two["contradictions"]]
            flagged = [each["stands"] in ("contradicts", "unexplained") for each in two["findings"]]
            assert [number for number, flag in enumerate(flagged) if flag] == places
            for each in two["findings"]:
                if each["stands"] in ("contradicts", "unexplained"):
                    assert each["outcome"] == "consistent-with", "no test that sees nothing contradicts"
                    assert "absent" not in each["about"] or each["test"] == "equality"


def test_the_exit_code_is_that_of_the_lineage(maker: Maker, command: Command) -> None:
    run_of(maker, "a", MARKED, b"a")
    run_of(maker, "b", OTHER, b"b")
    file(maker.ledger, "run:b", finding(MARK))
    assert command("trace", "run:b")["contradictions"]
    assert command("trace", "run:b", "--from", "hf:lab/first", code=3)["answer"]["outcome"] == "cannot-tell"


def test_an_event_that_cannot_be_read_stops_no_trace(maker: Maker, command: Command) -> None:
    run_of(maker, "a", MARKED, b"a")
    plain = command("trace", "run:a")
    maker.ledger.record(findings.FINDING_REPORTED, {"format": findings.FORMAT, "suspect": "run:a"})
    found = command("trace", "run:a")
    assert {name: found[name] for name in LINEAGE} == {name: plain[name] for name in LINEAGE}
    (note,) = found["findings_notes"]
    assert "(finding.reported) cannot be read: " in note


def test_origins_that_cannot_be_read_stop_no_trace(maker: Maker, command: Command) -> None:
    """Nothing behind run b has anything to do with run a, but for the mark that is looked for."""
    run_of(maker, "b", OTHER, b"b")
    run_of(maker, "a", MARKED, b"a")
    maker.stage("a", "data/extra", "extra", {}, {}, rows((MARKED, (), 1)))
    (maker.workspace.run("a") / "data/extra/origins.json").write_text("{")
    file(maker.ledger, "run:b", finding({**MARK, "id": "sha256:" + "9" * 64}))
    ((stands, words),) = told(command("trace", "run:b"))
    assert stands == "cannot-be-held"
    assert words.endswith("and runs/a/data/extra cannot be read.")


# Where else they are -------------------------------------------------------------------------------


def test_a_finding_that_was_changed_is_found_by_verify(maker: Maker, command: Command) -> None:
    run_of(maker, "a", MARKED, b"a")
    file(maker.ledger, "run:a", finding(MARK, "no-evidence"))
    maker.ledger.close()
    assert command("verify")["ok"]
    with sqlite3.connect(maker.workspace.ledger) as database:
        names = database.execute("select name from sqlite_master where type = 'trigger'").fetchall()
        for (name,) in names:
            database.execute(f"drop trigger {name}")
        (text,) = database.execute("select text from events order by seq desc limit 1").fetchone()
        changed = text.replace("no-evidence", "consistent-with")
        assert changed != text
        last = "seq = (select max(seq) from events)"
        database.execute(f"update events set text = ? where {last}", (changed,))
    problems = command("verify", code=4)["problems"]
    assert any("(finding.reported): its signature does not fit what it says" in each for each in problems)


def test_verify_names_a_finding_that_is_none(maker: Maker, command: Command) -> None:
    run_of(maker, "a", MARKED, b"a")
    maker.ledger.record(findings.FINDING_REPORTED, {"format": findings.FORMAT})
    (problem,) = command("verify", code=4)["problems"]
    assert (
        "(finding.reported): its body is not what this kind should hold (suspect: Field required)" in problem
    )


def test_verify_does_not_call_a_newer_finding_changed(maker: Maker, command: Command) -> None:
    run_of(maker, "a", MARKED, b"a")
    maker.ledger.record(findings.FINDING_REPORTED, {"format": "inbond.finding/2", "new": 1})
    found = command("verify")
    assert found["ok"]
    assert any("format inbond.finding/2, of a newer Inbond" in note for note in found["notes"])


def test_findings_in_a_shared_ledger_are_those_of_one_workspace(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = server.new_database()
    url = f"postgresql://postgres@{made.host}:{made.port}/{made.database}"
    monkeypatch.setenv("INBOND_LEDGER", url)
    (tmp_path / "whole.toml").write_text(WHOLE)
    counts = []
    for name in ("anna", "ben"):
        home = ["--home", str(tmp_path / name), "--json"]
        assert inbond(["import", str(tmp_path / "whole.toml"), *home]) == 0
        if name == "anna":
            with Ledger.open(Workspace(tmp_path / name), KeyStore.default()) as ledger:
                file(ledger, "hf:lab/student", finding(MARK))
        capsys.readouterr()
        assert inbond(["trace", "hf:lab/student", *home]) == 0
        counts.append(len(json.loads(capsys.readouterr().out)["findings"]))
        assert inbond(["verify", *home]) == 0
    assert counts == [1, 0]


@pytest.mark.parametrize("form", ["cyclonedx", "spdx", "prov", "croissant", "card"])
def test_no_export_hands_findings_out(maker: Maker, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_of(maker, "a", MARKED, b"a")
    home = ["--home", str(maker.workspace.home)]
    texts = []
    for _ in range(2):
        capsys.readouterr()
        assert inbond(["export", form, "run:a", *home]) == 0
        texts.append(capsys.readouterr().out)
        file(maker.ledger, "run:a", finding(MARK, test="a-test-of-that-name"))
    assert texts[0] == texts[1]


def test_time_does_not_run_away_with_the_number_of_findings(maker: Maker, command: Command) -> None:
    """Findings that each ask for a key, a model or records of their own, and suspects that are others."""
    run_of(maker, "a", MARKED, b"a")
    run_of(maker, "b", OTHER, b"b")
    file(maker.ledger, "run:b", finding(MARK))
    seconds = []
    for begin, end in ((0, 2), (2, 20)):
        for number in range(begin, end):
            keys = [of_bytes(f"{number} {each}".encode()) for each in range(97)]
            rest = [
                finding({"kind": "model", "name": f"hf:lab/m{number}"}, test="weight-derivation"),
                finding({"kind": "records", "name": f"data:{number}"}),
                finding(MARK),
            ]
            at = f"2026-11-23T06:00:{number:02}Z"
            file(maker.ledger, "run:b", *[finding({**MARK, "id": key}) for key in keys], *rest, at=at)
            for other in range(10):
                file(maker.ledger, f"hf:other/{number}-{other}", finding(MARK), digest=keys[other], at=at)
        begun = time.process_time()
        found = command("trace", "run:b")
        seconds.append(time.process_time() - begun)
    assert len(found["findings"]) == 2_001
    assert [each["stands"] for each in found["findings"][:21]] == ["unexplained"] * 21, "flagged ones first"
    assert seconds[1] < 30 * seconds[0], "ten times as many take no thirty times as long"
