"""Own answers that a served copy draws: by the real llama.cpp in its process, and by a host that is scripted
to speak as vLLM does. What is drawn is the student's; whatever else a server does is an error that says so.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from inbond.edge.serving import Room, Serving
from inbond.errors import InputError
from inbond.recipes.sections.on_policy import OnPolicy, Served
from inbond.recipes.serving_copies import CopyHere, CopyThere, check, open_copies
from inbond.teachers.tokens import end_ids
from inbond.train import adapters, copies
from inbond.train.answered import GAP, Answered, _check_drawn, as_samples
from inbond.train.drawing import Drawing, draw
from inbond.train.entropies import COLUMNS, ENTROPY, LOGP, TILTED, TILTS
from inbond.train.likelihoods import measure_logp
from tests.tiny import make_model, make_tokenizer

TOKENIZER = make_tokenizer()
V = len(TOKENIZER)
PADDING = 5


def student(seed: int = 0) -> Any:
    return make_model(V, padding=PADDING, seed=seed)


ENDS = end_ids(student(), TOKENIZER)
DRAWING = Drawing(V, ENDS, max_tokens=12, samples=4)
PROMPTS = [[1, 67, 277, 273], [1, 30], [5, 6, 7, 8, 9, 10, 11]]


def here(folder: Path, drawing: Drawing = DRAWING, **changes: Any) -> CopyHere:
    return CopyHere(drawing, 3, TOKENIZER, 0, Served(**changes), folder / "served")


# Drawn by llama.cpp -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "temperature"), [("f16", 1.0), ("q8_0", 0.7)])
def test_a_copy_draws_the_students_answers(tmp_path: Path, kind: str, temperature: float) -> None:
    model = student().train()
    draws = here(tmp_path, replace(DRAWING, temperature=temperature), type=kind)
    found = draws.draw(model, PROMPTS, 4)
    assert model.training
    assert not list(tmp_path.iterdir()), "the copy is gone"
    assert [s.sequence.ids[: s.sequence.prompt_length] for s in found[::4]] == [tuple(p) for p in PROMPTS]
    assert len({sample.sequence for sample in found}) > 6
    for sample in found:
        answer = sample.sequence.ids[sample.sequence.prompt_length :]
        assert 1 <= len(answer) <= 12
        assert max(answer) < V, "rows that pad the head are never drawn"
        assert sample.ended == (answer[-1] in ENDS)
        assert sample.ended or len(answer) == 12
    if temperature == 1:
        for sample, logp in zip(
            found, measure_logp(model.eval(), V, [s.sequence for s in found], 0), strict=True
        ):
            np.testing.assert_allclose(sample.behaviour, logp, atol=1e-5)
    assert [s.sequence for s in draws.draw(model, PROMPTS, 4)] == [s.sequence for s in found]
    assert [s.sequence for s in draws.draw(model, PROMPTS, 5)] != [s.sequence for s in found]


def test_its_draws_are_fair(tmp_path: Path) -> None:
    """Of one token, at a temperature, against the student's own probabilities."""
    model, count = student(), 600
    one = replace(DRAWING, samples=count, max_tokens=1, temperature=0.6)
    found = here(tmp_path, one, parallel=8).draw(model, PROMPTS[:1], 0)
    with torch.inference_mode():
        logits_V = model.eval()(torch.tensor(PROMPTS[:1])).logits[0, -1, :V]
    p_V = (logits_V / 0.6).softmax(0).double().numpy()
    counts_V = np.bincount([sample.sequence.ids[-1] for sample in found], minlength=V)
    likely_V = p_V > 0.02
    assert likely_V.sum() >= 3
    assert (abs(counts_V / count - p_V) < 5 * np.sqrt(p_V * (1 - p_V) / count))[likely_V].all()


