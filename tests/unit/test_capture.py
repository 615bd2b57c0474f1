"""Capture: what is stored is what the teacher said; a crash costs one shard; damage is named."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inbond.digest import of_bytes
from inbond.errors import InputError, TamperedError
from inbond.teachers.local import Local
from inbond.teachers.protocols import Keep, Scores, TokenSequence
from inbond.teachers.tokens import encode_record
from inbond.train import capture as targets
from inbond.train.capture import Expected
from inbond.train.shards import decode, unseal
from inbond.types import Message, Record
from tests.tiny import make_model, make_tokenizer

TOKENIZER = make_tokenizer()


def local(*, padding: int = 0, batch: int = 3) -> Local:
    model = make_model(len(TOKENIZER), padding=padding)
    return Local("path:tiny", of_bytes(b"tiny"), model, TOKENIZER, batch=batch)


def sequences(count: int = 7) -> list[TokenSequence]:
    texts = ["a river", "the sun gives light", "川は水の流れ", "a stone is a small piece of rock", "x"]
    return [
        encode_record(TOKENIZER, Record((Message("user", f"number {i}"),), texts[i % len(texts)]))
        for i in range(count)
    ]


def plain_scores(teacher: Local, sequence: TokenSequence, temperature: float = 1.0) -> torch.Tensor:
    """log p [N, V] of one sequence alone, through the whole model, with no chunk and no padding."""
    with torch.inference_mode():
        logits = teacher.model(torch.tensor([sequence.ids])).logits[0, :, : teacher.vocabulary_size]
    return (logits[sequence.prompt_length - 1 : -1] / temperature).log_softmax(1)


@pytest.mark.parametrize("padding", [0, 13])
def test_scores_are_those_of_the_plain_model_at_label_positions(padding: int) -> None:
    teacher, batch = local(padding=padding), sequences()
    scores = teacher.score(batch, Keep(size=5))
    assert scores.ids_NK.shape == (sum(sequence.labels for sequence in batch), 5)
    first = 0
    for sequence in batch:
        logp, ids = plain_scores(teacher, sequence).topk(5, dim=1)
        rows = slice(first, first + sequence.labels)
        np.testing.assert_allclose(scores.logp_NK[rows], logp.numpy(), atol=1e-4)
        assert (scores.ids_NK[rows] == ids.numpy()).mean() > 0.95  # ties may swap
        first += sequence.labels
    assert scores.ids_NK.max() < teacher.vocabulary_size, "rows that pad the head are no tokens"


@pytest.mark.parametrize("keep", [Keep(size=4), Keep("sampled", 6)])
def test_what_is_loaded_is_what_was_captured(tmp_path: Path, keep: Keep) -> None:
    teacher, batch = local(), sequences()
    seen: list[tuple[int, int]] = []
    shards = targets.capture(
        teacher, batch, keep, tmp_path, shard_size=3, on_progress=lambda *at: seen.append(at)
    )
    assert shards == 3
    assert seen[-1][0] == seen[-1][1] == sum(sequence.labels for sequence in batch)
    loaded = targets.load_targets(tmp_path, Expected.of(teacher, keep, batch))
    assert [len(scores.ids_NK) for scores in loaded] == [sequence.labels for sequence in batch]
    for found, sequence in zip(loaded, batch, strict=True):
        said = teacher.score([sequence], keep)
        np.testing.assert_array_equal(np.sort(found.ids_NK), np.sort(said.ids_NK))
        assert (found.sure_N is None) == (said.sure_N is None) == (keep.kind == "top-k")
        if found.sure_N is not None and said.sure_N is not None:
            np.testing.assert_array_equal(found.sure_N, said.sure_N)
        else:  # the mass of the tail is what a loss depends on most
            tails = [1 - np.exp(scores.logp_NK.astype(float)).sum(1) for scores in (found, said)]
            np.testing.assert_allclose(*tails, rtol=0.005)


class Counting:
    """A teacher that counts what it is asked and can stop like a killed process."""

    def __init__(self, inner: Local, stop_after: int = 10**9) -> None:
        self.inner = inner
        self.asked: list[int] = []
        self.stop_after = stop_after

    identity = property(lambda self: self.inner.identity)
    vocabulary = property(lambda self: self.inner.vocabulary)
    vocabulary_size = property(lambda self: self.inner.vocabulary_size)

    def score(self, batch: list[TokenSequence], keep: Keep) -> Scores:
        if len(self.asked) >= self.stop_after:
            raise KeyboardInterrupt
        self.asked.append(len(batch))
        return self.inner.score(batch, keep)


def test_a_cut_off_answer_teaches_no_end() -> None:
    record = Record((Message("user", "hello"),), "a river is")
    ended, cut = encode_record(TOKENIZER, record), encode_record(TOKENIZER, record, ended=False)
    assert ended.ids == (*cut.ids, TOKENIZER.eos_token_id)
    assert ended.prompt_length == cut.prompt_length
    assert TOKENIZER.decode(cut.ids[cut.prompt_length :]) == "a river is"


def load(folder: Path, **changes: Any) -> list[Scores]:
    """What training reads, of the teacher and the sequences of ``run``."""
    return targets.load_targets(folder, replace(Expected.of(local(), Keep(size=4), sequences()), **changes))


def run(teacher: Counting, folder: Path, *, k: int = 4, batch: list[TokenSequence] | None = None) -> None:
    whole = batch or sequences()
    targets.capture(teacher, whole, Keep(size=k), folder, shard_size=2, on_progress=lambda *_: None)


def test_a_stopped_capture_goes_on_at_the_next_shard(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(Counting(local(), stop_after=2), tmp_path)
    again = Counting(local())
    run(again, tmp_path)
    assert again.asked == [2, 1]
    assert len(load(tmp_path)) == 7


def test_shards_of_other_targets_are_not_taken(tmp_path: Path) -> None:
    run(Counting(local()), tmp_path)
    other_k = Counting(local())
    run(other_k, tmp_path, k=3)
    assert len(other_k.asked) == 4
    changed = sequences()
    changed[0] = TokenSequence((*changed[0].ids[:-1], 9), changed[0].prompt_length)
    one = Counting(local())
    run(one, tmp_path, k=3, batch=changed)
    assert one.asked == [2], "only the shard with the changed sequence is made anew"


@pytest.mark.parametrize("cut", [0, 5, 25, 100, -1])
def test_a_shard_cut_short_is_made_anew_and_never_loaded(tmp_path: Path, cut: int) -> None:
    run(Counting(local()), tmp_path)
    shard = targets.shard_path(tmp_path, 1)
    shard.write_bytes(shard.read_bytes()[:cut])
    with pytest.raises(TamperedError, match=f"{shard.name}; found one that is cut short"):
        load(tmp_path)
    again = Counting(local())
    run(again, tmp_path)
    assert again.asked == [2]
    assert len(load(tmp_path)) == 7


def test_a_flipped_bit_is_made_anew_and_never_loaded(tmp_path: Path) -> None:
    run(Counting(local()), tmp_path)
    shard = targets.shard_path(tmp_path, 1)
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 8
    shard.write_bytes(data)
    with pytest.raises(TamperedError, match=f"{shard.name}; found one that is damaged: its digest differs"):
        load(tmp_path)
    again = Counting(local())
    run(again, tmp_path)
    assert again.asked == [2]
    assert len(load(tmp_path)) == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": "path:other"}, "expected teacher path:other in .*of another teacher: path:tiny sha256"),
        ({"vocabulary": of_bytes(b"other")}, "found a target shard of another tokenizer: sha256:"),
        ({"keep": Keep(size=5)}, "something else: kind top-k, size 4, temperature 1;"),
        ({"keep": Keep("sampled", 4)}, "keeps something else: kind top-k, size 4"),
        ({"keep": Keep(size=4, temperature=2.0)}, "size 4, temperature 2.0 in .*found .* temperature 1;"),
        ({"sequences": sequences()[::-1]}, "found a target shard of other sequences"),
        ({"sequences": sequences(6)[:3]}, "found a target shard of other sequences"),
    ],
)  # fmt: skip
def test_targets_of_something_else_are_refused_by_name(tmp_path: Path, changes: Any, message: str) -> None:
    run(Counting(local()), tmp_path)
    with pytest.raises(InputError, match=message):
        load(tmp_path, **changes)


def test_shards_that_changed_places_are_refused(tmp_path: Path) -> None:
    run(Counting(local()), tmp_path)
    targets.shard_path(tmp_path, 0).write_bytes(targets.shard_path(tmp_path, 1).read_bytes())
    with pytest.raises(InputError, match="targets-00000.shard; found a target shard of other sequences"):
        load(tmp_path)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    run(Counting(local()), tmp_path)
    targets.shard_path(tmp_path, 1).unlink()
    with pytest.raises(TamperedError, match="targets-00001.shard; found none: it is missing"):
        load(tmp_path)


def test_shards_of_an_older_format_or_a_longer_run_go(tmp_path: Path) -> None:
    (tmp_path / "targets-00000.safetensors").write_bytes(b"old")
    run(Counting(local()), tmp_path)
    again = Counting(local())
    run(again, tmp_path, batch=sequences(3))
    assert again.asked == [1], "the first shard is the same, the second is shorter"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["targets-00000.shard", "targets-00001.shard"]
    assert len(load(tmp_path, sequences=sequences(3))) == 3


KILLED = """
import os, signal, sys
from pathlib import Path
from inbond import workspace
from inbond.teachers.protocols import Keep
from inbond.train import capture
from tests.unit.test_capture import local, sequences

