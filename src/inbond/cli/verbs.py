"""The list of verbs, in the order that --help shows them."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Adds every verb to ``app`` once."""
    if app.registered_commands:
        return
    from inbond.cli import guard, keys, models
    from inbond.cli.check import check
    from inbond.cli.erase import erase
    from inbond.cli.export import export
    from inbond.cli.import_ import import_
    from inbond.cli.run import run
    from inbond.cli.trace import trace
    from inbond.cli.verify import verify

    app.command()(run)
    app.command()(check)
    app.command()(trace)
    app.command()(verify)
    app.command("import")(import_)
    app.command()(export)
    app.command()(erase)
    app.add_typer(models.app, name="models")
    app.add_typer(keys.app, name="keys")
    app.add_typer(guard.app, name="guard")
