"""Keys: made once, private, and read back; signatures bound to their purpose."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from inbond import digest
from inbond.errors import InputError, UnwritableError
from inbond.ledger.attest import KeyStore, PublicKey, read_public_key


def test_a_key_is_made_at_first_use_private_and_kept(tmp_path: Path) -> None:
    keys = KeyStore(tmp_path / "config" / "keys")
    assert keys.public_keys() == ()
    assert not keys.folder.exists()
    first = keys.signer()
    assert keys.signer().public == first.public
    assert keys.public_keys() == (first.public,)
    assert keys.folder.stat().st_mode & 0o777 == 0o700
    files = [path for path in keys.folder.iterdir() if path.name != ".lock"]
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600]


def test_the_default_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert KeyStore.default().folder == tmp_path / "inbond" / "keys"


def test_key_id_is_the_digest_of_the_raw_key(tmp_path: Path) -> None:
    public = KeyStore(tmp_path).signer().public
    assert len(public.raw) == 32
    assert public.id == digest.of_bytes(public.raw)


def test_a_signer_never_shows_its_private_key(tmp_path: Path) -> None:
    signer = KeyStore(tmp_path).signer()
    assert repr(signer) == f"Signer({signer.public.id})"


def test_signature_holds_for_its_purpose_and_digest_alone(tmp_path: Path) -> None:
    signer, other = KeyStore(tmp_path / "a").signer(), KeyStore(tmp_path / "b").signer()
    signed, else_signed = digest.of_bytes(b"1"), digest.of_bytes(b"2")
    signature = signer.sign("inbond.event/1", signed)
    assert signer.public.verifies("inbond.event/1", signed, signature)
    assert not signer.public.verifies("inbond.head/1", signed, signature)
    assert not signer.public.verifies("inbond.event/1", else_signed, signature)
    assert not other.public.verifies("inbond.event/1", signed, signature)


@given(junk=st.binary(max_size=80))
def test_no_bytes_pass_for_a_signature(junk: bytes) -> None:
    key = PublicKey(bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))
    assert not key.verifies("inbond.event/1", digest.of_bytes(b""), junk)


def test_processes_that_start_together_get_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from inbond.ledger.attest import KeyStore\n"
        "sys.stdin.readline(); print(KeyStore(Path(sys.argv[1])).signer().public.id)"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "keys")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(5)
    ]  # fmt: skip
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    ids = {child.communicate()[0].strip() for child in children}
    assert len(ids) == 1
    assert ids == {KeyStore(tmp_path / "keys").signer().public.id}


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    keys = KeyStore(tmp_path)
    keys.signer()
    (tmp_path / "signing.pem").chmod(0o644)
    with pytest.raises(InputError) as caught:
        keys.signer()
    assert caught.value.to_json() == {
        "expected": f"a signing key at {tmp_path}/signing.pem that only its owner can read",
        "found": "mode 0644",
        "fix": f"chmod 600 {tmp_path}/signing.pem; "
        "if others may have read it, move it away and a new one is made",
    }


@pytest.mark.parametrize(
    "data", [b"", b"junk", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_broken_private_key_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "signing.pem"
    path.write_bytes(data)
    path.chmod(0o600)
    with pytest.raises(InputError) as caught:
        KeyStore(tmp_path).signer()
    assert caught.value.expected == f"an Ed25519 private key in PEM at {path}"
    assert caught.value.fix == "restore the file from a backup, or move it away and a new key is made"


def test_public_key_round_trips_through_pem(tmp_path: Path) -> None:
    public = KeyStore(tmp_path).signer().public
    (tmp_path / "pub.pem").write_text(public.to_pem())
    assert read_public_key(tmp_path / "pub.pem") == public


def test_a_public_key_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_public_key(tmp_path / "none.pem")
    assert caught.value.expected == f"an Ed25519 public key in PEM at {tmp_path}/none.pem"
    assert caught.value.fix == "save the public key with: inbond keys show > key.pem"


def test_a_public_key_of_another_kind_is_named(tmp_path: Path) -> None:
    other = X25519PrivateKey.generate().public_key()
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "x.pem").write_bytes(other.public_bytes(serialization.Encoding.PEM, kind))
    with pytest.raises(InputError, match="found a X25519PublicKey"):
        read_public_key(tmp_path / "x.pem")


def test_a_key_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file stands in the way")
    with pytest.raises(UnwritableError) as caught:
        KeyStore(tmp_path / "keys").signer()
    assert caught.value.expected == f"a folder at {tmp_path}/keys"


def test_no_process_leaves_a_temporary_key_behind(tmp_path: Path) -> None:
    KeyStore(tmp_path).signer()
    assert sorted(os.listdir(tmp_path)) == [".lock", "signing.pem"]
