"""DOCX, HTML, Markdown, RTF and plain text: LlamaIndex Documents of a section each, then chunks.

The readers follow LlamaIndex's reader interface. Those that it ships are used where they keep
what we need (Markdown sections, RTF); its DOCX and HTML readers lose the headings.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexers.readers.chunks import drafts
from indexers.readers.clock import day_us, instant_us
from indexers.readers.draft import Item, ReadProgress
from indexers.readers.texts import check_size, decode_text, read_text
from indexers.readers.threads import in_thread
from indexers.settings import IndexSettings
from model_host.errors import UnreadableMedia

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag
    from llama_index.core.schema import Document

    from model_host.client import Client

_PORTION = 1 << 16  # characters of plain text that are cut at a time


async def read(
    path: Path, kind: str, client: Client, settings: IndexSettings, language: str | None
) -> AsyncGenerator[Item]:
    """Raises UnreadableMedia and TooLarge."""
    check_size(path, settings.max_text_bytes)
    documents = _READERS[kind](path, settings)
    found = False
    async for draft in in_thread(drafts(documents, settings.chunk_tokens, language)):
        found = True
        yield draft
    yield ReadProgress(1, 1, "documents", "" if found else "it has no text")


def _text(path: Path, settings: IndexSettings) -> Iterator[Document]:
    yield from _portions(read_text(path, settings.max_text_bytes), {})


def _markdown(path: Path, settings: IndexSettings) -> Iterator[Document]:
    from llama_index.core.node_parser import MarkdownNodeParser
    from llama_index.core.schema import Document

    text = read_text(path, settings.max_text_bytes)
    meta, text = _front_matter(text, settings.timezone)
    parser = MarkdownNodeParser(include_prev_next_rel=False)
    for node in parser.get_nodes_from_documents([Document(text=text)]):
        body, section = node.get_content(), None
        if heading := re.match(r"#+\s+(.*)", body):
            section = _plain(heading.group(1)).strip(" #") or None
            body = body[heading.end() :]
        yield from _section(_plain(body), section, meta)


def _html(path: Path, settings: IndexSettings) -> Iterator[Document]:
    from bs4 import BeautifulSoup

    check_size(path, settings.max_text_bytes // 4)  # its tree takes many times its bytes
    data = path.read_bytes()
    declared = re.search(rb"<meta[^>]+charset|<\?xml[^>]+encoding", data[:4096], re.IGNORECASE)
    soup = BeautifulSoup(data if declared else decode_text(data, path.name), "html.parser")
    yield from _sections(_html_blocks(soup))


def _docx(path: Path, settings: IndexSettings) -> Iterator[Document]:
    import docx

    try:
        document = docx.Document(str(path))
        yield from _sections(_docx_blocks(document))
    except Exception as error:  # python-docx lets zip, XML and key errors of all kinds through
        if isinstance(error, (MemoryError, UnreadableMedia)):
            raise
        raise _unreadable(path, "It is damaged, or no Word document.") from error


def _rtf(path: Path, settings: IndexSettings) -> Iterator[Document]:
    from llama_index.readers.file import RTFReader

    try:
        documents = RTFReader().load_data(path)
    except Exception as error:  # striprtf raises whatever its parsing meets
        raise _unreadable(path, "It is damaged, or no RTF.") from error
    for document in documents:
        yield from _portions(document.text, {})


_READERS: dict[str, Callable[[Path, IndexSettings], Iterator[Document]]] = {
    "text": _text,
    "markdown": _markdown,
    "html": _html,
    "docx": _docx,
    "rtf": _rtf,
}

# -- sections -------------------------------------------------------------------------------

_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_DROPPED = {"script", "style", "noscript", "template", "head", "nav", "svg", "iframe", "object"}
_BLOCKS = {
    *_HEADINGS,
    *("p", "div", "section", "article", "main", "aside", "header", "footer", "body", "html"),
    *("ul", "ol", "li", "dl", "dt", "dd", "table", "tr", "caption", "blockquote", "pre"),
    *("figure", "figcaption", "form", "address", "hr", "details", "summary"),
}
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
Block = tuple[bool, str]  # a heading?, its text


def _sections(blocks: Iterator[Block]) -> Iterator[Document]:
    """Blocks under the same heading make a Document."""
    section: str | None = None
    body: list[str] = []
    for heading, text in blocks:
        if not heading:
            body.append(text)
            continue
        yield from _section("\n\n".join(body), section, {})
        section, body = text, []
    yield from _section("\n\n".join(body), section, {})


def _section(body: str, section: str | None, meta: dict[str, Any]) -> Iterator[Document]:
    """A heading without a body is text itself (a title page)."""
    text = body.strip() or section or ""
    if text:
        yield from _portions(text, {**meta, "section": section})


def _portions(text: str, meta: dict[str, Any]) -> Iterator[Document]:
    """The text in portions that end with a paragraph, or else a line or a word."""
    from llama_index.core.schema import Document

    start = 0
    while start < len(text):
        end = start + _PORTION
        if end < len(text):
            cuts = (text.rfind(mark, start + 1, end) for mark in ("\n\n", "\n", " "))
            end = next((cut for cut in cuts if cut > start), end)
        yield Document(text=text[start:end], metadata=meta)
        start = end


def _html_blocks(soup: BeautifulSoup) -> Iterator[Block]:
    """Visible text: what stands in the same block, with its white space made single."""
    from bs4.element import PreformattedString

    for tag in soup.find_all(_hidden):
        tag.extract()
    block: Tag | None = None
    words: list[str] = []

    def flush() -> Iterator[Block]:
        text = "".join(words)
        text = text if block is not None and block.name == "pre" else " ".join(text.split())
        if text.strip():
            yield block is not None and block.name in _HEADINGS, text.strip(" |\n")
        words.clear()

    for node in soup.descendants:
        name = getattr(node, "name", None)
        if name in ("td", "th"):
            words.append(" | ")
        elif name in _BLOCKS:
            yield from flush()  # also between two paragraphs of one name
        elif name == "br":
            words.append("\n")
        elif name is None and not isinstance(node, PreformattedString):
            inside = next((tag for tag in node.parents if tag.name in _BLOCKS), None)
            if inside is not block:
                yield from flush()
                block = inside
            words.append(str(node))
    yield from flush()


def _hidden(tag: Tag) -> bool:
    return (
        tag.name in _DROPPED
        or tag.has_attr("hidden")
        or tag.get("aria-hidden") == "true"
        or bool(_HIDDEN.search(str(tag.get("style", ""))))
    )


def _docx_blocks(document: Any) -> Iterator[Block]:
    from docx.table import Table

    for block in document.iter_inner_content():
        if isinstance(block, Table):
            for row in block.rows:
                # merged cells come once for each column that they span
                cells = dict.fromkeys(" ".join(cell.text.split()) for cell in row.cells)
                if any(cells):
                    yield False, " | ".join(cell for cell in cells if cell)
            continue
        text = block.text.strip()
        style = block.style.name.lower() if block.style is not None else ""
        if text:
            yield style.startswith(("heading", "title")), text


# -- Markdown -------------------------------------------------------------------------------

_FRONT = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_MARKUP: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.MULTILINE), by)
    for pattern, by in (
        (r"<!--[\s\S]*?-->", ""),
        (r"^[ \t]*(```|~~~).*$", ""),
        (r"!?\[([^\]\n]*)\]\([^)\n]*\)", r"\1"),
        (r"^([ \t]*)>[ \t]?", r"\1"),
        (r"^[ \t:|-]*-{3,}[ \t:|-]*\n?", ""),
        (r"^[ \t]*\|[ \t]*(.*?)[ \t]*\|[ \t]*$", r"\1"),
        (r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1", r"\2"),
        (r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])", r"\1"),
        (r"`([^`\n]+)`", r"\1"),
        (r"</?[a-zA-Z][^>\n]*>", ""),
    )
)


def _plain(markdown: str) -> str:
    """The words without their markup, so that quotes read naturally."""
    for pattern, by in _MARKUP:
        markdown = pattern.sub(by, markdown)
    return markdown


def _front_matter(text: str, timezone: str) -> tuple[dict[str, Any], str]:
    """YAML front matter: a `date:` in it says when the thing happened."""
    front = _FRONT.match(text)
    if front is None:
        return {}, text
    rest = text[front.end() :]
    found = re.search(r"^date:\s*['\"]?([^'\"#\n]+)", front.group(1), re.MULTILINE)
    value = found.group(1).strip() if found else ""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            start, end = day_us(date.fromisoformat(value), timezone)
            return {"at_us": start, "at_end_us": end}, rest
        return ({"at_us": instant_us(value, timezone)} if value else {}), rest
    except (ValueError, OverflowError):
        return {}, rest  # not a date that anybody could read


def _unreadable(path: Path, why: str) -> UnreadableMedia:
    return UnreadableMedia(
        f"{path.name!r} cannot be read.",
        why=why,
        fix="Open it in its own program and save it again.",
        file=path.name,
    )
