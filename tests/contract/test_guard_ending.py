"""What becomes of answers under way when the guard ends and there is no time left for them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.contract import mock_host as mock
from tests.guard_running import ASKED, Running, running


async def cut(guard: Running) -> None:
    async with asyncio.timeout(5):
        while not guard.mock.bodies:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    guard.gateway.draining = True
    guard.gateway.cut()


async def test_a_stream_that_is_cut_says_so_and_is_paid(tmp_path: Path) -> None:
    pieces = [mock.event(mock.chunk("word ")) for _ in range(4)]
    async with running(tmp_path, mock.streaming(*pieces, 30.0)) as guard:
        ending = asyncio.ensure_future(cut(guard))
        status, _, body = await guard.post({**ASKED, "stream": True})
        await ending
        assert status == 200
        events = body.decode().strip().split("\n\n")
        assert json.loads(events[-1].removeprefix("data: "))["error"] == {
            "message": "This server ended before the answer did. Try again.",
            "type": "server_error", "param": None, "code": "server_ended",
        }  # fmt: skip
        assert [json.loads(each[6:])["choices"][0]["delta"]["content"] for each in events[:-1]] == [
            "word "
        ] * 4
        await guard.quiet()
        (seen,) = guard.seen
        assert (seen.status, seen.code, guard.taken()) == (200, "server_ended", 0)
        assert seen.usage is not None
        assert seen.usage.completion_tokens >= 4
        assert guard.used() == seen.usage.tokens


async def test_whoever_waits_for_a_whole_answer_is_told_to_try_again(tmp_path: Path) -> None:
    async with running(tmp_path, mock.streaming(30.0)) as guard:
        ending = asyncio.ensure_future(cut(guard))
        status, headers, body = await guard.post()
        await ending
        assert (status, json.loads(body)["error"]["code"]) == (503, "server_ended")
        assert (headers["retry-after"], headers["connection"]) == ("1", "close")
        await guard.quiet()
        assert (guard.seen[0].status, guard.seen[0].code, guard.taken()) == (503, "server_ended", 0)
        assert guard.used() > 0, "what the upstream may have done by then is not given away"
