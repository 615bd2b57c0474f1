"""Recipes that learn from a host's log-probabilities: what is refused before a question, and how replies in
the journal become the targets of training records."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inbond.engine.journal import Journal, Outcome
from inbond.errors import InputError
from inbond.ledger.manifest import Identity, Manifest
from inbond.ledger.records import Row
from inbond.losses.divergences import ForwardKL
from inbond.losses.targets import TopK
from inbond.recipes import answers, remote
from inbond.recipes.models import TeacherSource
from inbond.recipes.objective import alternatives, targets_in_words
from inbond.recipes.planned import Planned
from inbond.recipes.reading import parse
from inbond.recipes.recipe import Recipe
from inbond.recipes.trail import Artifact
from inbond.teachers.opening import Weights
from inbond.teachers.pieces import Pieces
from inbond.teachers.protocols import Keep, Reply, ScoredPlace, TokenScore
from inbond.teachers.remote import RemoteScores
from inbond.teachers.tokens import vocabulary_digest
from inbond.types import OWN, Message, Origin, Record, parse_model_name
from tests.tiny import make_tokenizer

TOKENIZER = make_tokenizer()
API = "api:127.0.0.1:1/m"
TEACHER = f"{API} top_logprobs 2"
ORIGIN = Origin(API, "127.0.0.1:1", "author", {}, None)


def recipe(**changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "name": "tiny",
        "teacher": API,
        "prompts": {"items": ["a"]},
        "capture": {"targets": "remote", "k": 2},
        "student": {"init": "model", "base": "path:base"},
    }
    for name, part in changes.items():
        values[name] = {**values[name], **part} if name == "capture" else part
    return parse(values, "test")


def plan(made: Recipe) -> Planned:
    """Nothing of it is opened."""
    name = parse_model_name(made.teacher)
    weights = None if name.scheme == "api" else Weights(made.teacher, "folder", Path("none"), "sha256:00")
    return Planned(made, TeacherSource(name, "served", name.channel, weights, {}), None)


def test_what_can_be_learnt_is_let_through() -> None:
    plan(recipe()).check()
    plan(recipe(capture={"k": 20})).check()
    assert alternatives(recipe(capture={"k": 20})) == 20
    assert targets_in_words(recipe()) == (
        "the 2 likeliest tokens that the teacher's host reports, and all others as one event"
    )


def test_targets_are_asked_for_only_when_something_learns_from_them() -> None:
    text = recipe(train={"kl": 0, "ce": 1}, capture={"k": 64})
    plan(text).check()
    assert alternatives(text) == 0


@pytest.mark.parametrize(
    ("changes", "expected", "found", "fix"),
    [
        ({"teacher": "path:t"}, "a teacher behind an API", "path:t, whose weights", "capture.targets=top-k"),
        ({"train": {"temperature": 2}}, "train.temperature = 1", "temperature = 2", "train.temperature=1"),
        ({"capture": {"k": 21}}, "at most 20 alternatives a token", "capture.k = 21", "set capture.k=20"),
        ({"capture": {"targets": "top-k"}}, "with only the API of api:127.0.0.1:1/m at hand",
         "divergences weigh 1, capture.targets = top-k",
         "set capture.targets=remote capture.k=20 to learn from what its host reports of its tokens, or "
         "train.kl=0 train.ce=1"),
        ({"capture": {"targets": "sampled"}}, "only the API", "= sampled", "capture.targets=remote"),
        ({"capture": {"targets": "top-k"}, "train": {"kl": 0, "jsd": 1, "reverse_kl": 0.5}}, "only the API",
         "weigh 1.5", "or train.reverse_kl=0 train.jsd=0 train.ce=1 to learn from its text alone"),
        ({"capture": {"targets": "top-k"}, "train": {"ce": 0.5}}, "only the API", "weigh 1",
         "or train.kl=0 to learn from its text alone"),
        ({"capture": {"reference": "path:t"}, "student": {"init": "prune"}},
         "since capture.reference serves to check api:127.0.0.1:1/m and nothing else", "init = prune", "set"),
        ({"capture": {"targets": "online"}}, "only the API", "= online", "capture.targets=remote"),
        ({"student": {"init": "prune"}}, "weights for the student to start from", "student.init = prune",
         "set student.init=model student.base=NAME"),
        ({"student": {"init": "scratch"}}, "weights for the student to start", "init = scratch", "set stu"),
    ],
)  # fmt: skip
def test_what_a_host_cannot_say_is_refused(changes: Any, expected: str, found: str, fix: str) -> None:
    with pytest.raises(InputError) as caught:
        plan(recipe(**changes)).check()
    assert expected in caught.value.expected
    assert found in caught.value.found
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("capture", "expected"),
    [
        ({"targets": "top-k", "reference": "path:t"}, "reference is for targets: remote, not for targets: t"),
        ({"reference": API}, "reference must name weights that are here, not another API"),
        ({"reference": "teacher"}, "one of hf:org/name"),
        ({"probe": 0}, "greater than or equal to 1"),
        ({"probe_limit": 0}, "greater than 0"),
    ],
)  # fmt: skip
def test_fields_that_do_not_fit_are_named(capture: Any, expected: str) -> None:
    with pytest.raises(InputError, match="capture") as caught:
        recipe(capture=capture)
    assert expected in caught.value.expected


# Replies in the journal -----------------------------------------------------------------------------


def reply(text: str, *, places: bool = True) -> Reply:
    """Each token with another one beside it."""
    pieces, ids = Pieces.of(TOKENIZER), TOKENIZER.encode(text, add_special_tokens=False)
    owns = [TokenScore(TOKENIZER.decode([id_]), -0.5, None, pieces.bytes_of(id_)) for id_ in ids]
    scored = tuple(ScoredPlace(own, (own, TokenScore("q", -2.0))) for own in owns)
    return Reply(text, "length", 3, len(ids), "m", 0.0, scored if places else ())


def row(prompt: str, text: str, *, own: bool = False) -> Row:
    origin = replace(ORIGIN, channel=OWN) if own else ORIGIN
    return Row(Record((Message("user", prompt),), text), origin, () if own else (0,))


def record(path: Path, made: Recipe, prompt: str, replies: Sequence[Reply]) -> None:
    requests = answers.requests_for(made, TEACHER, (Message("user", prompt),))
    with Journal.open(path) as journal:
        journal.record("tiny", [Outcome(*pair) for pair in zip(requests, replies, strict=True)])


def gather(path: Path, made: Recipe, rows: Sequence[Row]) -> remote.HostScores:
    manifest = Manifest(Identity("generate", 1, {}, {}), {}, None, {"identity": TEACHER})
    return remote.gather(path, made, Artifact("generate", path, manifest, "found"), rows, TOKENIZER)


def test_only_a_reply_as_it_came_is_scored(tmp_path: Path) -> None:
    made, path = recipe(generate={"samples": 2}), tmp_path / "journal.db"
    record(path, made, "a", [reply("the river"), reply("a stone")])
    record(path, made, "b", [reply("the sun"), reply("the sun")])
    record(path, made, "c", [reply("winter", places=False), reply("the sea")])
    rows = [
        row("a", "a stone"), row("a", "a stone!"), row("b", "the sun"), row("c", "winter"),
        row("c", "the sea"), row("a", "the river", own=True),
    ]  # fmt: skip
    found = gather(path, made, rows)
    assert [one is not None for one in found.sequences] == [True, False, True, False, True, False]
    assert found.dropped == {"no-logprobs": 1, "not-a-reply": 1}
    assert "3 records; dropped: 1 no-logprobs, 1 not-a-reply" in found.in_words()
    for one, sequence in zip(rows, found.sequences, strict=True):
        if sequence:
            assert TOKENIZER.decode(sequence.ids[sequence.prompt_length :]) == one.record.completion
    scores = found.scores.score(found.known, Keep(size=2))
    assert scores.logp_NK.shape == (sum(one.labels for one in found.known), 2)
    assert found.facts["records"] == 3
    assert str(found.facts["scores"]).startswith(f"{TEACHER} sha256:")


def test_the_scores_are_named_by_what_was_said(tmp_path: Path) -> None:
    made, said = recipe(), reply("the river")
    *places, last = said.top_logprobs
    others = [
        said,
        replace(said, seconds=9.0, model="n"),
        replace(said, top_logprobs=(*places, ScoredPlace(last.token, last.top[:1]))),
    ]
    names = []
    for number, other in enumerate(others):
        record(tmp_path / f"{number}.db", made, "a", [other])
        names.append(gather(tmp_path / f"{number}.db", made, [row("a", "the river")]).scores.identity)
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize("how", ["erased", "gone"])
def test_a_journal_without_the_text_is_told(tmp_path: Path, how: str) -> None:
    made, path = recipe(), tmp_path / "journal.db"
    record(path, made, "a", [reply("the river")])
    if how == "erased":
        with Journal.open(path) as journal:
            assert journal.erase(run="tiny") == 1
    else:
        path.unlink()
    with pytest.raises(InputError, match="in the journal: its log-probabilities stand there alone") as caught:
        gather(path, made, [row("a", "the river")])
    assert caught.value.found == "replies whose text was erased"
    assert "--fresh" in caught.value.fix


def test_own_data_alone_teaches_nothing_of_the_host(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="answers of api:127.0.0.1:1/m among the training records"):
        gather(tmp_path / "journal.db", recipe(), [row("a", "mine", own=True)])


TEXTS = st.lists(
    st.text("abc 川", min_size=1, max_size=6).filter(str.strip), min_size=1, max_size=5, unique=True
)


@given(TEXTS, st.lists(st.booleans(), min_size=5, max_size=5))
def test_tokens_come_back_as_they_were_written(texts: list[str], own: list[bool]) -> None:
    pairs = [((Message("user", text),), reply(text)) for text in texts]
    scores = RemoteScores.from_replies(TEACHER, TOKENIZER, pairs, 2)
    sequences = tuple(
        None if mine else sequence for mine, sequence in zip(own, scores.sequences, strict=False)
    )
    with tempfile.TemporaryDirectory() as folder:
        remote.HostScores(scores, sequences, {}).write(Path(folder))
        vocabulary = vocabulary_digest(TOKENIZER)
        assert remote.read(Path(folder), vocabulary) == (scores.identity, sequences)


def test_the_end_of_an_answer_is_learnt_by_cross_entropy_alone() -> None:
    pairs = [((Message("user", "a"),), reply("the river"))]
    scores = RemoteScores.from_replies(TEACHER, TOKENIZER, pairs, 2)
    [sequence] = scores.sequences
    assert sequence is not None
    said = scores.score([sequence], Keep(size=2))
    end = TOKENIZER.eos_token_id
    longer, more = remote.ended(sequence, said, end)
    assert longer.ids == (*sequence.ids, end)
    assert longer.labels == sequence.labels + 1 == len(more.ids_NK)
    assert remote.ended(longer, more, end) == (longer, more)
    assert remote.ended(sequence, said, None) == (sequence, said)

    torch.manual_seed(0)
    logits_NV = torch.randn(longer.labels, len(TOKENIZER), dtype=torch.float64)
    targets = TopK.from_logp(torch.from_numpy(more.ids_NK), torch.from_numpy(more.logp_NK))
    labels_N1 = torch.tensor(longer.ids[longer.prompt_length :]).unsqueeze(1)
    one_N1 = torch.ones(longer.labels, 1, dtype=torch.float64)
    value_N, _ = targets.fold(logits_NV, labels_N1, ForwardKL(), one_N1, torch.zeros_like(one_N1))
    assert value_N[-1].abs() < 1e-9
    assert logits_NV[-1].abs().max() < 1e-9
    assert (value_N[:-1] > 0.1).all()


def test_tokens_of_another_tokenizer_and_erased_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: they were erased"):
        remote.read(tmp_path, vocabulary_digest(TOKENIZER))
    (tmp_path / remote.TOKENS).write_text(json.dumps({"teacher": "t", "vocabulary": "sha256:00", "rows": []}))
    with pytest.raises(InputError, match="another vocabulary, sha256:00"):
        remote.read(tmp_path, vocabulary_digest(TOKENIZER))
