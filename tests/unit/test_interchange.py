"""The shapes of others: what is read of them, what is written, and that both come back the same."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.engine.interchange import shapes
from inbond.engine.interchange.files import read_file
from inbond.engine.interchange.shapes import Shape, read_prompt, read_record, to_row
from inbond.engine.interchange.writing import write_rows, write_saved
from inbond.engine.prompts import LeftOut, Wording, read_marked, read_prompts, read_records
from inbond.errors import InputError
from inbond.types import Message, Record

SHAPES: tuple[Shape, ...] = ("chat", "sharegpt", "alpaca", "trl")
ASKED = (Message("user", "水とは？"),)
ROWS: dict[str, tuple[dict[str, Any], Record]] = {
    "chat": (
        {"messages": [{"role": "user", "content": "水とは？"}, {"role": "assistant", "content": "飲み物"}]},
        Record(ASKED, "飲み物"),
    ),
    "chat of several turns": (
        {
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
                {"role": "user", "content": "And?"},
                {"role": "assistant", "content": "That is all", "name": "x"},
            ],
        },
        Record(
            (Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "And?")),
            "That is all",
        ),
    ),
    "chat in parts": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "水"}, {"type": "text", "text": "とは？"}],
                },
                {"role": "assistant", "content": "飲み物"},
            ]
        },
        Record(ASKED, "飲み物"),
    ),
    "sharegpt": (
        {
            "id": "a_0",
            "system": "Be brief.",
            "conversations": [{"from": "human", "value": "水とは？"}, {"from": "gpt", "value": "飲み物"}],
        },
        Record((Message("system", "Be brief."), *ASKED), "飲み物"),
    ),
    "alpaca": (
        {"instruction": "Translate", "input": "水", "output": "water", "text": "Below is an instruction ..."},
        Record((Message("user", "Translate\n\n水"),), "water"),
    ),
    "alpaca with history": (
        {"instruction": "And?", "input": "", "output": "No", "system": None, "history": [["Hi", "Hello"]]},
        Record((Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "And?")), "No"),
    ),
    "trl of messages": (
        {
            "prompt": [{"role": "user", "content": "水とは？"}],
            "completion": [{"role": "assistant", "content": "飲み物"}],
        },
        Record(ASKED, "飲み物"),
    ),
    "trl of text": ({"prompt": "Once", "completion": " upon"}, Record("Once", " upon")),
}


CHAT: dict[str, Any] = ROWS["chat"][0]


def answer_with(**more: Any) -> dict[str, Any]:
    """A conversation whose answer says more than its text."""
    question, answer = CHAT["messages"]
    return {"messages": [question, {**answer, **more}]}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_of_each_shape_is_prompt_and_completion(name: str) -> None:
    row, record = ROWS[name]
    assert read_record(row) == record
    assert read_prompt(row) == record.prompt


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (
            {"messages": [{"role": "user", "content": "a"}]},
            "messages that end with the assistant's; found None",
        ),
        ({"messages": [{"role": "user", "content": None}]}, '"messages[0].content": a string; found None'),
        ({"messages": {"role": "user"}}, '"messages": a non-empty list of messages'),
        ({"messages": [{"role": "user", "content": "a", "tool_calls": [1]}]}, "found tool_calls"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            "text alone at messages[0].content",
        ),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "a question before the answer"),
        ({"conversations": [{"from": "narrator", "value": "a"}]}, '"from" at conversations[0]: one of human'),
        ({"conversations": [{"from": "human"}]}, '"conversations[0].value": a string; found None'),
        ({"conversations": [{"from": "human", "value": "a"}]}, 'ends with a turn of "gpt"'),
        ({"conversations": []}, '"conversations": a non-empty list'),
        ({"instruction": "", "input": "", "output": "x"}, '"instruction": a non-empty string'),
        ({"instruction": "a", "input": 3, "output": "x"}, '"input": a string; found 3'),
        ({"instruction": "a", "output": "  "}, '"output": a non-empty string'),
        ({"instruction": "a", "output": "b", "history": [["c"]]}, "a list of pairs"),
        ({"instruction": "a", "messages": []}, "fields 'messages' and 'instruction'"),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "a preference (chosen, rejected)"),
        ({"prompt": "a", "completion": [{"role": "user", "content": "b"}]}, "one message of the assistant"),
        ({"question": "a"}, "found fields 'question'"),
        ({"messages": [{"role": "User", "content": "a"}]}, '"role" at messages[0]: one of system, developer'),
        ({"messages": [{"role": "human", "content": "a"}]}, "found 'human'; fix: rename it"),
        ({"messages": [{"role": "user", "content": " "}]}, "something said at messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "something said at messages[0].content"),
        (
            {"messages": [{"role": "user", "content": "a", "function_call": {"name": "f"}}]},
            "found function_call",
        ),
        ({"messages": [{"role": "user", "content": "a", "images": ["x.png"]}]}, "found images"),
        ({"conversations": [{"from": "function_call", "value": "{}"}]}, "calls of tools, images and sounds"),
        ({"conversations": [{"from": "observation", "value": "5"}]}, "found 'observation'"),
        ({"conversations": [{"from": "Human", "value": "a"}]}, "found 'Human'; fix: rename it, or write"),
        (
            {"system": "b", "conversations": [{"from": "system", "value": "a"}]},
            "another as the first turn; fix: join them",
        ),
        ({"instruction": "a", "output": "b", "history": [["", "c"]]}, '"history[0][0]": a non-empty string'),
        ({**CHAT, "tools": [{"type": "function"}]}, "the field 'tools'"),
        ({**CHAT, "images": ["x.png"]}, "the field 'images'"),
        ({**CHAT, "label": False}, "label false: one that is not"),
        ({**CHAT, "weight": 0.5}, "found weight 0.5; fix: leave out the rows of weight 0"),
        (answer_with(weight=0), "found weight 0"),
        (answer_with(reasoning_content="hmm"), "'reasoning_content' beside it, which would be lost"),
        (answer_with(refusal="I cannot"), "a refusal, 'I cannot'"),
        ({"prompt": "a", "completion": "b", "reasoning": "hmm"}, "'reasoning' beside it"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_what_is_wrong_with_a_row_is_named_by_its_field(row: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        read_record(row)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "row",
    [
        answer_with(weight=1, tool_calls=[], function_call=None, reasoning_content="", refusal=None),
        {**CHAT, "tools": [], "images": None, "label": True, "weight": None, "functions": "[]"},
    ],
    ids=["turn", "row"],
)
def test_columns_that_a_table_has_for_other_rows_say_nothing(row: dict[str, Any]) -> None:
    assert read_record(row) == ROWS["chat"][1]
    assert shapes.left_out(row) == []


def test_turns_that_are_not_learnt_may_weigh_anything_and_need_no_reasons() -> None:
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello", "weight": 0, "reasoning_content": "greet"},
        *CHAT["messages"],
    ]
    assert read_record({"messages": turns}).completion == "飲み物"
    assert len(read_prompt({"messages": turns})) == 3


def test_what_is_not_taken_of_a_row_is_counted_by_field(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows: list[dict[str, Any]] = [
        {"prompt": "a", "completion": "b", "score": 3, "source": ""},
        {"prompt": "a2", "completion": "b", "score": 0, "topic": "x"},
        {**answer_with(name="ann"), "id": "1"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    left_out, of_prompts, of_template = LeftOut(), LeftOut(), LeftOut()
    assert len(read_marked(path, left_out)) == 3
    assert left_out == {"score": 2, "topic": 1, "messages[].name": 1}
    read_prompts(path, left_out=of_prompts)
    assert of_prompts == left_out
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:2]))
    read_prompts(path, Wording("Say {prompt}"), left_out=of_template)
    assert not of_template, "a template names what it takes"


def test_a_blank_input_is_none() -> None:
    row = {"instruction": "Say it", "input": " \n", "output": "x"}
    assert read_record(row) == Record((Message("user", "Say it"),), "x")


def test_a_system_message_that_stands_twice_is_one() -> None:
    row, record = ROWS["sharegpt"]
    first = {"from": "system", "value": row["system"]}
    assert read_record({**row, "conversations": [first, *row["conversations"]]}) == record


def test_a_question_alone_is_left_when_the_answer_goes() -> None:
    with pytest.raises(InputError, match="nothing but the assistant's turn"):
        read_prompt({"messages": [{"role": "assistant", "content": "a"}]})


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
said = words.filter(str.strip)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Conversations that every shape has a word for."""
    turns = [Message("system", draw(words))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 2))):
        turns += [Message("user", draw(said)), Message("assistant", draw(words))]
    return Record((*turns, Message("user", draw(said))), draw(said))


