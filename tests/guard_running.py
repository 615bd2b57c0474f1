"""A gateway over real sockets in this process, before a mock upstream that can be told to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from inbond.guard.app import Gateway
from inbond.guard.callers import hash_of, parse_callers
from inbond.guard.config import GuardConfig
from inbond.guard.seen import Seen
from inbond.guard.serve import runner_of
from inbond.guard.state_sqlite import SqliteState
from inbond.guard.upstream import HttpUpstream
from tests.contract import mock_host

KEY = "ib-" + "k" * 43
LIMITS = "{tokens_per_day: 1000000000, concurrency: 1000}"
ASKED = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


@dataclass
class Running:
    """``port`` is where it listens, ``seen`` what it was asked, ``used`` the tokens that are settled."""

    port: int
    gateway: Gateway
    runner: web.AppRunner
    mock: mock_host.MockHost
    state: SqliteState
    client: aiohttp.ClientSession
    seen: list[Seen] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def used(self) -> int:
        rows = self.state._db.execute("SELECT sum(amount) FROM used WHERE counter LIKE '%|tokens|day'")
        return rows.fetchone()[0] or 0

    def taken(self) -> int:
        return self.state._db.execute("SELECT count(*) FROM seat").fetchone()[0]

    async def post(self, value: Any = None, path: str = "chat/completions", **more: Any):
        """Status, headers and body of an answer."""
        asked = ASKED if value is None else value
        async with self.client.post(f"{self.url}/{path}", json=asked, **more) as answer:
            return answer.status, answer.headers, await answer.read()

    async def quiet(self) -> None:
        """Waits until no request is under way."""
        for _ in range(500):
            if not self.gateway.in_flight and not self.gateway.reservations._tasks:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("requests are still under way")

    async def raw(self, data: bytes) -> bytes:
        """All that comes back for these bytes, until the gateway closes or a second is over."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        found = b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            writer.write(data)
            async with asyncio.timeout(1):
                while chunk := await reader.read(65_536):
                    found += chunk
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return found


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    behaviour: mock_host.Behaviour,
    limits: str = LIMITS,
    beside: Callable[[SqliteState], Mapping[str, Any]] = lambda _: {},
    **config: Any,
) -> AsyncIterator[Running]:
    """``limits`` as YAML, of the only account; ``config`` as in guard.yaml; ``beside`` makes what else the
    gateway is given."""
    text = f'tenants: {{t: {{accounts: {{a: {{keys: ["{hash_of(KEY)}"], limits: {limits}}}}}}}}}'
    callers = parse_callers("callers.yaml", text.encode())
    async with mock_host.running(behaviour) as mock:
        upstream = {"url": f"http://{mock.host}", "connect_s": 1, **config.pop("upstream", {})}
        settings = GuardConfig.model_validate({"upstream": upstream, "unlisted": {}, **config})
        state = SqliteState(folder / "state.db")
        passing = HttpUpstream(settings.upstream, {})
        seen: list[Seen] = []
        gateway = Gateway(settings, lambda: callers, state, passing, seen.append, **beside(state))
        runner = runner_of(gateway)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1_024)
        await site.start()
        headers = {"authorization": f"Bearer {KEY}"}
        async with aiohttp.ClientSession(headers=headers) as client:
            port = runner.addresses[0][1]
            yield Running(port, gateway, runner, mock, state, client, seen)
        await runner.cleanup()
        await gateway.reservations.close()
        await passing.close()
        await state.close()
