"""What a teacher says before it answers: dropped, or kept as part of the completion where that is allowed.

A host may give reasoning in a field of its own (``reasoning_content``, ``reasoning``); weights write it
between ``<think>`` and ``</think>`` at the beginning. Kept, both become the latter. Pure.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from inbond.policy.facts import Facts
from inbond.recipes.recipe import Recipe
from inbond.teachers.protocols import Reply

_THOUGHT = re.compile(r"\s*<think>(?P<thought>.*?)(?:</think>(?P<rest>.*)|\Z)", re.DOTALL)

Kept = Literal["drop", "keep"]


def said(reply: Reply, kept: str) -> str:
    """What is learnt of a reply. Thoughts that were cut off leave no answer: the text is empty then."""
    found = _THOUGHT.match(reply.text)
    if found is None and (kept != "keep" or not reply.reasoning.strip()):
        return reply.text
    written = found["thought"] if found else ""
    rest = ((found["rest"] or "") if found else reply.text).lstrip()
    thought = "\n".join(each.strip() for each in (reply.reasoning, written) if each.strip())
    return f"<think>\n{thought}\n</think>\n\n{rest}" if kept == "keep" and thought and rest else rest


def resolved(recipe: Recipe, facts: Facts) -> Recipe:
    """The recipe with what became of only-if-permitted, by the facts that the gate let through."""
    kept: Kept = "keep" if facts.reasoning else "drop"
    return recipe.model_copy(update={"generate": recipe.generate.model_copy(update={"reasoning": kept})})


def asked_for(facts: Facts) -> Facts:
    """The same plan with reasoning learnt from."""
    return replace(facts, reasoning=True)
