"""Briefings for tests: one that is whole, made without any model."""

from __future__ import annotations

from typing import Any

from inbond.briefing.article import Article, Meta, article_of
from inbond.briefing.blocks import Piece
from inbond.briefing.briefing import FORMAT, Briefing
from inbond.digest import of_value

PIECES = (
    Piece(
        "paragraph", "Acme Labs released a model of 7 billion parameters on Tuesday, under an open licence."
    ),
    Piece("heading", "How it was trained", 2),
    Piece("paragraph", "Training took 12 days on 64 chips and cost about $1.2 million, the company said."),
    Piece("code", "pip install acme\nacme run"),
    Piece("item", "It reads 32,000 tokens at once.", 1),
)


def article(title: str = "Acme releases an open model", site: str = "example.org") -> Article:
    """A short English article."""
    meta = Meta(title=title, author="A. Writer", date="2026-11-20", site=site, url="https://example.org/a")
    return article_of(PIECES, meta, source="example")


def briefing(seed: str = "1", /, **changes: Any) -> Briefing:
    """A whole Japanese briefing of that article; ``seed`` decides its id, ``changes`` are fields of its
    JSON."""
    found = article()
    identity = of_value(["example", seed])
    value: dict[str, Any] = {
        "format": FORMAT,
        "id": identity.removeprefix("sha256:")[:16],
        "identity": identity,
        "made_at": "2026-11-23T09:00:00Z",
        "language": "ja",
        "model": {"uri": "api:example/m", "identity": "api:example/m"},
        "prompts": of_value("prompts"),
        "source": {
            "from": "https://example.org/a",
            **found.meta.to_json(),
            "digest": found.digest,
            "minutes": found.minutes,
            "notices": [],
            "licence": "",
        },
        "title": "Acme社、オープンなモデルを公開",
        "summary": "Acme Labsは70億パラメータのモデルをオープンなライセンスで公開した。",
        "tags": ["オープンモデル", "Acme"],
        "axes": {"novelty": 3, "reach": 4, "evidence": 4},
        "score": "3.7",
        "points": [
            {
                "heading": "費用",
                "sentence": "訓練には12日間と約120万ドルがかかった。",
                "block": "b3",
                "quote": "Training took 12 days on 64 chips",
            }
        ],
        "impact": [{"text": "小さな組織でも同じ規模のモデルを試せるようになる。", "blocks": ["b1", "b3"]}],
        "comment": "費用の内訳は示されておらず、比較には注意がいる。",
        "blocks": [block.to_json() for block in found.blocks],
        "translation": {
            "b1": "Acme Labsは火曜日、70億パラメータのモデルをオープンなライセンスで公開した。",
            "b2": "訓練の方法",
            "b3": "同社によれば、訓練は64個のチップで12日間かかり、費用は約120万ドルだった。",
            "b4": "pip install acme\nacme run",
            "b5": "一度に32,000トークンを読む。",
        },
        "failed": [],
        "left_out": [],
        "related": [],
        "asked": {
            "calls": 5,
            "from_journal": 0,
            "prompt_tokens": 900,
            "completion_tokens": 300,
            "cost_usd": 0.0,
        },
    }
    return Briefing.from_json({**value, **changes})
