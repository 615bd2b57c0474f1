"""Tests for planted marks: radioactivity, open and closed, planted choices and canaries."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final

from inbond.digest import Digest
from inbond.errors import InputError
from inbond.forensics import planted, radioactivity
from inbond.forensics.finding import Finding
from inbond.forensics.green import GreenKey
from inbond.forensics.lots import CANARY, CHOICE, LotKey, canaries, ranks
from inbond.forensics.radioactivity import Read, Window, Written
from inbond.recipes.examining import Case, Ingredient, Trial
from inbond.recipes.ingredients import Said
from inbond.teachers.protocols import TokenSequence
from inbond.teachers.tokens import encode_answer, encode_record, vocabulary_digest
from inbond.types import Message, Prompt, Record

_SEED: Final = 0
"""Of the order in which texts are read, where there are more than may be read."""


def _open(case: Case, key: GreenKey, level: float) -> Sequence[Finding]:
    """Reads the texts at hand, and looks at what the suspect finds likeliest."""
    tokenizer = case.tokenizer()
    _check_vocabulary(case, key, vocabulary_digest(tokenizer))
    at_hand = case.given.records
    marked = [] if at_hand is None else at_hand.of(key.id)
    if at_hand is not None and not marked:
        raise InputError(
            expected=f"records that {key.id[:19]} marked",
            found=f"none among the {len(at_hand.records):,} of {at_hand.name}, as their origins say",
            fix="name the key that marked them, or the records that it marked",
        )
    known = known_windows(key, tokenizer, marked) if marked else None
    texts = [Said(record.completion, record.prompt) for record in marked] + list(case.given.texts)
    reads = case.reads()
    sequences = within(cut(sequences_of(tokenizer, texts), case.context()), case.tokens)
    with case.watching("reading", "texts") as show:
        likeliest = reads.likeliest(sequences, show)
    read = [
        Read(sequence.ids, sequence.prompt_length, tokens.tolist())
        for sequence, tokens in zip(sequences, likeliest, strict=True)
    ]
    tally = radioactivity.tally_open(key, read, known)
    return [
        radioactivity.judge(key, tally, access="open", with_records=known is not None, alpha=level),
    ]


def _closed(case: Case, key: GreenKey, level: float) -> Sequence[Finding]:
    """Cuts the suspect's own texts with the key's tokenizer."""
    tokenizer = case.tokenizer_for(key.vocabulary)
    at_hand = case.given.records
    marked = [] if at_hand is None else at_hand.of(key.id)
    known = known_windows(key, tokenizer, marked) if marked else None
    texts = [
        Written(encode_answer(tokenizer, said.text), _plain(tokenizer, said.prompt))
        for said in case.written()
    ]
    tally = radioactivity.tally_closed(key, texts, known)
    return [
        radioactivity.judge(key, tally, access="closed", with_records=known is not None, alpha=level),
    ]


def _check_vocabulary(case: Case, key: GreenKey, found: Digest) -> None:
    if found != key.vocabulary:
        raise InputError(
            expected=f"a suspect with the vocabulary that the key was made for, {key.vocabulary[:19]}",
            found=f"{found[:19]}: its tokens mean nothing to this key",
            fix="test what it writes instead: --prompts FILE, and --tokenizer with the model whose answers "
            "were marked, by whose tokens its texts are then cut"
            if not case.given.prompts
            else "what it writes is tested instead",
        )


def known_windows(key: GreenKey, tokenizer: Any, marked: Sequence[Record]) -> set[Window]:
    """Windows that a token follows in the answers: prompts are not marked."""
    return radioactivity.windows_of(key, (encode_answer(tokenizer, one.completion) for one in marked))


def sequences_of(tokenizer: Any, texts: Sequence[Said]) -> list[TokenSequence]:
    """Each text as the suspect is shown it: after its prompt, where that is known."""
    return [sequence for text in texts if (sequence := _sequence(tokenizer, text)).labels > 0]


def _sequence(tokenizer: Any, said: Said) -> TokenSequence:
    if said.prompt is None:
        ids = encode_answer(tokenizer, said.text)
        return TokenSequence(tuple(ids), 1 if len(ids) > 1 else len(ids))
    prompt = said.prompt
    if tokenizer.chat_template is None and not isinstance(prompt, str):
        prompt = "\n".join(message.content for message in prompt)
    return encode_record(tokenizer, Record(prompt, said.text), ended=False)


def cut(sequences: Sequence[TokenSequence], context: int | None) -> list[TokenSequence]:
    """Texts as far as the suspect can read them; those of which it would read a prompt alone are left out."""
    if context is None:
        return list(sequences)
    shorter = (TokenSequence(one.ids[:context], min(one.prompt_length, context)) for one in sequences)
    return [one for one in shorter if one.labels > 0]


def within(sequences: Sequence[TokenSequence], tokens: int) -> list[TokenSequence]:
    """As many as have at most ``tokens`` labels together, at least one; drawn evenly, in a way that knows no
    key."""
    order = list(range(len(sequences)))
    random.Random(_SEED).shuffle(order)
    kept, left = list[int](), tokens
    for place in order:
        labels = sequences[place].labels
        if labels <= left or not kept:
            kept.append(place)
            left -= labels
    return [sequences[place] for place in sorted(kept)]


def _plain(tokenizer: Any, prompt: Prompt | None) -> list[int]:
    """A prompt's words as tokens: what the suspect may have copied from."""
    if prompt is None:
        return []
    turns = (Message("user", prompt),) if isinstance(prompt, str) else prompt
    return encode_answer(tokenizer, "\n".join(turn.content for turn in turns))


