"""``generate.mark`` from the command line: the mark is in the answers and in their origins, survives a kill,
an export and the way back; the secret is nowhere but in its file."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from inbond.cli import forensics_mark
from inbond.forensics import making
from inbond.forensics.exact import log10_upper_tail
from inbond.forensics.mark_keys import MarkKeys, descriptor
from inbond.forensics.radioactivity import Written, tally_closed
from inbond.ledger.records import Row, read_rows
from inbond.teachers.catalogue import LISTED
from inbond.teachers.tokens import encode_answer
from tests.e2e.conftest import Command
from tests.e2e.test_benchmarks import run as run_benchmark
from tests.e2e.test_run import Place
from tests.tiny import make_tokenizer, save_tiny

Mark = Callable[..., dict[str, Any]]


@pytest.fixture
def mark(capsys: pytest.CaptureFixture[str]) -> Mark:
    """``inbond forensics mark``, in this process."""

    def run(*arguments: str) -> dict[str, Any]:
        capsys.readouterr()
        app = typer.Typer()
        app.add_typer(forensics_mark.app, name="mark")
        app.add_typer(typer.Typer(), name="other")
        app(["mark", *arguments, "--json"], standalone_mode=False)
        value: dict[str, Any] = json.loads(capsys.readouterr().out)
        return value

    return run


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    save_tiny(tmp_path / "teacher", padding=5)
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


def write(place: Place, **generate: Any) -> None:
    how = {"max_tokens": 24, "temperature": 1.5, "top_p": 1.0, "max_failed": 0.5, **generate}
    place.write(generate=how, student={"init": "none"})


def texts(rows: list[Row]) -> list[str]:
    return [row.record.completion for row in rows]


def log10_p(key_name: str, rows: list[Row], tokenizer: Any) -> float:
    key = MarkKeys.default().green(key_name)
    tally = tally_closed(key, [Written(encode_answer(tokenizer, text)) for text in texts(rows)])
    assert tally.pairs > 100
    return log10_upper_tail(tally.green, tally.pairs, key.gamma)


def holds_no_secret(place: Place, *names: str) -> bool:
    for name in names:
        secret = MarkKeys.default().read(name).secret
        found = [path for path in place.folder.rglob("*") if path.is_file()]
        assert len(found) > 8
        for path in found:
            data = path.read_bytes()
            if secret in data or secret.hex().encode() in data:
                return False
    return True


@pytest.fixture(autouse=True)
def _keys_are_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn depends on the key: with a fresh one a test would fail by chance now and then."""
    numbers = itertools.count(1)
    monkeypatch.setattr(making, "fresh_secret", lambda: sha256(bytes([next(numbers)])).digest())


@pytest.mark.slow
def test_answers_are_green_and_their_origins_say_so(place: Place, command: Command, mark: Mark) -> None:
    made = mark("key", "spring", "--teacher", "path:teacher", "--delta", "8")
    assert made["delta"] == 8
    assert [one["name"] for one in mark("list")["keys"]] == ["spring"]
    write(place)
    command("run", "recipe.yaml")
    plain = read_rows(place.run_folder / "data/train")
    write(place, mark="spring")
    command("run", "recipe.yaml")
    rows = read_rows(place.run_folder / "data/train")
    wanted = descriptor(MarkKeys.default().read("spring"))
    assert all(row.origin.sampling["mark"] == wanted for row in rows)
    assert "mark" not in plain[0].origin.sampling
    assert log10_p("spring", rows, make_tokenizer()) < -10 < -4 < log10_p("spring", plain, make_tokenizer())
    command("export", "chat", "run:tiny", "--lineage", "--output", "out.jsonl")
    out = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert {row["inbond"]["mark"] for row in out} == {f"green-list/1 {wanted['id']}"}
    assert command("verify")["ok"]
    assert holds_no_secret(place, "spring")


@pytest.mark.slow
def test_killed_and_resumed_it_gives_the_same_marked_answers(
    place: Place, command: Command, mark: Mark
) -> None:
    mark("key", "spring", "--teacher", "path:teacher")
    write(place, mark="spring")
    child = place.start("run", "recipe.yaml", "--json")
    journal = place.folder / "bond" / "journal.db-wal"
    until = time.monotonic() + 120
    while not (journal.exists() and journal.stat().st_size > 60_000) and child.poll() is None:
        assert time.monotonic() < until, "it never began to answer"
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert not (place.run_folder / "data" / "answers" / "manifest.json").exists()
    command("run", "recipe.yaml")
    resumed = read_rows(place.run_folder / "data/answers")
    assert len(resumed) > 30
    command("run", "recipe.yaml", "--home", "other")
    whole = read_rows(place.folder / "other/runs/tiny/data/answers")
    assert texts(resumed) == texts(whole)
    assert resumed[0].origin == whole[0].origin
    assert holds_no_secret(place, "spring")


