"""A served teacher's log-probabilities learnt in a whole run: real hosts over real sockets, real models.

The command line runs in a thread of this process, so that torch is loaded once; what is killed runs in
a process of its own.
"""

from __future__ import annotations

import asyncio
import html
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from inbond.cli.main import run as inbond
from inbond.engine.journal import Journal
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.ledger.records import Row, read_rows
from inbond.policy import gate
from inbond.recipes import remote
from inbond.recipes.probing import ACCEPTED
from inbond.teachers.tokens import vocabulary_digest
from inbond.workspace import Workspace
from tests.contract.mock_host import MockHost, running
from tests.contract.scoring_host import ScoringHost
from tests.real_model import save_pruned, server_apart
from tests.tiny import make_model, make_tokenizer, save_tiny

ACCEPT = ("--accept", "my own host")
WORDS = ["river", "stone", "garden", "winter", "pencil", "market", "bridge", "window", "silver", "川"]
EDGES = {"generality": {"action": "off"}, "diversity": {"action": "off"}, "capacity": {"action": "off"}}


@dataclass
class Host:
    """An honest host of a tiny model, that can be told to send some answers without log-probabilities."""

    scoring: ScoringHost
    mute: tuple[str, ...] = ()

    async def __call__(
        self, mock: MockHost, request: web.Request, body: dict[str, Any]
    ) -> web.StreamResponse:
        if any(word in body["messages"][-1]["content"] for word in self.mute) and body["max_tokens"] > 4:
            body = {**body, "top_logprobs": 0}
        return await self.scoring(mock, request, body)


