"""Keys of marks as files, the two ways to draw with a green list, choices and their alternatives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inbond.digest import of_bytes
from inbond.engine import filters, prompts
from inbond.engine.filters import Candidate, FilterConfig
from inbond.errors import InputError
from inbond.forensics import making
from inbond.forensics.alternatives import Choice, read_alternatives, write_alternatives
from inbond.forensics.green import GreenKey
from inbond.forensics.lots import CANARY, CHOICE, LotKey, canaries
from inbond.forensics.mark_keys import Key, MarkKeys, descriptor, read_file
from inbond.forensics.marking import GreenMark, Marking
from inbond.ledger.records import Row
from inbond.recipes.planted_files import choose_among, write_canaries
from inbond.types import OWN, Message, Origin
from inbond.workspace import PRIVATE_FILE, write_bytes

SECRET = bytes(range(32))
GREEN = GreenKey(SECRET, 2, 0.25, 2.0, of_bytes(b"v"), 300)
KEYS: list[Key] = [GREEN, LotKey(CHOICE, SECRET, 3), LotKey(CANARY, SECRET, 10)]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: descriptor(key)["scheme"])
def test_a_key_of_each_scheme_comes_back_and_shows_no_secret(tmp_path: Path, key: Key) -> None:
    keys = MarkKeys(tmp_path)
    keys.new("one", key)
    assert keys.read("one") == key
    assert keys.names() == ["one"]
    shown = f"{key!r} {descriptor(key)}"
    assert SECRET.hex() not in shown
    assert repr(SECRET) not in shown


def test_a_key_of_another_scheme_is_named(tmp_path: Path) -> None:
    keys = MarkKeys(tmp_path)
    for key in KEYS:
        keys.new(descriptor(key)["scheme"].split("/")[0], key)
    assert keys.green("green-list") == KEYS[0]
    assert keys.lots("choice", CHOICE) == KEYS[1]
    for name, scheme in (("choice", "choice/1"), ("canary", "canary/1")):
        with pytest.raises(
            InputError, match=f"green-list/1; found {name}, a key of another scheme: {scheme}"
        ):
            keys.green(name)
    with pytest.raises(InputError, match="canary/1; found choice, a key of another scheme: choice/1"):
        keys.lots("choice", CANARY)
    with pytest.raises(InputError, match="choice/1; found green-list, a key of another scheme: green-list/1"):
        keys.lots("green-list", CHOICE)


def values(key: Key) -> dict[str, Any]:
    return {**key.public(), "secret": key.secret.hex(), "size": key.size}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(SECRET.hex()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["scheme", "secret", "window", "gamma", "delta", "vocabulary", "size", "more"])


@given(st.sampled_from(KEYS), st.dictionaries(fields, anything, max_size=3), st.sets(fields, max_size=2))
def test_a_key_file_is_a_key_or_refused_in_words_that_tell_no_secret(
    tmp_path_factory: pytest.TempPathFactory, key: Key, change: dict[str, Any], gone: set[str]
) -> None:
    value = {name: part for name, part in {**values(key), **change}.items() if name not in gone}
    _is_key_or_refused(tmp_path_factory, json.dumps(value).encode())


@given(st.binary(max_size=200) | st.sampled_from(KEYS).map(lambda key: json.dumps(values(key)).encode()[:-3]))
def test_bytes_that_are_no_key_are_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    _is_key_or_refused(tmp_path_factory, data)


def _is_key_or_refused(factory: pytest.TempPathFactory, data: bytes) -> None:
    path = factory.mktemp("keys", numbered=True) / "k.json"
    write_bytes(path, data, PRIVATE_FILE)
    try:
        key = read_file(path)
    except InputError as error:
        assert SECRET.hex()[:16] not in str(error)
        assert error.__cause__ is None
        assert "a key of one of the schemes green-list/1, choice/1, canary/1" in error.expected
    else:
        assert json.loads(data)["scheme"] == descriptor(key)["scheme"]
        if isinstance(key, GreenKey):
            key.is_green((0,) * key.window, 0)
        else:
            assert 0 <= key.planted("x") < key.size


@pytest.mark.parametrize(("asked", "words"), [
    (lambda: making.green_key(of_bytes(b"v"), 9, 0, 0.25, 2), "--window from 1 to 8; found 0"),
    (lambda: making.green_key(of_bytes(b"v"), 9, 2, 1.0, 2), "--gamma from 0.01 to 0.99; found 1"),
    (lambda: making.green_key(of_bytes(b"v"), 9, 2, float("nan"), 2), "--gamma from 0.01 to 0.99; found nan"),
    (lambda: making.green_key(of_bytes(b"v"), 9, 2, 0.25, -1), "--delta from 0.01 to 20; found -1"),
    (lambda: making.lot_key(CHOICE, 1), "alternatives from 2 to 1000; found 1"),
])  # fmt: skip
def test_a_key_that_cannot_mark_is_not_made(asked: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        asked()


# Drawing -----------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 299), min_size=1, max_size=9), st.integers(0, 5), st.integers(0, 7))
def test_both_ways_to_draw_add_the_same(answer: list[int], prompt: int, padding: int) -> None:
    """The processor of transformers, over a head with more rows than tokens, and the pick of our decoding."""
    seen: list[torch.Tensor] = []

    def pick(logits_BV: torch.Tensor, _rows: torch.Tensor, step: int) -> torch.Tensor:
        seen.append(logits_BV)
        return torch.tensor([answer[step]])

    ours, theirs = Marking(GREEN, pick), GreenMark(GREEN)
    for step in range(len(answer)):
        logits_1V = torch.zeros(1, 300 + padding)
        ours(logits_1V[:, :300], torch.tensor([0]), step)
        gain_1V = theirs(torch.tensor([[7] * (prompt + 1) + answer[:step]]), logits_1V)
        assert torch.equal(gain_1V[:, :300], seen[-1])
        assert not gain_1V[:, 300:].any()
        assert not logits_1V.any(), "what is handed in stays as it is"
        assert gain_1V.any() == (step >= GREEN.window)
        assert set(gain_1V.unique().tolist()) <= {0.0, GREEN.delta}


def test_rows_of_a_batch_are_marked_each_by_what_it_said() -> None:
    mark, logits = GreenMark(GREEN), torch.zeros(2, 300)
    mark(torch.tensor([[1, 2], [1, 2]]), logits)
    both = mark(torch.tensor([[1, 2, 5, 6], [1, 2, 8, 9]]), logits)
    assert (both[0] > 0).tolist() == GREEN.green_V((5, 6)).tolist()
    assert (both[1] > 0).tolist() == GREEN.green_V((8, 9)).tolist()


def test_a_server_loads_the_processor_from_a_key_file(tmp_path: Path) -> None:
    keys = MarkKeys(tmp_path)
    mark = GreenMark.from_file(keys.new("one", GREEN))
    mark(torch.tensor([[1]]), torch.zeros(1, 300))
    assert mark(torch.tensor([[1, 5, 6]]), torch.zeros(1, 300)).any()
    with pytest.raises(InputError, match="green-list/1 at .*; found a key of another scheme: choice/1"):
        GreenMark.from_file(keys.new("two", KEYS[1]))


# Choices -----------------------------------------------------------------------------------------------

texts = st.text(max_size=12)
choices = st.builds(
    Choice,
    texts.filter(bool) | texts.map(lambda text: (Message("user", text),)),
    st.tuples(texts, texts, texts),
)


@given(st.lists(choices, max_size=5))
def test_alternatives_come_back_each_once(
    tmp_path_factory: pytest.TempPathFactory, made: list[Choice]
) -> None:
    path = tmp_path_factory.mktemp("alternatives", numbered=True) / "a.jsonl"
    write_alternatives(path, descriptor(KEYS[1]), [*made, *made])
    found = read_alternatives(path)
    assert found.mark == descriptor(KEYS[1])
    assert found.size == 3
    assert list(found.choices) == list(dict.fromkeys(made))


@pytest.mark.parametrize(("lines", "words"), [
    ([], "the format inbond.alternatives/1 in line 1 of .*found None"),
    (["{"], "a line of JSON in line 1"),
    (['{"format": "inbond.alternatives/2"}'], "found 'inbond.alternatives/2'"),
    (['{"format": "inbond.alternatives/1"}'], "the mark that chose, with its size in line 1"),
    ([None, '{"prompt": "a", "answers": ["b"]}'], "a prompt with 3 answers in line 2"),
    ([None, '{"prompt": "a", "answers": ["b", "c", 1]}'], "answers that are texts in line 2"),
    ([None, '{"answers": ["b", "c", "d"]}'], 'either "prompt".* in line 2'),
    ([None, "[]"], "a prompt with 3 answers in line 2"),
])  # fmt: skip
def test_other_files_of_alternatives_are_refused(tmp_path: Path, lines: list[Any], words: str) -> None:
    path = tmp_path / "a.jsonl"
    write_alternatives(path, descriptor(KEYS[1]), [])
    head = path.read_text().strip()
    path.write_text("\n".join(head if line is None else line for line in lines))
    with pytest.raises(InputError, match=words):
        read_alternatives(path)
    with pytest.raises(InputError, match="No such file"):
        read_alternatives(tmp_path / "none.jsonl")


def test_a_file_of_samples_becomes_records_and_alternatives(tmp_path: Path) -> None:
    key = KEYS[1]
    assert isinstance(key, LotKey)
    rows = [{"prompt": f"q{n}", "completions": [f"a{n}", f"b{n}", f"c{n}"]} for n in range(60)]
    rows[7] = {"messages": [{"role": "user", "content": "川"}], "completions": ["水", "流れ", "海"]}
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0]]))
    made = choose_among(key, tmp_path / "s.jsonl", tmp_path / "o.jsonl", tmp_path / "a.jsonl")
    own, kept = prompts.read_marked(tmp_path / "o.jsonl"), read_alternatives(tmp_path / "a.jsonl")
    assert made["records"] == len(own) == len(kept.choices) == 60
    for row, choice in zip(own, kept.choices, strict=True):
        assert row.record.prompt == choice.prompt
        assert row.record.completion == choice.answers[key.planted(choice.name)]
        assert row.planted == {"scheme": CHOICE, "id": key.id}
    chosen = [key.planted(choice.name) for choice in kept.choices]
    assert min(map(chosen.count, range(3))) > 8
    (tmp_path / "s.jsonl").write_text(json.dumps({"prompt": "q", "completions": ["a", "b"]}))
    with pytest.raises(InputError, match=r'"completions": a list of 3 texts.*found .*s.jsonl, line 1: '):
        choose_among(key, tmp_path / "s.jsonl", tmp_path / "o.jsonl", tmp_path / "a.jsonl")


def test_canaries_are_own_data_that_the_filters_keep(tmp_path: Path) -> None:
    key = KEYS[2]
    assert isinstance(key, LotKey)
    path = tmp_path / "c.jsonl"
    told = write_canaries(key, 25, path)
    again = path.read_bytes()
    write_canaries(key, 25, path)
    assert path.read_bytes() == again
    assert json.loads((tmp_path / "c.jsonl.manifest.json").read_text())["digest"] == told["digest"]
    own = prompts.read_marked(path)
    wanted = canaries(key, 25)
    assert [row.record.completion for row in own] == [one.completions[one.planted] for one in wanted]
    origin = Origin("data:c.jsonl", OWN, "author", {}, None)
    kept = filters.apply([Candidate(Row(row.record, origin)) for row in own], FilterConfig())
    assert len(kept.rows) == 25, dict(kept.dropped)
    assert SECRET.hex().encode() not in again
    with pytest.raises(InputError, match="--count from 1 to 100,000; found 0"):
        write_canaries(key, 0, path)
