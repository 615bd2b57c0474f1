"""The journal keeps what it was given, once, privately, and erases what it is told to."""

from __future__ import annotations

import sqlite3
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.engine.journal import MIGRATIONS, Journal, Outcome
from inbond.errors import InputError, UnwritableError
from inbond.teachers.protocols import Reply, Request, Sampling, ScoredPlace, TokenScore
from inbond.types import Message


def request(text: str, sample: int = 0) -> Request:
    return Request("teacher", (Message("user", text),), Sampling(), sample)


def reply(text: str) -> Reply:
    token = TokenScore("a", -0.25, 7)
    tops = (ScoredPlace(token, (token, TokenScore("\ufffd", -1.5, raw=b"\xe5"), TokenScore("b", None))),)
    return Reply(text, "stop", 3, 4, "m", 0.5, tops, {"x-request-id": "r"})


def answered(text: str, *, cost: float = 0.5) -> Outcome:
    return Outcome(request(text), reply(f"re: {text}"), None, None, 1, 3, 4, cost)


def failed(text: str, reason: str = "timeout") -> Outcome:
    return Outcome(request(text), None, reason, f"words about {text}", 1, 0, 0, 0.25)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bond" / "journal.db"


def test_answers_come_back_whole(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.record("run", [answered("日本語\x00 and more")])
    with Journal.open(path) as journal:
        entry = journal.find([request("日本語\x00 and more").id])[request("日本語\x00 and more").id]
    assert entry.reply == reply("re: 日本語\x00 and more")
    assert (entry.state, entry.attempts, entry.prompt_tokens, entry.cost_usd) == ("answered", 1, 3, 0.5)


def test_files_are_private_even_if_they_were_not(path: Path) -> None:
    path.parent.mkdir()
    path.touch(0o644)
    with Journal.open(path) as journal:
        journal.record("run", [answered("a")])
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
    assert modes == dict.fromkeys(("journal.db", "journal.db-wal", "journal.db-shm"), 0o600)


def test_a_failure_is_kept_counted_and_replaced_by_an_answer(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.record("run", [failed("a"), failed("b")])
        journal.record("run", [failed("a", "malformed")])
        (b, a) = journal.failures("run")
        assert (a.reason, a.attempts, a.cost_usd, a.message) == ("malformed", 2, 0.5, "words about a")
        assert b.reason == "timeout"
        journal.record("run", [answered("a")])
        entry = journal.find([a.id])[a.id]
        assert (entry.state, entry.reason, entry.attempts, entry.cost_usd) == ("answered", None, 3, 1.0)
        assert [e.id for e in journal.failures("run")] == [b.id]


def test_an_answer_is_never_replaced(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.record("run", [answered("a")])
        other = Outcome(request("a"), reply("another"), None, None, 1, 3, 4, 0.5)
        journal.record("run", [other, failed("a")])
        assert journal.find([request("a").id])[request("a").id].reply == reply("re: a")


def test_spending_adds_up_over_interruptions_and_belongs_to_who_paid(path: Path) -> None:
    for _ in range(2):
        with Journal.open(path) as journal:
            journal.record("one", [failed("a")])
    with Journal.open(path) as journal:
        journal.record("two", [answered("a")])
        assert journal.spent("one").cost_usd == 0.5
        assert (journal.spent("two").cost_usd, journal.spent("two").completion_tokens) == (0.5, 4)
        assert journal.spent("three").cost_usd == 0
        assert journal.runs() == ["one", "two"]


def _bytes(path: Path) -> bytes:
    return b"".join(p.read_bytes() for p in path.parent.iterdir())


def test_erased_text_is_gone_from_the_bytes_and_counts_stay(path: Path) -> None:
    secrets = [f"SECRET-{i}-" + "x" * (i * 37) for i in range(300)]
    with Journal.open(path) as journal:
        journal.record("run", [answered(text) for text in secrets])
        journal.record("run", [failed("SECRET-FAILURE")])
        journal.record("other", [answered("PUBLIC")])
        assert b"SECRET-299-" in _bytes(path)
        before = journal.spent("run")
        assert journal.erasable(run="run") == 301
        assert journal.erase(run="run") == 301
        assert b"SECRET-" not in _bytes(path), "while the journal is still open"
        assert journal.erase(run="run") == 0
        entry = journal.find([request(secrets[5]).id])[request(secrets[5]).id]
        assert (entry.state, entry.reply, entry.completion_tokens, entry.cost_usd) == ("erased", None, 4, 0.5)
        assert journal.spent("run") == before
        assert journal.find([request("PUBLIC").id])[request("PUBLIC").id].state == "answered"
    assert b"SECRET-" not in _bytes(path)
    assert b"PUBLIC" in _bytes(path)


def test_erase_by_age(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.record("run", [answered("OLD-TEXT")])
        time.sleep(0.02)
        border = time.time()
        journal.record("run", [answered("NEW-TEXT")])
        assert journal.erase(older_than=border) == 1
    assert b"OLD-TEXT" not in _bytes(path)
    assert b"NEW-TEXT" in _bytes(path)


def test_erasing_says_so_when_another_process_holds_the_log(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbond.engine.database._BUSY_S", 0.05)
    with Journal.open(path) as journal:
        journal.record("run", [answered("SECRET")])
        reader = sqlite3.connect(path)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchone()
        with pytest.raises(InputError, match="another process is using it"):
            journal.erase(run="run")
        reader.close()
        journal.erase(run="run")
    assert b"SECRET" not in _bytes(path)


def test_an_erased_answer_may_be_answered_again(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.record("run", [answered("a")])
        journal.erase(run="run")
        journal.record("run", [answered("a")])
        entry = journal.find([request("a").id])[request("a").id]
    assert (entry.state, entry.attempts, entry.cost_usd) == ("answered", 2, 1.0)


@pytest.mark.parametrize("damage", ["text", "half", "header", "page"])
def test_a_damaged_file_is_an_input_error(path: Path, damage: str) -> None:
    with Journal.open(path) as journal:
        journal.record("run", [answered(f"{i}" * 500) for i in range(200)])
    data = bytearray(path.read_bytes())
    if damage == "text":
        data = bytearray(b"this is not a database, it is a letter to my grandmother. " * 100)
    elif damage == "half":
        data = data[: len(data) // 2]
    elif damage == "header":
        data[:100] = b"\xff" * 100
    else:
        data[4096 : 4096 * 8] = b"\xa5" * (4096 * 7)
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged file, or no SQLite database") as caught:
        _use(path)
    assert "put back a copy" in caught.value.fix


def _use(path: Path) -> None:
    with Journal.open(path) as journal:
        journal.find([request(f"{i}" * 500).id for i in range(200)])
        journal.record("run", [answered("more")])


def test_a_newer_format_is_refused(path: Path) -> None:
    Journal.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(InputError, match="written by a newer Inbond") as caught:
        Journal.open(path)
    assert caught.value.fix == "pip install --upgrade inbond"


def test_a_full_disk_is_said_and_leaves_what_was_there(path: Path) -> None:
    """SQLite's own limit on pages stands in for the disk: the same SQLITE_FULL."""
    with Journal.open(path) as journal:
        journal.record("run", [answered("kept")])
        pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
        journal._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(UnwritableError, match="expected free space at"):
            journal.record("run", [answered("x" * 100_000), answered("small")])
        assert journal.find([request("small").id]) == {}, "all or none"
        journal._connection.execute("PRAGMA max_page_count = 100000")
        journal.record("run", [answered("later")])
        assert len(journal.find([request("kept").id, request("later").id])) == 2


def test_a_home_that_is_a_file_is_unwritable(tmp_path: Path) -> None:
    (tmp_path / "bond").touch()
    with pytest.raises(UnwritableError, match="expected a folder"):
        Journal.open(tmp_path / "bond" / "journal.db")


_texts = st.text(max_size=20)


@given(
    st.lists(
        st.tuples(st.sampled_from(["r1", "r2"]), _texts, st.sampled_from(["answer", "fail", "erase"])),
        max_size=25,
    )
)
def test_any_history_keeps_first_answers_and_adds_up(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str]]
) -> None:
    """Against a dictionary that does the same."""
    model: dict[str, str] = {}
    costs: dict[str, float] = {}
    used: dict[str, set[str]] = {"r1": set(), "r2": set()}
    with Journal.open(tmp_path_factory.mktemp("j") / "journal.db") as journal:
        for run, text, what in steps:
            if what == "erase":
                journal.erase(run=run)
                model.update({t: "erased" for t in used[run] if model[t] == "answered"})
                continue
            outcome = answered(text) if what == "answer" else failed(text)
            journal.record(run, [outcome])
            used[run].add(text)
            costs[run] = costs.get(run, 0) + outcome.cost_usd
            if model.get(text) != "answered":
                model[text] = "answered" if what == "answer" else "failed"
        found = journal.find([request(text).id for text in model])
        assert {t: found[request(t).id].state for t in model} == model
        assert all(journal.spent(run).cost_usd == pytest.approx(cost) for run, cost in costs.items())
