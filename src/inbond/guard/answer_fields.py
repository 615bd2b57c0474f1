"""Which fields of an answer are shown where reasoning is hidden: those of OpenAI's API, each in its place.
Pure.

Servers repeat reasoning, prompts and raw output in fields of their own, and new ones come with every release,
so that a list of what is hidden would always be too short. What is not known here is left out. A field that
is empty says nothing and stays, so that most answers pass as they came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from inbond.guard.answer_errors import ours

Json = dict[str, Any]
Rule = Callable[[Any], Any]
"""What is shown of a value that is not empty: itself when it is shown as it is, None when it is left out."""
Rules = Mapping[str, Rule]


def only(value: Json, rules: Rules) -> Json:
    """What is shown of an object; itself when nothing is left out."""
    shown: Json = {}
    same = True
    for name, each in value.items():
        kept = each
        if each:
            rule = rules.get(name)
            kept = rule(each) if rule is not None else None
            same = same and kept is each
            if kept is None:
                continue
        shown[name] = kept
    return value if same else shown


def as_is(value: Any) -> Any:
    """What the caller asked with."""
    return value


def word(value: Any) -> Any:
    """A name, an id, a number, a flag."""
    return value if isinstance(value, (str, int, float)) else None


def text(value: Any) -> Any:
    """A string."""
    return value if isinstance(value, str) else None


def record(value: Any) -> Any:
    """An object that is looked at elsewhere."""
    return value if isinstance(value, dict) else None


def numbers(value: Any) -> Any:
    """Counts, by names of one or more levels."""
    if isinstance(value, (int, float)):
        return value
    if not isinstance(value, dict):
        return None
    shown = {name: numbers(each) if each else each for name, each in value.items()}
    kept = {name: each for name, each in shown.items() if each is not None or not value[name]}
    return value if kept == value else kept


def of(rules: Rules) -> Rule:
    """An object with these fields."""
    return lambda value: only(value, rules) if isinstance(value, dict) else None


def some(rule: Rule) -> Rule:
    """A list: of what is left of each item."""

    def shown(value: Any) -> Any:
        if not isinstance(value, list):
            return None
        kept = [shown for each in value if (shown := rule(each)) is not None]
        same = len(kept) == len(value) and all(one is other for one, other in zip(kept, value, strict=True))
        return value if same else kept

    return shown


def each_of(rule: Rule, *names: str) -> dict[str, Rule]:
    """One rule for several fields."""
    return dict.fromkeys(names, rule)


_PLACES: Final = each_of(
    word, "type", "start_index", "end_index", "url", "title", "file_id", "filename", "index", "container_id"
)
ANNOTATION: Final = of(
    _PLACES | each_of(of(_PLACES), "url_citation", "file_citation", "file_path", "container_file_citation")
)

# Chat completions, completions ------------------------------------------------------------------------------

ANSWER: Final[Rules] = {
    **each_of(word, "id", "object", "created", "model", "system_fingerprint", "service_tier", "obfuscation"),
    **each_of(numbers, "usage", "timings"),
    "choices": some(record),
    "error": ours,
}
CHOICE: Final[Rules] = {
    **each_of(word, "index", "finish_reason"),
    **each_of(text, "stop_reason", "text"),
    **each_of(record, "delta", "message", "logprobs"),
}
SIGNATURE: Final = of({"google": of({"thought_signature": text})})
"""What Gemini wants back with a call of a tool. It is sealed by Google."""

# Responses --------------------------------------------------------------------------------------------------

RESPONSE: Final[Rules] = {
    **each_of(
        word, "id", "object", "created_at", "completed_at", "status", "background", "model",
        "max_output_tokens", "max_tool_calls", "parallel_tool_calls", "previous_response_id", "service_tier",
        "store", "temperature", "top_p", "top_logprobs", "truncation", "user", "safety_identifier",
        "prompt_cache_key", "prompt_cache_retention", "frequency_penalty", "presence_penalty",
    ),
    **each_of(as_is, "instructions", "metadata", "tools", "tool_choice"),
    "text": of({"format": as_is, "verbosity": word}),
    "reasoning": of(each_of(word, "effort", "summary", "generate_summary")),
    "incomplete_details": of({"reason": word}),
    "usage": numbers,
    "error": ours,
    "output": some(record),
    "output_text": text,
}  # fmt: skip
