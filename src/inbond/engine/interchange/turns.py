"""Turns of a conversation as others write them: text alone, of roles that chat templates know. Pure.

What text cannot say (a call of a tool, an image) is refused, never left out in silence: the rest of the
conversation would not be what was said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from inbond.errors import InputError
from inbond.types import Message

ROLES: Final = ("system", "developer", "user", "assistant", "tool")
"""Those that chat templates know."""
MEDIA: Final = ("image", "images", "audio", "audios", "video", "videos")
_CALLS: Final = ("tool_calls", "function_call")
_THOUGHTS: Final = ("reasoning_content", "reasoning", "thinking")
_NOTHING: Final[tuple[Any, ...]] = (None, "", "[]", "{}", "null", [], {}, ())
_WRITE = 'write {"prompt": "..."} or {"messages": [{"role": "user", "content": "..."}]}'


def read_messages(value: Any, field: str) -> tuple[Message, ...]:
    """A list of ``{"role", "content"}``. Raises InputError that names the place."""
    if not isinstance(value, list) or not value:
        raise InputError(
            expected=f'"{field}": a non-empty list of messages',
            found=f"{value!r:.80}",
            fix='write {"messages": [{"role": "user", "content": "..."}]}',
        )
    return tuple(
        read_message(item, f"{field}[{number}]", "role", "content") for number, item in enumerate(value)
    )


def read_message(
    item: Any, place: str, who: str, what: str, known: Mapping[str, str] | None = None
) -> Message:
    """One turn, ``who`` and ``what`` being its fields. ``known`` translates what others call the roles; None:
    they are ours. Raises InputError."""
    if not isinstance(item, Mapping) or not isinstance(item.get(who), str):
        raise InputError(
            expected=f'a message {{"{who}": string, "{what}": string}} at {place}',
            found=f"{item!r:.200}",
            fix="give every message a role and a text",
        )
    _refuse_calls(item, place, item[who])
    names = known if known is not None else {role: role for role in ROLES}
    if item[who] not in names:
        raise InputError(
            expected=f'"{who}" at {place}: one of {", ".join(names)}',
            found=repr(item[who])[:80],
            fix="rename it" if known is None else "rename it, or write the conversation as messages",
        )
    said = Message(names[item[who]], _content(item.get(what), f"{place}.{what}"))
    if said.role == "user" and not said.content.strip():
        raise InputError(
            expected=f"something said at {place}.{what}",
            found=f"{said.content!r:.80}",
            fix="fill it in, or leave the conversation out",
        )
    return said


def _refuse_calls(item: Mapping[str, Any], place: str, role: str) -> None:
    found = [name for name in (*_CALLS, *MEDIA) if says(item.get(name))]
    found += [repr(role)] if role in ("function_call", "function_response", "observation") else []
    if found:
        raise InputError(
            expected=f"messages of text at {place}",
            found=found[0],
            fix="leave this conversation out: calls of tools, images and sounds are not learnt",
        )


def says(value: Any) -> bool:
    """Whether a field holds anything: tables with a column for all have it empty where there is nothing."""
    return value not in _NOTHING


def check_row(row: Mapping[str, Any]) -> None:
    """Raises InputError for what belongs to a whole conversation and is no text."""
    for name in ("tools", "functions", *MEDIA):
        if says(row.get(name)):
            raise InputError(
                expected="conversations of text alone, without tools",
                found=f"the field {name!r} with {row[name]!r:.60}",
                fix="leave the row out, or name the fields to ask with in a template",
            )


def check_answer(answer: Any, row: Mapping[str, Any]) -> None:
    """Raises InputError for an answer that is marked as not to be learnt, or as only a part of what was said.

    ``answer`` is the turn as it stands in the row, or the row itself where it is a plain text.
    """
    parts = [part for part in (answer, row) if isinstance(part, Mapping)]
    for part in parts:
        for name in _THOUGHTS:
            if says(part.get(name)):
                raise InputError(
                    expected="an answer that is one text",
                    found=f"{name!r} beside it, which would be lost",
                    fix="put it before the answer between <think> and </think>, or remove the field",
                )
        if says(part.get("refusal")):
            raise InputError(
                expected="an answer", found=f"a refusal, {part['refusal']!r:.60}", fix="leave the row out"
            )
        weight = part.get("weight")
        if weight is not None and weight != 1:
            raise InputError(
                expected="an answer that is learnt as all others are",
                found=f"weight {weight!r:.40}",
                fix="leave out the rows of weight 0, and put others into a file of own_data with its weight",
            )
    if row.get("label") is False:
        raise InputError(
            expected="an answer to learn", found="label false: one that is not", fix="leave the row out"
        )


def _content(value: Any, place: str) -> str:
    """Text, or a list of parts that are all text."""
    parts = value if isinstance(value, list) else [{"type": "text", "text": value}]
    if not all(isinstance(part, Mapping) and part.get("type") == "text" for part in parts):
        raise InputError(
            expected=f"text alone at {place}", found=f"{value!r:.120}", fix="images and sounds are not learnt"
        )
    return "".join(read_text(part.get("text"), place, empty=True) for part in parts)


def read_text(value: Any, place: str, *, empty: bool = False) -> str:
    """A string without NUL; raises InputError that names the place."""
    if not isinstance(value, str) or not (value or empty):
        raise InputError(
            expected=f'"{place}": a {"" if empty else "non-empty "}string',
            found=f"{value!r:.80}",
            fix=_WRITE,
        )
    if "\0" in value:
        raise InputError(expected=f"text at {place}", found="\\u0000 (NUL)", fix="remove it")
    return value
