"""Whether what stands beside a vote declines to give one, in English and Japanese. Pure.

A form that leaves no way to abstain makes a model that declines name an option all the same: that is no vote.
But who says "I cannot support this" argues, and who speaks of refusing may vote. So only the first sentence
can decline, it must be about answering, and what comes after it must not turn to an answer. Told by words, as
``engine.refusals`` does for answers without a form; where it is wrong a vote is missing, and none is made up.
"""

from __future__ import annotations

import re
from typing import Final

_MOST: Final = 4_000
"""Characters of a text that are looked at."""
_QUOTES: Final = "\"“”'‘’「」『』«»"
_END: Final = r"(?=\s*(?:[.!?\n]|$))"

_SORRY: Final = (
    r"(?:(?:i['’]?m|i am)(?: \w+)? sorry|sorry|(?:i |my )?apologi(?:[sz]e|es)|unfortunately|regrettably)"
)
_AS_AI: Final = r"as an? (?:ai|artificial intelligence|(?:large )?language model|virtual assistant)\b"
_CANNOT: Final = (
    r"\b(?:i|we)(?: (?:really|simply|must|have to))? ?"
    r"(?:can['’]?t|can ?not|won['’]?t|will not|decline to|refuse to|would rather not|['’]d rather not"
    r"|prefer not to|prefer to not"
    r"|(?:['’]m|am|['’]re|are)(?: currently)? (?:unable|not able|not allowed|not programmed|not going) to"
    r"|(?:do(?: not|n['’]t) feel|(?:am|['’]m) not) comfortable(?: with)?)"
    r"(?: (?:directly|really|actually|just|ethically|legally))? "
)
_ACT: Final = (
    rf"(?:(?:assist|help)(?:ing)?(?:{_END}| (?:you|with|in|out)\b)|(?:comply|complying)\b|fulfil+(?:ing)? "
    r"|(?:answer|respond|discuss|address)(?:ing)?(?: to)? (?:any|such|this|that|these|those|your|the|it)\b"
    rf"|(?:answer|respond|say|choose|vote|judge){_END}"
    r"|engag(?:e|ing) (?:in|with) |participat(?:e|ing)\b"
    r"|tak(?:e|ing) (?:part|sides|a (?:side|position|stance))\b"
    r"|provid(?:e|ing) (?:you|information|instructions|guidance|assistance|advice)\b"
    r"|(?:giv|offer|express|cast|provid)(?:e|ing)? (?:you\b|an? (?:answer|opinion|response|vote)\b)"
    r"|continue with (?:this|that|your)\b)"
)
_ENGLISH: Final = re.compile(
    rf"^[\W_]*(?:{_SORRY}[^.!?\n]{{0,80}}?)?(?:{_AS_AI}[^.!?\n]{{0,60}}?)?{_CANNOT}{_ACT}", re.IGNORECASE
)
_NO_OPINION: Final = re.compile(
    rf"^[\W_]*(?:{_SORRY}[^.!?\n]{{0,20}}?)?{_AS_AI}[^.!?\n]{{0,20}}? i (?:do not|don['’]t|cannot|can['’]?t)"
    r" have\b([^.!?\n]*)[.!?]?\s*$",
    re.IGNORECASE,
)
"""Said of oneself it is no more than modesty, unless nothing comes after it."""

_JA_SORRY: Final = (
    r"(?:(?:大変|誠に|まことに)?(?:申し訳(?:あり|ござい)ません|すみません|すいません|ごめんなさい)"
    r"|恐れ入りますが|残念ながら|恐縮ですが)"
)
_JA_OF: Final = (
    r"(?:(?:私は)?(?:AI|人工知能|(?:大規模)?言語モデル)"
    r"|(?:その|この)(?:ような|ご)?(?:ご?質問|ご?要望|ご?依頼|リクエスト))"
)
_JA_ACT: Final = (
    r"(?:お答え|お手伝い|お応え|ご?回答|ご協力|お力になること|ご案内|お教え|お受け)"
    r"(?:を|は|も|が)?(?:する)?(?:ことは|ことが|ことも)?"
)
_JA_CANNOT: Final = r"(?:(?:でき|出来)(?:ません|ない|かね)|(?:いた|致)?しかね|しておりません)(?:ます)?"
_JAPANESE: Final = re.compile(
    rf"^[\W_]*(?:(?:{_JA_SORRY}|{_JA_OF})[^。\n]{{0,80}}?)?{_JA_ACT}{_JA_CANNOT}", re.IGNORECASE
)

_SENTENCES: Final = re.compile(r"[^.!?。！？\n]+")
_OFFERS: Final = re.compile(
    r"\b(?:happy|glad|willing) to\b"
    r"|\bi (?:can|could|would|will)(?: \w+)? (?:help|assist|offer|provide|discuss)"
    r"|\bfeel free\b|\blet me know\b|\bplease\b|\bif you(?:['’]d|['’]re| )|\banything else\b|\binstead\b"
    r"|(?:他|ほか|別)[のに].{0,30}(?:質問|こと|お手伝い)|お気軽に|お知らせください",
    re.IGNORECASE,
)
"""Of a sentence that is said besides, out of politeness, whatever words of turning it has."""
_TURNS: Final = re.compile(
    r"\b(?:but|yet|however|still|nevertheless|nonetheless|though|although|that said|even so|on balance"
    r"|one (?:would|might|could) say|the (?:right |better |correct )?answer is"
    r"|for sure|certain(?:ty)?|definitively|without (?:more|further|knowing)"
    r"|i(?:['’]d| would| do| must| will)?(?: (?:also|still|therefore|thus|hence|nevertheless))?"
    r" (?:vote|hold|judge|think|believe|conclude|choose|pick|agree|disagree|lean|find|favou?r|support|oppose"
    r"|say)"
    r"|my (?:own )?(?:vote|view|answer|judge?ment|position|verdict))\b"
    r"|^が|が、|しかし|けれど|ただし|それでも|とはいえ|あえて|敢えて|強いて"
    r"|(?!^)と(?:思い|考え|判断し)|に(?:賛成|反対)",
    re.IGNORECASE,
)


def declines(text: str) -> bool:
    """Whether ``text``, the words that a vote comes with, declines to answer and does no more. Total."""
    text = text.strip()[:_MOST]
    if text[:1] and text[0] in _QUOTES and text[-1] not in _QUOTES:
        return False  # it quotes a refusal, and speaks of it
    modest = _NO_OPINION.search(text)
    if modest is not None:
        return not _turns(modest[1])
    found = _ENGLISH.search(text) or _JAPANESE.search(text)
    return found is not None and not _turns(text[found.end() :].lstrip(_QUOTES))


def _turns(rest: str) -> bool:
    """Whether words after a refusal come to an answer nevertheless."""
    sentences = _SENTENCES.findall(rest)
    return any(_TURNS.search(each) and not _OFFERS.search(each) for each in sentences)
