"""Fetching a page: only from the public internet, bounded, and with an error that says what to do."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from inbond.briefing import addresses, fetching
from inbond.briefing.fetching import fetch
from inbond.errors import InputError


def anywhere(_: addresses.Address) -> bool:
    return True


async def _page(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    if name == "private":
        raise web.HTTPFound("http://127.0.0.2:9/secret")
    if name == "metadata":
        raise web.HTTPFound("http://169.254.169.254/latest/meta-data/")
    if name == "file":
        raise web.HTTPFound("file:///etc/passwd")
    if name == "loop":
        raise web.HTTPFound("/loop")
    if name == "once":
        raise web.HTTPMovedPermanently("/page")
    if name == "image":
        return web.Response(body=b"\x89PNG", content_type="image/png")
    if name == "slow":
        await asyncio.sleep(30)
    if name == "huge":
        return await _endless(request)
    if name == "bomb":
        response = web.Response(body=bytes(1 << 22), content_type="text/html")
        response.enable_compression(web.ContentCoding.gzip)
        return response
    if name == "missing":
        raise web.HTTPNotFound
    return web.Response(text=f"<p>{request.headers.get('Cookie', 'no cookie')}</p>", content_type="text/html")


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/html"})
    await response.prepare(request)
    try:
        for _ in range(800):
            await response.write(bytes(1 << 16))
    except ConnectionError:
        pass
    return response


@pytest.fixture
async def site() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{name}", _page)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    place = web.TCPSite(runner, "127.0.0.1", 0)
    await place.start()
    assert isinstance(place._server, asyncio.Server)
    yield f"http://127.0.0.1:{place._server.sockets[0].getsockname()[1]}"
    await runner.cleanup()


async def refused(url: str, **options: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        await fetch(url, **options)
    return caught.value


def only_first(address: addresses.Address) -> bool:
    return str(address) == "127.0.0.1"


async def test_a_page_comes_with_its_type_and_encoding(site: str) -> None:
    found = await fetch(f"{site}/once", may_reach=anywhere)
    assert (found.url, found.kind, found.charset) == (f"{site}/page", "text/html", "utf-8")
    assert found.data == b"<p>no cookie</p>"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://10.0.0.7/a", "http://192.168.1.1/",
        "http://172.16.3.4/", "http://169.254.169.254/latest/", "http://[fe80::1]/", "http://[fd00:ec2::254]/",
        "http://224.0.0.1/", "http://0.0.0.0/", "http://100.64.1.1/", "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:a9fe:a9fe]/", "http://[2002:7f00:1::]/", "http://[64:ff9b::a00:1]/",
        "http://168.63.129.16/", "http://255.255.255.255/",
    ],
)  # fmt: skip
async def test_an_address_of_this_machine_or_its_network_is_refused(url: str) -> None:
    error = await refused(url, timeout_s=5)
    assert "public internet" in error.expected
    assert "not fetched" in error.fix


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f.0.0.1", "0177.0.0.1"])
async def test_an_address_in_an_odd_spelling_is_refused_too(host: str) -> None:
    """By its form, or for where it leads: which one is first depends on aiohttp."""
    error = await refused(f"http://{host}/", timeout_s=5)
    assert "canonical" in error.found or "127.0.0.1" in error.found or "no address" in error.found


@pytest.mark.parametrize("name", ["private", "metadata"])
async def test_a_redirect_to_a_private_address_is_refused(site: str, name: str) -> None:
    error = await refused(f"{site}/{name}", may_reach=only_first)
    assert ("127.0.0.2" if name == "private" else "169.254.169.254") in error.found


async def test_other_schemes_and_credentials_are_refused(site: str) -> None:
    assert "file:///etc/passwd" in (await refused(f"{site}/file", may_reach=anywhere)).found
    assert "name or password" in (await refused("http://a:b@example.org/")).found
    assert "no address of http" in (await refused("ftp://example.org/a")).found
    assert "no address" in (await refused("http://[::1/")).found
    assert "no address" in (await refused("http://example.org:99999/")).found


async def test_a_loop_a_missing_page_and_a_picture_are_told(site: str) -> None:
    assert "more than 5 redirects" in (await refused(f"{site}/loop", may_reach=anywhere)).found
    assert "status 404" in (await refused(f"{site}/missing", may_reach=anywhere)).found
    assert "image/png" in (await refused(f"{site}/image", may_reach=anywhere)).found


async def test_what_is_too_slow_is_given_up(site: str) -> None:
    assert "within 0.3 s" in (await refused(f"{site}/slow", may_reach=anywhere, timeout_s=0.3)).found


async def test_a_page_of_50_mb_is_refused_while_it_is_read(site: str) -> None:
    error = await refused(f"{site}/huge", may_reach=anywhere)
    assert "10,485,760 bytes" in error.expected
    assert "while it was read" in error.found


async def test_what_swells_when_unpacked_is_refused(site: str) -> None:
    error = await refused(f"{site}/bomb", may_reach=anywhere, most_bytes=1 << 20)
    assert "while it was read" in error.found


async def test_a_name_is_looked_up_once_and_all_its_addresses_are_judged(
    site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public at first and private a moment later: the second answer is never asked for."""
    asked: list[str] = []
    port = int(site.rsplit(":", 1)[1])

    async def answers(_: object, host: str, *__: Any, **___: Any) -> list[Any]:
        asked.append(host)
        place = "127.0.0.1" if len(asked) == 1 else "10.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, port))]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", answers)
    found = await fetch(f"http://changing.example:{port}/page", may_reach=only_first)
    assert found.data == b"<p>no cookie</p>"
    assert asked == ["changing.example"]
    assert "10.0.0.1" in (await refused(f"http://changing.example:{port}/page", may_reach=only_first)).found


@given(st.ip_addresses(v=4))
def test_an_address_within_another_is_judged_like_itself(address: ipaddress.IPv4Address) -> None:
    for carrying in (f"::ffff:{address}", f"64:ff9b::{address}"):
        if not addresses.is_public(address):
            assert not addresses.is_public(ipaddress.ip_address(carrying))


@given(st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="fc00::/7"))
def test_no_private_address_is_public(address: addresses.Address) -> None:
    assert not addresses.is_public(address)


def test_public_ones_are() -> None:
    for each in ("93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"):
        assert addresses.is_public(ipaddress.ip_address(each)), each
    assert fetching.MOST_BYTES < 50_000_000
