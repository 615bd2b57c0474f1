"""Briefings on the site: the list and what is looked for in it, and pages that are shut in."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

pytest.importorskip("starlette")

from starlette.testclient import TestClient

from inbond.briefing import shelf
from inbond.cli.main import run as inbond
from inbond.ui.briefing_index import BriefingIndex, Sought
from inbond.ui.briefings import LINKED
from inbond.ui.safety import Rules
from inbond.ui.site import build
from inbond.workspace import Workspace
from tests.briefing_days import OTHER, STRIKE, keep, told

HOSTILE = "<img src=x onerror=alert(1)>"
ONE = told("1", *STRIKE, tags=["ports", "日本"], language="en")
TWO = told("2", *OTHER, tags=["medicine", HOSTILE], made_at="2026-11-24T09:00:00Z", score=None)
HERE = "http://127.0.0.1:8765"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path / "bond")
    keep(found, ONE, TWO)
    return found


@pytest.fixture
def site(workspace: Workspace) -> TestClient:
    return TestClient(build(workspace, Rules()), base_url=HERE, follow_redirects=False)


def shown(site: TestClient, asked: str = "") -> set[str]:
    text = site.get(f"/briefings{asked}").text
    return {each.title for each in (ONE, TWO) if each.title in text}


def test_the_list_is_searched_by_word_tag_and_day(site: TestClient) -> None:
    assert shown(site) == {ONE.title, TWO.title}
    assert shown(site, "?q=ROTTERDAM+cranes") == {ONE.title}
    assert shown(site, "?q=Source+of+2") == {TWO.title}, "the article's own title"
    assert shown(site, "?q=日本") == shown(site, "?tag=ports") == {ONE.title}
    assert shown(site, "?tag=port") == set()
    assert shown(site, "?day=2026-11-24&q=study") == {TWO.title}
    assert "None fits." in site.get("/briefings?q=glacier").text
    text = site.get("/briefings").text
    assert text.index(TWO.title) < text.index(ONE.title), "the newest first"
    assert HOSTILE not in text
    assert "a score is its opinion" in text
    assert "2 briefings" in site.get("/").text


def test_a_page_is_shut_in_and_its_links_lead_on(site: TestClient, workspace: Workspace) -> None:
    first = site.get(f"/briefings/{ONE.id}")
    assert (first.status_code, first.headers["location"]) == (307, f"/briefings/{ONE.id}/index.html")
    page = site.get(first.headers["location"])
    assert page.status_code == 200
    assert page.headers["content-security-policy"] == LINKED
    assert LINKED.startswith("sandbox allow-same-origin; default-src 'none';")
    assert page.content == (workspace.briefing(ONE.id) / shelf.PAGE).read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/briefings/0123456789abcdef", "/briefings/days", "/briefings/days/index.html",
        "/briefings/..%2f..%2fetc/index.html", "/briefings/days/2026-11-23",
        "/briefings/days/2026-11-23/index.html", "/briefings/days/2026-11-23/feed.xml",
        "/briefings/days/..%2f..%2fledger.db/index.html", "/briefings/days/feed-ja.xml/index.html",
    ],
)  # fmt: skip
def test_what_is_not_there_is_said(site: TestClient, path: str) -> None:
    answer = site.get(path)
    assert answer.status_code == 404
    assert "no such" in answer.text or "there is no page of that day" in answer.text


def test_a_day_its_page_and_its_feed(site: TestClient, workspace: Workspace) -> None:
    assert inbond(["briefing", "day", "2026-11-24", "--home", str(workspace.home), "-q"]) == 0
    assert 'href="/briefings/days/2026-11-24"' in site.get("/briefings").text
    place = site.get("/briefings/days/2026-11-24").headers["location"]
    assert place == "/briefings/days/2026-11-24/index.html"
    page = site.get(place)
    assert f'href="../../{TWO.id}/index.html"' in page.text
    assert page.headers["content-security-policy"] == LINKED
    feed = site.get("/briefings/days/2026-11-24/feed.xml")
    assert feed.headers["content-type"] == "application/atom+xml"
    assert TWO.title in feed.text


def test_one_that_cannot_be_read_hides_no_other(site: TestClient, workspace: Workspace) -> None:
    (workspace.briefing(ONE.id) / shelf.NAME).write_text("{")
    (workspace.briefings / "0123456789abcdef").mkdir()
    text = site.get("/briefings").text
    assert TWO.title in text
    assert "1 briefing cannot be read" in text
    assert site.get(f"/briefings/{ONE.id}").status_code == 404


def test_the_index_sees_what_comes_changes_and_goes(workspace: Workspace) -> None:
    index = BriefingIndex(workspace.briefings)
    assert [row.id for row in index.all()] == [TWO.id, ONE.id]
    assert index.all() is index.all(), "nothing is read again"
    later = told("3", "Later", made_at="2026-11-25T09:00:00Z")
    keep(workspace, later)
    assert index.all()[0].id == later.id
    changed = told("3", "Changed", made_at="2026-11-25T09:00:00Z")
    time.sleep(0.02)
    keep(workspace, changed)
    assert index.all()[0].title == "Changed"
    os.unlink(workspace.briefing(later.id) / shelf.NAME)
    assert len(index.all()) == 2
    assert BriefingIndex(workspace.home / "none").all() == []


def test_half_width_and_full_width_are_one(workspace: Workspace) -> None:
    keep(workspace, told("4", "ＧＰＵの新型", "ｶﾀｶﾅ"))
    rows = BriefingIndex(workspace.briefings).all()
    assert [row.title for row in Sought("gpu カタカナ").among(rows)] == ["ＧＰＵの新型"]
