"""A teacher's word carried over to another vocabulary: masses, chunks, the loss against plain autograd."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
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
from inbond.teachers.spelling import Speller, first_tokens
from inbond.teachers.tokens import encode_record
from inbond.train.aligned import Across, AlignedExample, Stretches
from inbond.train.capture import Expected, capture, load_targets
from inbond.train.examples import Aim, Example, Objectives
from inbond.types import Message, Record
from tests.tiny import make_model, make_tokenizer
from tests.unit.test_alignment import PREFIXES, SPELLERS, TRAPS, prefixed
from tests.unit.test_alignment import TEXTS as TRAPPED

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


@pytest.mark.parametrize("text", ["", "the", "the sea", "  "])
@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("prompts", [("", "say"), ("say", ""), ("", "")], ids=str)
def test_an_answer_to_nothing_is_aligned_from_its_second_token_on(
    text: str, ended: bool, prompts: tuple[str, str]
) -> None:
    """Empty prompts, empty answers, answers of one token; each model may be given its first one."""
    theirs, own = (
        encode_record(tokens, Record(prompt, text), ended=ended)
        for tokens, prompt in zip((THEIRS, OWN), prompts, strict=True)
    )
    chunks = chunks_of(text, (spellers()[0], theirs), (spellers()[1], own))
    for chunk in chunks:
        assert 0 <= chunk.first[0] < chunk.first[1] <= theirs.labels
        assert 0 <= chunk.second[0] < chunk.second[1] <= own.labels
    if text == "the sea":
        assert (chunks[-1].first[1], chunks[-1].second[1]) == (theirs.labels, own.labels)


@pytest.mark.parametrize("lacks", ["teacher", "student"])
def test_an_end_on_one_side_only_is_in_no_chunk(lacks: str) -> None:
    text = "a river"
    theirs, own = (
        encode_record(tokens, Record(PROMPT, text), ended=side != lacks)
        for side, tokens in (("teacher", THEIRS), ("student", OWN))
    )
    chunks = chunks_of(text, (spellers()[0], theirs), (spellers()[1], own))
    assert chunks[-1].first[1] == theirs.labels - (lacks == "student")
    assert chunks[-1].second[1] == own.labels - (lacks == "teacher")


def test_an_end_is_as_likely_as_all_of_the_teachers_ends_together() -> None:
    """A model may close its turns with another token than its tokenizer's own."""
    end, other = THEIRS.eos_token_id, THEIRS.convert_tokens_to_ids("<|start|>")
    theirs, own = (encode_record(tokens, Record(PROMPT, "a stone")) for tokens in (THEIRS, OWN))
    ids = np.tile(np.arange(len(THEIRS), dtype=np.int32), (theirs.labels, 1))
    logp = np.full(ids.shape, -20.0, dtype=np.float32)
    logp[-1, [end, other]] = np.log([0.1, 0.6])
    found = {}
    for ends in ((), (end, other)):
        carrier = Carrier(Speller(THEIRS, ends), spellers()[1])
        (found[ends],) = carrier.carry(["a stone"], [(theirs, Scores(ids, logp))], [own])
    one, both = found.values()
    assert (one.logp_C[:-1] == both.logp_C[:-1]).all()
    for carried_over, wanted in ((one, 0.1), (both, 0.7)):
        assert carried_over.logp_C[-1] == pytest.approx(np.log(wanted), abs=1e-5)
        there = carried_over.scores.ids_NK[-1] == OWN.eos_token_id
        assert np.exp(carried_over.scores.logp_NK[-1][there]) == pytest.approx([wanted], rel=1e-4)


def random_scores(
    labels: npt.NDArray[np.int32], k: int, spread: float, seed: int, vocabulary: int = len(THEIRS)
) -> Scores:
    """Any rows of k tokens, the label among them, whose probabilities are rounded up a little."""
    draw = np.random.default_rng(seed)
    drawn = [draw.choice(vocabulary, k, replace=False) for _ in labels]
    ids = np.stack(
        [np.append(row[row != label][: k - 1], label) for row, label in zip(drawn, labels, strict=True)]
    )
    mass = 1.004 * draw.dirichlet(np.full(k + 1, spread), len(labels))[:, :k]
    return Scores(ids.astype(np.int32), np.log(np.maximum(mass, 1e-12)).astype(np.float32))


@settings(max_examples=50)
@given(st.sampled_from(TEXTS), st.integers(1, 40), st.sampled_from([0.05, 1.0]), st.integers(0, 2**32 - 1))
def test_each_probability_is_carried_over_once(text: str, k: int, spread: float, seed: int) -> None:
    """What a student's token has is the sum over the teacher's tokens that begin with it; special tokens and
    those for which nothing is known are left to the tail."""
    theirs, own = (encode_record(tokens, Record(PROMPT, text)) for tokens in (THEIRS, OWN))
    both = (spellers()[0], theirs), (spellers()[1], own)
    scores = random_scores(np.array(theirs.ids[theirs.prompt_length :], np.int32), k, spread, seed)
    (found,) = Carrier(*spellers()).carry([text], [(theirs, scores)], [own])
    known = first_tokens(*spellers(), range(len(THEIRS)))
    assert not (spellers()[1].pieces.special - {OWN.eos_token_id}) & set(known.values())
    for chunk in chunks_of(text, *both):
        place = chunk.second[0]
        there = found.scores.logp_NK[place] > ABSENT
        p_K = np.exp(scores.logp_NK[chunk.first[0]].astype(np.float64))
        p_K /= max(1.0, p_K.sum())
        wanted: dict[int, float] = {}
        for id_, p in zip(scores.ids_NK[chunk.first[0]].tolist(), p_K.tolist(), strict=True):
            if id_ in known:
                wanted[known[id_]] = wanted.get(known[id_], 0.0) + p
        mine = dict(
            zip(
                found.scores.ids_NK[place][there].tolist(),
                np.exp(found.scores.logp_NK[place][there].astype(np.float64)).tolist(),
                strict=True,
            )
        )
        assert not mine or mine == pytest.approx(wanted, rel=1e-4, abs=1e-9)
        assert sum(mine.values()) <= 1 + 1e-6


