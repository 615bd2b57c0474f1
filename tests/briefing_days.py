"""Briefings of a day for tests: of one article each, in one language, or in a workspace with their pages."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from inbond.briefing import shelf
from inbond.briefing.briefing import Briefing
from inbond.digest import of_value
from inbond.report.briefing_page import render_briefing_page
from inbond.workspace import Workspace
from tests.briefing_examples import briefing

QUOTE = "Training took 12 days on 64 chips"
AXES = ("novelty", "reach", "evidence")


def told(seed: str, title: str, summary: str = "", /, **changes: Any) -> Briefing:
    """A briefing of an article of its own, of the site news.example; ``score`` gives all three axes."""
    score = changes.pop("score", 3)
    source = briefing().to_json()["source"] | {
        "from": f"https://news.example/{seed}", "url": f"https://news.example/{seed}", "site": "news.example",
        "title": f"Source of {seed}", "digest": of_value(["article", seed]),
    } | changes.pop("source", {})  # fmt: skip
    value = {
        "title": title,
        "summary": summary,
        "tags": [],
        "points": [],
        "source": source,
        "axes": None if score is None else dict.fromkeys(AXES, score),
        "score": None if score is None else f"{score}.0",
    }
    return briefing(seed, **value | changes)


def point(heading: str, sentence: str) -> dict[str, str]:
    return {"heading": heading, "sentence": sentence, "block": "b3", "quote": QUOTE}


STRIKE = (
    "Dockers in Rotterdam strike against cranes",
    "3,000 dockers stopped work in Rotterdam over 40 cranes.",
)
STRIKE_TOO = (
    "Strike over cranes halts Rotterdam",
    "3,000 dockers in Rotterdam stopped work over 40 driverless cranes.",
)
OTHER = ("Swedish study finds more tumours", "Radiologists in Sweden read 44% fewer mammograms with AI.")


def keep(workspace: Workspace, *briefings: Briefing) -> None:
    """Lays them down, as the command does."""
    workspace.create()
    for each in briefings:
        shelf.keep(workspace, each, render_briefing_page(each))


TEXTS = st.one_of(
    st.sampled_from(
        [*STRIKE, *STRIKE_TOO, *OTHER, "青嶺電機、「ミナト2」を公開", "ミナト2、320億パラメータ", "<b>&amp;"]
    ),
    st.text(max_size=60),
)
