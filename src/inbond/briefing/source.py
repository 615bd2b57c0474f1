"""An address or a file to the article in it.

What a page is, is told by its content type, a file by its suffix; what says neither is looked at. A file is
read from this machine because a person named it; an address is fetched as ``fetching`` allows.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, final
from urllib.parse import urlsplit

from yarl import URL

from inbond.briefing.addresses import Address, is_public, page_address, plain_host, same_site
from inbond.briefing.article import Article, Meta
from inbond.briefing.decoding import decode
from inbond.briefing.fetching import MOST_BYTES, MOST_PDF_BYTES, Fetched, fetch
from inbond.briefing.pages import read_page
from inbond.briefing.texts import read_markdown, read_pdf, read_plain
from inbond.errors import InputError
from inbond.report.text import one_line
from inbond.workspace import opened

Form = Literal["html", "markdown", "plain", "pdf", "feed"]

SUFFIXES: Final[dict[str, Form]] = {
    ".html": "html", ".htm": "html", ".xhtml": "html", ".md": "markdown", ".markdown": "markdown",
    ".txt": "plain", ".text": "plain", ".pdf": "pdf",
}  # fmt: skip
_KINDS: Final[dict[str, Form]] = {
    "text/html": "html", "application/xhtml+xml": "html", "text/markdown": "markdown",
    "text/x-markdown": "markdown", "application/pdf": "pdf",
}  # fmt: skip
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.I)
_PROLOGUE: Final = r"\s*+(?:<\?xml[^>]*+>\s*+)?(?:<!--(?>.*?-->)\s*+)*+"
"""What may stand before a page's first element. Nothing in it is tried twice: strangers write it."""
_HTML: Final = re.compile(_PROLOGUE + r"<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_FEED: Final = re.compile(_PROLOGUE + r"<(?:rss|feed|rdf:RDF)\b", re.I | re.S)
_LOOKED_AT: Final = 4_000
_PDF: Final = b"%PDF-"
_MOST_SHOWN: Final = 120


@final
@dataclass(frozen=True)
class Found:
    """An article and where it was found: an address, or a file's name without its folder."""

    article: Article
    place: str


def is_address(text: str) -> bool:
    """Whether it is meant as an address, and not as a file's name."""
    return _ADDRESS.match(text) is not None


def read_source(text: str, *, may_reach: Callable[[Address], bool] = is_public) -> Found:
    """The article behind an address or in a file. Raises InputError for what cannot be had, is too large, or
    holds no article; MissingExtraError."""
    if is_address(text):
        fetched = asyncio.run(fetch(text, may_reach=may_reach))
        return Found(of_fetched(fetched), str(page_address(text)))
    path = Path(os.path.expanduser(text))  # as shells do it: of no user, it is a letter of the name
    # A name is bytes: those that are no text cannot be kept.
    name = one_line(path.name)
    return Found(of_bytes(_read(path), SUFFIXES.get(path.suffix.lower()), name), name)


def of_fetched(fetched: Fetched) -> Article:
    """The article of a page that came. Raises as ``read_source``."""
    form = _KINDS.get(fetched.kind)
    suffix = SUFFIXES.get(Path(urlsplit(fetched.url).path).suffix.lower())
    # What a server calls plain text, or does not name, is told by the address' end before it is looked at.
    if form is None and suffix in ("markdown", "plain"):
        form = suffix
    article = of_bytes(fetched.data, form, _named(fetched.url), url=fetched.url, charset=fetched.charset)
    return replace(article, meta=_as_read(article.meta, page_address(fetched.url)))


def _as_read(said: Meta, read: URL) -> Meta:
    """What a page says of itself, put right by where it was read: the address of another host that it calls
    its own is not the source, and the name of its site stands behind its host."""
    host = read.raw_authority
    own = said.url != "" and same_site(page_address(said.url), read)
    named = said.site != "" and plain_host(said.site) != plain_host(host)
    return replace(said, url=said.url if own else str(read), site=f"{host} · {said.site}" if named else host)


def of_bytes(data: bytes, form: Form | None, name: str, *, url: str = "", charset: str = "") -> Article:
    """The article in these bytes; ``form`` is None where it is to be told from them, ``name`` what to call
    them in an error. Raises as ``read_source``."""
    if not data.strip():
        raise InputError(
            expected="an article with text", found=f"{name}, which is empty", fix="give another copy of it"
        )
    if form == "pdf" or data.lstrip()[:5] == _PDF:
        return read_pdf(data, url, source=name)
    text = decode(data, charset, source=name)
    form = form or _looked_at(text)
    if form == "markdown":
        return read_markdown(text, url, source=name)
    if form == "plain":
        return read_plain(text, url, source=name)
    if form == "feed" or _FEED.match(text[:_LOOKED_AT]):
        raise InputError(
            expected="one article",
            found=f"{name}: this is a feed, a list of articles",
            fix="open one of its articles, and give its own address",
        )
    return read_page(text, url, source=name)


def _looked_at(text: str) -> Form:
    head = text.lstrip("\ufeff")[:_LOOKED_AT]
    if _FEED.match(head):
        return "feed"
    return "html" if _HTML.match(head) else "plain"


def _read(path: Path) -> bytes:
    most = MOST_PDF_BYTES if path.suffix.lower() == ".pdf" else MOST_BYTES
    try:
        with opened(path) as file:
            data = file.read(most + 1)
            size = max(len(data), os.fstat(file.fileno()).st_size)
    except (OSError, ValueError) as error:
        raise _unread(path, error) from error
    if size > most:
        raise InputError(
            expected=f"a file of at most {most:,} bytes",
            found=f"{_named(path.name)} with {size:,}",
            fix="save the article's text to a file of its own",
        )
    return data


def _unread(path: Path, error: OSError | ValueError) -> InputError:
    found, fix = (
        getattr(error, "strerror", None) or f"{error}",
        "correct the name; an address begins with https://",
    )
    if getattr(error, "errno", None) == errno.EINVAL and path.is_dir():
        found, fix = os.strerror(errno.EISDIR), "name the page that you saved, not the folder"
    elif getattr(error, "errno", None) == errno.EINVAL:
        found, fix = "no file, but a device or a pipe", "save it to a file, and name that"
    return InputError(
        expected="an address (https://...) or a file that can be read",
        found=f"{_named(str(path))}: {found}",
        fix=fix,
    )


def _named(text: str) -> str:
    text = one_line(text)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
