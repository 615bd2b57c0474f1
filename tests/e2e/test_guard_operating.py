"""The guard as its operator runs it: from nothing, told to end, and when something is wrong."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from pathlib import Path

import openai
import pytest

from tests.contract import mock_host as mock
from tests.e2e.test_guard_gateway import (
    INBOND,
    MESSAGES,
    callers,
    eventually,
    everything,
    guarding,
    mocked,
    served,
)  # fmt: skip
from tests.redis_server import RedisServer


def inbond(*words: str, code: int = 0) -> str:
    """What a command prints to stdout where it goes well, else to stderr."""
    done = subprocess.run([*INBOND, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_two_commands_from_nothing_to_an_answer(tmp_path: Path) -> None:
    config = tmp_path / "guard.yaml"
    made = json.loads(inbond("guard", "key", "--config", str(config), "--json"))
    assert oct(config.stat().st_mode & 0o777) == "0o600"
    assert made["key"] not in config.read_text()
    with (
        mocked(everything) as host,
        served(tmp_path, "--upstream", f"http://{host.host}", "--config", str(config)) as guard,
    ):
        chat = guard.client(made["key"]).chat.completions
        assert chat.create(model="mock-1", messages=MESSAGES).choices[0].message.content == "Hello"
        found = json.loads(inbond("guard", "key", "--config", str(config), "--json"))
        assert found["key"] != made["key"]
        eventually(lambda: "callers were read anew: 2 keys" in guard.log.read_text())
        guard.client(found["key"]).chat.completions.create(model="mock-1", messages=MESSAGES)
        said = [line["said"] for line in guard.lines() if "said" in line]
        assert said[0].startswith(
            "1 of 1 accounts have no payment: who shares a means of payment is not seen"
        )
        assert said[1].startswith("1 of 1 accounts have no created: templates, and sign-ups together")
        assert json.loads(guard.get("/health")[1])["detection"][0].startswith("accounts without payment")
        assert b"inbond_accounts_without_created 1.0" in guard.get("/metrics")[1]
        assert all(line["ts"].endswith("+00:00") for line in guard.lines())


def test_nothing_to_start_with_says_how_to_start(tmp_path: Path) -> None:
    said = inbond("guard", "serve", "--upstream", "http://localhost:1", code=2)
    assert "error: expected --config with the guard's file" in said
    assert "fix:   inbond guard key --config guard.yaml makes a first one" in said
    missing = inbond("guard", "serve", "--config", str(tmp_path / "guard.yaml"), code=2)
    assert "fix:   inbond guard key --config" in missing
    (tmp_path / "guard.yaml").write_text("models: {m: {}}")
    assert "found: neither --upstream nor upstream.url" in inbond(
        "guard", "serve", "--config", str(tmp_path / "guard.yaml"), code=2
    )
    nobody = inbond(
        "guard", "serve", "--upstream", "http://h", "--config", str(tmp_path / "guard.yaml"), code=2
    )
    assert (
        f"expected who may call: tenants in {tmp_path / 'guard.yaml'}, or {tmp_path / 'callers.yaml'}"
        in nobody
    )
    assert "ib-" not in said + missing + nobody


def test_what_is_cut_after_its_grace_is_told_logged_and_paid(tmp_path: Path) -> None:
    pieces = [mock.event(mock.chunk("a")), 60.0]
    with (
        mocked(mock.streaming(*pieces)) as host,
        guarding(tmp_path, f"http://{host.host}", grace_s=0.5) as guard,
    ):
        stream = guard.client().chat.completions.create(model="m", messages=MESSAGES, stream=True)
        assert next(iter(stream)).choices[0].delta.content == "a"
        guard.process.send_signal(signal.SIGTERM)
        with pytest.raises(openai.APIError, match="This server ended before the answer did"):
            list(stream)
        assert guard.process.wait(20) == 0
        (line,) = [line for line in guard.lines() if "request" in line]
        assert (line["status"], line["code"]) == (200, "server_ended")
        assert line["completion_tokens"] >= 1
        (wrong,) = [line["wrong"] for line in guard.lines() if "wrong" in line]
        assert wrong == "1 answers are cut: they were not whole 0.5 s (grace_s) after the end"


def test_quiet_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "guard.yaml").write_text("unlisted: {}\n" + callers())
    with (
        mocked(everything) as host,
        served(
            tmp_path, "--upstream", f"http://{host.host}", "--config", str(tmp_path / "guard.yaml"), "-q"
        ) as guard,
    ):
        (tmp_path / "guard.yaml").write_text("unlisted: {}\ntenants: [")
        eventually(lambda: "callers are as before" in guard.log.read_text())
        (tmp_path / "guard.yaml").write_text("unlisted: {}\ntenants: {}")
        eventually(lambda: "nobody may call: no account has a key" in guard.log.read_text())
        assert "read anew" not in guard.log.read_text()


def test_an_address_of_ipv6_is_one_that_clients_take(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
    (tmp_path / "guard.yaml").write_text("unlisted: {}\n" + callers())
    words = ["--config", str(tmp_path / "guard.yaml"), "--host", "::1"]
    with mocked(everything) as host, served(tmp_path, "--upstream", f"http://{host.host}", *words) as guard:
        assert guard.address.startswith("http://[::1]:")
        assert [each.id for each in guard.client().models.list()] == ["mock-1"]


def test_a_host_that_is_not_here_is_named(tmp_path: Path) -> None:
    (tmp_path / "guard.yaml").write_text("unlisted: {}\n" + callers())
    said = inbond(
        "guard", "serve", "--upstream", "http://localhost:1", "--config", str(tmp_path / "guard.yaml"),
        "--host", "192.0.2.1", "--home", str(tmp_path / "bond"), code=2,
    )  # fmt: skip
    assert "expected an address to listen on, 192.0.2.1:8089" in said
    assert "fix:   choose another with --host or --port" in said


def test_a_redis_that_is_down_is_said_and_one_that_was_emptied_waits_for_its_operator(tmp_path: Path) -> None:
    redis = RedisServer()
    url = redis.new_url()
    try:
        with (
            mocked(everything) as host,
            guarding(tmp_path, f"http://{host.host}", callers(), state=url) as guard,
        ):
            chat = guard.client().chat.completions
            chat.create(model="m", messages=MESSAGES)
            redis.stop()
            eventually(lambda: "the state is lost" in guard.log.read_text())
            redis.start()
            eventually(lambda: "the state is not the one of before" in guard.log.read_text())
            with pytest.raises(openai.InternalServerError, match="cannot be metered"):
                chat.create(model="m", messages=MESSAGES)
            health = json.loads(guard.get("/health")[1])
            assert health["requests"] == "refused until an operator accepts it"
            assert guard.end() == 0
        redis.stop()
        with mocked(everything) as host, guarding(tmp_path, f"http://{host.host}", state=url) as guard:
            assert "the state is lost (ConnectionError): requests are refused" in guard.log.read_text()
            redis.start()
            eventually(lambda: "the state is not the one of before" in guard.log.read_text())
            words = ["--config", str(tmp_path / "guard.yaml"), "--home", str(tmp_path / "bond")]
            shown = inbond("guard", "state", *words, code=3)
            assert "was emptied, or another took its place" in shown
            assert "accepted" in inbond("guard", "state", *words, "--accept-emptied")
            eventually(lambda: "the state is as it should be" in guard.log.read_text())
            guard.client().chat.completions.create(model="m", messages=MESSAGES)
            assert guard.end() == 0
        with mocked(everything) as host, guarding(tmp_path, f"http://{host.host}", state=url) as guard:
            guard.client().chat.completions.create(model="m", messages=MESSAGES)
            assert "not the one of before" not in guard.log.read_text()
    finally:
        redis.remove()
