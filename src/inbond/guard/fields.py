"""What a request may ask for: the fields of each route that the guard knows. Pure.

A field that is not listed is refused by its name, since nobody knows what it costs, whose data it opens or
what it shows: servers have fields that beat the limit of an answer, choose another model, or return the
prompt. Listed is what OpenAI's reference (2026-11) has and can be metered, and what llama.cpp and vLLM have
for sampling. A provider may allow more, at its own risk; some can never be.

Ids of what an upstream keeps are refused wherever they stand. It keeps all under the guard's own key, so that
nobody could say whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Final

from inbond.guard.hiding import EMPTIED

_SAMPLING: Final = frozenset(
    {
        "temperature", "top_p", "seed", "stop", "frequency_penalty", "presence_penalty", "logit_bias",
        "top_k", "top_n_sigma", "min_p", "typical_p", "repetition_penalty", "repeat_penalty", "repeat_last_n",
        "length_penalty", "dynatemp_range", "dynatemp_exponent", "mirostat", "mirostat_tau", "mirostat_eta",
        "dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n", "dry_sequence_breakers",
        "xtc_probability", "xtc_threshold", "samplers", "min_tokens", "ignore_eos", "stop_token_ids",
        "cache_prompt",
    }
)  # fmt: skip
_BESIDE: Final = frozenset(
    {"model", "user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"}
)
_ANSWER: Final = frozenset({"stream", "stream_options", "service_tier", "store"})
LISTED: Final[Mapping[str, frozenset[str]]] = {
    "chat/completions": _SAMPLING | _BESIDE | _ANSWER | {
        "messages", "max_tokens", "max_completion_tokens", "n", "logprobs", "top_logprobs", "tools",
        "tool_choice", "parallel_tool_calls", "functions", "function_call", "response_format", "modalities",
        "prediction", "reasoning_effort", "verbosity",
    },
    "completions": _SAMPLING | _BESIDE | _ANSWER | {
        "prompt", "suffix", "echo", "max_tokens", "n", "logprobs",
    },
    "responses": _SAMPLING | _BESIDE | _ANSWER | {
        "input", "instructions", "max_output_tokens", "max_tool_calls", "include", "top_logprobs", "tools",
        "tool_choice", "parallel_tool_calls", "text", "reasoning", "truncation", "background",
    },
    "embeddings": _BESIDE | {"input", "dimensions", "encoding_format"},
}  # fmt: skip
"""By route."""

NEVER: Final[Mapping[str, str]] = {
    "models": "name one model as model",
    "fallbacks": "name one model as model",
    "background_options": "say all in one request",
    "previous_response_id": "say all in one request",
    "conversation": "say all in one request",
    "id_slot": "the server chooses",
    "lora": "name one model as model",
}
"""What would have another model answer than the one that is counted, or go on where nobody meters it, with
what to do instead: no configuration allows it."""
_INSTEAD: Final[Mapping[str, str]] = {
    "n_predict": "say max_tokens",
    "max_new_tokens": "say max_tokens",
    "max_length": "say max_tokens",
    "max_gen_len": "say max_tokens",
    "n_cmpl": "say n",
    "best_of": "say n",
    "prompt": "say all in one request",
    "use_beam_search": "say n",
}
LIMITS: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens", "n_predict", "max_new_tokens")
"""Names of the most tokens of an answer, where they are allowed: one goes on, with what was held."""
ANSWERS: Final = ("n", "best_of", "n_cmpl")
"""Names of the number of answers, where they are allowed."""
_TIERS: Final = (None, "auto", "default")
_OF_STREAMS: Final = frozenset({"include_usage", "include_obfuscation"})
"""Of stream_options. vLLM's continuous_usage_stats has counts of one answer stand for those of all."""

_CALLED: Final = frozenset({"function", "custom"})
_ITEMS: Final = frozenset(
    {
        "message", "reasoning", "function_call", "function_call_output", "custom_tool_call",
        "custom_tool_call_output",
    }
)  # fmt: skip
_KEPT: Final = frozenset(
    {
        "file_id", "file_ids", "vector_store_id", "vector_store_ids", "container_id", "connector_id", "uuid",
        "previous_response_id", "conversation_id",
    }
)  # fmt: skip
"""Names of ids; ``uuid`` is vLLM's for a picture that it has seen before."""
_MEDIA: Final = frozenset({"audio", "file", "image", "video", "input_audio"})
"""What has its data in it, an address, or only an id."""
_ADDRESSES: Final = frozenset({"url", "image_url", "file_url", "video_url", "audio_url"})
_TELLING: Final = _KEPT | _MEDIA | _ADDRESSES
_SCHEMES: Final = ("http:", "https:", "data:")
_ARGUMENTS: Final = "arguments"
"""What a model said to a function, where servers take it as an object."""


