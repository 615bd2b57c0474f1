"""Reading prompts and records: every accepted form, every refusal by line, and any bytes at all."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.engine.interchange import lines
from inbond.engine.prompts import (
    Wording,
    from_dataset,
    from_list,
    read_prompts,
    read_records,
    template_fields,
)
from inbond.errors import InputError, MissingExtraError
from inbond.types import Message, Record


def write(tmp_path: Path, *lines: object, end: str = "\n") -> Path:
    path = tmp_path / "p.jsonl"
    text = end.join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_bytes(text.encode())
    return path


# Accepted -----------------------------------------------------------------------------------------------


def test_every_form_of_a_row_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"prompt": "水とは？", "id": "a"},
        {"text": "Once upon", "id": 2, "source": "x"},
        {"prompt": "Go on", "text": "a field of its own"},
        {"messages": [{"role": "user", "content": "Hi"}]},
    )
    assert read_prompts(path) == ["水とは？", "Once upon", "Go on", (Message("user", "Hi"),)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_marks_blank_lines_and_line_ends_do_not_matter(tmp_path: Path, end: str) -> None:
    path = write(tmp_path, "\ufeff" + '{"prompt": "a\u2028b"}', "", "   ", '{"prompt": "c"}', "", end=end)
    assert read_prompts(path) == ["a\u2028b", "c"]


def test_a_template_is_filled_from_fields(tmp_path: Path) -> None:
    path = write(tmp_path, {"word": "水", "n": 3}, {"word": "{x}", "n": 0.5})
    wording = Wording(template="Define {word} in {n} {{short}} lines.")
    assert read_prompts(path, wording) == [
        "Define 水 in 3 {short} lines.",
        "Define {x} in 0.5 {short} lines.",
    ]


def test_a_system_message_comes_first_and_only_once() -> None:
    own = [{"role": "system", "content": "Mine."}, {"role": "user", "content": "Hi"}]
    assert from_list(["Hi", own], Wording(system="Be brief.")) == [
        (Message("system", "Be brief."), Message("user", "Hi")),
        (Message("system", "Mine."), Message("user", "Hi")),
    ]
    assert from_list(["Hi"], Wording(as_chat=True)) == [(Message("user", "Hi"),)]
    assert from_list([(Message("user", "Hi"),)]) == [(Message("user", "Hi"),)]


def test_own_records_are_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"prompt": "2+2", "completion": "4"},
        {"messages": [{"role": "user", "content": "Hi"}], "completion": "こんにちは", "id": 1},
    )
    assert read_records(path) == [Record("2+2", "4"), Record((Message("user", "Hi"),), "こんにちは")]


@given(st.lists(st.text(min_size=1).filter(lambda t: t.strip() and "\0" not in t), min_size=1, max_size=8))
def test_what_json_can_hold_comes_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("p") / "p.jsonl"
    for ascii_only in (True, False):
        lines = [json.dumps({"prompt": text}, ensure_ascii=ascii_only) for text in texts]
        path.write_text("\n".join(lines), encoding="utf-8")
        assert read_prompts(path) == texts


# Refused ------------------------------------------------------------------------------------------------

OK = b'{"prompt": "a"}\n'


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b'{"prompt": "b"', "line 2: Expecting ',' delimiter at column"),
        (b"{'prompt': 'b'}", "line 2: Expecting property name"),
        (b'["b"]', "expected one JSON object; found {path}, line 2: list ['b']"),
        (b'"b"', "line 2: str 'b'"),
        (b"null", "line 2: NoneType None"),
        (b'{"prompt": ""}', "line 2: ''"),
        (
            b'{"prompt": " \\u3000 "}',
            "a prompt that says something; found {path}, line 2: nothing but white space",
        ),
        (b'{"prompt": 3}', "line 2: 3; fix"),
        (b'{"question": "b"}', "line 2: fields 'question'; fix: write"),
        (b"{}", "line 2: fields none"),
        (b'{"prompt": "b", "messages": [{"role": "user", "content": "c"}]}', "line 2:"),
        (b'{"messages": []}', "line 2:"),
        (b'{"messages": [{"role": "user"}]}', '"messages[0].content": a string'),
        (b'{"prompt": "b", "id": true}', '"id": a string or a whole number; found {path}, line 2: True'),
        (b'{"prompt": "b", "prompt": "c"}', "line 2: the field 'prompt' twice"),
        (b'{"prompt": "b", "x": NaN}', "line 2: NaN, which JSON does not have"),
        (b'{"prompt": "\\ud800"}', "line 2: half a surrogate pair"),
        (b'{"prompt": "a\\u0000b"}', "line 2: \\u0000 (NUL)"),
        (b'{"prompt": "a\0b"}', "line 2: a NUL byte"),
        (b'{"prompt": "caf\xe9"}', "line 2: byte 0xe9 at 16, which is not UTF-8"),
        (
            '{"prompt": "日本"}'.encode("shift_jis"),
            "which is not UTF-8; fix: save it as UTF-8 (it may be Shift_JIS",
        ),
        (b'{"prompt": ' + b"[" * 100_000, "line 2: brackets nested too deeply"),
        (b'{"prompt": "b", "n": ' + b"9" * 5000 + b"}", "line 2: Exceeds the limit"),
        (b'{"prompt": "b"} {"prompt": "c"}', "line 2: Extra data at column 17"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: bytes, text: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(OK + line + b"\n" + OK)
    with pytest.raises(InputError) as caught:
        read_prompts(path)
    assert text.format(path=path) in str(caught.value)
    assert f"{path}, line 2" in str(caught.value)


def test_a_file_in_utf_16_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes('{"prompt": "a"}'.encode("utf-16"))
    with pytest.raises(InputError) as caught:
        read_prompts(path)
    assert "text in UTF-8" in str(caught.value)
    assert "line 1: a file in UTF-16; fix: save it as UTF-8" in str(caught.value)


def test_a_line_too_long_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1 << 20)
    path = tmp_path / "p.jsonl"
    path.write_bytes(OK + b'{"prompt": "' + b"x" * (1 << 20) + b'"}\n')
    with pytest.raises(InputError) as caught:
        read_prompts(path)
    assert "a line of at most 1 MiB" in str(caught.value)
    assert "line 2: a longer one" in str(caught.value)


def test_duplicate_ids_are_named_with_both_lines(tmp_path: Path) -> None:
    path = write(tmp_path, {"prompt": "a", "id": "x"}, {"prompt": "b"}, {"prompt": "c", "id": "x"})
    with pytest.raises(InputError) as caught:
        read_prompts(path)
    assert f"found {path}, line 3: id 'x', as in {path}, line 1" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"\r\n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(content)
    for read in (read_prompts, read_records):
        with pytest.raises(InputError) as caught:
            read(path)
        assert f"expected at least one row in {path}; found none" in str(caught.value)
    with pytest.raises(InputError, match="at least one row in the list of prompts"):
        from_list([])


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_prompts(tmp_path / "no.jsonl")
    assert "No such file or directory; fix: correct the path" in str(caught.value)
    with pytest.raises(InputError, match="a folder with rows"):
        read_prompts(tmp_path)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Define.", "no field in it"),
        ("Define {}.", "{} is not a plain field name"),
        ("Define {0}.", "{0} is not a plain field name"),
        ("Define {w.__class__}.", "is not a plain field name"),
        ("Define {w[0]}.", "is not a plain field name"),
        ("Define {w!r}.", "is not a plain field name"),
        ("Define {w:>10}.", "is not a plain field name"),
        ("Define {w.", "expected '}' before end of string"),
        ("Define w}.", "Single '}' encountered"),
    ],
)
def test_a_template_must_be_plain(template: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        from_list([{"w": "x"}], Wording(template=template))
    assert text in str(caught.value)
    assert 'a template such as "Define {word}."' in str(caught.value)


def test_a_template_names_its_fields_once() -> None:
    assert template_fields("{単語} {b} {単語}") == ("単語", "b")


@pytest.mark.parametrize(
    ("row", "found"), [({}, "no such field"), ({"w": ["x"]}, "['x']"), ({"w": None}, "None")]
)
def test_a_field_that_is_missing_is_named(row: dict, found: str) -> None:
    with pytest.raises(InputError) as caught:
        from_list([{"w": "ok"}, row], Wording(template="Define {w}."))
    assert f"the template's field 'w'; found item 2: {found}" in str(caught.value)


def test_an_item_of_another_kind_is_named() -> None:
    with pytest.raises(InputError) as caught:
        from_list(["a", 3])
    assert "found item 2: 3" in str(caught.value)


@pytest.mark.parametrize(
    "row", [{"prompt": "a"}, {"prompt": "a", "completion": " "}, {"prompt": "a", "completion": 4}]
)
def test_a_record_needs_a_completion(tmp_path: Path, row: dict) -> None:
    with pytest.raises(InputError) as caught:
        read_records(write(tmp_path, {"prompt": "a", "completion": "b"}, row))
    assert '"completion": a non-empty string' in str(caught.value)
    assert "line 2" in str(caught.value)


@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_fail_otherwise(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("f") / "p.jsonl"
    path.write_bytes(data)
    with pytest.raises(InputError):
        read_prompts(path)


@given(st.binary(max_size=12), st.integers(0, 60), st.integers(0, 20))
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int, cut: int
) -> None:
    path = tmp_path_factory.mktemp("f") / "p.jsonl"
    whole = b'{"prompt": "abc", "id": 1}\n{"prompt": "\xe6\xb0\xb4", "id": 2}\n'
    path.write_bytes(whole[:at] + noise + whole[at + cut :])
    refusal = None
    try:
        read = read_prompts(path)
    except InputError as error:
        refusal = str(error)
    assert str(path) in refusal if refusal is not None else read


# Datasets -----------------------------------------------------------------------------------------------


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError) as caught:
        from_dataset("org/name")
    assert "'datasets'" in str(caught.value)
    assert "pip install 'inbond[data]'" in str(caught.value)


@pytest.mark.slow
def test_a_dataset_folder_is_read_by_the_real_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "words").mkdir()
    lines = [json.dumps({"word": word}, ensure_ascii=False) for word in ("river", "川", "stone")]
    (tmp_path / "words" / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    wording = Wording(template="Define {word}.")
    assert from_dataset(str(tmp_path / "words"), wording=wording) == [
        "Define river.", "Define 川.", "Define stone.",
    ]  # fmt: skip
    assert from_dataset(str(tmp_path / "words"), limit=1, wording=wording) == ["Define river."]
    with pytest.raises(InputError, match="with a split 'test'"):
        from_dataset(str(tmp_path / "words"), split="test", wording=wording)


def _pretend(monkeypatch: pytest.MonkeyPatch, load) -> None:
    """The package itself needs the Hub; what it gives and raises is all that we rely on."""
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load))


def test_rows_of_a_dataset_become_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"word": word} for word in ("water", "fire", "earth")]
    _pretend(monkeypatch, lambda *_args, **_options: rows)
    assert from_dataset("org/words", limit=2, wording=Wording(template="Define {word}.")) == [
        "Define water.",
        "Define fire.",
    ]


def test_a_dataset_that_cannot_be_had_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_args: object, **_kwargs: object) -> object:
        raise ConnectionError("Couldn't reach 'org/name' on the Hub")

    _pretend(monkeypatch, load)
    with pytest.raises(InputError) as caught:
        from_dataset("org/name", split="test")
    assert "the dataset 'org/name' with a split 'test'; found ConnectionError: Couldn't reach" in str(
        caught.value
    )
