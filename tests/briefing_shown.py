"""Briefings for looking at a page: a rich one in Japanese, one for right-to-left readers, one with much
missing."""

# ruff: noqa: E501

from __future__ import annotations

from typing import Any

from inbond.briefing.article import Meta, article_of
from inbond.briefing.blocks import Piece
from inbond.briefing.briefing import Briefing
from tests.briefing_examples import briefing

PIECES = (
    Piece(
        "paragraph",
        "Acme Labs released a language model of 7 billion parameters on Tuesday, under an open licence that allows commercial use. It is the first of the company's models whose training data can be read by anyone.",
    ),
    Piece("heading", "How it was trained", 2),
    Piece(
        "paragraph",
        "Training took 12 days on 64 chips and cost about $1.2 million, the company said. The code is at https://example.org/acme/train and can be run with `acme train --config base.yaml`.",
    ),
    Piece(
        "code",
        "pip install acme\nacme train --config base.yaml --steps 12000   # about 12 days on 64 chips\nacme evaluate --suite public",
    ),
    Piece("paragraph", "Three results stand out:"),
    Piece("item", "It reads 32,000 tokens at once.", 1),
    Piece(
        "item",
        "It answers 61.5% of the questions of a public test, 4 points more than last year's model of the same size.",
        1,
    ),
    Piece("item", "On tests of mathematics it is behind: 38.2%.", 2),
    Piece("row", "Model | Parameters | Score"),
    Piece("row", "Acme 7B | 7 billion | 61.5%"),
    Piece("row", "Last year's | 7 billion | 57.5%"),
    Piece("quote", "We wanted a model that others can take apart, said Mira Okafor, who led the work."),
    Piece(
        "paragraph",
        "Outside researchers have not yet repeated the numbers. Jun Ito of Kyoto said that he would wait for that before drawing conclusions.",
    ),
)
JA = {
    "b1": "Acme Labsは火曜日、商用利用を認めるオープンなライセンスで、70億パラメータの言語モデルを公開した。同社のモデルで学習データを誰でも読めるのはこれが初めてである。",
    "b2": "訓練の方法",
    "b3": "同社によれば、訓練は64個のチップで12日間かかり、費用は約120万ドルだった。コードは https://example.org/acme/train にあり、`acme train --config base.yaml` で実行できる。",
    "b5": "目立つ結果は三つある。",
    "b6": "一度に32,000トークンを読む。",
    "b7": "公開テストの質問の61.5%に正しく答える。同じ規模の昨年のモデルより4ポイント高い。",
    "b8": "数学のテストでは劣り、38.2%にとどまる。",
    "b9": "モデル | パラメータ | 得点",
    "b10": "Acme 7B | 70億 | 61.5%",
    "b11": "昨年のモデル | 70億 | 57.5%",
    "b12": "「ほかの人が分解して調べられるモデルにしたかった」と、開発を率いたMira Okaforは述べた。",
    "b13": "社外の研究者はまだこの数字を再現していない。京都のJun Itoは、結論を出す前にそれを待つと述べた。",
}
AR = {
    "b1": "أصدرت Acme Labs يوم الثلاثاء نموذجا لغويا يضم 7 مليارات (7 billion) معلمة برخصة مفتوحة.",
    "b2": "كيف جرى التدريب",
}


