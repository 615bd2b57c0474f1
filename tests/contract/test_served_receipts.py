"""A served teacher and its host's receipts, over real sockets: kept where they come, never at an answer's
cost, and only with keys of the host itself or of the user's choosing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from inbond.errors import InputError
from inbond.ledger import issuer_keys, receipts
from inbond.ledger.receipts import HEADER, KEY
from inbond.teachers import issuer
from inbond.teachers.hosts import Host
from inbond.teachers.protocols import Reply, Request, Sampling
from inbond.teachers.served import Served
from inbond.types import parse_model_name
from tests.contract.mock_host import DONE, Behaviour, MockHost, chunk, event, running, stream
from tests.unit.test_guard_receipts import SIGNER, claims, signer_of

TOKEN = receipts.issue(claims(), SIGNER)
KEYS = issuer_keys.encode([SIGNER.public])


def comment(text: str) -> bytes:
    return f": {text}\n\n".encode()


def giving(*receipt: bytes, keys: Any = KEYS, headers: dict[str, str] | None = None) -> Behaviour:
    """Answers with a receipt, and gives its keys: bytes, a status, or what a function answers."""

    async def behave(mock: MockHost, request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        if request.path == issuer_keys.WELL_KNOWN:
            if isinstance(keys, bytes):
                return web.Response(body=keys, content_type="application/json")
            return await keys(mock, request)  # type: ignore[no-any-return]
        pieces = [event(chunk("Hello")), event(chunk(finish="stop"))]
        return await stream(request, *pieces, *receipt, DONE, headers=headers)

    return behave


async def ask(mock: MockHost, times: int = 1, config: Path | None = None, **host: Any) -> list[Reply]:
    name = parse_model_name(f"api:{mock.host}/m")
    environment = {} if config is None else {"XDG_CONFIG_HOME": str(config)}
    teacher = Served.open(name, {mock.host: Host(**host)}, environment)
    try:
        return [
            await teacher.complete(Request(teacher.identity, f"Hi {number}", Sampling(max_tokens=5)))
            for number in range(times)
        ]
    finally:
        await teacher.close()


def asked_for_keys(mock: MockHost) -> int:
    return mock.paths.count(issuer_keys.WELL_KNOWN)


async def test_a_receipt_in_a_comment_is_kept_with_the_key_that_the_host_gives() -> None:
    async with running(giving(comment(f"{HEADER} {TOKEN}"))) as mock:
        replies = await ask(mock, 3)
    for reply in replies:
        assert reply.text == "Hello"
        assert reply.headers[HEADER] == TOKEN
        assert json.loads(reply.headers[KEY]) == issuer_keys.to_jwk(SIGNER.public)
    assert asked_for_keys(mock) == 1


async def test_a_receipt_in_a_header_is_kept_too() -> None:
    async with running(giving(headers={HEADER: TOKEN})) as mock:
        (reply,) = await ask(mock)
    assert reply.headers[HEADER] == TOKEN
    assert KEY in reply.headers


@pytest.mark.parametrize(
    "said",
    [comment("ping"), b":\n\n", comment(HEADER), comment(f"{HEADER} what is this"),
     comment(f"{HEADER} a.b.c.d"), comment(f"{HEADER} " + "a" * 9000 + ".b.c"), b": \xff\xfe\n\n"],
)  # fmt: skip
async def test_other_comments_are_passed_over(said: bytes) -> None:
    async with running(giving(said)) as mock:
        (reply,) = await ask(mock)
    assert dict(reply.headers) == {}
    assert asked_for_keys(mock) == 0


async def _redirect(mock: MockHost, _: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": f"http://{mock.host}/elsewhere.json"})


async def _missing(_: MockHost, __: web.Request) -> web.StreamResponse:
    return web.Response(status=404)


async def _endless(_: MockHost, request: web.Request) -> web.StreamResponse:
    return await stream(request, *[b" " * 8_192] * 64)


async def _silent(_: MockHost, request: web.Request) -> web.StreamResponse:
    return await stream(request, 30.0)


async def _gone(_: MockHost, request: web.Request) -> web.StreamResponse:
    return await stream(request, b'{"keys"', cut=True)


@pytest.mark.parametrize(
    "keys",
    [b"", b"[]", b'{"keys": [{"crv": "Ed25519"}]}', issuer_keys.encode([signer_of(9).public]),
     _redirect, _missing, _endless, _silent, _gone],
)  # fmt: skip
async def test_a_host_without_good_keys_costs_no_answer(keys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer, "_WAIT_S", 0.3)
    async with running(giving(comment(f"{HEADER} {TOKEN}"), keys=keys)) as mock:
        replies = await ask(mock, 2)
    assert [reply.text for reply in replies] == ["Hello", "Hello"]
    assert [reply.headers for reply in replies] == [{HEADER: TOKEN}] * 2
    assert asked_for_keys(mock) == 1, "not with every answer"
    assert "/elsewhere.json" not in mock.paths


async def test_a_rotated_key_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer, "_AGAIN_S", 0.0)
    new = signer_of(9)
    tokens = iter([TOKEN, receipts.issue(claims(), new)])

    async def behave(_: MockHost, request: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        if request.path == issuer_keys.WELL_KNOWN:
            known = [SIGNER.public] if behaved.paths.count(issuer_keys.WELL_KNOWN) == 1 else [new.public]
            return web.Response(body=issuer_keys.encode(known))
        pieces = [event(chunk("Hello", finish="stop")), comment(f"{HEADER} {next(tokens)}")]
        return await stream(request, *pieces, DONE)

    async with running(behave) as behaved:
        first, second = await ask(behaved, 2)
    assert json.loads(first.headers[KEY])["kid"] == SIGNER.public.id
    assert json.loads(second.headers[KEY])["kid"] == new.public.id


async def test_with_a_pinned_key_the_host_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "inbond").mkdir()
    (tmp_path / "inbond" / "pinned.json").write_bytes(
        issuer_keys.encode([signer_of(9).public, SIGNER.public])
    )
    async with running(giving(comment(f"{HEADER} {TOKEN}"), keys=b"")) as mock:
        (reply,) = await ask(mock, config=tmp_path, receipt_keys="pinned.json")
        assert json.loads(reply.headers[KEY])["kid"] == SIGNER.public.id
        (tmp_path / "inbond" / "pinned.json").write_bytes(issuer_keys.encode([signer_of(9).public]))
        (reply,) = await ask(mock, config=tmp_path, receipt_keys="pinned.json")
        assert KEY not in reply.headers
        with pytest.raises(InputError, match=r"the public keys of an issuer of receipts at .*missing\.json"):
            await ask(mock, config=tmp_path, receipt_keys="missing.json")
    assert asked_for_keys(mock) == 0
