"""From an address or a file to an article: every form, and an error that says what to do for the rest."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from inbond.briefing.addresses import Address, page_address, same_site
from inbond.briefing.pdf import text_of
from inbond.briefing.source import Form, is_address, of_bytes, read_source
from inbond.errors import InputError
from tests import briefing_pdfs

PARAGRAPHS = (
    "The harbour will close its northern gate for repairs from Monday, the town said in a statement.",
    "Ships of more than 120 metres must wait outside until the work is done, which may take 3 weeks.",
    "Fishermen asked for a second pilot boat, and the council will vote on it on Thursday evening.",
)
PAGE = (
    "<!doctype html><html lang=en><head><title>Harbour gate closes</title></head><body><article>"
    "<h1>Harbour gate closes</h1>"
    + "".join(f"<p>{each}</p>" for each in PARAGRAPHS)
    + "</article></body></html>"
)
CLAIMS = PAGE.replace(
    "<title>", "<link rel=canonical href='{}'><meta property=og:site_name content='The Herald'><title>"
)
PLAIN = "Harbour gate closes\n\n" + "\n\n".join(PARAGRAPHS) + "\n"
LINES = ["Harbour gate closes", "", *PARAGRAPHS[0].split(", "), "", "It may take 3 weeks (or more)."]
FEED = '<?xml version="1.0"?><rss version="2.0"><channel><title>News</title></channel></rss>'


def only_first(address: Address) -> bool:
    """This machine's first address, for tests alone."""
    return str(address) == "127.0.0.1"


def read(name: str, data: bytes, tmp_path: Path) -> list[str]:
    (tmp_path / name).write_bytes(data)
    found = read_source(str(tmp_path / name))
    assert found.place == name
    return [block.text for block in found.article.blocks]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", PAGE), ("a.HTM", PAGE), ("a", PAGE), ("a.md", f"# Harbour gate closes\n\n{PLAIN[21:]}"),
        ("a.txt", PLAIN), ("a.text", PLAIN), ("page.php", PAGE), ("a.unknown", PLAIN),
        ("a.html", '<?xml version="1.0" encoding="utf-8"?>\n<!-- x -->\n' + PAGE),
    ],
)  # fmt: skip
def test_a_file_is_read_by_its_suffix_or_by_its_looks(name: str, text: str, tmp_path: Path) -> None:
    assert read(name, text.encode(), tmp_path) == list(PARAGRAPHS)


@pytest.mark.parametrize("between", ["", " ", "\n"])
@pytest.mark.parametrize("form", ["html", None])
def test_comments_before_a_page_are_read_over_once(between: str, form: Form | None) -> None:
    comments = f"<!-- x -->{between}" * 200
    assert len(of_bytes((comments + PAGE).encode(), form, "x").blocks) == len(PARAGRAPHS)
    bare = comments + "<article>" + PAGE.partition("</h1>")[2]
    assert len(of_bytes(bare.encode(), "html", "x").blocks) == len(PARAGRAPHS)
    with pytest.raises(InputError, match="this is a feed"):
        of_bytes((comments + FEED[21:]).encode(), form, "x")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp932", "euc_jp", "iso2022_jp"])
def test_japanese_is_read_in_its_encodings(encoding: str, tmp_path: Path) -> None:
    first, second = "北の水門は月曜日から修理のために閉まると、町が発表した。", "工事には三週間ほどかかる。"
    text = f"港の門が閉まる\n\n{first}\n\n{second}\n"
    assert len(read("ja.txt", text.encode(encoding), tmp_path)) == 2


def test_the_text_of_a_pdf_is_read(tmp_path: Path) -> None:
    data = briefing_pdfs.with_text(LINES, "Harbour notice")
    (tmp_path / "notice.pdf").write_bytes(data)
    found = read_source(str(tmp_path / "notice.pdf")).article
    assert found.meta.title == "Harbour notice"
    said = " ".join(block.text for block in found.blocks)
    assert "northern gate for repairs from Monday" in said
    assert "3 weeks (or more)" in said
    assert of_bytes(data, None, "x").digest == found.digest  # told from its first bytes, too


