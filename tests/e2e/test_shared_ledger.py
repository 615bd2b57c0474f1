"""A team's ledger from the command line: the same verbs, a real server, and the page that describes them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from inbond.ledger.address import Address
from tests.e2e.test_run import Place
from tests.postgres_server import Server
from tests.tiny import save_tiny

INBOND = [sys.executable, "-c", "from inbond.cli.main import main; main()"]
PAGE = Path(__file__).parents[2] / "docs" / "ledger.md"
CHECK = ["check", "--teacher", "hf:somebody/unheard-of", "--accept", "Ben: I asked its author"]


@pytest.fixture
def address(server: Server, monkeypatch: pytest.MonkeyPatch) -> Address:
    made = server.new_database()
    url = f"postgresql://postgres:geheim@{made.host}:{made.port}/{made.database}"
    monkeypatch.setenv("INBOND_LEDGER", url)
    return made


def inbond(*arguments: str, cwd: Path, code: int = 0, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [*INBOND, *arguments, "--json"], cwd=cwd, env={**os.environ, **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert "geheim" not in done.stdout + done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def test_an_acceptance_goes_to_the_team_and_verifies_from_every_workspace(
    address: Address, tmp_path: Path
) -> None:
    for name in ("anna", "ben"):
        config = str(tmp_path / f"config-{name}")
        inbond(*CHECK, "--home", name, cwd=tmp_path, XDG_CONFIG_HOME=config)
    for name in ("anna", "ben"):
        report = inbond("verify", "--home", name, cwd=tmp_path)
        assert report["ok"]
        assert report["checked"]["events"] == 8  # a key, joining, the decision and its acceptance, of each
        assert (tmp_path / name / "ledger.json").exists()
        assert not (tmp_path / name / "ledger.db").exists()
    inbond("verify", "--home", "anna", "--save-head", "head.json", cwd=tmp_path)
    theirs = {"XDG_CONFIG_HOME": str(tmp_path / "config-ben")}
    inbond(*CHECK, "--home", "ben", cwd=tmp_path, **theirs)
    assert inbond("verify", "--home", "anna", "--head", "head.json", cwd=tmp_path)["ok"]
    assert address.database in (tmp_path / "anna" / "ledger.json").read_text()


@pytest.mark.usefixtures("address")
def test_a_changed_key_is_introduced_to_the_team(tmp_path: Path) -> None:
    inbond(*CHECK, "--home", "anna", cwd=tmp_path)
    changed = inbond("keys", "rotate", "--home", "anna", cwd=tmp_path)
    assert changed["introduced"] == "anna/ledger.json"
    inbond(*CHECK, "--home", "anna", cwd=tmp_path)
    report = inbond("verify", "--home", "anna", cwd=tmp_path)
    assert report["ok"]
    assert [note for note in report["notes"] if "introduces itself" in note] == []


def test_errors_name_the_server_and_no_secret(address: Address, tmp_path: Path, server: Server) -> None:
    missing = inbond("verify", "--home", "none", cwd=tmp_path, code=2)["error"]
    assert missing["found"] == "a database without one"
    server.run(f"DROP DATABASE {address.database}", database="postgres")
    gone = inbond(*CHECK, "--home", "new", cwd=tmp_path, code=2)["error"]
    assert gone["expected"] == f"a database that exists at {address}"
    wrong = inbond("verify", cwd=tmp_path, code=2, INBOND_LEDGER="postgresql://a:geheim@h:x/d")["error"]
    assert wrong["expected"] == "the address of a shared ledger as postgresql://USER@HOST/DATABASE"


def test_the_page_says_what_works(server: Server, tmp_path: Path) -> None:
    """Its rights and its commands, as they stand there."""
    made = server.new_database()
    text = PAGE.read_text("utf-8")
    rights = re.search(r"```sql\n(.*?)```", text, re.S)
    shell = re.search(r"```sh\n(.*?)```", text, re.S)
    assert rights is not None
    assert shell is not None
    owner = f"postgresql://postgres@{made.host}:{made.port}/{made.database}"
    commands = shell[1].splitlines()
    assert [line.split()[0] for line in commands] == ["pip", "export", "inbond", "inbond"]
    assert commands[2] == "inbond run demo --home bond"  # an acceptance stands for it here
    inbond(*CHECK, "--home", "bond", cwd=tmp_path, INBOND_LEDGER=owner)
    inbond(*commands[3].split()[1:], cwd=tmp_path, INBOND_LEDGER=owner)
    for name in ("anna", "ben"):
        server.run(f"CREATE ROLE {name} LOGIN PASSWORD 'geheim'", database="postgres")
    for statement in filter(str.strip, rights[1].split(";")):
        server.run(statement, database=made.database)
    anna = {"INBOND_LEDGER": owner.replace("postgres@", "anna@"), "PGPASSWORD": "geheim"}
    inbond(*CHECK, "--home", "annas", cwd=tmp_path, **anna)
    assert inbond("verify", "--home", "annas", cwd=tmp_path, **anna)["ok"]


def test_the_benchmark_of_appending_measures_both_stores(server: Server) -> None:
    made = server.new_database()
    url = f"postgresql://postgres@{made.host}:{made.port}/{made.database}"
    script = PAGE.parents[1] / "benchmarks" / "append.py"
    done = subprocess.run(
        [sys.executable, str(script), "--events", "300", "--batch", "100", "--singles", "5", "--ledger", url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [line.split(" in batches")[0] for line in done.stdout.splitlines()] == [
        "SQLite: 300 events",
        "PostgreSQL: 300 events",
    ]
    # the key, one before the clock starts, the batches and the single ones
    assert server.run("SELECT count(*) FROM inbond.events", database=made.database) == [[307]]


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_and_verifies(
    address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path)
    save_tiny(tmp_path / "teacher")
    place.write()
    first = place.start("run", "recipe.yaml", "--quiet")
    deadline = time.monotonic() + 60
    while not list(place.run_folder.glob("targets/*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert place.inbond("verify")["ok"]
    result = place.inbond("run", "recipe.yaml")
    assert result["outcome"] == "done"
    report = place.inbond("verify")
    assert report["ok"]
    assert report["checked"]["artifacts"] > 5
    assert place.inbond("run", "recipe.yaml") == result
    assert place.inbond("verify")["checked"] == report["checked"], "a second run adds nothing"
    assert place.inbond("verify", "run:tiny")["ok"]
    assert place.inbond("trace", "run:tiny")["ancestors"]
    student = "bond/runs/tiny/student"
    inbond(*CHECK, "--home", "other", cwd=tmp_path)  # another workspace's events in between
    assert place.inbond("verify", student, "--save-proof", "proof.json")["ok"]
    shutil.copytree(tmp_path / student, tmp_path / "copied")
    with monkeypatch.context() as without:
        without.delenv("INBOND_LEDGER")
        for alone in ("proof.json", "copied"):
            assert place.inbond("verify", alone)["ok"], "it needs no server"
        unnamed = place.inbond("verify", code=2)["error"]
        assert unnamed["found"].startswith("it is not set; the folder names postgresql://127.0.0.1:")
    assert place.inbond("erase", "tiny")["files"]
    assert place.inbond("verify")["ok"]
    assert not (tmp_path / "bond" / "ledger.db").exists()
    assert f"/{address.database}" in (tmp_path / "bond" / "ledger.json").read_text()
