"""What providers tell each other: valid STIX, no text, and nothing that is proof of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import stix2
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.errors import InputError
from inbond.guard import share
from inbond.guard.detect.columns import columns
from inbond.guard.detect.templates import pieces
from inbond.guard.marks import About, read
from inbond.guard.share import Finding

KEY, OTHER = b"k" * 32, b"o" * 32
AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
WORDS = (
    "grade the following answer step by step against the rubric below and give a mark from one to ten for "
    "each of clarity correctness depth and style then write down all your reasoning as numbered steps in full"
)


def template(text: str = WORDS) -> tuple[int, ...]:
    """The pieces that detection makes of a text."""
    seen = columns([read(About(0.0, "r", "a"), "", text).to_bytes()])
    (found,) = pieces(seen.sketches, seen.registered).tolist()
    return tuple(piece for piece in found if piece)


def finding(name: str = "c1", text: str = WORDS) -> Finding:
    families = ("coordination.payment", "template")
    return Finding(name, AT - timedelta(days=2), AT, 40, 5_000, families, 85, template(text))


def told(*findings: Finding, key: bytes = KEY, tlp: share.Tlp = "amber", days: int = 30) -> bytes:
    return share.bundle(findings or (finding(),), "例の会社", key, AT, days=days, tlp=tlp)


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
    (seen,) = share.read("x", told(), AT)
    assert seen.likeness(template(), KEY) == 1.0
    assert seen.likeness(template(), OTHER) == 0.0


def test_another_provider_knows_the_template_again_though_its_slots_differ() -> None:
    (seen,) = share.read("x", told(), AT)
    slots = WORDS.replace("clarity", "brevity")
    assert 0.2 < seen.likeness(template(slots), KEY) < 1.0
    assert (
        seen.likeness(template("translate this recipe for a cake with cherries into Dutch please"), KEY)
        == 0.0
    )
    assert (seen.provider, seen.campaign, seen.accounts, seen.tlp) == ("例の会社", "c1", 40, "amber")
    assert seen.families == ("coordination.payment", "template")


def test_the_same_findings_make_the_same_bytes() -> None:
    assert told() == told()
    assert (
        told(finding("c1"), finding("c2", "another text of some length that is not alike at all")) != told()
    )


def test_what_has_ended_is_not_read_any_more() -> None:
    assert share.read("x", told(days=30), AT + timedelta(days=29, hours=23))
    assert not share.read("x", told(days=30), AT + timedelta(days=30))


@pytest.mark.parametrize("field", ["confidence", "valid_until", "object_marking_refs"])
def test_nothing_is_taken_without_confidence_end_and_level(field: str) -> None:
    value = json.loads(told())
    for item in value["objects"]:
        if item["type"] == "indicator":
            del item[field]
    with pytest.raises(InputError) as caught:
        share.read("bundle.json", json.dumps(value).encode(), AT)
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
    assert len(share.read("x", json.dumps(value).encode(), AT)) == 1


def test_a_short_key_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        told(key=b"short")
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
        assert share.read("x", data, AT) == ()
    except InputError as error:
        assert error.expected == "a STIX 2.1 bundle with templates of Inbond in x"


@given(st.sets(st.integers(1, 2**48), max_size=40))
def test_a_token_for_each_piece_and_another_under_each_key(found: set[int]) -> None:
    assert len(share.tokens(found, KEY)) == len(found)
    assert not share.tokens(found, KEY) & share.tokens(found, OTHER)