@pytest.mark.slow
def test_a_choice_keeps_its_alternatives_until_they_are_erased(
    place: Place, command: Command, mark: Mark
) -> None:
    from inbond.forensics.alternatives import FILE, read_alternatives

    mark("key", "autumn", "--choice", "3")
    write(place, mark="autumn", samples=3)
    done = command("run", "recipe.yaml")
    folder = place.run_folder / "data/answers"
    rows, kept = read_rows(folder), read_alternatives(folder / FILE)
    key = MarkKeys.default().read("autumn")
    assert kept.mark == descriptor(key)
    assert len(rows) == len(kept.choices) > 30
    for row, choice in zip(rows, kept.choices, strict=True):
        assert row.record.completion == choice.answers[key.planted(choice.name)]  # type: ignore[union-attr]
    assert done["records"] <= len(rows)
    assert holds_no_secret(place, "autumn")
    erased = command("erase", "tiny")
    assert any(str(path).endswith(FILE) for path in erased["files"])
    assert not (folder / FILE).exists()
    assert command("verify")["ok"]


@pytest.mark.slow
def test_canaries_are_learnt_as_own_data_that_says_what_it_is(
    place: Place, command: Command, mark: Mark
) -> None:
    mark("key", "winter", "--canaries", "5")
    mark("canaries", "winter", "--count", "12", "--out", "canaries.jsonl")
    how = {"max_tokens": 8, "temperature": 1.5, "top_p": 1.0, "max_failed": 0.5}
    own = [{"file": "canaries.jsonl", "weight": 3}]
    place.write(generate=how, student={"init": "none"}, own_data=own)
    command("run", "recipe.yaml")
    rows = read_rows(place.run_folder / "data/train")
    key = MarkKeys.default().read("winter")
    planted = [row for row in rows if row.origin.sampling.get("mark", {}).get("id") == key.id]
    assert len(planted) == 12
    assert all(row.origin.own and row.weight == 3 for row in planted)
    assert command("trace", "data:runs/tiny/data/train")["answer"]["outcome"] == "yes"
    command("export", "chat", "run:tiny", "--lineage", "--output", "out.jsonl")
    said = [json.loads(line)["inbond"]["mark"] for line in Path("out.jsonl").read_text().splitlines()]
    assert said.count(f"canary/1 {key.id}") == 12
    assert said.count("") == len(rows) - 12
    assert command("verify")["ok"]
    assert holds_no_secret(place, "winter")


@pytest.mark.slow
def test_a_missing_key_ends_a_run_and_a_pipeline_before_they_begin(place: Place, command: Command) -> None:
    write(place, mark="nobody")
    told = command("run", "recipe.yaml", code=2)["error"]
    assert told["expected"].endswith("nobody.json")
    recipe = yaml.safe_load((place.folder / "recipe.yaml").read_text())
    first = {**recipe, "name": "first", "generate": {}}
    Path("two.yaml").write_text(
        yaml.safe_dump({"name": "two", "stages": [first, {**recipe, "name": "second"}]})
    )
    told = command("run", "two.yaml", code=2)["error"]
    assert told["expected"].endswith("nobody.json")
    assert not (place.folder / "bond").exists()


QUESTIONS = ["What is a river?", "Tell me about Paris.", "Why do birds sing?", "How does one make tea?"]
BEGINNINGS = [
    "日本の首都は東京です。東京は",
    "むかしむかし、あるところに、おじいさんと",
    "川は水の流れです。海は",
]


@pytest.mark.slow
def test_the_real_teacher_marks_its_answers_english_and_japanese(
    smollm2_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command, mark: Mark
) -> None:
    """A GGUF file: opened under transformers for it, since llama.cpp draws by itself."""
    from inbond.digest import of_file
    from inbond.teachers.convert import converted
    from inbond.teachers.local import load_tokenizer

    monkeypatch.chdir(tmp_path)
    mark("key", "spring", "--teacher", LISTED[0].uri, "--delta", "3")
    recipe: dict[str, Any] = {
        "name": "english",
        "teacher": LISTED[0].uri,
        "prompts": {"items": QUESTIONS},
        "generate": {"mark": "spring", "max_tokens": 60, "temperature": 0.7, "top_p": 0.95},
        "filters": {"truncated": False},
        "student": {"init": "none"},
    }
    tokenizer = load_tokenizer(converted(smollm2_gguf, of_file(smollm2_gguf)))
    mark("key", "other", "--teacher", LISTED[0].uri)
    for name, prompts in (("english", QUESTIONS), ("japanese", BEGINNINGS)):
        recipe |= {"name": name, "prompts": {"items": prompts, "chat": name == "english"}}
        Path("recipe.yaml").write_text(yaml.safe_dump(recipe))
        command("run", "recipe.yaml")
        folder = tmp_path / "bond/runs" / name / "data/answers"
        rows = read_rows(folder)
        assert log10_p("spring", rows, tokenizer) < -8 < -4 < log10_p("other", rows, tokenizer)
        assert "transformers marked sha256:" in (folder / "manifest.json").read_text()
        assert {row.origin.sampling["mark"]["scheme"] for row in rows} == {"green-list/1"}
    written = "".join(texts(rows))
    assert sum(letter > "\u3040" for letter in written) > len(written) / 3


@pytest.mark.slow
def test_the_benchmark_of_what_a_mark_costs() -> None:
    text = run_benchmark("mark_cost.py", "--prompts", 10, "--tokens", 12, "--deltas", 4, "--temperature", 1.5)
    lines = [line.split("|") for line in text.splitlines() if line.startswith("| ")]
    plain, green = lines[-2:]
    assert plain[1].strip() == "0"
    assert green[1].strip() == "4"
    assert float(green[7].strip("% ")) > float(plain[7].strip("% ")) + 3
