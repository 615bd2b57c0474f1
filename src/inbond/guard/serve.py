"""Runs the gateway: opens what it needs, reads callers anew when they change, and ends in good order."""

from __future__ import annotations

import asyncio
import errno
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from aiohttp import web

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.guard import heap, sealing_keys
from inbond.guard.app import Gateway
from inbond.guard.callers_file import NOBODY, CallersFile
from inbond.guard.config import GuardConfig
from inbond.guard.envelopes import Ring
from inbond.guard.observe import Observer
from inbond.guard.receipts import Issuer
from inbond.guard.reservations import Reservations
from inbond.guard.seen import Seen
from inbond.guard.standing import Standings
from inbond.guard.state import State
from inbond.guard.state_opening import open_state, remember
from inbond.guard.upstream import HttpUpstream, check_not_itself
from inbond.ledger.ledger import Ledger

_LOOK_S = 1.0
_SOON_S = 0.05
_LAST_S = 3.0
"""What answers that are cut may take to say so."""
_IDLE_S = 75.0
_TURN_S = 0.000_5
"""How long a thread beside the requests may go on while they want to. The interpreter's own five
milliseconds, at each of the dozen steps of a request, would be felt."""
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

    def at(self, port: int) -> str:
        """As it stands in a URL."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"


@final
@dataclass(frozen=True)
class Voice:
    """Whom the gateway tells what: of each request that is over, of its address when it listens, of what an
    operator must look at, and of what went well."""

    seen: Callable[[Seen], None]
    ready: Callable[[str], None]
    wrong: Callable[[str], None]
    said: Callable[[str], None]


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
        auto_decompress=False, shutdown_timeout=_LAST_S,
    )  # fmt: skip


async def serve(
    config: GuardConfig,
    callers: CallersFile,
    place: Place,
    environment: Mapping[str, str],
    voice: Voice,
    ledger: Ledger,
    issuer: Issuer | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT; then takes no new request, gives those that began their grace, and cuts
    what is left then.

    Raises InputError when the port is taken or a key is missing."""
    heap.give_back()
    sys.setswitchinterval(_TURN_S)
    state = open_state(config, place.folder)
    upstream = HttpUpstream(config.upstream, environment)
    ring = seal_ring(config, place.folder)
    operators = tuple(map(Digest, config.operators))
    standings = Standings(lambda account: observer.tier(account), ledger, time.time, operators)
    observer = Observer(state, time.time, standings.told)
    await standings.look()
    gateway = Gateway(
        config, callers, state, upstream, voice.seen,
        issuer=issuer, ring=ring, standings=standings, observer=observer,
    )  # fmt: skip
    runner = runner_of(gateway)
    await runner.setup()
    site = web.TCPSite(runner, place.host, place.port, backlog=1_024)
    keeping = asyncio.ensure_future(gateway.reservations.keep())
    watching = asyncio.ensure_future(_watch(observer, standings, voice.wrong))
    about = StateWatch(gateway.reservations, state, place.folder, voice)
    try:
        await _listen(site, place)
        port = runner.addresses[0][1]
        check_not_itself(config.upstream, port)
        await gateway.reservations.examine()
        about.look()
        _say_blind(callers, voice)
        heap.settle()
        voice.ready(f"http://{place.at(port)}/v1")
        mute = Mute(runner, gateway.spoke)
        looks = [callers.look, mute.look, about.look, *([issuer.look] if issuer else [])]
        await _until_told(looks, voice.wrong)
        await _end(gateway, site, config.grace_s, voice)
    finally:
        gateway.draining = True
        await runner.cleanup()
        keeping.cancel()
        watching.cancel()
        await observer.tick()  # what was seen last is not lost
        await gateway.reservations.close()
        await upstream.close()
        await state.close()


async def _end(gateway: Gateway, site: web.TCPSite, grace_s: float, voice: Voice) -> None:
    """Takes no new request, and waits for those that began; what is left after the grace is cut."""
    gateway.draining = True
    await site.stop()
    if await _idle(gateway, grace_s):
        return
    voice.wrong(
        f"{gateway.in_flight} answers are cut: they were not whole {grace_s:g} s (grace_s) after the end"
    )
    gateway.cut()
    await _idle(gateway, _LAST_S)


async def _idle(gateway: Gateway, wait_s: float) -> bool:
    """Whether nothing is under way, within this time."""
    deadline = time.monotonic() + wait_s
    while gateway.in_flight and time.monotonic() < deadline:
        await asyncio.sleep(_SOON_S)
    return not gateway.in_flight


def _say_blind(callers: CallersFile, voice: Voice) -> None:
    if not callers.now.by_hash:
        voice.wrong(NOBODY)
    for text in callers.now.unknown.blind:
        voice.said(text)


@final
class StateWatch:
    """Says when the state goes and comes back, and remembers which data set it is."""

    def __init__(self, reservations: Reservations, state: State, folder: Path, voice: Voice) -> None:
        self._reservations = reservations
        self._state = state
        self._folder = folder
        self._voice = voice
        self._was = ""

    def look(self) -> None:
        """Is called at the start, and every second."""
        now = self._now()
        if now != self._was:
            tell = self._voice.wrong if now else self._voice.said
            tell(now or "the state is as it should be")
            self._was = now
        if not self._reservations.emptied:
            remember(self._folder, self._state.name)

    def _now(self) -> str:
        """What is wrong with it; "" for nothing."""
        found = self._reservations
        if found.emptied:
            return (
                "the state is not the one of before: it was emptied, or another took its place, and all "
                "budgets would begin anew. Requests are refused until somebody runs "
                "inbond guard state --accept-emptied"
            )
        if found.lost:
            return f"the state is lost ({found.why}): requests {found.meanwhile}"
        return f"WARNING: {found.doubt}" if found.doubt else ""


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
            expected=f"an address to listen on, {place.at(place.port)}",
            found=error.strerror or str(error),
            fix="choose another with --port"
            if error.errno == errno.EADDRINUSE
            else "choose another with --host "
            "or --port: 127.0.0.1 is this machine alone, 0.0.0.0 all its networks",
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
