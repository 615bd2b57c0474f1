"""How llama.cpp opens a model file inside a process of ours (the xllamacpp wheel): quiet, and closed to
everybody else on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

SAMPLERS: Final = "temperature;top_p"
"""What makes a token out of its logits, in this order, as transformers has it. Left to itself llama.cpp drops
all but 40 tokens, and those with less than a twentieth of the likeliest one's chance, and top_p looks at the
distribution before the temperature: what a record says of its sampling would not be what was done."""


def parameters(path: Path, *, context: int, parallel: int, threads: int, key: str) -> Any:
    """What ``xllamacpp.Server`` is made with: room for ``context`` tokens in each of ``parallel`` answers.

    The wheel always opens a port on loopback: nobody can use it without ``key``. Raises ImportError
    without the wheel.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = parallel
    params.n_ctx = context * parallel
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.verbosity = 0
    params.warmup = False
    params.fit_params = False
    params.cache_ram_mib = 0
    params.api_keys = [key]
    params.ui = False
    params.endpoint_slots = False
    params.sampling.samplers = SAMPLERS
    return params
