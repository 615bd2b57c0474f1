"""The checks of a briefing as a verifier: is anything wrong with a reply to a question?

Runs in a worker of ``engine.verifying``, which loads this module by its name. ``expected`` is what
``expectation`` makes: the article, the reader's language, and which of its first questions was asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata, resources
from typing import Any, Final

from inbond.briefing import questions
from inbond.briefing.article import Article, Meta
from inbond.briefing.blocks import Block
from inbond.briefing.prompting import Ask
from inbond.digest import Digest, of_bytes, of_value
from inbond.engine.languages import tell
from inbond.engine.verifying.ruling import Ruling, cannot_tell, failed, passed
from inbond.errors import MissingExtraError

NAME: Final = "inbond.briefing.ruling"
_LANGUAGES: Final = "py3langid"
_RULED_BY: Final = (
    *("briefing/addresses.py", "briefing/article.py", "briefing/blocks.py", "briefing/checks.py"),
    *("briefing/claims.py", "briefing/decoding.py", "briefing/number_words.py", "briefing/numbers.py"),
    *("briefing/questions.py", "briefing/replies.py", "briefing/ruling.py", "briefing/saying.py"),
    *("briefing/translating.py", "engine/languages.py", "engine/wrong_language.py", "strict_json.py"),
)
"""All that decides a ruling: another text of any of them is another verifier."""


def source() -> Digest:
    """The digest of all that decides a ruling, and of what languages are told by."""
    package = resources.files("inbond")
    told: dict[str, str] = {name: of_bytes(package.joinpath(name).read_bytes()) for name in _RULED_BY}
    with suppress(metadata.PackageNotFoundError):
        told[_LANGUAGES] = metadata.version(_LANGUAGES)
    return of_value(told)


def expectation(article: Article, language: str, ask: Ask) -> dict[str, Any]:
    """What ``rule`` needs of a question, as JSON."""
    blocks = [block.to_json() for block in article.blocks]
    return {"meta": article.meta.to_json(), "blocks": blocks, "language": language, "question": ask.key}


def prepare() -> None:
    """Loads what languages are told by, before any reply's clock runs."""
    with suppress(MissingExtraError):
        tell("A sentence that is long enough to be told.")


def rule(completion: str, expected: Any) -> Ruling:
    """Rules on one reply. Its kind names the question and the check that failed most often in it, of equals
    the first."""
    try:
        article, language, ask = _read(expected)
    except (TypeError, KeyError, ValueError, StopIteration) as error:
        return cannot_tell("expected", f"expected is no question about an article ({type(error).__name__})")
    question = questions.kind_of(ask)
    problems = questions.wrong(ask, completion, article, language)
    if not problems:
        return passed(f"{question}: nothing is wrong with it")
    told = dict.fromkeys(map(str, problems))
    return failed(
        f"{question}: {Counter(each.check for each in problems).most_common(1)[0][0]}", "; ".join(told)
    )


def _read(expected: Mapping[str, Any]) -> tuple[Article, str, Ask]:
    article = Article(Meta(**expected["meta"]), tuple(Block(**block) for block in expected["blocks"]))
    language = expected["language"]
    ask = next(ask for ask in questions.first(article, language) if ask.key == expected["question"])
    return article, language, ask
