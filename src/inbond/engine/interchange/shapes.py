"""The shapes in which others keep a conversation, told apart by their fields. Pure.

- prompt: ``{"prompt": text or messages, "completion": text or one message}`` (TRL's columns among them), or
  ``{"text": text}``
- chat: ``{"messages": [{"role", "content"}, ...]}``, with or without ``"completion"``
- sharegpt: ``{"conversations": [{"from", "value"}, ...], "system": text}``
- alpaca: ``{"instruction", "input", "output", "system", "history"}``

A conversation of several turns is one example: the assistant's last turn is its completion, all before it
is the prompt, earlier turns of the assistant included. They are read and not learnt. As a prompt alone,
such a last turn is left out: the teacher gives its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from inbond.engine.interchange.lines import refuse
from inbond.errors import InputError
from inbond.types import Message, Prompt, Record

Shape = Literal["chat", "sharegpt", "alpaca", "trl"]
"""A shape that is written. ``trl``: prompt and completion, both as messages, or both as text."""
Row = Mapping[str, Any]

_ASSISTANT = "assistant"
_FROM = {
    "human": "user", "user": "user", "gpt": _ASSISTANT, "assistant": _ASSISTANT, "model": _ASSISTANT,
    "chatgpt": _ASSISTANT, "bing": _ASSISTANT, "bard": _ASSISTANT, "system": "system", "tool": "tool",
}  # fmt: skip
_TO = {"user": "human", _ASSISTANT: "gpt", "system": "system", "tool": "tool"}
_ALPACA_JOIN = "\n\n"
"""Between an instruction and its input, when they become one question."""


@contextlib.contextmanager
def at(place: str) -> Iterator[None]:
    """Adds the file and line, or row, to what is wrong with it."""
    try:
        yield
    except InputError as error:
        raise refuse(place, error.expected, error.found, error.fix) from error


def read_prompt(row: Row) -> Prompt:
    """The prompt alone. Raises InputError that names the field."""
    prompt, _ = _split(row)
    if not prompt:
        raise InputError(
            expected="a conversation in which something is asked",
            found="nothing but the assistant's turn",
            fix="put the question before it",
        )
    return prompt


def read_record(row: Row) -> Record:
    """Prompt and completion. Raises InputError that names the field."""
    prompt, completion = _split(row)
    if not isinstance(completion, str) or not completion.strip():
        if completion is None and row.get("chosen") is not None:
            raise InputError(
                expected='"completion": a non-empty string',
                found="a preference (chosen, rejected)",
                fix="give the answer to learn as completion",
            )
        raise InputError(
            expected=_answer_field(row), found=f"{completion!r:.80}", fix="give the answer to learn"
        )
    if not prompt:
        raise InputError(
            expected="a question before the answer", found="none", fix="put it there, or leave the row out"
        )
    return Record(prompt, completion)


def _answer_field(row: Row) -> str:
    if row.get("instruction") is not None:
        return '"output": a non-empty string'
    if row.get("conversations") is not None:
        return 'a conversation that ends with a turn of "gpt"'
    if row.get("messages") is not None:
        return '"completion": a non-empty string, or messages that end with the assistant\'s'
    return '"completion": a non-empty string'


def _split(row: Row) -> tuple[Prompt, str | None]:
    """Prompt and completion, None where there is none. The prompt is empty where only an answer is there."""
    named = [name for name in ("messages", "conversations", "instruction") if row.get(name) is not None]
    if row.get("prompt") is not None:
        named.append("prompt")
    if len(named) > 1:
        raise InputError(
            expected='one way of asking: "prompt", "messages", "conversations" or "instruction"',
            found="fields " + " and ".join(map(repr, named)),
            fix="remove all but one of them, or name fields in a template",
        )
    match named:
        case ["messages"]:
            return _answered(_messages(row["messages"], "messages"), row)
        case ["conversations"]:
            return _answered(_sharegpt(row), row)
        case ["instruction"]:
            return _alpaca(row), _optional(row, "output")
        case ["prompt"]:
            return _asked(row["prompt"]), _completion(row)
        case _:
            if row.get("text") is not None:
                return _asked(row["text"], "text"), _completion(row)
            raise InputError(
                expected='either "prompt": a non-empty string, or "messages": a non-empty list '
                '(or "conversations", "instruction", "text")',
                found=f"fields {', '.join(map(repr, row)) or 'none'}",
                fix='write {"prompt": "..."} or {"messages": [{"role": "user", "content": "..."}]}',
            )


def _asked(value: Any, field: str = "prompt") -> Prompt:
    if isinstance(value, list) and field == "prompt":
        return _messages(value, field)
    return _text(value, field)


def _completion(row: Row) -> str | None:
    value = row.get("completion")
    if not isinstance(value, list):
        return value  # whoever needs an answer says that it is none
    turns = _messages(value, "completion")
    if len(turns) != 1 or turns[0].role != _ASSISTANT:
        raise InputError(
            expected='"completion": one message of the assistant',
            found=f"{len(turns)}, of {', '.join(turn.role for turn in turns)}",
            fix="put earlier turns into the prompt",
        )
    return turns[0].content


def _answered(turns: tuple[Message, ...], row: Row) -> tuple[Prompt, str | None]:
    completion = _completion(row)
    if completion is not None or turns[-1].role != _ASSISTANT:
        return turns, completion
    return turns[:-1], turns[-1].content


def _messages(value: Any, field: str) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise InputError(
            expected=f'"{field}": a non-empty list of messages',
            found=f"{value!r:.80}",
            fix='write {"messages": [{"role": "user", "content": "..."}]}',
        )
    return tuple(_message(item, f"{field}[{number}]", "role", "content") for number, item in enumerate(value))


def _message(item: Any, place: str, who: str, what: str) -> Message:
    if not isinstance(item, Mapping) or not isinstance(item.get(who), str):
        raise InputError(
            expected=f'a message {{"{who}": string, "{what}": string}} at {place}',
            found=f"{item!r:.200}",
            fix="give every message a role and a text",
        )
    if item.get("tool_calls"):
        raise InputError(
            expected=f"messages of text at {place}", found="tool_calls", fix="leave this conversation out"
        )
    return Message(item[who], _content(item.get(what), f"{place}.{what}"))


def _content(value: Any, place: str) -> str:
    """Text, or a list of parts that are all text."""
    parts = value if isinstance(value, list) else [{"type": "text", "text": value}]
    if not all(isinstance(part, Mapping) and part.get("type") == "text" for part in parts):
        raise InputError(
            expected=f"text alone at {place}", found=f"{value!r:.120}", fix="images and sounds are not learnt"
        )
    return "".join(_text(part.get("text"), place, empty=True) for part in parts)


def _text(value: Any, place: str, *, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or empty):
        raise InputError(
            expected=f'"{place}": a {"" if empty else "non-empty "}string',
            found=f"{value!r:.80}",
            fix='write {"prompt": "..."} or {"messages": [{"role": "user", "content": "..."}]}',
        )
    if "\0" in value:
        raise InputError(expected=f"text at {place}", found="\\u0000 (NUL)", fix="remove it")
    return value


def _optional(row: Row, field: str) -> str | None:
    value = row.get(field)
    return None if value is None else _text(value, field, empty=True)


def _sharegpt(row: Row) -> tuple[Message, ...]:
    value = row["conversations"]
    if not isinstance(value, list) or not value:
        raise InputError(
            expected='"conversations": a non-empty list',
            found=f"{value!r:.80}",
            fix='write {"conversations": [{"from": "human", "value": "..."}]}',
        )
    turns = tuple(_said(item, f"conversations[{number}]") for number, item in enumerate(value))
    system = _optional(row, "system")
    return (Message("system", system), *turns) if system else turns


def _said(item: Any, place: str) -> Message:
    if isinstance(item, Mapping) and item.get("role") is not None:
        return _message(item, place, "role", "content")
    turn = _message(item, place, "from", "value")
    if turn.role not in _FROM:
        raise InputError(
            expected=f'"from" at {place}: one of {", ".join(_FROM)}',
            found=repr(turn.role),
            fix="rename it, or write the conversation as messages",
        )
    return Message(_FROM[turn.role], turn.content)


def _alpaca(row: Row) -> tuple[Message, ...]:
    """A question is asked, so it is a conversation, earlier rounds (``history``) included."""
    system, given = _optional(row, "system"), _optional(row, "input")
    turns = [Message("system", system)] if system else []
    history = row.get("history") or []
    if not isinstance(history, list) or not all(
        isinstance(pair, list) and len(pair) == 2 for pair in history
    ):
        raise InputError(
            expected='"history": a list of pairs [question, answer]',
            found=f"{history!r:.80}",
            fix="leave it out, or write the conversation as messages",
        )
    for number, (question, answer) in enumerate(history):
        turns.append(Message("user", _text(question, f"history[{number}][0]", empty=True)))
        turns.append(Message(_ASSISTANT, _text(answer, f"history[{number}][1]", empty=True)))
    asked = _text(row["instruction"], "instruction", empty=bool(given))
    return (*turns, Message("user", _ALPACA_JOIN.join(filter(None, (asked, given)))))


# To write --------------------------------------------------------------------------------------------


def to_row(record: Record, shape: Shape, *, as_text: bool = False) -> dict[str, Any]:
    """One row of ``shape``. Raw text that is to be continued becomes a user's turn; only ``trl`` can say it
    ``as_text``, and then of all rows. Reading the row gives back the conversation and its completion.

    Raises InputError for a turn that the shape has no word for.
    """
    prompt = record.prompt
    if shape == "trl" and as_text:
        assert isinstance(prompt, str), "a conversation is no text"
        return {"prompt": prompt, "completion": record.completion}
    turns = (Message("user", prompt),) if isinstance(prompt, str) else prompt
    answer = Message(_ASSISTANT, record.completion)
    match shape:
        case "chat":
            return {"messages": [turn.to_json() for turn in (*turns, answer)]}
        case "sharegpt":
            return {"conversations": [_to_sharegpt(turn) for turn in (*turns, answer)]}
        case "alpaca":
            return _to_alpaca(turns, record.completion)
        case "trl":
            return {"prompt": [turn.to_json() for turn in turns], "completion": [answer.to_json()]}


def _to_sharegpt(turn: Message) -> dict[str, str]:
    if turn.role not in _TO:
        raise _no_word("sharegpt", f"a turn of {turn.role!r}")
    return {"from": _TO[turn.role], "value": turn.content}


def _to_alpaca(turns: tuple[Message, ...], completion: str) -> dict[str, Any]:
    system = turns[0].content if turns[0].role == "system" and turns[0].content else None
    asked = turns[1:] if system else turns
    roles = [turn.role for turn in asked]
    if not asked or roles != ["user", _ASSISTANT] * (len(asked) // 2) + ["user"] or not asked[-1].content:
        raise _no_word("alpaca", f"turns of {', '.join(turn.role for turn in turns)}")
    pairs = [[q.content, a.content] for q, a in zip(asked[:-1:2], asked[1::2], strict=True)]
    row = {"instruction": asked[-1].content, "input": "", "output": completion}
    return row | ({"system": system} if system else {}) | ({"history": pairs} if pairs else {})


def _no_word(shape: str, found: str) -> InputError:
    return InputError(
        expected=f"conversations that {shape} has a shape for", found=found, fix="export them as chat or trl"
    )
