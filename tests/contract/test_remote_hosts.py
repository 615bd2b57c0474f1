"""Honest and dishonest hosts over real sockets: what the probe tells apart, how a cap is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.digest import of_bytes
from inbond.engine.completions import FailurePolicy, complete_all
from inbond.engine.journal import Journal
from inbond.errors import DecisionNeededError, InputError, TeacherError
from inbond.teachers.local import Local
from inbond.teachers.mapping import Scored, map_reply
from inbond.teachers.pieces import Pieces
from inbond.teachers.probing import ProbeResult, decide, measure, probe_requests, refuse, settle_size
from inbond.teachers.protocols import FAILURES, Keep, Reply, Request, Sampling, Scores
from inbond.teachers.remote import RemoteScores
from inbond.teachers.served import Served
from inbond.types import Message, parse_model_name
from tests.contract.mock_host import DONE, chunk, event, running, streaming
from tests.contract.probed import probed
from tests.contract.scoring_host import ScoringHost
from tests.tiny import make_model, make_tokenizer

TOKENIZER = make_tokenizer()
MODEL = make_model(len(TOKENIZER))
LOCAL = Local("path:tiny", of_bytes(b"tiny"), MODEL, TOKENIZER)
PROMPTS = [
    (Message("user", f"define the word {word}"),) for word in ("river", "stone", "sun", "川", "winter")
]
HOW = Sampling(10, 0.7, 0.9, seed=1)


def open_served(host: str, size: int = 20) -> Served:
    return Served.open(parse_model_name(f"api:{host}/m"), {}, {}, top_logprobs=size)


async def probe(host: ScoringHost, reference: Any = None, size: int = 20) -> ProbeResult:
    async with running(host) as mock:
        served = open_served(mock.host, size)
        try:
            return await probed(served, TOKENIZER, PROMPTS, HOW, size=size, reference=reference)
        finally:
            await served.close()


@pytest.mark.parametrize("ids", [True, False])
@pytest.mark.parametrize("reference", [LOCAL, None])
async def test_an_honest_host_agrees(reference: Any, ids: bool) -> None:
    result = await probe(ScoringHost(MODEL, TOKENIZER, ids=ids), reference)
    verdict = decide(result)
    assert verdict.outcome == "agree", verdict
    assert result.dropped == {}
    gap = result.local or result.repeat
    assert gap is not None
    assert gap.kl < 1e-5
    assert gap.difference < 1e-4
    refuse(verdict)
    assert decide(result) == verdict, "the same facts, the same verdict"


@pytest.mark.parametrize(
    ("warp", "rule"), [("temperature", "cold"), ("top_p", "narrow"), ("noise", "repeat")]
)
async def test_a_host_that_reports_something_else_is_refused_by_itself(warp: Any, rule: str) -> None:
    verdict = decide(await probe(ScoringHost(MODEL, TOKENIZER, warp)))
    wrong = {one.rule for one in verdict.reasons if one.detail["outcome"] == "disagree"}
    assert verdict.outcome == "disagree"
    assert rule in wrong
    with pytest.raises(InputError, match=r"differ by \d\.\d+ \+- .* the limit is 0\.1") as caught:
        refuse(verdict)
    assert caught.value.expected == "log-probabilities that are the teacher's own, unchanged by sampling"
    assert "or learn from its text alone (train.ce)" in caught.value.fix


@pytest.mark.parametrize("warp", ["temperature", "top_p", "noise"])
async def test_the_weights_here_show_it_too(warp: Any) -> None:
    result = await probe(ScoringHost(MODEL, TOKENIZER, warp), LOCAL)
    assert decide(result).outcome == "disagree"


async def test_other_weights_under_the_same_name_are_refused() -> None:
    other = Local("path:other", of_bytes(b"other"), make_model(len(TOKENIZER), seed=1), TOKENIZER)
    with pytest.raises(InputError, match="against the weights here"):
        refuse(decide(await probe(ScoringHost(MODEL, TOKENIZER), other)))


async def test_too_little_to_tell_is_for_a_person() -> None:
    async with running(ScoringHost(MODEL, TOKENIZER)) as mock:
        served = open_served(mock.host)
        result = await probed(served, TOKENIZER, PROMPTS[:2], HOW, reference=LOCAL)
        await served.close()
    verdict = decide(result)
    assert verdict.outcome == "cannot-tell"
    with pytest.raises(DecisionNeededError, match="3 answers and 32 tokens are needed"):
        refuse(verdict)


async def test_a_teacher_with_another_tokenizer_is_refused() -> None:
    """Its pieces are other bytes: nothing of them is guessed at."""
    other = make_tokenizer(420)
    result = await probe(ScoringHost(make_model(len(other)), other))
    assert decide(result).outcome != "agree"
    assert "unknown-token" in result.dropped or result.unknown_share > 0.01


@pytest.mark.parametrize(("says", "calls"), [(True, 2), (False, 3)])
async def test_a_smaller_cap_is_learnt_from_the_refusal(says: bool, calls: int) -> None:
    host = ScoringHost(MODEL, TOKENIZER, cap=5, says_cap=says)
    async with running(host) as mock:
        size = await settle_size(lambda size: open_served(mock.host, size), PROMPTS[0])
    assert (size, host.calls) == (5, calls)


async def test_a_silent_cut_is_noticed_and_never_learnt_from() -> None:
    host = ScoringHost(MODEL, TOKENIZER, cut=4)
    async with running(host) as mock:
        assert await settle_size(lambda size: open_served(mock.host, size), PROMPTS[0]) == 4
        served = open_served(mock.host)
        reply = await served.complete(Request(served.identity, PROMPTS[0], HOW))
        await served.close()
    with pytest.raises(InputError, match=r"expected 20 alternatives.*found 4 at most; fix: set capture.k=4"):
        RemoteScores.from_replies("t", TOKENIZER, [(PROMPTS[0], reply)], 20)


async def test_a_host_without_logprobs_is_an_input_error() -> None:
    async with running(streaming(event(chunk("hello", "stop")), DONE)) as mock:
        with pytest.raises(InputError, match="this host gives no log-probabilities"):
            await settle_size(lambda size: open_served(mock.host, size), PROMPTS[0])


async def test_another_refusal_is_no_cap() -> None:
    async def unknown_model(*_: Any) -> Any:
        from aiohttp import web

        return web.json_response({"error": {"message": "no model m, one of 5"}}, status=404)

    async with running(unknown_model) as mock:
        with pytest.raises(TeacherError, match="no model m"):
            await settle_size(lambda size: open_served(mock.host, size), PROMPTS[0])


async def test_scores_are_those_of_the_weights() -> None:
    """The same numbers as the weights here give, through the same Protocol."""
    async with running(ScoringHost(MODEL, TOKENIZER)) as mock:
        served = open_served(mock.host)
        answers = [
            (prompt, await served.complete(Request(served.identity, prompt, HOW))) for prompt in PROMPTS
        ]
        await served.close()
    remote = RemoteScores.from_replies(served.identity, TOKENIZER, answers, 20)
    assert remote.dropped == {}
    assert remote.silent == 0
    sequences = [one for one in remote.sequences if one]
    there, here = (one.score(sequences, Keep(size=10)) for one in (remote, LOCAL))
    assert isinstance(there, Scores)
    # Where the drawn token is none of the likeliest it takes the place of the last of 20, never of 10.
    assert (there.ids_NK == here.ids_NK).all()
    assert abs(there.logp_NK - here.logp_NK).max() < 1e-4


async def test_kept_by_the_journal_and_asked_once(tmp_path: Path) -> None:
    """The probe's requests are generation's own; scores come back out of a journal that was closed."""
    host = ScoringHost(MODEL, TOKENIZER)
    path = tmp_path / "journal.db"
    async with running(host) as mock:
        served = open_served(mock.host)

        async def ask(requests: Sequence[Request]) -> Sequence[Reply]:
            with Journal.open(path) as journal:
                done = await complete_all(served, requests, journal, FailurePolicy(), run="r")
            return [one for one in done.outcomes if isinstance(one, Reply)]

        asked = probe_requests(served.identity, PROMPTS, HOW, alone=False)
        result = measure(asked, await ask(asked), len(PROMPTS), TOKENIZER, 20, LOCAL)
        assert decide(result).outcome == "agree"
        assert host.calls == len(PROMPTS)
        requests = [Request(served.identity, prompt, HOW) for prompt in PROMPTS]
        fresh = list(await ask(requests))
        await served.close()
    assert host.calls == len(PROMPTS), "answered by the journal"
    with Journal.open(path) as journal:
        entries = journal.find([request.id for request in requests])
    kept = [entries[request.id].reply for request in requests]
    assert kept == fresh
    scores = [
        RemoteScores.from_replies(served.identity, TOKENIZER, zip(PROMPTS, one, strict=True), 20)
        for one in (fresh, [reply for reply in kept if reply])
    ]
    assert scores[0].identity == scores[1].identity


_VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([-9999.0, "\ufffd"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["content", "token", "bytes", "id", "logprob", "top_logprobs", "tokens", "token_logprobs"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=40,
)
_NUMBER = st.one_of(st.none(), st.floats(), st.integers(-10000, 5), st.just(-9999.0), st.floats(-5, 0))
_TOKEN = st.fixed_dictionaries(
    {"token": st.sampled_from(["a", " the", "川", "\ufffd", "", "<|end|>", "zz"]) | st.text(max_size=3)},
    optional={
        "logprob": _NUMBER,
        "bytes": st.none() | st.lists(st.integers(-1, 256), max_size=4),
        "id": st.none() | st.integers(-2, 400) | st.booleans() | st.text(max_size=2),
        "top_logprobs": st.none()
        | st.lists(st.fixed_dictionaries({"token": st.text(max_size=3), "logprob": _NUMBER})),
    },
)
_CONTENT = st.fixed_dictionaries({"content": st.lists(_TOKEN, max_size=4)})


@settings(max_examples=150)
@given(st.lists(_VALUE | _CONTENT, max_size=3), st.sampled_from(["a", "the 川", "a the", "\ufffd"]))
def test_anything_at_all_in_place_of_logprobs_is_an_error_or_a_drop(values: list[Any], text: str) -> None:
    from inbond.teachers.wire import Gathering

    request = Request("t", PROMPTS[0], HOW)
    gathering = Gathering(request, "host")
    try:
        for value in values:
            gathering.add(chunk("", logprobs=value))
        gathering.add(chunk(text, "stop"))
        reply = gathering.reply(0.0, {})
    except TeacherError as error:
        assert error.reason in FAILURES
        return
    scored = map_reply(Pieces.of(TOKENIZER), TOKENIZER, PROMPTS[0], reply, 20)
    if isinstance(scored, Scored):
        said = TOKENIZER.decode(scored.labels, skip_special_tokens=True)
        assert said == text
        assert all(logp <= 0 for row in scored.rows for _, logp in row)
    else:
        assert scored in ("no-logprobs", "unknown-token", "text-differs", "special-token", "joined-tokens",
                          "not-probabilities", "contradiction")  # fmt: skip
