"""``inbond run``: a recipe from gate to report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, open_workspace
from inbond.cli.watch import watching


def run(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a built-in one: demo, ...")],
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change a field: --set train.epochs=3. May be repeated.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Make every artifact anew; answers received are not asked again.")
    ] = False,
    accept: Annotated[
        str | None,
        typer.Option(
            help="Take a review upon yourself, with a reason; or, by its name, a gate that stopped the last "
            'run: "diversity: REASON". It is recorded.'
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Spread capture and filters over a Ray cluster: its address, or local:N workers here. The "
            "results are the same.",
            metavar="ADDRESS",
        ),
    ] = None,
    accelerate: Annotated[
        Path | None,
        typer.Option(
            help="Train by the processes of a file that accelerate config wrote: copies, or FSDP 2. The "
            "results are the same, to rounding.",
            metavar="CONFIG",
        ),
    ] = None,
    print_recipe: Annotated[
        bool, typer.Option("--print-recipe", help="Print the recipe with every field, and stop.")
    ] = False,
    print_schema: Annotated[
        bool, typer.Option("--print-schema", help="Print the JSON schema of recipes, and stop.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Distil: check the terms, generate, filter, capture, train, evaluate, export, report. A file with
    stages is a pipeline: they run in order, judged together before the first.

    Running again skips what is complete and resumes what is not; kill it whenever you like.

    Examples: inbond run demo --set train.epochs=1 · inbond run demo --accelerate fsdp.yaml
    """
    from inbond.recipes.pipeline import Pipeline, load
    from inbond.recipes.reading import rooted, schema, to_yaml
    from inbond.recipes.run import Options, run_recipe
    from inbond.recipes.staged import run_pipeline

    loaded, folder = load(recipe, tuple(changes or ()))
    if print_recipe or print_schema:
        stages = loaded.stages if isinstance(loaded, Pipeline) else (loaded,)
        texts = [schema()] if print_schema else [to_yaml(rooted(stage, folder)) for stage in stages]
        typer.echo("---\n".join(texts).rstrip())
        return 0
    output, options = Output(as_json, quiet), Options(fresh, accept, ray, accelerate)
    with watching(output) as watcher:
        if isinstance(loaded, Pipeline):
            result = run_pipeline(loaded, folder, open_workspace(home), options, watcher)
        else:
            result = run_recipe(loaded, folder, open_workspace(home), options, watcher)
    output.result(result, describe(result))
    return 0


def describe(result: dict[str, Any]) -> str:
    """What came out, for a person."""
    if "stages" in result:
        return "\n\n".join(describe(stage) for stage in result["stages"])
    if "metrics" not in result:
        return _describe_data(result)
    found = result["metrics"]
    lines = [f"{result['run']}: done, gate: {result['verdict']}", ""]
    for label, words in _figures(found):
        lines.append(f"  {label:<12} {words}")
    for name, gate in result["gates"].items():
        lines.append(f"  {name:<12} {gate['outcome']}: {gate['line']}")
    for made in result.get("files", ()):
        lines.append(f"  {made['type']:<12} {_file_words(made)}")
    lines.append(f"  {'teacher':<12} {result['tokens']:,} tokens, ${result['cost']:.4f}")
    lines.append(f"  {'time':<12} {sum(result['seconds'].values()):.0f} s")
    lines += ["", f"  {'student':<12} {result['student']}", f"  {'report':<12} {result['report']}"]
    return "\n".join(lines)


def _describe_data(result: dict[str, Any]) -> str:
    """A run that ended with records."""
    dropped = ", ".join(f"{count} {reason}" for reason, count in result["dropped"].items())
    lines = [
        f"{result['run']}: done, gate: {result['verdict']}",
        "",
        f"  {'records':<12} {result['records']:,} kept" + (f"; dropped: {dropped}" if dropped else ""),
        f"  {'teacher':<12} {result['tokens']:,} tokens, ${result['cost']:.4f}",
        f"  {'time':<12} {sum(result['seconds'].values()):.0f} s",
        "",
        f"  {'data':<12} {result['data']}",
        f"  {'report':<12} {result['report']}",
    ]
    return "\n".join(lines)


def _file_words(made: dict[str, Any]) -> str:
    """A file for small machines: what it weighs, how true it is, what it saves."""
    said = made["faithful"]
    words = f"{made['bytes'] / 1e6:.1f} MB, {said['agreement']:.0%} of tokens as the student"
    if made["speedup"] is not None:
        words += f", {made['speedup']:.2f} times its teacher's tokens/s under {made['runtime']}"
    return words


def _figures(found: dict[str, Any]) -> list[tuple[str, str]]:
    """What was measured, in words."""
    size = f"{found['student_params'] / 1e6:.1f} M"
    if found["teacher_params"]:
        share = found["student_params"] / found["teacher_params"]
        size += f" of the teacher's {found['teacher_params'] / 1e6:.1f} M ({share:.0%})"
    figures = [("parameters", size)]
    if found["kl_after"] is not None:
        figures += [
            ("KL", f"{found['kl_before']:.2f} -> {found['kl_after']:.2f} nats a held-out token"),
            (
                "agreement",
                f"{found['agreement_before']:.0%} -> {found['agreement_after']:.0%} of held-out tokens",
            ),
        ]
    else:
        before, after = found["text_loss_before"], found["text_loss_after"]
        figures.append(("text loss", f"{before:.2f} -> {after:.2f} nats a held-out token"))
    if found["speedup"] is not None:
        figures.append(("speed", f"{found['speedup']:.2f} times the teacher's tokens a second"))
    return figures
