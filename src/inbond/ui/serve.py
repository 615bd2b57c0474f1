"""Runs the site until somebody ends it."""

from __future__ import annotations

import gc
import socket
import sys
from typing import Final

import uvicorn

from inbond.errors import InputError
from inbond.ui.safety import Rules
from inbond.ui.site import build
from inbond.workspace import Workspace

_SWITCH_S: Final = 1e-4
"""A page that looks at many files gives its turn back at each of them; at Python's 5 ms it would wait so long
for each while the lineage is being read beside it."""
_COLLECT: Final = (50_000, 20, 1_000)
"""What is young is still looked through for cycles. All there is hardly ever: of a large lineage that takes a
second, in which no page is answered, and nothing that a page leaves behind gets so old."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises InputError where that cannot be."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise InputError(
            expected=f"to listen at {host}, port {port}",
            found=str(error),
            fix="name another port with --port (0: any free one), or another --host",
        ) from error


def tune() -> None:
    """Sets this process up to answer pages beside a large lineage."""
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(*_COLLECT)


def serve(workspace: Workspace, rules: Rules, listening: socket.socket) -> None:
    """Serves the site at a socket until the process is told to end."""
    tune()
    config = uvicorn.Config(
        build(workspace, rules, ahead=True), log_level="warning", access_log=False, lifespan="off",
        server_header=False, proxy_headers=False, timeout_graceful_shutdown=3,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listening])
