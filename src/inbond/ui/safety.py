"""Who is answered, and what a browser may do with the answer: around the whole site, before any page.

A request is refused that is neither GET nor HEAD (405), names another host than this site's (421: DNS
rebinding), has not the token where one is demanded (403), or was made by a page of another site and is not a
link that somebody followed (403). The token comes once as ``?token=``; a cookie of this site alone remembers.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final, final
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inbond.digest import of_bytes

COOKIE: Final = "inbond-ui"
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
KEPT: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
"""For pages that lie in the workspace, which may come from anybody: they may be looked at, nothing else."""
_HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@final
@dataclass(frozen=True)
class Rules:
    """Where the site listens, and the token that it demands; None: none, on this machine alone."""

    host: str = "127.0.0.1"
    token: str | None = None

    def knows(self, named: str) -> bool:
        """Whether a Host header names this site. A name that anybody may point here is none of its own; an
        address is, where it does not listen on this machine alone."""
        name = named.rpartition(":")[0] if _has_port(named) else named
        if name in (*_LOOPBACK_NAMES, self.host, f"[{self.host}]"):
            return True
        if is_loopback(self.host):
            return False
        return name.lower() == socket.gethostname().lower() or _is_address(name)

    def fits(self, token: str) -> bool:
        """Compares in a time that tells nothing of the token."""
        return self.token is not None and hmac.compare_digest(token.encode(), self.token.encode())

    @property
    def cookie(self) -> str:
        """What the cookie holds: not the token itself."""
        return of_bytes(b"inbond-ui:" + (self.token or "").encode())

    def remembers(self, headers: Headers) -> bool:
        """Whether the visitor gave the token before."""
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return found is not None and hmac.compare_digest(found.value.encode(), self.cookie.encode())


def _has_port(named: str) -> bool:
    return ":" in named and not named.endswith("]")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


@final
class Guarded:
    """The site behind its rules."""

    def __init__(self, site: ASGIApp, rules: Rules) -> None:
        self._site = site
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or refuses it."""
        if scope["type"] != "http":
            await self._site(scope, receive, send)
            return
        refused = _refusal(scope, self._rules)

        async def mend(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await (refused or self._site)(scope, receive, mend)


def _refusal(scope: Scope, rules: Rules) -> Response | None:
    """What to answer instead of the page; None: nothing stands against it."""
    headers = Headers(scope=scope)
    if scope["method"] not in ("GET", "HEAD"):
        said = "This site is for reading only: GET and HEAD."
        return PlainTextResponse(said, 405, {"allow": "GET, HEAD"})
    if not rules.knows(headers.get("host", "")):
        said = f"This site does not answer to that name. Open it by the address it printed ({rules.host})."
        return PlainTextResponse(said, 421)
    foreign = headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"
    if foreign:
        return PlainTextResponse("Pages of other sites may not ask this one.", 403)
    if rules.token is None:
        return None
    asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    given = [value for name, value in asked if name == "token"]
    if given and rules.fits(given[-1]):
        return _welcome(scope["path"], [pair for pair in asked if pair[0] != "token"], rules)
    if rules.remembers(headers):
        return None
    return PlainTextResponse(
        "Open this site once by the address with ?token=... that it was started with.", 403
    )


def _welcome(path: str, asked: list[tuple[str, str]], rules: Rules) -> Response:
    """Puts the token into a cookie, and takes it out of the address."""
    place = "/" + path.lstrip("/\\")  # never another host's
    answer = RedirectResponse(place + (f"?{urlencode(asked)}" if asked else ""), 303)
    answer.set_cookie(COOKIE, rules.cookie, httponly=True, samesite="strict", path="/")
    return answer
