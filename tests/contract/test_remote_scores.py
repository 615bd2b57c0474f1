"""A real llama.cpp server's top_logprobs as targets, against the same weights under transformers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inbond.digest import of_bytes
from inbond.errors import InputError
from inbond.teachers import catalogue
from inbond.teachers.convert import converted
from inbond.teachers.local import Local, load_model, load_tokenizer
from inbond.teachers.mapping import Scored, map_reply
from inbond.teachers.pieces import Pieces
from inbond.teachers.probing import ProbeResult, decide, refuse, settle_size
from inbond.teachers.protocols import Keep, Request, Sampling
from inbond.teachers.remote import RemoteScores
from inbond.teachers.served import Served
from inbond.train.student import prune_layers
from inbond.types import Message, Prompt, Verdict, parse_model_name
from inbond.workspace import cache_folder
from tests.contract.probed import probed
from tests.real_model import server_here

pytestmark = pytest.mark.slow

ASK = ("Define the word garden in one sentence.", "What is the sun?", "Name three colours.")
JAPANESE = "Repeat exactly: 川 😀"


def chat(text: str) -> Prompt:
    return (Message("user", text),)


@pytest.fixture(scope="module")
def llama_host(smollm2_gguf: Path) -> Any:
    """A real llama.cpp HTTP server on loopback."""
    with server_here(smollm2_gguf, parallel=2, context=2048) as address:
        yield address


@pytest.fixture(scope="module")
def local(smollm2_gguf: Path) -> Local:
    digest = catalogue.LISTED[0].weights
    folder = converted(smollm2_gguf, digest, cache_folder(os.environ))
    return Local(f"gguf:{smollm2_gguf}", digest, load_model(folder), load_tokenizer(folder))


def open_served(host: str, size: int = 20) -> Served:
    return Served.open(parse_model_name(f"api:{host}/smollm2"), {}, {}, top_logprobs=size)


@pytest.fixture
async def served(llama_host: str) -> AsyncIterator[Served]:
    made = open_served(llama_host)
    yield made
    await made.close()


async def probe(
    served: Served, local: Local, sampling: Sampling, *, reference: Local | None
) -> tuple[ProbeResult, Verdict]:
    prompts = [chat(text) for text in ASK]
    result = await probed(served, local.tokenizer, prompts, sampling, reference=reference)
    return result, decide(result)


async def test_a_real_host_agrees_with_the_same_weights_here(served: Served, local: Local) -> None:
    result, verdict = await probe(served, local, Sampling(24, 0.8, seed=3), reference=local)
    print(result)
    assert verdict.outcome == "agree", verdict
    assert result.dropped == {}
    assert result.local is not None
    assert 0 < result.local.kl < 0.03
    assert result.local.difference < 0.08
    assert result.local.tokens >= 40
    assert 0.3 < result.kept_mass <= 1
    assert result.recounted == 0
    assert any(str(result.local.tokens) in reason.finding for reason in verdict.reasons)
    refuse(verdict)


async def test_a_real_host_agrees_with_itself(served: Served, local: Local) -> None:
    result, verdict = await probe(served, local, Sampling(24, 0.8, seed=3), reference=None)
    print(result)
    assert verdict.outcome == "agree", verdict
    assert result.unlikely == 0
    assert result.greedy_tokens >= 60
    assert any("cannot show that the host serves" in reason.finding for reason in verdict.reasons)


async def test_a_pruned_model_is_told_from_the_host(served: Served, local: Local) -> None:
    """The same name, the same tokens, other weights: a layer less."""
    pruned = prune_layers(local.model, [layer for layer in range(30) if layer != 14])
    other = Local("path:pruned", of_bytes(b"pruned"), pruned, local.tokenizer)
    result, verdict = await probe(served, local, Sampling(24, 0.8, seed=3), reference=other)
    print(result.local)
    assert verdict.outcome == "disagree"
    with pytest.raises(InputError, match=r"against the weights here.*KL 0\.\d+ \+- .*the limit is 0\.1"):
        refuse(verdict)


async def test_replies_become_targets(served: Served, local: Local) -> None:
    how = Sampling(40, 0.8, seed=5)
    answers = []
    for text in ASK:
        answers.append((chat(text), await served.complete(Request(served.identity, chat(text), how))))
    remote = RemoteScores.from_replies(served.identity, local.tokenizer, answers, 20)
    assert remote.dropped == {}
    sequences = [sequence for sequence in remote.sequences if sequence]
    assert (remote.vocabulary, remote.vocabulary_size) == (local.vocabulary, local.vocabulary_size)
    for sequence, (_, reply) in zip(sequences, answers, strict=True):
        answer = local.tokenizer.decode(sequence.ids[sequence.prompt_length :], skip_special_tokens=True)
        assert answer == reply.text
    there, here = remote.score(sequences, Keep(size=20)), local.score(sequences, Keep(size=20))
    assert there.ids_NK.shape == here.ids_NK.shape == (sum(one.labels for one in sequences), 20)
    assert (np.diff(there.logp_NK, axis=1) <= 0).all()
    assert (np.exp(there.logp_NK).sum(1) <= 1 + 1e-3).all()
    assert (there.ids_NK[:, 0] == here.ids_NK[:, 0]).mean() > 0.9
    np.testing.assert_allclose(there.logp_NK[:, 0], here.logp_NK[:, 0], atol=0.35)


@pytest.mark.parametrize("length", [4, 5, 6, 7, 8, 24])
async def test_japanese_and_emoji_through_bytes(served: Served, local: Local, length: int) -> None:
    """llama.cpp reports the tokens of one character as one; they are told apart, or the reply is dropped."""
    request = Request(served.identity, chat(JAPANESE), Sampling(length, 0.0))
    reply = await served.complete(request)
    print(repr(reply.text), reply.completion_tokens, len(reply.top_logprobs))
    pieces = Pieces.of(local.tokenizer)
    scored = map_reply(pieces, local.tokenizer, request.prompt, reply, 20)
    assert isinstance(scored, Scored), scored
    said = b"".join(map(pieces.bytes_of, scored.labels)).decode(errors="replace")
    assert said.rstrip("\ufffd") == reply.text.rstrip("\ufffd")
    silent = sum(not row for row in scored.rows)
    assert ("川" in reply.text) == (length >= 6) == (silent > 0)
    assert silent < len(scored.rows)
    # The tokens that were inferred are those that were generated: the weights here say so too.
    here = local.score([scored.sequence], Keep(size=1))
    for row, own, likeliest in zip(scored.rows, scored.labels, here.ids_NK[:, 0], strict=True):
        assert row[0][0] == own if row else likeliest == own


async def test_the_end_of_a_turn(served: Served, local: Local) -> None:
    """Its own distribution is not returned, so it is no label; its share in other places is."""
    request = Request(served.identity, chat("What is the capital of France? One word."), Sampling(60, 0.0))
    reply = await served.complete(request)
    print(repr(reply.text), reply.completion_tokens, len(reply.top_logprobs))
    assert reply.finish == "stop"
    scored = map_reply(Pieces.of(local.tokenizer), local.tokenizer, request.prompt, reply, 20)
    assert isinstance(scored, Scored)
    assert local.tokenizer.decode(scored.labels, skip_special_tokens=True) == reply.text
    end = local.tokenizer.eos_token_id
    assert any(end in dict(row) for row in scored.rows)


async def test_any_number_of_alternatives_is_given_by_llama(llama_host: str) -> None:
    size = await settle_size(lambda size: open_served(llama_host, size), chat("Say hi."), 20)
    assert size == 20


async def test_the_limit_of_a_host_is_named() -> None:
    with pytest.raises(InputError, match="at most 20 alternatives a token"):
        open_served("127.0.0.1:1", 21)
