"""What providers tell each other: valid STIX, no text, and nothing that is proof of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import stix2
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.errors import InputError
from inbond.guard import sighted, stix
from inbond.guard.marks import About, read
from inbond.guard.sketch import EMPTY
from inbond.guard.stix import Finding, SharedKey

KEY, OTHER = SharedKey(b"k" * 32), SharedKey(b"o" * 32)
AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
WORDS = (
    "grade the following answer step by step against the rubric below and give a mark from one to ten for "
    "each of clarity correctness depth and style then write down all your reasoning as numbered steps in full"
)


def template(text: str = WORDS) -> tuple[int, ...]:
    """The pieces that detection makes of a text."""
    mark = read(About(0.0, "r", "a"), "", text)
    parts = enumerate((*mark.system, *mark.user))
    return tuple(place << 32 | number for place, number in parts if number != EMPTY)


def finding(name: str = "c1", text: str = WORDS) -> Finding:
    families = ("coordination.payment", "template")
    return Finding(name, "payment", AT - timedelta(days=2), AT, 40, 5_000, families, 85, template(text))


def likeness(seen: sighted.Sighted, text: str = WORDS, key: SharedKey = KEY) -> float:
    return seen.likeness(stix.tokens(template(text), key))


def told(*findings: Finding, key: SharedKey = KEY, tlp: stix.Tlp = "amber", days: int = 30) -> bytes:
    return stix.bundle(findings or (finding(),), "例の会社", key, AT, days=days, tlp=tlp)


def test_a_bundle_is_valid_stix_that_says_who_how_sure_and_until_when() -> None:
    found = stix2.parse(told().decode(), allow_custom=False)
    kinds = [item.type for item in found.objects]
    assert set(kinds) == {
        "marking-definition", "identity", "extension-definition", "course-of-action", "campaign", "indicator",
        "sighting", "relationship",
    }  # fmt: skip
    (indicator,) = [item for item in found.objects if item.type == "indicator"]
    assert (indicator.confidence, indicator.valid_until) == (85, AT + timedelta(days=30))
    (campaign,) = [item for item in found.objects if item.type == "campaign"]
    assert campaign.external_references[0].external_id == "AML.T0024.002"
    assert all(
        item.get("object_marking_refs") == [stix2.TLP_AMBER.id]
        for item in found.objects
        if item.type != "marking-definition"
    )


def test_no_word_of_a_template_is_in_it_and_without_the_key_no_guess_can_be_tested() -> None:
    text = told().decode()
    assert not any(word in text for word in ("rubric", "numbered", "clarity"))
    (seen,) = sighted.read("x", told(), AT)
    assert likeness(seen) == 1.0
    assert likeness(seen, key=OTHER) == 0.0


def test_another_provider_knows_the_template_again_though_its_slots_differ() -> None:
    (seen,) = sighted.read("x", told(), AT)
    slots = WORDS.replace("clarity", "brevity")
    assert 0.2 < likeness(seen, slots) < 1.0
    assert likeness(seen, "translate this recipe for a cake with cherries into Dutch please") == 0.0
    assert (seen.provider, seen.accounts, seen.tlp) == ("例の会社", 40, "amber")
    assert seen.campaign == stix.campaign_of(finding(), "例の会社", KEY)
    assert seen.families == ("coordination.payment", "template")


def test_the_same_findings_make_the_same_bytes() -> None:
    assert told() == told()
    assert (
        told(finding("c1"), finding("c2", "another text of some length that is not alike at all")) != told()
    )


def test_what_has_ended_is_not_read_any_more() -> None:
    assert sighted.read("x", told(days=30), AT + timedelta(days=29, hours=23))
    assert not sighted.read("x", told(days=30), AT + timedelta(days=30))


@pytest.mark.parametrize("field", ["confidence", "valid_until", "object_marking_refs"])
def test_nothing_is_taken_without_confidence_end_and_level(field: str) -> None:
    value = json.loads(told())
    for item in value["objects"]:
        if item["type"] == "indicator":
            del item[field]
    with pytest.raises(InputError) as caught:
        sighted.read("bundle.json", json.dumps(value).encode(), AT)
    named = "a TLP level" if field == "object_marking_refs" else field
    assert caught.value.found.endswith(f"without {named}")
    assert caught.value.expected == "a STIX 2.1 bundle with templates of Inbond in bundle.json"


def test_others_objects_are_passed_over() -> None:
    value = json.loads(told())
    value["objects"].append(
        {
            "type": "malware", "spec_version": "2.1", "id": f"malware--{uuid4()}",
            "created": "2026-01-01T00:00:00Z", "modified": "2026-01-01T00:00:00Z", "is_family": False,
        }
    )  # fmt: skip
    assert len(sighted.read("x", json.dumps(value).encode(), AT)) == 1


CARD = "payment:477b9cf1a0d2e3b4"


def test_no_id_in_a_bundle_can_be_tested_by_guessing_without_the_key() -> None:
    """A group's id is made of a card's hash, a template's of one of its pieces: neither is told."""
    text = told(finding(CARD), finding(f"template:{template()[0]:016x}")).decode()
    assert CARD.partition(":")[2] not in text
    assert f"{template()[0]:x}" not in text
    assert str(template()[0]) not in text
    ids = {
        item["id"]
        for bundle in (text, told(finding(CARD), key=OTHER).decode())
        for item in json.loads(bundle)["objects"]
        if item["type"] in ("campaign", "indicator", "sighting", "relationship")
    }
    assert len(ids) == 10, "under another key all of them are others"


