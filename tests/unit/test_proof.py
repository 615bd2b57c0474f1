"""Proofs that stand on their own: what is true is proven to anyone, and nothing else is."""

from __future__ import annotations

import contextlib
import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbond import digest
from inbond.errors import InputError, NewerFormatError
from inbond.ledger import chain, proof, records
from inbond.ledger.attest import KeyStore, PublicKey
from inbond.ledger.ledger import Ledger
from inbond.ledger.proof import Proof, check, proof_from_json
from inbond.ledger.proving import prove
from inbond.ledger.sqlite import SqliteStore
from inbond.ledger.verify import Trust, find_target, verify_target
from inbond.workspace import Workspace
from tests.ledger_samples import ROWS, complete, make_workspace
from tests.postgres_server import Server
from tests.unit.test_events import values

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys")


@pytest.fixture
def public(keys: KeyStore) -> PublicKey:
    return keys.signer().public


@pytest.fixture
def workspace(tmp_path: Path, keys: KeyStore) -> Workspace:
    return make_workspace(tmp_path / "bond", keys)


def made(workspace: Workspace, keys: KeyStore, target: str | None = "run:demo", **wanted: Any) -> Proof:
    """What ``verify TARGET --save-proof`` makes."""
    found = find_target(target, workspace)
    report = verify_target(found, Trust(signers=(keys.signer(), *keys.retired())))
    return prove(found, report, record=wanted.get("record"), earlier=wanted.get("earlier"))


@pytest.mark.parametrize("number", range(4))
def test_every_record_is_proven_to_whoever_has_the_key(
    workspace: Workspace, keys: KeyStore, public: PublicKey, number: int
) -> None:
    id_ = ROWS[number].record.id
    kept = proof_from_json(made(workspace, keys, record=id_).to_json())
    shown = check(kept, key=public, record=id_)
    assert shown.problems == ()
    assert shown.proved[1] == f"the record {id_} is one of that artifact's records"
    assert "recorded the artifact" in shown.proved[0]
    assert shown.notes == (f"signatures were checked against the key given: {public.id}",)


def test_no_text_of_the_record_is_in_the_proof(workspace: Workspace, keys: KeyStore) -> None:
    text = str(made(workspace, keys, record=ROWS[0].record.id).to_json())
    assert "質問" not in text
    assert "答え" not in text


def test_a_proof_is_about_its_record_alone(workspace: Workspace, keys: KeyStore) -> None:
    kept = made(workspace, keys, record=ROWS[0].record.id)
    other = ROWS[1].record.id
    assert check(kept, record=other).problems == (f"it is not about the record {other}",)
    assert kept.record is not None
    swapped = replace(kept, record=replace(kept.record, id=other))
    assert check(swapped).problems == (f"the record {other} is not in the artifact that the event recorded",)


def test_an_artifact_is_proven_without_a_record(
    workspace: Workspace, keys: KeyStore, public: PublicKey
) -> None:
    kept = made(workspace, keys, "run:demo/student")
    shown = check(kept, key=public)
    assert shown.ok
    assert "in runs/demo/student, manifest sha256:" in shown.proved[0]
    assert kept.record is None


def test_a_copied_artifact_is_proven_by_its_manifest(
    workspace: Workspace, keys: KeyStore, tmp_path: Path
) -> None:
    (workspace.run("demo") / "data").rename(tmp_path / "copied")
    kept = made(workspace, keys, str(tmp_path / "copied"), record=ROWS[3].record.id)
    assert check(kept).ok


def test_a_ledger_that_grew_is_proven_to_whoever_kept_a_head(
    workspace: Workspace, keys: KeyStore, public: PublicKey
) -> None:
    with Ledger.open(workspace, keys) as ledger:
        head = ledger.head()
        ledger.record("run.started", {"run": "again"})
    kept = made(workspace, keys, None, earlier=head)
    shown = check(kept, key=public, head=head)
    assert shown.problems == ()
    assert shown.proved == (f"the ledger of 6 events begins with the 5 events of the head of {head.at}",)


