"""From a question to the words that a model is asked with, and the schema that its reply must have. Pure but
for reading our own words (``prompts.toml``).

The article is a stranger's text: JSON in a fence that nothing within can end. That a model obeys nothing
in it cannot be had from words alone; what it says is checked.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any, Final

from inbond.briefing import claims, saying, translating
from inbond.briefing.article import Article
from inbond.briefing.blocks import Block
from inbond.briefing.checks import AXES, MOST, Problem, width
from inbond.digest import Digest, of_value
from inbond.engine.fence import boundary_of, json_lines
from inbond.errors import InputError
from inbond.teachers.protocols import Form
from inbond.types import Message

PROTOCOL: Final = 1
"""Counts changes of what is asked and what is checked, beside the words themselves."""
SHOWN: Final = 12_000
"""Width of what is shown of an article at once for what is said about it; wide letters count twice."""
_MOST_PROBLEMS: Final = 12
_MOST_WHY: Final = 200
_MOST_QUOTE: Final = 300

Ask = saying.Ask | translating.Ask


def digest() -> Digest:
    """Of all words and of the protocol."""
    return of_value({"protocol": PROTOCOL, "prompts": _all()})


def check_language(code: str) -> str:
    """The code of a language that can be asked for. Raises InputError."""
    known = _all()["languages"]
    if code in known:
        return code
    raise InputError(
        expected="a language by its code of two letters (ISO 639-1)",
        found=repr(code[:40]),
        fix=f"give one of {', '.join(sorted(known))}",
    )


def excerpt(blocks: Sequence[Block], most: int = SHOWN) -> tuple[Block, ...]:
    """As many blocks from the beginning as fit; at least the first, cut where it alone is too long."""
    found: list[Block] = []
    left = most
    for block in blocks:
        taken = width(block.text)
        if taken > left:
            return tuple(found) or (replace(block, text=block.text[: most // 2]),)
        left -= taken
        found.append(block)
    return tuple(found)


def messages(
    ask: Ask, article: Article, language: str, *, described: bool, shown: int
) -> tuple[Message, ...]:
    """The conversation that asks it. ``described``: the schema stands in the prompt, for a teacher that
    is not held to one."""
    words = _all()
    data = _data(ask, article, shown)
    boundary = boundary_of(data, 0)
    lines = {"open": f"<<<{boundary}", "close": f"{boundary}>>>"}
    tongue = words["languages"].get(language, language)
    told = (
        words[_template(ask)]
        .strip()
        .format(
            fence=f"{lines['open']}\n{json_lines(data)}\n{lines['close']}",
            language=tongue,
            again=_again(ask),
            form=_form(ask, described=described),
            **_of_question(ask),
        )
    )
    return (
        Message("system", words["system"].strip().format(language=tongue, **lines)),
        Message("user", told),
    )


def form(ask: Ask, *, bounded: bool = False) -> Form:
    """How a teacher is held to the schema of the reply; ``bounded`` as of ``schema``."""
    return Form.of("json-schema", f"briefing-{_template(ask)}", schema(ask, bounded=bounded))


def schema(ask: Ask, *, bounded: bool = False) -> dict[str, Any]:
    """JSON schema of the reply. ``bounded``: each text has a greatest length, which keeps a small local model
    from writing one for ever; some hosts take no such schema."""
    found = _schema(ask)
    return found if bounded else _unbounded(found)


def _schema(ask: Ask) -> dict[str, Any]:
    if isinstance(ask, translating.Ask):
        ids = {"type": "string", "enum": [block.id for block in ask.blocks]}
        longest = max(len(block.text) for block in ask.blocks)
        return _object(blocks=_list(_object(id=ids, text=_text(100 + 3 * longest)), len(ask.blocks)))
    return _object(**{part: _PARTS[part] for part in ask.wanted})


def _unbounded(part: Any) -> Any:
    if isinstance(part, list):
        return [_unbounded(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {name: _unbounded(each) for name, each in part.items() if name != "maxLength"}


def _text(most: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": most}


def _object(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def _list(items: Any, most: int) -> dict[str, Any]:
    return {"type": "array", "maxItems": most, "items": items}


_POINT: Final = _object(
    heading=_text(claims.MOST_HEADING),
    sentence=_text(claims.MOST_SENTENCE),
    block=_text(8),
    quote=_text(_MOST_QUOTE),
)
_PARTS: Final[Mapping[str, Any]] = {
    "title": _text(claims.MOST_TITLE),
    "summary": _text(claims.MOST_SENTENCE),
    "tags": _list(_text(claims.MOST_TAG), claims.MOST_TAGS),
    "axes": _object(**{axis: {"type": "integer", "minimum": 0, "maximum": MOST} for axis in AXES}),
    "points": _list(_POINT, saying.MOST_POINTS),
    "impact": _list(_object(text=_text(claims.MOST_OPINION), blocks=_list(_text(8), 8)), saying.MOST_IMPACTS),
    "comment": _text(claims.MOST_OPINION),
}


def _template(ask: Ask) -> str:
    return "translate" if isinstance(ask, translating.Ask) else ask.question


def _of_question(ask: Ask) -> dict[str, Any]:
    if isinstance(ask, translating.Ask):
        return {}
    if ask.question == "points":
        return {"least": max(1, ask.least), "most": ask.most}
    return {"fields": "\n".join(_all()["fields"][part] for part in ask.wanted)}


def _data(ask: Ask, article: Article, shown: int) -> dict[str, Any]:
    blocks = ask.blocks if isinstance(ask, translating.Ask) else excerpt(article.blocks, shown)
    known = {"title": article.meta.title, "site": article.meta.site, "date": article.meta.date}
    return {
        **{name: value for name, value in known.items() if value},
        "blocks": [{"id": block.id, "kind": block.kind, "text": block.text} for block in blocks],
    }


def _again(ask: Ask) -> str:
    if ask.attempt == 1:
        return ""
    listed = "\n".join(f"- {_told(each)}" for each in ask.problems[:_MOST_PROBLEMS]) or "- it was not whole"
    right = json.dumps(list(ask.kept), ensure_ascii=False) if isinstance(ask, saying.Ask) and ask.kept else ""
    kept = _all()["kept"].strip().format(texts=right) if right else ""
    return str(_all()["again"].lstrip().format(problems=listed, kept=kept))


def _told(problem: Problem) -> str:
    return json.dumps(str(problem)[:_MOST_WHY], ensure_ascii=False)[1:-1]


def _form(ask: Ask, *, described: bool) -> str:
    if not described:
        return str(_all()["constrained"])
    return str(_all()["described"].strip().format(schema=json.dumps(schema(ask), ensure_ascii=False)))


@cache
def _all() -> Mapping[str, Any]:
    text = files("inbond.briefing").joinpath("prompts.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