@given(records(), st.sampled_from(SHAPES))
def test_what_is_written_is_read_back(record: Record, shape: Shape) -> None:
    row = json.loads(json.dumps(to_row(record, shape)))
    assert read_record(row) == record
    assert read_prompt(row) == record.prompt


def test_a_turn_without_a_word_for_it_is_refused() -> None:
    odd = Record((Message("user", "a"), Message("user", "b")), "c")
    with pytest.raises(InputError, match="turns of user, user; fix: export them as chat or trl"):
        to_row(odd, "alpaca")
    with pytest.raises(InputError, match="conversations that sharegpt has a shape for"):
        to_row(Record((Message("critic", "a"),), "c"), "sharegpt")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("role", "content", "from", "value", "type", "text", "tool_calls")),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
FIELDS = ("tools", "weight", "messages", "conversations", "instruction", "input", "output", "history",
          "system", "prompt", "completion", "text", "chosen")  # fmt: skip


@given(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=5))
def test_any_row_is_read_or_refused(row: dict[str, Any]) -> None:
    for read in (read_prompt, read_record):
        try:
            found = read(row)
        except InputError as error:
            assert error.expected
            continue
        assert found


# Files ----------------------------------------------------------------------------------------------


LEARNT = [
    Record((Message("user", text),), f"{text} ✓ 𠮷野家\u2028 👩‍👩‍👧")
    for text in ("川", "ｶﾞｷﾞ", "naïve", "e\u0301")
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
def test_every_file_comes_back_in_order_to_the_letter(tmp_path: Path, shape: Shape, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    assert write_rows(path, (to_row(record, shape) for record in LEARNT)) == len(LEARNT)
    assert read_records(path) == LEARNT
    assert read_prompts(path) == [record.prompt for record in LEARNT]
    again = tmp_path / f"again{suffix}"
    write_rows(again, (to_row(record, shape) for record in LEARNT))
    assert again.read_bytes() == path.read_bytes()


def test_a_column_that_comes_late_is_no_lost_column(tmp_path: Path) -> None:
    late = Record((Message("system", "s"), Message("user", "a"), Message("assistant", "b"), *ASKED), "c")
    many = [*LEARNT * 300, late]
    write_rows(tmp_path / "a.parquet", (to_row(record, "alpaca") for record in many))
    assert read_records(tmp_path / "a.parquet") == many
    with pytest.raises(InputError, match="fix: write them as .jsonl"):
        write_rows(tmp_path / "b.parquet", iter([{"a": "x"}] * 2000 + [{"b": "x"}]))
    assert not (tmp_path / "b.parquet").exists()


def test_a_saved_folder_is_what_datasets_opens_and_saves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    write_saved(tmp_path / "ours", (to_row(record, "trl") for record in LEARNT))
    opened = datasets.load_from_disk(str(tmp_path / "ours"))
    assert [read_record(row) for row in opened] == LEARNT
    assert read_records(tmp_path / "ours") == LEARNT

    opened.save_to_disk(str(tmp_path / "theirs"), num_shards=2)
    assert read_records(tmp_path / "theirs") == LEARNT
    both = datasets.DatasetDict({"train": opened.select([0]), "test": opened.select([1, 2])})
    both.save_to_disk(str(tmp_path / "splits"))
    assert read_records(tmp_path / "splits") == LEARNT[:1]
    assert read_prompts(tmp_path / "splits", split="test") == [record.prompt for record in LEARNT[1:3]]
    with pytest.raises(InputError, match="found splits train, test"):
        read_prompts(tmp_path / "splits", split="dev")
    with pytest.raises(InputError, match="a folder that is not there yet"):
        write_saved(tmp_path / "ours", iter(()))


def test_a_saved_folder_names_nothing_outside_it(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"_data_files": [{"filename": "../secret.arrow"}]}')
    with pytest.raises(InputError, match="names of things beside it"):
        read_prompts(tmp_path)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".json"])
