"""A run's student sits at a table and judges, by its ``run:`` name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inbond.cli.main import run
from inbond.ledger import manifest
from inbond.ledger.manifest import Identity, Manifest
from inbond.workspace import Workspace
from tests.roundtable_host import serving, votes
from tests.tiny import save_tiny


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a student of the run ``tiny``."""
    made = Workspace(tmp_path_factory.mktemp("students") / "bond")
    folder = save_tiny(made.run("tiny") / "student")
    manifest.write(folder, Manifest(Identity("export", 1, {}, {}), manifest.digest_files(folder)))
    return made.home


def told(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str) -> tuple[int, Any, str]:
    code = run(["roundtable", *arguments, "--home", str(home), "--json"])
    found = capsys.readouterr()
    return code, json.loads(found.out), found.err


CONSTITUTION = "title: One\nprinciples:\n  - id: brief\n    text: The better answer is brief and right.\n"
TABLE = """question: Is it so, or not?
options: [yes_, no_]
rounds: 1
writer: code
language: ja
seats:
  - ada=api:{host}/ada
  - {{name: kai, uri: "run:tiny", max_tokens: 16}}
  - eve=run:nobody
"""


def test_a_student_has_a_seat_and_what_it_says_is_counted_as_what_it_is(
    capsys: pytest.CaptureFixture[str], home: Path, tmp_path: Path
) -> None:
    with serving({"ada": votes("yes_")}) as (host, _):
        (tmp_path / "q.yaml").write_text(TABLE.format(host=host))
        code, value, said = told(capsys, home, "ask", "--file", str(tmp_path / "q.yaml"))
    assert code == 3
    ada, kai, eve = value["seats"]
    assert ada["vote"] == "yes_"
    assert kai["parameters"] is not None
    assert "no complete student" not in json.dumps(kai), "its weights were found"
    assert (eve["status"], eve["parameters"]) == ("error", None)
    assert "eve: its model cannot be opened: no complete student at" in said
    assert "kai: its model cannot be opened" not in said


def test_a_student_that_is_not_there_is_no_judge(
    capsys: pytest.CaptureFixture[str], home: Path, tmp_path: Path
) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text('{"prompt": "Say hello.", "a": "Hello!", "b": "Go away."}\n')
    code, value, _ = told(capsys, home, "judge", str(pairs), "--judge", "kai=run:nobody")
    assert code == 2
    assert "a finished run 'nobody'" in value["error"]["expected"]


@pytest.mark.slow
def test_a_student_judges(capsys: pytest.CaptureFixture[str], home: Path, tmp_path: Path) -> None:
    """One so small says nothing that is a vote: no preference, and its weights by name."""
    (tmp_path / "one.yaml").write_text(CONSTITUTION)
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text('{"prompt": "Say hello.", "a": "Hello!", "b": "Go away."}\n')
    arguments = ("judge", str(pairs), "--judge", "kai=run:tiny", "--max-tokens", "16")
    code, value, _ = told(capsys, home, *arguments, "--constitution", str(tmp_path / "one.yaml"))
    assert (code, value["preferences_written"]) == (3, 0)
    assert value["judges"][0]["uri"] == "run:tiny"
    assert value["judges"][0]["asked"] > 0
