"""Both sides of an API prove the same fact: a real guard before a real llama.cpp server, a run through it,
what trace says of it, and what verify does when a byte is another one."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from openai import OpenAI

from inbond.cli.main import run as inbond
from inbond.digest import of_file
from inbond.guard.callers import hash_of
from inbond.ledger import issuer_keys, receipts
from inbond.ledger.attest import KeyStore
from tests.e2e.conftest import Command
from tests.real_model import server_apart
from tests.tiny import save_tiny

INBOND = [sys.executable, "-c", "from inbond.cli.main import main; main()"]
KEY = "ib-a-customers-key"
WORDS = ["river", "stone", "garden", "winter", "pencil", "market"]
EDGES = {"generality": {"action": "off"}, "diversity": {"action": "off"}, "capacity": {"action": "off"}}
PURPOSE = "a small model that defines words"


@dataclass
class Guard:
    """A guard that runs, by its address, and its folder."""

    url: str
    folder: Path

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://").removesuffix("/v1")


@contextmanager
def guarding(folder: Path, upstream: str, **tenant: Any) -> Iterator[Guard]:
    """The real command, in a process of its own."""
    folder.mkdir(exist_ok=True)
    accounts = {"a": {"keys": [hash_of(KEY)]}}
    (folder / "callers.yaml").write_text(
        yaml.safe_dump({"tenants": {"acme": {"accounts": accounts, **tenant}}})
    )
    (folder / "terms.txt").write_text("You may distil.\n")
    config = {
        "upstream": {"url": f"http://{upstream}"}, "issuer": "https://api.example.com", "terms": "terms.txt",
        "unlisted": {"reasoning": "pass"},
    }  # fmt: skip
    (folder / "guard.yaml").write_text(yaml.safe_dump(config))
    line = [
        "guard",
        "serve",
        "--config",
        str(folder / "guard.yaml"),
        "--port",
        "0",
        "--home",
        str(folder / "home"),
    ]
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen([*INBOND, *line, "--json"], stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert child.stdout is not None
        said = child.stdout.readline()
        assert said, (folder / "log").read_text()
        yield Guard(json.loads(said)["address"], folder)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)
        child.stdout.close()


@pytest.fixture(scope="module")
def upstream(smollm2_gguf: Path) -> Iterator[str]:
    with server_apart(smollm2_gguf) as address:
        yield address


@pytest.fixture
def guard(upstream: str, tmp_path: Path) -> Iterator[Guard]:
    """Before it a customer that is registered, with the user's own key of this test."""
    signed = tmp_path / "guard" / "acme.registration"
    signed.parent.mkdir()
    code = inbond([
        "guard", "register", "--tenant", "acme", "--purpose", PURPOSE, "--model", "smollm2",
        "--budget-usd", "5", "--out", str(signed), "--quiet",
    ])  # fmt: skip
    assert code == 0
    pinned = {"file": signed.name, "key": KeyStore.default().signer().public.id}
    with guarding(signed.parent, upstream, registration=pinned) as running:
        yield running


def client_of(guard: Guard) -> OpenAI:
    return OpenAI(base_url=guard.url, api_key=KEY, max_retries=0)


ASKED: dict[str, Any] = {
    "model": "smollm2", "messages": [{"role": "user", "content": "Say hello, please."}], "max_tokens": 8,
}  # fmt: skip


async def raw(guard: Guard, path: str, body: Any) -> tuple[aiohttp.ClientResponse, bytes]:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{guard.url}/{path}", json=body) as response,
    ):
        return response, await response.read()


async def keys_of(guard: Guard) -> dict[Any, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{guard.host}{issuer_keys.WELL_KNOWN}") as found,
    ):
        assert found.status == 200
        return issuer_keys.decode(await found.read())