def test_a_file_that_is_none_of_its_kind_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p{suffix}"
    path.write_bytes(b"[{\xff" * 50)
    with pytest.raises(InputError) as caught:
        read_prompts(path)
    assert str(path) in str(caught.value)


@given(noise=st.binary(max_size=20), at=st.integers(0, 2000), suffix=st.sampled_from((".parquet", ".arrow")))
def test_a_damaged_binary_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int, suffix: str
) -> None:
    folder = tmp_path_factory.mktemp("d")
    if suffix == ".arrow":
        write_saved(folder / "s", (to_row(record, "chat") for record in LEARNT))
        path = folder / "s" / "data-00000-of-00001.arrow"
    else:
        path = folder / "p.parquet"
        write_rows(path, (to_row(record, "chat") for record in LEARNT))
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + noise + whole[at + len(noise) :])
    refusal = ""
    try:
        assert read_prompts(path)
    except InputError as error:
        refusal = str(error)
    assert not refusal or str(path) in refusal


def test_the_row_that_is_wrong_is_named(tmp_path: Path) -> None:
    write_rows(
        tmp_path / "p.parquet", iter([{"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": ""}])
    )
    with pytest.raises(InputError, match=r"p\.parquet, row 2: ''"):
        read_records(tmp_path / "p.parquet")
    (tmp_path / "p.json").write_text('[{"prompt": "a"}, 3]')
    with pytest.raises(InputError, match=r"p\.json, row 2: 3"):
        read_prompts(tmp_path / "p.json")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_million_rows_pass_in_bounded_memory(tmp_path: Path, suffix: str) -> None:
    count = 1_000_000

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(count):
            yield {"prompt": f"what is number {number}?", "completion": "a number"}

    path = tmp_path / f"many{suffix}"
    tracemalloc.start()
    try:
        assert write_rows(path, rows()) == count
        seen = sum(shapes.read_record(row).completion == "a number" for _, row in read_file(path))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seen == count
    assert most < 50 << 20, f"{most >> 20} MiB"
