"""Bytes of a text file as text, whatever encoding they are in."""

from __future__ import annotations

import codecs
from pathlib import Path

from model_host.errors import TooLarge, UnreadableMedia

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path, max_bytes: int) -> str:
    """The text with `\\n` line ends and without a byte order mark.

    Raises TooLarge before it reads anything, UnreadableMedia when it is not text."""
    check_size(path, max_bytes)
    return decode_text(path.read_bytes(), path.name)


def check_size(path: Path, max_bytes: int) -> None:
    size = path.stat().st_size
    if size > max_bytes:
        raise TooLarge(
            f"{path.name!r} is too large to index as text.",
            why=f"It has {size / 1e6:.0f} MB; the limit is {max_bytes / 1e6:.0f} MB.",
            fix="Split it, or raise `max_text_bytes` in the settings.",
            file=path.name,
            size_bytes=size,
            limit_bytes=max_bytes,
        )


def decode_text(data: bytes, name: str) -> str:
    """Byte order mark, then UTF-8, then UTF-16 by its zeros, then the likeliest old encoding."""
    text = _decode(data)
    if text is None or "\x00" in text:
        raise UnreadableMedia(
            f"{name!r} cannot be read.",
            why="It is not text in any encoding that could be found out.",
            fix="Save it as UTF-8.",
            file=name,
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes) -> str | None:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _try(data, encoding)
    if b"\x00" in data[:4096]:
        odd = data[1:4096:2].count(0) > data[0:4096:2].count(0)
        return _try(data, "utf-16-le" if odd else "utf-16-be")
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    if bad <= 1 + len(text) // 2000 and bad < sum(char > "\x7f" for char in text):
        return text.replace("\ufffd", "")  # broken off, or a stray byte
    from charset_normalizer import from_bytes

    # a slice is enough to know the encoding; whole files take minutes
    best = from_bytes(data[: 1 << 18]).best()
    return _try(data, best.encoding if best is not None else "cp1252")


def _try(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None
