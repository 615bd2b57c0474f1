"""Models of a table are opened once each; who cannot be opened sits there all the same; all are closed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inbond.errors import InputError, TamperedError, TeacherError
from inbond.roundtable.forms import bounded, first_schema, read_ballot
from inbond.roundtable.places import embedded_seats, make_seat, writer_seat
from inbond.roundtable.prompts import first
from inbond.roundtable.question import Question
from inbond.roundtable.seating import Absent, Opened, local_models, opener, seated, settings_for
from inbond.roundtable.session import Seat
from inbond.teachers.embedded import Embedded
from inbond.teachers.gguf_file import GgufHead, Tensor, read_head
from inbond.teachers.protocols import Form, Request, Sampling
from inbond.teachers.scripted import Scripted
from inbond.types import Message, ModelName
from inbond.workspace import cache_folder
from tests.contract import mock_host

ASK = Request("t", (Message("user", "Hi"),), Sampling(16))


class Opening:
    """An ``Open`` that remembers what it was asked, of teachers that remember that they were closed."""

    def __init__(self, failures: dict[str, Exception] | None = None) -> None:
        self.asked: list[tuple[str, int]] = []
        self.closed: list[str] = []
        self._failures = failures or {}

    def __call__(self, name: ModelName, seats: int) -> Opened:
        self.asked.append((str(name), seats))
        if str(name) in self._failures:
            raise self._failures[str(name)]
        return Opened(Closing(str(name), self.closed.append), 7)


class Closing:
    """A scripted teacher that tells when it is closed."""

    def __init__(self, uri: str, tell: Callable[[str], None]) -> None:
        self._inner, self._uri, self._tell = Scripted(lambda _: "hello", identity=f"{uri} pinned"), uri, tell
        self.identity, self.concurrency, self.price = f"{uri} pinned", 2, self._inner.price
        self.complete = self._inner.complete

    async def close(self) -> None:
        self._tell(self._uri)


def missing(what: str = "a file") -> InputError:
    return InputError(expected=what, found="nothing", fix="look again")


SEATS = [
    make_seat("A", "api:h/m"),
    make_seat("B", "gguf:x"),
    make_seat("C", "api:h/m"),
    writer_seat("api:h/m"),
]


class TestSeated:
    async def test_seats_of_one_model_share_one_teacher(self) -> None:
        opening = Opening()
        async with seated(SEATS, opening) as sitters:
            a, b, c, writer = sitters
            assert a.teacher is c.teacher is writer.teacher
            assert b.teacher is not a.teacher
            assert [each.seat.name for each in sitters] == ["A", "B", "C", "writer"]
            assert (a.seat.identity, a.seat.parameters) == ("api:h/m pinned", 7)
            assert opening.closed == []
        assert opening.asked == [("api:h/m", 3), ("gguf:x", 1)]
        assert sorted(opening.closed) == ["api:h/m", "gguf:x"]

    async def test_who_cannot_be_opened_sits_and_says_why(self) -> None:
        opening = Opening({"gguf:x": missing("a GGUF file at x")})
        async with seated(SEATS, opening) as sitters:
            absent = sitters[1]
            assert absent.why == "nothing instead of a GGUF file at x"
            assert (absent.seat.identity, absent.seat.parameters) == ("", None)
            with pytest.raises(TeacherError, match="expected a GGUF file at x; found nothing") as caught:
                await absent.teacher.complete(ASK)
            assert (caught.value.reason, caught.value.retryable) == ("unreachable", False)
            assert (await sitters[0].teacher.complete(ASK)).text == "hello"
        assert opening.closed == ["api:h/m"]

    async def test_a_table_of_which_nobody_can_be_opened_is_an_error(self) -> None:
        opening = Opening({"gguf:x": missing("x"), "api:h/m": missing("a key")})
        with pytest.raises(InputError, match="expected a key; found nothing"):
            async with seated(SEATS, opening):
                pytest.fail("nobody sits there")

    async def test_what_was_tampered_with_is_an_error_and_closes_the_others(self) -> None:
        opening = Opening({"gguf:x": TamperedError(expected="the digest", found="another", fix="ask")})
        with pytest.raises(TamperedError, match="the digest"):
            async with seated(SEATS, opening):
                pytest.fail("nobody sits there")
        assert opening.closed == ["api:h/m"]

    async def test_all_are_closed_whatever_happens_at_the_table(self) -> None:
        opening = Opening()
        with pytest.raises(RuntimeError, match="a fault"):
            async with seated(SEATS, opening):
                raise RuntimeError("a fault")
        assert sorted(opening.closed) == ["api:h/m", "gguf:x"]

    async def test_an_absent_one_may_be_closed_twice(self) -> None:
        absent = Absent("api:h/m", missing())
        await absent.close()
        await absent.close()
        assert absent.identity == "api:h/m"


class TestOpener:
    @pytest.fixture
    def environment(self, tmp_path: Path) -> dict[str, str]:
        (tmp_path / "config" / "inbond").mkdir(parents=True)
        return {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def hosts(self, environment: dict[str, str], text: str) -> None:
        (Path(environment["XDG_CONFIG_HOME"]) / "inbond" / "hosts.yaml").write_text(text)

    async def test_a_key_that_is_missing_makes_one_seat_absent(self, environment: dict[str, str]) -> None:
        self.hosts(environment, "keyed.example:\n  key_env: THE_KEY\n")
        seats = [make_seat("A", "api:keyed.example/m"), make_seat("B", "api:localhost:1/m")]
        async with seated(seats, opener(environment)) as (a, b):
            assert "the environment variable THE_KEY" in a.why
            assert b.why == ""
            with pytest.raises(
                TeacherError, match="expected a connection to http://localhost:1/v1"
            ) as caught:
                await b.teacher.complete(ASK)
            assert caught.value.reason == "unreachable"

    async def test_a_key_goes_to_its_own_host_alone(self, environment: dict[str, str]) -> None:
        async with (
            mock_host.running(mock_host.answering()) as one,
            mock_host.running(mock_host.answering()) as other,
        ):
            self.hosts(environment, f"{one.host}:\n  key_env: THE_KEY\n")
            seats = [make_seat("A", f"api:{one.host}/m"), make_seat("B", f"api:{other.host}/m")]
            async with seated(seats, opener({**environment, "THE_KEY": "secret-of-one"})) as sitters:
                for sitter in sitters:
                    await sitter.teacher.complete(ASK)
                    assert "secret" not in f"{sitter.seat} {sitter.why}"
            assert one.headers[0]["Authorization"] == "Bearer secret-of-one"
            assert "Authorization" not in other.headers[0]

    def test_a_hosts_file_that_cannot_be_read_is_an_error_at_once(self, environment: dict[str, str]) -> None:
        self.hosts(environment, "a.example: 7\n")
        with pytest.raises(InputError, match=r"hosts\.yaml"):
            opener(environment)

    async def test_files_that_are_not_there(self, environment: dict[str, str], tmp_path: Path) -> None:
        seats = [
            make_seat("A", f"gguf:{tmp_path}/none.gguf"),
            make_seat("B", f"path:{tmp_path}"),
            make_seat("C", "run:mine"),
            make_seat("D", "api:localhost:1/m"),
        ]
        async with seated(seats, opener(environment)) as sitters:
            whys = [sitter.why for sitter in sitters]
        assert "a GGUF file at" in whys[0]
        assert "a model folder with config.json" in whys[1]
        assert "a model whose weights are on this machine" in whys[2]
        assert whys[3] == ""

    def test_no_model_was_pulled_to_an_empty_cache(self, environment: dict[str, str]) -> None:
        assert local_models(environment) == ()


def head(**metadata: Any) -> GgufHead:
    own = {f"llama.{key.replace('__', '.')}": value for key, value in metadata.items()}
    return GgufHead(3, {"general.architecture": "llama", **own}, (Tensor("w", (4, 5), 0, 0),))


class TestSettings:
    def test_a_small_model_serves_all_its_seats_at_once(self, smollm2_gguf: Path) -> None:
        small = read_head(smollm2_gguf)
        assert small.parameters == 134_515_008
        assert (small.architecture, small.context) == ("llama", 8192)
        assert (settings_for(small, 3).parallel, settings_for(small, 3).context) == (3, 8192)

    def test_a_large_one_serves_one_after_the_other(self) -> None:
        shape = {"block_count": 80, "attention__head_count": 64, "attention__head_count_kv": 8}
        large = head(**shape, embedding_length=8192, context_length=131_072)
        assert (settings_for(large, 6).parallel, settings_for(large, 6).context) == (1, 8192)

    def test_a_short_context_is_not_exceeded(self) -> None:
        assert settings_for(head(context_length=2048), 2).context == 2048

    @pytest.mark.parametrize("value", [0, -5, "8192", 0.5, True, None])
    def test_metadata_that_says_nonsense_is_left_aside(self, value: Any) -> None:
        odd = head(context_length=value, block_count=value, attention__head_count=value)
        assert odd.context is None
        assert settings_for(odd, 4).parallel == 4


def test_free_texts_are_bounded_and_votes_are_not() -> None:
    question = Question.make("Is it so?", ["Yes", "No"])
    schema = first_schema(question, question.options)
    assert bounded(schema, None) is schema
    held = bounded(schema, 80)
    assert held["properties"]["reasoning"] == {"type": "string", "maxLength": 80}
    assert held["properties"]["claims"]["items"]["properties"]["text"]["maxLength"] == 80
    assert held["properties"]["vote"] == schema["properties"]["vote"]
    assert "maxLength" not in json.dumps(schema), "the schema itself stays as it was"
    assert [*held["properties"]] == [*schema["properties"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "labels", "language"),
    [
        ("Should AI models learn from the answers of other AI models?", ["Yes", "No"], "en"),
        ("AIに対する蒸留攻撃は許されるか", ["はい", "いいえ"], "ja"),
    ],
)
async def test_the_embedded_table_casts_whole_ballots(
    text: str, labels: list[str], language: str, smollm2_gguf: Path
) -> None:
    """The real small model under the real constraint: each reply is JSON with a vote among the ids."""
    question = Question.make(text, labels, language)
    seats = embedded_seats(2, language, [f"gguf:{smollm2_gguf}"])

    def open_(name: ModelName, sharing: int) -> Opened:
        small = read_head(smollm2_gguf)
        settings = replace(settings_for(small, sharing), threads=1)
        teacher = Embedded.open(smollm2_gguf, cache_folder(os.environ), name=str(name), settings=settings)
        return Opened(teacher, small.parameters)

    async with seated(seats, open_) as sitters:
        for number, sitter in enumerate(sitters):
            assert sitter.seat.parameters == 134_515_008
            reply = await sitter.teacher.complete(
                asked(sitter.seat, question, number, sitter.teacher.identity)
            )
            assert reply.finish == "stop", reply.text
            value = json.loads(reply.text)
            ids = [option.id for option in question.options]
            assert value["vote"] in [*ids, "abstain"]
            assert next(iter(value)) == "reasoning"
            read = read_ballot(value, question)
            assert read.ballot is not None or read.problems, "an odd ballot says what is odd"


def asked(seat: Seat, question: Question, number: int, identity: str) -> Request:
    order = question.order(number)
    schema = first_schema(question, order)
    messages = first(question, order, seat.persona, 0).messages("json_schema", schema)
    form = Form.of("json-schema", "ballot", bounded(schema, seat.most_text))
    return Request(identity, messages, Sampling(seat.max_tokens, seat.temperature, seed=1), form=form)
