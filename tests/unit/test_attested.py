"""A student's folder alone, with a public key: whatever was changed, added or left out is named."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbond import digest
from inbond.errors import InputError, NewerFormatError
from inbond.ledger import chain, envelope, manifest
from inbond.ledger.attest import KeyStore, PublicKey
from inbond.ledger.attested import MODEL, PROVENANCE, VERIFICATION, check_folder
from inbond.ledger.ledger import Ledger, now
from inbond.ledger.manifest import Identity, Manifest
from inbond.workspace import Workspace
from tests.unit.test_events import values

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
FILES = {"model.safetensors": bytes(range(90)), "README.md": b"# tiny\n", "深い/tokenizer.json": b"{}"}


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys")


@pytest.fixture
def ledger_workspace(tmp_path: Path, keys: KeyStore) -> Workspace:
    workspace = Workspace(tmp_path / "bond")
    with Ledger.open(workspace, keys) as ledger:
        ledger.record("run.started", {"run": "tiny"})
    return workspace


def attest(folder: Path, workspace: Workspace, keys: KeyStore, **changes: Any) -> None:
    """Writes statements and manifest as a run's export does."""
    made = Manifest(Identity("export", 1, {}, {}), manifest.digest_files(folder))
    subjects = {**made.files, manifest.NAME: made.digest}
    with Ledger.open(workspace, keys) as ledger:
        gate = {"inbond": {"gate": "diversity", "outcome": "fail"}}
        others = [
            ledger.seal(envelope.statement(changes.get("other_subjects", subjects), PROVENANCE, {})),
            ledger.seal(envelope.statement(subjects, VERIFICATION, gate)),
        ]
        model = {
            "name": "tiny",
            "created": now(),
            "ledger": ledger.head().to_json(),
            "keys": [entry.to_json() for entry in ledger.introductions()],
            "statements": [digest.of_bytes(each.payload) for each in others],
        }
        first = ledger.seal(envelope.statement(subjects, MODEL, {**model, **changes.get("model", {})}))
    (folder / envelope.NAME).write_bytes(envelope.encode([first, *others]))
    manifest.write(folder, made)


@pytest.fixture
def student(tmp_path: Path, ledger_workspace: Workspace, keys: KeyStore) -> Path:
    folder = tmp_path / "student"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    attest(folder, ledger_workspace, keys)
    return folder


@pytest.fixture
def public(keys: KeyStore) -> PublicKey:
    return keys.signer().public


def test_an_untouched_folder_is_what_was_signed(student: Path, public: PublicKey) -> None:
    shown = check_folder(student, key=public)
    assert shown.problems == ()
    assert shown.proved[0].startswith(
        f"the key {public.id} signed these 4 files, and no others, as the student 'tiny' of "
    )
    assert shown.proved[1:] == (
        "that key also signed how the run made them",
        "that key also signed the verdict of the diversity gate: fail",
    )
    assert "that what the statements say was true when they were signed" in shown.not_proved
    assert shown.notes == (f"signatures were checked against the key given: {public.id}",)


def test_without_a_key_it_says_what_that_is_worth(student: Path) -> None:
    shown = check_folder(student)
    assert shown.ok
    assert shown.notes == (
        "signatures were checked against the keys that the folder itself brings: that proves that nothing "
        "was changed since signing, not who signed; give a public key with --key to check who",
    )


NAMES = [*FILES, "manifest.json", "attestation.jsonl"]


@settings(SHARED, max_examples=200)
@given(name=st.sampled_from(NAMES), data=st.data())
def test_any_changed_byte_of_any_file_is_named(
    student: Path, public: PublicKey, name: str, data: st.DataObject
) -> None:
    path = student / name
    old = path.read_bytes()
    where = data.draw(st.integers(0, len(old) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != old[where]))
    path.write_bytes(old[:where] + bytes([byte]) + old[where + 1 :])
    try:
        problems = check_folder(student, key=public).problems
    finally:
        path.write_bytes(old)
    assert problems[0].startswith(f"{name}: ")


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_missing_file_is_named(student: Path, public: PublicKey, name: str) -> None:
    (student / name).unlink()
    assert check_folder(student, key=public).problems == (
        f"{name}: it is missing; the signed statement recorded it",
    )