@dataclass
class Place:
    """A folder with a student's base and the teacher's own weights in it, and a host to ask."""

    folder: Path
    mock: MockHost
    host: Host
    said: str = ""
    out: dict[str, Any] = field(default_factory=dict)
    capsys: Any = None

    @property
    def run_folder(self) -> Path:
        return self.folder / "bond" / "runs" / "tiny"

    @property
    def asked(self) -> int:
        return len(self.mock.bodies)

    def facts(self, place: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.run_folder / place / "manifest.json").read_text())["facts"]
        return found

    def curve(self) -> list[float]:
        return [point["loss"] for point in json.loads((self.run_folder / "trained/curve.json").read_text())]

    def write(self, **changes: Any) -> None:
        recipe: dict[str, Any] = {
            "name": "tiny",
            "teacher": f"api:{self.mock.host}/m",
            "prompts": {"items": [f"define the word {word}" for word in WORDS]},
            "generate": {"max_tokens": 8, "temperature": 1.0, "top_p": 1.0, "attempts": 1},
            "filters": {"truncated": False, "near_duplicates": None, "personal_data": False},
            "capture": {"targets": "remote", "k": 20, "reference": "path:teacher", "shard": 4},
            "student": {"init": "model", "base": "path:base"},
            "train": {"epochs": 4, "lr": 0.003, "batch": 4},
            "evaluate": {"samples": 0},
            "gates": EDGES,
        }
        for name, part in changes.items():
            recipe[name] = {**recipe[name], **part} if isinstance(recipe.get(name), dict) else part
        (self.folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))

    async def run(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Runs the recipe and returns its JSON object, once the exit code is the one expected."""
        return await self.command("run", "recipe.yaml", *arguments, code=code)

    async def command(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        found = await asyncio.to_thread(inbond, [*arguments, "--json"])
        out, self.said = self.capsys.readouterr()
        assert found == code, f"{out}\n{self.said}"
        value: dict[str, Any] = json.loads(out)
        return value


@pytest.fixture
async def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Place]:
    """The base has half the layers and other weights."""
    tokenizer = make_tokenizer()
    save_tiny(tmp_path / "base", layers=2, seed=5)
    save_tiny(tmp_path / "teacher")
    host = Host(ScoringHost(make_model(len(tokenizer)), tokenizer))
    monkeypatch.chdir(tmp_path)
    async with running(host) as mock:
        made = Place(tmp_path, mock, host, capsys=capsys)
        made.write()
        yield made


@pytest.mark.slow
async def test_a_run_learns_what_the_host_reports_and_needs_it_no_more(place: Place) -> None:
    """The probe's questions are generation's, the journal is erased after capture and not before, and what
    is made anew later comes from the targets."""
    place.write(generate={"retain_days": 1e-9}, train={"epochs": 12, "lr": 0.01})
    done = await place.run(*ACCEPT)
    assert "probe: agree: 0 of 8 replies dropped" in place.said
    assert "capture: log-probabilities of the host for" in place.said
    assert place.asked == 1 + len(WORDS), (
        "one short question for the number of alternatives, and each prompt once"
    )
    assert all(body["top_logprobs"] == 20 for body in place.mock.bodies)
    curve = place.curve()
    assert sum(curve[-2:]) < 0.6 * sum(curve[:2]), "an epoch has two steps"
    rows, captured = read_rows(place.run_folder / "data/train"), place.facts("targets")
    assert captured["dropped"] == {}
    assert captured["records"] == len(rows)
    assert captured["label_tokens"] == 8 * len(rows)
    _check_told(place)
    with Journal.open(Workspace(place.folder / "bond").journal) as journal:
        assert journal.erasable() == 0, "its text was erased"

    asked = place.asked
    assert await place.run() == done
    assert (await place.command("verify"))["ok"]
    other = await place.run("--set", "train.lr=0.001")
    kept = {stage for stage, id_ in other["artifacts"].items() if id_ == done["artifacts"][stage]}
    assert kept == {"probe", "generate", "filter", "hold out", "capture", "start"}
    assert place.asked == asked
    error = (await place.run("--set", "capture.shard=5", code=2))["error"]
    assert error["found"] == "replies whose text was erased"
    assert "--fresh" in error["fix"]
    assert place.asked == asked
    await place.run("--fresh")
    assert place.asked == asked + 1 + len(WORDS), "what was erased is asked again"


def _check_told(place: Place) -> None:
    """Report and card say what the probe found, what is missing, and what was not compared."""
    page = html.unescape((place.run_folder / "report.html").read_text())
    card = (place.run_folder / "student" / "README.md").read_text()
    for text in (page, card):
        assert "reports those of" in text
        assert "0 of 8 replies dropped: none" in text
        assert "against the weights here" in text
    block = yaml.safe_load(card.split("---")[1])["inbond"]
    assert [verdict.get("about") for verdict in block["verdicts"]] == [None, "host"]
    assert block["verdicts"][1]["outcome"] == "agree"
    assert "Agrees" in page
    assert "Label tokens the host was silent on" in page
    assert "used for the probe of its host alone" in page
    assert "not on this machine" not in page
    assert "the student alone, median of 3" in page
    assert "held-out text went from" in page


async def test_the_tokens_are_the_hosts_and_are_erased_with_the_text(place: Place) -> None:
    await place.run(*ACCEPT)
    tokenizer, rows = make_tokenizer(), read_rows(place.run_folder / "data/train")
    teacher, sequences = remote.read(place.run_folder / "targets", vocabulary_digest(tokenizer))
    assert teacher == place.facts("targets")["scores"]
    assert teacher.startswith(f"api:{place.mock.host}/m top_logprobs 20 sha256:")
    for row, sequence in zip(rows, sequences, strict=True):
        assert sequence is not None
        assert tokenizer.decode(sequence.ids[sequence.prompt_length :]) == row.record.completion
    erased = await place.command("erase", "tiny")
    assert "runs/tiny/targets/remote-tokens.json" in erased["files"]
    assert (await place.command("verify"))["ok"]
    assert (await place.run())["outcome"] == "done"


@pytest.mark.slow
async def test_answers_without_log_probabilities_are_left_out_or_learnt_as_text(place: Place) -> None:
    own = [{"prompt": f"my own question {i}", "completion": f"answer {i}"} for i in range(4)]
    (place.folder / "own.jsonl").write_text("".join(json.dumps(line) + "\n" for line in own))
    place.host.mute = ("market", "bridge")  # not among the first five, which are probed
    place.write(own_data=[{"file": "own.jsonl"}], capture={"probe": 5})
    await place.run(*ACCEPT)
    rows = read_rows(place.run_folder / "data/train")
    _, sequences = remote.read(place.run_folder / "targets", vocabulary_digest(make_tokenizer()))
    mute = [bool(row.parents) and _said(row).endswith(place.host.mute) for row in rows]
    assert any(mute), "the split holds others out"
    assert [one is None for one in sequences] == [
        silent or not row.parents for silent, row in zip(mute, rows, strict=True)
    ]
    assert place.facts("targets")["dropped"] == {"no-logprobs": sum(mute)}
    assert f"dropped: {sum(mute)} no-logprobs" in place.said
    assert f"train: {sum(mute)} answers without log-probabilities are left out" in place.said
    assert place.facts("trained")["left_out"] == sum(mute)

    await place.run("--set", "train.ce=1")
    assert "left_out" not in place.facts("trained")
    assert "left out" not in place.said
    tokens = place.facts("targets")["label_tokens"]
    assert place.facts("trained")["label_tokens"] > 4 * tokens


def _said(row: Row) -> str:
    assert not isinstance(row.record.prompt, str)
    return row.record.prompt[-1].content


async def test_a_host_that_disagrees_is_refused_before_anything_is_generated(place: Place) -> None:
    save_tiny(place.folder / "teacher", seed=1)  # the name is the same, the weights are not
    error = (await place.run(*ACCEPT, code=2))["error"]
    assert error["expected"] == "log-probabilities that are the teacher's own, unchanged by sampling"
    assert "against the weights here (path:teacher" in error["found"]
    assert "learn from its text alone (train.ce)" in error["fix"]
    asked = place.asked
    assert asked == 1 + 8
    assert not (place.run_folder / "data").exists()
    assert (await place.run(*ACCEPT, code=2))["error"] == error, "no reason takes a host that is wrong"
    assert place.asked == asked, "refused again without a question"
    assert (await place.command("verify"))["ok"]
    assert place.facts("probe")["outcome"] == "disagree"
    await place.run("--set", "train.kl=0", "--set", "train.ce=1")


async def test_a_host_that_reports_other_probabilities_is_refused_by_itself(place: Place) -> None:
    place.write(capture={"reference": None})
    place.host.scoring.warp = "temperature"
    error = (await place.run(*ACCEPT, code=2))["error"]
    assert "temperature 0.5 against greedy: log-probabilities differ by" in error["found"]
    assert place.asked == 1 + 4 * 8


async def test_what_cannot_be_told_is_for_a_person_who_has_seen_it(place: Place) -> None:
    place.write(capture={"probe": 2})
    error = (await place.run(*ACCEPT, code=3))["error"]  # a reason given before it was known is none
    assert "3 answers and 32 tokens are needed" in error["found"]
    assert '--accept "probe: REASON"' in error["fix"]
    assert (await place.run(code=3))["error"] == error
    assert (await place.run("--accept", "just go on", code=3))["error"] == error, "it does not name the probe"
    assert (await place.run("--accept", " ", code=2))["error"]["found"] == "an empty one"
    asked = place.asked
    assert (await place.run("--accept", "probe: ", code=2))["error"]["found"] == "an empty one"
    await place.run("--accept", "probe: it is the host in the next room")
    with Ledger.open(Workspace(place.folder / "bond"), KeyStore.default()) as ledger:
        (event,) = ledger.events(ACCEPTED)
        policy = [event.body["reason"] for event in ledger.events(gate.ACCEPTED)]
    assert "just go on" in policy
    assert not any("probe" in reason for reason in policy), "that one spoke of the probe alone"
    verdict = json.loads((place.run_folder / "probe/probe.json").read_text())["verdict"]
    assert event.body == {
        "run": "tiny",
        "facts": verdict["facts"],
        "reason": "it is the host in the next room",
    }
    assert place.asked == asked + len(WORDS) - 2
    await place.run()
    assert (await place.command("verify"))["ok"]


@pytest.mark.parametrize("limit", [{"cut": 5}, {"cap": 5}], ids=["silently", "by a refusal"])
async def test_a_host_that_gives_fewer_alternatives_is_told_at_once(place: Place, limit: Any) -> None:
    place.host.scoring = replace(place.host.scoring, **limit)
    error = (await place.run(*ACCEPT, code=2))["error"]
    assert (error["expected"], error["found"]) == (
        f"20 alternatives a token from api:{place.mock.host}/m", "5 at most",
    )  # fmt: skip
    assert "capture.k=5" in error["fix"]
    assert place.asked <= 4, "the first answer stops it: no more than were on their way"
    assert not (place.run_folder / "data").exists()


async def test_a_smaller_number_that_is_named_is_used(place: Place) -> None:
    place.host.scoring.cap = 5
    await place.run(*ACCEPT, "--set", "capture.k=5")
    assert place.facts("targets")["size"] == 5
    assert place.asked == 1 + len(WORDS)


async def test_the_first_question_is_tried_again_and_other_refusals_are_told(place: Place) -> None:
    scoring, told = place.host, []

    async def busy(mock: MockHost, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if not told:
            told.append(429)
            return web.json_response(
                {"error": {"message": "slowly"}}, status=429, headers={"Retry-After": "0"}
            )
        if len(told) == 1:
            told.append(404)
            return web.json_response({"error": {"message": "no model m, one of 5"}}, status=404)
        return await scoring(mock, request, body)

    place.mock.behaviour = busy
    error = (await place.run(*ACCEPT, code=2))["error"]
    assert told == [429, 404]
    assert "no model m, one of 5" in error["found"]
    assert place.asked == 2


async def test_a_spend_cap_without_a_price_is_refused_before_the_probe(place: Place) -> None:
    place.write(generate={"spend_cap_usd": 1.0})
    error = (await place.run(*ACCEPT, code=2))["error"]
    assert "a price for api:" in error["expected"]
    assert place.asked == 0


async def test_a_reference_with_another_tokenizer_is_refused_before_a_question(place: Place) -> None:
    path = place.folder / "teacher" / "tokenizer.json"
    path.write_text(path.read_text().replace('"<|start|>"', '"<|begin|>"'))
    config = path.with_name("tokenizer_config.json")
    config.write_text(config.read_text().replace("<|start|>", "<|begin|>"))
    error = (await place.run(*ACCEPT, code=2))["error"]
    assert "a student whose tokenizer has the teacher's tokens" in error["expected"]
    assert place.asked == 0


async def test_a_prompt_that_the_host_refuses_is_no_reason_to_stop(place: Place) -> None:
    scoring = place.host.scoring

    async def squeamish(mock: MockHost, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if "river" in body["messages"][-1]["content"]:
            return web.json_response(
                {"choices": [{"index": 0, "message": {"refusal": "no"}, "finish_reason": "stop"}]}
            )
        return await scoring(mock, request, body)

    place.mock.behaviour = squeamish
    await place.run(*ACCEPT, "--set", "generate.max_failed=0.2")
    assert place.facts("probe")["unanswered"] == 1
    assert place.facts("probe")["prompts"] == 7


@pytest.mark.slow
async def test_killed_in_the_probe_what_was_paid_for_is_kept(place: Place) -> None:
    await _killed(lambda: place.asked >= 5)
    assert not (place.run_folder / "probe/manifest.json").exists()
    asked, in_flight = place.asked, 4
    await place.run()
    assert 1 + len(WORDS) <= place.asked <= 1 + len(WORDS) + in_flight
    assert place.asked - asked <= len(WORDS) - 4 + in_flight


@pytest.mark.slow
async def test_killed_between_generation_and_capture_nothing_is_asked_again(place: Place) -> None:
    await _killed((place.run_folder / "data/answers/manifest.json").exists)
    assert not (place.run_folder / "targets/manifest.json").exists()
    asked = place.asked
    assert asked == 1 + len(WORDS)
    assert (await place.command("verify"))["ok"]
    await place.run()
    assert place.asked == asked
    assert place.facts("targets")["dropped"] == {}


async def _killed(when: Callable[[], bool]) -> None:
    """Runs in a process of its own, which is killed as soon as it can be seen that it is time."""
    main = "from inbond.cli.main import main; main()"
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", main, "run", "recipe.yaml", *ACCEPT),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    while not when() and child.returncode is None:
        await asyncio.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    assert await child.wait() == -signal.SIGKILL


QUESTIONS = [
    "What is a river?", "Name three colours.", "Why do birds sing?", "How many days has a week?",
    "Tell me about Paris.", "Is ice cold?", "Who was Newton?", "Write a line of a poem.", "What is bread?",
    "Name a planet.", "What do bees make?", "Why is the sky blue?",
]  # fmt: skip


@pytest.mark.slow
async def test_the_real_thing(
    smollm2_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """llama.cpp serves the real small model, whose own file is the reference; eight of its layers learn."""
    save_pruned(smollm2_gguf, tmp_path / "small", [0, 1, 2, 3, 26, 27, 28, 29])
    monkeypatch.chdir(tmp_path)
    with server_apart(smollm2_gguf) as address:
        place = Place(tmp_path, MockHost(None, host=address), None, capsys=capsys)  # type: ignore[arg-type]
        place.write(
            teacher=f"api:{address}/smollm2",
            prompts={"items": QUESTIONS},
            generate={"max_tokens": 16},
            capture={"reference": f"gguf:{smollm2_gguf}", "probe": 4},
            student={"base": "path:small"},
            train={"epochs": 2, "lr": 0.0005},
        )
        done = await place.run(*ACCEPT)
    assert "probe: agree: 0 of 4 replies dropped" in place.said
    captured = place.facts("targets")
    assert captured["dropped"] == {}
    assert captured["records"] == place.facts("data/train")["rows"]
    assert done["metrics"]["text_loss_after"] < 0.9 * done["metrics"]["text_loss_before"]
    assert await place.run() == done, "all is found, the host is gone"
    assert (await place.command("verify"))["ok"]
