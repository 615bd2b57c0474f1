"""The whole manual: reads pages, holds every link against what there is, writes the site.

Nothing is fetched, and nothing in the site asks a network for anything: no fonts, no scripts from elsewhere,
a search whose index is a script file, since a browser lets no page read data files next to it from a disk.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from manual.contents import Section
from manual.contents import read as read_contents
from manual.pages import Page, read, relative, resolve

ROOT = Path(__file__).parents[1]
_HERE = Path(__file__).parent
_PALETTE = ROOT / "src/inbond/report/templates/palette.css"


@final
@dataclass(frozen=True)
class Manual:
    """``pages`` by path; ``files`` are what else pages link to: where it lies in the site, and on disk."""

    pages: Mapping[str, Page]
    sections: Sequence[Section]
    files: Mapping[str, Path]


def gather(root: Path = ROOT) -> Manual:
    """Reads all pages of ``root``/docs and the change log. Raises ValueError that names every broken link,
    and as ``contents.read``."""
    docs = root / "docs"
    found = {path.relative_to(docs).as_posix(): path for path in sorted(docs.rglob("*.md"))}
    found["CHANGELOG.md"] = root / "CHANGELOG.md"
    pages = {name: read(name, path.read_text("utf-8")) for name, path in found.items()}
    files: dict[str, Path] = {}
    broken = []
    for page in pages.values():
        for link in page.links:
            name, anchor = _meant(page, link)
            if name in pages:
                if anchor and anchor not in pages[name].anchors:
                    broken.append(f"{page.path}: {link}: no such heading")
            elif (docs / name).is_file() and (docs / name).resolve().is_relative_to(root.resolve()):
                files[_place_of_file(name)] = docs / name
            else:
                broken.append(f"{page.path}: {link}: no such page or file")
    if broken:
        raise ValueError("broken links:\n" + "\n".join(broken))
    return Manual(pages, read_contents(pages), files)


def build(manual: Manual, out: Path) -> None:
    """Writes the site into ``out``, in place of what an earlier build left there (known by ``words.js``).

    Raises ValueError where ``out`` holds something that no build wrote."""
    _clear(out)
    order = [name for section in manual.sections for name in section.pages]
    index = json.dumps(_index(manual, order), ensure_ascii=False, separators=(",", ":"))
    _write(out / "words.js", f"window.manualWords = {index};\n")
    template = _templates().get_template("page.html.j2")
    for name, page in manual.pages.items():
        _write(out / page.place, template.render(_shown(manual, page, order.index(name), order)))
    for place, source in manual.files.items():
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, out / place)
    _write(
        out / "manual.css", _PALETTE.read_text("utf-8") + (_HERE / "templates/manual.css").read_text("utf-8")
    )
    shutil.copyfile(_HERE / "templates/manual.js", out / "manual.js")


def _shown(manual: Manual, page: Page, at: int, order: Sequence[str]) -> dict[str, Any]:
    """What a page's template is filled with; ``at`` is its place in the reading order."""
    near = {"before": order[at - 1] if at else None, "after": order[at + 1] if at + 1 < len(order) else None}
    return {
        "page": page,
        "manual": manual,
        "here": next(section for section in manual.sections if page.path in section.pages),
        "body": Markup(page.html(partial(_lead, manual, page))),
        "near": {way: manual.pages[name] for way, name in near.items() if name},
        "to": partial(relative, page.place),
    }


def _meant(page: Page, link: str) -> tuple[str, str]:
    name, anchor = resolve(page.path, link)
    return ("CHANGELOG.md" if name == "../CHANGELOG.md" else name), anchor


def _place_of_file(name: str) -> str:
    """Pictures stay pictures; what is read as text ends in .txt, so that a browser shows it."""
    within = name.replace("../", "files/", 1)
    return within if within.endswith((".svg", ".png")) else f"{within}.txt"


def _lead(manual: Manual, page: Page, link: str) -> str:
    name, anchor = _meant(page, link)
    target = manual.pages[name].place if name in manual.pages else _place_of_file(name)
    if target == page.place and anchor:
        return f"#{anchor}"
    return relative(page.place, target) + (f"#{anchor}" if anchor else "")


def _index(manual: Manual, order: Sequence[str]) -> list[dict[str, Any]]:
    """What the search goes through: pages in reading order, each with its parts."""
    titles = {name: section.title for section in manual.sections for name in section.pages}
    return [
        {
            "place": manual.pages[name].place,
            "title": manual.pages[name].title,
            "section": titles[name],
            "parts": [[part.anchor, part.heading, part.words] for part in manual.pages[name].parts],
        }
        for name in order
    ]


def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def _clear(out: Path) -> None:
    if out.exists() and any(out.iterdir()) and not (out / "words.js").exists():
        raise ValueError(f"{out}: holds something else than a manual; name another folder")
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
