"""The list of verbs, in the order that --help shows them."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Adds every verb to ``app`` once."""
    if app.registered_commands:
        return
    from inbond.cli import keys
    from inbond.cli.check import check
    from inbond.cli.verify import verify

    app.command()(check)
    app.command()(verify)
    app.add_typer(keys.app, name="keys")
