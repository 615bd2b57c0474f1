"""Batch files: made from a recipe, answered somewhere, read back as if the answers had been asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from inbond.cli.main import run as inbond
from inbond.engine.interchange import batch
from inbond.engine.journal import Journal
from inbond.errors import InputError
from inbond.recipes import answers
from inbond.recipes.reading import load
from inbond.recipes.sources import read_prompts
from inbond.teachers.protocols import Price, Request, Sampling
from inbond.types import Message
from inbond.workspace import Workspace, config_folder
from tests.tiny import save_tiny

WORDS = ["river", "stone", "川", "winter"]
PRICE = Price(2.0, 4.0)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe whose host takes batches at half its price; nothing listens there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("INBOND_HOME", raising=False)
    hosts = {"127.0.0.1:9": {"price": {"prompt": 2, "completion": 4, "batch": 0.5}}}
    config = config_folder({"XDG_CONFIG_HOME": str(tmp_path / "config")})
    config.mkdir(parents=True)
    (config / "hosts.yaml").write_text(yaml.safe_dump(hosts))
    recipe = {
        "name": "tiny",
        "teacher": "api:127.0.0.1:9/big",
        "prompts": {"items": WORDS, "licence": "own"},
        "generate": {"max_tokens": 8},
        "capture": {"targets": "remote", "k": 2},
        "student": {"init": "model", "base": "path:base"},
    }
    save_tiny(tmp_path / "base")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return tmp_path


def export(*more: str) -> int:
    return inbond(["export", "batch", "recipe.yaml", "--out", "b.jsonl", "--accept", "my own host", *more])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def answered(asked: dict[str, Any], text: str = "an answer", **more: Any) -> dict[str, Any]:
    body = {
        "model": "big-2026-01-01", "usage": {"prompt_tokens": 10, "completion_tokens": 5},
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
    }  # fmt: skip
    response = {"status_code": 200, "request_id": "req-1", "body": {**body, **more}}
    return {"id": "x", "custom_id": asked["custom_id"], "response": response, "error": None}


def write(path: Path, *values: Any, end: str = "\n") -> Path:
    path.write_text("\n".join(json.dumps(v, ensure_ascii=False) for v in values) + end, "utf-8")
    return path


def take(*more: str) -> int:
    return inbond(["import", "results.jsonl", "--batch", "recipe.yaml", *more])


def kept(folder: Path) -> dict[str, str | None]:
    """What the journal has, by the words that were asked about."""
    recipe, at = load("recipe.yaml")
    requests = [
        one
        for prompt in read_prompts(recipe, at, Workspace(folder / "bond"))
        for one in answers.requests_for(recipe, "api:127.0.0.1:9/big top_logprobs 2", prompt)
    ]
    with Journal.open(Workspace(folder / "bond").journal) as journal:
        found = journal.find(request.id for request in requests)
    return {
        request.prompt[-1].content: (found[request.id].reply.text if found[request.id].reply else None)
        for request in requests
        if request.id in found and not isinstance(request.prompt, str)
    }  # type: ignore[union-attr]


def test_a_batch_is_made_answered_and_read_back(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export() == 0
    assert "batch of tiny: 4 requests, 0 answered already" in capsys.readouterr().out
    asked = lines(place / "b.jsonl")
    assert [line["body"]["messages"][-1]["content"] for line in asked] == WORDS
    assert asked[0]["url"] == "/v1/chat/completions"
    assert asked[0]["method"] == "POST"
    assert len(asked[0]["custom_id"]) == 64
    assert asked[0]["body"].items() >= {"model": "big", "max_tokens": 8, "top_logprobs": 2}.items()
    assert "stream" not in asked[0]["body"]

    refused = {"custom_id": asked[3]["custom_id"], "response": None, "error": {"message": "expired"}}
    write(place / "results.jsonl", *map(answered, asked[:2]), answered(asked[2], "川の答え"), refused)
    assert take("--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["answers"], said["failures"], said["missing"]) == (3, 1, 1)
    assert said["cost_usd"] == pytest.approx(3 * PRICE.cost(10, 5) / 2)
    assert kept(place) == {"river": "an answer", "stone": "an answer", "川": "川の答え", "winter": None}
    with Journal.open(Workspace(place / "bond").journal) as journal:
        spent = journal.spent("tiny")
        assert [entry.message for entry in journal.failures("tiny")] == ["the batch gave no answer: expired"]
    assert (spent.prompt_tokens, spent.completion_tokens) == (30, 15)

    assert take() == 0
    assert "0 answers and 0 failures of tiny, 4 were known" in capsys.readouterr().out
    with Journal.open(Workspace(place / "bond").journal) as journal:
        assert journal.spent("tiny") == spent
    assert export() == 0
    assert "1 requests, 3 answered already" in capsys.readouterr().out
    assert [line["custom_id"] for line in lines(place / "b.jsonl")] == [asked[3]["custom_id"]]


def wrong_model(asked: list[dict[str, Any]]) -> str:
    return json.dumps(answered(asked[1], model="other-2"))


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (wrong_model, "line 2: one of 'other-2' (expected an answer of big)"),
        (lambda asked: json.dumps({**answered(asked[1]), "custom_id": "f" * 64}), "custom_id 'ffff"),
        (lambda _: json.dumps({"response": {}}), "line 2: None (expected a custom_id)"),
        (lambda asked: json.dumps(answered(asked[1]))[:-40], "line 2: no JSON, and the file ends there"),
        (lambda asked: json.dumps(answered(asked[0], "another")), "a second, other answer to one"),
        (lambda asked: json.dumps(answered(asked[1], choices=3)), "choices that are no list"),
        (lambda _: "[1]", "line 2: no JSON object"),
        (
            lambda asked: '{"custom_id": "x", ' + json.dumps(answered(asked[1]))[1:],
            "the field 'custom_id' twice",
        ),
        (lambda asked: json.dumps(answered(asked[1])).replace("200", "true"), "a status_code of HTTP"),
    ],
    ids=["model", "other request", "no id", "cut", "duplicate", "malformed", "list", "field twice", "status"],
)
def test_what_cannot_be_taken_is_named_and_the_rest_is_kept(
    place: Path, capsys: pytest.CaptureFixture[str], spoil: Any, text: str
) -> None:
    assert export() == 0
    asked = lines(place / "b.jsonl")
    good = json.dumps(answered(asked[0]))
    (place / "results.jsonl").write_text(f"{good}\n{spoil(asked)}", "utf-8")
    capsys.readouterr()
    assert take() == 2
    said = capsys.readouterr().err
    assert text in said
    assert "1 outcomes are kept" in said
    assert kept(place) == {"river": "an answer"}
    assert take() == 2  # again: what was kept is known
    assert "0 outcomes are kept" in capsys.readouterr().err


def read_alone(tmp_path: Path, *rows: str, encoding: str = "utf-8") -> batch.Read:
    """The results of two requests, as their lines say them."""
    path = tmp_path / "results.jsonl"
    path.write_bytes("".join(f"{row}\n" for row in rows).encode(encoding))
    by_name = {batch.custom_id(request): request for request in TWO}
    return batch.read_results(path, by_name, model="big", price=PRICE, share=1.0)


TWO = [Request("api:host/big", (Message("user", word),), Sampling(8)) for word in "ab"]
ONE, OTHER = (answered({"custom_id": batch.custom_id(request)}) for request in TWO)
EXPIRED = {**ONE, "response": None, "error": {"code": "batch_expired", "message": "too late"}}


@pytest.mark.parametrize("rows", [(EXPIRED, OTHER, ONE), (ONE, EXPIRED, OTHER)], ids=["later", "before"])
def test_an_answer_counts_beside_a_failure_in_any_order(tmp_path: Path, rows: Any) -> None:
    """As in an output file and an error file that were joined."""
    found = read_alone(tmp_path, *map(json.dumps, rows))
    assert (found.answers, found.failures, found.repeated, found.problems) == (2, 0, 1, [])
    assert {outcome.request.id for outcome in found.outcomes} == {request.id for request in TWO}


def test_what_some_hosts_write_otherwise_is_taken(tmp_path: Path) -> None:
    quoted = json.dumps(ONE).replace("200", '"200"')
    no_number = json.dumps({**OTHER, "queue_seconds": float("nan")})
    assert "NaN" in no_number
    found = read_alone(tmp_path, "\ufeff" + quoted, no_number)
    assert (found.answers, found.problems) == (2, [])


def test_another_encoding_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"results.jsonl, line 1: a file in UTF-16"):
        read_alone(tmp_path, json.dumps(ONE), encoding="utf-16")


def test_a_repeated_line_says_nothing_new(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export() == 0
    asked = lines(place / "b.jsonl")
    write(place / "results.jsonl", answered(asked[0]), answered(asked[0]))
    capsys.readouterr()
    assert take() == 0
    assert "1 answers and 0 failures of tiny, 1 lines said the same again" in capsys.readouterr().out


def test_a_batch_that_may_cost_more_than_the_cap_is_not_made(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export("--set", "generate.spend_cap_usd=0.00001") == 2
    assert "a batch that costs at most 1e-05 USD" in capsys.readouterr().err
    assert not (place / "b.jsonl").exists()


def test_a_batch_needs_the_gate_and_an_api(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inbond(["export", "batch", "recipe.yaml", "--out", "b.jsonl"]) == 3
    assert not (place / "b.jsonl").exists()
    assert inbond(["export", "batch", "recipe.yaml"]) == 2
    assert "--output FILE for inbond export batch" in capsys.readouterr().err
    assert inbond(["import", "results.jsonl", "--set", "a=b"]) == 2
    assert "--set with --batch alone" in capsys.readouterr().err


def test_more_than_a_host_takes_goes_into_several_files(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(batch, "MOST_REQUESTS", 3)
    assert export("--json") == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert files == ["b.jsonl", "b-2.jsonl"]
    assert [len(lines(place / name)) for name in files] == [3, 1]


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ("gpt-4o", True), ("GPT-4o", True), ("gpt-4o-2024-08-06", True), ("gpt-4o@2", True),
        ("gpt-4o-mini", False), ("gpt-4o-mini-2024", False), ("gpt-4", False), ("gpt-4o2", False),
    ],
)  # fmt: skip
def test_a_dated_version_is_the_same_model(said: str, same: bool) -> None:
    assert batch.same_model(said, "gpt-4o") == same
    assert batch.same_model(said, "gpt-4o-latest") == same


ASK = Request("t", (Message("user", "Hi"),), Sampling(8))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(("status_code", "body", "choices", "message", "content", "error", "code", "usage",
                         "finish_reason", "request_id", "model", "logprobs")), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(json_values, json_values, st.binary(max_size=20))
def test_any_results_file_is_read_or_complained_of(
    tmp_path_factory: pytest.TempPathFactory, response: Any, error: Any, noise: bytes
) -> None:
    folder = tmp_path_factory.mktemp("b")
    name = batch.custom_id(ASK)
    line = json.dumps({"custom_id": name, "response": response, "error": error}).encode()
    (folder / "r.jsonl").write_bytes(line + b"\n" + noise)
    found = batch.read_results(folder / "r.jsonl", {name: ASK}, model="m", price=PRICE, share=1)
    assert len(found.outcomes) + len(found.problems) >= 1
    assert (found.complain(0) is None) == (not found.problems)
    with Journal.open(folder / "journal.db") as journal:
        journal.record("r", found.outcomes)