def test_a_ledger_that_was_signed_again_cannot_be_proven_to_have_grown(
    workspace: Workspace, keys: KeyStore, tmp_path: Path, public: PublicKey
) -> None:
    """The owner of the key makes another history and has to show that it grew from a head given out."""
    with Ledger.open(workspace, keys) as ledger:
        head = ledger.head()
    other = make_workspace(tmp_path / "other", keys)
    with Ledger.open(other, keys) as ledger:
        ledger.record("run.started", {"run": "again"})
    forged = made(other, keys, None, earlier=head)
    assert check(forged, key=public, head=head).problems == (
        f"the ledger of 6 events did not grow from the one of 5 events of {head.at}: some were changed, "
        "cut or signed again",
    )


def test_a_head_that_the_proof_does_not_speak_of_is_a_problem(workspace: Workspace, keys: KeyStore) -> None:
    with Ledger.open(workspace, keys) as ledger:
        head = ledger.head()
        ledger.record("run.started", {"run": "again"})
    problems = check(made(workspace, keys, "run:demo/student"), head=head).problems
    assert problems == (
        f"it says nothing of the head you gave (5 events, {head.root}): ask for a proof made with inbond "
        "verify --head THAT_HEAD --save-proof FILE",
    )


def test_another_key_proves_nothing(workspace: Workspace, keys: KeyStore, tmp_path: Path) -> None:
    kept, other = made(workspace, keys, "run:demo/student"), KeyStore(tmp_path / "other").signer().public
    shown = check(kept, key=other)
    assert [problem.split(" is signed by ")[0] for problem in shown.problems] == [
        "its tree head", "event 3 (stage.completed): it"
    ]  # fmt: skip
    assert shown.to_json()["proved"] == []
    assert "the owner may have lost the old key, or somebody else" in shown.notes[1]


def test_an_unsigned_head_is_worth_as_much_as_the_one_you_kept(workspace: Workspace, keys: KeyStore) -> None:
    kept = made(workspace, keys, "run:demo/student")
    bare = replace(kept, head=replace(kept.head, key=None, signature=None))
    assert check(bare).problems == (
        "its tree head is not signed, so nothing vouches for the ledger behind it",
    )
    assert check(bare, head=kept.head).ok


def test_a_key_that_changed_is_followed_from_the_one_given(
    workspace: Workspace, keys: KeyStore, public: PublicKey
) -> None:
    keys.rotate()
    with Ledger.open(workspace, keys) as ledger:
        complete(workspace, ledger, "student", None)
    kept = made(workspace, keys, "run:demo/student")
    assert kept.head.key == keys.signer().public.id != public.id
    assert check(kept, key=public).ok
    assert check(kept, key=keys.signer().public).ok
    assert not check(replace(kept, keys=()), key=public).ok, "without the introduction nobody knows"


def test_a_ledger_that_has_not_heard_of_the_new_key_has_heads_of_the_old_one(
    workspace: Workspace, keys: KeyStore, public: PublicKey
) -> None:
    keys.rotate()
    kept = made(workspace, keys, "run:demo/student")
    assert kept.head.key == public.id
    assert check(kept, key=public).ok


def test_a_stranger_cannot_vouch_for_a_ledger(workspace: Workspace, tmp_path: Path) -> None:
    stranger = KeyStore(tmp_path / "stranger")
    with pytest.raises(InputError) as caught:
        made(workspace, stranger, "run:demo/student")
    assert caught.value.found == stranger.signer().public.id
    assert caught.value.fix == "ask the ledger's owner for the proof"


@pytest.mark.parametrize(
    ("target", "record", "found"),
    [
        ("run:demo", digest.of_bytes(b"none"), "none that does"),
        ("run:demo", None, "a target with several artifacts, or none"),
        (None, None, "a target with several artifacts, or none"),
    ],
)
def test_what_is_not_there_is_not_proven(
    workspace: Workspace, keys: KeyStore, target: str | None, record: digest.Digest | None, found: str
) -> None:
    with pytest.raises(InputError) as caught:
        made(workspace, keys, target, record=record)
    assert caught.value.found == found


