"""The real Gemma 3 270M: llama.cpp (GGUF) and transformers (its conversion) give the same answers."""

from __future__ import annotations

import os

import pytest

from inbond.teachers import catalogue
from inbond.teachers.opening import Weights, open_embedded, open_local
from inbond.teachers.protocols import Reply, Request, Sampling
from inbond.workspace import cache_folder

PROMPTS = ["The capital of France is", "Once upon a time, there was a little", "Water boils at"]


@pytest.mark.slow
async def test_both_runtimes_go_on_alike_from_plain_text() -> None:
    """Greedy and short: rounding may part them later, on a 4-bit file it does so early or never."""
    found = catalogue.resolve(catalogue.find("gemma-3-270m").uri, cache_folder(os.environ))
    assert found.digest is not None
    weights = Weights(str(found.name), "gguf", found.path, found.digest)
    said = []
    for teacher in (open_embedded(weights, os.environ), open_local(weights)):
        how = Sampling(8, 0.0, 1.0, 0)
        replies = [await teacher.complete(Request(teacher.identity, prompt, how)) for prompt in PROMPTS]
        await teacher.close()
        assert all(isinstance(reply, Reply) for reply in replies)
        said.append([reply.text for reply in replies])
    alike = sum(one == other for one, other in zip(*said, strict=True))
    assert alike >= 2, said
    assert all(one.split()[:1] == other.split()[:1] for one, other in zip(*said, strict=True)), said