def rich(**changes: Any) -> Briefing:
    """A whole briefing with every kind of block."""
    meta = Meta(
        title="Acme Labs opens a 7-billion-parameter model, data and all",
        author="Rosa Lindqvist",
        date="2026-11-20",
        site="The Example Post",
        url="https://example.org/acme-opens",
    )
    article = article_of(PIECES, meta, source="example")
    blocks = [block.to_json() for block in article.blocks]
    source = {
        "from": "https://example.org/acme-opens",
        **article.meta.to_json(),
        "digest": article.digest,
        "minutes": article.minutes,
        "notices": [],
        "licence": "",
    }
    value: dict[str, Any] = {
        "source": source,
        "blocks": blocks,
        "translation": {block["id"]: JA.get(block["id"], block["text"]) for block in blocks},
        "title": "Acme Labs、70億パラメータのモデルを学習データごと公開",
        "summary": "Acme Labsは、学習データまで誰でも読める70億パラメータの言語モデルを、商用利用を認めるオープンなライセンスで公開した。",
        "tags": ["オープンモデル", "Acme Labs", "学習データ"],
        "points": [
            {
                "heading": "データまで公開",
                "sentence": "同社のモデルで学習データを誰でも読めるのは、これが初めてである。",
                "block": "b1",
                "quote": "the first of the company's models whose training data can be read by anyone",
            },
            {
                "heading": "訓練の費用は約120万ドル",
                "sentence": "訓練には64個のチップで12日間かかり、費用は約120万ドルだった。",
                "block": "b3",
                "quote": "Training took 12 days on 64 chips and cost about $1.2 million",
            },
            {
                "heading": "昨年より4ポイント高い",
                "sentence": "公開テストの正答率は61.5%で、同じ規模の昨年のモデルを4ポイント上回った。",
                "block": "b7",
                "quote": "It answers 61.5% of the questions of a public test",
            },
            {
                "heading": "再現はこれから",
                "sentence": "社外の研究者は、まだこの数字を再現していない。",
                "block": "b13",
                "quote": "Outside researchers have not yet repeated the numbers.",
            },
        ],
        "impact": [
            {
                "text": "学習データまで調べられるため、小さな研究室でも偏りや汚染の検証がしやすくなる。",
                "blocks": ["b1", "b12"],
            },
            {
                "text": "費用が公開されたことで、同じ規模のモデルを自前で訓練するかどうかを見積もりやすくなる。",
                "blocks": ["b3"],
            },
        ],
        "comment": "データとコードを合わせて出した点は評価できる。一方で得点は同社が測ったものであり、比較の相手も自社の旧モデルに限られる。独立した再現を待ってから判断したい。",
        "related": [
            {
                "id": "0123456789abcdef",
                "title": "学習データの出所を問う動き広がる",
                "date": "2026-11-18",
                "site": "Example Weekly",
            },
            {
                "id": "fedcba9876543210",
                "title": "小型モデルの訓練費用、一年で半分に",
                "date": "",
                "site": "news.example.net",
            },
        ],
    }
    return briefing("rich", **{**value, **changes})


def arabic() -> Briefing:
    """For readers of Arabic; only two blocks are translated."""
    whole = rich().to_json()
    ids = [block["id"] for block in whole["blocks"]]
    return rich(
        language="ar",
        title="‏Acme Labs تفتح نموذجا لغويا مع بياناته",
        summary="أصدرت Acme Labs نموذجا لغويا مفتوحا يمكن لأي شخص قراءة بيانات تدريبه.",
        tags=["نماذج مفتوحة", "Acme Labs"],
        points=[
            {
                **whole["points"][0],
                "heading": "بيانات مفتوحة",
                "sentence": "يمكن لأي شخص قراءة بيانات التدريب.",
            }
        ],
        impact=[{"text": "يسهل على المختبرات الصغيرة التحقق من البيانات.", "blocks": ["b1"]}],
        comment="النتائج قاسها صاحب النموذج نفسه، ولم تتكرر بعد.",
        translation={id_: AR.get(id_, "فقرة مترجمة إلى العربية.") for id_ in ids if id_ != "b4"}
        | {"b4": whole["blocks"][3]["text"]},
        related=[],
    )


def poor() -> Briefing:
    """Almost nothing passed the checks."""
    whole = rich().to_json()
    ids = [block["id"] for block in whole["blocks"]]
    parts = ("title", "summary", "tags", "axes", "points", "impact", "comment")
    return rich(
        title="",
        summary="",
        tags=[],
        axes=None,
        score=None,
        points=[],
        impact=[],
        comment="",
        related=[],
        translation={"b2": "訓練の方法", "b4": whole["blocks"][3]["text"]},
        failed=[
            {"block": id_, "check": "language", "why": "its translation is not in the language 'ja'"}
            for id_ in ids
            if id_ not in ("b2", "b4")
        ],
        left_out=[{"part": part, "why": "no JSON object came"} for part in parts],
        source={**whole["source"], "notices": ["only 214 characters are open: the rest is for subscribers"]},
    )