@pytest.mark.slow
async def test_every_route_gives_a_receipt_for_just_what_was_said(guard: Guard) -> None:
    keys = await keys_of(guard)
    response, body = await raw(guard, "chat/completions", ASKED)
    found = receipts.read(response.headers[receipts.HEADER])
    claims = found.claims
    assert found.signed_by(keys[found.key])
    assert (claims.issuer, claims.tenant, claims.model) == ("https://api.example.com", "acme", "smollm2")
    assert claims.id == response.headers["x-request-id"]
    assert claims.terms == of_file(guard.folder / "terms.txt")
    assert claims.purpose == PURPOSE
    assert claims.request.fits("request", ASKED)
    assert claims.answer.fits("answer", json.loads(body))
    assert claims.text is not None
    assert claims.text.fits("text", [json.loads(body)["choices"][0]["message"]["content"]])

    for path, asked in (
        ("chat/completions", {**ASKED, "stream": True}),
        ("completions", {"model": "smollm2", "prompt": "A river is", "max_tokens": 5, "stream": True}),
    ):
        response, body = await raw(guard, path, asked)
        assert receipts.HEADER not in response.headers
        *events, comment, done, end = body.decode().split("\n\n")
        assert (done, end) == ("data: [DONE]", "")
        found = receipts.read(comment.removeprefix(": inbond-receipt "))
        assert found.signed_by(keys[found.key])
        assert found.claims.request.fits("request", asked)
        payloads = [event.removeprefix("data: ") for event in events]
        assert found.claims.answer.fits("answer", payloads)
        texts = receipts.Texts()
        for payload in payloads:
            texts.add(json.loads(payload))
        assert found.claims.text is not None
        assert found.claims.text.fits("text", texts.found)

    response, _ = await raw(guard, "chat/completions", {"model": "smollm2"})
    assert response.status >= 400
    assert receipts.HEADER not in response.headers


@pytest.mark.slow
def test_the_openai_client_reads_answers_and_streams_unchanged(guard: Guard) -> None:
    client = client_of(guard)
    whole = client.chat.completions.with_raw_response.create(**ASKED)
    receipts.read(whole.headers[receipts.HEADER])
    with client.chat.completions.create(**ASKED, stream=True, temperature=0) as pieces:
        text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert text.strip()
    client.close()


@pytest.mark.slow
async def test_a_key_is_rotated_while_the_guard_runs(guard: Guard) -> None:
    before = list(await keys_of(guard))
    response, _ = await raw(guard, "chat/completions", ASKED)
    old = receipts.read(response.headers[receipts.HEADER])
    assert inbond(["guard", "issuer", "--rotate", "--home", str(guard.folder / "home"), "--quiet"]) == 0
    for _ in range(100):
        keys = await keys_of(guard)
        if len(keys) == 2:
            break
        await asyncio.sleep(0.1)
    assert list(keys)[1:] == before
    response, _ = await raw(guard, "chat/completions", ASKED)
    new = receipts.read(response.headers[receipts.HEADER])
    assert new.key == next(iter(keys)) != old.key
    assert old.signed_by(keys[old.key])
    assert new.signed_by(keys[new.key])


# A customer's run -----------------------------------------------------------------------------------


