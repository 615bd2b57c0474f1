"""A GGUF file as a folder that transformers loads in seconds: converted once, cached by digest.

The copy is made in a temporary folder and renamed into place with its manifest in it, so it is
whole or absent. Processes that need the same copy wait for the one that makes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from inbond.digest import Digest
from inbond.errors import InputError, need_extra
from inbond.ledger import manifest
from inbond.ledger.manifest import Identity, Manifest
from inbond.teachers.gguf_file import read_head
from inbond.workspace import PRIVATE_DIR, PRIVATE_FILE, cache_folder, sync_folder, writing

VERSION = 1


def converted(gguf: Path, digest: Digest, cache: Path | None = None) -> Path:
    """The folder with ``gguf`` as float32 safetensors, config and tokenizer; made when not there.

    ``digest`` is that of the file; ``cache`` defaults to the user's cache folder. Raises InputError
    when the file is broken or transformers does not know its architecture, MissingExtraError
    without torch or transformers, UnwritableError.
    """
    base = (cache or cache_folder(os.environ)) / "converted"
    folder = base / f"{digest.removeprefix('sha256:')}-{VERSION}"
    if manifest.read(folder) is not None:
        return folder
    read_head(gguf)
    with writing(base):
        base.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
        with _alone(base / f".{folder.name}.lock"):
            if manifest.read(folder) is None:
                _make(gguf, digest, folder)
    return folder


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Waits for other processes; the lock goes with the process, however it ends."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make(gguf: Path, digest: Digest, folder: Path) -> None:
    """Called with the lock held, so whatever lies under these names is left over from a kill."""
    for left in folder.parent.glob(f".{folder.name}.tmp*"):
        shutil.rmtree(left, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.tmp") as temporary:
        fresh = Path(temporary) / "model"
        _save(gguf, fresh)
        identity = Identity("convert-gguf", VERSION, {"dtype": "float32"}, {"gguf": digest})
        manifest.write(fresh, Manifest(identity, manifest.digest_files(fresh)))
        fresh.rename(folder)
    sync_folder(folder.parent)


def _save(gguf: Path, into: Path) -> None:
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise need_extra("train", error.name or "transformers") from error
    try:
        with _quiet():
            source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
            model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(**source)
            # save_pretrained declines a model that still says it is quantised, so the weights move
            # into a fresh one that never was.
            config = model.config.to_dict()
            config.pop("quantization_config", None)
            plain = AutoModelForCausalLM.from_config(
                type(model.config).from_dict(config), dtype=torch.float32
            )
            plain.load_state_dict(model.state_dict())
            plain.generation_config = model.generation_config
            plain.save_pretrained(into)
            tokenizer.save_pretrained(into)
    except OSError:
        raise
    except Exception as error:  # whatever a reader of foreign files may raise
        raise InputError(
            expected=f"a GGUF model at {gguf} that transformers can convert",
            found=f"{type(error).__name__}: {error!s:.200}",
            fix="use a GGUF of a common architecture (llama, qwen2, ...), or a safetensors folder with path:",
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars (the GGUF reader draws its own): ours say what is going on."""
    from transformers import modeling_gguf_pytorch_utils as reader
    from transformers.utils import logging

    shown, bar = logging.is_progress_bar_enabled(), getattr(reader, "tqdm", None)
    logging.disable_progress_bar()
    reader.tqdm = lambda items, **_: items
    try:
        yield
    finally:
        reader.tqdm = bar
        if shown:
            logging.enable_progress_bar()
