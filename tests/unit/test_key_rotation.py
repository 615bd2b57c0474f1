"""A key changes: ledgers follow, whoever has the first public key too, and no kill leaves it half-done."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inbond.errors import InputError
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.ledger.verify import verify_workspace
from inbond.workspace import Workspace


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys")


def record(home: Path, keys: KeyStore, kind: str = "step.done") -> None:
    with Ledger.open(Workspace(home), keys) as ledger:
        ledger.record(kind, {})


def kinds(home: Path, keys: KeyStore) -> list[str]:
    with Ledger.open(Workspace(home), keys) as ledger:
        return [event.kind for event in ledger.events()]


def test_a_rotation_makes_a_new_key_and_keeps_the_old_one_private(keys: KeyStore) -> None:
    old = keys.signer().public
    changed = keys.rotate()
    assert changed.old == old
    assert keys.signer().public == changed.new != old
    assert [signer.public for signer in keys.retired()] == [old]
    assert keys.public_keys() == (changed.new,)
    assert changed.kept.name.startswith("signing-")
    assert [path.stat().st_mode & 0o777 for path in keys.folder.glob("*.pem")] == [0o600, 0o600]


def test_there_has_to_be_a_key_to_change(keys: KeyStore) -> None:
    with pytest.raises(InputError) as caught:
        keys.rotate()
    assert caught.value.expected == f"a signing key at {keys.folder}/signing.pem to change for a new one"
    assert not keys.folder.exists()


def test_every_ledger_hears_of_it_with_its_next_event(keys: KeyStore, tmp_path: Path) -> None:
    first = keys.signer().public
    for name in ("a", "b"):
        record(tmp_path / name, keys)
    keys.rotate()
    for name in ("a", "b"):
        record(tmp_path / name, keys)
        record(tmp_path / name, keys)
        assert kinds(tmp_path / name, keys) == [
            "key.introduced", "step.done", "key.introduced", "step.done", "step.done"
        ]  # fmt: skip
        assert verify_workspace(Workspace(tmp_path / name), key=first).problems == ()


def test_a_ledger_that_missed_several_changes_is_brought_up_by_the_key_it_knows(
    keys: KeyStore, tmp_path: Path
) -> None:
    first = keys.signer().public
    record(tmp_path / "old", keys)
    for _ in range(3):
        keys.rotate()
    record(tmp_path / "old", keys)
    report = verify_workspace(Workspace(tmp_path / "old"), key=first)
    assert report.problems == ()
    assert report.checked.events == 4
    assert len(keys.retired()) == 3


def test_a_new_ledger_begins_with_the_new_key_alone(keys: KeyStore, tmp_path: Path) -> None:
    keys.signer()
    new = keys.rotate().new
    record(tmp_path / "new", keys)
    assert verify_workspace(Workspace(tmp_path / "new"), key=new).ok


def test_introducing_at_once_and_only_once(keys: KeyStore, tmp_path: Path) -> None:
    first = keys.signer().public
    record(tmp_path / "bond", keys)
    with Ledger.open(Workspace(tmp_path / "bond"), keys) as ledger:
        assert ledger.introduce() is None, "it is known"
        new = keys.rotate().new
        event = ledger.introduce()
        assert event is not None
        assert (event.key, event.body["id"]) == (first.id, new.id)
        assert ledger.introduce() is None
    record(tmp_path / "bond", keys)
    assert kinds(tmp_path / "bond", keys).count("key.introduced") == 2


def test_nobody_is_introduced_into_a_strangers_ledger(keys: KeyStore, tmp_path: Path) -> None:
    record(tmp_path / "theirs", KeyStore(tmp_path / "stranger"))
    keys.signer()
    keys.rotate()
    with Ledger.open(Workspace(tmp_path / "theirs"), keys) as ledger:
        assert ledger.introduce() is None


def test_a_process_at_work_goes_on_with_the_key_it_has(keys: KeyStore, tmp_path: Path) -> None:
    first = keys.signer().public
    with Ledger.open(Workspace(tmp_path / "bond"), keys) as ledger:
        ledger.record("step.one", {})
        keys.rotate()
        record(tmp_path / "bond", keys, "step.two")
        ledger.record("step.three", {})
    assert verify_workspace(Workspace(tmp_path / "bond"), key=first).problems == ()


def test_a_lost_key_is_noted_and_a_pin_on_it_says_what_to_do(keys: KeyStore, tmp_path: Path) -> None:
    first = keys.signer().public
    record(tmp_path / "bond", keys)
    (keys.folder / "signing.pem").unlink()
    record(tmp_path / "bond", keys)
    advice = (
        "a key that no earlier one vouches for: the owner may have lost the old key, or somebody else "
        "wrote here; ask the owner for the new public key, and compare with a tree head that you kept "
        "(docs/keys.md)"
    )
    report = verify_workspace(Workspace(tmp_path / "bond"))
    assert report.ok
    assert report.notes[1].endswith("introduces itself; no earlier key vouches for it")
    assert report.notes[2] == advice
    pinned = verify_workspace(Workspace(tmp_path / "bond"), key=first)
    assert "which is neither the key given with --key" in pinned.problems[0]
    assert advice in pinned.notes


def test_a_retired_key_that_others_can_read_is_refused(keys: KeyStore, tmp_path: Path) -> None:
    keys.signer()
    record(tmp_path / "bond", keys)
    keys.rotate().kept.chmod(0o644)
    with pytest.raises(InputError, match=r"a signing key at .*signing-.* that only its owner can read"):
        record(tmp_path / "bond", keys)


def test_those_that_can_be_used_are_told_from_those_that_cannot(keys: KeyStore) -> None:
    assert keys.usable() == ([], [])
    assert keys.last_rotation() is None
    first = keys.signer()
    second, third = keys.rotate(), keys.rotate()
    assert [each.public for each in keys.usable()[0]] == [third.new, second.new, first.public]
    assert keys.last_rotation() == third
    second.kept.chmod(0o644)
    signers, (refused,) = keys.usable()
    assert [each.public for each in signers] == [third.new, second.new]
    assert refused.found == "mode 0644"


def test_what_a_kill_left_of_a_change_is_cleared_away_by_the_next(keys: KeyStore) -> None:
    old = keys.signer().public
    (keys.folder / "signing-20260101T000000.000000Z.pem").write_bytes(
        (keys.folder / "signing.pem").read_bytes()
    )
    (keys.folder / "signing-20260101T000000.000000Z.pem").chmod(0o600)
    (keys.folder / ".signing.pem.x1y2").write_bytes(b"half")
    assert keys.retired() == (), "the key in use is no retired one"
    keys.rotate()
    assert [signer.public for signer in keys.retired()] == [old]
    assert sorted(path.name[:8] for path in keys.folder.iterdir()) == [".lock", "signing-", "signing."]


def test_processes_that_change_keys_together_take_turns(keys: KeyStore) -> None:
    keys.signer()
    code = (
        "import sys; from pathlib import Path; from inbond.ledger.attest import KeyStore\n"
        "sys.stdin.readline(); print(*(KeyStore(Path(sys.argv[1])).rotate().new.id for _ in range(5)))"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(keys.folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    made = {id_ for child in children for id_ in child.communicate("go\n")[0].split()}
    assert len(made) == 15
    kept = [signer.public.id for signer in keys.retired()]
    assert len(set(kept)) == len(kept) == 15
    assert set(kept) - made == {kept[-1]}, "the first key, and all new ones but the one in use"
    assert made - set(kept) == {keys.signer().public.id}


ROTATE_FOR_EVER = """
import sys
from pathlib import Path
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.workspace import Workspace
keys, home = KeyStore(Path(sys.argv[1])), Path(sys.argv[2])
print("ready", flush=True)
while True:
    keys.rotate()
    with Ledger.open(Workspace(home), keys) as ledger:
        ledger.introduce()
        ledger.record("step.done", {})
"""


@pytest.mark.slow
def test_kill_9_while_a_key_changes_leaves_a_key_and_ledgers_that_the_first_vouches_for(
    keys: KeyStore, tmp_path: Path
) -> None:
    chance = random.Random(11)
    first = keys.signer().public
    for name in ("busy", "quiet"):
        record(tmp_path / name, keys)
    for _ in range(10):
        child = subprocess.Popen(
            [sys.executable, "-c", ROTATE_FOR_EVER, str(keys.folder), str(tmp_path / "busy")],
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(chance.uniform(0, 0.12))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert child.returncode == -9
        assert verify_workspace(Workspace(tmp_path / "busy"), key=first).problems == ()
        assert len(keys.public_keys()) == 1
    assert len(keys.retired()) > 3, "it was killed at work"
    for name in ("busy", "quiet"):
        record(tmp_path / name, keys)
        assert verify_workspace(Workspace(tmp_path / name), key=first).problems == ()
