"""A host in a process of its own, to be killed: ``python -m tests.contract.replica_server MODEL SECONDS``.

Prints its port and then, as each question arrives, a line."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from aiohttp import web

from tests.contract.mock_host import DONE, USAGE, MockHost, chunk, event, running, stream


async def serve(model: str, seconds: float) -> None:
    """Answers every question with its own words, after so many seconds, for ever."""

    async def behave(_: MockHost, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        print("asked", flush=True)
        said = chunk(f"re: {body['messages'][-1]['content']}") | {"model": model}
        end = chunk(finish="stop") | {"model": model}
        return await stream(request, event(said), seconds, event(end), event(USAGE), DONE)

    async with running(behave) as mock:
        print(mock.host, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], float(sys.argv[2])))
