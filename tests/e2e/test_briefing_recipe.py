"""The task of a briefing in a whole run: a scripted teacher over HTTP, a real (tiny) student, real checks."""

from __future__ import annotations

import html
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from inbond.ledger.records import read_rows
from inbond.recipes import articles, reading
from inbond.types import Message
from tests.briefing_model import answer, data_of
from tests.e2e.conftest import Command
from tests.e2e.test_kinds import OFF
from tests.e2e.test_run import Place
from tests.roundtable_host import serving
from tests.tiny import save_tiny

NAMES = ["ferry", "library", "tram", "museum", "harbour", "school"]
ACCEPT = ("--accept", "my own host")
WRONG = "words that no article ever had in it"


def right(body: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(
        answer([Message(each["role"], each["content"]) for each in body["messages"]])
    )
    return value


def mixed(body: dict[str, Any]) -> dict[str, Any]:
    """Right at every other sample; else it drops a block, changes a number, invents a quote or a block."""
    value = right(body)
    if body["seed"] % 2 == 0:
        return value
    if "points" in value:
        value["points"][0]["quote"] = WRONG
    elif "impact" in value:
        value["impact"][0]["blocks"] = ["b99"]
    elif "axes" in value:
        value["summary"] = "ある組織が777の新しい取り組みを発表した。"
    elif len(data_of(body["messages"][-1]["content"])["title"]) % 2:
        value["blocks"].pop()
    else:
        value["blocks"][0]["text"] += "、4321"
    return value


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A base for the student that can read long prompts, and six articles."""
    save_tiny(tmp_path / "base", layers=2)
    config = json.loads((tmp_path / "base" / "config.json").read_text())
    (tmp_path / "base" / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 8192}))
    (tmp_path / "news").mkdir()
    for number, name in enumerate(NAMES, 3):
        text = f"# The {name} opens\n\nThe {name} of Vell opened on Monday after {number} years of work.\n\n"
        text += f"It cost {number * 7} coins, says the mayor of the {name}.\n"
        (tmp_path / "news" / f"{name}.md").write_text(text)
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


@pytest.fixture
def host() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    with serving({"m": mixed}) as served:
        yield served


def write(place: Place, host: str, **changes: Any) -> None:
    recipe: dict[str, Any] = {
        "name": "tiny",
        "teacher": f"api:{host}/m",
        "prompts": {"articles": {"path": "news", "language": "ja"}, "licence": "own"},
        "generate": {"samples": 2, "max_tokens": 40},
        "verify": {"kind": "briefing", "timeout_s": 60},
        "held_out": 0.3,
        "filters": {"near_duplicates": None},
        "student": {"init": "model", "base": "path:base"},
        "train": {"kl": 0, "ce": 1, "epochs": 1, "batch": 4},
        "evaluate": {"samples": 0},
        "gates": {**OFF, "capacity": {"action": "off"}},
    }
    (place.folder / "recipe.yaml").write_text(yaml.safe_dump({**recipe, **changes}))


@pytest.mark.slow
def test_only_what_the_checks_find_nothing_wrong_with_is_learnt(
    place: Place, host: tuple[str, list[dict[str, Any]]], command: Command
) -> None:
    write(place, host[0])
    done = command("run", "recipe.yaml", *ACCEPT)
    found = done["verified"]
    assert found["tool"].startswith("tool:inbond.briefing@")
    assert found["outcomes"] == {"passed": 24, "failed": 24, "cannot-tell": 0}
    assert found["pass_at"] == {"1": 0.5, "2": 1.0}
    assert found["questions"] == {
        kind: {"answers": 12, "passed": 6} for kind in ("head", "points", "opinion", "translate")
    }
    reasons = found["reasons"]
    assert reasons["failed: head: numbers"] == reasons["failed: opinion: ids"] == 6
    assert reasons["failed: points: quote"] == 6
    assert reasons["failed: translate: ids"] + reasons["failed: translate: numbers"] == 6
    data = place.run_folder / "data"
    train, held_out = read_rows(data / "train"), read_rows(data / "held_out")
    for row in (*train, *held_out):
        assert not any(sign in row.record.completion for sign in (WRONG, "b99", "777", "4321"))

    titles = [
        {data_of(row.record.prompt[-1].content)["title"] for row in rows}  # type: ignore[union-attr]
        for rows in (train, held_out)
    ]
    assert not titles[0] & titles[1], "whole articles are held out"
    assert len(titles[0] | titles[1]) == len(NAMES)
    student = found["student"]
    for told in student.values():
        assert told["articles"] == len(titles[1])
        assert told["before"]["passed"] == told["after"]["passed"] == 0, "it is far too small for this"
        assert told["after"]["low"] == 0.0 < told["after"]["high"] < 1.0
        assert sum(told["reasons"].values()) == len(titles[1])
    page = html.unescape((place.run_folder / "report.html").read_text())
    assert "Student on held-out articles: points" in page
    assert "Teacher's answers: translate" in page

    traced = {each["id"]: each for each in command("trace", "run:tiny")["ancestors"]}
    assert traced[found["tool"]]["roles"] == ["verifier"]
    asked = len(host[1])
    assert command("run", "recipe.yaml", *ACCEPT) == done
    assert len(host[1]) == asked
    assert command("verify")["ok"]


def test_a_teacher_is_asked_what_a_briefing_asks(
    place: Place, host: tuple[str, list[dict[str, Any]]], command: Command
) -> None:
    article = "news/tram.md"
    make = ("briefing", "make", article, "--model", f"api:{host[0]}/m", "--language", "ja")
    command(*make, "--home", "elsewhere", code=3)  # its seeds are odd each time
    made = {json.dumps(body["messages"]): body["response_format"]["json_schema"]["name"] for body in host[1]}
    before = len(host[1])
    write(
        place,
        host[0],
        student={"init": "none"},
        prompts={"articles": {"path": article, "language": "ja"}, "licence": "own"},
    )
    done = command("run", "recipe.yaml", *ACCEPT)
    assert done["records"] == 4
    asked = {json.dumps(body["messages"]) for body in host[1][before:]}
    assert asked <= made.keys()
    assert {made[each] for each in asked} == {
        f"briefing-{kind}" for kind in ("head", "points", "opinion", "translate")
    }
    assert all("response_format" in body for body in host[1][before:])
    told = ("--set", "prompts.articles.form=told", *ACCEPT)
    again = command("run", "recipe.yaml", *told)
    assert again["artifacts"]["generate"] != done["artifacts"]["generate"]
    assert not any("response_format" in body for body in host[1][-8:])


def test_another_text_of_an_article_is_another_run_from_there_on(
    place: Place, host: tuple[str, list[dict[str, Any]]], command: Command
) -> None:
    write(place, host[0], student={"init": "none"})
    done = command("run", "recipe.yaml", *ACCEPT)
    asked = len(host[1])
    assert asked == 48
    article = place.folder / "news" / "tram.md"
    article.write_text(article.read_text() + "\nThe old tram is now in a garden.\n")
    again = command("run", "recipe.yaml", *ACCEPT)
    assert {again["artifacts"][stage] == done["artifacts"][stage] for stage in done["artifacts"]} == {False}
    assert len(host[1]) == asked + 8, "what was asked of the others is known"
    assert command("verify")["ok"]


def test_killed_while_it_asks_it_goes_on(
    place: Place, host: tuple[str, list[dict[str, Any]]], command: Command
) -> None:
    write(place, host[0], student={"init": "none"})
    child = place.start("run", "recipe.yaml", *ACCEPT, "--json")
    end = time.monotonic() + 120
    while len(host[1]) < 5 and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    done = command("run", "recipe.yaml", *ACCEPT)
    assert done["verified"]["outcomes"]["passed"] == 24
    assert command("verify")["ok"]


def test_a_teacher_that_cannot_be_held_to_a_schema_is_refused_before_it_is_asked(
    place: Place, command: Command
) -> None:
    write(place, "", teacher="path:base")
    error = command("run", "recipe.yaml", code=2)["error"]
    assert error["expected"].startswith("a teacher that can be held to a schema")
    assert error["fix"].startswith("set prompts.articles.form=told")
    assert not (place.run_folder / "data").exists()


def test_a_teacher_that_gets_nothing_right_ends_the_run_with_the_reasons(
    place: Place, command: Command
) -> None:
    with serving({"m": lambda _: "I would rather not."}) as (address, _):
        write(place, address)
        error = command("run", "recipe.yaml", *ACCEPT, code=2)["error"]
    assert error["expected"].startswith("at least two answers that pass")
    assert "'failed: head: reply': 12" in error["found"]


def test_a_batch_file_holds_the_same_questions(
    place: Place, host: tuple[str, list[dict[str, Any]]], command: Command
) -> None:
    write(place, host[0])
    command("export", "batch", "recipe.yaml", "-o", "batch.jsonl", *ACCEPT)
    lines = [json.loads(line) for line in Path("batch.jsonl").read_text().splitlines()]
    assert len(lines) == 48
    assert all(line["body"]["response_format"]["type"] == "json_schema" for line in lines)
    recipe, folder = reading.load("recipe.yaml")
    asked = articles.read(recipe.prompts, folder)
    assert asked is not None
    sent = {line["body"]["messages"][-1]["content"] for line in lines}
    assert sent == {prompt[-1].content for prompt in asked.prompts}  # type: ignore[union-attr]


SMALL = (
    "prompts.articles.limit=12", "generate.samples=4", "train.epochs=1", "evaluate.samples=0",
    "gates.diversity.action='off'", "gates.generality.action='off'",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("smollm2_gguf")
def test_the_built_in_recipe_with_the_real_small_teacher(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = command("run", "briefing", *[word for change in SMALL for word in ("--set", change)])
    assert result["outcome"] == "done"
    told = result["verified"]
    assert sum(told["outcomes"].values()) == 48
    assert told["questions"]["head"]["passed"] == told["kept"] >= 2
    data = tmp_path / "bond" / "runs" / "briefing" / "data"
    for row in read_rows(data / "train"):
        value = json.loads(row.record.completion)
        assert set(value) == {"summary", "tags", "axes"}, "an English article keeps its title"
        numbers = set(filter(str.isdigit, value["summary"].replace(",", " ").split()))
        assert all(number in row.record.prompt[-1].content for number in numbers)  # type: ignore[union-attr]
    assert told["student"]["head"]["articles"] >= 1
    assert command("verify")["ok"]