blow, calls = int(sys.argv[2]), 0
def watch(frame, event, argument):
    global calls
    calls += event in ("call", "c_call")
    if calls == blow:
        os.kill(os.getpid(), signal.SIGKILL)
teacher, batch = local(), sequences()
def begin(done, total):
    if done and not sys.getprofile():
        sys.setprofile(watch)  # from the second shard on
capture.capture(teacher, batch, Keep(size=4), Path(sys.argv[1]), shard_size=2, on_progress=begin)
"""


@pytest.mark.slow
@pytest.mark.parametrize("blow", [1, 300, 700, 2000])
def test_kill_minus_nine_leaves_whole_shards_or_none(tmp_path: Path, blow: int) -> None:
    """Real processes, killed at various points of the later shards; the next run needs only the rest."""
    arguments = [sys.executable, "-c", KILLED, str(tmp_path), str(blow)]
    killed = subprocess.run(arguments, check=False, cwd=Path(__file__).parents[2])
    assert killed.returncode == -signal.SIGKILL
    left = sorted(tmp_path.glob("targets-*"))
    assert left, "the first shard was done"
    for path in left:
        decode(unseal(path.read_bytes(), path.name))
    again = Counting(local())
    run(again, tmp_path)
    assert len(again.asked) == 4 - len(left)
    assert len(load(tmp_path)) == 7


@pytest.mark.parametrize("k", [0, 10**6])
def test_k_must_fit_the_vocabulary(tmp_path: Path, k: int) -> None:
    with pytest.raises(
        InputError, match=rf"expected capture.k from 1 to {len(TOKENIZER)}.*found capture.k = {k}"
    ):
        run(Counting(local()), tmp_path, k=k)
    assert not list(tmp_path.iterdir())


def test_a_sequence_longer_than_the_context_is_refused(tmp_path: Path) -> None:
    long = TokenSequence(tuple([5] * 200), 3)
    with pytest.raises(InputError, match="at most 128 tokens, the model's context; found one of 200"):
        run(Counting(local()), tmp_path, batch=[long])


def test_a_broken_teacher_is_refused(tmp_path: Path) -> None:
    teacher = local()
    with torch.no_grad():
        teacher.model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(InputError, match="finite log-probabilities from the teacher; found NaN"):
        run(Counting(teacher), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("keep", [Keep(size=5, temperature=2.0), Keep("sampled", 6), Keep("sampled", 6, 2.0)])
def test_a_temperature_softens_what_is_kept(keep: Keep) -> None:
    teacher, batch = local(), sequences(3)
    scores = teacher.score(batch, keep)
    plain = torch.cat([plain_scores(teacher, s, keep.temperature) for s in batch])
    kept = plain.gather(1, torch.from_numpy(scores.ids_NK).long())
    np.testing.assert_allclose(scores.logp_NK, kept.numpy(), atol=1e-4)
    assert (np.diff(scores.logp_NK, axis=1) <= 0).all(), "likeliest first"


def test_a_draw_depends_on_the_sequence_and_its_place_alone() -> None:
    """Not on the batch, the shard, or the sequences beside it."""
    batch, keep = sequences(), Keep("sampled", 6)
    whole = local(batch=7).score(batch, keep)
    alone = [local(batch=1).score([sequence], keep) for sequence in batch]
    np.testing.assert_array_equal(whole.ids_NK, np.concatenate([scores.ids_NK for scores in alone]))
    np.testing.assert_array_equal(whole.sure_N, np.concatenate([scores.sure_N for scores in alone]))
    again = local(batch=2).score(batch[::-1], keep)
    np.testing.assert_array_equal(again.ids_NK[-batch[0].labels :], whole.ids_NK[: batch[0].labels])
    other = local().score(batch, Keep("sampled", 6, seed=1))
    assert (other.ids_NK != whole.ids_NK).any()


@pytest.mark.parametrize("keep", [Keep(size=3), Keep("sampled", 3)])
def test_sequences_without_labels_have_no_scores(keep: Keep) -> None:
    silent = TokenSequence((5, 6, 7), 3)
    assert local().score([silent, silent], keep).ids_NK.shape == (0, 3)
    assert local().score([], keep).ids_NK.shape == (0, 3)
    one = sequences(1)[0]
    assert len(local().score([silent, one, silent], keep).ids_NK) == one.labels


@pytest.mark.parametrize(("size", "fix"), [(0, "to 1 at least"), (256, "lower")])
def test_the_number_of_draws_must_fit(size: int, fix: str) -> None:
    message = (
        f"expected capture.draws from 1 to 255.*found capture.draws = {size}; fix: set capture.draws {fix}"
    )
    with pytest.raises(InputError, match=message):
        local().score(sequences(1), Keep("sampled", size))
