"""Briefings on disk: written whole, read strictly, and one that is damaged hides no other."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from inbond.briefing import shelf
from inbond.briefing.briefing import Briefing
from inbond.errors import InputError, NewerFormatError
from inbond.workspace import Workspace
from tests.briefing_examples import briefing


def test_what_is_kept_is_read_back_and_is_private(tmp_path: Path) -> None:
    workspace, made = Workspace(tmp_path / "bond"), briefing()
    folder = shelf.keep(workspace, made, "<!doctype html>")
    assert shelf.read(folder) == made
    assert Briefing.from_json(made.to_json()) == made
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {made.id: 0o700, "briefing.json": 0o600, "index.html": 0o600}


def test_the_list_is_newest_first_and_tells_what_is_damaged(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert shelf.listed(workspace) == []
    old = briefing("old", made_at="2026-11-20T00:00:00Z")
    new = briefing("new", made_at="2026-11-22T00:00:00Z")
    broken = briefing("broken")
    for each in (old, new, broken):
        shelf.keep(workspace, each, "")
    (workspace.briefing(broken.id) / shelf.NAME).write_text("{")
    (workspace.briefings / "unfinished0000aa").mkdir()
    (workspace.briefings / "0123456789abcdef").mkdir()
    told: list[InputError] = []
    assert shelf.listed(workspace, told.append) == [new, old]
    assert [broken.id in error.expected for error in told] == [True]


def test_a_briefing_in_the_folder_of_another_is_refused(tmp_path: Path) -> None:
    workspace, made = Workspace(tmp_path), briefing()
    folder = shelf.keep(workspace, made, "")
    other = folder.rename(folder.with_name("0" * 16))
    with pytest.raises(InputError, match="in a folder of another name"):
        shelf.read(other)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"score": "4.8"}, "the score is 4.8, that of its axes 3.7"),
        ({"axes": None}, "that of its axes None"),
        ({"axes": {"novelty": 6, "reach": 4, "evidence": 4}}, "axes.novelty"),
        ({"id": "0" * 16}, "not the beginning of the identity"),
        ({"translation": {}}, "either translated or told as failed"),
        ({"failed": [{"block": "b1", "check": "ids", "why": ""}]}, "either translated or told as failed"),
        ({"impact": [{"text": "x", "blocks": ["b99"]}]}, "cites a block that there is not"),
        (
            {"points": [{"heading": "", "sentence": "", "block": "b1", "quote": "never was said"}]},
            "do not stand",
        ),
        ({"points": [{"heading": "", "sentence": "", "block": "b77", "quote": "x"}]}, "no such block"),
        ({"extra": 1}, "extra: Extra inputs"),
        ({"tags": "one"}, "tags"),
        ({"language": "Japanese"}, "language"),
        ({"made_at": "yesterday"}, "made_at"),
    ],
)
def test_what_does_not_hold_together_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        briefing("1", **change)


def test_a_newer_format_is_told_from_no_format() -> None:
    value = briefing().to_json()
    with pytest.raises(NewerFormatError, match="of a newer Inbond"):
        Briefing.from_json({**value, "format": "inbond.briefing/2"})
    for other in ({**value, "format": "other/1"}, [], None, "x", {}, json.loads("[[1]]")):
        with pytest.raises(InputError, match=r"inbond.briefing/1"):
            Briefing.from_json(other)
