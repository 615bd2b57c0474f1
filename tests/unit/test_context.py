"""What the teacher sees and the student does not: the same answer tokens behind another beginning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import InputError
from inbond.ledger.records import Row
from inbond.recipes import context
from inbond.recipes.answers import requests_for
from inbond.recipes.reading import parse
from inbond.recipes.recipe import Recipe
from inbond.teachers.tokens import encode_record
from inbond.types import Message, Origin, Record
from tests.tiny import make_tokenizer

TOKENIZER = make_tokenizer()
ORIGIN = Origin("path:t", "self-hosted", "author", {}, None)


def recipe(**prompts: Any) -> Recipe:
    changes = {key: prompts.pop(key) for key in ("capture", "preferences") if key in prompts}
    return parse(
        {"name": "x", "teacher": "path:t", "prompts": {"items": ["a"], **prompts}, **changes}, "test"
    )


def row(prompt: str, completion: str) -> Row:
    return Row(Record((Message("user", prompt),), completion), ORIGIN, finish="stop")


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_the_labels_are_the_same_tokens_and_only_the_beginning_differs(
    seen: str, prompt: str, completion: str
) -> None:
    told = recipe().model_copy(update={"prompts": recipe().prompts.model_copy(update={"context": seen})})
    rows = [row(prompt, completion)]
    plain = [encode_record(TOKENIZER, each.record) for each in rows]
    (found,) = context.encode_seen(TOKENIZER, told, rows, plain)
    assert found.labels == plain[0].labels
    assert found.ids[found.prompt_length :] == plain[0].ids[plain[0].prompt_length :]
    assert found.prompt_length > plain[0].prompt_length


def test_the_prompts_own_system_message_stays_behind_the_context() -> None:
    prompt = (Message("system", "Be kind."), Message("user", "Hi"))
    assert context.seen(recipe(context="Rules."), prompt) == (
        Message("system", "Rules.\n\nBe kind."), Message("user", "Hi"),
    )  # fmt: skip
    assert context.seen(recipe(), prompt) == prompt


def test_the_teacher_is_asked_in_context_and_the_record_is_without() -> None:
    plain = (Message("user", "a"),)
    (request,) = requests_for(recipe(context="Rules."), "t", plain)
    assert request.prompt == (Message("system", "Rules."), *plain)
    assert requests_for(recipe(), "t", plain)[0].prompt == plain


def test_a_file_of_context_is_read(tmp_path: Path) -> None:
    (tmp_path / "rules.txt").write_text("\n Be brief.\n", encoding="utf-8")
    assert context.with_context(recipe(context_file="rules.txt"), tmp_path).prompts.context == "Be brief."


@pytest.mark.parametrize(
    ("content", "found"), [(None, "No such file"), (b"", "an empty file"), (b"\xff\xfe", "codec")]
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes | None, found: str) -> None:
    if content is not None:
        (tmp_path / "rules.txt").write_bytes(content)
    with pytest.raises(InputError, match="which prompts.context_file names") as caught:
        context.with_context(recipe(context_file="rules.txt"), tmp_path)
    assert found in caught.value.found


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"context": "a", "context_file": "b"}, "context and context_file exclude each other"),
        ({"context": " "}, "a context says something"),
        ({"context": "a", "chat": False}, "a context is for conversations"),
    ],
)
def test_a_context_that_cannot_be_is_refused(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        recipe(**values)


def test_what_would_be_asked_without_the_context_is_refused() -> None:
    with pytest.raises(InputError, match="capture.targets = online") as caught:
        context.check(recipe(context="a", capture={"targets": "online"}))
    assert "top-k or sampled" in caught.value.fix
    context.check(recipe(capture={"targets": "online"}))


def test_a_tokenizer_that_writes_answers_otherwise_is_refused() -> None:
    rows = [row("a", "b")]
    other = [encode_record(TOKENIZER, row("a", "c").record)]
    with pytest.raises(InputError, match="the same tokens of an answer"):
        context.encode_seen(TOKENIZER, recipe(context="Rules."), rows, other)


def template(text: str) -> Any:
    tokenizer = make_tokenizer()
    tokenizer.chat_template = text
    return tokenizer


SAID = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
DEAF = SAID.replace("{{", "{% if m['role'] != 'system' %}{{").replace("}}", "}}{% endif %}")
STERN = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
)


def test_a_template_without_a_place_for_a_context_is_refused() -> None:
    context.check_shown(TOKENIZER, recipe(context="Rules."))
    with pytest.raises(InputError, match="the teacher would never see the context"):
        context.check_shown(template(DEAF), recipe(context="Rules."))
    with pytest.raises(InputError) as caught:
        context.check_shown(template(STERN + SAID), recipe(context="Rules."))
    assert caught.value.found == "turns of system, user: System role not supported"
    assert "chat template" in caught.value.expected