@pytest.mark.parametrize(("sent", "said"), [
    (signal.SIGKILL, "its process ended with signal SIGKILL"),
    (signal.SIGSTOP, "silence for 1 s"),
])  # fmt: skip
def test_a_server_that_dies_or_hangs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: int, said: str
) -> None:
    begin = Serving._begin

    def strike(self: Serving, limit_s: float) -> str:
        address = begin(self, max(60, limit_s))
        os.kill(self._process.pid, sent)
        if sent == signal.SIGKILL:
            self._process.wait()
        return address

    monkeypatch.setattr(Serving, "_begin", strike)
    with pytest.raises(InputError) as told:
        here(tmp_path, timeout_s=1).draw(student(), PROMPTS, 0)
    assert told.value.expected.startswith("answers of the served copy at http://127.0.0.1:")
    assert told.value.found == said
    assert "it goes on from its last checkpoint" in told.value.fix
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_served_is_told(tmp_path: Path) -> None:
    path, room = tmp_path / "broken.gguf", Room(64, 1, 1)
    path.write_bytes(b"GGUF" + bytes(200))
    with pytest.raises(InputError, match="a server of broken.gguf under llama.cpp"):
        Serving(path, room, limit_s=60)
    with pytest.raises(InputError, match="no server after 0.001 s"):
        Serving(path, room, limit_s=0.001)


def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """As its input does: nothing is left over after a kill -9."""
    draws = here(tmp_path)
    path = draws._written(student(), 0)
    server = Serving(path, Room(32, 1, 1), limit_s=60)
    assert server.died() is None
    assert server._process.stdin is not None
    server._process.stdin.close()
    assert server._process.wait(30) == 0
    server.close()


# What is believed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ids", "stopped", "found"), [
    ([], True, "an answer without a token"),
    ([5, V], False, f"the token {V}, where the student has {V:,}"),
    ([5, -1], False, "the token -1,"),
    ([5, "a"], False, "the token 'a',"),
    ([5, None], False, "the token None,"),
    ([5, True], False, "the token True,"),
    ([5] * 13, False, "an answer of 13 tokens, where 12 were asked for"),
    ([5, 6], False, "an answer cut after 2 of 12 tokens"),
])  # fmt: skip
def test_what_is_no_answer_is_refused(ids: Sequence[Any], stopped: bool, found: str) -> None:
    with pytest.raises(InputError) as told:
        as_samples(student(), [[1, 30]], [Answered(ids, stopped)], replace(DRAWING, samples=1), 0)
    assert told.value.expected == "answers of the student, drawn by the served copy of it"
    assert found in told.value.found


def test_an_answer_ends_at_its_first_end() -> None:
    one = replace(DRAWING, samples=1)
    end = min(ENDS)
    ended, stopped = as_samples(
        student(), [[1, 30], [1, 30]], [Answered([5, end, 7, 7], True), Answered([5, 6], True)], one, 0
    )
    assert ended.sequence.ids == (1, 30, 5, end)
    assert (ended.ended, ended.text_ids) == (True, (5,))
    assert (stopped.ended, stopped.text_ids) == (False, (5, 6)), "at an end that only the server knows"


def answered(samples: Any) -> list[Answered]:
    return [Answered(s.sequence.ids[s.sequence.prompt_length :], s.ended) for s in samples]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.5, 1.0, 1.5]))
def test_the_students_own_answers_are_believed(seed: int, temperature: float) -> None:
    model, drawing = student(), replace(DRAWING, samples=8, temperature=temperature)
    drawn = draw(model, PROMPTS, drawing, seed)
    again = as_samples(model, PROMPTS, answered(drawn), drawing, 0)
    assert [s.sequence for s in again] == [s.sequence for s in drawn]
    for one, other in zip(again, drawn, strict=True):
        np.testing.assert_allclose(one.behaviour, other.behaviour, atol=1e-4)
        assert one.entropy == pytest.approx(other.entropy, abs=1e-4)


def test_a_sharp_student_may_say_something_unlikely_once() -> None:
    """Few tokens of a very sharp student: one in thousands is a great surprise, and no proof of anything."""
    sharp = np.zeros((24, COLUMNS))
    rare, odds = 1e-4, np.array([1e-4, 1 - 1e-4])
    sharp[:, LOGP] = np.log1p(-rare)
    sharp[:, ENTROPY] = -(odds * np.log(odds)).sum()
    for place, tilt in enumerate(TILTS):
        sharp[:, TILTED + place] = np.log((odds ** (1 - tilt)).sum())
    _check_drawn(sharp)
    sharp[0, LOGP] = np.log(rare)
    assert (-sharp[:, LOGP] - sharp[:, ENTROPY]).mean() > GAP
    _check_drawn(sharp)
    sharp[:10, LOGP] = np.log(rare)
    with pytest.raises(InputError, match="by chance less than once in 10"):
        _check_drawn(sharp)