def test_extra_files_are_named_also_links_and_pipes(student: Path, public: PublicKey, tmp_path: Path) -> None:
    (student / "深い" / "added_tokens.json").write_text("{}")
    (student / "link").symlink_to(tmp_path)
    os.mkfifo(student / "pipe")
    assert check_folder(student, key=public).problems == (
        "link: no signed statement speaks of this file",
        "pipe: no signed statement speaks of this file",
        "深い/added_tokens.json: no signed statement speaks of this file",
    )


def test_another_key_is_not_the_maker(student: Path, tmp_path: Path) -> None:
    other = KeyStore(tmp_path / "other").signer().public
    shown = check_folder(student, key=other)
    problems = shown.problems
    assert len(problems) == 3
    assert "the owner may have lost the old key, or somebody else" in shown.notes[1]
    assert all("which is neither the key given with --key nor one that it has" in each for each in problems)


def test_another_maker_is_found_by_the_key_alone(student: Path, tmp_path: Path, public: PublicKey) -> None:
    """Somebody changes the weights and signs everything anew."""
    (student / "model.safetensors").write_bytes(b"poisoned")
    for name in (envelope.NAME, manifest.NAME):
        (student / name).unlink()
    thief = KeyStore(tmp_path / "thief")
    with Ledger.open(Workspace(tmp_path / "theirs"), thief) as ledger:
        ledger.record("run.started", {})
    attest(student, Workspace(tmp_path / "theirs"), thief)
    assert check_folder(student).ok
    assert not check_folder(student, key=public).ok


def test_a_verdict_cannot_be_left_out(student: Path, public: PublicKey) -> None:
    path = student / envelope.NAME
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in ([0, 1], [0, 2, 1], [0, 1, 1], [0]):
        path.write_bytes(b"".join(lines[number] for number in kept))
        assert check_folder(student, key=public).problems == (
            "attestation.jsonl: its statements are not those that the first one names",
        )
    path.write_bytes(b"".join(lines[1:]))
    (problem,) = check_folder(student, key=public).problems
    assert problem.startswith("attestation.jsonl: it was changed; found a first statement of type")


def test_a_statement_about_other_files_is_named(
    student: Path, ledger_workspace: Workspace, keys: KeyStore, public: PublicKey
) -> None:
    for name in (envelope.NAME, manifest.NAME):
        (student / name).unlink()
    attest(student, ledger_workspace, keys, other_subjects={"x": digest.of_bytes(b"")})
    assert check_folder(student, key=public).problems == (
        "attestation.jsonl: statement 2 is not about the same files as the first",
    )


def test_the_key_that_was_given_out_first_still_serves_after_a_change(
    student: Path, ledger_workspace: Workspace, keys: KeyStore, public: PublicKey
) -> None:
    new = keys.rotate().new
    with Ledger.open(ledger_workspace, keys) as ledger:
        ledger.record("run.started", {"run": "tiny"})
    for name in (envelope.NAME, manifest.NAME):
        (student / name).unlink()
    attest(student, ledger_workspace, keys)
    shown = check_folder(student, key=public)
    assert shown.ok
    assert shown.proved[0].startswith(f"the key {new.id} signed")
    assert check_folder(student, key=new).ok


def test_a_head_that_was_kept_is_compared(
    student: Path, ledger_workspace: Workspace, keys: KeyStore, public: PublicKey
) -> None:
    with Ledger.open(ledger_workspace, keys) as ledger:
        head = ledger.head()
    shown = check_folder(student, key=public, head=head)
    assert shown.notes[1] == "its maker's ledger of 2 events is that of the head you gave"
    assert shown.head is not None
    assert shown.head.root == head.root
    signer = keys.signer()
    other = chain.make_head([bytes(32)] * 2, head.at, signer)
    assert check_folder(student, key=public, head=other).problems == (
        "its maker's ledger of 2 events is not the one of the head you gave: one of them was changed and "
        "signed again",
    )
    larger = check_folder(student, key=public, head=chain.make_head([bytes(32)] * 9, head.at, signer))
    assert larger.ok
    assert "ask the maker for a proof that the one grew from the other" in larger.notes[1]


