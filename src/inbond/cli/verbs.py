"""The list of verbs, in the order that --help shows them."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Adds every verb to ``app`` once."""
    if app.registered_commands:
        return
    from inbond.cli.check import check

    app.command()(check)