def write_recipe(folder: Path, host: str, **changes: Any) -> None:
    save_tiny(folder / "base", layers=2, seed=5)
    recipe = {
        "name": "tiny",
        "teacher": f"api:{host}/smollm2",
        "prompts": {"items": [f"define the word {word}" for word in WORDS]},
        "generate": {"max_tokens": 8, "attempts": 1},
        "filters": {"truncated": False, "near_duplicates": None, "personal_data": False},
        "student": {"init": "model", "base": "path:base"},
        "train": {"kl": 0, "ce": 1, "epochs": 1, "batch": 4},
        "evaluate": {"samples": 0},
        "gates": EDGES,
        **changes,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "inbond"
    config.mkdir(exist_ok=True, parents=True)
    (config / "hosts.yaml").write_text(yaml.safe_dump({host: {"key_env": "GUARD_KEY"}}))


@pytest.fixture
def customer(guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command) -> Path:
    """A folder with a finished run of a teacher behind the guard."""
    folder = tmp_path / "customer"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GUARD_KEY", KEY)
    write_recipe(folder, guard.host)
    command("run", "recipe.yaml", "--accept", "its terms let us")
    return folder


def answers(folder: Path) -> Path:
    return folder / "bond" / "runs" / "tiny" / "data" / "answers"


@pytest.mark.slow
def test_a_run_is_shown_to_have_had_its_answers_of_the_guard(
    customer: Path, guard: Guard, command: Command, tmp_path: Path
) -> None:
    facts = json.loads((answers(customer) / "manifest.json").read_text())["facts"]
    assert facts["receipts"] == {"kept": len(WORDS)}
    kept = (answers(customer) / "receipts.jsonl").read_text()
    assert not any(word in kept for word in WORDS), "no text lies in them"

    teacher = f"api:{guard.host}/smollm2"
    found = command("trace", "run:tiny", "--from", teacher)
    by_id = {ancestor["id"]: ancestor for ancestor in found["ancestors"]}
    assert by_id[teacher]["evidence"] == "receipt"
    assert found["answer"]["outcome"] == "yes"
    assert found["answer"]["evidence"] == "receipt"
    assert "declared" not in found["answer"]["sentence"]
    edges = [edge for edge in found["edges"] if edge["source"] == teacher]
    assert {(edge["relation"], edge["evidence"]) for edge in edges} == {("generated", "receipt")}
    assert by_id["path:base"]["evidence"] == "recorded"

    page = tmp_path / "trace.html"
    command("trace", "run:tiny", "--page", str(page))
    assert "from a receipt" in page.read_text()
    for form in ("cyclonedx", "spdx", "prov", "notice"):
        command("export", form, "run:tiny", "--output", str(tmp_path / form))
    assert '"receipt"' in (tmp_path / "prov").read_text()

    told = command("verify")
    assert any("6 of 6 answers have a receipt of 'https://api.example.com'" in note for note in told["notes"])

    published = tmp_path / "published.json"
    published.write_text(json.dumps(command("guard", "issuer", "--home", str(guard.folder / "home"))))
    assert any(
        "by a key that you gave" in note
        for note in command("verify", "--issuer-key", str(published))["notes"]
    )
    mine = tmp_path / "mine.pem"
    mine.write_text(KeyStore.default().signer().public.to_pem())
    problems = command("verify", "--issuer-key", str(mine), code=4)["problems"]
    assert len(problems) == len(WORDS)
    assert "which you did not give" in problems[0]


@pytest.mark.slow
def test_one_other_byte_is_named(customer: Path, command: Command) -> None:
    text, kept = answers(customer) / "records.jsonl", answers(customer) / "receipts.jsonl"
    good, lines = text.read_bytes(), kept.read_bytes()

    changed = bytearray(good)
    place = good.splitlines(keepends=True)[2].index(b'"completion":"') + 14
    place += len(b"".join(good.splitlines(keepends=True)[:2]))
    changed[place] ^= 1
    text.write_bytes(changed)
    problems = command("verify", code=4)["problems"]
    assert any(
        "record 2: its receipt is for another answer than this text" in problem for problem in problems
    )
    assert not any("record 1: its receipt" in problem for problem in problems)
    text.write_bytes(good)

    place = lines.index(b'"receipt":"') + 300
    for_another = lines[:place] + (b"A" if lines[place : place + 1] != b"A" else b"B") + lines[place + 1 :]
    kept.write_bytes(for_another)
    problems = command("verify", code=4)["problems"]
    assert any("receipts.jsonl: it was changed" in problem for problem in problems)
    assert any("record 0: its receipt" in problem for problem in problems)

    kept.write_bytes(lines)
    assert command("verify")["ok"]


@pytest.mark.slow
def test_a_maker_who_signs_anew_cannot_make_receipts_for_other_texts(customer: Path) -> None:
    """The ledger's owner can change everything of his own; what the provider signed he cannot."""
    from inbond.ledger import receipt_file
    from inbond.ledger.records import Row, read_rows, write_rows
    from inbond.types import Record

    forged = customer / "forged"
    shutil.copytree(answers(customer), forged)
    rows = read_rows(forged)
    other = [Row(Record(row.record.prompt, "Something else."), row.origin) for row in rows]
    write_rows(forged, other)
    found = receipt_file.check(forged)
    assert found.valid == 0
    assert len(found.problems) == len(rows)
    write_rows(forged, rows[::-1])
    assert receipt_file.check(forged).valid == 0, "nor are they for the answers to other prompts"


@pytest.mark.slow
def test_erased_text_leaves_receipts_that_no_longer_show_what_for(customer: Path, command: Command) -> None:
    command("erase", "tiny")
    assert (answers(customer) / "receipts.jsonl").exists()
    told = command("verify")
    assert any(
        "its text was erased: only who signed its receipts was checked" in note for note in told["notes"]
    )
    found = command("trace", "run:tiny")
    teacher = next(ancestor for ancestor in found["ancestors"] if ancestor["id"].startswith("api:"))
    assert teacher["evidence"] == "recorded"


@pytest.mark.slow
def test_a_host_that_is_pinned_to_another_key_gives_no_receipt(
    guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    """What it signed is kept, without a key of its own: nobody is taken for the pinned issuer."""
    folder = tmp_path / "customer"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GUARD_KEY", KEY)
    write_recipe(folder, guard.host)
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "inbond"
    (config / "pinned.pem").write_text(KeyStore.default().signer().public.to_pem())
    hosts = {guard.host: {"key_env": "GUARD_KEY", "receipt_keys": "pinned.pem"}}
    (config / "hosts.yaml").write_text(yaml.safe_dump(hosts))
    command("run", "recipe.yaml", "--accept", "its terms let us")
    told = command("verify")
    assert any("6 receipts name a key that is not kept" in note for note in told["notes"])
    found = command("trace", "run:tiny")
    teacher = next(ancestor for ancestor in found["ancestors"] if ancestor["id"].startswith("api:"))
    assert teacher["evidence"] == "recorded"
