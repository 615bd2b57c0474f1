"""Does a small student pay in llama.cpp? A GGUF student of at most a third of its teacher's parameters should
generate at least 3 times its teacher's tokens a second in the same runtime on the same machine.

    python benchmarks/edge.py --run bond/runs/edge --teacher SmolLM2.gguf [--rounds 5] [--tokens 64]

Both answer in turns, round by round; medians, and the least and largest ratio of a round are printed. Speed
does not depend on what was learnt: ``--shape`` makes an untrained student of that shape from a folder.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from inbond.digest import of_bytes
from inbond.edge import gguf_writer
from inbond.edge.runner import Child
from inbond.edge.source import About, Source

WANTED = 3.0


def shaped(teacher: Path, layers: int, tokens: int, into: Path) -> Path:
    """The first ``layers`` of a teacher's folder with its first ``tokens`` tokens, as its own student."""
    from inbond.recipes.narrowing import _save
    from inbond.teachers.local import load_model, load_tokenizer
    from inbond.train import student, vocabulary
    from inbond.train.restricted import restricted

    tokenizer = load_tokenizer(teacher)
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    keep = vocabulary.choose(whole, {}, tokens)
    into.mkdir()
    model = student.prune_layers(restricted(load_model(teacher), keep), range(layers))
    _save(tokenizer, vocabulary.prune(whole, keep), keep, into)
    model.save_pretrained(into)
    return into


def ratios(ours: Path, theirs: Path, tokens: int, rounds: int) -> list[tuple[float, float]]:
    """(student's, teacher's) tokens a second of each round after the first."""
    found = []
    with Child("llama.cpp", ours) as small, Child("llama.cpp", theirs) as large:
        for number in range(rounds + 1):
            speeds = [
                len(steps.ids) / steps.seconds
                for steps in (runner.steps([1, 20, 30, 40], tokens, 0) for runner in (small, large))
            ]
            if number:
                found.append((speeds[0], speeds[1]))
    return found


def main() -> None:
    """Prints a line for each type of file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="a run's folder with gguf-* in it")
    parser.add_argument("--teacher", type=Path, required=True, help="the teacher's own GGUF")
    parser.add_argument("--shape", type=Path, help="the teacher's folder: an untrained student is made")
    parser.add_argument("--layers", type=int, default=10)
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--types", nargs="+", default=["q8_0", "q4_0"])
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = sorted(args.run.glob("gguf-*/*.gguf")) if args.run else []
        if args.shape:
            small = shaped(args.shape, args.layers, args.vocabulary, Path(folder) / "student")
            about = About("shape", of_bytes(b"shape"), None, (), "benchmarks/edge.py")
            for kind in args.types:
                files.append(Path(folder) / f"shape-{kind}.gguf")
                gguf_writer.write(Source(small), about, kind, files[-1])
        for file in files:
            rounds = ratios(file, args.teacher, args.tokens, args.rounds)
            each = [ours / theirs for ours, theirs in rounds]
            ratio = statistics.median(each)
            sizes = file.stat().st_size / 1e6, args.teacher.stat().st_size / 1e6
            print(
                f"{file.name}: {sizes[0]:.1f} MB beside {sizes[1]:.1f}; {ratio:.2f} times its "
                f"teacher's tokens/s ({min(each):.2f} to {max(each):.2f}); wanted {WANTED:g}: "
                f"{'met' if ratio >= WANTED else 'missed'}",
                flush=True,
            )


if __name__ == "__main__":
    main()
