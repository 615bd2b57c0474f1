"""``inbond guard serve`` as a process before a model server of raw bytes, with two tenants: for tests of what
either side does wrong."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from inbond.guard.callers import hash_of
from tests.e2e.test_guard_gateway import KEY, OTHER, Guard, eventually, guarding
from tests.raw_host import Fault, RawHost, raw_host


@dataclass
class Scene:
    guard: Guard
    host: RawHost
    port: int

    def ask(
        self, model: str, said: str = "hi", *, stream: bool = False, key: str = KEY, **more: object
    ) -> tuple[int, bytes]:
        """Status and body. 0 when it broke off."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        asked = {"model": model, "messages": [{"role": "user", "content": said}], "max_tokens": 32, **more}
        if stream:
            asked["stream"] = True
        try:
            connection.request(
                "POST", "/v1/chat/completions", json.dumps(asked), {"authorization": f"Bearer {key}"}
            )
            found = connection.getresponse()
            return found.status, found.read()
        except http.client.IncompleteRead as error:
            return 0, error.partial
        finally:
            connection.close()

    def raw(self, data: bytes, wait_s: float = 1.0, half_close: bool = False) -> bytes:
        """All that comes back for these bytes."""
        found = b""
        with socket.create_connection(("127.0.0.1", self.port)) as opened:
            opened.settimeout(wait_s)
            with contextlib.suppress(OSError):
                opened.sendall(data)
                if half_close:
                    opened.shutdown(socket.SHUT_WR)
                while piece := opened.recv(65_536):
                    found += piece
        return found

    def used(self, account: str = "t/a") -> int:
        """Tokens of an account that are settled or held."""
        return self._sum(f"account:{account}|tokens|day")

    def _sum(self, counter: str) -> int:
        where = f"file:{self.guard.folder}/bond/guard/state.db?mode=ro"
        with contextlib.closing(sqlite3.connect(where, uri=True)) as db:
            query = "SELECT coalesce(sum(amount), 0) FROM used WHERE counter = ?"
            return db.execute(query, (counter,)).fetchone()[0]

    def open_ends(self) -> int:
        """Seats that are taken, and requests that are not settled."""
        where = f"file:{self.guard.folder}/bond/guard/state.db?mode=ro"
        with contextlib.closing(sqlite3.connect(where, uri=True)) as db:
            return db.execute("SELECT (SELECT count(*) FROM seat) + (SELECT count(*) FROM held)").fetchone()[
                0
            ]

    def is_well(self) -> None:
        """Both accounts get their own answers, whole and streamed, and pay for just these."""
        eventually(lambda: self.open_ends() == 0)
        for key, account, said in ((KEY, "t/a", "mine"), (OTHER, "u/b", "theirs")):
            for stream in (False, True):
                before = self.used(account)
                status, body = self.ask("echo", said, stream=stream, key=key)
                assert (status, said.encode() in body, b"somebody" in body) == (200, True, False), body
                eventually(lambda a=account, b=before, s=said: self.used(a) - b == 1 + len(s))
        assert self.guard.process.poll() is None
        assert json.loads(self.guard.get("/health")[1]) == {"status": "alive", "state": "reachable"}


@contextlib.contextmanager
def scene(
    folder: Path,
    faults: dict[str, Fault],
    *,
    concurrency: int = 64,
    more_limits: str = "",
    prompt_cache: str = "shared",
    patience_s: float = 1.5,
    **config: object,
) -> Iterator[Scene]:
    """Each tenant has one account, of so many requests at a time, and ``more_limits`` as YAML;
    ``patience_s`` is what an upstream has."""
    numbers = f"concurrency: {concurrency}, tokens_per_day: 1000000000{more_limits}"
    limits = f"{{{numbers}}}, payment: p, created: 2026-01-01"
    one = f'accounts: {{a: {{keys: ["{hash_of(KEY)}"], limits: {limits}}}}}'
    other = f'accounts: {{b: {{keys: ["{hash_of(OTHER)}"], limits: {limits}}}}}'
    people = f"tenants: {{t: {{{one}}}, u: {{{other}}}}}"
    settings = {"unlisted": {"reasoning": "pass", "default_max_tokens": 64}, "client_silence_s": 2, **config}
    with raw_host(faults) as host:
        upstream = {"url": f"http://{host.host}", "silence_s": patience_s, "connect_s": patience_s}
        upstream |= {"prompt_cache": prompt_cache}
        with guarding(folder, "http://unused", people, **{**settings, "upstream": upstream}) as guard:
            yield Scene(guard, host, int(guard.address.split(":")[2].partition("/")[0]))
