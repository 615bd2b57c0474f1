"""Small PDFs for tests: with text, without any, locked, damaged."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence

import pypdf


def with_text(lines: Sequence[str], title: str = "") -> bytes:
    """One page of these lines of Latin text, in Helvetica."""
    shown = "\n".join(f"({_escaped(line)}) Tj T*" for line in lines)
    stream = f"BT /F1 11 Tf 14 TL 72 720 Td\n{shown}\nET".encode("latin-1")
    return _of(stream, 1, title)


def of_one_stream(stream: bytes, pages: int) -> bytes:
    """So many pages, all of which show the same stream, which is compressed."""
    return _of(zlib.compress(stream, 9), pages, "", b" /Filter /FlateDecode")


def _of(stream: bytes, pages: int, title: str, filters: bytes = b"") -> bytes:
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 3 0 R "
        b"/Resources << /Font << /F1 4 0 R >> >> >>"
    )
    kids = b" ".join(b"%d 0 R" % (6 + at) for at in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, pages),
        b"<< /Length %d%s >>\nstream\n%s\nendstream" % (len(stream), filters, stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        f"<< /Title ({_escaped(title)}) >>".encode("latin-1"),
        *[page] * pages,
    ]
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R >>\n" % (len(objects) + 1)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % table)


def scanned() -> bytes:
    """Pages without text, as a scanner makes them."""
    writer = pypdf.PdfWriter()
    for _ in range(2):
        writer.add_blank_page(612, 792)
    return _written(writer)


def locked(password: str, data: bytes) -> bytes:
    """The same PDF, behind a password."""
    writer = pypdf.PdfWriter()
    writer.append(io.BytesIO(data))
    writer.encrypt(password, "owner", algorithm="AES-256")
    return _written(writer)


def _written(writer: pypdf.PdfWriter) -> bytes:
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
