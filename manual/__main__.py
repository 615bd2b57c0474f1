"""``python -m manual [FOLDER]`` builds the site, ``python -m manual reference`` docs/reference."""

from __future__ import annotations

import sys
from pathlib import Path

from manual.site import ROOT, build, gather


def main(arguments: list[str]) -> int:
    if arguments == ["reference"]:
        from manual.reference import write_all

        print("\n".join(write_all(ROOT / "docs/reference")) or "docs/reference: nothing changed")
        return 0
    out = Path(arguments[0]) if arguments else ROOT / "build/docs"
    try:
        manual = gather()
        build(manual, out)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(manual.pages)} pages: open {out / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
