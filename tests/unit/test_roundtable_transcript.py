"""The transcript: what was written is there, what was changed is named."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.errors import InputError, TamperedError, UnwritableError
from inbond.roundtable import transcript
from inbond.roundtable.events import encode, make
from inbond.roundtable.transcript import create, read, reopen

BODIES = [("opened", {"text": "質問\u2028"}), ("asked", {"call": 0}), ("closed", {"x": 0.5})]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "s" / transcript.NAME
    with create(place) as kept:
        for number, entry in enumerate(BODIES):
            kept.append([entry], number + 0.25)
    return place


def test_what_was_kept_comes_back(path: Path) -> None:
    events = read(path)
    assert [(event.kind, event.body) for event in events] == BODIES
    assert [event.at for event in events] == [0.25, 1.25, 2.25]
    assert events[1].prev == events[0].digest
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("line", [0, 1, 2])
def test_a_changed_line_is_named(path: Path, line: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    for old, new in ((b'"kind":"', b'"kind":"x'), (b'"at":', b'"at":1'), (b'"n":', b'"n": ')):
        changed = lines[line].replace(old, new)
        assert changed != lines[line]
        path.write_bytes(b"".join([*lines[:line], changed, *lines[line + 1 :]]))
        with pytest.raises(TamperedError, match=rf"as it was written, line {line + 1}; found"):
            read(path)


def test_a_line_left_out_put_twice_or_exchanged_is_named(path: Path) -> None:
    one, two, three = path.read_bytes().splitlines(keepends=True)
    for lines, named in (((one, three), 2), ((two, three), 1), ((one, one, two), 2), ((one, three, two), 2)):
        path.write_bytes(b"".join(lines))
        with pytest.raises(TamperedError, match=f"line {named}; found an event that does not follow"):
            read(path)


def test_a_line_that_was_made_anew_does_not_fit_the_next(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    events = read(path)
    forged = make(1, 1.25, "asked", {"call": 7}, events[0].digest)
    path.write_bytes(lines[0] + encode(forged) + lines[2])
    with pytest.raises(TamperedError, match="line 3; found an event that does not follow"):
        read(path)


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 1))
def test_whatever_a_crash_leaves_of_the_last_line_the_rest_is_read(
    share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("s") / transcript.NAME
    with create(place) as kept:
        kept.append(BODIES, 0.0)
    whole = place.read_bytes()
    ends = [number + 1 for number, byte in enumerate(whole) if byte == 10]
    cut = ends[0] + round(share * (len(whole) - ends[0]))
    place.write_bytes(whole[:cut])
    # A line without its end is whole all the same when nothing else is missing.
    there = sum(1 for end in ends if end - 1 <= cut)
    assert len(read(place)) == there
    with reopen(place) as kept:
        kept.append([("resumed", {})], 9.0)
    assert [event.kind for event in read(place)] == [kind for kind, _ in BODIES[:there]] + ["resumed"]


def test_a_session_is_not_begun_where_there_is_one(path: Path) -> None:
    with (
        pytest.raises(InputError, match="give this session another name, or go on with that one"),
        create(path),
    ):
        pass


def test_two_processes_do_not_write_to_one(path: Path) -> None:
    with (
        reopen(path),
        pytest.raises(InputError, match="nobody else at work on the session s; found another process"),
        reopen(path),
    ):
        pass


@pytest.mark.parametrize(("data", "found"), [(b"", "an empty file"), (b'{"at":', "only a part of its first")])
def test_what_holds_nothing_is_no_session(path: Path, data: bytes, found: str) -> None:
    path.write_bytes(data)
    with pytest.raises((InputError, TamperedError), match=found if not data else "line 1|only a part"):
        read(path)


def test_a_transcript_that_is_not_there_is_said_not_to_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected the transcript of a session at .*No such file"):
        read(tmp_path / "none")


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableError), create(tmp_path / "file" / "s" / "t"):
        pass


@given(st.binary(max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    place = tmp_path_factory.mktemp("s") / transcript.NAME
    place.write_bytes(data)
    with pytest.raises((InputError, TamperedError)):
        read(place)


def test_lines_are_json_that_others_can_read(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        assert set(json.loads(line)) == {"at", "body", "digest", "kind", "n", "prev"}


def test_what_was_written_by_half_is_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write

    def by_half(handle: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", no_more)
        return whole(handle, data[: len(data) // 2])

    def no_more(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    other = path.parent.parent / "t" / path.name
    with create(other) as kept:
        kept.append([("opened", {"x": 1})], 1.0)
        monkeypatch.setattr(os, "write", by_half)
        with pytest.raises(UnwritableError, match="free space on the disk"):
            kept.append([("asked", {"y": "z" * 50})], 2.0)
        monkeypatch.setattr(os, "write", whole)
        kept.append([("asked", {"y": "w"})], 3.0)
    assert [event.body for event in read(other)] == [{"x": 1}, {"y": "w"}]
