"""The entry point: registers one file a verb and turns errors into exit codes.

0 done or permitted; 1 our fault; 2 bad input; 3 a person must decide; 4 the answer is no;
130 interrupted.
"""

from __future__ import annotations

import sys
import traceback

import typer

from inbond import __version__
from inbond.cli.output import print_error
from inbond.errors import InbondError, InputError

# Typer may bring its own copy of click, so the class is found through what Typer exports.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]

INTERRUPTED = 130

app = typer.Typer(
    name="inbond",
    help="Distils language models in bond: every teacher named, every term checked, "
    "every token accounted for.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def _register(wanted: str) -> None:
    """Imports the verbs. Here, not at the top, so that a verb's own imports are its own business."""
    from inbond.cli import verbs

    verbs.register(app, wanted)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits the process."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Runs one command and returns its exit code. Never raises but for interpreter exits."""
    _register(arguments[0] if arguments else "")
    as_json = "--json" in arguments
    try:
        code = app(arguments, standalone_mode=False)
        if code == INTERRUPTED:  # Typer turns Ctrl-C into an exit
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except InbondError as error:
        print_error(error, as_json=as_json)
        return error.exit_code
    except _UsageError as error:
        said = str(error.format_message())  # type: ignore[attr-defined]
        if said:  # nothing is said where a verb alone was given, and Typer has printed its help
            print_error(_usage(said), as_json=as_json)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("interrupted: everything received so far is kept; run the same command to go on", err=True)
        return INTERRUPTED
    except Exception as error:
        traceback.print_exc()
        fault = InbondError(
            expected="no surprise",
            found=f"{type(error).__name__}: {error}",
            fix="this is our fault: please report it with the lines above",
        )
        print_error(fault, as_json=as_json)
        return 1


def _usage(message: str) -> InputError:
    return InputError(
        expected="a command that inbond knows",
        found=message,
        fix="inbond --help lists the verbs, inbond VERB --help the options with examples",
    )
