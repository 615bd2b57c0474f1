"""JSON that can be read in one way only: what is refused is told by the class of the error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.guard.body import Body, decoded
from inbond.strict_json import NoNumberError, RepeatedNameError, TooDeepError, parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_all_else_is_read_as_python_reads_it(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert parse(text) == json.loads(text)


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=8), st.integers(0, 3))
def test_the_first_name_that_comes_again_is_told(names: list[str], depth: int) -> None:
    text = "[" * depth + "{" + ",".join(f'"{name}": 0' for name in names) + "}" + "]" * depth
    again = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if again is None:
        parse(text)
        return
    with pytest.raises(RepeatedNameError) as error:
        parse(text)
    assert error.value.name == again
    assert str(error.value) == f"'{again}' stands twice"


def test_names_are_compared_as_they_are_read() -> None:
    with pytest.raises(RepeatedNameError):
        parse(r'{"a": 1, "\u0061": 2}')
    with pytest.raises(RepeatedNameError):
        parse(b'[{"x": {"a": 1, "a": 1}}]')


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_told_as_it_stands(text: str) -> None:
    with pytest.raises(NoNumberError, match=f"^{text} is no number of JSON$") as error:
        parse(f'{{"a": [{text}]}}')
    assert error.value.text == text


@pytest.mark.parametrize("bracket", ["[", '{"a":'])
def test_nesting_ends_in_an_error_of_its_own(bracket: str) -> None:
    with pytest.raises(TooDeepError, match="^nested too deeply$"):
        parse(bracket * 100_000)


def test_what_is_no_json_is_what_python_says_of_it() -> None:
    with pytest.raises(json.JSONDecodeError, match="Expecting property name"):
        parse("{'a': 1}")
    with pytest.raises(ValueError, match="digits"):
        parse("9" * 5_000)


def test_who_asks_reads_the_numbers_that_are_no_integers() -> None:
    assert parse("[1, 1.50, 2e3]", str) == [1, "1.50", "2e3"]


@pytest.mark.parametrize(
    ("data", "once"), [(b'{"a": 1}', True), (b'{"a": 1, "a": 2}', False), (b'{"a": NaN, "b": 1e999}', False)]
)
def test_an_answer_is_read_all_the_same_and_known_for_what_it_is(data: bytes, once: bool) -> None:
    assert repr(decoded(data)) == repr((json.loads(data), once))
    assert Body.of(data).read
    assert Body.of(data).once == once
