"""YAML that is read in one way only, and every refusal in one line."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond import strict_yaml


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a: 1\na: 2", "line 2: the field 'a' twice"),
        (b"a:\n  - b: 1\n    b: 1", "line 3: the field 'b' twice"),
        (b"a: &x 1\nb: *x", "line 2: an alias (*name): write it out"),
        (b"a: {<<: {b: 1}}", "line 1: merging (<<): write it out"),
        (b"a: 2024-13-45", "month must be in 1..12"),
        (b"a: !!int x", "invalid literal for int"),
        (b"[" * 5000, "nested too deeply"),
        (b"a: \xff", "text that is not UTF-8"),
        (b'a: "\\ud800"', "half a character"),
        (b'"\\ud800": 1', "half a character"),
        (b"a: !!python/object/apply:os.system [x]", "could not determine a constructor"),
        (b"a: [1", "line 1: expected ',' or ']'"),
        (b"? [a]\n: 1", "found unhashable key"),
        (b"a: 1\n---\nb: 2", "found another document"),
        (b"a: \x01", "special characters are not allowed"),
    ],
)
def test_what_is_refused_and_why(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=".") as caught:
        strict_yaml.parse(data)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_aliases_that_would_fill_the_memory_are_refused_at_once() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    with pytest.raises(ValueError, match="an alias"):
        strict_yaml.parse(bomb.encode())


@pytest.mark.parametrize("word", ["yes", "No", "ON", "off", "y", "n"])
def test_yes_and_no_are_words(word: str) -> None:
    assert strict_yaml.parse(f"[{word}]".encode()) == [word]


@pytest.mark.parametrize(("word", "value"), [("true", True), ("False", False), ("~", None), ("7", 7)])
def test_other_plain_values_are_what_they_look_like(word: str, value: Any) -> None:
    assert strict_yaml.parse(word.encode()) is value or strict_yaml.parse(word.encode()) == value


def test_other_readers_are_left_as_they_are() -> None:
    assert yaml.safe_load("yes") is True


# PyYAML writes the other ends of lines as they are, and reads them as line feeds.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(
        TEXT, inner, max_size=4), max_leaves=12,
)  # fmt: skip


@settings(deadline=None)
@given(VALUES)
def test_what_yaml_writes_is_read_again(value: Any) -> None:
    class Plain(yaml.SafeDumper):
        """Without aliases."""

    Plain.ignore_aliases = lambda _self, _data: True  # type: ignore[method-assign]
    assert strict_yaml.parse(yaml.dump(value, Dumper=Plain, allow_unicode=True).encode()) == value


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80) | st.text("ab:-[]{}?&*!<|>'\"#%@ \n1.0~", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        strict_yaml.parse(data)
    except ValueError as error:
        assert str(error)
