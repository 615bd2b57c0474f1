"""``inbond export``: a model's or data's lineage in the form that others read."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, final

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, check_place, open_workspace
from inbond.digest import of_bytes
from inbond.errors import InputError
from inbond.recipes.exported import gather, statements
from inbond.report.exports import facts
from inbond.report.exports.cyclonedx import SpecVersion, cyclonedx
from inbond.report.exports.facts import Exported
from inbond.report.exports.forms import FORMS, Form, FormName, check_kind
from inbond.workspace import Workspace, write_bytes

_PUBLIC: Final = 0o644


_MODELS: Final = ("gguf", "onnx")
"""Forms of the weights themselves: no form of a lineage."""


_RECORDS: Final = ("chat", "sharegpt", "alpaca", "trl", "datasets", "batch")
"""Forms of records and of questions: no form of a lineage either."""


def _form(typed: str) -> FormName:
    """Raises InputError for what is no form."""
    if typed in tuple(FormName):
        return FormName(typed)
    raise InputError(
        expected=f"one of {', '.join((*FormName, *_RECORDS, *_MODELS))}",
        found=typed,
        fix="inbond export --help says what each is",
    )


@final
@dataclass(frozen=True)
class _Written:
    """An export: its bytes, and as a value for --json (an object, a list of objects, or text)."""

    data: bytes
    document: Any


def export(
    form: Annotated[str, typer.Argument(help="The form to write: see above.", show_default=False)],
    target: Annotated[
        str,
        typer.Argument(
            help="A model or data: run:NAME, hf:org/name, data:name, or its bare name.", show_default=False
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "--out",
            "-o",
            metavar="FILE",
            help="Write to this file. Default: print.",
            show_default=False,
        ),
    ] = None,
    spec_version: Annotated[
        SpecVersion | None,
        typer.Option("--spec-version", help="Of CycloneDX. Default: 1.6.", show_default=False),
    ] = None,
    lineage: Annotated[
        bool, typer.Option("--lineage", help="Beside each record, where it is from (forms of records).")
    ] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a field of the recipe (batch). May be repeated."),
    ] = None,
    accept: Annotated[
        str | None, typer.Option(help="Take a review of the recipe upon yourself, with a reason (batch).")
    ] = None,
    kind: Annotated[str | None, typer.Option("--type", help="Of gguf: q8_0, q4_0, q4_1, f16.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Write what is known of a lineage in a form that others read.

    cyclonedx, spdx: bills of materials. prov: W3C PROV. croissant: for data (of a run: what it learnt from).
    card: a Hugging Face card. notice: the NOTICE text. intoto: a run's signed statements. eu-summary:
    section 2.5, synthetic data, as Markdown, or as JSON to a FILE that ends in .json. rewards: of a run that
    verified its answers, as JSONL for RL trainers, or to a FILE that ends in .parquet.

    chat, sharegpt, alpaca, trl, datasets: a run's records in the shapes that other tools train on, to a FILE
    (.jsonl, .json, .parquet), or a folder for datasets. batch: the questions of a recipe as an OpenAI batch
    file; inbond import FILE --batch RECIPE reads its results.

    gguf, onnx: a run's student for llama.cpp or onnxruntime, checked, in its folder and, with -o, copied.

    The same workspace gives the same bytes. Examples: inbond export cyclonedx run:demo -o bom.json /
    inbond export card hf:org/name / inbond export croissant data:runs/demo/data/train
    """
    if form in _MODELS or kind is not None:
        from inbond.cli.export_model import export_model  # here: it is not light

        return export_model(form, target, kind, output, open_workspace(home), Output(as_json, quiet))
    if form in _RECORDS:
        from inbond.cli import export_records  # here: what it needs is not light

        asked = export_records.Asked(form, target, output, lineage, tuple(changes or ()), accept)
        return export_records.export(asked, open_workspace(home), Output(as_json, quiet))
    name = _form(form)
    if lineage or changes or accept:
        raise InputError(
            expected="--lineage, --set and --accept with forms of records or of questions",
            found=f"inbond export {name.value} with one of them",
            fix="leave it out",
        )
    if spec_version is not None and name is not FormName.cyclonedx:
        raise InputError(
            expected="--spec-version with cyclonedx alone",
            found=f"inbond export {name.value} --spec-version {spec_version.value}",
            fix="leave it out: the other forms have one version here",
        )
    workspace = open_workspace(home)
    if output is not None:
        check_place("--output", output, workspace)
    suffix = output.suffix.lower() if output is not None else ""
    if name is FormName.rewards:
        made = _rewards(workspace, target, parquet=suffix == ".parquet")
    else:
        made = _make(workspace, name, target, spec_version, values=suffix == ".json" or as_json)
    told = {"format": name.value, "target": target}
    says = Output(as_json, quiet)
    if output is None:
        if as_json:
            says.result({**told, "document": made.document}, "")
        else:
            typer.echo(made.data.decode(), nl=False)
        return 0
    write_bytes(output, made.data, _PUBLIC)
    found = {**told, "output": str(output), "bytes": len(made.data), "digest": of_bytes(made.data)}
    says.result(found, f"{name.value} of {target}: {output}, {len(made.data):,} bytes")
    return 0


def _make(
    workspace: Workspace, form: FormName, target: str, version: SpecVersion | None, *, values: bool
) -> _Written:
    """The export. ``values``: of a form that has both, the JSON."""
    if form is FormName.intoto:
        data = statements(workspace, target)
        return _Written(data, [json.loads(line) for line in data.splitlines()])
    how = FORMS[form]
    if version is not None:
        how = replace(how, values=functools.partial(cyclonedx, version=version))
    exported = gather(workspace, target, as_data=how.only == "data")
    check_kind(form, exported)
    return _written(how, exported, values=values)


def _rewards(workspace: Workspace, target: str, *, parquet: bool) -> _Written:
    from inbond.engine.verifying import rewards
    from inbond.recipes import rewarding

    found = rewarding.gather(workspace, target).groups
    data = rewards.as_parquet(found) if parquet else rewards.as_jsonl(found)
    return _Written(data, [group.to_json() for group in found])


def _written(how: Form, exported: Exported, *, values: bool) -> _Written:
    if how.values is not None and (values or how.text is None):
        document = how.values(exported)
        return _Written(facts.as_json(document).encode(), document)
    assert how.text is not None, "every form is made in some way"
    text = how.text(exported)
    return _Written(text.encode(), text)
