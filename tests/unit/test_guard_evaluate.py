"""``guard evaluate``: what a file may hold, what it says, and what its errors say."""

from __future__ import annotations

import io
import json
import random
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.cli import main
from inbond.errors import InputError
from inbond.guard.evaluate import Evaluation, evaluate, parse
from tests.unit.guard_traffic import DAY, START, ordinary, ring, row


def lines(rows: Iterable[Mapping[str, Any]]) -> list[bytes]:
    return [json.dumps(each).encode() + b"\n" for each in sorted(rows, key=lambda each: each["ts"])]


def judged(rows: Iterable[Mapping[str, Any]]) -> Evaluation:
    return evaluate("traffic", lines(rows))


def traffic() -> list[dict[str, Any]]:
    rng = random.Random(1)
    return [*ordinary(rng, 10, 10), *ring(rng, 15, 60, purity=0.6, cards=3)]


def test_its_object_is_as_the_design_has_it() -> None:
    found = judged(traffic()).to_json()
    assert set(found) >= {"accounts", "clusters", "requests", "false_positive_bound"}
    assert found["requests"] == len(traffic())
    assert found["false_positive_bound"] == 0.01
    assert "no count of lawful customers" in found["bound_means"]
    account = found["accounts"]["ring3-a"]
    assert account["tier"] == 2
    assert account["verdict"]["outcome"] == "restricted"
    assert {"rule", "finding", "source", "feature", "value", "bound", "e_value"} <= set(
        account["verdict"]["reasons"][0]
    )
    assert found["clusters"][0]["tier"] == 2
    for name in found["clusters"][0]["members"]:
        assert found["accounts"][name]["tier"] >= 2
    json.dumps(found)


def test_other_fields_are_ignored_and_missing_ones_are_unknown() -> None:
    bare = {"ts": START, "account": "a"}
    assert parse("f", 1, json.dumps(bare).encode()) == parse(
        "f", 1, json.dumps({**bare, "truth": {"lawful": True}, "payment": None, "asn": None}).encode()
    )
    assert judged([bare]).to_json()["accounts"]["a"]["tier"] == 0


def test_truth_beside_a_row_changes_nothing() -> None:
    told = [{**each, "truth": {"illicit": True, "profile": "ring"}} for each in traffic()]
    assert judged(told).to_json() == judged(traffic()).to_json()


def test_times_are_seconds_or_iso() -> None:
    seconds = parse(
        "f", 1, json.dumps({"ts": 1_788_739_200, "account": "a", "created": 1_700_000_000}).encode()
    )
    iso = {"ts": "2026-09-06T20:00:00-04:00", "account": "a", "created": "2023-11-14T22:13:20Z"}
    assert parse("f", 1, json.dumps(iso).encode()) == seconds
    assert parse("f", 1, json.dumps({**iso, "ts": "2026-09-07T00:00:00"}).encode()) == seconds


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"not json", "Expecting value"),
        (b"[1]", "list and not an object"),
        (b"{}", "no ts that is a time"),
        (b'{"ts": 5}', "neither an account nor a tenant"),
        (b'{"ts": "yesterday", "account": "a"}', "Invalid isoformat string"),
        (b'{"ts": NaN, "account": "a"}', "ts is neither seconds since 1970 nor ISO 8601"),
        (b'{"ts": 1e300, "account": "a"}', "no ts that is a time"),
        (b'{"ts": 5, "account": ["a"]}', "account is neither a text nor null"),
        (
            b'{"ts": 5, "account": "a", "sealed": "maybe"}',
            "sealed is 'maybe', not null, ok, rejected or foreign",
        ),
        (b'{"ts": 5, "account": "a", "prompt_tokens": -1}', "prompt_tokens is not a number of tokens"),
        (b'{"ts": 5, "account": "a", "refused": 1.5}', "refused is neither true, false nor null"),
        (b'{"ts": 5, "account": "a", "prompt": {"x": 1}}', "prompt is neither a text nor null"),
        (b"\xff\xfe", "can't decode"),
        (b"[" * 100_000, "recursion"),
    ],
)
def test_a_malformed_line_is_named(line: bytes, said: str) -> None:
    good = lines([row(random.Random(1), START, "fine")])
    with pytest.raises(InputError) as caught:
        evaluate("traffic.jsonl", [*good, line])
    assert caught.value.expected == "one request as a JSON object in line 2 of traffic.jsonl"
    assert said in caught.value.found


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.text(max_size=3), max_size=2),
)
FIELDS = st.sampled_from(sorted(row(random.Random(1), START, "x")))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(FIELDS, VALUES, max_size=6), st.binary(max_size=60), st.booleans())
def test_any_line_is_read_or_refused_with_its_number(value: dict[str, Any], junk: bytes, raw: bool) -> None:
    line = junk if raw else json.dumps({"ts": START, "account": "a", **value}).encode()
    try:
        mark = parse("f", 7, line)
    except InputError as error:
        assert "line 7 of f" in error.expected
    else:
        assert mark.to_bytes()


