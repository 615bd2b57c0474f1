"""Text to token ids, as teacher and student both see it. Needs a tokenizer, not torch."""

from __future__ import annotations

from typing import Any

from jinja2 import TemplateError

from inbond.digest import Digest, of_value
from inbond.errors import InputError
from inbond.teachers.protocols import TokenSequence
from inbond.types import Prompt, Record

UNREADABLE = "\ufffd"
"""What decoding writes for bytes that are no character."""


def vocabulary_digest(tokenizer: Any) -> Digest:
    """Digest of all real tokens and their ids: two models may share targets when it is equal."""
    return of_value(dict(sorted(tokenizer.get_vocab().items())))


def pad_id(tokenizer: Any) -> int:
    """The id that fills up batches; it is never learnt from."""
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0)


def end_ids(model: Any, tokenizer: Any) -> set[int]:
    """The ids that end an answer: those of the model's generation settings, and the tokenizer's own."""
    listed = getattr(model.generation_config, "eos_token_id", None)
    ends = listed if isinstance(listed, (list, tuple)) else [listed]
    return {end for end in (*ends, tokenizer.eos_token_id) if end is not None}


def encode_prompt(tokenizer: Any, prompt: Prompt) -> list[int]:
    """Token ids of a prompt as the model should see it, ending where the answer begins.

    Raises InputError for a conversation when the tokenizer has no chat template, or one that refuses it.
    """
    if isinstance(prompt, str):
        ids: list[int] = tokenizer.encode(prompt)
        return ids
    if tokenizer.chat_template is None:
        raise InputError(
            expected="a tokenizer with a chat template, because the prompts are conversations",
            found="a tokenizer without one",
            fix='give prompts as plain text ("prompt": ...), or use an instruction-tuned teacher',
        )
    turns = [message.to_json() for message in prompt]
    try:
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    except TemplateError as error:  # no system message, or turns that do not alternate, say some
        raise InputError(
            expected="a conversation that the tokenizer's chat template has a form for",
            found=f"turns of {', '.join(turn.role for turn in prompt)[:200]}: {error!s:.200}",
            fix="ask in turns that the model knows, or take another teacher",
        ) from error
    ids = tokenizer.encode(text, add_special_tokens=False)
    return ids


def answer_text(completion: str, *, ended: bool) -> str:
    """An answer as it is learnt: where it was cut off, without the signs (U+FFFD) at its end that stand for
    half a character. No model said those."""
    return completion if ended else completion.rstrip(UNREADABLE)


def encode_answer(tokenizer: Any, text: str) -> list[int]:
    """Token ids of an answer. What looks like a special token is text, as it was when a model wrote it: an
    answer that quotes an end-of-turn token does not end there."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    return ids


def encode_record(tokenizer: Any, record: Record, *, ended: bool = True) -> TokenSequence:
    """Prompt and completion as one sequence, with the end-of-turn token when the answer had ``ended``:
    a student must not learn to stop where an answer was merely cut off.

    The two are tokenised apart, as they are when the model answers, so that no token spans the border.
    """
    prompt = encode_prompt(tokenizer, record.prompt)
    said = encode_answer(tokenizer, answer_text(record.completion, ended=ended))
    if ended and tokenizer.eos_token_id is not None:
        said = [*said, tokenizer.eos_token_id]
    if not prompt:  # nothing to predict the first token from, so the first token is given
        prompt, said = said[:1], said[1:]
    return TokenSequence((*prompt, *said), len(prompt))
