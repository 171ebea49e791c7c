"""PDF, page by page, through PDFium: text with its headings, and OCR of scanned pages.

PDFium is one library for text and for pictures of pages; LlamaIndex's own PDF reader (pypdf)
reads a file as a whole, knows no headings, and cannot draw the page of a scan.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from anyio import to_thread
from numpy.typing import NDArray

from indexers.readers.chunks import drafts
from indexers.readers.draft import Draft, Item, ReadProgress
from indexers.readers.threads import in_thread
from indexers.settings import IndexSettings
from model_host.errors import Unavailable, UnreadableMedia
from model_host.tasks import Read, ReadResult

if TYPE_CHECKING:
    from model_host.client import Client

_LOCK = threading.Lock()  # PDFium is one library without any locking of its own
_SCAN_PX = 1600  # longest side of a page that is read by OCR
_HEADING = 1.12  # times the size of the body's letters
_PAGE_NUMBER = re.compile(r"(?:page\s*)?[-–]?\s*\d{1,4}\s*[-–]?(?:\s*(?:of|/)\s*\d{1,4})?", re.I)


class Line(NamedTuple):
    text: str
    size: float  # of its first letter, points; 0.0: unknown
    top: float  # points from the page's foot
    bottom: float


class Page(NamedTuple):
    """`scan` is a picture of a page that has no text of its own."""

    number: int
    lines: tuple[Line, ...]
    scan: NDArray[np.uint8] | None = None


async def read(
    path: Path, kind: str, client: Client, settings: IndexSettings, language: str | None
) -> AsyncGenerator[Item]:
    """Raises UnreadableMedia; Unavailable when all pages are scans and no OCR can be had."""
    section: str | None = None
    found = False
    refused: Unavailable | None = None
    async with aclosing(in_thread(_pages(path))) as pages:
        async for total, page in pages:
            note = ""
            if page.scan is not None:
                try:
                    page = page._replace(lines=await _ocr(page.scan, client))
                except Unavailable as error:
                    refused = error
                    note = f"page {page.number} is a scan that could not be read: {error}"
            sections, section = _sections(page.lines, section)
            cut = await to_thread.run_sync(_cut, sections, page.number, settings, language)
            for draft in cut:
                found = True
                yield draft
            yield ReadProgress(page.number, total, "pages", note)
    if not found and refused is not None:
        raise refused
    if not found:
        yield ReadProgress(1, 1, "pages", "it has no text")


def _cut(
    sections: list[tuple[str | None, str]],
    page: int,
    settings: IndexSettings,
    language: str | None,
) -> list[Draft]:
    from llama_index.core.schema import Document

    documents = [
        Document(text=text, metadata={"page": page, "section": section})
        for section, text in sections
    ]
    return list(drafts(documents, settings.chunk_tokens, language))


# -- pages ----------------------------------------------------------------------------------


def _pages(path: Path) -> Iterator[tuple[int, Page]]:
    import pypdfium2 as pdfium

    with _LOCK:
        try:
            document = pdfium.PdfDocument(path)
            total = len(document)
        except pdfium.PdfiumError as error:
            raise _unreadable(path, error) from error
    try:
        for index in range(total):
            with _LOCK:
                try:
                    page = _page(document, index)
                except pdfium.PdfiumError:
                    page = Page(index + 1, ())  # one broken page does not spoil the others
            yield total, page
    finally:
        with _LOCK:
            document.close()


def _page(document: Any, index: int) -> Page:
    import pypdfium2.raw as raw

    page = document[index]
    try:
        textpage = page.get_textpage()
        try:
            lines = tuple(_lines(textpage))
        finally:
            textpage.close()
        if sum(len(line.text) for line in lines) >= 8:
            return Page(index + 1, lines)
        pictures = page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_PATH])
        if next(iter(pictures), None) is None:
            return Page(index + 1, lines)
        bitmap = page.render(scale=_SCAN_PX / max(page.get_size()), rev_byteorder=True)
        image = bitmap.to_numpy()[:, :, :3]
        return Page(index + 1, lines, np.ascontiguousarray(image))
    finally:
        page.close()


def _lines(textpage: Any) -> Iterator[Line]:
    import pypdfium2.raw as raw

    at = 0
    for text in textpage.get_text_range().split("\r\n"):
        if text.strip():
            lead = at + len(text) - len(text.lstrip())
            char = raw.FPDFText_GetCharIndexFromTextIndex(textpage, lead)
            size = top = bottom = 0.0
            if char >= 0:
                size = raw.FPDFText_GetFontSize(textpage, char)
                _, bottom, _, top = textpage.get_charbox(char, loose=True)
                if size <= 1.5:  # the size is in the matrix, as some writers do it
                    size = top - bottom
                last = raw.FPDFText_GetCharIndexFromTextIndex(textpage, at + len(text.rstrip()) - 1)
                if last >= 0:  # a hyphen at its end joins a line with the next
                    bottom = min(bottom, textpage.get_charbox(last, loose=True)[1])
            yield Line(text.strip(), size, top, bottom)
        at += len(text) + 2


def _unreadable(path: Path, error: Any) -> UnreadableMedia:
    import pypdfium2.raw as raw

    if error.err_code == raw.FPDF_ERR_PASSWORD:
        why = "It is locked with a password."
        fix = f"Save a copy without it, e.g. qpdf --password=… --decrypt {path.name!r} open.pdf"
    elif error.err_code == raw.FPDF_ERR_SECURITY:
        why, fix = "Its kind of encryption is not known here.", "Print it to a new PDF."
    else:
        why, fix = "It is damaged, incomplete, or no PDF.", "Download or export it again."
    return UnreadableMedia(f"{path.name!r} cannot be read.", why=why, fix=fix, file=path.name)


async def _ocr(image: NDArray[np.uint8], client: Client) -> tuple[Line, ...]:
    reply = await client.run(Read(image=image), latency="batch")
    assert isinstance(reply.result, ReadResult)
    height = image.shape[0]
    return tuple(
        Line(line.text, 0.0, (1 - line.box[1]) * height, (1 - line.box[3]) * height)
        for line in reply.result.lines
    )


# -- lines into paragraphs and sections -------------------------------------------------------


def _sections(
    lines: tuple[Line, ...], section: str | None
) -> tuple[list[tuple[str | None, str]], str | None]:
    """(heading, text) pairs of a page, and the heading that the next page goes on under."""
    lines = _without_page_numbers(lines)
    body_size = _body_size(lines)
    out: list[tuple[str | None, str]] = []
    paragraphs: list[str] = []
    before: Line | None = None
    titled = False  # the last line was a heading, and there is no text under it yet
    for line in lines:
        if _is_heading(line, body_size):
            if paragraphs:
                out.append((section, "\n\n".join(paragraphs)))
                paragraphs = []
            joined = f"{section} {line.text}" if titled and _continues(before, line) else None
            if titled and joined is None and section is not None:
                out.append((section, section))
            section, titled = joined or line.text, True
        elif before is None or not paragraphs or _new_paragraph(before, line):
            paragraphs.append(_clean(line.text))
            titled = False
        else:
            paragraphs[-1] = _join(paragraphs[-1], _clean(line.text))
            titled = False
        before = line
    if paragraphs:
        out.append((section, "\n\n".join(paragraphs)))
    elif titled and section is not None:
        out.append((section, section))
    return out, section


def _without_page_numbers(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    while lines and _PAGE_NUMBER.fullmatch(lines[-1].text):
        lines = lines[:-1]
    while lines and _PAGE_NUMBER.fullmatch(lines[0].text):
        lines = lines[1:]
    return lines


def _body_size(lines: tuple[Line, ...]) -> float:
    letters: Counter[float] = Counter()
    for line in lines:
        letters[round(line.size, 1)] += len(line.text)
    return letters.most_common(1)[0][0] if letters else 0.0


def _is_heading(line: Line, body_size: float) -> bool:
    return (
        0 < body_size * _HEADING <= line.size
        and len(line.text) <= 120
        and not line.text.endswith((".", ",", ";", "।"))
        and any(char.isalpha() for char in line.text)
    )


def _continues(before: Line | None, line: Line) -> bool:
    """A heading over two lines."""
    return (
        before is not None
        and abs(before.size - line.size) < 0.1
        and before.bottom - line.top < 0.6 * line.size
    )


def _new_paragraph(before: Line, line: Line) -> bool:
    """A wider gap, another column or page part, or another size of letters."""
    height = max(line.top - line.bottom, 1.0)
    gap = before.bottom - line.top
    return gap > 0.55 * height or gap < -3 * height or abs(before.size - line.size) > 1.0


_HYPHEN = re.compile("[\ufffe\x02\u00ad]\\s*")


def _clean(text: str) -> str:
    """PDFium marks a word that it joined over a line's end; ligatures become letters."""
    text = _HYPHEN.sub("", text)
    for ligature, letters in (("ﬁ", "fi"), ("ﬂ", "fl"), ("ﬀ", "ff"), ("ﬃ", "ffi"), ("ﬄ", "ffl")):
        text = text.replace(ligature, letters)
    return " ".join(text.split())


def _join(paragraph: str, line: str) -> str:
    if re.search(r"[^\W\d_]-$", paragraph) and line[:1].islower():
        return paragraph[:-1] + line
    return f"{paragraph} {line}"
