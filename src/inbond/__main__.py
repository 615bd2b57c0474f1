"""``python -m inbond``: the command line."""

from __future__ import annotations

from inbond.cli.main import main

if __name__ == "__main__":
    main()