def test_a_campaign_keeps_its_name_while_its_template_does() -> None:
    one, later = finding(CARD), replace(finding(CARD), requests=9_000, pieces=(*template()[:1], 5, 6))
    assert stix.campaign_of(one, "P", KEY) == stix.campaign_of(later, "P", KEY)
    assert stix.campaign_of(one, "P", KEY) != stix.campaign_of(one, "Q", KEY)


@pytest.mark.parametrize(
    ("shared", "other", "alike"), [(3, 0, 0.0), (4, 12, 0.25), (4, 13, 0.0), (8, 8, 0.5)]
)
def test_it_takes_several_pieces_to_be_alike(shared: int, other: int, alike: float) -> None:
    (seen,) = sighted.read("x", told(), AT)
    mine = sorted(seen.tokens)[:shared] + [f"{n:032x}" for n in range(other)]
    assert seen.likeness(frozenset(mine)) == alike


def test_a_bundle_of_a_million_tokens_resembles_nothing() -> None:
    value = json.loads(told())
    (indicator,) = [item for item in value["objects"] if item["type"] == "indicator"]
    indicator["extensions"][stix.EXTENSION]["tokens"] = [f"{n:032x}" for n in range(257)]
    with pytest.raises(InputError) as caught:
        sighted.read("x", json.dumps(value).encode(), AT)
    assert caught.value.found.endswith(" with more than 256 tokens")


@pytest.mark.parametrize("days", [0, 91])
def test_nothing_is_told_for_longer_than_90_days(days: int) -> None:
    with pytest.raises(InputError) as caught:
        told(days=days)
    assert (caught.value.expected, caught.value.found) == (
        "a bundle that is valid for 1 to 90 days", str(days),
    )  # fmt: skip
    assert sighted.read("x", told(days=90), AT)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"valid_until": "2999-01-01T00:00:00Z"}, ", valid for 355,055 days, more than 90"),
        (
            {"created": "2998-12-01T00:00:00Z", "modified": "2998-12-01T00:00:00Z",
             "valid_until": "2999-01-01T00:00:00Z"},
            ", made on 2998-12-01, which is not yet",
        ),
    ],
)  # fmt: skip
def test_nothing_is_taken_that_ends_too_late(fields: dict[str, str], found: str) -> None:
    value = json.loads(told())
    for item in value["objects"]:
        if item["type"] == "indicator":
            item.update(fields)
    with pytest.raises(InputError) as caught:
        sighted.read("x", json.dumps(value).encode(), AT)
    assert caught.value.found.endswith(found)


def test_a_short_key_is_refused_and_none_is_shown() -> None:
    assert "kkkk" not in repr(KEY)
    with pytest.raises(InputError) as caught:
        SharedKey(b"short")
    assert (caught.value.expected, caught.value.found) == ("a shared key of at least 32 bytes", "5 bytes")


@settings(max_examples=150)
@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["type", "objects", "id", "spec_version", "extensions", "name"]), inner, max_size=4),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_nonsense_is_an_error_of_its_own_kind(data: bytes) -> None:
    try:
        assert sighted.read("x", data, AT) == ()
    except InputError as error:
        assert error.expected == "a STIX 2.1 bundle with templates of Inbond in x"


@given(st.sets(st.integers(1, 2**48), max_size=40))
def test_a_token_for_each_piece_and_another_under_each_key(found: set[int]) -> None:
    assert len(stix.tokens(found, KEY)) == len(found)
    assert not stix.tokens(found, KEY) & stix.tokens(found, OTHER)
