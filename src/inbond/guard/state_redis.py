"""The guard's state in Redis: for many processes. See ``state.State`` for what each method promises.

What must happen together is one Lua script, so that no two replicas come between. All keys carry one hash
tag, ``{inbond}``, and so lie on one node: this is one Redis primary's worth of requests, and a cluster is not
spoken to. Keys expire by Redis's own clock; everything else goes by the time of who asks.

What Redis forgets is forgotten here: without ``appendonly yes`` a restart begins every budget anew, and
with replication that is not waited for a fail-over may lose the last moments. The first is noticed
(``losses``): every data set has a name, made once, and what was held in one that is lost is settled in the
next. Whether that one may be used is for an operator to say (``accept``). Let nothing be evicted:
``maxmemory-policy noeviction``; another is said in /health (``doubt``).
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final, TypeVar, final
from urllib.parse import urlsplit

from inbond.errors import InputError, need_extra
from inbond.guard import redis_scripts as scripts
from inbond.guard.budget import Claim, Full, Seat, kept_until
from inbond.guard.state import Held, StateLostError

try:
    import redis.asyncio as client
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
except ImportError as error:
    raise need_extra("guard", "redis") from error

T = TypeVar("T")
_DAY_S: Final = 86_400
_WAIT_S: Final = 2.0
_CONNECTIONS: Final = 32
_ROOT: Final = "{inbond}:"
_BORN: Final = _ROOT + "born"
_ACCEPTED: Final = _ROOT + "accepted"
_MEMORY: Final = _ROOT + "memory"
_LAST: Final = _ROOT + "last"
_TIERS: Final = _ROOT + "tiers"
_WINDOWS: Final = _ROOT + "windows"


@final
class RedisState:
    """Implements State."""

    def __init__(self, url: str, before: str = "") -> None:
        """Takes redis:// or rediss://, and the name of the data set that was there before, where that is
        known. Connects to nothing yet. Raises InputError; a password in the URL is in no message."""
        self._place = _place(url)
        try:
            pool = client.BlockingConnectionPool.from_url(
                url, max_connections=_CONNECTIONS, timeout=_WAIT_S, socket_timeout=_WAIT_S,
                socket_connect_timeout=_WAIT_S, retry=Retry(NoBackoff(), 0), client_name="inbond-guard",
            )  # fmt: skip
        except (ValueError, TypeError):
            raise _bad_url() from None
        self._redis: Any = client.Redis.from_pool(pool)
        self._scripts = {name: self._redis.register_script(text) for name, text in scripts.ALL.items()}
        self._born: bytes | None = before.encode() or None
        self._losses = 0

    async def _ask(self, asked: Awaitable[T]) -> T:
        try:
            return await asked
        except (RedisError, OSError, TimeoutError) as error:
            raise StateLostError(
                expected=f"Redis to answer at {self._place}",
                found=type(error).__name__,
                fix="start it again, or correct state in guard.yaml",
            ) from None  # a client's message may quote what was sent

    async def _run(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        return await self._ask(self._scripts[name](keys=keys, args=arguments))

    def _same(self, born: bytes) -> None:
        if self._born is not None and born != self._born:
            self._losses += 1
        self._born = born

    # Budgets --------------------------------------------------------------------------------------------

    async def reserve(
        self, id_: str, claims: Sequence[Claim], seats: Sequence[Seat], at: float, lease_s: float
    ) -> Held | Full:
        """As State; asked a second time, over another connection, where the first broke."""
        keys = [_BORN, _held(id_), *map(_window, claims), *map(_seats, seats)]
        arguments: list[Any] = [secrets.token_hex(8), id_, len(claims), repr(at), repr(at + lease_s)]
        for claim in claims:
            arguments += (claim.amount, claim.cap, kept_until(claim) - claim.begins)
        for seat in seats:
            arguments += (seat.cap, int(lease_s) + _DAY_S)
        try:
            born, full = await self._run("reserve", keys, arguments)
        except StateLostError:  # a connection that Redis closed while it was idle; an id is held once
            born, full = await self._run("reserve", keys, arguments)
        self._same(born)
        if not full:
            return Held(id_, tuple(claims), tuple(seats), born.decode())
        if full <= len(claims):
            claim = claims[full - 1]
            return Full(claim.counter, f"{claim.kind} a {claim.window}", claim.cap, claim.ends - at)
        seat = seats[full - 1 - len(claims)]
        return Full(seat.counter, "requests at a time", seat.cap, 1.0)

    async def settle(self, held: Held, changes: Sequence[tuple[Claim, int]]) -> bool:
        """As State; asked once: what then is in doubt is the caller's to ask again."""
        keys = [_BORN, _held(held.id), *(_window(claim) for claim, _ in changes), *map(_seats, held.seats)]
        arguments: list[Any] = [secrets.token_hex(8), held.id, len(changes), held.where]
        for claim, change in changes:
            arguments += (change, claim.amount, kept_until(claim) - claim.begins)
        born, took_effect = await self._run("settle", keys, arguments)
        self._same(born)
        return bool(took_effect)

    async def extend(self, held: Held, at: float, lease_s: float) -> None:
        keys = [_held(held.id), *map(_seats, held.seats)]
        await self._run("extend", keys, [held.id, repr(at + lease_s), int(lease_s) + _DAY_S])

    async def forget(self, at: float) -> None:
        """Keys expire by themselves."""

    # Detection ------------------------------------------------------------------------------------------

    async def put_marks(self, id_: str, window: int, marks: Sequence[bytes]) -> None:
        keys = [f"{_ROOT}put:{id_}", _WINDOWS, _marks(window)]
        await self._run("put_marks", keys, [_DAY_S, window, *marks])

    async def marks(self, window: int) -> list[bytes]:
        found: list[bytes] = await self._ask(self._redis.lrange(_marks(window), 0, -1))
        return found

    async def windows(self) -> list[int]:
        return [int(window) for window in await self._ask(self._redis.zrange(_WINDOWS, 0, -1))]

    async def fold(self, window: int, memory: bytes, tiers: Mapping[str, bytes]) -> bool:
        """As State. What is brought and not folded is gone within an hour."""
        brought = f"{_ROOT}brought:{secrets.token_hex(8)}"
        await self._ask(self._redis.set(brought, memory, ex=3_600))  # large: no script should carry it
        pairs = [part for pair in tiers.items() for part in pair]
        keys = [_LAST, _MEMORY, brought, _TIERS, _WINDOWS]
        return bool(await self._run("fold", keys, [window, _ROOT + "marks:", *pairs]))

    async def memory(self) -> tuple[int | None, bytes]:
        last, data = await self._ask(self._redis.mget(_LAST, _MEMORY))
        return (None, b"") if last is None else (int(last), data or b"")

    async def tier(self, account: str) -> bytes | None:
        found: bytes | None = await self._ask(self._redis.hget(_TIERS, account))
        return found

    async def tiers(self) -> dict[str, bytes]:
        found = await self._ask(self._redis.hgetall(_TIERS))
        return {account.decode(): data for account, data in sorted(found.items())}

    @property
    def waits(self) -> bool:
        return True

    @property
    def losses(self) -> int:
        return self._losses

    @property
    def name(self) -> str:
        return "" if self._born is None else self._born.decode()

    async def accepted(self) -> bool:
        born, accepted = await self._ask(self._redis.mget(_BORN, _ACCEPTED))
        return born is not None and born == accepted

    async def accept(self) -> None:
        await self.ping()
        await self._ask(self._redis.set(_ACCEPTED, self.name))

    async def ping(self) -> None:
        self._same(await self._run("ping", [_BORN], [secrets.token_hex(8)]))

    async def doubt(self) -> str | None:
        """As State: a Redis that throws budgets out when it is full lets callers spend them again."""
        found = await self._ask(self._redis.info("memory"))
        policy, most = found.get("maxmemory_policy", "noeviction"), int(found.get("maxmemory", 0))
        if policy == "noeviction":
            return None
        when = f"at {most:,} bytes" if most else "as soon as maxmemory is set"
        return (
            f"Redis at {self._place} evicts keys {when} (maxmemory-policy {policy}), and budgets with them: "
            "set maxmemory-policy noeviction"
        )

    async def close(self) -> None:
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()


def _held(id_: str) -> str:
    return f"{_ROOT}held:{id_}"


def _window(claim: Claim) -> str:
    return f"{_ROOT}used:{claim.counter}|{claim.begins}"


def _seats(seat: Seat) -> str:
    return f"{_ROOT}seats:{seat.counter}"


def _marks(window: int) -> str:
    return f"{_ROOT}marks:{window}"


def _place(url: str) -> str:
    """Where it is, for messages: no user, no password, no options."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 6379
    except ValueError:
        raise _bad_url() from None
    if parts.scheme not in ("redis", "rediss") or not host:
        raise _bad_url()
    return f"{host}:{port}"


def _bad_url() -> InputError:
    return InputError(
        expected="state as redis://[user:password@]host[:port][/number] or rediss://...",
        found="another kind of URL (not shown: it may hold a password)",
        fix="correct state in guard.yaml",
    )
