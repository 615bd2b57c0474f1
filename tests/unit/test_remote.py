"""Replies with top_logprobs as tokens and scores: what is mapped, dropped, or left to the tail."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from inbond.errors import InputError
from inbond.losses.targets import ABSENT
from inbond.teachers.gaps import PlaceGap, against_itself, place_gap, summarise
from inbond.teachers.mapping import Scored, map_reply
from inbond.teachers.pieces import Pieces
from inbond.teachers.protocols import Keep, Reply, ScoredPlace, TokenScore, TokenSequence
from inbond.teachers.remote import RemoteScores
from inbond.train.capture import Expected, capture, load_targets
from inbond.types import Message, Record
from tests.tiny import make_tokenizer

TOKENIZER = make_tokenizer()
PIECES = Pieces.of(TOKENIZER)
PROMPT = (Message("user", "川?"),)
END = TOKENIZER.eos_token_id
IDS = st.lists(st.integers(3, len(TOKENIZER) - 1), min_size=1, max_size=12)


def named(id_: int, logprob: float | None, how: str = "id") -> TokenScore:
    """A token as hosts name it: with id and bytes, with bytes, or by its text alone."""
    raw = PIECES.bytes_of(id_)
    text = raw.decode(errors="replace")
    if how == "text":
        return TokenScore(text, logprob)
    return TokenScore(text, logprob, id_ if how == "id" else None, None if raw == text.encode() else raw)


def place(id_: int, others: dict[int, float] | None = None, own: float | None = -0.5, how: str = "id") -> Any:
    top = {id_: own, **(others or {})}
    return ScoredPlace(named(id_, own, how), tuple(named(one, logp, how) for one, logp in top.items()))


def reply(
    places: list[Any], text: str | None = None, finish: Any = "length", count: int | None = None
) -> Reply:
    said = b"".join(PIECES.bytes_of(int(PIECES.find(one.token) or 0)) for one in places)
    shown = said.decode(errors="replace") if text is None else text
    return Reply(shown, finish, 3, count, "m", 0.1, tuple(places))


def mapped(answer: Reply, size: int = 20) -> Any:
    return map_reply(PIECES, TOKENIZER, PROMPT, answer, size)


def ids_of(text: str) -> list[int]:
    ids: list[int] = TOKENIZER.encode(text, add_special_tokens=False)
    return ids


@given(st.text())
def test_the_bytes_of_tokens_are_those_of_the_text(text: str) -> None:
    assert b"".join(map(PIECES.bytes_of, ids_of(text))) == text.encode()


@given(IDS, st.sampled_from(["id", "bytes"]))
def test_any_tokens_are_found_again_by_id_and_by_bytes(ids: list[int], how: str) -> None:
    """Half characters too: the tiny tokenizer has most of them as single bytes."""
    scored = mapped(reply([place(id_, how=how) for id_ in ids]))
    assert isinstance(scored, Scored)
    assert list(scored.labels) == ids
    assert scored.rows == tuple(((id_, -0.5),) for id_ in ids)


@given(st.text(alphabet="a river the sun\n", min_size=1))
def test_whole_characters_are_found_by_text(text: str) -> None:
    scored = mapped(reply([place(id_, how="text") for id_ in ids_of(text)]))
    assert isinstance(scored, Scored)
    assert list(scored.labels) == ids_of(text)


def test_half_a_character_by_text_alone_is_not_guessed_at() -> None:
    byte = ids_of("は")[0]
    assert mapped(reply([place(byte, how="text")], text="\ufffd")) == "unknown-token"
    # A host may even give the bytes of the sign for an unreadable character.
    lied = ScoredPlace(TokenScore("\ufffd", -0.5, raw="\ufffd".encode()), place(byte).top)
    assert mapped(reply([lied], text="\ufffd")) == "unknown-token"


def test_ids_of_another_vocabulary_are_not_believed() -> None:
    [a, sun] = [ids_of("a")[0], ids_of("s")[0]]
    wrong = TokenScore("a", -0.5, id=sun)
    scored = mapped(reply([ScoredPlace(wrong, (wrong,))], text="a"))
    assert isinstance(scored, Scored)
    assert scored.labels == (a,)


def test_text_that_the_tokens_do_not_say_is_dropped() -> None:
    assert mapped(reply([place(ids_of("a")[0])], text="b")) == "text-differs"
    assert mapped(reply([place(ids_of("a")[0])], text="a thought, then a")) == "text-differs"


def test_the_end_of_turn_is_a_label_where_it_was_reported() -> None:
    a = ids_of("a")[0]
    for end in (TokenScore("", -0.1, END), TokenScore("<|end|>", -0.1)):
        ended = mapped(reply([place(a), ScoredPlace(end, (end,))], text="a", finish="stop"))
        assert isinstance(ended, Scored)
        assert ended.labels == (a, END)
        assert ended.rows[-1] == ((END, -0.1),)
    assert mapped(reply([place(END), place(a)], text="a")) == "special-token"


def test_without_logprobs_there_is_nothing_to_map() -> None:
    assert mapped(reply([], text="a")) == "no-logprobs"
    assert mapped(reply([ScoredPlace(named(5, -0.5), ())])) == "no-logprobs"


def row(own: int, logprob: float | None, top: list[TokenScore], size: int = 20) -> Any:
    scored = mapped(reply([ScoredPlace(named(own, logprob), tuple(top))]), size)
    return scored.rows[0] if isinstance(scored, Scored) else scored


def test_placeholders_and_nulls_say_nothing() -> None:
    top = [named(5, -0.1), named(6, -9999.0), named(7, None), named(8, -math.inf), named(9, math.nan)]
    assert row(5, -0.1, top) == ((5, -0.1),)
    assert row(6, -9999.0, top) == ((5, -0.1),), "a drawn token that is only said to be unlikely"


def test_the_own_logprob_takes_part_and_the_last_place_if_it_must() -> None:
    top = [named(5, -0.5), named(6, -1.5), named(7, -2.5)]
    assert row(9, -6.0, top, size=4) == ((5, -0.5), (6, -1.5), (7, -2.5), (9, -6.0))
    assert row(9, -6.0, top, size=3) == ((5, -0.5), (6, -1.5), (9, -6.0))
    assert row(6, -1.5001, top) == ((5, -0.5), (6, -1.5001), (7, -2.5)), "the own one is used"
    assert row(6, -0.7, top) == "contradiction"


def test_rows_are_sorted_whatever_the_host_does() -> None:
    assert row(5, -3.0, [named(5, -3.0), named(6, -0.5), named(7, -2.0)]) == ((6, -0.5), (7, -2.0), (5, -3.0))


def test_what_is_no_probability_is_dropped() -> None:
    assert row(5, 0.5, [named(5, 0.5)]) == "not-probabilities"
    assert row(5, -0.1, [named(5, -0.1), named(6, -0.2)]) == "not-probabilities"
    assert row(5, 1e-6, [named(5, 1e-6)]) == ((5, 0.0),), "rounding"


def test_unknown_and_doubtful_alternatives_are_left_to_the_tail() -> None:
    top = (named(5, -0.7), TokenScore("no token of ours", -1.7), TokenScore("a", -3.0), TokenScore("a", -4.0))
    scored = mapped(reply([ScoredPlace(named(5, -0.7), top)]))
    assert isinstance(scored, Scored)
    assert scored.rows[0] == ((5, -0.7),)
    assert scored.unknown_mass == pytest.approx(math.exp(-1.7) + math.exp(-3.0))


def joined(text: str, count: int | None, *, finish: Any = "length") -> Reply:
    """As llama.cpp reports text: characters whole, with the last token's id and alternatives."""
    places, run = [], b""
    for id_ in ids_of(text):
        run += PIECES.bytes_of(id_)
        try:
            whole = run.decode()
        except UnicodeDecodeError:
            continue
        own = PIECES.bytes_of(id_).decode(errors="replace")
        alone = TokenScore(own, -0.25, id_, None if own.encode() == run else PIECES.bytes_of(id_))
        places.append(ScoredPlace(TokenScore(whole, -0.25, id_), (alone,)))
        run = b""
    return Reply(text, finish, 3, count, "m", 0.1, tuple(places))


