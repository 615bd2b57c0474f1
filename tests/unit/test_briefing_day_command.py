"""inbond briefing day: what it writes and says, twice the same, and what it does with what is damaged."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import feedparser
import pytest

from inbond.briefing import day_shelf, shelf
from inbond.cli.main import run as inbond
from inbond.errors import InputError
from inbond.workspace import Workspace
from tests.briefing_days import OTHER, STRIKE, STRIKE_TOO, keep, told

ONE, TOO = told("1", *STRIKE), told("2", *STRIKE_TOO)
LATE = told("3", *OTHER, made_at="2026-11-23T20:00:00Z")
ENGLISH = told("4", *OTHER, language="en")


@pytest.fixture(autouse=True)
def _in_tokyo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path / "bond")
    keep(found, ONE, TOO, LATE, ENGLISH)
    return found


Run = tuple[int, str, str]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Run:
    capsys.readouterr()
    code = inbond(["briefing", "day", *arguments])
    return code, *capsys.readouterr()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_day_of_the_local_clock_is_laid_down_and_again_the_same_bytes(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "2026-11-23")
    assert code == 0
    assert out.splitlines()[0] == "2026-11-23: 1 event from 2 articles, in ja"
    assert err.strip() == "not on it: briefings in en; --language en shows those"
    folder = workspace.briefings / "days" / "2026-11-23"
    first = files(folder)
    assert set(first) == {"index.html", "feed.xml", "day.json"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert json.loads(first["day.json"])["begins"] == "2026-11-22T15:00:00Z"
    assert b'href="../../' + ONE.id.encode() in first["index.html"]
    assert run(capsys, "2026-11-23")[0] == 0
    assert files(folder) == first
    assert [each.day for each in day_shelf.listed(workspace)] == ["2026-11-23"]
    assert len(shelf.listed(workspace)) == 4, "days are no briefings"
    # What was made at 20:00 UTC is of the next day in Tokyo, and the feed of all days holds both.
    assert run(capsys, "2026-11-24")[1].startswith("2026-11-24: 1 event from 1 article, in ja")
    read = feedparser.parse((folder.parent / "feed-ja.xml").read_bytes())
    assert [entry.title for entry in read.entries] == [OTHER[0], STRIKE_TOO[0]]


def test_a_language_has_a_folder_of_its_own(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "2026-11-23", "--language", "en", "--title", "  AI\n news ", "--json")
    value: dict[str, Any] = json.loads(out)
    page = workspace.briefings / "days" / "2026-11-23-en" / "index.html"
    assert (code, value["language"], value["other_languages"]) == (0, "en", ["ja"])
    assert Path(value["page"]).resolve() == page
    assert "<title>AI news · Inbond</title>" in page.read_text("utf-8")
    assert feedparser.parse((page.parent / "feed.xml").read_bytes()).feed.title == "AI news"


def test_what_goes_elsewhere_has_no_links_to_what_is_private(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(capsys, "2026-11-23", "--out", "public")[0] == 0
    assert not (workspace.briefings / "days").exists()
    page = (tmp_path / "public" / "index.html").read_text("utf-8")
    assert "../" not in page
    assert stat.S_IMODE((tmp_path / "public" / "index.html").stat().st_mode) == 0o644
    for text in (page, *(each.decode() for each in files(tmp_path / "public").values())):
        assert "訓練は64個のチップ" not in text
        assert "Training took 12 days" not in text
        assert str(tmp_path) not in text


def test_what_is_damaged_or_half_made_is_skipped_and_told(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace.briefing(TOO.id) / "briefing.json").write_text("{")
    (workspace.briefings / "0123456789abcdef").mkdir()
    code, out, err = run(capsys, "2026-11-23", "--language", "ja")
    assert (code, out.splitlines()[0]) == (0, "2026-11-23: 1 event from 1 article, in ja")
    assert f"{TOO.id}/briefing.json" in err
    assert "1 without briefing.json, not finished: 0123456789abcdef" in err
    skipped = json.loads(run(capsys, "2026-11-23", "--language", "ja", "--json")[1])["skipped"]
    assert len(skipped) == 2


@pytest.mark.parametrize(
    ("arguments", "found", "fix"),
    [
        (("2026-11-20",), "none in bond/briefings", "the newest day with briefings is 2026-11-24"),
        (("2026-11-24", "--language", "en"), "none in bond/briefings", "there are some in ja"),
        (("2026-11-23", "--home", "none"), "none in none/briefings", "inbond briefing make"),
        (("23.11.2026",), "'23.11.2026'", "for example 2026-11-23"),
        (("20261123",), "'20261123'", "for example 2026-11-23"),
        (("0001-01-01",), "'0001-01-01'", "for example 2026-11-23"),
        (("2026-11-23", "--language", "english"), "english", ""),
        (("2026-11-23", "--out", "bond/x"), "bond/x, which is in bond", "name another folder"),
        (("2026-11-23", "--out", "file"), "file, which is a file", "name another folder"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(
    workspace: Workspace,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: tuple[str, ...],
    found: str,
    fix: str,
) -> None:
    (tmp_path / "file").write_text("")
    code, out, _ = run(capsys, *arguments, "--json")
    error = json.loads(out)["error"]
    assert code == 2
    assert found in error["found"]
    assert fix in error["fix"]
    assert not (workspace.briefings / "days").exists()


def test_today_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    days = {f"{datetime.now().astimezone().date()}"}
    error = json.loads(run(capsys, "--json")[1])["error"]
    days.add(f"{datetime.now().astimezone().date()}")
    assert error["expected"].removeprefix("a briefing made on ") in days


def test_a_damaged_day_is_told_and_made_again(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "2026-11-23")
    place = workspace.briefings / "days" / "2026-11-23"
    before = files(place)
    (place / "day.json").write_text('{"format": "inbond.briefing-day/1"}')
    problems: list[InputError] = []
    assert day_shelf.listed(workspace, problems.append) == []
    assert "made again" not in problems[0].found
    assert problems[0].fix == "make it again with inbond briefing day"
    os.unlink(place / "feed.xml")
    assert run(capsys, "2026-11-23")[0] == 0
    assert files(place) == before


def test_with_a_briefing_its_days_are_erased_and_can_be_made_again(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for when in ("2026-11-23", "2026-11-24"):
        assert run(capsys, when)[0] == 0
    assert inbond(["erase", TOO.id, "--json"]) == 0
    erased = json.loads(capsys.readouterr().out)["files"]
    days = [f"briefings/days/2026-11-23/{name}" for name in ("feed.xml", "index.html", "day.json")]
    own = [f"briefings/{TOO.id}/{name}" for name in ("briefing.json", "index.html")]
    assert erased == [*days[:2], "briefings/days/feed-ja.xml", days[2], *own]
    kept = [path for path in workspace.briefings.rglob("*") if path.is_file()]
    assert all(STRIKE_TOO[1] not in path.read_text("utf-8") for path in kept)
    assert run(capsys, "2026-11-23")[1].startswith("2026-11-23: 1 event from 1 article")
    assert inbond(["erase", "--older-than", "0d", "-q"]) == 0
    assert [path.name for path in workspace.briefings.rglob("*") if path.is_file()] == []


def test_a_title_that_is_no_text_is_made_one(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "2026-11-23", "--title", os.fsdecode(b"caf\xe9\n news"))[0] == 0
    folder = workspace.briefings / "days" / "2026-11-23"
    assert json.loads((folder / day_shelf.DAY).read_bytes())["title"] == "caf\ufffd news"
