"""Runtimes that decline, hang, die or are not there: an error in words, and nothing is left waiting."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from inbond.digest import of_bytes
from inbond.edge import gguf_writer, onnx_writer
from inbond.edge.runner import Child, room
from inbond.edge.source import About, Source
from inbond.errors import InputError, MissingExtraError
from tests.tiny import save_tiny

ABOUT = About("tiny", of_bytes(b""), None, (), "Inbond")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    config = save_tiny(folder / "model") / "config.json"
    told = {**json.loads(config.read_text()), "max_position_embeddings": 2048}
    config.write_text(json.dumps(told))
    source = Source(folder / "model")
    found = {"llama.cpp": folder / "tiny.gguf", "onnxruntime": folder / "tiny.onnx"}
    gguf_writer.write(source, ABOUT, "f16", found["llama.cpp"])
    onnx_writer.write(source, ABOUT, found["onnxruntime"])
    return found


def _pretending(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """The child finds another onnxruntime first."""
    (folder / "onnxruntime.py").write_text(code)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])


def test_a_prompt_longer_than_the_usual_room_gets_more(files: dict[str, Path]) -> None:
    long = [5] * 1100
    with (
        Child("llama.cpp", files["llama.cpp"], threads=1) as child,
        pytest.raises(InputError, match="exceeds the available context size"),
    ):
        child.steps(long, 4, 0)
    assert room([long, [1]], 4) == 1280
    with Child("llama.cpp", files["llama.cpp"], threads=1, context=room([long], 4)) as child:
        assert len(child.steps(long, 4, 0).ids) == 4


@pytest.mark.parametrize("runtime", ["llama.cpp", "onnxruntime"])
def test_an_id_that_no_token_has_is_an_error_and_the_next_question_is_answered(
    files: dict[str, Path], runtime: str
) -> None:
    with Child(runtime, files[runtime], threads=1) as child:  # type: ignore[arg-type]
        with pytest.raises(InputError, match=f"an answer of {files[runtime].name} under {runtime}"):
            child.steps([1, 999_999], 2, 0)
        assert len(child.steps([1, 20], 2, 0).ids) == 2


def test_a_killed_process_is_told(files: dict[str, Path]) -> None:
    with Child("onnxruntime", files["onnxruntime"], threads=1) as child:
        child.steps([1, 20], 2, 0)
        os.kill(child._process.pid, signal.SIGKILL)
        with pytest.raises(InputError, match="signal SIGKILL, as where memory runs out.*fix: free memory"):
            child.steps([1, 20], 2, 0)


def test_a_process_that_hangs_while_it_opens_the_file_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretending(tmp_path, monkeypatch, "import time\ntime.sleep(600)\n")
    with (
        Child("onnxruntime", tmp_path / "any.onnx", patience=1) as child,
        pytest.raises(InputError, match="found none within 1 s, so its process was ended"),
    ):
        child.steps([1], 2, 0)


def test_a_stopped_process_is_ended_too(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbond.edge.runner._LATE_S", 0)
    with Child("onnxruntime", files["onnxruntime"], threads=1, patience=2) as child:
        child.steps([1, 20], 2, 0)
        os.kill(child._process.pid, signal.SIGSTOP)
        with pytest.raises(InputError, match="found none within 2 s"):
            child.steps([1, 20], 2, 0)


def test_a_runtime_that_prints_much_does_not_stop_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import sys\nsys.stderr.write('x' * 300_000 + chr(10))\nprint('y' * 300_000)\n"
    code += "raise ValueError('too old')\n"
    _pretending(tmp_path, monkeypatch, code)
    with (
        Child("onnxruntime", tmp_path / "any.onnx", patience=20) as child,
        pytest.raises(InputError, match="ValueError: too old.*its runtime too old"),
    ):
        child.steps([1], 2, 0)


def test_a_runtime_that_is_not_there_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "raise ModuleNotFoundError(name='onnxruntime')\n"
    _pretending(tmp_path, monkeypatch, code)
    with (
        Child("onnxruntime", tmp_path / "any.onnx") as child,
        pytest.raises(MissingExtraError, match=r"inbond\[onnx\]"),
    ):
        child.steps([1], 2, 0)


def test_a_runtime_of_another_version_is_an_error_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretending(tmp_path, monkeypatch, "")
    with (
        Child("onnxruntime", tmp_path / "any.onnx") as child,
        pytest.raises(InputError, match="AttributeError: module 'onnxruntime' has no attribute"),
    ):
        child.steps([1], 2, 0)