def test_the_signature_of_a_head_that_was_kept_is_looked_at(
    student: Path, ledger_workspace: Workspace, keys: KeyStore, public: PublicKey, tmp_path: Path
) -> None:
    with Ledger.open(ledger_workspace, keys) as ledger:
        head = ledger.head()
    stranger = KeyStore(tmp_path / "stranger").signer()
    foreign = replace(head, key=stranger.public.id)
    foreign = replace(foreign, signature=stranger.sign("inbond.head/1", foreign.digest))
    nobody = f"the head you gave is signed by {stranger.public.id}, a key that nobody here vouches for"
    unfit = "the head you gave has a signature that does not fit what it says"
    for kept, problems in (
        (foreign, (nobody,)),
        (replace(head, at="2027" + head.at[4:]), (unfit,)),
        (replace(head, key=None, signature=None), ()),
    ):
        assert check_folder(student, key=public, head=kept).problems == problems
    with pytest.raises(InputError, match="size 0, which covers nothing"):
        check_folder(student, key=public, head=chain.make_head([], head.at, None))


def test_a_student_of_a_newer_inbond_is_neither_changed_nor_verified(
    student: Path, ledger_workspace: Workspace, keys: KeyStore
) -> None:
    with Ledger.open(ledger_workspace, keys) as ledger:
        sealed = ledger.seal(envelope.statement({}, "urn:inbond:attestation:model:2", {"new": True}))
    (student / envelope.NAME).write_bytes(envelope.encode([sealed]))
    with pytest.raises(NewerFormatError) as caught:
        check_folder(student)
    assert caught.value.to_json() == {
        "expected": "a first statement of format urn:inbond:attestation:model:1",
        "found": "format urn:inbond:attestation:model:2, of a newer Inbond, so that it can be neither "
        "verified nor called changed",
        "fix": "pip install --upgrade inbond",
    }


def test_a_link_out_of_the_folder_is_no_signed_file(student: Path, public: PublicKey, tmp_path: Path) -> None:
    (student / "README.md").rename(tmp_path / "README.md")
    (student / "README.md").symlink_to("../README.md")
    assert check_folder(student, key=public).problems == (
        "README.md: it is a link that leads out of the folder, to ../README.md",
    )


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "", "a/../b", "a\x00b"])
def test_names_that_lead_outside_are_not_followed(
    student: Path, ledger_workspace: Workspace, keys: KeyStore, name: str
) -> None:
    with Ledger.open(ledger_workspace, keys) as ledger:
        model = {"ledger": ledger.head().to_json(), "statements": []}
        model["keys"] = [entry.to_json() for entry in ledger.introductions()]
        sealed = ledger.seal(envelope.statement({name: digest.of_bytes(b"")}, MODEL, model))
    (student / envelope.NAME).write_bytes(envelope.encode([sealed]))
    problem = check_folder(student).problems[0]
    assert problem.startswith("attestation.jsonl: it speaks of path ")


@settings(SHARED, max_examples=100)
@given(junk=st.dictionaries(st.sampled_from(["ledger", "keys", "statements", "name", "created"]), values))
def test_a_signed_statement_full_of_junk_never_crashes(
    student: Path, ledger_workspace: Workspace, keys: KeyStore, junk: dict[str, Any]
) -> None:
    copy = student.parent / "junk"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(student, copy)
    for name in (envelope.NAME, manifest.NAME):
        (copy / name).unlink()
    attest(copy, ledger_workspace, keys, model=junk)
    shown = check_folder(copy)
    assert shown.ok == (not {"ledger", "keys", "statements"} & set(junk))


def test_a_folder_without_statements_is_no_folder_to_check(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        check_folder(tmp_path)
    assert caught.value.expected == f"the statements of a student at {tmp_path}/attestation.jsonl"
