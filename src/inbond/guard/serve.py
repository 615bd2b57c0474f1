"""Runs the gateway: opens what it needs, reads callers anew when they change, and ends in good order."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from aiohttp import web

from inbond.errors import InputError
from inbond.guard import sealing_keys
from inbond.guard.app import Gateway
from inbond.guard.callers_file import CallersFile, settle_memory
from inbond.guard.config import GuardConfig
from inbond.guard.observe import Observer
from inbond.guard.receipts import Issuer
from inbond.guard.sealing import Ring
from inbond.guard.seen import Seen
from inbond.guard.standing import Standings
from inbond.guard.state_opening import open_state
from inbond.guard.upstream import HttpUpstream, check_not_itself
from inbond.ledger.ledger import Ledger

_LOOK_S = 1.0
_GRACE_S = 30.0
_IDLE_S = 75.0
_MUTE_S = 60.0
"""Seconds in which the first request on a connection must have come, headers and all."""


@final
@dataclass(frozen=True)
class Place:
    """Where the gateway listens and keeps its state."""

    host: str
    port: int
    folder: Path
    """The workspace's folder for the guard."""


def seal_ring(config: GuardConfig, folder: Path) -> Ring:
    """The keys of envelopes, in the guard's folder or where the configuration says. Raises InputError,
    UnwritableError."""
    lifetimes = sealing_keys.Lifetimes(config.sealing.key_days, config.sealing.expires_s)
    return sealing_keys.open_ring(folder / config.sealing.keys, lifetimes, time.time())


def runner_of(gateway: Gateway) -> web.AppRunner:
    """The server around the gateway. A compressed body is not unpacked before it can be refused, and a
    request ends when its caller is gone."""
    return web.AppRunner(
        gateway.app(), access_log=None, handler_cancellation=True, keepalive_timeout=_IDLE_S,
        auto_decompress=False, shutdown_timeout=_GRACE_S,
    )  # fmt: skip


async def serve(
    config: GuardConfig,
    callers: CallersFile,
    warn: Callable[[str], None],
    place: Place,
    environment: Mapping[str, str],
    seen: Callable[[Seen], None],
    ready: Callable[[str], None],
    ledger: Ledger,
    issuer: Issuer | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT; then takes no new request and lets those that began come to an end.

    Raises InputError when the port is taken or a key is missing."""
    state = open_state(config, place.folder)
    upstream = HttpUpstream(config.upstream, environment)
    ring = seal_ring(config, place.folder)
    standings = Standings(lambda account: observer.tier(account), ledger, time.time)
    observer = Observer(state, time.time, standings.told)
    await standings.look()
    gateway = Gateway(
        config, callers, state, upstream, seen,
        issuer=issuer, ring=ring, standings=standings, observer=observer,
    )  # fmt: skip
    runner = runner_of(gateway)
    await runner.setup()
    site = web.TCPSite(runner, place.host, place.port, backlog=1_024)
    keeping = asyncio.ensure_future(gateway.reservations.keep())
    watching = asyncio.ensure_future(_watch(observer, standings, warn))
    try:
        await _listen(site, place)
        port = runner.addresses[0][1]
        check_not_itself(config.upstream, port)
        await gateway.reservations.examine()
        if gateway.reservations.doubt:
            warn(f"WARNING: {gateway.reservations.doubt}")
        settle_memory()
        ready(f"http://{place.host}:{port}/v1")
        looks = [callers.look, Mute(runner, gateway.spoke).look, *([issuer.look] if issuer else [])]
        await _until_told(looks, warn)
    finally:
        gateway.draining = True
        await runner.cleanup()
        keeping.cancel()
        watching.cancel()
        await observer.tick()  # what was seen last is not lost
        await gateway.reservations.close()
        await upstream.close()
        await state.close()


async def _watch(observer: Observer, standings: Standings, say: Callable[[str], None]) -> None:
    """Detection and the ledger, beside the requests. What goes wrong there is said and stops no request."""
    while True:
        await asyncio.sleep(_LOOK_S)
        try:
            await observer.tick()
            await standings.look()
        except Exception as error:
            say(f"detection failed and goes on: {type(error).__name__}: {error}"[:500])


@final
class Mute:
    """Closes connections on which no request comes: whoever only opens them takes no place from others.
    Those that asked once are closed by the server when they are idle."""

    def __init__(self, runner: web.AppRunner, spoke: set[object]) -> None:
        self._runner = runner
        self._spoke = spoke
        self._since: dict[object, float] = {}

    def look(self) -> None:
        """Is called every second."""
        assert self._runner.server is not None
        now = time.monotonic()
        self._spoke.intersection_update(self._runner.server.connections)
        mute = [each for each in self._runner.server.connections if each not in self._spoke]
        self._since = {each: self._since.get(each, now) for each in mute}
        for each in mute:
            if now - self._since[each] > _MUTE_S:
                each.force_close()


async def _listen(site: web.TCPSite, place: Place) -> None:
    try:
        await site.start()
    except OSError as error:
        raise InputError(
            expected=f"an address to listen on, {place.host}:{place.port}",
            found=error.strerror or str(error),
            fix="choose another with --port",
        ) from error


async def _until_told(looks: Sequence[Callable[[], None]], say: Callable[[str], None]) -> None:
    """Looks every second. What goes wrong there is said and ends nothing."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    while not told.is_set():
        try:
            await asyncio.wait_for(told.wait(), _LOOK_S)
        except TimeoutError:
            for look in looks:
                try:
                    look()
                except Exception as error:
                    say(f"goes on as before: {type(error).__name__}: {error}"[:500])
