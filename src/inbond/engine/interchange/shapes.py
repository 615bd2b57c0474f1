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
from inbond.engine.interchange.marks import FIELD
from inbond.engine.interchange.turns import (
    check_answer,
    check_row,
    read_message,
    read_messages,
    read_text,
    says,
)
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
_TAKEN = (
    "id", FIELD, "messages", "conversations", "instruction", "input", "output", "system", "history", "prompt",
    "completion", "text", "weight", "label",
)  # fmt: skip
_OF_A_TURN = ("role", "content", "from", "value", "weight")
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
    check_answer(_answer_of(row), row)
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


def _answer_of(row: Row) -> Any:
    """The turn that is learnt, as it stands in the row; None where it is a text."""
    for name in ("completion", "messages", "conversations"):
        value = row.get(name)
        if value is not None:
            return value[-1] if isinstance(value, list) and value else None
    return None


def left_out(row: Row) -> list[str]:
    """Fields of the row, and of its turns, that say something and are not taken."""
    found = [name for name, value in row.items() if name not in _TAKEN and says(value)]
    for name in ("messages", "conversations", "prompt", "completion"):
        turns = row.get(name)
        for turn in turns if isinstance(turns, list) else ():
            if isinstance(turn, Mapping):
                fields = (each for each, value in turn.items() if each not in _OF_A_TURN and says(value))
                found += [f"{name}[].{each}" for each in fields]
    return list(dict.fromkeys(found))


def _split(row: Row) -> tuple[Prompt, str | None]:
    """Prompt and completion, None where there is none. The prompt is empty where only an answer is there."""
    check_row(row)
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
            return _answered(read_messages(row["messages"], "messages"), row)
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
        return read_messages(value, field)
    return read_text(value, field)


def _completion(row: Row) -> str | None:
    value = row.get("completion")
    if not isinstance(value, list):
        return value  # whoever needs an answer says that it is none
    turns = read_messages(value, "completion")
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


def _optional(row: Row, field: str) -> str | None:
    value = row.get(field)
    return None if value is None else read_text(value, field, empty=True)


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
    if not system or turns[0] == Message("system", system):
        return turns
    if turns[0].role == "system":
        raise InputError(
            expected="one system message", found='one as "system", another as the first turn', fix="join them"
        )
    return (Message("system", system), *turns)


def _said(item: Any, place: str) -> Message:
    if isinstance(item, Mapping) and item.get("role") is not None and item.get("from") is None:
        return read_message(item, place, "role", "content")
    return read_message(item, place, "from", "value", _FROM)


def _alpaca(row: Row) -> tuple[Message, ...]:
    """A question is asked, so it is a conversation, earlier rounds (``history``) included."""
    system, given = _optional(row, "system"), _optional(row, "input")
    given = given if given and given.strip() else None
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
        turns.append(Message("user", read_text(question, f"history[{number}][0]")))
        turns.append(Message(_ASSISTANT, read_text(answer, f"history[{number}][1]", empty=True)))
    asked = read_text(row["instruction"], "instruction", empty=bool(given))
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
