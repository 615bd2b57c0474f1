"""The real small model for tests: served by llama.cpp here or in a process of its own, and cut smaller."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_SERVER = """
import sys, time
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_parallel, params.n_ctx, params.verbosity = 2, 1024, 0
params.fit_params = params.warmup = False
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
time.sleep(600)
"""


@contextmanager
def server_here(gguf: Path, *, parallel: int, context: int) -> Iterator[str]:
    """The address of a real llama.cpp HTTP server on loopback, in this process, on one thread."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_parallel, params.n_ctx, params.verbosity = parallel, context, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.fit_params = params.warmup = False
    server = xllamacpp.Server(params)
    yield server.listening_address.removeprefix("http://")
    del server


@contextmanager
def server_apart(gguf: Path) -> Iterator[str]:
    """The same in a process of its own, which is killed in the end."""
    child = subprocess.Popen([sys.executable, "-c", _SERVER, str(gguf)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        yield child.stdout.readline().strip().removeprefix("http://")
    finally:
        child.kill()
        child.communicate()


def save_pruned(gguf: Path, target: Path, keep: Sequence[int]) -> None:
    """A folder with only the layers ``keep`` of the model, its tokenizer and a card that says Apache-2.0."""
    from inbond.digest import of_file
    from inbond.teachers.convert import converted
    from inbond.teachers.local import load_model, load_tokenizer
    from inbond.train.student import prune_layers

    source = converted(gguf, of_file(gguf))
    prune_layers(load_model(source), keep).save_pretrained(target)
    load_tokenizer(source).save_pretrained(target)
    (target / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
