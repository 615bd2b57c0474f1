"""The list of verbs, in the order that --help shows them."""

from __future__ import annotations

import typer


def register(app: typer.Typer, wanted: str = "") -> None:
    """Adds every verb to ``app``, once. The guard comes alone where only it is ``wanted``: a server should
    not keep in memory what other verbs work with."""
    if app.registered_commands:
        return
    if wanted == "guard":
        from inbond.cli import guard

        if not app.registered_groups:
            app.add_typer(guard.app, name="guard")
        return
    app.registered_groups.clear()
    from inbond.cli import briefing, forensics, guard, keys, models, roundtable
    from inbond.cli.check import check
    from inbond.cli.erase import erase
    from inbond.cli.export import export
    from inbond.cli.import_ import import_
    from inbond.cli.run import run
    from inbond.cli.trace import trace
    from inbond.cli.ui import ui
    from inbond.cli.verify import verify

    app.command()(run)
    app.command()(check)
    app.command()(trace)
    app.command()(verify)
    app.command("import")(import_)
    app.command()(export)
    app.command()(erase)
    app.command()(ui)
    app.add_typer(models.app, name="models")
    app.add_typer(keys.app, name="keys")
    app.add_typer(guard.app, name="guard")
    app.add_typer(roundtable.app, name="roundtable")
    app.add_typer(briefing.app, name="briefing")
    app.add_typer(forensics.app, name="forensics")
