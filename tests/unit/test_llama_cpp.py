"""What llama.cpp draws is what the request says, with the real model."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from inbond.digest import of_bytes
from inbond.errors import TeacherError
from inbond.teachers.embedded import Embedded, Settings
from inbond.teachers.protocols import Request, Sampling


@pytest.mark.slow
@pytest.mark.parametrize("top_p", [1.0, 0.5])
def test_tokens_are_drawn_from_the_whole_distribution(
    smollm2_gguf: Path, tmp_path: Path, top_p: float
) -> None:
    """At temperature 5 nearly all tokens have a chance. llama.cpp's own way would leave 40 at most, and with
    top_p, looked at before the temperature, fewer."""

    async def drawn() -> set[str]:
        teacher = Embedded.open(
            smollm2_gguf, tmp_path, name="m", digest=of_bytes(b"m"), settings=Settings(threads=1)
        )
        found = set()
        for seed in range(80):
            how = Sampling(1, 5.0, top_p, seed)
            with contextlib.suppress(TeacherError):  # some tokens have no text
                found.add((await teacher.complete(Request("m", "Once upon a time, there was", how))).text)
        await teacher.close()
        return found

    assert len(asyncio.run(drawn())) > 60
