"""The guard's report: what it says of a ring, of nobody and of very many; that nothing in it can run."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.cli.main import run
from inbond.digest import Digest
from inbond.errors import InputError
from inbond.guard.appeals import Appeal, Case, Ceiling, Suspension
from inbond.guard.detect import memory as memories
from inbond.guard.detect.judge import Cluster, clusters, judge
from inbond.guard.detect.memory import WINDOW_S, Account, Accounts, Memory
from inbond.guard.overview.accounts import chosen
from inbond.guard.overview.build import view
from inbond.guard.overview.evidence import Moment, curve, moment, of_source, power_of, reasons_of, said
from inbond.guard.overview.lines import lines
from inbond.guard.overview.numbers import Sources
from inbond.guard.overview.reading import sources_of, with_events
from inbond.guard.state_redis import RedisState
from inbond.guard.state_sqlite import SqliteState
from inbond.ledger.events import Event
from inbond.report.guard_curves import draw_curve
from inbond.report.guard_page import render_guard_page
from inbond.report.guard_pictures import MOST_DRAWN, draw_cluster
from inbond.report.guard_view import Curve
from inbond.report.page import MOST_BYTES
from inbond.types import Reason, Verdict
from inbond.workspace import Workspace
from tests.guard_report_examples import LAWFUL, RING, START, decide, watch
from tests.redis_server import RedisServer
from tests.report_examples import HOSTILE
from tests.unit.test_report_page import check

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
JAPANESE = RING[-1]
Report = Callable[..., Any]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, config: str) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("guarded") / "bond")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", config)
        watch(workspace)
        decide(workspace)
    return workspace


@pytest.fixture
def report(
    guarded: Workspace, config: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Report:
    monkeypatch.setenv("XDG_CONFIG_HOME", config)

    def call(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert run(["guard", "report", *arguments, "--home", str(guarded.home), "--json"]) == code
        return json.loads(capsys.readouterr().out)

    return call


# The ring ------------------------------------------------------------------------------------------


def test_it_says_who_stands_where(report: Report) -> None:
    found = report()
    assert found["sentence"].startswith(
        "Of 10 accounts, 2 are suspended by a person's signature; of the others 5 are proposed for "
        "suspension, 0 restricted and 0 watched. 1 appeal is open, to be answered by 20"
    )
    assert " UTC, 23 h " in found["sentence"]
    counts = [found[name] for name in ("accounts", "suspended", "proposed", "restricted", "watched")]
    assert counts == [10, 2, 5, 0, 0], "each is counted once"
    assert set(found["standing"]) == set(RING)
    assert {each["tier"] for each in found["standing"].values()} == {3}
    assert [name for name, each in found["standing"].items() if each["suspended"]] == ["t0/a", JAPANESE]
    (appeal,) = found["standing"][JAPANESE]["appeals"]
    assert appeal["outcome"] is None
    assert found["by_tenant"]["acme"] == {
        "accounts": 2, "requests": 478, "tier": 0, "past_tier_0": 0, "suspended": 0,
    }  # fmt: skip
    assert {name for each in found["clusters"] for name in each["members"]} == set(RING)
    assert found["false_discovery_rate"] == 0.01
    (sighting,) = found["sightings"]
    assert (sighting["claimed_by"], sighting["accounts"]) == ("例の会社 <b>Ltd</b>", list(RING))


def test_the_page_shows_verdicts_evidence_groups_and_appeals(report: Report, tmp_path: Path) -> None:
    place = tmp_path / "guard.html"
    assert report("--page", str(place))["page"] == str(place)
    page = place.read_text(encoding="utf-8")
    said_there = " ".join(check(page).texts)
    for words in (
        "5 are proposed for suspension",
        "学校/川-窓口",
        "私たちは学校です。<script>",
        "hands back reasoning that was sealed for an account of somebody else",
        "It would change with",
        "no log-probabilities are given",
        "one means of payment",
        "False discovery rate: at most 1%.",
        "No prompt and no answer is shown, because none is kept anywhere",
        "elicitation: 1e",
        "; a family past it is seen",
        "Sign the suspensions that are proposed, 5 by now, if you agree",
        "inbond guard suspend --group payment:8367cd66fdd136bb --by NAME --reason WHY",
        "Lift all 7 for 30 days",
        "from restricted to suspension proposed",
        "例の会社 <b>Ltd</b>",
        "a sighting is no evidence by itself and has moved no tier",
        "85 of 100",
    ):
        assert words in said_there, words
    assert [page.count(f"guard {verb} ") for verb in ("suspend", "lift")] == [1, 1], (
        "all are decided of at once"
    )
    assert page.count("commands</a> decide of all members at once") == len(RING)
    assert page.count('<polyline class="trace before"') >= len(RING) + 2, "a threshold in every picture"
    finding = "hands back reasoning that was sealed for an account of somebody else"
    assert page.count(f"payment {finding}") == 1, "a group's sentences are said once"
    assert page.count(f"the account {finding}") == len(RING)
    assert 'lang="ja"' in page
    assert not any(word in page for word in ("verbatim", "odd numbers", "Task number"))


def test_a_summary_for_a_terminal_is_short_and_plain(
    guarded: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["guard", "report", "--home", str(guarded.home)]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert len(text.splitlines()) < 40
    assert re.search(
        rf"{JAPANESE}: suspended; tier 3; appeal open until 20.* UTC; "
        r"seen: replay 1e\d+, elicitation 1e\d+\n",
        text,
    )
    assert "False discovery rate at most 1%" in text
    assert (
        "sighting of a group like payment:8367cd66fdd136bb, claimed by 例の会社 <b>Ltd</b>: no evidence by "
        "itself"
    ) in text
    assert run(["guard", "report", "--home", str(guarded.home), "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_one_account_alone_with_its_history(report: Report, tmp_path: Path) -> None:
    place = tmp_path / "one.html"
    found = report("--account", "t1/a", "--page", str(place))
    assert found["sentence"] == "t1/a stands at tier 3, suspension proposed. No appeal is open."
    assert list(found["standing"]) == ["t1/a"]
    assert [each["tier"] for each in found["history"]] == [1, 2, 3]
    assert list(found["by_tenant"]) == ["t1"]
    texts = check(place.read_text(encoding="utf-8")).texts
    assert "t0/a" in texts, "it is drawn as a member of the group"
    assert not any(LAWFUL[0] in text for text in texts)
    lawful = report("--account", LAWFUL[2])
    assert lawful["sentence"] == "研究所/日本語 stands at tier 0, none. No appeal is open."
    verdict = lawful["standing"][LAWFUL[2]]["verdict"]
    assert verdict["outcome"] == "none"
    assert verdict["reasons"][1]["finding"].startswith("Not seen: no more reasoning of other accounts")


def test_an_account_that_nobody_knows_is_named(report: Report) -> None:
    error = report("--account", "nobody/x", code=2)["error"]
    assert error["expected"] == "an account that the guard has seen, as TENANT/ACCOUNT"
    assert error["found"] == "nobody/x"


def test_the_page_is_not_written_into_the_workspace(report: Report, guarded: Workspace) -> None:
    error = report("--page", str(guarded.home / "guard.html"), code=2)["error"]
    assert "outside the workspace" in error["expected"]
    error = report("--page", str(guarded.home.parent / "no" / "guard.html"), code=2)["error"]
    assert error["fix"] == "make the folder, or name another file"


def test_where_no_guard_ran_it_says_so_and_makes_nothing(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page, config = tmp_path / "none.html", tmp_path / "guard.yaml"
    config.write_text("upstream: {url: 'http://localhost:1'}\nmodels: {m: {}}\nissuer: x\n")
    where = ["--home", str(workspace.home)]
    assert run(["guard", "report", *where, "--config", str(config), "--quiet"]) == 0
    assert run(["guard", "report", *where, "--page", str(page)]) == 0
    assert capsys.readouterr().out.startswith("No request was judged yet.\n")
    assert not workspace.home.exists()
    assert "Nobody has called yet." in check(page.read_text(encoding="utf-8")).texts


def test_a_state_that_cannot_be_understood_is_told_of(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    async def write() -> None:
        state = SqliteState(workspace.home / "guard" / "state.db")
        await state.fold(600, b"of another version", {})
        await state.close()

    asyncio.run(write())
    assert run(["guard", "report", "--home", str(workspace.home)]) == 2
    assert "not a memory of this version" in capsys.readouterr().err


def test_state_that_replicas_share_is_read_from_redis(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    server = RedisServer()
    try:
        url = f"redis://127.0.0.1:{server.port}/0"

        async def write() -> None:
            state = RedisState(url)
            memory = Memory(START, Accounts.of({"acme/川": Account(1, first=START, last=START, requests=7)}))
            await state.fold(START, memory.to_bytes(), {"acme/川": json.dumps(kept(2)).encode()})
            await state.close()

        asyncio.run(write())
        config = tmp_path / "guard.yaml"
        config.write_text(
            f"upstream: {{url: 'http://localhost:1'}}\nstate: {url}\nmodels: {{m: {{}}}}\nissuer: x\n"
        )
        shared = ["guard", "report", "--home", str(workspace.home), "--config", str(config)]
        assert run(shared) == 0
        assert "acme/川: restricted; tier 2; seen: replay 1e7" in capsys.readouterr().out
        assert not workspace.home.exists()
    finally:
        server.stop()
        shutil.rmtree(server.folder)
    assert run(shared) != 0
    assert "Redis to answer at" in capsys.readouterr().err


def test_the_commands_it_shows_do_what_they_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = Workspace(tmp_path / "bond")
    watch(workspace, 30)
    id_ = decide(workspace)
    config = tmp_path / "guard yaml.yaml"
    config.write_text("upstream: {url: 'http://localhost:1'}\nmodels: {m: {}}\nissuer: x\n")
    where = ["--config", str(config), "--home", str(workspace.home)]
    options = shlex.join(where)

    def call(command: str) -> str:
        filled = command.replace("upheld|lifted", "lifted").replace("NAME", "Chie").replace("WHY", "read")
        assert run(shlex.split(filled)[1:]) == 0, command
        return capsys.readouterr().out

    listed = call(f"inbond guard report {options}")
    commands = [line.partition("inbond ")[2] for line in listed.splitlines() if "  " in line[:2]]
    assert f"guard appeal {id_} --decide upheld|lifted --by NAME --reason WHY {options}" in commands
    (signs,) = [command for command in commands if "guard appeal" not in command]
    assert shlex.split(signs)[:4] == ["guard", "suspend", "--group", "payment:8367cd66fdd136bb"]
    for command in commands:
        call("inbond " + command)
    after = call(f"inbond guard report {options}")
    assert "6 are suspended by a person's signature; of the others 0 are proposed" in after
    assert "and 1 watched; 1 are lifted by a person. No appeal is open." in after
    (lifts,) = [line for line in after.splitlines() if "--group" in line]
    call(f"inbond guard lift {lifts.partition('guard lift ')[2]}")
    assert "7 are lifted by a person" in call(f"inbond guard report {options}")
    told = call(f"inbond guard report --account t1/a {options}")
    assert "inbond guard lift" not in told, "nothing is left"


@pytest.mark.usefixtures("report")
def test_of_one_account_alone_its_own_commands_decide(guarded: Workspace, capsys: Any) -> None:
    assert run(["guard", "report", "--account", "t1/a", "--home", str(guarded.home)]) == 0
    told = capsys.readouterr().out
    assert "inbond guard suspend t1/a --by" in told
    assert "inbond guard lift t1/a --by" in told
    assert "--group" not in told


def test_what_two_groups_share_is_decided_of_at_the_first() -> None:
    names = tuple(f"t/{number}" for number in range(4))
    ring = Cluster("payment:1", "payment", 2, 3, names[:3], (), Verdict("none", (), "sha256:0", "v"))  # type: ignore[arg-type]
    same = replace(ring, id="template:2", kind="template")
    more = replace(ring, id="template:3", kind="template", members=names)
    standing = {name: kept(tier) for name, tier in zip(names, (1, 2, 3, 3), strict=True)}
    shown = view(sources(names, standing=standing, clusters=(ring, same, more)))
    said = {group.id: [what for what, _ in group.commands] for group in shown.groups}
    signs = "Sign the suspensions that are proposed, {} by now, if you agree"
    assert said == {
        "payment:1": [signs.format(1), "Lift all 3 for 30 days"],
        "template:2": [],
        "template:3": [signs.format(2), "Lift all 4 for 30 days"],
    }
    at = {entry.row.name: entry.decided_at for entry in shown.entries}
    assert at == {"t/0": "", "t/1": "group-1", "t/2": "group-1", "t/3": "group-3"}
    words = {entry.row.name: [command.split()[2] for _, command in entry.commands] for entry in shown.entries}
    assert words == {"t/0": ["report"], **{name: ["appeal", "report"] for name in names[1:]}}


def test_every_command_that_is_shown_looks_where_the_report_did() -> None:
    standing = {f"t/{number}": kept(3) for number in range(60)}
    cluster = Cluster("payment:1", "payment", 2, 2, ("t/1", "t/2"), (), Verdict("none", (), "sha256:0", "v"))  # type: ignore[arg-type]
    made = sources(
        tuple(standing), standing=standing, clusters=(cluster,) * 9, options=("--home", "a b"),
        cases={f"t/{number}": held(f"t/{number}") for number in range(30)},
    )  # fmt: skip
    shown = view(made)
    page = " ".join(check(render_guard_page(shown, "0")).texts)
    told = [*re.findall(r"inbond guard [^;]*?(?= ;| shows| lists| inbond|  )", page), *lines(shown)]
    commands = [each for each in told if "inbond guard" in each]
    assert len(commands) > 60
    assert [each for each in commands if "--home 'a b'" not in each] == []


def test_the_groups_alone_are_those_of_the_whole_judgement(guarded: Workspace) -> None:
    async def read() -> bytes:
        state = SqliteState(guarded.home / "guard" / "state.db")
        _, memory = await state.memory()
        await state.close()
        return memory

    memory = memories.from_bytes(asyncio.run(read()))
    assert clusters(memory) == judge(memory).clusters != ()


# By hand -------------------------------------------------------------------------------------------


DETAIL = {"feature": "replay", "e_value": "1e7", "threshold": "1e5", "seen": True, "trials": 9}


def verdict(text: str = "Seen: it.", **detail: Any) -> dict[str, Any]:
    reason = Reason("circumvention.replay", text, "account", {**DETAIL, **detail})
    return Verdict("restricted", (reason,), "sha256:" + "a" * 64, "inbond.detect/1").to_json()  # type: ignore[arg-type]


def kept(tier: int, text: str = "Seen: it.", **detail: Any) -> dict[str, Any]:
    return {"tier": tier, "window": START, "since": START, "verdict": verdict(text, **detail)}


def held(name: str, text: str = "We are a school.", hours: float = 1) -> Case:
    at = NOW - timedelta(hours=hours)
    appeal = Appeal("abc", name, text, at, at + timedelta(hours=24))
    return Case(name, Suspension(name, "sha256:" + "b" * 64, "Ben", "read twice", at), (appeal,))


def sources(names: tuple[str, ...] = ("acme/a",), **changes: Any) -> Sources:
    memory = Memory(
        START, Accounts.of({name: Account(1, first=START, last=START, requests=7) for name in names})
    )
    made = Sources(NOW, memory, {name: kept(2) for name in names})
    return replace(made, **changes)


def test_an_appeal_that_nobody_answered_is_granted() -> None:
    name = "acme/a"
    found = view(sources(cases={name: held(name, hours=24)}))
    (objection,) = found.objections
    assert objection.state == "granted: nobody answered by 2026-11-22 12:00 UTC"
    assert objection.command == ""
    assert found.counts["suspended"] == 0
    assert found.rows[0].stands == "lifted"
    assert found.rows[0].note == (
        "tier 2 by its evidence; lifted by an appeal that nobody answered until 2026-12-22 12:00 UTC"
    )
    assert found.entries[0].steps == ()
    late = view(sources(cases={name: held(name, hours=23.75)}))
    assert late.objections[0].state == ("open, to be answered by 2026-11-22 12:15 UTC, 0 h 15 min left")
    assert late.counts["suspended"] == 1


def test_what_a_person_lifted_is_said_with_its_end_and_detection_goes_on_being_shown() -> None:
    ceiling = Ceiling(NOW - timedelta(days=1), NOW + timedelta(days=29), "Chie", "our own red team")
    made = sources(cases={"acme/a": Case("acme/a", lifted=ceiling)})
    (entry,) = view(made).entries
    assert entry.row.note == "tier 2 by its evidence; lifted by Chie until 2026-12-21 12:00 UTC"
    assert (entry.row.stands, entry.row.tone, entry.steps) == ("lifted", "plain", ())
    assert entry.said.seen == ("replay, 1e7: Seen: it.",)
    assert ("Nothing beyond tier 1 until", "2026-12-21 12:00 UTC") in entry.facts
    assert ("Lifted", "by Chie, 2026-11-21 12:00 UTC: our own red team") in entry.facts
    assert [command.split()[2] for _, command in entry.commands] == ["report"]
    assert view(made).counts["watched"] == view(made).counts["lifted"] == 1
    assert "0 restricted and 1 watched; 1 are lifted by a person." in view(made).sentence
    over = view(replace(made, now=NOW + timedelta(days=29)))
    assert (over.rows[0].stands, over.rows[0].note) == ("restricted", "tier 2")
    assert [command.split()[2] for _, command in over.entries[0].commands] == ["lift", "appeal", "report"]


def test_the_ledger_tells_of_those_that_get_a_line_and_of_all_sightings() -> None:
    key = Digest("sha256:" + "c" * 64)

    def event(kind: str, **body: Any) -> Event:
        return Event(0, "2026-11-22T11:00:00.000000Z", kind, body, None, key, key)

    events = [
        event("guard.judged", account="acme/a", tier=1),
        event("guard.judged", account="acme/quiet", tier=0),
        event("guard.judged", account=7),
        event("guard.judged"),
        event("guard.sighted", matches=[]),
        event("guard.suspended", account="acme/a"),
        event("guard.judged", account="acme/a", tier=2),
    ]
    found = with_events(sources(("acme/a", "acme/quiet"), standing={"acme/a": kept(2)}), events)
    assert [each["tier"] for each in found.judged] == [1, 2], "in order"
    assert found.sighted == (("2026-11-22T11:00:00.000000Z", {"matches": []}),)
    alone = with_events(sources(("acme/a", "acme/quiet"), only="acme/quiet"), events)
    assert [each["account"] for each in alone.judged] == ["acme/quiet"]


def test_who_is_asked_about_is_looked_at_where_nothing_is_kept() -> None:
    memory = sources(("acme/a", "acme/b")).memory
    found = sources_of(NOW, memory, {"acme/b": kept(2)}, {}, only="acme/a")
    assert found.standing["acme/b"] == kept(2)
    assert found.standing["acme/a"]["tier"] == 0
    assert found.standing["acme/a"]["verdict"]["reasons"], "it is said what was not seen"
    assert sources_of(NOW, memory, {}, {}, only=None).standing == {}
    assert sources_of(NOW, memory, {}, {}, only="acme/nobody").standing == {}


def test_who_is_lifted_is_listed_though_the_evidence_is_gone() -> None:
    ceiling = Ceiling(NOW, NOW + timedelta(days=30), "Chie", "x")
    made = sources(standing={}, cases={"acme/a": Case("acme/a", lifted=ceiling)})
    assert chosen(made) == ["acme/a"]
    assert chosen(replace(made, now=NOW + timedelta(days=30))) == []


def test_who_waits_for_an_answer_stands_first() -> None:
    names = ("a/watched", "b/proposed", "c/appeals")
    standing = {"a/watched": kept(1), "b/proposed": kept(3), "c/appeals": kept(2)}
    found = sources(names, standing=standing, cases={"c/appeals": held("c/appeals")})
    assert chosen(found) == ["c/appeals", "b/proposed", "a/watched"]
    with pytest.raises(InputError, match="TENANT/ACCOUNT"):
        chosen(replace(found, only="d"))


def test_of_one_tier_the_strongest_evidence_stands_first_and_an_accounts_own_before_its_groups() -> None:
    standing = {"a/a": kept(2, e_value="1e7"), "b/b": kept(2, e_value="1e900"), "c/c": kept(3)}
    made = sources(tuple(standing), standing=standing)
    assert chosen(made) == ["c/c", "b/b", "a/a"]
    group = Reason("payment", "Seen: it.", "payment:1", {**DETAIL, "feature": "payment", "e_value": "1e20"})
    stronger = Reason("replay", "Seen: it.", "payment:1", {**DETAIL, "e_value": "1e50"})
    both = {**verdict(), "reasons": [*verdict()["reasons"], group.to_json(), stronger.to_json()]}
    shown = view(sources(standing={"a/a": {**kept(2), "verdict": both}}))
    assert shown.rows[0].evidence == "payment 1e20 (group), replay 1e7"
    assert shown.entries[0].groups[0].words == "payment:1, not drawn here; seen: replay 1e50, payment 1e20"


def drawn(*moments: Moment | None, began: int = START) -> Curve | None:
    table = [(each.at, each.reasons) for each in moments if each is not None]
    assert len(table) == len(moments)
    return curve("Its own requests", began, table)


def test_only_what_was_recorded_is_drawn_and_the_threshold_can_be_seen() -> None:
    first = moment({**kept(1, e_value="1e3"), "was": 0})
    later = moment({**kept(2, e_value="1e1580929"), "window": START + 6 * WINDOW_S})
    found = drawn(first, later)
    assert found is not None
    replay, threshold = found.series
    assert replay.points == ((1 / 6, 3.0), (7 / 6, 12.0)), "what is larger is drawn at the top"
    assert threshold.points == ((1 / 6, 5.0), (7 / 6, 5.0))
    assert found.said == ("replay: 1e1580929", "threshold: 1e5; a family past it is seen")
    assert (found.top, found.capped) == (12, True)
    assert (found.began, found.ended) == ("2023-11-14 22:20 UTC", "2023-11-14 23:30 UTC")


def test_a_line_keeps_its_height_until_the_next_was_recorded() -> None:
    first = moment({**kept(1, e_value="1e3"), "was": 0})
    later = moment({**kept(2, e_value="1e9"), "window": START + 6 * WINDOW_S})
    found = drawn(first, later)
    assert found is not None
    picture, legend = draw_curve("x", found)
    points = re.search(r'trace train" vector-effect="[^"]*" points="([^"]*)"', picture)
    assert points is not None
    steps = [tuple(map(float, each.split(","))) for each in points[1].split()]
    assert all(a[0] == b[0] or a[1] == b[1] for a, b in itertools.pairwise(steps)), "no slopes"
    assert steps[0][1] == 172 == steps[1][1], "evidence begins at 1"
    crossed = min(x for x, y in steps if y < 172 - 162 * 5 / 12)
    assert crossed == 100, "the threshold is crossed where that was recorded, and nowhere before"
    assert picture.count("<circle") == 4, "two moments of evidence and threshold"
    texts = re.findall(r'class="tick"[^>]*>([^<]*)<', picture)
    assert texts == ["1", "1e3", "1e6", "1e9", "1e12", "2023-11-14 22:20", "2023-11-14 23:30 UTC"]
    assert legend[0] == ("train", "replay: 1e9")
    past = drawn(first, moment(kept(2, e_value="1e13")))
    assert past is not None
    assert "≥1e12" in draw_curve("x", past)[0]


def test_one_moment_alone_is_drawn() -> None:
    found = drawn(moment(kept(1)), began=START + WINDOW_S)
    assert found is not None
    picture, _ = draw_curve("x", found)
    assert 'cx="0.00%"' in picture
    assert "nan" not in picture


def test_evidence_against_is_drawn_as_none_and_what_was_not_looked_at_is_not() -> None:
    found = drawn(moment(kept(1, e_value="1e-4")))
    assert found is not None
    assert found.series[0].points[-1] == (1 / 6, 0.0)
    assert found.said[0] == "replay: 1 or less"
    assert drawn(moment(kept(1, trials=0))) is None
    assert drawn() is None


def test_a_groups_evidence_is_what_its_members_verdicts_said_of_it() -> None:
    reason = Reason("replay", "Seen: it.", "payment:1", {**DETAIL, "e_value": "1e6"})
    one = Verdict("restricted", (reason,), "sha256:0", "v")  # type: ignore[arg-type]
    cluster = Cluster("payment:1", "payment", 2, 3, ("acme/a",), (), one)
    before = {"account": "acme/a", "window": START - 6 * WINDOW_S, "tier": 1, "verdict": one.to_json()}
    (group,) = view(sources(clusters=(cluster,), judged=(before,))).groups
    assert group.shared == "accounts of one means of payment"
    assert group.said.seen == ("replay, 1e6: Seen: it.",)
    assert group.curve is not None
    assert [len(each.points) for each in group.curve.series] == [2, 2], "then and now"
    assert [(node.name, node.stands) for node in group.nodes] == [("acme/a", "tier 2, restricted")]
    page = render_guard_page(view(sources(clusters=(cluster,))), "0")
    assert "around it 1: acme/a, tier 2." in page, "whoever cannot see the picture hears the tier"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["account", "1e7", 600]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "window",
                    "tier",
                    "was",
                    "verdict",
                    "reasons",
                    "finding",
                    "feature",
                    "source",
                    "e_value",
                    "trials",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=40)
@given(st.lists(st.dictionaries(st.sampled_from(["window", "tier", "was", "verdict"]), JSON), max_size=4))
def test_whatever_a_ledger_holds_can_be_read(bodies: list[dict[str, Any]]) -> None:
    found = [each for body in bodies if (each := moment(body)) is not None]
    for source in ("account", "1e7"):
        table = [(each.at, of_source(each.reasons, source)) for each in found]
        if (made := curve("x", 0, table)) is not None:
            draw_curve("x", made)
            assert len(made.series) == len(made.said)
    for body in bodies:
        if isinstance(body.get("verdict"), dict):
            said(reasons_of(body["verdict"]))
    named = [{**body, "account": name} for body in bodies for name in ("acme/a", ["acme/a"], None)]
    check(render_guard_page(view(sources(judged=named)), "0"))


@given(st.integers(-(10**9) + 1, 10**9 - 1))
def test_a_power_is_what_stands_there(power: int) -> None:
    assert power_of(f"1e{power}") == power
    assert power_of(f"2e{power}") is None


@settings(max_examples=25)
@given(st.sampled_from([*HOSTILE, " ".join(HOSTILE)]) | st.text(min_size=1, max_size=60))
def test_any_text_anywhere_stays_text(text: str) -> None:
    """Names, verdicts, appeals and reasons come from callers and from files that others wrote."""
    name = text or "x"
    reasons = (Reason("r", text, text, {"feature": "replay", "seen": True}),)
    cluster = Cluster("payment:1", "payment", 2, 3, (name,), (), Verdict(text, reasons, "sha256:0", text))  # type: ignore[arg-type]
    made = sources(
        (name,),
        standing={name: kept(2, text)},
        cases={name: held(name, text)},
        clusters=(cluster,),
        judged=({**kept(1, text), "account": name},),
    )
    check(render_guard_page(view(made), "0"))
    check(render_guard_page(view(replace(made, only=name)), "0"))


def test_a_hundred_thousand_accounts_make_a_page_of_bounded_size_that_counts_the_rest() -> None:
    names = tuple(f"テナント{number // 3}/口座{number}" for number in range(100_000))
    past = names[::20]
    members = past[:3_500]
    cluster = Cluster(
        "payment:1",
        "payment",
        2,
        4_000,
        members,
        (),
        Verdict("restricted", (), "sha256:0", "v"),  # type: ignore[arg-type]
    )
    made = sources(
        names, standing={name: kept(2, "見た" * 800) for name in past}, clusters=(cluster,) * 30,
        cases={name: held(name, "異議" * 5_000) for name in past[:60]},
    )  # fmt: skip
    page = render_guard_page(view(made), "0")
    assert len(page.encode()) < MOST_BYTES
    texts = " ".join(check(page).texts)
    assert "of the others 0 are proposed for suspension, 4,940 restricted and 0 watched" in texts
    assert "40 more appeals, not shown here" in texts
    shown = page.count('<tr role="row"><th role="rowheader" scope="row"><a href="#account-')
    assert shown >= 4
    listed = int(texts.partition(" more accounts, not shown here")[0].rpartition(" ")[2].replace(",", ""))
    assert 4 <= shown <= 5_000 - listed <= 40
    assert f"Of the first {shown} accounts alone" in texts
    assert len(list(lines(view(made)))) < 80
    assert "3,476 more carry its tier and are not drawn. 500 are in it" in texts


def test_every_member_is_drawn_inside_the_picture() -> None:
    for count in (0, 1, 2, MOST_DRAWN):
        picture = draw_cluster("g", "t", "one means of payment", [("川/a", 3)] * count)
        assert picture.count("<rect") == count + 1
        for x, width in re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', picture):
            assert float(x) + float(width) <= 292
