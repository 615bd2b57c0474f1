"""How far a run is, as it tells it; who holds a lock; events by their place."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest

from inbond.errors import InputError
from inbond.ledger.ledger import Ledger
from inbond.recipes.telling import telling
from inbond.recipes.watch import Silent
from inbond.ui import ledger_view
from inbond.ui.locks import held
from inbond.workspace import RUN_PROGRESS, Workspace


def test_a_run_tells_how_far_it_is_and_leaves_nothing_when_through(tmp_path: Path) -> None:
    with telling(tmp_path, Silent()) as watcher:
        watcher.begin("train")
        told = json.loads((tmp_path / RUN_PROGRESS).read_bytes())
        assert (told["stage"], told["done"], told["stopped"]) == ("train", 0, False)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_stopped_says_so_and_how_far_it_came(tmp_path: Path) -> None:
    def run() -> None:
        with telling(tmp_path, Silent()) as watcher:
            watcher.begin("train")
            watcher.advance("train", 3, 12, "about 9 s left")
            raise InputError(expected="a", found="b", fix="c")

    with pytest.raises(InputError):
        run()
    told = json.loads((tmp_path / RUN_PROGRESS).read_bytes())
    assert (told["stage"], told["done"], told["total"], told["stopped"]) == ("train", 3, 12, True)


def test_a_place_that_cannot_be_written_ends_no_run(tmp_path: Path) -> None:
    with telling(tmp_path / "missing", Silent()) as watcher:
        watcher.begin("train")
        watcher.end("train", 1.0, made=True)


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="the system does not tell who holds locks")
def test_a_lock_is_seen_while_it_is_held(tmp_path: Path) -> None:
    place = tmp_path / ".lock"
    assert held(place) is False
    handle = os.open(place, os.O_RDWR | os.O_CREAT)
    assert held(place) is False
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert held(place) is True
    os.close(handle)
    assert held(place) is False
    assert held(place, tmp_path / "none") is None


def test_every_event_is_on_one_page_and_no_more(workspace: Workspace, ledger: Ledger) -> None:
    ledger.record_many([("note.made" if n % 3 else "note.other", {"n": n}) for n in range(230)])
    for kind in ("", "note.other", "note.none"):
        seen: list[int] = []
        before: int | None = None
        while True:
            page = ledger_view.page(workspace, before, kind)
            assert len(page.lines) <= ledger_view.ROWS
            seen += [line.seq for line in page.lines]
            if page.older is None:
                break
            before = page.older
        kinds = [event.seq for event in ledger.events() if kind in ("", event.kind)]
        assert seen == kinds[::-1]
