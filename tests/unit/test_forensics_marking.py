"""Keys of marks on disk; marked drawing from a model, and what a model would say next."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import torch

from inbond.digest import of_bytes, of_value
from inbond.errors import InputError
from inbond.forensics.exact import upper_tail
from inbond.forensics.green import GreenKey
from inbond.forensics.mark_keys import MarkKeys, fresh_secret
from inbond.forensics.marking import marks
from inbond.forensics.radioactivity import Written, tally_closed
from inbond.forensics.reading import Reader, Remembered
from inbond.losses.decoding import decode
from inbond.teachers.protocols import TokenSequence
from tests.tiny import make_model, make_tokenizer

V = len(make_tokenizer())


def key(delta: float = 4.0) -> GreenKey:
    return GreenKey(b"s" * 32, 2, 0.25, delta, of_bytes(b"v"), V)


def test_a_key_comes_back_is_private_and_never_written_over(tmp_path: Path) -> None:
    keys = MarkKeys(tmp_path / "marks")
    path = keys.new("autumn", key())
    assert keys.read("autumn") == key()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with pytest.raises(InputError, match="expected a new name for a key"):
        keys.new("autumn", key(1.0))
    assert keys.read("autumn") == key()
    assert fresh_secret() != fresh_secret()


@pytest.mark.parametrize(("change", "words"), [
    ({"scheme": "green-list/2"}, "found a key of the scheme 'green-list/2'"),
    ({"gamma": 1.5}, "found a field that is out of its range, or damaged"),
    ({"secret": "ab"}, "found a field that is out of its range, or damaged"),
    ({"window": "2"}, "found a field that is out of its range, or damaged"),
    ({"extra": 1}, "found other fields than"),
])  # fmt: skip
def test_other_keys_are_refused_in_words_that_tell_no_secret(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    keys = MarkKeys(tmp_path)
    path = keys.new("one", key())
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError) as caught:
        keys.read("one")
    assert words in str(caught.value)
    assert (b"s" * 32).hex() not in str(caught.value)


def test_absent_open_and_misnamed_keys_are_named(tmp_path: Path) -> None:
    keys = MarkKeys(tmp_path)
    with pytest.raises(InputError, match="a key of marks at .*absent.json; found No such file"):
        keys.read("absent")
    with pytest.raises(InputError, match=r"found '\.\./x'"):
        keys.read("../x")
    keys.new("open", key()).chmod(0o644)
    with pytest.raises(InputError, match="only its owner can read; found mode 0644"):
        keys.read("open")


def test_marked_answers_are_green_and_others_are_not() -> None:
    model, generator = make_model(V), torch.Generator().manual_seed(0)

    def pick(logits: torch.Tensor, _rows: torch.Tensor, _step: int) -> torch.Tensor:
        return torch.multinomial(logits.softmax(1), 1, generator=generator).squeeze(1)

    prompts = [[3, 4, 5], [6, 7]]
    plain = decode(model, V, set(), prompts, 8, 30, pick)
    green = decode(model, V, set(), prompts, 8, 30, marks(key(), pick))
    shares = [tally_closed(key(), [Written(answer.tokens) for answer in one]) for one in (plain, green)]
    assert upper_tail(shares[0].green, shares[0].pairs, 0.25) > 1e-3
    assert upper_tail(shares[1].green, shares[1].pairs, 0.25) < 1e-20


def test_a_reader_says_what_the_logits_say() -> None:
    model, tokenizer = make_model(V), make_tokenizer()
    reader = Reader("tiny", of_value("tiny"), of_value("vocabulary"), model, tokenizer, 0)
    sequences = [TokenSequence(tuple(range(3, 3 + n)), 2) for n in (5, 9, 2, 7)]
    told: list[tuple[int, int]] = []
    likeliest = reader.likeliest(sequences, lambda done, of: told.append((done, of)))
    logps = reader.log_likelihoods(sequences)
    assert told[-1] == (4, 4)
    for sequence, tokens, logp in zip(sequences, likeliest, logps, strict=True):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([sequence.ids])).logits[0, 1:-1, :V]
        assert tokens.tolist() == logits.argmax(1).tolist()
        wanted = logits.log_softmax(1)[range(len(logits)), list(sequence.ids[2:])]
        assert logp == pytest.approx(wanted.numpy(), abs=1e-5)
    with pytest.raises(InputError, match=f"token ids below {V}, the vocabulary of tiny"):
        reader.likeliest([TokenSequence((3, V), 1)])


def test_what_was_read_once_is_not_read_again() -> None:
    model, tokenizer = make_model(V), make_tokenizer()
    reader = Reader("tiny", of_value("tiny"), of_value("vocabulary"), model, tokenizer, 0)
    remembered = Remembered(reader)
    one, other = TokenSequence((3, 4, 5, 6), 2), TokenSequence((7, 8, 9), 1)
    told: list[tuple[int, int]] = []
    first = remembered.log_likelihoods([one, other, one])
    again = remembered.log_likelihoods([other, one], lambda done, of: told.append((done, of)))
    assert told == [], "nothing was read"
    assert [logp.tolist() for logp in again] == [first[1].tolist(), first[0].tolist()]
    assert first[2].tolist() == first[0].tolist()
    assert first[0] == pytest.approx(reader.log_likelihoods([one])[0], abs=1e-5)
    assert remembered.likeliest([other])[0].tolist() == reader.likeliest([other])[0].tolist()
    assert (remembered.name, remembered.digest, remembered.vocabulary) == (
        reader.name, reader.digest, reader.vocabulary,
    )  # fmt: skip
    assert remembered.tokenizer is tokenizer
