"""A written file tried: whether it is the student, and what it saves. Nothing is believed for having been
written: a file answers in its own runtime, and the student is asked about each token.

What is rounded hides what is wrong, so before a quantised GGUF file its 16-bit sister is held to limits that
only the same model meets: what the quantised one then loses, it loses by rounding.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inbond.errors import InputError, need_extra
from inbond.recipes.shop import Shop

if TYPE_CHECKING:
    from inbond.edge.faithful import Faithfulness
    from inbond.edge.runner import Runner, Runtime
    from inbond.edge.saving import Pace
    from inbond.edge.source import About, Source

ONNX: Final = "onnx"
_EXACT: Final = "f16"
_PACKAGES: Final = {"llama.cpp": "xllamacpp", "onnxruntime": "onnxruntime"}
_GGML: Final = {"q4_0": 2, "q4_1": 3, "q8_0": 8}
"""ggml's numbers of types."""


def runtime(kind: str) -> Runtime:
    """What runs a file of this type."""
    return "onnxruntime" if kind == ONNX else "llama.cpp"


def packages(kind: str) -> dict[str, str]:
    """Versions of what writes and runs a file of this type. Raises MissingExtraError."""
    extra = "onnx" if kind == ONNX else "local"
    try:
        return {
            name: metadata.version(name)
            for name in (ONNX if kind == ONNX else "gguf", _PACKAGES[runtime(kind)])
        }
    except metadata.PackageNotFoundError as error:
        raise need_extra("train" if error.name == "gguf" else extra, error.name or extra) from error


def write(source: Source, about: About, kind: str, path: Path) -> dict[str, int]:
    """One file; how many of its tensors are kept in which type. Raises as the writers do."""
    from inbond.edge import gguf_writer, onnx_writer

    if kind == ONNX:
        return onnx_writer.write(source, about, path)
    return gguf_writer.write(source, about, kind, path)  # type: ignore[arg-type]


def tried(shop: Shop, kind: str, path: Path, exact: Faithfulness | None) -> dict[str, Any]:
    """What the file is worth. ``exact``: how its 16-bit sister did. Raises DeniedError when it is not what
    the student is, InputError when its runtime declines it."""
    from inbond.edge import faithful
    from inbond.edge.runner import Child, room

    prompts = shop.prompts(shop.tokenizer)
    with Child(runtime(kind), path, context=room(prompts, shop.settings.tokens)) as child:
        read = _reads_alike(shop, child)
        said = _compared(shop, kind, child)
        faithful.check(said, kind, fix=_advice(shop, kind))
        together = faithful.compare_together(child, shop.model, prompts)
        if together is not None:
            faithful.check(together, kind)
    sixteen = {} if exact is None else {"sixteen_bits": asdict(exact)}
    batch = {} if together is None else {"together": asdict(together)}
    return {
        "type": kind,
        "runtime": runtime(kind),
        "packages": packages(kind),
        "bytes": path.stat().st_size,
        "faithful": {**asdict(said), **read, **sixteen, **batch},
        **_saving(shop, kind, path),
    }


def exact(shop: Shop) -> Faithfulness:
    """How the student's 16-bit GGUF file does, which is written for this alone. Raises as ``tried``."""
    from inbond.edge import faithful
    from inbond.edge.runner import Child, room

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{shop.trail.run}-{_EXACT}.gguf"
        write(shop.source, shop.about, _EXACT, path)
        prompts = shop.prompts(shop.tokenizer)
        with Child(runtime(_EXACT), path, context=room(prompts, shop.settings.tokens)) as child:
            said = _compared(shop, _EXACT, child)
    faithful.check(said, _EXACT, fix="this is a fault of ours: please report it with the name of the teacher")
    return said


def needs_exact(kind: str) -> bool:
    """Whether a file of this type is rounded so much that its sister has to vouch for it."""
    return kind not in (ONNX, _EXACT)


def _compared(shop: Shop, kind: str, runner: Runner) -> Faithfulness:
    from inbond.edge import faithful

    watcher, prompts = shop.trail.watcher, shop.prompts(shop.tokenizer)

    def show(done: int, total: int) -> None:
        watcher.advance(kind, done, total, "prompts compared with the student")

    return faithful.compare(runner, shop.model, prompts, shop.settings.tokens, show)


