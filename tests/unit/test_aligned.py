"""A teacher's word carried over to another vocabulary: masses, chunks, the loss against plain autograd."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.digest import of_bytes
from inbond.losses.batches import make_batch
from inbond.losses.heads import head_weight
from inbond.losses.hidden import label_hidden
from inbond.losses.targets import ABSENT
from inbond.recipes.across import encode
from inbond.teachers.carrying import Carried, Carrier, chunks_of
from inbond.teachers.local import Local
from inbond.teachers.protocols import Keep, Scores, TokenSequence
from inbond.teachers.spelling import Speller
from inbond.teachers.tokens import encode_record
from inbond.train.aligned import Across, AlignedExample, Stretches
from inbond.train.examples import Aim, Example, Objectives
from inbond.types import Message, Record
from tests.tiny import make_model, make_tokenizer

THEIRS, OWN = make_tokenizer(300), make_tokenizer(270)
TEACHER = Local("tiny", of_bytes(b"tiny"), make_model(len(THEIRS)), THEIRS)
PROMPT = (Message("user", "Say it."),)
TEXTS = ["a river is water", "the sun gives light 川は水", "🙂 winter", "a stone", "  the  cold\n\nseason é"]


@cache
def spellers() -> tuple[Speller, Speller]:
    return Speller(THEIRS), Speller(OWN)


def carried(
    texts: list[str], k: int = 300, *, ended: bool = True
) -> tuple[list[Carried], list[TokenSequence]]:
    records = [Record(PROMPT, text) for text in texts]
    theirs, own = ([encode_record(t, record, ended=ended) for record in records] for t in (THEIRS, OWN))
    scores = TEACHER.score(theirs, Keep("top-k", min(k, len(THEIRS)), own=True)).split(
        s.labels for s in theirs
    )
    return Carrier(*spellers()).carry(texts, list(zip(theirs, scores, strict=True)), own), own


@settings(max_examples=25)
@given(st.text(min_size=1, max_size=20))
def test_chunks_hold_all_labels_of_both_and_the_end_is_one_of_its_own(text: str) -> None:
    record = Record(PROMPT, text)
    theirs, own = encode_record(THEIRS, record), encode_record(OWN, record)
    chunks = chunks_of(text, (spellers()[0], theirs), (spellers()[1], own))
    assert chunks[-1].single
    assert (chunks[-1].first[1], chunks[-1].second[1]) == (theirs.labels, own.labels)
    assert (chunks[0].first[0], chunks[0].second[0]) == (0, 0)


def test_a_model_that_was_given_its_first_token_is_not_asked_for_it() -> None:
    """A prompt without any token: the first token of the answer is no label, nor is its chunk."""
    text = "river stone"
    given_first = TokenSequence(tuple(THEIRS.encode(text, add_special_tokens=False)), 1)
    own = encode_record(OWN, Record(PROMPT, text), ended=False)
    chunks = chunks_of(text, (spellers()[0], given_first), (spellers()[1], own))
    assert chunks[-1].first[1] == given_first.labels
    assert chunks[-1].second[1] == own.labels
    assert chunks[0].second[0] > 0


def test_the_label_itself_is_always_kept() -> None:
    """With k = 1 the one place is the label's, whatever was likeliest; likeliest first otherwise."""
    sequence = encode_record(THEIRS, Record(PROMPT, "a river is water"))
    labels = np.array(sequence.ids[sequence.prompt_length :])
    one = TEACHER.score([sequence], Keep("top-k", 1, own=True))
    whole = TEACHER.score([sequence], Keep("top-k", len(THEIRS)))
    assert (one.ids_NK[:, 0] == labels).all()
    exact = whole.logp_NK[whole.ids_NK == labels[:, None]]
    np.testing.assert_allclose(one.logp_NK[:, 0], exact, atol=1e-5)
    few = TEACHER.score([sequence], Keep("top-k", 5, own=True))
    assert (np.diff(few.logp_NK, axis=1) <= 0).all()
    plain = TEACHER.score([sequence], Keep("top-k", 5))
    assert (few.ids_NK[:, :4] == plain.ids_NK[:, :4]).all()


def test_the_same_vocabulary_carries_everything_over_as_it_is() -> None:
    text = "the sun gives light 川は水"
    sequence = encode_record(THEIRS, Record(PROMPT, text))
    scores = TEACHER.score([sequence], Keep("top-k", 20, own=True))
    speller = spellers()[0]
    (found,) = Carrier(speller, speller).carry([text], [(sequence, scores)], [sequence])
    special = sorted(speller.pieces.special - {speller.end})
    for row in range(sequence.labels):
        wanted = dict(zip(scores.ids_NK[row].tolist(), scores.logp_NK[row].tolist(), strict=True))
        pairs = zip(found.scores.ids_NK[row].tolist(), found.scores.logp_NK[row].tolist(), strict=True)
        kept = {id_: logp for id_, logp in pairs if logp > ABSENT}
        assert kept == pytest.approx(
            {id_: logp for id_, logp in wanted.items() if id_ not in special}, abs=1e-5
        )
    assert found.chunk_N.tolist() == list(range(sequence.labels))


