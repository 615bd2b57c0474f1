"""The guard: who is watched, restricted or suspended and why, all accounts by pages, and each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inbond.report.blocks import LIMITS
from inbond.report.guard_page import context_of
from inbond.ui.beside import Found
from inbond.ui.ground import Ground, natural, routes_of
from inbond.ui.guarding import Seen, Watch
from inbond.ui.pages import address
from inbond.ui.reading import Unreadable

_ROWS: Final = 50
_ENTRIES, _GROUPS = 8, 4
"""Accounts and groups that the overview draws; the others have pages of their own."""


@final
class GuardPages:
    """The pages of the guard."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._watch = Watch(ground.workspace, ground.patience_s)

    def routes(self) -> Sequence[Route]:
        """Which address shows what."""
        return routes_of(
            ("/guard", self.guard), ("/guard/accounts", self.accounts), ("/guard/account", self.account)
        )

    def guard(self, _: Request) -> Response:
        """The whole at a glance, as ``inbond guard report --page`` has it."""
        return self._shown(None)

    def account(self, request: Request) -> Response:
        """One account: its verdict with reasons and evidence, appeals, signatures, changes over time."""
        name = request.query_params.get("name", "")[:400]
        if not name:
            raise Unreadable("no account was named")
        return self._shown(name)

    def accounts(self, request: Request) -> Response:
        """All that there is anything to say of, by pages."""
        found = self._found()
        if isinstance(found, Response):
            return found
        words = request.query_params.get("q", "")[:200]
        seen, wanted = found.value, words.casefold()
        names = [name for name in seen.names if wanted in name.casefold()] if wanted else seen.names
        last = max(1, -(-len(names) // _ROWS))
        number = min(natural(request.query_params.get("page"), 1), last) or 1
        shown = names[(number - 1) * _ROWS : number * _ROWS]
        rows = seen.rows(shown, datetime.now(UTC))
        return self._ground.page(
            "accounts.html.j2", "/guard", rows=rows, found=len(names), total=len(seen.names), number=number,
            last=last, words=words, account_page=_account, behind=found.behind,
        )  # fmt: skip

    def _shown(self, only: str | None) -> Response:
        found = self._found()
        if isinstance(found, Response):
            return found
        seen = found.value
        shown = seen.overview if only is None else seen.account(only, datetime.now(UTC))
        context = context_of(shown, LIMITS[0], _ENTRIES, _GROUPS)
        return self._ground.page(
            "guarded.html.j2", "/guard", **context, account_page=_account, behind=found.behind,
            told=len(seen.names),
        )  # fmt: skip

    def _found(self) -> Found[Seen] | Response:
        if not self._watch.serves():
            return self._ground.page("no_guard.html.j2", "/guard")
        found = self._watch.seen()
        if found is None:
            return self._ground.page("guard_loading.html.j2", "/guard", 503)
        return found


def _account(name: str) -> str:
    return address("/guard/account", name=name)