def test_answers_of_a_student_that_is_no_number_are_refused() -> None:
    broken = student()
    with torch.no_grad():
        broken.model.norm.weight[3] = torch.nan
    with pytest.raises(InputError, match="finite log-probabilities of the student's own answers"):
        as_samples(broken, [[1, 30]], [Answered([5] * 12, False)], replace(DRAWING, samples=1), 0)


@pytest.mark.parametrize(("who", "how"), [
    (0, {"temperature": 0.05}), (0, {"temperature": 5.0}), (9, {}),
], ids=["greedy", "too hot", "another model"])  # fmt: skip
def test_answers_of_somebody_else_are_not(who: int, how: dict[str, float]) -> None:
    drawing = replace(DRAWING, samples=16)
    drawn = answered(draw(student(who), PROMPTS, replace(drawing, **how), 0))
    with pytest.raises(InputError, match=r"nats a token (more|less) of a surprise to it") as told:
        as_samples(student(), PROMPTS, drawn, drawing, 0)
    assert ("less" if how.get("temperature") == 0.05 else "more") in told.value.found


# The copy -----------------------------------------------------------------------------------------------


def test_a_copy_is_the_student_with_its_adapters_and_no_padding(tmp_path: Path) -> None:
    model = student()
    adapters.attach(model, adapters.Lora(rank=2), 0)  # into the model itself, as a run does
    for name, value in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value)
    ids = torch.tensor(PROMPTS[:1])
    before = model(ids).logits[..., :V].detach()
    folder, digest = copies.write(model, TOKENIZER, ENDS, V, tmp_path, "run-copy-")
    assert folder.name == f"run-copy-{digest[7:23]}"
    assert [path.name for path in tmp_path.iterdir()] == [folder.name], "nothing half-written"
    loaded = AutoModelForCausalLM.from_pretrained(folder)
    assert loaded.config.vocab_size == V
    torch.testing.assert_close(loaded(ids).logits, before, atol=1e-5, rtol=1e-5)
    assert set(loaded.generation_config.eos_token_id) == ENDS
    assert AutoTokenizer.from_pretrained(folder).encode("a river") == TOKENIZER.encode("a river")
    torch.testing.assert_close(model(ids).logits[..., :V].detach(), before)
    assert copies.write(model, TOKENIZER, ENDS, V, tmp_path, "run-copy-") == (folder, digest)


# A host elsewhere ---------------------------------------------------------------------------------------