@pytest.mark.parametrize(
    ("data", "found", "fix"),
    [
        (briefing_pdfs.scanned(), "pages without text", "have the text recognised first"),
        (
            briefing_pdfs.locked("sesame", briefing_pdfs.with_text(LINES)),
            "locked with a password",
            "unlock it",
        ),
        (briefing_pdfs.with_text(LINES)[:300], "cannot be read", "save its text to a file"),
        (b"%PDF-1.7\n" + bytes(2_000), "cannot be read", "save its text to a file"),
    ],
    ids=["scanned", "locked", "cut", "zeros"],
)
def test_a_pdf_without_text_to_read_is_refused(data: bytes, found: str, fix: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read("odd.pdf", data, tmp_path)
    assert found in caught.value.found
    assert fix in caught.value.fix


def test_a_pdf_of_many_characters_in_few_bytes_is_refused() -> None:
    shown = b"BT /F1 12 Tf 10 700 Td (" + b"word and words " * 20_000 + b") Tj ET"
    assert "word and words" in text_of(briefing_pdfs.of_one_stream(shown, 2), source="x").text
    data = briefing_pdfs.of_one_stream(shown, 20)
    assert len(data) < 10_000
    with pytest.raises(InputError, match="2,000,000 characters"):
        of_bytes(data, "pdf", "x")


def test_a_pdf_that_takes_too_long_is_given_up() -> None:
    shown = b"BT /F1 12 Tf " + b"(word) Tj 0 -12 Td " * 1_000_000 + b"ET"
    with pytest.raises(InputError, match="more than 1 s to read"):
        text_of(briefing_pdfs.of_one_stream(shown, 9), source="x", seconds=1)


def test_a_pdf_that_only_its_owner_may_change_is_read(tmp_path: Path) -> None:
    assert read("open.pdf", briefing_pdfs.locked("", briefing_pdfs.with_text(LINES)), tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("empty.html", b" \n", "which is empty"),
        ("a.bin", bytes(range(256)) * 40, "no text"),
        (
            "a.html",
            b"<html><body><div id=app></div><script>go()</script></body></html>",
            "no text that could be read",
        ),
        ("broken.txt", bytes(range(0x80, 0x9F)) * 99, "unreadable"),
        ("news.xml", FEED.encode(), "this is a feed"),
        ("news.html", FEED.encode(), "this is a feed"),
    ],
)
def test_what_is_no_article_is_refused(name: str, data: bytes, found: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(name, data, tmp_path)
    assert found in caught.value.found


def test_a_file_that_cannot_be_had_is_an_error(tmp_path: Path) -> None:
    big = tmp_path / "big.html"
    with big.open("wb") as file:
        file.truncate(50 << 20)
    for name, found in (
        (str(tmp_path), "Is a directory"),
        ("nowhere.html", "No such file"),
        (str(big), "52,428,800"),
    ):
        with pytest.raises(InputError) as caught:
            read_source(name)
        assert found in caught.value.found
    with pytest.raises(InputError, match="null byte"):
        read_source("a\x00b")


def test_what_never_ends_or_never_begins_is_no_file(tmp_path: Path) -> None:
    """Not waited for, not read: whatever a name leads to, it is a file or refused."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero.txt").symlink_to("/dev/zero")
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    for name, found in (
        ("pipe", "a device or a pipe"),
        ("zero.txt", "a device or a pipe"),
        ("/dev/zero", "a device or a pipe"),
        ("loop.txt", "symbolic links"),
    ):
        with pytest.raises(InputError) as caught:
            read_source(str(tmp_path / name))
        assert found in caught.value.found
    (tmp_path / "a.txt").write_text(PLAIN)
    (tmp_path / "link.txt").symlink_to("a.txt")
    assert len(read_source(str(tmp_path / "link.txt")).article.blocks) == len(PARAGRAPHS)


def test_a_name_may_begin_as_a_users_folder_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(read("~draft.txt", PLAIN.encode(), tmp_path)) == len(PARAGRAPHS)
    for name in ("~draft.txt", "~/~draft.txt"):
        assert read_source(name).place == "~draft.txt"


def test_a_name_that_is_no_text_is_kept_as_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9\x1b.html")
    path.write_text(PAGE)
    assert read_source(str(path)).place == "caf\ufffd\u241b.html"
    with pytest.raises(InputError) as caught:
        read_source(os.fsdecode(b"nowhere-\xe9.html"))
    assert caught.value.found.encode() == "nowhere-\ufffd.html: No such file or directory".encode()


def test_an_address_in_capitals_is_kept_in_one_form(site: str) -> None:
    found = read_source(f"{site}/a".replace("http", "HTTP"), may_reach=only_first)
    assert (found.place, found.article.meta.url) == (f"{site}/a", f"{site}/a")


def test_an_address_is_told_from_a_name() -> None:
    assert is_address("https://example.org")
    assert is_address("FILE:///etc/passwd")
    assert not is_address("C:/article.html")
    for text in ("file:///etc/passwd", "ftp://example.org/a"):
        with pytest.raises(InputError, match="no address of http"):
            read_source(text)


class _Site(BaseHTTPRequestHandler):
    KINDS: ClassVar = {
        "/a": ("text/html; charset=utf-8", PAGE.encode()),
        "/none": ("", PAGE.encode()),
        "/plain.md": ("text/plain", f"# Harbour gate closes\n\n{PLAIN[21:]}".encode()),
        "/plain": ("text/plain; charset=utf-8", PLAIN.encode()),
        "/pdf": ("application/pdf", briefing_pdfs.with_text(LINES)),
        "/lies": ("text/html", briefing_pdfs.with_text(LINES)),
        "/sjis": ("text/html; charset=utf-8", "<p>港の門が閉まると町が発表した。</p>".encode("cp932") * 5),
        "/foreign": ("text/html", CLAIMS.format("https://herald.example/news").encode()),
        "/own": ("text/html", CLAIMS.format("http://127.0.0.1/news").encode()),
        f"/{'long' * 200}": ("text/html", PAGE.encode()),
        "/feed": ("application/xml", FEED.encode()),
    }

    def do_GET(self) -> None:
        if self.path == "/private":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.2:9/")
            self.end_headers()
            return
        kind, data = self.KINDS.get(self.path, ("text/html", b""))
        self.send_response(200)
        if kind:
            self.send_header("Content-Type", kind)
        if self.path == "/huge":
            self.end_headers()
            self._endless()
            return
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _endless(self) -> None:
        try:
            for _ in range(800):
                self.wfile.write(b"<p>more</p>" * 6_000)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("path", ["/a", "/none", "/plain.md", "/plain"])
def test_a_page_is_read_by_its_type(site: str, path: str) -> None:
    found = read_source(site + path, may_reach=only_first)
    assert [block.text for block in found.article.blocks] == list(PARAGRAPHS)
    assert (found.place, found.article.meta.url) == (site + path, site + path)


@pytest.mark.parametrize("path", ["/pdf", "/lies"])
def test_a_pdf_of_the_network_is_read_whatever_it_is_called(site: str, path: str) -> None:
    blocks = read_source(site + path, may_reach=only_first).article.blocks
    assert "northern gate" in " ".join(block.text for block in blocks)


def test_a_page_that_names_the_wrong_encoding_is_read_all_the_same(site: str) -> None:
    blocks = read_source(f"{site}/sjis", may_reach=only_first).article.blocks
    assert blocks[0].text.startswith("港の門が閉まる")


@pytest.mark.parametrize(
    ("path", "expected", "found"),
    [
        ("/private", "public internet", "127.0.0.2"),
        ("/huge", "at most 10,485,760 bytes", "more while it was read"),
        ("/feed", "one article", "this is a feed"),
        ("/gone", "an article with text", "empty"),
    ],
)
def test_what_cannot_be_read_is_refused(site: str, path: str, expected: str, found: str) -> None:
    with pytest.raises(InputError) as caught:
        read_source(site + path, may_reach=only_first)
    assert expected in caught.value.expected
    assert found in caught.value.found


@pytest.mark.parametrize(
    ("path", "url", "name"),
    [
        ("/foreign", "{}/foreign", "{} · The Herald"),
        ("/own", "http://127.0.0.1/news", "{} · The Herald"),
        ("/a", "{}/a", "{}"),
        (f"/{'long' * 200}", f"{{}}/{'long' * 200}", "{}"),
    ],
    ids=["foreign", "own", "none", "long"],
)
def test_a_page_says_where_it_was_read_whatever_it_says_of_itself(
    site: str, path: str, url: str, name: str
) -> None:
    meta = read_source(site + path, may_reach=only_first).article.meta
    assert (meta.url, meta.site) == (url.format(site), name.format(site.removeprefix("http://")))


def test_a_file_has_no_host_and_its_claims_stay(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(CLAIMS.format("https://herald.example/news"))
    meta = read_source(str(tmp_path / "a.html")).article.meta
    assert (meta.url, meta.site) == ("https://herald.example/news", "The Herald")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://www.herald.example/a", "http://herald.example/b?c", True),
        ("https://m.herald.example:8080/", "https://amp.HERALD.example/", True),
        ("https://herald.example/", "https://herald.example.evil.example/", False),
        ("https://a.pages.example/", "https://b.pages.example/", False),
        ("https://www.example/", "https://m.example/", False),
        ("https://herald.example/", "https://xherald.example/", False),
    ],
)
def test_one_host_is_one_site(one: str, other: str, same: bool) -> None:
    assert same_site(page_address(one), page_address(other)) is same


def test_this_machine_is_not_read_from(site: str) -> None:
    with pytest.raises(InputError, match="not fetched"):
        read_source(f"{site}/a")
