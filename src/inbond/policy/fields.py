"""Fields of use: the tags that a plan may declare and that terms may close.

Terms close fields in words of their own, so a tag stands for a defined field. A declared field that is
sensitive but not named by a text with closed fields, and a tag that is not on these lists, are a
person's decision: a synonym must never slip through.
"""

from __future__ import annotations

from collections.abc import Mapping

SENSITIVE: Mapping[str, str] = {
    "medical": "medical advice, or interpreting medical results",
    "justice": "administration of justice and legal proceedings",
    "law-enforcement": "police and law enforcement",
    "immigration": "immigration and border control",
    "asylum": "asylum",
    "automated-decisions": "decisions about people's rights or obligations made by machine alone",
    "legal-advice": "legal advice",
    "finance": "credit, insurance and financial advice",
    "employment": "hiring and managing people",
    "military": "military use",
    "weapons": "developing or using weapons",
    "surveillance": "watching or identifying people",
    "biometrics": "identifying or categorising people by their bodies",
    "critical-infrastructure": "running power, water, transport or other critical infrastructure",
    "politics": "influencing elections or opinion",
    "children": "systems for or about children",
    "adult-content": "sexual content",
    "gambling": "gambling",
}
_ORDINARY = """
general coding customer-support translation summarisation search writing office retail logistics
manufacturing games travel agriculture mathematics
"""

ORDINARY: frozenset[str] = frozenset(_ORDINARY.split())
"""Fields that no text we know of closes."""