def _reads_alike(shop: Shop, runner: Runner) -> dict[str, Any]:
    """Texts and conversations are read as the student reads them."""
    from inbond.edge import faithful

    tokenizer, prompts = shop.tokenizer, [row.record.prompt for row in shop.rows]

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
        return ids

    def render(messages: Any) -> str:
        text: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return text

    talks = [[message.to_json() for message in prompt] for prompt in prompts if not isinstance(prompt, str)]
    talks = talks if tokenizer.chat_template is not None else []
    same = [faithful.check_template(runner, render, talk) for talk in talks]
    texts = [row.record.completion for row in shop.rows] + [render(talk) for talk in talks]
    return {
        "texts_tokenised": faithful.check_tokens(runner, encode, texts),
        "conversations_written": sum(same),
    }


def _advice(shop: Shop, kind: str) -> str:
    """Where the teacher's own file has the type: its grid is the one that training moved away from."""
    from inbond.teachers.gguf_file import read_head

    weights = shop.teacher.weights
    if kind not in _GGML or weights is None or weights.kind != "gguf":
        return ""
    types = [tensor.kind for tensor in read_head(weights.path).tensors if len(tensor.shape) > 1]
    if types.count(_GGML[kind]) < len(types) / 2:
        return ""
    return (
        f"take another type than {kind}, which is the type of the teacher's own file: rounded to where they "
        "began, weights lose what they learnt; the file was removed"
    )


def _saving(shop: Shop, kind: str, path: Path) -> dict[str, Any]:
    """The student's file and its teacher's in turns, both opened anew: the teacher's own where it is a GGUF,
    else its weights written in the same type."""
    from inbond.edge import saving
    from inbond.edge.runner import Child, room

    tokens, prompt = shop.settings.tokens, shop.prompts(shop.tokenizer)[0]
    with tempfile.TemporaryDirectory() as folder:
        theirs = _teachers_file(shop, kind, Path(folder))
        if isinstance(theirs, str):
            with Child(runtime(kind), path, context=room([prompt], tokens)) as alone:
                (ours,) = saving.paces([alone], [prompt], tokens)
            return {"student": _told(ours), "teacher": None, "speedup": None, "alone": theirs}
        asked = _teachers_prompt(shop)
        context = room([prompt, asked], tokens)
        with (
            Child(runtime(kind), path, context=context) as child,
            Child(runtime(kind), theirs, context=context) as other,
        ):
            ours, their = saving.paces([child, other], [prompt, asked], tokens)
        quicker = saving.speedup(ours, their)
        return {
            "student": _told(ours),
            "teacher": {"file": theirs.name, "bytes": theirs.stat().st_size, **_told(their)},
            "speedup": quicker.median,
            "speedup_rounds": {"least": quicker.least, "most": quicker.most, "rounds": len(ours.rounds)},
        }


def _told(pace: Pace) -> dict[str, Any]:
    energy = pace.joules_per_token
    return {
        "tokens_per_s": pace.tokens_per_s,
        "memory_bytes": pace.memory_bytes,
        "joules_per_token": energy,
        "energy": "cannot be read here" if energy is None else f"{energy:.3g} J a token",
    }


def _teachers_file(shop: Shop, kind: str, folder: Path) -> Path | str:
    """A file of the teacher for the same runtime; why not, where there is none and none can be made."""
    from inbond.edge.source import Source

    teacher = shop.teacher.weights
    if teacher is None:
        return shop.teacher.why
    if kind != ONNX and teacher.kind == "gguf":
        return teacher.path
    path = folder / f"teacher.{kind}"
    try:
        write(Source(teacher.folder()), shop.about, kind, path)
    except InputError as error:
        return f"its teacher cannot be written as {kind}: {error.found}"
    return path


def _teachers_prompt(shop: Shop) -> Sequence[int]:
    from inbond.teachers.local import load_tokenizer

    assert shop.teacher.weights is not None, "a teacher with a file has weights"
    return shop.prompts(load_tokenizer(shop.teacher.weights.folder()))[0]
