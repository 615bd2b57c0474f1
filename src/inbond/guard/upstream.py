"""The server behind the guard: what is sent to it, and its answer as it comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, final

import aiohttp

from inbond.errors import InputError
from inbond.guard.config import UpstreamSettings
from inbond.guard.inflating import BrokenEncodingError, Gzip, encoding_of
from inbond.guard.pool import Pool
from inbond.teachers.hosts import Host

_LOG: Final = logging.getLogger(__name__)
_HOP: Final = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
        "trailer", "transfer-encoding", "upgrade", "content-length", "host", "expect", "content-encoding",
    }
)  # fmt: skip
"""Headers of one connection (RFC 9110, 7.6.1), and those that are written anew."""
_OURS: Final = frozenset({"set-cookie", "server", "date", "x-request-id", "inbond-receipt"})
_PASSED_ON: Final = frozenset({"openai-beta", "user-agent"})
"""Not whose organisation or project it is: the guard's key may be of many."""

_IDLE_S: Final = 4.0
"""llama.cpp and uvicorn close what is idle for 5 s: a request must not cross that on its way."""
_REST_S: Final = 0.25
"""llama.cpp says keep-alive and closes a connection 50 ms after a stream's end: what was sent in between is
lost."""


class UpstreamError(Exception):
    """The upstream could not be reached, or fell silent or away before its answer began (``reason``:
    unreachable, timeout), or its answer is not whole (broken)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Answer(Protocol):
    """An answer that has begun. ``chunks`` may raise UpstreamError when it breaks off. ``close`` may be
    called at any time, more than once; an answer that was not read to its end is cancelled upstream."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def chunks(self) -> AsyncIterator[bytes]: ...

    def close(self) -> None: ...


class Upstream(Protocol):
    """Sends a request, a ``stream`` over connections of their own. Raises UpstreamError. Nothing is ever sent
    twice."""

    async def send(
        self, method: str, route: str, headers: Mapping[str, str], body: bytes | None, stream: bool = False
    ) -> Answer: ...

    async def close(self) -> None: ...


def headers_for(received: Mapping[str, str]) -> dict[str, str]:
    """What of a caller's headers goes on: the few that an upstream may need, and no credential."""
    return {name: value for name, value in received.items() if name.lower() in _PASSED_ON}


def headers_back(received: Mapping[str, str]) -> dict[str, str]:
    """What of an upstream's headers goes back: all but those of the connection, cookies and its server."""
    named = {name.strip().lower() for name in received.get("Connection", "").split(",")}
    dropped = _HOP | _OURS | named
    return {name: value for name, value in received.items() if name.lower() not in dropped}


@final
class _Listening:
    """Reads an answer's chunks, and raises TimeoutError where none comes in ``silence_s``. It looks at the
    clock by one timer for all of them: one for each costs as much as it takes to pass a chunk on."""

    def __init__(self, content: aiohttp.StreamReader, silence_s: float) -> None:
        self._content = content
        self._silence_s = silence_s
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._timer = self._loop.call_later(silence_s, self._look)

    async def chunk(self) -> bytes:
        """The next one; b"" at the end."""
        self._since = self._loop.time()
        try:
            return await self._content.readany()
        finally:
            self._since = None

    def _look(self) -> None:
        waited = 0.0 if self._since is None else self._loop.time() - self._since
        if waited < self._silence_s:
            self._timer = self._loop.call_later(self._silence_s - waited, self._look)
        else:
            self._content.set_exception(TimeoutError())

    def close(self) -> None:
        self._timer.cancel()


@final
@dataclass
class _HttpAnswer:
    """Implements Answer. ``silence_s`` is the longest that it may say nothing; ``packed`` unpacks it."""

    response: aiohttp.ClientResponse
    silence_s: float
    packed: Gzip | None
    listening: _Listening | None = None

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self.response.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        if (connection := self.response.connection) is not None and connection.protocol is not None:
            connection.protocol.read_timeout = None  # which begins a timer for each chunk
        self.listening = _Listening(self.response.content, self.silence_s)
        try:
            while chunk := await self.listening.chunk():
                if self.packed is None:
                    yield chunk
                    continue
                for piece in self.packed.feed(chunk):
                    yield piece
                    await asyncio.sleep(0)  # a little may swell to much: others are answered meanwhile
            if self.packed is not None:
                self.packed.finish()
        except (aiohttp.ClientError, TimeoutError, BrokenEncodingError) as error:
            raise UpstreamError(
                "broken", f"the upstream's answer broke off: {type(error).__name__}"
            ) from error
        finally:
            self.listening.close()

    def close(self) -> None:
        if self.listening is not None:
            self.listening.close()
        self.response.close()


@final
class HttpUpstream:
    """Implements Upstream over pooled connections. Redirects are not followed, cookies not kept."""

    def __init__(self, settings: UpstreamSettings, environment: Mapping[str, str]) -> None:
        """Raises InputError when the key is not in the environment. Connects to nothing yet."""
        self._settings = settings
        key = Host(key_env=settings.key_env).key(settings.url, environment)
        self._own = {"accept-encoding": "identity"} | ({"authorization": f"Bearer {key}"} if key else {})
        base = settings.url
        self._base = base if base.endswith("/v1") else f"{base}/v1"
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def send(
        self, method: str, route: str, headers: Mapping[str, str], body: bytes | None, stream: bool = False
    ) -> Answer:
        """As the Protocol says. What is encoded in a way that is not read here is no answer: broken."""
        session = self._open(stream)
        try:
            response = await session.request(
                method,
                f"{self._base}/{route}",
                headers={**headers, **self._own, **({"content-type": "application/json"} if body else {})},
                data=body,
                allow_redirects=False,
            )
        except TimeoutError as error:
            raise UpstreamError("timeout", "the upstream did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamError("unreachable", "the upstream cannot be reached") from error
        encoding = encoding_of(response.headers.getall("content-encoding", []))
        if encoding == "other":
            response.close()
            _LOG.error("the upstream answers in an encoding that is not gzip, and is asked for none")
            raise UpstreamError("broken", "the upstream's answer is encoded in a way that is not read here")
        return _HttpAnswer(response, self._settings.silence_s, Gzip() if encoding == "gzip" else None)

    def _open(self, stream: bool) -> aiohttp.ClientSession:
        if stream not in self._sessions:
            connector = Pool(idle_s=_IDLE_S, rest_s=_REST_S if stream else 0.0)
            self._sessions[stream] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    sock_connect=self._settings.connect_s,
                    sock_read=self._settings.silence_s,
                ),
            )
        return self._sessions[stream]

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()


def check_not_itself(settings: UpstreamSettings, port: int) -> None:
    """Raises InputError for an upstream that is the guard's own address."""
    if settings.url.rstrip("/").removesuffix("/v1") in (
        f"http://localhost:{port}",
        f"http://127.0.0.1:{port}",
    ):
        raise InputError(
            expected="an upstream that is another server",
            found=f"{settings.url}, where the guard itself listens",
            fix="give --upstream the address of the model server",
        )
