"""Fetching a page: only from the public internet, bounded, and with an error that says what to do."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from aiohttp.helpers import is_ip_address
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
    if name == "to":
        return web.Response(status=302, headers={"Location": request.query["at"]})
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


ODD = ("2130706433", "127.1", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.1.", "0", "%31%32%37.0.0.1")
WIDE = ("127。0。0。1", "１２７.０.０.１", "①②⑦.0.0.1", "127\uff0e0\uff610.1")
"""127.0.0.1 in letters that become those of ASCII where a host's name is made ready (IDNA)."""


@pytest.mark.parametrize("host", ODD)
async def test_an_address_in_an_odd_spelling_is_no_address(site: str, host: str) -> None:
    port = site.rsplit(":", 1)[1]
    error = await refused(f"http://{host}:{port}/page", timeout_s=5, may_reach=anywhere)
    assert "its host cannot be one" in error.found


@pytest.mark.parametrize("host", WIDE)
async def test_what_is_judged_is_what_is_asked_for(site: str, host: str) -> None:
    """However it is spelt, and wherever it stands: typed, or where a page leads to."""
    there = f"http://{host}:{site.rsplit(':', 1)[1]}/page"
    assert "which is 127.0.0.1" in (await refused(there, timeout_s=5)).found
    onward = there.replace(f"{host}:", f"{host}2:")
    led = await refused(f"{site}/to?{urlencode({'at': onward})}", may_reach=only_first)
    assert "which is 127.0.0.12" in led.found


WRONG_HOSTS = ("http://[", "http://a..b/", f"http://{'a' * 64}.com/", "http://.a/", "http://*.x/", "//[")


@pytest.mark.parametrize("url", [*WRONG_HOSTS, f"http://{'é' * 70}.com/", "http://exa mple/"])
async def test_a_host_that_cannot_be_one_is_told(site: str, url: str) -> None:
    assert "no address" in (await refused(url)).found
    led = await refused(f"{site}/to?{urlencode({'at': url})}", may_reach=anywhere)
    assert "no address" in led.found


async def test_an_address_is_kept_in_one_form(site: str) -> None:
    loud = site.replace("http:", "HTTP:")
    assert (await fetch(f"{loud}/page", may_reach=anywhere)).url == f"{site}/page"
    led = await fetch(f"{site}/to?{urlencode({'at': f'{loud}/pÄge'})}", may_reach=anywhere)
    assert led.url == f"{site}/p%C3%84ge"
    assert "no address" in (await refused("http://example.org/caf\udce9")).found


HOSTS = st.text(st.sampled_from("ab1270x.-_%:@[]。．①１é\u00ad/\\#? "), max_size=24) | st.text(max_size=12)


@given(HOSTS)
def test_every_host_is_judged_or_looked_up(host: str) -> None:
    """What aiohttp takes for an address is one to us too, and every name can be looked up."""
    try:
        url = addresses.page_address(f"http://{host}/")
    except ValueError:
        return
    found = url.raw_host or ""
    assert addresses.as_address(found) is not None or not is_ip_address(found)
    assert re.fullmatch(r"https?://[!-~]+", str(url))
    assert str(addresses.page_address(str(url))) == str(url)
    found.encode("idna")


@pytest.mark.parametrize("name", ["private", "metadata"])
async def test_a_redirect_to_a_private_address_is_refused(site: str, name: str) -> None:
    error = await refused(f"{site}/{name}", may_reach=only_first)
    assert ("127.0.0.2" if name == "private" else "169.254.169.254") in error.found


async def test_other_schemes_and_credentials_are_refused(site: str) -> None:
    assert "no address of http" in (await refused("http:///x")).found
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