def unlisted(route: str, value: Mapping[str, Any], more: Set[str]) -> str | None:
    """What is the matter with a request's fields, and what to do about it; None for nothing. A field that is
    null is not said. ``more`` are fields that the provider allows besides."""
    if not value.keys() <= LISTED[route]:
        names = {name for name in value.keys() - LISTED[route] - more if value[name] is not None}
        if names:
            return refused(route, min(names))
    return _beyond(route, value, more)


def refused(route: str, name: str) -> str:
    """What a caller is told of a field that is not served, or of what stands within one."""
    shown = name if len(name) <= 64 and name.isascii() and name.isprintable() else f"{name[:64]!a}"
    fix = NEVER.get(name) or _INSTEAD.get(name)
    if fix is None:
        return f"{shown} is not served on {route}: leave it out, or ask the provider to allow it"
    return f"{shown} is not served: {fix}"


def _beyond(route: str, value: Mapping[str, Any], more: Set[str]) -> str | None:
    """Listed fields that are served with some of their values."""
    if value.get("store"):
        return "store is not served: nothing is kept for later, so leave it out or say false"
    if value.get("background"):
        return "background is not served: say all in one request"
    if value.get("service_tier") not in _TIERS:
        return "service_tier is not served but as auto or default: there is one price"
    if value.get("modalities") not in (None, ["text"]) and "modalities" not in more:
        return 'modalities is not served but as ["text"]'
    options = value.get("stream_options")
    if isinstance(options, dict) and not options.keys() <= _OF_STREAMS:
        others = options.keys() - _OF_STREAMS
        if names := {f"stream_options.{name}" for name in others if options[name] is not None} - more:
            return refused(route, min(names))
    return _tools(value.get("tools"))


def _tools(found: Any) -> str | None:
    for tool in found if isinstance(found, list) else ():
        kind = tool.get("type", "function") if isinstance(tool, dict) else None
        if not isinstance(kind, str) or kind not in _CALLED:
            shown = kind[:64] if isinstance(kind, str) else "something else"
            return f"a tool is a function or custom, not {shown!a}: the model server runs none itself"
    return None


def elsewhere(message: Mapping[str, Any], *, item: bool) -> str | None:
    """What is the matter with a message (or an ``item`` of a response) that names what is kept elsewhere;
    None for nothing."""
    kind = message.get("type", "message")
    if item and (not isinstance(kind, str) or kind not in _ITEMS):
        return (
            f"items of type {str(kind)[:64]!a} are not served: messages, reasoning and calls of functions are"
        )
    if kind == "item_reference" or (len(message) <= 2 and message.keys() <= {"id", "type"}):
        return "an item that is only named is not served: send it whole"
    if kind == "reasoning" and EMPTIED not in message and not _says(message):
        return "reasoning that is only named is not served: send it whole, or leave it out"
    return _within(message)


def _says(item: Mapping[str, Any]) -> bool:
    return any(item.get(name) for name in ("content", "summary", "encrypted_content"))


def _within(message: Mapping[str, Any]) -> str | None:
    waiting: list[Any] = [message]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if not _TELLING.isdisjoint(found) and (fault := _named(found)) is not None:
                return fault
            waiting += [
                each for name, each in found.items() if isinstance(each, (dict, list)) and name != _ARGUMENTS
            ]
        else:
            waiting += [each for each in found if isinstance(each, (dict, list))]
    return None


def _named(found: Mapping[str, Any]) -> str | None:
    for name in found.keys() & _KEPT:
        if found[name]:
            return f"{name} is not served: send what it stands for"
    for name in found.keys() & _MEDIA:
        inner = found[name]
        if isinstance(inner, dict) and inner.get("id"):
            return f"{name}.id is not served: send what it stands for"
    for name in found.keys() & (_ADDRESSES | _MEDIA):
        inner = found[name]
        if any(map(_is_elsewhere, inner if isinstance(inner, list) else (inner,))):
            return f"{name} is served with http:, https: or data: only"
    return None


def _is_elsewhere(address: Any) -> bool:
    return isinstance(address, str) and address != "" and not address.lower().startswith(_SCHEMES)


def is_logprobs(name: str) -> bool:
    """Whether a field asks for log-probabilities, in whichever server's spelling."""
    said = name.lower()
    return "logprob" in said or "log_prob" in said or said.endswith("probs")