@given(st.text(alphabet="川は水の流れです😀ab ", min_size=1, max_size=8))
def test_tokens_that_were_reported_as_one_are_told_apart(text: str) -> None:
    ids = ids_of(text)
    scored = mapped(joined(text, len(ids)))
    assert isinstance(scored, Scored), scored
    assert list(scored.labels) == ids
    assert sum(bool(one) for one in scored.rows) == len(joined(text, None).top_logprobs)
    for own, one in zip(ids, scored.rows, strict=True):
        assert one in ((), ((own, -0.25),))


def test_joined_tokens_must_agree_with_all_that_was_said() -> None:
    ids = ids_of("川は😀")
    assert len(ids) > 4
    for count, finish in [(len(ids), "length"), (len(ids) + 1, "stop"), (len(ids) + 2, "length")]:
        assert isinstance(mapped(joined("川は😀", count, finish=finish)), Scored)
    for count, finish in [(len(ids) - 1, "length"), (len(ids) + 2, "stop"), (None, "stop"), (99, "length")]:
        assert mapped(joined("川は😀", count, finish=finish)) == "joined-tokens"


def test_another_way_to_write_the_same_bytes_is_no_certainty() -> None:
    """The host's last token is half a character; encoding anew has a token for the whole of it."""
    larger = make_tokenizer(420)
    pieces = Pieces.of(larger)
    [whole] = larger.encode("川", add_special_tokens=False)
    half = pieces.find(TokenScore("\ufffd", None, raw=pieces.bytes_of(whole)[-1:]))
    alone = TokenScore("\ufffd", -0.5, half, pieces.bytes_of(whole)[-1:])
    answer = Reply("川", "stop", 1, 3, "m", 0.1, (ScoredPlace(TokenScore("川", -0.5, half), (alone,)),))
    assert map_reply(pieces, larger, PROMPT, answer, 20) == "joined-tokens"
    own = TokenScore("川", -0.5, whole)
    scored = map_reply(pieces, larger, PROMPT, replace(answer, top_logprobs=(ScoredPlace(own, (own,)),)), 20)
    assert isinstance(scored, Scored)
    assert scored.labels == (whole,)


