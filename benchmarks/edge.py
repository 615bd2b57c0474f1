"""Does a small student pay in llama.cpp? A GGUF student of at most a third of its teacher's parameters should
generate at least 3 times its teacher's tokens a second in the same runtime on the same machine.

    python benchmarks/edge.py [--teacher NAME] [--types q8_0 q4_0] [--tokens 64] [--run bond/runs/edge]

Makes an untrained student of the built-in recipe's shape from its teacher (speed does not depend on what was
learnt), or takes the files of a run. Both answer in turns, round by round, on one thread and on all cores;
the median ratio and the least and largest of a round are printed. A few minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
from pathlib import Path

from inbond.digest import of_bytes
from inbond.edge import gguf_writer, saving
from inbond.edge.runner import Child, room
from inbond.edge.source import About, Source
from inbond.recipes.reading import load
from inbond.teachers.gguf_file import read_head
from inbond.teachers.opening import Weights, find_weights
from inbond.types import parse_model_name

WANTED, SHARE = 3.0, 1 / 3
PROMPT = [1, *range(20, 60)]
"""Ids that both vocabularies have: as long a prompt as the recipe's."""


def shaped(teacher: Path, layers: int, tokens: int, into: Path) -> Path:
    """The first ``layers`` of a teacher's folder with its first ``tokens`` tokens, as its own student."""
    from inbond.recipes.narrowing import save_tokenizer
    from inbond.teachers.local import load_model, load_tokenizer
    from inbond.train import student, vocabulary
    from inbond.train.restricted import restricted

    tokenizer = load_tokenizer(teacher)
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    keep = vocabulary.choose(whole, {}, tokens)
    into.mkdir()
    model = student.prune_layers(restricted(load_model(teacher), keep), range(layers))
    save_tokenizer(tokenizer, vocabulary.prune(whole, keep), keep, into)
    model.save_pretrained(into)
    return into


def measured(ours: Path, theirs: Path, tokens: int, rounds: int, threads: int) -> saving.Speedup:
    """In rounds that take turns, the first one left out."""
    context = room([PROMPT], tokens)
    with (
        Child("llama.cpp", ours, threads=threads, context=context) as small,
        Child("llama.cpp", theirs, threads=threads, context=context) as large,
    ):
        paces = saving.paces([small, large], [PROMPT, PROMPT], tokens, rounds=rounds)
    print(
        f"  {threads} thread(s): {paces[0].tokens_per_s:.1f} and {paces[1].tokens_per_s:.1f} tokens/s", end=""
    )
    return saving.speedup(*paces)


def told(found: saving.Speedup, share: float) -> str:
    """The ratio with its spread, and whether it is what was wanted."""
    met = "met" if found.median >= WANTED and share <= SHARE else "missed"
    spread = f"{found.least:.2f} to {found.most:.2f}"
    return f"; {found.median:.2f} times its teacher's ({spread} by rounds); wanted {WANTED:g}: {met}"


def files(weights: Weights, folder: Path, types: list[str]) -> list[Path]:
    """Of an untrained student of the built-in recipe's shape."""
    recipe, _ = load("edge", ())
    layers, vocabulary = recipe.student.layers, recipe.student.vocabulary
    assert isinstance(layers, int)
    assert isinstance(vocabulary, int)
    small = Source(shaped(weights.folder(), layers, vocabulary, folder / "student"))
    about = About("shape", of_bytes(b"shape"), None, (), "benchmarks/edge.py")
    found = []
    for kind in types:
        found.append(folder / f"shape-{kind}.gguf")
        gguf_writer.write(small, about, kind, found[-1])  # type: ignore[arg-type]
    return found


def _parameters(file: Path) -> int:
    return sum(math.prod(tensor.shape) for tensor in read_head(file).tensors)


def main() -> None:
    """Prints a few lines for each type of file."""
    recipe, _ = load("edge", ())
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--run", type=Path, help="a run's folder with gguf-* in it, instead of an untrained student"
    )
    parser.add_argument("--teacher", default=recipe.teacher, help="a GGUF file's name; default: the recipe's")
    parser.add_argument("--types", nargs="+", default=["q8_0", "q4_0"])
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    teacher = find_weights(parse_model_name(args.teacher), os.environ)
    cores = len(os.sched_getaffinity(0))
    print(f"load {os.getloadavg()[0]:.1f} on {cores} cores", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        made = (
            sorted(args.run.glob("gguf-*/*.gguf")) if args.run else files(teacher, Path(folder), args.types)
        )
        for file in made:
            share = _parameters(file) / _parameters(teacher.path)
            sizes = file.stat().st_size / 1e6, teacher.path.stat().st_size / 1e6
            print(
                f"{file.name}: {sizes[0]:.1f} MB beside {sizes[1]:.1f}, {share:.0%} of its parameters",
                flush=True,
            )
            for threads in sorted({1, cores}):
                found = measured(file, teacher.path, args.tokens, args.rounds, threads)
                print(told(found, share), flush=True)


if __name__ == "__main__":
    main()
