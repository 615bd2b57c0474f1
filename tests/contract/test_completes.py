"""One contract for everything that implements Completes, over real models and real sockets."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inbond.digest import of_bytes
from inbond.errors import TeacherError
from inbond.teachers.embedded import Embedded, Settings
from inbond.teachers.hosts import Host
from inbond.teachers.local import Local
from inbond.teachers.protocols import FAILURES, Completes, Form, FormKind, Price, Reply, Request, Sampling
from inbond.teachers.scripted import Scripted, failure
from inbond.teachers.served import Served
from inbond.types import Message, parse_model_name
from inbond.workspace import cache_folder
from tests.contract import mock_host
from tests.real_model import server_here
from tests.tiny import make_model, make_tokenizer

KINDS = ["scripted", "served-mock", "served-llama", "embedded", "local"]


def chat(teacher: Completes, text: str = "Say hello.", *, sample: int = 0, **sampling: Any) -> Request:
    values = {"max_tokens": 12, "temperature": 0.8, "seed": 7, **sampling}
    return Request(teacher.identity, (Message("user", text),), Sampling(**values), sample)


COLOUR = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "maxLength": 40},
        "colour": {"type": "string", "enum": ["teal", "ochre"]},
    },
    "required": ["reason", "colour"],
    "additionalProperties": False,
}


def colour_form(kind: FormKind) -> Form:
    return Form.of(kind, "colour", COLOUR)


@pytest.fixture(scope="module")
def llama_address(smollm2_gguf: Path) -> Any:
    """A real llama.cpp HTTP server on loopback."""
    with server_here(smollm2_gguf, parallel=4, context=4096) as address:
        yield address


def scripted_answer(asked: Request) -> str:
    if asked.form is not None:
        return '{"reason": "it was written down", "colour": "ochre"}'
    return f"answer {asked.sampling.seed} {asked.sample}"


@pytest.fixture(params=KINDS)
async def teacher(request: pytest.FixtureRequest) -> AsyncIterator[Completes]:
    kind = request.param
    if kind == "scripted":
        made: Any = Scripted(scripted_answer, latency_s=0.01)
        yield made
        await made.close()
    elif kind == "served-mock":
        async with mock_host.running(
            mock_host.answering(structured='{"reason": "r", "colour": "teal"}')
        ) as mock:
            made = Served.open(parse_model_name(f"api:{mock.host}/m"), {}, {})
            yield made
            await made.close()
    elif kind == "served-llama":
        address = request.getfixturevalue("llama_address")
        made = Served.open(parse_model_name(f"api:{address}/smollm2"), {}, {})
        yield made
        await made.close()
    elif kind == "local":
        tokenizer = make_tokenizer()
        made = Local("path:tiny", of_bytes(b"tiny"), make_model(len(tokenizer)), tokenizer)
        yield made
        await made.close()
    else:
        made = Embedded.open(
            request.getfixturevalue("smollm2_gguf"), cache_folder(os.environ), settings=Settings(4, 512, 1)
        )
        yield made
        await made.close()


class TestContract:
    async def test_answers_a_conversation(self, teacher: Completes) -> None:
        reply = await teacher.complete(chat(teacher))
        assert isinstance(reply, Reply)
        assert reply.text.strip()
        assert reply.finish in ("stop", "length")
        assert reply.prompt_tokens
        assert reply.completion_tokens
        assert reply.seconds >= 0

    async def test_continues_raw_text(self, teacher: Completes) -> None:
        request = Request(teacher.identity, "The capital of France is", Sampling(8, 0.0, seed=1))
        assert (await teacher.complete(request)).text.strip()

    async def test_the_same_request_gives_the_same_text(self, teacher: Completes) -> None:
        first, again = [await teacher.complete(chat(teacher)) for _ in range(2)]
        assert first.text == again.text

    async def test_may_be_called_concurrency_times_at_once(self, teacher: Completes) -> None:
        assert teacher.concurrency >= 1
        requests = [chat(teacher, f"Say the number {i}.") for i in range(teacher.concurrency)]
        replies = await asyncio.gather(*map(teacher.complete, requests))
        assert all(reply.text.strip() for reply in replies)

    async def test_a_cancelled_call_leaves_it_usable(self, teacher: Completes) -> None:
        calls = [
            asyncio.create_task(teacher.complete(chat(teacher, "Tell me a long story.", max_tokens=200)))
            for _ in range(teacher.concurrency)
        ]
        await asyncio.sleep(0.005)
        for call in calls:
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError | Reply) for result in results)
        async with asyncio.timeout(20):
            assert (await teacher.complete(chat(teacher))).text.strip()

    @pytest.mark.parametrize("kind", ["json-schema", "json-object"])
    async def test_a_form_is_obeyed_or_said_to_be_impossible(
        self, teacher: Completes, kind: FormKind
    ) -> None:
        """Whether it is ignored is for the reader to see; of these five none ignores a schema."""
        request = chat(teacher, "Which colour is the sky? Answer in JSON.", max_tokens=200, temperature=0.0)
        request = replace(request, form=colour_form(kind))
        try:
            reply = await teacher.complete(request)
        except TeacherError as error:
            assert isinstance(teacher, Local), error
            assert (error.reason, error.retryable) == ("rejected", False)
            return
        value = json.loads(reply.text)
        assert isinstance(value, dict)
        if kind == "json-schema":
            assert list(value) == ["reason", "colour"], "fields come in the order of the schema"
            assert value["colour"] in ("teal", "ochre")

    async def test_a_forced_tool_gives_its_arguments_or_other_text(self, teacher: Completes) -> None:
        request = replace(chat(teacher, "Which colour is the sky?", max_tokens=120), form=colour_form("tool"))
        try:
            reply = await teacher.complete(request)
        except TeacherError as error:
            assert error.reason == "rejected"
            return
        assert reply.text.strip()
        if reply.finish == "tool_calls":
            assert json.loads(reply.text)["colour"] in ("teal", "ochre")

    async def test_price_and_identity_are_stable(self, teacher: Completes) -> None:
        assert teacher.identity
        assert teacher.identity == teacher.identity
        assert isinstance(teacher.price, Price)

    async def test_may_be_closed_twice(self, teacher: Completes) -> None:
        await teacher.complete(chat(teacher))
        await teacher.close()
        await teacher.close()


@pytest.mark.parametrize("kind", ["served-llama", "embedded", "local"])
async def test_seeds_and_samples_decide_the_draw(kind: str, request: pytest.FixtureRequest) -> None:
    if kind == "embedded":
        made: Any = Embedded.open(
            request.getfixturevalue("smollm2_gguf"), cache_folder(os.environ), settings=Settings(1, 512, 1)
        )
    elif kind == "local":
        made = Local("path:tiny", of_bytes(b"tiny"), make_model(300), make_tokenizer())
    else:
        address = request.getfixturevalue("llama_address")
        made = Served.open(parse_model_name(f"api:{address}/smollm2"), {}, {})
    texts = {
        (seed, sample): (await made.complete(chat(made, "Tell me a story.", seed=seed, sample=sample))).text
        for seed, sample in [(1, 0), (2, 0), (1, 1)]
    }
    await made.close()
    assert texts[1, 0] != texts[2, 0]
    assert texts[1, 1] == texts[2, 0], "a further sample is the draw of a further seed"


async def test_embedded_and_served_agree(llama_address: str, smollm2_gguf: Path) -> None:
    """The same weights, one in this process and one behind HTTP, greedily: the same words."""
    served = Served.open(parse_model_name(f"api:{llama_address}/smollm2"), {}, {})
    embedded = Embedded.open(smollm2_gguf, cache_folder(os.environ), settings=Settings(1, 512, 1))
    ask = {"text": "What is the capital of France?", "temperature": 0.0}
    one, other = await served.complete(chat(served, **ask)), await embedded.complete(chat(embedded, **ask))
    await served.close()
    await embedded.close()
    assert one.text == other.text
    assert (one.prompt_tokens, one.completion_tokens) == (other.prompt_tokens, other.completion_tokens)


async def test_top_logprobs_from_a_real_server(llama_address: str) -> None:
    served = Served.open(parse_model_name(f"api:{llama_address}/smollm2"), {}, {}, top_logprobs=3)
    for request in (
        chat(served, max_tokens=4, temperature=0.0),
        Request(served.identity, "One two three", Sampling(4, 0.0)),
    ):
        reply = await served.complete(request)
        assert len(reply.top_logprobs) == reply.completion_tokens == 4
        for place in reply.top_logprobs:
            assert place.token == place.top[0], "greedy takes the likeliest"
            assert len(place.top) == 3
            first, second, third = (score.logprob for score in place.top)
            assert first is not None
            assert second is not None
            assert third is not None
            assert 0 >= first >= second >= third
    await served.close()


async def test_a_real_server_refuses_an_overlong_prompt(llama_address: str) -> None:
    served = Served.open(parse_model_name(f"api:{llama_address}/smollm2"), {}, {})
    with pytest.raises(TeacherError, match="exceeds the available context size") as caught:
        await served.complete(chat(served, "word " * 3000))
    await served.close()
    assert (caught.value.reason, caught.value.retryable) == ("rejected", False)


@pytest.mark.parametrize("reason", FAILURES)
async def test_scripted_fails_as_told(reason: str) -> None:
    teacher = Scripted([failure(reason, retry_after_s=3.0)])
    with pytest.raises(TeacherError) as caught:
        await teacher.complete(chat(teacher))
    assert (caught.value.reason, caught.value.retry_after_s) == (reason, 3.0)


def test_a_host_must_be_known_to_be_charged() -> None:
    priced = Host.model_validate({"price": {"prompt": 1, "completion": 2}})
    assert priced.known_price.cost(1_000_000, 500_000) == 2.0
