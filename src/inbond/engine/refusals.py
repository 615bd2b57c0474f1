"""Answers that decline to answer, told by how they open, in English and Japanese.

Only the first sentence counts, and it must both decline and name the act of helping: "I'm sorry to
hear that" and "I can't believe it" are answers. Verbs that people also use of their own affairs ("I
can't access my account") count only after an apology or "as an AI". A reply that declines later on
is kept.
"""

from __future__ import annotations

import re

_OPENING = 300

_SORRY = (
    r"(?:i['’]?m (?:really |very |so |truly )?sorry|i am (?:really |very |truly )?sorry|sorry"
    r"|(?:i |my )?apologi(?:[sz]e|es)|unfortunately|regrettably)"
)
_AS_AI = r"as an? (?:ai|artificial intelligence|(?:large )?language model|virtual assistant)\b[^.!?\n]{0,60}?"
_CANNOT = (
    r"(?:i|we) ?(?:can['’]?t|can ?not|won['’]?t|will not|must decline to|have to decline to"
    r"|(?:['’]m|am|['’]re|are) (?:currently )?(?:unable|not able|not allowed|not programmed) to"
    r"|do(?: not|n['’]t) feel comfortable|(?:am|['’]m) not comfortable)"
)
_FIRMLY = (
    r"(?:assist\b|comply\b|fulfil+ (?:this|that|your)|help (?:you )?(?:with|create|write|make)\b"
    r"|provide (?:you\b|any\b|that\b|this\b|information|instructions|guidance|assistance|advice)"
    r"|(?:answer|respond to|discuss|support|do|create|generate|write|share) (?:that|this|your|such)\b"
    r"|engag(?:e|ing) (?:in|with)|participat(?:e|ing) in"
    r"|(?:creat|generat|writ|provid|assist|help|discuss)ing\b)"
)
_LOOSELY = (
    r"(?:assist|help(?! (?:but|feeling|thinking|noticing|it|my))|provide|fulfil+|answer|respond|discuss"
    r"|engage|generate|create|write|share|do (?:that|this)|continue|access|browse|recommend|support)\b"
)
_BETWEEN = r"(?: (?:directly|really|actually|just|ethically|legally))? "
_ENGLISH = (
    rf"^\W*(?:{_SORRY}[^.!?\n]{{0,80}}?)?{_CANNOT}{_BETWEEN}{_FIRMLY}",
    rf"^\W*(?:{_SORRY}|{_AS_AI})[^.!?\n]{{0,80}}?\b{_CANNOT}{_BETWEEN}{_LOOSELY}",
    rf"^\W*(?:{_SORRY}[^.!?\n]{{0,20}}?)?{_AS_AI},? i (?:do not|don['’]t) have\b",
)

_JA_SORRY = (
    r"(?:(?:大変|誠に|まことに)?(?:申し訳(?:あり|ござい)ません|すみません|すいません|ごめんなさい)"
    r"|恐れ入りますが|残念ながら|恐縮ですが)"
)
_JA_ACT = (
    r"(?:お答え|お手伝い|お応え|対応|提供|ご?回答|お話し?|協力|お力になること|支援|生成|作成|ご?案内|お教え|お受け)"
    r"(?:を|は|も|が)?(?:する)?(?:ことは|ことが|ことも)?"
)
_JA_CANNOT = r"(?:でき(?:ません|ない|かね)|出来(?:ません|ない|かね)|(?:いた|致)?しかね|しておりません)"
_JAPANESE = (
    rf"^\W*{_JA_SORRY}[^\n]{{0,80}}?{_JA_ACT}{_JA_CANNOT}",
    rf"^\W*(?:私は)?(?:AI|人工知能|(?:大規模)?言語モデル)[^。\n]{{0,60}}?{_JA_ACT}{_JA_CANNOT}",
    rf"^\W*その(?:ような|ご)?(?:質問|要望|依頼|リクエスト)[^。\n]{{0,20}}?{_JA_ACT}{_JA_CANNOT}",
)
_PATTERNS = tuple(re.compile(pattern, re.IGNORECASE) for pattern in _ENGLISH + _JAPANESE)


def is_refusal(text: str) -> bool:
    """Whether ``text`` opens by declining to answer."""
    opening = text.lstrip()[:_OPENING]
    return any(pattern.search(opening) for pattern in _PATTERNS)