_SCORE = st.builds(
    TokenScore, st.text(), st.none() | st.floats(-100, 0), st.none() | st.integers(0, 10**6),
    st.none() | st.binary(max_size=4),
)  # fmt: skip


@given(st.builds(ScoredPlace, _SCORE, st.lists(_SCORE, max_size=3).map(tuple)))
def test_places_survive_a_journal(one: ScoredPlace) -> None:
    assert ScoredPlace.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_the_first_journals_are_still_read() -> None:
    old = ["a", [["a", -0.25], ["b", -1.5]]]
    tops = (TokenScore("a", -0.25), TokenScore("b", -1.5))
    assert ScoredPlace.from_json(old) == ScoredPlace(TokenScore("a", None), tops)


def sentencepiece() -> PreTrainedTokenizerFast:
    vocabulary = {"<s>": 0, "</s>": 1, **{f"<0x{byte:02X}>": 2 + byte for byte in range(256)}}
    for token in ("\u2581", "a", "b", "\u2581a", "ab", "川"):
        vocabulary[token] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocabulary, [("\u2581", "a"), ("a", "b")], byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    fast.add_tokens([AddedToken("<think>", special=False)])
    fast.chat_template = "{{ messages[0]['content'] }}"
    return fast


def test_sentencepiece_with_bytes_to_fall_back_on() -> None:
    tokenizer = sentencepiece()
    pieces, vocabulary = Pieces.of(tokenizer), tokenizer.get_vocab()
    assert pieces.bytes_of(vocabulary["\u2581a"]) == b" a"
    assert pieces.find(TokenScore("a", None)) == vocabulary["a"], "not the byte of the same letter"
    assert pieces.find(TokenScore("\ufffd", None, raw=b"\xe5")) == vocabulary["<0xE5>"]
    assert pieces.find(TokenScore("<think>", None)) == vocabulary["<think>"]
    said = [TokenScore(" a", -0.5), TokenScore("川", -0.5), TokenScore("<think>", -0.5)]
    answer = Reply("a川<think>", "stop", 1, 3, "m", 0.1, tuple(ScoredPlace(one, (one,)) for one in said))
    scored = map_reply(pieces, tokenizer, PROMPT, answer, 20)
    assert isinstance(scored, Scored), scored
    assert [tokenizer.convert_ids_to_tokens(i) for i in scored.labels] == ["\u2581a", "川", "<think>"]


def test_a_tokenizer_of_another_family_is_an_input_error() -> None:
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    tokenizer.decoder = decoders.WordPiece()
    with pytest.raises(InputError, match="byte-level BPE or SentencePiece tokenizer.*text alone .train.ce."):
        Pieces.of(PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]"))


def answers(*texts: str, logp: float = -0.5, fewer: bool = False) -> Any:
    found = []
    for text in texts:
        places = [
            place(id_, {10: -2.0, 11: -3.0} if id_ not in (10, 11) else {}, logp) for id_ in ids_of(text)
        ]
        if fewer:
            places[0] = place(ids_of(text)[0])
        found.append((PROMPT, reply(places)))
    return found


