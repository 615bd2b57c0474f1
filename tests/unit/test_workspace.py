"""Paths, and bytes that are laid down whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inbond.errors import UnwritableError
from inbond.workspace import (
    Workspace,
    cache_folder,
    config_folder,
    find_home,
    replacing,
    write_bytes,
    write_json,
    writing,
)


def test_paths_lie_within_the_home(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "bond")
    assert workspace.ledger == tmp_path / "bond" / "ledger.db"
    assert workspace.journal == tmp_path / "bond" / "journal.db"
    assert workspace.run("名") == tmp_path / "bond" / "runs" / "名"
    assert list(tmp_path.iterdir()) == []


def test_a_workspace_is_made_private_and_may_be_made_twice(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "deep" / "bond")
    workspace.create()
    workspace.create()
    assert workspace.home.stat().st_mode & 0o777 == 0o700


def test_home_is_the_option_then_the_environment_then_bond() -> None:
    assert find_home(Path("a"), {"INBOND_HOME": "b"}) == Path("a")
    assert find_home(None, {"INBOND_HOME": "b"}) == Path("b")
    assert find_home(None, {"INBOND_HOME": ""}) == Path("bond")
    assert find_home(None, {}) == Path("bond")


def test_config_and_cache_follow_xdg() -> None:
    assert config_folder({"XDG_CONFIG_HOME": "/c"}) == Path("/c/inbond")
    assert config_folder({}) == Path.home() / ".config" / "inbond"
    assert cache_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/inbond")
    assert cache_folder({"XDG_CACHE_HOME": ""}) == Path.home() / ".cache" / "inbond"


HOME_FIX = "choose another with --home"


@pytest.mark.parametrize(
    ("number", "expected", "fix"),
    [
        (errno.ENOSPC, "free space on the disk", "free some space, or choose another folder with --home"),
        (errno.EDQUOT, "free space in your quota", "free some space, or choose another folder with --home"),
        (errno.EACCES, "permission to write", f"change the folder's permissions, or {HOME_FIX}"),
        (errno.EPERM, "permission to write", f"change the folder's permissions, or {HOME_FIX}"),
        (errno.EROFS, "a writable file system", "choose another folder with --home"),
        (errno.ENOTDIR, "a folder", f"remove the file that stands in its place, or {HOME_FIX}"),
        (errno.EEXIST, "a folder", f"remove the file that stands in its place, or {HOME_FIX}"),
    ],
)
def test_a_refusal_to_write_says_what_to_do(number: int, expected: str, fix: str) -> None:
    with pytest.raises(UnwritableError) as caught, writing(Path("/x/y")):
        raise OSError(number, os.strerror(number))
    assert caught.value.to_json() == {
        "expected": f"{expected} at /x/y",
        "found": f"[Errno {number}] {os.strerror(number)}",
        "fix": fix,
    }
    assert caught.value.exit_code == 2


def test_a_refusal_that_a_rust_library_only_words_is_understood(tmp_path: Path) -> None:
    """Real ones: in a child that may write no file longer than 4 KiB, whose error then is EFBIG."""
    with pytest.raises(UnwritableError, match="free space on the disk"), writing(tmp_path):
        raise Exception("Error while serializing: I/O error: No space left on device (os error 28)")
    with pytest.raises(Exception, match="some other thing"), writing(tmp_path):
        raise Exception("some other thing")
    child = """
import resource, signal, sys
import numpy as np
from safetensors.numpy import save_file
from inbond import workspace
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    save_file({"a": np.zeros(1 << 16)}, sys.argv[1])
except Exception as error:
    print(workspace._number(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", child, str(tmp_path / "a.safetensors")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) == errno.EFBIG


def test_other_system_errors_pass_through() -> None:
    with pytest.raises(InterruptedError), writing(Path("/x")):
        raise OSError(errno.EINTR, "interrupted")


def test_an_error_that_was_explained_is_not_explained_again() -> None:
    inner = UnwritableError(expected="a", found="b", fix="c")
    with pytest.raises(UnwritableError) as caught, writing(Path("/x")):
        raise inner
    assert caught.value is inner


def test_bytes_take_their_place_with_their_mode(tmp_path: Path) -> None:
    write_bytes(tmp_path / "new" / "f", b"1")
    write_bytes(tmp_path / "new" / "f", b"22", mode=0o644)
    assert (tmp_path / "new" / "f").read_bytes() == b"22"
    assert (tmp_path / "new" / "f").stat().st_mode & 0o777 == 0o644
    write_bytes(tmp_path / "new" / "f", b"3")
    assert (tmp_path / "new" / "f").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path / "new") == ["f"]


def test_json_is_readable_and_keeps_every_script(tmp_path: Path) -> None:
    write_json(tmp_path / "f.json", {"答え": [1.5, None]})
    text = (tmp_path / "f.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert "答え" in text
    assert json.loads(text) == {"答え": [1.5, None]}


def test_an_error_while_replacing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_bytes(tmp_path / "f", b"old")

    def interrupted() -> None:
        with replacing(tmp_path / "f") as temporary:
            temporary.write_bytes(b"half of the n")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match=r"^stop$"):
        interrupted()
    assert (tmp_path / "f").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "bond").write_text("in the way")
    with pytest.raises(UnwritableError) as caught:
        Workspace(tmp_path / "bond").create()
    assert caught.value.expected == f"a folder at {tmp_path}/bond"
    with pytest.raises(UnwritableError) as caught:
        write_bytes(tmp_path / "bond" / "f", b"")
    assert caught.value.expected == f"a folder at {tmp_path}/bond/f"


def test_a_disk_that_is_full_leaves_the_old_file(tmp_path: Path) -> None:
    write_bytes(tmp_path / "f", b"old")
    with (
        pytest.raises(UnwritableError) as caught,
        replacing(tmp_path / "f"),
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"new")  # the device that is always full raises the real error
    assert caught.value.expected == f"free space on the disk at {tmp_path}/f"
    assert (tmp_path / "f").read_bytes() == b"old"


KILLED = """
import sys
from pathlib import Path
from inbond.workspace import write_bytes
number = 0
while True:
    number += 1
    write_bytes(Path(sys.argv[1]), str(number % 10).encode() * 200_000)
    print(number, flush=True)
"""


def test_kill_9_while_replacing_leaves_old_or_new_never_half(tmp_path: Path) -> None:
    for round_ in range(4):
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "f")], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.01 * round_)
        child.kill()
        child.communicate()
        data = (tmp_path / "f").read_bytes()
        assert len(data) == 200_000
        assert len(set(data)) == 1
