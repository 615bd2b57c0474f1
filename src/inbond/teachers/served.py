"""A teacher behind any URL that speaks the OpenAI format: streamed, bounded, and mistrusted.

Whatever a host does (errors, silence, endless or broken replies, redirects) ends as a TeacherError
with one of ``protocols.FAILURES``. The key goes to its own host only, and into no message.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, final

import aiohttp

from inbond.errors import InputError, TeacherError
from inbond.ledger.issuer_keys import Keys, read_issuer_keys
from inbond.ledger.receipts import HEADER, may_be_token
from inbond.teachers import wire
from inbond.teachers.connections import CONNECT_S, Place
from inbond.teachers.hosts import Host, host_of
from inbond.teachers.protocols import Price, Reply, Request
from inbond.teachers.replicas import Replica, Replicas
from inbond.types import ModelName
from inbond.workspace import config_folder

EVIDENCE = ("x-request-id", "request-id", HEADER)
_ERROR_BYTES = 16_384
_NOTHING_CAME = ("unreachable", "rate-limited")
_OF_THE_HOST = (*_NOTHING_CAME, "timeout", "truncated-stream", "malformed")
"""Failures after which a replica rests; after the first two another one is asked at once."""


@final
class Served:
    """One model at one host. Implements Completes. ``top_logprobs`` alternatives are asked for, 0 for none.

    Answers come from ``{scheme}://{host}{base_path}/chat/completions`` (or ``/completions`` for raw
    text). Redirects are never followed, cookies never kept, proxies and netrc never consulted.
    """

    def __init__(
        self,
        name: str,
        model: str,
        host_name: str,
        host: Host,
        key: str | None,
        *,
        top_logprobs: int = 0,
        issuer: Keys | None = None,
    ) -> None:
        self._name = name
        self._model = model
        self._host = host
        self._secrets = (key,) if key else ()
        self._top_logprobs = top_logprobs
        names = (host_name, *host.replicas)
        self._replicas = Replicas(names)
        self._places = {name: Place(name, host, key, issuer) for name in names}

    @classmethod
    def open(
        cls,
        name: ModelName,
        hosts: Mapping[str, Host],
        environment: Mapping[str, str],
        *,
        top_logprobs: int = 0,
    ) -> Served:
        """For an ``api:`` name. Connects to nothing yet. Raises InputError when the key is missing, or for
        more alternatives than the host gives."""
        assert name.host is not None, "only api: names are served"
        host = host_of(name.host, hosts)
        if top_logprobs > host.top_logprobs:
            raise InputError(
                expected=f"at most {host.top_logprobs} alternatives a token, which {name.host} gives",
                found=f"{top_logprobs} asked for",
                fix=f"set capture.k={host.top_logprobs}, or top_logprobs for this host in hosts.yaml",
            )
        key = host.key(name.host, environment)
        pinned = host.receipt_keys
        issuer = read_issuer_keys(config_folder(environment) / pinned) if pinned else None
        return cls(str(name), name.name, name.host, host, key, top_logprobs=top_logprobs, issuer=issuer)

    @property
    def identity(self) -> str:
        """The name alone: nobody outside can pin what a host serves under it."""
        return self._name if not self._top_logprobs else f"{self._name} top_logprobs {self._top_logprobs}"

    @property
    def concurrency(self) -> int:
        """Of all replicas together."""
        return self._host.concurrency * len(self._places)

    @property
    def price(self) -> Price:
        return self._host.known_price

    @property
    def model(self) -> str:
        """What the host calls it."""
        return self._model

    @property
    def host(self) -> Host:
        """What is known of its host."""
        return self._host

    @property
    def top_logprobs(self) -> int:
        """Alternatives a token that are asked for."""
        return self._top_logprobs

    async def complete(self, request: Request) -> Reply:
        """See Completes. A replica that gives nothing is passed over for another one; what it began and did
        not end is the caller's to ask again. Raises InputError when replicas name different models."""
        tried: list[str] = []
        while (replica := self._replicas.next(time.monotonic(), tried)) is not None:
            tried.append(replica.name)
            replica.in_flight += 1
            replica.asked += 1
            try:
                reply = await self._ask(request, self._places[replica.name])
            except TeacherError as error:
                if error.reason in _OF_THE_HOST:
                    replica.failed(time.monotonic(), error.retry_after_s)
                failure = error
                if error.reason not in _NOTHING_CAME:
                    break
            else:
                replica.answered()
                self._check_model(replica, reply.model)
                return reply
            finally:
                replica.in_flight -= 1
        raise failure

    def _check_model(self, replica: Replica, said: str) -> None:
        other = self._replicas.other_model(replica, said)
        if other is not None:
            raise InputError(
                expected=f"replicas of {self._name} that serve the same model",
                found=f"{other.name} says {other.model!r:.80}, {replica.name} says {replica.model!r:.80}",
                fix="correct replicas in hosts.yaml, or serve the same model under the same name",
            )

    async def _ask(self, request: Request, place: Place) -> Reply:
        start = time.perf_counter()
        gathering = wire.Gathering(request, self._name, self._secrets)
        headers: dict[str, str] = {}
        failure: TeacherError | None = None
        try:
            await self._exchange(request, place, gathering, headers)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            failure = self._meaning(error, place.url, gathering)
        # Raised out here, because an aiohttp error's repr holds our headers: it must not even be context.
        if failure is not None and not gathering.finished:
            raise failure
        reply = gathering.reply(time.perf_counter() - start, headers)
        return reply if HEADER not in headers else await place.with_key(reply)

    async def _exchange(
        self, request: Request, place: Place, gathering: wire.Gathering, headers: dict[str, str]
    ) -> None:
        body = wire.body_of(request, model=self._model, top_logprobs=self._top_logprobs)
        url = place.url + wire.path_of(request)
        async with place.session().post(url, json=body, allow_redirects=False) as response:
            if response.status != 200:
                raise await self._refusal(response)
            headers.update((name, response.headers[name]) for name in EVIDENCE if name in response.headers)
            await self._gather(response, request, gathering, headers)

    async def close(self) -> None:
        for place in self._places.values():
            await place.close()

    async def _gather(
        self,
        response: aiohttp.ClientResponse,
        request: Request,
        gathering: wire.Gathering,
        headers: dict[str, str],
    ) -> None:
        """Reads a stream of events, or one JSON object from hosts that do not stream. A receipt in a comment
        goes to the ``headers``, where hosts that do not stream put it."""
        most = reply_limit(request, self._top_logprobs)
        if response.content_type == "application/json":
            data = await _read_at_most(response, most)
            if data is None:
                raise gathering.malformed(_too_long(most, request))
            gathering.add(self._parse(data, gathering))
            return
        seen = 0
        async for line in _lines(response, most):
            seen += len(line) + 1
            if seen > most:
                raise gathering.malformed(_too_long(most, request))
            field, _, data = line.partition(b":")
            if field != b"data":  # comments, event names, ids
                self._expect_event(line, field, gathering)
                name, _, token = data.strip().decode(errors="replace").partition(" ")
                if field == b"" and name == HEADER and may_be_token(token):
                    headers[HEADER] = token
                continue
            if data.strip() == b"[DONE]":
                return
            gathering.add(self._parse(data, gathering))

    def _expect_event(self, line: bytes, field: bytes, gathering: wire.Gathering) -> None:
        if line and field not in (b"", b"event", b"id", b"retry"):
            shown = wire.excerpt(line.decode(errors="replace"), self._secrets)
            raise gathering.malformed(f"a line that is no server-sent event: {shown}")

    def _parse(self, data: bytes, gathering: wire.Gathering) -> Any:
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            shown = wire.excerpt(data.decode(errors="replace"), self._secrets)
            raise gathering.malformed(f"text that is not JSON: {shown}") from None

    async def _refusal(self, response: aiohttp.ClientResponse) -> TeacherError:
        retry_after_s = parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
        data = await _read_at_most(response, _ERROR_BYTES) or b""
        text = data.decode(errors="replace")
        with contextlib.suppress(ValueError, RecursionError):  # not JSON: the text itself is quoted
            text = wire.message_of(json.loads(text))
        if 300 <= response.status < 400:
            text = f"a redirect to {response.headers.get('Location', 'nowhere')}"
        return wire.from_status(response.status, wire.excerpt(text, self._secrets), self._name, retry_after_s)

    def _meaning(self, error: Exception, url: str, gathering: wire.Gathering) -> TeacherError:
        """What an error of the connection means. One that broke mid-answer is a truncated stream."""
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return self._unreachable(url, f"no connection within {CONNECT_S:g} s")
        if isinstance(error, TimeoutError):
            return self._silent(url)
        # An aiohttp response error says more in its repr than may be shown; its message is the host's.
        said = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
        said = wire.excerpt(said or type(error).__name__, self._secrets)
        if isinstance(error, aiohttp.ClientPayloadError):
            return self._truncated(said)
        if isinstance(error, aiohttp.ClientResponseError | ValueError):
            return gathering.malformed(f"no HTTP: {said}")
        return self._unreachable(url, said)

    def _truncated(self, said: str) -> TeacherError:
        return TeacherError(
            expected=f"a whole answer from {self._name}",
            found=f"the connection ended before it did ({said})",
            fix="ask again; if it keeps happening, look at the host's own limits",
            reason="truncated-stream",
            retryable=True,
        )

    def _unreachable(self, url: str, found: str) -> TeacherError:
        return TeacherError(
            expected=f"a connection to {url}",
            found=found,
            fix="check that the host runs and its name and port are right; only insecure: true in hosts.yaml "
            "allows plain http to another machine",
            reason="unreachable",
            retryable=True,
        )

    def _silent(self, url: str) -> TeacherError:
        return TeacherError(
            expected=f"a byte from {url} at least every {self._host.timeout_s:g} s",
            found="silence",
            fix="ask again, or raise timeout_s for this host in hosts.yaml",
            reason="timeout",
            retryable=True,
        )


def reply_limit(request: Request, top_logprobs: int) -> int:
    """Bytes of the longest reply that can be honest: a stream's chunk of each token, with room."""
    return 65_536 + request.sampling.max_tokens * (1_024 + 256 * top_logprobs)


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait, from either form of the header (RFC 9110, 10.2.3); None when there is none."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


async def _lines(response: aiohttp.ClientResponse, most: int) -> AsyncIterator[bytes]:
    """Lines without their ends, of any length up to ``most`` bytes in all; then one overlong line."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            yield line
        if len(rest) > most:
            break
    if rest:
        yield rest


async def _read_at_most(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    """The body, or None when it is longer than ``most`` bytes."""
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > most:
            return None
    return bytes(data)


def _too_long(most: int, request: Request) -> str:
    return f"over {most} bytes for an answer of at most {request.sampling.max_tokens} tokens"