def test_replies_as_a_teacher_that_scores_its_own_answers(tmp_path: Path) -> None:
    """Through capture and its shards like any teacher's."""
    bad = (PROMPT, reply([place(5)], text="something else"))
    remote = RemoteScores.from_replies(
        "api:h/m", TOKENIZER, [*answers("a river", "stone", fewer=True), bad], 3
    )
    assert remote.dropped == {"text-differs": 1}
    assert remote.sequences[2] is None
    sequences = [one for one in remote.sequences if one]
    assert [remote.sequence_of(Record(PROMPT, text)) for text in ("a river", "stone")] == sequences
    assert remote.sequence_of(Record(PROMPT, "something else")) is None
    scores = remote.score(sequences, Keep(size=3))
    assert scores.ids_NK.shape == (sum(one.labels for one in sequences), 3)
    for ids, logps in zip(scores.ids_NK, scores.logp_NK, strict=True):
        assert len(set(ids.tolist())) == 3, "what fills a row up is not in it"
        assert END not in ids
        assert 1 - np.exp(logps.astype(np.float64)).sum() >= -1e-6
    assert (scores.logp_NK[0] == [-0.5, ABSENT, ABSENT]).all()
    capture(remote, sequences, Keep(size=3), tmp_path, shard_size=1, on_progress=lambda *_: None)
    loaded = load_targets(tmp_path, Expected.of(remote, Keep(size=3), sequences))
    ids_NK = np.concatenate([one.ids_NK for one in loaded])
    p_NK = np.exp(np.concatenate([one.logp_NK for one in loaded]))
    assert (ids_NK[:, 0] == scores.ids_NK[:, 0]).all()
    np.testing.assert_allclose(p_NK, np.exp(scores.logp_NK), atol=0.01)
    assert (p_NK[0, 1:] < 1e-12).all()


def test_the_identity_covers_all_that_was_answered() -> None:
    made = [
        RemoteScores.from_replies(teacher, TOKENIZER, given, 3).identity
        for teacher, given in [
            ("t", answers("river")), ("t", answers("river", logp=-0.6)), ("u", answers("river")),
            ("t", answers("river", "sun")),
        ]
    ]  # fmt: skip
    assert len(set(made)) == 4
    assert made[0] == RemoteScores.from_replies("t", TOKENIZER, answers("river"), 3).identity


def test_what_top_logprobs_cannot_say_is_refused() -> None:
    remote = RemoteScores.from_replies("api:h/m", TOKENIZER, answers("river"), 3)
    known = [one for one in remote.sequences if one]
    for keep in (Keep(size=4), Keep("sampled", 3), Keep(size=3, temperature=2.0), Keep(size=0)):
        with pytest.raises(InputError, match="top-k of at most 3 tokens at temperature 1.*capture.k=3"):
            remote.score(known, keep)
    with pytest.raises(InputError, match="expected text that api:h/m itself answered"):
        remote.score([TokenSequence((1, 2, 3), 1)], Keep(size=3))


def test_no_usable_reply_is_an_input_error() -> None:
    bad = [(PROMPT, reply([place(5)], text="other"))]
    with pytest.raises(InputError, match=r"found none \(1 text-differs\)"):
        RemoteScores.from_replies("api:h/m", TOKENIZER, bad, 1)
    with pytest.raises(InputError, match=r"expected 4 alternatives a token from api:h/m; found 3 at most"):
        RemoteScores.from_replies("api:h/m", TOKENIZER, answers("river"), 4)


_LOGITS = st.lists(st.floats(-8, 8), min_size=12, max_size=12)


@given(_LOGITS, _LOGITS, st.integers(1, 10))
def test_a_gap_is_a_lower_bound_of_the_full_divergence(one: list[float], other: list[float], k: int) -> None:
    logp_V, logq_V = (np.array(x) - np.logaddexp.reduce(x) for x in (one, other))
    kept = np.argsort(-logp_V)[:k]
    gap = place_gap(logp_V[kept], logq_V[kept])
    full = float(np.exp(logp_V) @ (logp_V - logq_V))
    assert -1e-9 <= gap.kl <= full + 1e-3
    assert gap.difference >= 0
    assert place_gap(logp_V[kept], logp_V[kept]) == PlaceGap(0.0, 0.0)


def test_standard_errors_are_over_answers() -> None:
    """Twice the tokens of the same answers are no more evidence."""
    alone = summarise([[PlaceGap(0.1, 0.0)], [PlaceGap(0.3, 0.0)], [PlaceGap(0.2, 0.0)]])
    doubled = summarise([[PlaceGap(0.1, 0.0)] * 2, [PlaceGap(0.3, 0.0)] * 2, [PlaceGap(0.2, 0.0)] * 2])
    assert (alone.tokens, doubled.tokens, doubled.answers) == (3, 6, 3)
    assert alone.difference == doubled.difference == pytest.approx(0.2)
    assert alone.difference_se == doubled.difference_se == pytest.approx(0.1 / math.sqrt(3))


def test_replies_are_compared_until_they_part() -> None:
    [(_, one)] = answers("a river")
    [(_, other)] = answers("a sun", logp=-0.9)
    first, second = mapped(one), mapped(other)
    parted = next(n for n, (x, y) in enumerate(zip(first.labels, second.labels, strict=False)) if x != y)
    gap = against_itself([first, None], [second, first])
    assert gap.tokens == parted + 1
    assert gap.difference > 0.2
    assert against_itself([first], [first]).difference == 0.0
    assert gap.answers == 1