def test_masses_are_probabilities_and_add_up_to_no_more_than_the_teachers() -> None:
    found, own = carried(TEXTS)
    for one, sequence in zip(found, own, strict=True):
        there = one.scores.logp_NK > ABSENT
        mass = np.where(there, np.exp(one.scores.logp_NK), 0).sum(1)
        assert (mass <= 1 + 1e-5).all()
        labels = np.array(sequence.ids[sequence.prompt_length :])[:, None]
        rows = there.any(1)
        assert (((one.scores.ids_NK == labels) & there).any(1) == rows).all(), "the label is among them"
        for ids in one.scores.ids_NK:
            assert len(set(ids.tolist())) == len(ids), "each token once a row"
    assert sum(one.carried for one in found) > 0.5 * sum(s.labels for s in own)


def test_chunk_likelihoods_add_up_to_the_answers() -> None:
    """Whatever the chunks, together they are the whole answer, the end of the turn included."""
    found, own = carried(TEXTS)
    theirs = [encode_record(THEIRS, Record(PROMPT, text)) for text in TEXTS]
    whole = TEACHER.score(theirs, Keep("top-k", len(THEIRS))).split(s.labels for s in theirs)
    for one, sequence, scores, mine in zip(found, theirs, whole, own, strict=True):
        labels = np.array(sequence.ids[sequence.prompt_length :])[:, None]
        assert one.logp_C.sum() == pytest.approx(scores.logp_NK[scores.ids_NK == labels].sum(), rel=1e-4)
        assert (one.chunk_N >= 0).all()
        assert len(one.chunk_N) == mine.labels
        assert len(one.logp_C) == one.chunk_N.max() + 1


@pytest.mark.parametrize("weights", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.5, 0.7, 0.2)], ids=str)
def test_the_loss_against_plain_autograd(weights: tuple[float, float, float]) -> None:
    kl, likelihood, ce = weights
    found, own = carried(TEXTS)
    lessons = [
        AlignedExample(Example(sequence, one.scores, kl, ce), Stretches(one.chunk_N, one.logp_C, likelihood))
        for sequence, one in zip(own, found, strict=True)
    ]
    text_only = AlignedExample(Example(own[0], None, 0.0, 0.3))
    lessons.append(text_only)
    model = make_model(len(OWN), seed=3).double()
    batch = make_batch([s for lesson in lessons for s in lesson.sequences], 0, model.device)
    step = sum(lesson.total for lesson in lessons)
    student = label_hidden(model, batch), head_weight(model, len(OWN))
    criterion = Across(Objectives(Aim(), len(OWN)), 10.0)
    loss = criterion.loss(lessons, batch, step, student, 7)
    (grad,) = torch.autograd.grad(loss, model.get_input_embeddings().weight)

    hidden = label_hidden(model, batch)
    logq = (hidden @ head_weight(model, len(OWN)).T).log_softmax(1)
    plain = _plain(lessons, logq, batch.labels_N, 10.0) / step
    (wanted,) = torch.autograd.grad(plain, model.get_input_embeddings().weight)
    assert loss.item() == pytest.approx(plain.item(), rel=1e-5)
    torch.testing.assert_close(grad, wanted, atol=1e-6, rtol=1e-4)


def _plain(
    lessons: list[AlignedExample], logq_NV: torch.Tensor, labels_N: torch.Tensor, heat: float
) -> torch.Tensor:
    """The definitions, token by token and chunk by chunk."""
    total, at = logq_NV.new_zeros(()), 0
    for lesson in lessons:
        example, sums = lesson.example, dict[int, torch.Tensor]()
        for place in range(example.sequence.labels):
            row, label = logq_NV[at + place], labels_N[at + place]
            total = total - example.ce * row[label]
            if example.targets is None or lesson.stretches is None:
                continue
            total = total + example.weight * _kl(example.targets, place, row)
            chunk = int(lesson.stretches.chunk_N[place])
            sums[chunk] = sums.get(chunk, torch.zeros((), dtype=row.dtype)) + row[label]
        for chunk, logq in sums.items():
            assert lesson.stretches is not None
            p = torch.tensor(np.exp(lesson.stretches.logp_C[chunk] / heat), dtype=logq.dtype)
            q = (logq / heat).exp()
            kl = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
            total = total + lesson.stretches.weight * heat * kl
        at += example.sequence.labels
    return total


def _kl(scores: Scores, place: int, logq_V: torch.Tensor) -> torch.Tensor:
    there = torch.from_numpy(scores.logp_NK[place] > ABSENT)
    if not there.any():
        return logq_V.new_zeros(())
    ids = torch.from_numpy(scores.ids_NK[place]).long()[there]
    logp = torch.from_numpy(scores.logp_NK[place])[there].to(logq_V.dtype)
    p_tail, q_tail = (1 - x.exp().sum() for x in (logp, logq_V[ids]))
    p_tail = p_tail.clamp_min(1e-9)
    return (logp.exp() * (logp - logq_V[ids])).sum() + p_tail * (p_tail / q_tail).log()


def test_rows_are_read_in_each_models_own_template() -> None:
    from inbond.ledger.records import Row
    from inbond.types import OWN as MINE
    from inbond.types import Origin

    row = Row(Record(PROMPT, "a river"), Origin("path:t", MINE, "author", {}, None))
    (theirs,), (own,) = encode(THEIRS, [row]), encode(OWN, [row])
    assert THEIRS.decode(theirs.ids) == OWN.decode(own.ids)
    assert theirs.ids != own.ids
    assert encode(OWN, [row], ended=False)[0].labels == own.labels - 1