def _canaries(case: Case, key: LotKey, level: float) -> Sequence[Finding]:
    made = canaries(key, case.given.canaries)
    rows = [(one.prompt, one.completions) for one in made]
    found = ranks(_scores(case, rows), [one.planted for one in made])
    return [planted.judge(key, found, alpha=level)]


def _choices(case: Case, key: LotKey, level: float) -> Sequence[Finding]:
    found = case.given.alternatives
    assert found is not None, "the table asks for alternatives"
    if found.mark.get("id") != key.id:
        raise InputError(
            expected=f"the alternatives that {key.id[:19]} chose among",
            found=f"those of {found.mark.get('id')!s:.19}",
            fix="name the key that chose, or the file that was written when it did",
        )
    scores = _scores(case, [(row.prompt, row.answers) for row in found.choices])
    places = ranks(scores, [key.planted(row.name) for row in found.choices])
    return [planted.judge(key, places, alpha=level)]


def _scores(case: Case, rows: Sequence[tuple[Prompt, Sequence[str]]]) -> list[list[float]]:
    """How likely the suspect finds each alternative, in nats, given its prompt."""
    tokenizer, flat = case.tokenizer(), list[TokenSequence]()
    for prompt, texts in rows:
        flat += [_sequence(tokenizer, Said(text, prompt)) for text in texts]
    reads = case.reads()
    with case.watching("reading", "texts") as show:
        sums = [float(each.sum()) for each in reads.log_likelihoods(flat, show)]
    found, place = [], 0
    for _, texts in rows:
        found.append(sums[place : place + len(texts)])
        place += len(texts)
    return found


WEIGHTS: Final = Ingredient(
    "its weights (a suspect such as run: or path:)", lambda case: case.suspect.weights is not None
)
WRITTEN: Final = Ingredient(
    "texts that it wrote (a suspect texts:FILE, or --prompts)",
    lambda case: bool(case.suspect.said or case.given.prompts),
)
_GREEN: Final = Ingredient("a green-list key (--key)", lambda case: bool(case.given.green))
_READING: Final = Ingredient(
    "texts to read it on (--records or --texts)",
    lambda case: case.given.records is not None or bool(case.given.texts),
)
_CHOICE: Final = Ingredient("a choice key (--key)", lambda case: bool(case.given.lots(CHOICE)))
_CANARY: Final = Ingredient("a canary key (--key)", lambda case: bool(case.given.lots(CANARY)))
_ALTERNATIVES: Final = Ingredient(
    "the answers that were chosen among (--alternatives)", lambda case: case.given.alternatives is not None
)

TRIALS: Final = (
    Trial(
        "radioactivity, open",
        "The suspect was shown the texts, and wherever a window of tokens was met for the first time, it was "
        "counted whether the token that it finds likeliest next, not the one that stands there, is green by "
        "the key. Where the marked records were at hand, windows of theirs alone count.",
        (WEIGHTS, _GREEN, _READING),
        _open,
        lambda case: case.given.green,
    ),
    Trial(
        "radioactivity, closed",
        "The suspect's own texts were cut with the key's tokenizer, and of all different pairs of window and "
        "token that no prompt held it was counted how many are green by the key.",
        (WRITTEN, _GREEN),
        _closed,
        lambda case: case.given.green,
    ),
    Trial(
        "planted choice",
        "For each prompt the answers that a lot was drawn among were ranked by how likely the suspect finds "
        "them, and the ranks of those that were planted were added up.",
        (WEIGHTS, _CHOICE, _ALTERNATIVES),
        _choices,
        lambda case: case.given.lots(CHOICE),
    ),
    Trial(
        "canary rank",
        "Of each canary's strings, of which a lot planted one, it was counted at which rank the planted one "
        "stands by how likely the suspect finds them.",
        (WEIGHTS, _CANARY),
        _canaries,
        lambda case: case.given.lots(CANARY),
    ),
)