def test_a_record_of_several_artifacts_asks_which(workspace: Workspace, keys: KeyStore) -> None:
    again = workspace.run("demo") / "again"
    again.mkdir()
    with Ledger.open(workspace, keys) as ledger:
        complete(workspace, ledger, "again", records.write_rows(again, ROWS[1:]))
    with pytest.raises(InputError) as caught:
        made(workspace, keys, record=ROWS[1].record.id)
    assert caught.value.found == "several: runs/demo/data, runs/demo/again"
    assert check(made(workspace, keys, "run:demo/again", record=ROWS[1].record.id)).ok


def test_in_a_shared_ledger_it_is_ones_own_artifact_that_is_proven(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workspaces with the same folders and records, two makers, one chain."""
    address = server.new_database()
    url = f"postgresql://postgres@{address.host}:{address.port}/{address.database}"
    monkeypatch.setenv("INBOND_LEDGER", url)
    for name in ("a", "b"):
        own_keys = KeyStore(tmp_path / name / "keys")
        shared = make_workspace(tmp_path / name / "bond", own_keys)
        kept = made(shared, own_keys, record=ROWS[2].record.id)
        with Ledger.open(shared, own_keys) as ledger:
            recorded = [event.digest for event in ledger.events("stage.completed")]
        assert check(kept, key=own_keys.signer().public, record=ROWS[2].record.id).problems == ()
        assert kept.artifact is not None
        assert kept.artifact.entry.digest == recorded[0]
    assert kept.head.size == 12


def test_a_proof_that_holds_nothing_proves_nothing(workspace: Workspace, keys: KeyStore) -> None:
    kept = replace(made(workspace, keys, "run:demo/student"), artifact=None)
    nothing = "it proves nothing: no artifact, no record and no earlier tree head is in it"
    assert check(kept, key=keys.signer().public).problems == (nothing,)
    assert check(kept, head=kept.head).problems == (nothing,)


def test_a_head_of_no_events_shows_nothing(workspace: Workspace, keys: KeyStore) -> None:
    kept = made(workspace, keys, "run:demo/student")
    empty = chain.make_head([], kept.head.at, keys.signer())
    assert check(replace(kept, earlier=proof.Earlier(empty, ()))).problems == (
        "the earlier tree head covers no event: every ledger begins with that",
    )
    with pytest.raises(InputError, match="size 0, which covers nothing"):
        check(kept, head=empty)


def test_the_head_that_was_given_has_to_be_signed_by_one_who_is_known(
    workspace: Workspace, keys: KeyStore, tmp_path: Path
) -> None:
    kept = made(workspace, keys, "run:demo/student")
    stranger = KeyStore(tmp_path / "stranger").signer()
    foreign = replace(kept.head, key=stranger.public.id)
    foreign = replace(foreign, signature=stranger.sign("inbond.head/1", foreign.digest))
    bare = replace(kept, head=replace(kept.head, key=None, signature=None))
    for each in (kept, bare):
        assert check(each, head=foreign).problems == (
            f"the head you gave is signed by {stranger.public.id}, a key that nobody here vouches for",
        )


def test_a_proof_of_a_newer_inbond_is_neither_broken_nor_checked(
    workspace: Workspace, keys: KeyStore
) -> None:
    value = made(workspace, keys, "run:demo/student").to_json()
    for newer in (
        {**value, "format": "inbond.proof/2", "more": 1},
        {**value, "head": {**value["head"], "format": "inbond.head/2"}},
    ):
        with pytest.raises(NewerFormatError) as caught:
            proof_from_json(newer)
        assert caught.value.fix == "pip install --upgrade inbond"


# Nothing else passes -------------------------------------------------------------------------------


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for name, inner in value.items() for leaf in _leaves(inner, (*path, name))]
    if isinstance(value, list):
        return [leaf for number, inner in enumerate(value) for leaf in _leaves(inner, (*path, number))]
    return [path]


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _changed(value: Any, data: st.DataObject) -> Any:
    if isinstance(value, int):
        return value + data.draw(st.sampled_from([-1, 1, 2**40]))
    if isinstance(value, str):
        where = data.draw(st.integers(0, len(value) - 1))
        return (
            value[:where]
            + data.draw(st.characters().filter(lambda c: c != value[where]))
            + value[where + 1 :]
        )
    return data.draw(st.sampled_from([1, "x", [], {}]))


@pytest.fixture
def whole(workspace: Workspace, keys: KeyStore) -> Any:
    """A proof with all its parts, as JSON, of a ledger in which a key has changed."""
    with Ledger.open(workspace, keys) as ledger:
        head = ledger.head()
    keys.rotate()
    with Ledger.open(workspace, keys) as ledger:
        ledger.record("run.started", {"run": "again"})
    value = made(workspace, keys, record=ROWS[2].record.id, earlier=head).to_json()
    assert check(proof_from_json(value)).ok
    return value


@settings(SHARED, max_examples=300)
@given(data=st.data())
def test_any_change_is_found(whole: Any, keys: KeyStore, data: st.DataObject) -> None:
    value = copy.deepcopy(whole)
    path = data.draw(st.sampled_from(_leaves(value)))
    holder = _at(value, path[:-1])
    holder[path[-1]] = _changed(holder[path[-1]], data)
    first = keys.retired()[-1].public
    try:
        shown = check(proof_from_json(value), key=first)
    except InputError:
        return
    # A row's number is in no tree: a proof says that the record is there, not where. And whoever has the
    # first key does not need its own introduction of itself.
    if path[:2] not in (("record", "row"), ("record", "rows"), ("keys", 0)):
        assert not shown.ok, path
    assert shown.ok or shown.to_json()["proved"] == []


@given(value=st.one_of(values, st.fixed_dictionaries({name: values for name in sorted(proof._FIELDS)})))
def test_junk_is_refused_and_never_crashes(value: Any) -> None:
    with pytest.raises(InputError) as caught:
        proof_from_json(value)
    assert caught.value.expected == "a proof of format inbond.proof/1"


@settings(SHARED, max_examples=150)
@given(data=st.data())
def test_a_proof_with_junk_in_it_never_crashes(whole: Any, data: st.DataObject) -> None:
    value = copy.deepcopy(whole)
    path = data.draw(st.sampled_from(_leaves(value)))
    cut = data.draw(st.integers(1, len(path)))
    _at(value, path[: cut - 1])[path[cut - 1]] = data.draw(values)
    with contextlib.suppress(InputError):
        check(proof_from_json(value))


def test_the_events_of_another_ledger_are_not_in_this_one(
    workspace: Workspace, keys: KeyStore, tmp_path: Path
) -> None:
    """An event that the same key signed elsewhere does not pass under this ledger's head."""
    other = make_workspace(tmp_path / "other", keys)
    kept, stranger = made(workspace, keys, "run:demo/student"), made(other, keys, "run:demo/student")
    mixed = replace(kept, artifact=stranger.artifact)
    assert check(mixed).problems == ("event 3 (stage.completed): it is not in the ledger of that head",)


def test_an_event_of_another_kind_records_no_artifact(workspace: Workspace, keys: KeyStore) -> None:
    kept = made(workspace, keys, "run:demo/student")
    with contextlib.closing(SqliteStore.open_existing(workspace.ledger)) as store:
        entries = list(store.read())
    assert check(replace(kept, artifact=proof.place(entries, 4))).problems == (
        "event 4 (file.written): it records no artifact",
    )


def test_an_introduction_that_nobody_trusted_signed_brings_no_key(tmp_path: Path) -> None:
    mine, thief = KeyStore(tmp_path / "a").signer(), KeyStore(tmp_path / "b").signer()
    body = {"algorithm": "ed25519", "public_key": thief.public.to_pem(), "id": thief.public.id}
    at = "2026-11-22T00:00:00.000000Z"
    event, entry = chain.next_entry(None, at=at, kind="key.introduced", body=body, signer=thief)
    assert chain.vouched_for([entry], mine.public) == {mine.public.id: mine.public}
    forged = replace(entry, signature=mine.sign("inbond.head/1", event.digest))
    assert chain.vouched_for([forged], mine.public) == {mine.public.id: mine.public}
    vouched = chain.next_entry(None, at=at, kind="key.introduced", body=body, signer=mine)[1]
    assert set(chain.vouched_for([vouched], mine.public)) == {mine.public.id, thief.public.id}