class Host:
    """Loads what lies in a folder and answers as vLLM does; ``say`` may change an answer, or its status."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked, self.late = folder, 0, 0
        self.say: Callable[[dict[str, Any]], Any] = lambda said: said
        self.keys: set[str | None] = set()
        self._models: dict[str, Any] = {}
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                host.keys.add(self.headers.get("Authorization"))
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, said = host.answer(body)
                data = said if isinstance(said, bytes) else json.dumps(said).encode()
                with suppress(BrokenPipeError, ConnectionResetError):
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.name = f"127.0.0.1:{self.server.server_port}"
        self.lock = threading.Lock()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, body: dict[str, Any]) -> tuple[int, Any]:
        with self.lock:
            self.asked += 1
            if self.asked <= self.late or not (self.folder / body["model"]).is_dir():
                return 404, {"error": {"message": f"no model {body['model']}"}}
            model = self._models.get(body["model"])
            if model is None:
                model = AutoModelForCausalLM.from_pretrained(self.folder / body["model"])
                self._models = {body["model"]: model}
            drawing = Drawing(model.config.vocab_size, ENDS, body["max_tokens"], body["temperature"])
            (sample,) = draw(model, [body["prompt"]], drawing, body["seed"])
        ids = list(sample.sequence.ids[len(body["prompt"]) :])
        choice = {"token_ids": ids, "finish_reason": "stop" if sample.ended else "length"}
        said = self.say({"choices": [choice], "usage": {"completion_tokens": len(ids)}})
        return said if isinstance(said, tuple) else (200, said)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("THE_KEY", "sk-very-secret-key")
    made = Host(tmp_path / "copies")
    (tmp_path / "config/inbond").mkdir(parents=True)
    (tmp_path / "config/inbond/hosts.yaml").write_text(f'"{made.name}": {{key_env: THE_KEY}}\n')
    yield made
    made.server.shutdown()
    made.server.server_close()


def there(host: Host, timeout_s: float = 30) -> CopyThere:
    served = Served(host=host.name, folder=str(host.folder), timeout_s=timeout_s)
    return CopyThere(DRAWING, 3, TOKENIZER, 0, served, host.folder, "run-copy-")


def test_a_host_that_loads_each_copy_draws_the_students_answers(host: Host) -> None:
    host.late = 2
    model, draws = student(), there(host)
    first = draws.draw(model, PROMPTS, 0)
    assert [s.sequence for s in draws.draw(model, PROMPTS, 0)] == [s.sequence for s in first]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.7)
    (host.folder / "other").mkdir()
    second = draws.draw(model, PROMPTS, 0)
    assert [s.sequence for s in second] != [s.sequence for s in first]
    assert len([path for path in host.folder.iterdir() if path.name.startswith("run-copy-")]) == 1
    assert (host.folder / "other").is_dir(), "what is not ours stays"
    assert host.keys == {"Bearer sk-very-secret-key"}


def as_names(said: dict[str, Any]) -> dict[str, Any]:
    ids = said["choices"][0].pop("token_ids")
    said["choices"][0]["logprobs"] = {"tokens": [f"token_id:{id_}" for id_ in ids]}
    return said


def test_token_ids_in_the_older_way_are_read_as_well(host: Host) -> None:
    plain = there(host).draw(student(), PROMPTS, 0)
    host.say = as_names
    assert [s.sequence for s in there(host).draw(student(), PROMPTS, 0)] == [s.sequence for s in plain]


def without_ids(said: dict[str, Any]) -> dict[str, Any]:
    del said["choices"][0]["token_ids"]
    return {**said, "choices": [{**said["choices"][0], "text": "some words"}]}


def short_of_its_end(said: dict[str, Any]) -> dict[str, Any]:
    return {**said, "usage": {"completion_tokens": 99}}


def slow(said: dict[str, Any]) -> dict[str, Any]:
    time.sleep(3)
    return said


@pytest.mark.parametrize(("say", "expected", "found"), [
    (without_ids, "a host that says the ids of the tokens that it drew", "an answer without them"),
    (short_of_its_end, "answers of the served copy at ", "token ids of 99 tokens"),
    (lambda _: (500, {"error": "broken sk-very-secret-key"}), "answers of the served copy at ", "status 500"),
    (lambda _: (307, {}), "answers of the served copy at ", "status 307"),
    (lambda _: b"no json", "answers of the served copy at ", "an answer that is none"),
    (lambda _: [1], "answers of the served copy at ", "an answer that is none"),
    (lambda _: {"choices": []}, "answers of the served copy at ", "an answer that is none"),
    (lambda _: b"x" * 300_000, "answers of the served copy at ", "over "),
    (slow, "answers of the served copy at ", "silence for 1 s"),
    (lambda _: (404, {}), "the newest copy served as the model 'run-copy-", "status 404"),
])  # fmt: skip
def test_whatever_else_a_host_says_is_an_error(host: Host, say: Any, expected: str, found: str) -> None:
    host.say = say
    with pytest.raises(InputError) as told:
        there(host, timeout_s=1 if say is slow else 4).draw(student(), PROMPTS, 0)
    assert told.value.expected.startswith(expected)
    assert found in told.value.found
    assert "secret" not in str(told.value)


def test_a_host_that_is_not_there_is_told(host: Host) -> None:
    host.server.shutdown()
    host.server.server_close()
    with pytest.raises(InputError, match="the newest copy served as the model"):
        there(host, timeout_s=1).draw(student(), PROMPTS, 0)


def test_a_host_without_its_key_is_told_before_anything(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THE_KEY")
    settings_ = OnPolicy(served=Served(host=host.name, folder="x"))
    with pytest.raises(InputError, match="THE_KEY"):
        check(settings_, None)  # type: ignore[arg-type]


def test_several_training_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="one training process, which asks the served copy"):
        open_copies(None, DRAWING, OnPolicy(served=Served()))  # type: ignore[arg-type]
