"""A model for tests of briefings: it answers each question as it should, in Japanese, by its prompt alone."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from inbond.types import Message

NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:\s?(?:million|billion))?")
_KEPT = re.compile(r"`[^`]+`|https?://\S+| \| ")


def data_of(text: str) -> dict[str, Any]:
    """What stands in the fence of a prompt."""
    found = re.search(r"<<<(\w+)\n(.*)\n\1>>>", text, re.DOTALL)
    assert found is not None, "every request has a fence"
    value: dict[str, Any] = json.loads(found[2])
    return value


def answer(messages: Sequence[Message]) -> str:
    """The right reply to a question of a briefing."""
    text = messages[-1].content
    data, told = data_of(text), text[text.rindex(">>>") :]
    if "Translate the text" in told:
        said: dict[str, Any] = {"blocks": [translated(each) for each in data["blocks"]]}
    elif "key points" in told:
        said = {"points": [_point(each) for each in _words(data)][:4]}
    elif "your own opinion" in told:
        first = data["blocks"][0]["id"]
        said = {
            "impact": [
                {"text": "小さな組織にも使える道が開け、費用の見通しが立てやすくなる。", "blocks": [first]}
            ],
            "comment": "発表の根拠は示されているが、比べる相手がない。続報を待って判断したい。",
        }
    else:
        said = {
            "title": "新しい発表についての記事",
            "summary": "ある組織が新しい取り組みを発表し、その内容を詳しく説明した。",
            "tags": ["発表", "技術"],
            "axes": {"novelty": 3, "reach": 4, "evidence": 4},
        }
    return json.dumps(said, ensure_ascii=False)


def _words(data: dict[str, Any]) -> list[dict[str, str]]:
    return [
        each for each in data["blocks"] if each["kind"] not in ("code", "heading") and len(each["text"]) > 20
    ]


def _point(block: dict[str, str]) -> dict[str, str]:
    quote = block["text"][: max(20, len(block["text"]) // 2)].strip()
    sentence = f"記事の{block['id'][1:].translate(_KANJI)}番目の部分は、このことを詳しく述べている。"
    return {
        "heading": f"要点その{block['id'][1:].translate(_KANJI)}",
        "sentence": sentence,
        "block": block["id"],
        "quote": quote,
    }


_KANJI = str.maketrans("0123456789", "〇一二三四五六七八九")


def translated(block: dict[str, str]) -> dict[str, str]:
    """A block in a Japanese of sorts: what must be kept is kept."""
    cells = [_cell(each) for each in block["text"].split(" | ")]
    return {"id": block["id"], "text": " | ".join(cells)}


def _cell(text: str) -> str:
    kept = _KEPT.findall(text)
    numbers = NUMBER.findall(_KEPT.sub(" ", text))
    return "、".join(["ここに訳文が入ります", *kept, *numbers])
