"""``inbond export gguf`` and ``inbond export onnx``: a run's student in another format."""

from __future__ import annotations

import shutil
from pathlib import Path

from inbond.cli.output import Output, check_place
from inbond.cli.watch import watching
from inbond.errors import InputError
from inbond.ledger.attest import KeyStore
from inbond.ledger.ledger import Ledger
from inbond.recipes import formats
from inbond.recipes.trail import Trail
from inbond.recipes.trying import ONNX
from inbond.types import parse_model_name
from inbond.workspace import Workspace, alone, writing

_TYPES = ("q8_0", "q4_0", "q4_1", "f16")


def export_model(
    form: str, target: str, kind: str | None, output: Path | None, workspace: Workspace, says: Output
) -> int:
    """Makes the file, or finds it again; 0 when it is there. Raises as ``formats.make_one``."""
    kind = _kind(form, kind)
    name = parse_model_name(target if ":" in target else f"run:{target}")
    if name.scheme != "run":
        raise InputError(
            expected="a run's student, run:NAME",
            found=target,
            fix="only students are written in other formats",
        )
    if output is not None:
        check_place("--output", output, workspace)
    with (
        Ledger.open(workspace, KeyStore.default()) as ledger,
        alone(workspace, name.name),
        watching(says) as watcher,
    ):
        trail = Trail(workspace, ledger, name.name, watcher)
        made = formats.make_one(trail, kind)
    found = formats.read_check(made)
    path = trail.folder / found.pop("file")
    if output is not None:
        with writing(output):
            shutil.copyfile(path, output)
        path = output
    said = found["faithful"]
    words = f"{path}: {found['bytes']:,} bytes; {said['agreement']:.1%} of {said['tokens']} tokens "
    words += f"as the student, {said['kl']:.4f} nats off"
    if found["speedup"] is not None:
        rounds = found["speedup_rounds"]
        words += f"; {found['speedup']:.2f} times its teacher's tokens/s ({rounds['least']:.2f} to "
        words += f"{rounds['most']:.2f} by rounds) under {found['runtime']}"
    else:
        words += f"; not measured beside its teacher: {found['alone']}"
    says.result({"target": str(name), "format": form, "file": str(path), **found}, words)
    return 0


def _kind(form: str, kind: str | None) -> str:
    """Raises InputError for a type that the form does not have."""
    if form == ONNX and kind is None:
        return ONNX
    if form == "gguf" and (kind or "q8_0") in _TYPES:
        return kind or "q8_0"
    raise InputError(
        expected=f"--type with gguf alone, one of {', '.join(_TYPES)}",
        found=f"inbond export {form} --type {kind}",
        fix="name one of these, or leave --type out",
    )
