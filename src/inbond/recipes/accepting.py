"""``--accept``: which gates a person's reason names, and the words that a stopped run asks for.

A policy review takes any reason. A failed gate takes only one that names it, so that a habitual
``--accept`` lets out no student whose report nobody has read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from inbond.policy.gate import reason_given

STOPPING = {"stop": ("fail",), "strict": ("fail", "cannot-tell")}
"""The outcomes of a quality gate that keep the student in, by the gate's action."""


def addressed(text: str) -> tuple[frozenset[str], str]:
    """The names before the colon of ``diversity, generality: REASON``, and the reason; no names and the
    whole text where there is no colon. Colons and commas of Japanese and Chinese count too."""
    head, colon, reason = (
        re.split(r"([:：])", text, maxsplit=1) if re.search("[:：]", text) else ("", "", text)
    )
    names = frozenset(name.strip().casefold() for name in re.split("[,，、]", head) if colon)
    return names - {""}, reason.strip()


def reason_for(name: str, text: str, what: str) -> str | None:
    """The reason with which ``text`` accepts what is called ``name``; None when it does not name it. ``what``
    says what a reason is wanted for. Raises InputError when there is no reason at all."""
    names, reason = addressed(text)
    if name in names:
        return reason_given(reason, what, words([name]))
    reason_given(text, what, words([name]))
    return None


def words(names: Sequence[str]) -> str:
    """The option that accepts these, as a person types it."""
    return f'--accept "{", ".join(names)}: REASON"'
