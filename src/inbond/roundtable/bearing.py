"""Whether a sentence of the writer bears on the claims that it cites, and keeps off the count. Pure.

Both are a help and no proof. A sentence that shares no word of weight with what it cites rests on nothing
there, in whatever language; one that shares a word may still say something else. The count has too many
names to list: what is listed here are those that are used most.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from inbond.roundtable.likeness import same

_NUMBER: Final = r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_DID: Final = (
    r"(?:said|says?|vote[ds]?|agree[ds]?|disagree[ds]?|decide[ds]?|reject(?:ed|s)?|favou?r(?:ed|s)?|chose"
    r"|support(?:ed|s)?|oppose[ds]?|prefer(?:red|s)?|side[ds]?|conclude[ds]?|held|won|wins?|abstain(?:ed|s)?)\b"
)
_MANY: Final = (
    rf"(?:{_NUMBER}|every|everyone|everybody|all|both|most|half|none|nobody|no one|few|several|the others?)"
)
_COUNT: Final = re.compile(
    r"\bmajorit|\bunanim|\bplurality|\bquorum|\bout ?voted|\bconsensus"
    rf"|\b{_MANY} (?:(?:out )?of (?:the )?)?(?:\w+ )?(?:seats?|votes?|models?|panel|panell?ists?)\b"
    rf"|\b{_MANY} (?:(?:out )?of (?:the )?\w+ )?(?:\w+ ){{0,3}}?{_DID}"
    rf"|\b(?:panel|panell?ists|table|jury|seats|models) (?:\w+ ){{0,2}}?{_DID}"
    r"|\bseat \w+ (?:won|wins|prevail)"
    rf"|\b{_NUMBER}(?:-| to | against | vs\.? ){_NUMBER}\b"
    r"|mayor[ií]a|unánim|mehrheit|einstimmig|majorité|maggioranza|maioria|meerderheid|większoś|большинств"
    r"|единогласн|الأغلبية|أغلبية|بالإجماع|اکثریت|बहुमत|다수|만장일치|과반"
    r"|過半|过半|多数|多數|全会一致|一致同意|全員一致|満場一致|賛成票|反対票|可決|否決|圧倒的|半数以上"
    r"|全員(?:が|は|とも)?(?:反対|賛成|一致|同意|否定|支持|投票)"
    r"|(?:すべて|全て|ほとんど|大半|多く)の(?:席|票|モデル|参加者)"
    r"|(?:大半|ほとんど)(?:が|は)"
    r"|[0-9一二三四五六七八九十]+ ?(?:席|票|(?:人|名)(?:が|は|とも)?(?:反対|賛成|否定|支持))"
    r"|[0-9一二三四五六七八九十]+ ?対 ?[0-9一二三四五六七八九十]+",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[^\W_]+")
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]+"
)
"""Scripts that put no spaces between words, and Korean, which joins particles to them."""
_HIRAGANA: Final = re.compile("[\u3040-\u309f]+")
_LEAST: Final = 4
_STEM: Final = 5
_LIGHT: Final = frozenset(
    """
    that this these those with from have they them their there then than which what when where while would
    could should because about also more most only into been being were will other others some such even
    every each does must might seat seats panel vote votes voted claim claims question option options says
    said holds para como esta este pero sobre entre porque nicht eine einer dass sich auch oder wird sind
    dans pour avec cette sont mais что это как для
    """.split()  # noqa: SIM905
)
"""Words that say nothing of what a claim is about."""


def speaks_of_count(text: str) -> bool:
    """Whether a sentence says who won or how many voted, as far as that can be told by its words."""
    return _COUNT.search(same(text)) is not None


def bears_on(text: str, claims: Iterable[str]) -> bool:
    """Whether a sentence has a word of weight in common with what it cites; True where that has none."""
    known = {word for claim in claims for word in _weighty(claim)}
    return not known or not known.isdisjoint(_weighty(text))


def _weighty(text: str) -> set[str]:
    """Beginnings of the longer words, numbers, and pairs of letters where there are no spaces."""
    found: set[str] = set()
    for run in _UNSPACED.findall(text := same(text)):
        pairs = {run[i : i + 2] for i in range(len(run) - 1)}
        found |= {pair for pair in pairs if not _HIRAGANA.fullmatch(pair)}
    for word in _WORD.findall(_UNSPACED.sub(" ", text)):
        word = word.removeprefix("ال")
        least = _LEAST if word.isascii() else _LEAST - 1
        if word.isdigit() or (len(word) >= least and word not in _LIGHT):
            found.add(word[:_STEM])
    return found