def test_lines_may_be_an_hour_late_and_later_ones_are_told() -> None:
    rng = random.Random(2)
    rows = [row(rng, START + i * 60, f"a{i % 7}") for i in range(200)]
    straight = evaluate("f", lines(rows))
    late = lines(rows)
    late.insert(60, late.pop(10))
    assert evaluate("f", late).memory.to_bytes() == straight.memory.to_bytes()
    later = evaluate("f", [*lines(rows), *lines([row(rng, START - DAY, "old")])])
    assert (straight.late, later.late) == (0, 1)
    assert later.requests == 201
    assert "old-a" in later.judgement.accounts


def test_progress_tells_rows_and_bytes() -> None:
    told: list[tuple[int, int]] = []
    data = lines(row(random.Random(3), START + i, "a") for i in range(4_001))
    evaluate("f", data, lambda rows, size: told.append((rows, size)))
    assert [rows for rows, _ in told] == [2_000, 4_000]
    assert told[1][1] == sum(map(len, data[:4_000]))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main.run(["guard", "evaluate", *arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_command_prints_one_object_with_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "traffic.jsonl"
    file.write_bytes(b"".join(lines(traffic())))
    code, out, _ = run(capsys, str(file), "--json")
    assert code == 0
    assert json.loads(out) == judged(traffic()).to_json()


def test_the_command_says_what_it_found_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "traffic.jsonl"
    file.write_bytes(b"".join(lines(traffic())))
    _, out, _ = run(capsys, str(file))
    assert "1,000 requests of 25 accounts" in out
    assert "tier 2, restricted: 15" in out
    assert "circumvention.elicitation: Seen:" in out
    assert "False discovery rate at most 0.01" in out
    assert run(capsys, str(file), "--quiet")[1] == ""


def test_the_command_reads_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = io.TextIOWrapper(io.BytesIO(b"".join(lines(traffic()[:20]))))
    monkeypatch.setattr(sys, "stdin", data)
    code, out, _ = run(capsys, "-", "--json")
    assert (code, json.loads(out)["requests"]) == (0, 20)


def test_a_file_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, str(tmp_path / "none.jsonl"))
    assert code == 2
    assert "inbond guard simulate writes one" in err


def test_an_empty_file_has_nobody_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").write_bytes(b"\n\n")
    code, out, _ = run(capsys, str(tmp_path / "empty"), "--json")
    assert code == 0
    assert json.loads(out)["accounts"] == {}


def test_a_line_of_another_year_is_named_and_nothing_is_judged_without_a_word() -> None:
    data = lines(row(random.Random(3), START + i * 60, "a") for i in range(400))
    wrong = json.loads(data[30]) | {"ts": START + 3_650 * DAY}
    with pytest.raises(InputError) as caught:
        evaluate("traffic.jsonl", [*data[:31], json.dumps(wrong).encode(), *data[31:]])
    assert caught.value.found == (
        "line 32 is dated 2033-11-11 22:10 UTC, those before it 2023-11-14 22:40 UTC at the latest, and"
        " line 33 2023-11-14 22:41 UTC"
    )
    assert caught.value.fix.startswith("correct ts in line 32, or take it out")


def test_a_time_past_all_calendars_is_named_too() -> None:
    data = lines(row(random.Random(3), START + i * 60, "a") for i in range(4))
    wrong = json.loads(data[3]) | {"ts": 2**39}
    with pytest.raises(InputError) as caught:
        evaluate("f", [*data[:3], json.dumps(wrong).encode(), data[3]])
    assert "line 4 is dated 549755813888 seconds after 1970" in caught.value.found


def test_a_holiday_between_two_lines_is_none_of_that() -> None:
    early = lines(row(random.Random(3), START + i * 60, "a") for i in range(20))
    later = lines(row(random.Random(4), START + 9 * DAY + i * 60, "a") for i in range(20))
    assert evaluate("f", [*early, *later]).requests == 40
