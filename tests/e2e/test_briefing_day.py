"""``inbond briefing day`` after ``briefing make``: nothing is asked, and nothing private goes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import feedparser

from inbond.briefing import day_shelf, shelf
from inbond.briefing.day import local_day
from inbond.cli.main import run
from inbond.workspace import Workspace
from tests.e2e.test_briefing_command import ARTICLE, making

__all__ = ["making"]
OTHER = ARTICLE.with_name("03-news-en.html")


def test_two_articles_become_a_day_that_holds_none_of_their_text(
    making: Any, capsys: Any, tmp_path: Path
) -> None:
    make = making()
    first, second = make(), make(source=str(OTHER))
    again = make("--licence", "MIT")
    asked = len(make.asked)
    home = Workspace(make.home)
    kept = shelf.listed(home)
    day = f"{local_day(kept[0].made_at)}"
    for more in ((), ("--out", str(tmp_path / "public"))):
        assert run(["briefing", "day", day, "--home", str(make.home), "--json", *more]) == 0
        told = json.loads(capsys.readouterr().out)
        # The model said the same of both; the same article under another licence is no third.
        assert (told["day"], told["language"], told["entries"], told["articles"]) == (day, "ja", 1, 2)
        texts = [Path(told[name]).read_text("utf-8") for name in ("page", "feed", "content")]
        for briefing in kept:
            long = [each.text for each in briefing.blocks if len(each.text) > 40]
            assert long
            assert not [
                text for text in (*long, *briefing.translation.values()) for each in texts if text in each
            ]
            assert not [each for each in texts if briefing.comment in each]
            assert not [point for point in briefing.points for each in texts if point.quote in each]
        entry = json.loads(texts[2])["entries"][0]
        assert {source["id"] for source in entry["sources"]} <= {first["id"], second["id"], again["id"]}
        assert len(feedparser.parse(texts[1]).entries) == 1
    assert len(make.asked) == asked, "no model was asked"
    assert make.verify()["ok"]
    assert [each.day for each in day_shelf.listed(home)] == [day]