@pytest.mark.parametrize("names", [("gemma", "smollm2"), ("smollm2", "gemma")], ids="-".join)
@settings(max_examples=30)
@given(text=st.one_of(st.sampled_from([*TRAPS.values()]), TRAPPED), seed=st.integers(0, 2**32 - 1))
def test_the_real_pair_carries_probabilities_over_whatever_the_text(
    names: tuple[str, str], text: str, seed: int
) -> None:
    """Without their models: any scores will do."""
    pair = SPELLERS[names[0]](), SPELLERS[names[1]]()
    theirs, own = (encode_record(speller.tokenizer, Record("Say:", text)) for speller in pair)
    labels = np.array(theirs.ids[theirs.prompt_length :], np.int32)
    scores = random_scores(labels, 12, 1.0, seed, len(pair[0].tokenizer))
    (found,) = carriers(names).carry([text], [(theirs, scores)], [own])
    there = found.scores.logp_NK > ABSENT
    assert (np.where(there, np.exp(found.scores.logp_NK), 0).sum(1) <= 1 + 1e-6).all()
    ends = pair[1].end
    special = list(pair[1].pieces.special - {ends})
    assert not np.isin(found.scores.ids_NK[there], special).any(), "text is never a special token"
    own_N = np.array(own.ids[own.prompt_length :])
    kept = ((found.scores.ids_NK == own_N[:, None]) & there).any(1)
    assert (kept == there.any(1)).all(), "the label is among them"
    if all(speller.spells(text) for speller in pair):
        assert (found.chunk_N >= 0).all()
        said = scores.logp_NK[:, -1].astype(np.float64).sum()
        assert found.logp_C.sum(dtype=np.float64) == pytest.approx(said, rel=1e-4, abs=1e-4)


@cache
def carriers(names: tuple[str, str]) -> Carrier:
    return Carrier(*(SPELLERS[name]() for name in names))


@pytest.mark.parametrize("how", PREFIXES)
@pytest.mark.parametrize("spaced_teacher", [True, False])
def test_the_first_label_is_carried_over_whoever_puts_a_space_before_the_text(
    how: str, spaced_teacher: bool
) -> None:
    """As Llama 2 and its like do, which have words after a space alone."""
    pair = (prefixed(how), spellers()[1]) if spaced_teacher else (spellers()[0], prefixed(how))
    text = "the sea"
    theirs, own = (TokenSequence((5, *speller.spell(text).ids), 1) for speller in pair)
    size = len(pair[0].tokenizer)
    teacher = Local("tiny", of_bytes(b"tiny"), make_model(size), pair[0].tokenizer)
    scores = teacher.score([theirs], Keep("top-k", size, own=True))
    (found,) = Carrier(*pair).carry([text], [(theirs, scores)], [own])
    assert (found.chunk_N >= 0).all()
    there = found.scores.logp_NK > ABSENT
    mass = np.where(there, np.exp(found.scores.logp_NK), 0).sum(1)
    assert (mass <= 1 + 1e-6).all()
    if spaced_teacher:
        assert there[0].any(), "what the student says first is the beginning of the teacher's word"
        assert mass[0] > 0.9, "nearly all tokens are known at the beginning, too"
        first = found.scores.ids_NK[0][there[0]].tolist()
        assert own.ids[1] in first


def test_nothing_of_held_out_text_is_looked_at() -> None:
    """A carrier looks up the tokens of the scores that it is given, and what it found for others changes
    nothing."""
    alone, own = carried(TEXTS[:2])
    theirs = [encode_record(THEIRS, Record(PROMPT, text)) for text in TEXTS]
    scores = TEACHER.score(theirs, Keep("top-k", 300, own=True)).split(s.labels for s in theirs)
    carrier = Carrier(*spellers())
    every = [encode_record(OWN, Record(PROMPT, text)) for text in TEXTS]
    carrier.carry(TEXTS[2:], list(zip(theirs, scores, strict=True))[2:], every[2:])
    later = carrier.carry(TEXTS[:2], list(zip(theirs, scores, strict=True))[:2], own)
    for one, other in zip(alone, later, strict=True):
        assert (one.chunk_N == other.chunk_N).all()
        np.testing.assert_allclose(one.scores.logp_NK, other.scores.logp_NK, atol=1e-3)


def test_rounded_shards_stay_probabilities(tmp_path: Path) -> None:
    """Through the file format, as in a run."""
    theirs = [encode_record(THEIRS, Record(PROMPT, text)) for text in TEXTS]
    keep = Keep("top-k", 64, own=True)
    capture(TEACHER, theirs, keep, tmp_path, shard_size=2, on_progress=lambda *_: None)
    scores = load_targets(tmp_path, Expected.of(TEACHER, keep, theirs))
    own = [encode_record(OWN, Record(PROMPT, text)) for text in TEXTS]
    found = Carrier(*spellers()).carry(TEXTS, list(zip(theirs, scores, strict=True)), own)
    exact, _ = carried(TEXTS, 64)
    for one, other in zip(found, exact, strict=True):
        mass = np.where(one.scores.logp_NK > ABSENT, np.exp(one.scores.logp_NK), 0).sum(1)
        assert (mass <= 1 + 1e-6).all()
        np.testing.assert_allclose(one.logp_C, other.logp_C, rtol=0.03, atol=0.02)


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
