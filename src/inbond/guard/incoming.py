"""What comes in over HTTP, before any layer decides: which route it names, whose key it brings, its body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from inbond.guard import refusals, wire
from inbond.guard.callers import Caller, Callers
from inbond.guard.config import GuardConfig
from inbond.guard.reading import Reader
from inbond.guard.uploads import Room, Uploads
from inbond.guard.wire import Asked, BadRequestError

_ROUTES: Final[Mapping[str, wire.Route]] = {f"/v1/{route}": route for route in wire.ROUTES}
_MODELS: Final = "/v1/models"


def route_of(request: web.Request, config: GuardConfig) -> wire.Route | None:
    """None for the list of models. A path is one of ours to the letter: what is spelt in another way (//v1,
    %2e, a whole URL) is another path, so that no two servers read it in two ways. Raises Refusal."""
    path = request.raw_path.partition("?")[0]
    if path == _MODELS and request.method == "GET":
        return None
    route = _ROUTES.get(path)
    if route is None or request.method != "POST" or route not in config.routes:
        raise refusals.no_route()
    return route


def caller_of(request: web.Request, callers: Callers) -> Caller:
    """Whose key it brings. Raises Refusal."""
    given = request.headers.getall("authorization", [])
    scheme, _, key = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    caller = callers.find(key.strip()) if scheme.lower() == "bearer" else None
    if caller is None:
        raise refusals.no_key()
    return caller


async def asked_of(
    request: web.Request, route: wire.Route, uploads: Uploads, room: Room, reader: Reader, caller: Caller
) -> Asked:
    """What its body asks for; ``room`` counts what that takes. Raises Refusal."""
    if any(each.lower() != "identity" for each in request.headers.getall("content-encoding", [])):
        raise refusals.encoded()
    body = await uploads.read(request, room)
    try:
        asked, size = await reader.read(route, body, caller.name)
    except BadRequestError as error:
        raise refusals.bad_request(error.code, str(error)) from None
    room.grow(size)
    return asked
